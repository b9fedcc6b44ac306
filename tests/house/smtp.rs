//! A mail server that takes every letter: enough SMTP for one client.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct SmtpServer {
    pub port: u16,
    letters: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl SmtpServer {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let (tell, count) = watch::channel(0);
        let (taken, tell) = (Arc::clone(&letters), Arc::new(tell));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (taken, tell) = (Arc::clone(&taken), Arc::clone(&tell));
                tokio::spawn(async move {
                    // A client that hangs up in the middle is its own business.
                    let _ = talk(stream, &taken, &tell).await;
                });
            }
        });
        Self { port, letters, count }
    }

    /// Envelope and text of every letter taken.
    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().expect("not poisoned").clone()
    }

    pub async fn wait_for(&self, letters: usize) {
        let mut count = self.count.clone();
        let patience = std::time::Duration::from_secs(20);
        let come = tokio::time::timeout(patience, count.wait_for(|taken| *taken >= letters)).await;
        come.expect("letters came in time").expect("the server is there");
    }
}

async fn talk(
    stream: TcpStream,
    letters: &Mutex<Vec<String>>,
    tell: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    let mut letter = String::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        letter.push_str(&line);
        letter.push('\n');
        let answer: &[u8] = match verb.as_str() {
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    letter.push_str(&line);
                    letter.push('\n');
                }
                letters.lock().expect("not poisoned").push(std::mem::take(&mut letter));
                tell.send_modify(|taken| *taken += 1);
                b"250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 fine\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}
