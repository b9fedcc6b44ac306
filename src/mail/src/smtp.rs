//! An SMTP session, step by step: the step at which the server refuses determines
//! the kind of trouble.

use std::{net::IpAddr, time::Duration};

use lettre::{
    Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::Response,
    },
};

use super::{MailError, settings};
use base::config::{MailConfig, SmtpTls};
use domain::letter::{Step, Trouble, classify_reply};

/// Timeout of connecting to a mail server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Timeout of sending one letter. Shorter than the outbox's claim on a letter.
const SEND_TIMEOUT: Duration = Duration::from_secs(40);

/// A mail server and its connection settings.
pub(super) struct SmtpServer {
    host: String,
    port: u16,
    tls: Encryption,
    credentials: Option<Credentials>,
    hello: ClientId,
    hello_is_set: bool,
}

enum Encryption {
    Wrapped(TlsParameters),
    Starttls(TlsParameters),
    None,
}

impl SmtpServer {
    pub(super) fn new(config: &MailConfig) -> Result<Self, MailError> {
        let MailConfig::Smtp { host, port, tls, user, password_env, hello_name, .. } = config else {
            return Err(MailError::Settings("no mail server is set".to_owned()));
        };
        let parameters = || TlsParameters::new(host.clone()).map_err(settings);
        let credentials = match user {
            None => None,
            Some(user) => {
                let variable = password_env.as_deref().unwrap_or("WAYSTATION_MAIL_PASSWORD");
                let password = std::env::var(variable)
                    .map_err(|_| MailError::Settings(format!("{variable} is not set")))?;
                Some(Credentials::new(user.clone(), password))
            }
        };
        let hello = hello_name.as_deref().map(hello_of).transpose()?;
        Ok(Self {
            host: host.clone(),
            port: *port,
            tls: match tls {
                SmtpTls::Wrapped => Encryption::Wrapped(parameters()?),
                SmtpTls::Starttls => Encryption::Starttls(parameters()?),
                SmtpTls::None => Encryption::None,
            },
            credentials,
            hello_is_set: hello.is_some(),
            hello: hello.unwrap_or_default(),
        })
    }

    /// Uses the host of this URL in EHLO, unless the settings contain another name.
    pub(super) fn with_public_url(&mut self, public_url: &str) {
        let host = url::Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if let Some(hello) = host.filter(|_| !self.hello_is_set).and_then(|host| hello_of(&host).ok()) {
            self.hello = hello;
        }
    }

    /// Sends a letter on a new connection.
    pub(super) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let timed_out = MailError::NotTaken { trouble: Trouble::Connection, code: None };
        tokio::time::timeout(SEND_TIMEOUT, self.deliver(message)).await.unwrap_or(Err(timed_out))
    }

    async fn deliver(&self, message: &Message) -> Result<(), MailError> {
        let mut connection = self.connect().await?;
        match transmit(&mut connection, message).await {
            Ok(()) => {
                // The letter was accepted; a failed QUIT does not matter.
                let _ = connection.quit().await;
                Ok(())
            }
            Err(error) => {
                connection.abort().await;
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let wrapped = match &self.tls {
            Encryption::Wrapped(parameters) => Some(parameters.clone()),
            Encryption::Starttls(_) | Encryption::None => None,
        };
        let at = (self.host.as_str(), self.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(at, Some(CONNECT_TIMEOUT), &self.hello, wrapped, None);
        let mut connection = connecting.await.map_err(|error| refused(Step::Greeting, &error))?;
        if let Encryption::Starttls(parameters) = &self.tls {
            let secured = connection.starttls(parameters.clone(), &self.hello).await;
            secured.map_err(|error| refused(Step::Greeting, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let authenticated = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            authenticated.map_err(|error| refused(Step::Authentication, &error))?;
        }
        Ok(connection)
    }
}

async fn transmit(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), MailError> {
    let at = |step: Step| move |error: Error| refused(step, &error);
    let _: Response = connection
        .command(Mail::new(message.envelope().from().cloned(), vec![]))
        .await
        .map_err(at(Step::Sender))?;
    for to in message.envelope().to() {
        connection.command(Rcpt::new(to.clone(), vec![])).await.map_err(at(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(at(Step::Content))?;
    connection.message(&message.formatted()).await.map_err(at(Step::Content))?;
    Ok(())
}

/// Maps an error at a step to the kind of trouble.
fn refused(step: Step, error: &Error) -> MailError {
    let Some(code) = error.status() else {
        // A TLS failure and a server without STARTTLS need a person to fix them; the
        // rest is a broken connection.
        let trouble = match (step, error.is_client() || error.is_tls()) {
            (Step::Authentication, true) => Trouble::Authentication,
            (_, true) => Trouble::Greeting,
            (_, false) => Trouble::Connection,
        };
        return MailError::NotTaken { trouble, code: None };
    };
    let code: u16 = code.into();
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    MailError::NotTaken { trouble: classify_reply(step, code, &text), code: Some(code) }
}

/// Parses an EHLO name: a domain, or an address in brackets.
fn hello_of(name: &str) -> Result<ClientId, MailError> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match bare.strip_prefix("IPv6:").unwrap_or(bare).parse() {
        Ok(IpAddr::V4(address)) => return Ok(ClientId::Ipv4(address)),
        Ok(IpAddr::V6(address)) => return Ok(ClientId::Ipv6(address)),
        Err(_) => {}
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(ClientId::Domain(name.to_owned()));
    }
    Err(MailError::Settings(
        "`mail.hello_name` is neither a host's name nor an address in brackets".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_name_is_a_host_or_an_address() {
        let parsed = |name: &str| hello_of(name).map(|hello| hello.to_string()).ok();
        assert_eq!(parsed("clinic.example.cn").as_deref(), Some("clinic.example.cn"));
        assert_eq!(parsed("localhost").as_deref(), Some("localhost"));
        assert_eq!(parsed("127.0.0.1").as_deref(), Some("[127.0.0.1]"));
        assert_eq!(parsed("[192.0.2.1]").as_deref(), Some("[192.0.2.1]"));
        assert_eq!(parsed("[::1]").as_deref(), Some("[IPv6:::1]"));
        for wrong in ["", "a b", "a\r\nMAIL FROM:<x@y>", "-a.example", "a..b", "诊所.example"] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }
}
