//! A conversation with a mail server, step by step: at which one it refuses
//! says whose trouble it is.

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
use domain::letter::{Step, Trouble, trouble_of};

/// How long a mail server may take to answer a connection.
const CONNECTING: Duration = Duration::from_secs(15);
/// How long it may take for a whole letter. Less than a letter is claimed for.
const WHOLE: Duration = Duration::from_secs(40);

/// A mail server, and how to speak with it.
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
    /// The server of the settings.
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

    /// Greets with the host of this address, unless the settings name another.
    pub(super) fn reached_at(&mut self, public_url: &str) {
        let host = url::Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if let Some(hello) = host.filter(|_| !self.hello_is_set).and_then(|host| hello_of(&host).ok()) {
            self.hello = hello;
        }
    }

    /// Hands a letter over on a connection of its own.
    pub(super) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let silent = MailError::NotTaken { trouble: Trouble::Connection, code: None };
        tokio::time::timeout(WHOLE, self.speak(message)).await.unwrap_or(Err(silent))
    }

    async fn speak(&self, message: &Message) -> Result<(), MailError> {
        let mut line = self.connect().await?;
        match hand_over(&mut line, message).await {
            Ok(()) => {
                // It was taken: whether the farewell is heard makes no difference.
                let _ = line.quit().await;
                Ok(())
            }
            Err(error) => {
                line.abort().await;
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
            AsyncSmtpConnection::connect_tokio1(at, Some(CONNECTING), &self.hello, wrapped, None);
        let mut line = connecting.await.map_err(|error| refused(Step::Greeting, &error))?;
        if let Encryption::Starttls(parameters) = &self.tls {
            let secured = line.starttls(parameters.clone(), &self.hello).await;
            secured.map_err(|error| refused(Step::Greeting, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let known = line.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            known.map_err(|error| refused(Step::Authentication, &error))?;
        }
        Ok(line)
    }
}

async fn hand_over(line: &mut AsyncSmtpConnection, message: &Message) -> Result<(), MailError> {
    let at = |step: Step| move |error: Error| refused(step, &error);
    let _: Response = line
        .command(Mail::new(message.envelope().from().cloned(), vec![]))
        .await
        .map_err(at(Step::Sender))?;
    for to in message.envelope().to() {
        line.command(Rcpt::new(to.clone(), vec![])).await.map_err(at(Step::Recipient))?;
    }
    line.command(Data).await.map_err(at(Step::Content))?;
    line.message(&message.formatted()).await.map_err(at(Step::Content))?;
    Ok(())
}

/// What an error at a step means.
fn refused(step: Step, error: &Error) -> MailError {
    let Some(code) = error.status() else {
        // TLS that fails and a server without STARTTLS are ours or theirs to
        // mend; the rest is a line that broke.
        let trouble = match (step, error.is_client() || error.is_tls()) {
            (Step::Authentication, true) => Trouble::Authentication,
            (_, true) => Trouble::Greeting,
            (_, false) => Trouble::Connection,
        };
        return MailError::NotTaken { trouble, code: None };
    };
    let code: u16 = code.into();
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    MailError::NotTaken { trouble: trouble_of(step, code, &text), code: Some(code) }
}

/// A name as the greeting takes it: a domain, or an address in brackets.
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
    fn a_greeting_is_a_name_or_an_address() {
        let said = |name: &str| hello_of(name).map(|hello| hello.to_string()).ok();
        assert_eq!(said("clinic.example.cn").as_deref(), Some("clinic.example.cn"));
        assert_eq!(said("localhost").as_deref(), Some("localhost"));
        assert_eq!(said("127.0.0.1").as_deref(), Some("[127.0.0.1]"));
        assert_eq!(said("[192.0.2.1]").as_deref(), Some("[192.0.2.1]"));
        assert_eq!(said("[::1]").as_deref(), Some("[IPv6:::1]"));
        for wrong in ["", "a b", "a\r\nMAIL FROM:<x@y>", "-a.example", "a..b", "诊所.example"] {
            assert_eq!(said(wrong), None, "{wrong:?}");
        }
    }
}
