//! The tables `mail`, `sms` and `signing`: `transport` or `provider` determines which other keys are
//! needed.
//!
//! serde's tagged enums could read them too, but their errors do not name the key.

use std::path::PathBuf;

use serde::Deserialize;

use super::{MailConfig, SigningConfig, SigningProvider, SmsConfig, SmtpTls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct MailTable {
    transport: MailTransport,
    from: String,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<SmtpTls>,
    user: Option<String>,
    password_env: Option<String>,
    hello_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum MailTransport {
    Files,
    Smtp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct SmsTable {
    transport: SmsTransport,
    url: Option<String>,
    token_env: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SmsTransport {
    Files,
    Log,
    Gateway,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct SigningTable {
    provider: Provider,
    url: Option<String>,
    token_env: Option<String>,
    ca_file: Option<PathBuf>,
    timeout_ms: u64,
    tries: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Provider {
    Network,
    Service,
}

/// serde's own wording, so that it is reported like serde's errors.
fn missing(key: &str) -> String {
    format!("missing field `{key}`")
}

impl TryFrom<MailTable> for MailConfig {
    type Error = String;

    fn try_from(table: MailTable) -> Result<Self, String> {
        let MailTable { transport, from, host, port, tls, user, password_env, hello_name } = table;
        match transport {
            MailTransport::Files => {
                let of_smtp = [
                    ("host", host.is_some()),
                    ("port", port.is_some()),
                    ("tls", tls.is_some()),
                    ("user", user.is_some()),
                    ("password_env", password_env.is_some()),
                    ("hello_name", hello_name.is_some()),
                ];
                match of_smtp.into_iter().find(|(_, is_set)| *is_set) {
                    Some((key, _)) => Err(format!("unknown field `{key}`, expected `transport` or `from`")),
                    None => Ok(Self::Files { from }),
                }
            }
            MailTransport::Smtp => Ok(Self::Smtp {
                from,
                host: host.ok_or_else(|| missing("host"))?,
                port: port.ok_or_else(|| missing("port"))?,
                tls: tls.ok_or_else(|| missing("tls"))?,
                user,
                password_env,
                hello_name,
            }),
        }
    }
}

impl TryFrom<SmsTable> for SmsConfig {
    type Error = String;

    fn try_from(table: SmsTable) -> Result<Self, String> {
        let SmsTable { transport, url, token_env } = table;
        match transport {
            SmsTransport::Files => Ok(Self::Files),
            SmsTransport::Log => Ok(Self::Log),
            SmsTransport::Gateway => Ok(Self::Gateway { url: url.ok_or_else(|| missing("url"))?, token_env }),
        }
    }
}

impl TryFrom<SigningTable> for SigningConfig {
    type Error = String;

    fn try_from(table: SigningTable) -> Result<Self, String> {
        let SigningTable { provider, url, token_env, ca_file, timeout_ms, tries } = table;
        let provider = match provider {
            Provider::Network => SigningProvider::Network,
            Provider::Service => SigningProvider::Service {
                url: url.ok_or_else(|| missing("url"))?,
                token_env,
                timeout_ms,
                tries,
            },
        };
        Ok(Self { provider, ca_file })
    }
}
