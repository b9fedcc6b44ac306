//! Sends text messages: into files that a person can open, into the log (on a
//! developer's machine), or through a gateway on this machine that implements the
//! provider's protocol.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{MailError, files};
use base::config::SmsConfig;
use domain::letter::Trouble;

/// Timeout of a call to the gateway.
const TIMEOUT: Duration = Duration::from_secs(20);

pub struct SmsSender(Transport);

enum Transport {
    Files(PathBuf),
    Log,
    Gateway { client: reqwest::Client, url: String, token: Option<String> },
}

impl SmsSender {
    /// A sender as configured. Files go into the folder `sms` under `data_dir`.
    ///
    /// # Errors
    /// `Settings` if the token's variable is not set.
    pub fn new(config: &SmsConfig, data_dir: &Path) -> Result<Self, MailError> {
        let settings = |why: String| MailError::Settings(why);
        Ok(Self(match config {
            SmsConfig::Files => Transport::Files(data_dir.join("sms")),
            SmsConfig::Log => Transport::Log,
            SmsConfig::Gateway { url, token_env } => Transport::Gateway {
                client: reqwest::Client::builder()
                    .timeout(TIMEOUT)
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

    /// Sends a message. `id` is the same at every try.
    ///
    /// # Errors
    /// `NotTaken`: the next try may succeed.
    pub async fn send(&self, id: &str, to: &str, body: &str) -> Result<(), MailError> {
        match &self.0 {
            Transport::Files(folder) => {
                files::write(folder, id, "txt", format!("To: {to}\n\n{body}\n").into_bytes()).await
            }
            Transport::Log => {
                tracing::info!(id, to, body, "a text message");
                Ok(())
            }
            Transport::Gateway { client, url, token } => {
                let message = serde_json::json!({"id": id, "to": to, "body": body});
                let mut request = client.post(url).json(&message);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                // The error's text may contain the URL with its secrets.
                let response = request.send().await.map_err(|_| not_taken(None))?;
                if response.status().is_success() {
                    return Ok(());
                }
                Err(not_taken(Some(response.status().as_u16())))
            }
        }
    }
}

fn not_taken(code: Option<u16>) -> MailError {
    MailError::NotTaken { trouble: Trouble::Connection, code }
}
