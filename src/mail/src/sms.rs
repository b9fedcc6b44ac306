//! Text messages leave: into files that a person can open, into the log of a
//! machine that nobody else reads, or through a gateway beside this process
//! that speaks the provider's own language.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::MailError;
use base::config::SmsConfig;
use domain::letter::Trouble;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends text messages.
pub struct TextSender(Way);

enum Way {
    Files(PathBuf),
    Log,
    Gateway { client: reqwest::Client, url: String, token: Option<String> },
}

impl TextSender {
    /// A sender as configured. Files go into the folder `sms` under `data_dir`.
    ///
    /// # Errors
    /// `Settings` for a token that is not there.
    pub fn new(config: &SmsConfig, data_dir: &Path) -> Result<Self, MailError> {
        let settings = |why: String| MailError::Settings(why);
        Ok(Self(match config {
            SmsConfig::Files => Way::Files(data_dir.join("sms")),
            SmsConfig::Log => Way::Log,
            SmsConfig::Gateway { url, token_env } => Way::Gateway {
                client: reqwest::Client::builder()
                    .timeout(PATIENCE)
                    .build()
                    .map_err(|error| settings(error.to_string()))?,
                url: url.clone(),
                token: token_env
                    .as_deref()
                    .map(|name| std::env::var(name).map_err(|_| settings(format!("{name} is not set"))))
                    .transpose()?,
            },
        }))
    }

    /// Hands a message over. `id` is the same at every try.
    ///
    /// # Errors
    /// `NotTaken`: it may be taken at the next try.
    pub async fn send(&self, id: &str, to: &str, body: &str) -> Result<(), MailError> {
        match &self.0 {
            Way::Files(folder) => write_file(folder, id, &format!("To: {to}\n\n{body}\n")).await,
            Way::Log => {
                tracing::info!(id, to, body, "a text message");
                Ok(())
            }
            Way::Gateway { client, url, token } => {
                let message = serde_json::json!({"id": id, "to": to, "body": body});
                let mut request = client.post(url).json(&message);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                // The error's own words may hold the address with its secrets.
                let answer = request.send().await.map_err(|_| not_taken(None))?;
                if answer.status().is_success() {
                    return Ok(());
                }
                Err(not_taken(Some(answer.status().as_u16())))
            }
        }
    }
}

fn not_taken(code: Option<u16>) -> MailError {
    MailError::NotTaken { trouble: Trouble::Connection, code }
}

/// Written beside and renamed, readable by its owner only: it holds a code.
async fn write_file(folder: &Path, id: &str, text: &str) -> Result<(), MailError> {
    use tokio::io::AsyncWriteExt;
    let later = |_: std::io::Error| not_taken(None);
    tokio::fs::create_dir_all(folder).await.map_err(later)?;
    let (half, whole) = (folder.join(format!("{id}.part")), folder.join(format!("{id}.txt")));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&half).await.map_err(later)?;
    file.write_all(text.as_bytes()).await.map_err(later)?;
    file.flush().await.map_err(later)?;
    drop(file);
    tokio::fs::rename(&half, &whole).await.map_err(later)
}
