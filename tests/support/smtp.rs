//! A test mail server that accepts every letter, or refuses at a chosen step: enough
//! SMTP for one client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct SmtpServer {
    pub port: u16,
    letters: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    refusals: Refusals,
}

/// The replies that refuse a verb. `CONNECT` is the greeting, `TEXT` the end of a
/// letter's text.
type Refusals = Arc<Mutex<HashMap<&'static str, &'static str>>>;

impl SmtpServer {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let (count_sender, count) = watch::channel(0);
        let (accepted, count_sender) = (Arc::clone(&letters), Arc::new(count_sender));
        let refusals = Refusals::default();
        let replies = Arc::clone(&refusals);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accepted, count_sender, replies) =
                    (Arc::clone(&accepted), Arc::clone(&count_sender), Arc::clone(&replies));
                tokio::spawn(async move {
                    // A client may close the connection at any time.
                    let _ = serve(stream, &accepted, &count_sender, &replies).await;
                });
            }
        });
        Self { port, letters, count, refusals }
    }

    /// From now on the server answers `verb` with `reply`.
    pub fn refuse(&self, verb: &'static str, reply: &'static str) {
        self.refusals.lock().expect("not poisoned").insert(verb, reply);
    }

    /// Accepts everything again.
    pub fn relent(&self) {
        self.refusals.lock().expect("not poisoned").clear();
    }

    /// The token of the link in the newest letter.
    pub fn newest_token(&self) -> String {
        let body = self.newest_body();
        let (_, rest) = body.split_once("#token=").unwrap_or_else(|| panic!("no link in {body}"));
        rest.split_whitespace().next().expect("a token").to_owned()
    }

    /// The decoded text of the newest letter.
    pub fn newest_body(&self) -> String {
        let letters = self.letters();
        let (head, body) = letters.last().expect("a letter").split_once("\n\n").expect("a head and a body");
        if head.to_lowercase().contains("base64") {
            let packed: String = body.split_whitespace().collect();
            String::from_utf8(data_encoding::BASE64.decode(packed.as_bytes()).expect("base64")).expect("text")
        } else {
            body.replace("=\n", "").replace("=3D", "=")
        }
    }

    /// Envelope and text of every accepted letter.
    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().expect("not poisoned").clone()
    }

    pub async fn wait_for(&self, letters: usize) {
        let mut count = self.count.clone();
        let timeout = std::time::Duration::from_secs(20);
        let arrived = tokio::time::timeout(timeout, count.wait_for(|count| *count >= letters)).await;
        arrived.expect("letters arrived in time").expect("the server is there");
    }
}

async fn serve(
    stream: TcpStream,
    letters: &Mutex<Vec<String>>,
    count_sender: &watch::Sender<usize>,
    refusals: &Refusals,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let refused =
        |verb: &str| refusals.lock().expect("not poisoned").get(verb).map(|reply| format!("{reply}\r\n"));
    let greeting = refused("CONNECT").unwrap_or_else(|| "220 test\r\n".to_owned());
    write.write_all(greeting.as_bytes()).await?;
    let mut letter = String::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        letter.push_str(&line);
        letter.push('\n');
        if let Some(no) = refused(&verb) {
            write.write_all(no.as_bytes()).await?;
            continue;
        }
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-test\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => b"235 known\r\n",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    letter.push_str(&line);
                    letter.push('\n');
                }
                if let Some(no) = refused("TEXT") {
                    write.write_all(no.as_bytes()).await?;
                    continue;
                }
                letters.lock().expect("not poisoned").push(std::mem::take(&mut letter));
                count_sender.send_modify(|count| *count += 1);
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
