//! Sends letters (e-mail) and text messages. They are built with typed builders,
//! contain a link and a name and never health data, and go either through a mail
//! server or, without one, into files that a person can open. This crate has no
//! queue: the outbox decides what is sent and when it is retried.

mod files;
mod sms;
mod smtp;
mod wording;

pub use sms::SmsSender;

use std::path::PathBuf;

use lettre::{
    Message,
    address::AddressError,
    message::{Mailbox, header::ContentType},
};

use self::smtp::SmtpServer;
use base::config::MailConfig;
use domain::{
    letter::{LetterKind, Trouble},
    time::Timestamp,
};

/// The content of a letter.
pub struct Letter<'a> {
    /// The same at every try, so that a mail server can detect a repeat.
    pub id: String,
    pub kind: LetterKind,
    /// The recipient's address.
    pub to: &'a str,
    /// The recipient's name in Chinese.
    pub name_zh: &'a str,
    /// The recipient's name in English or pinyin.
    pub name_en: &'a str,
    pub link: &'a str,
    pub written_at: Timestamp,
}

/// Why a letter was not sent. The texts do not contain the recipient.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It can never be sent: a bad address, or a line break in a header.
    #[error("the letter cannot be sent: {0}")]
    Unfit(&'static str),
    /// The settings are wrong.
    #[error("mail settings: {0}")]
    Settings(String),
    /// The server did not accept it. A server's own text may contain the recipient,
    /// so only the kind of trouble and the reply code are reported.
    #[error("not taken: {trouble}{}", .code.map(|code| format!(", reply {code}")).unwrap_or_default())]
    NotTaken {
        trouble: Trouble,
        /// The mail server's reply code, if there was a reply.
        code: Option<u16>,
    },
}

impl MailError {
    /// The kind of trouble and the mail server's reply code.
    pub fn trouble(&self) -> (Trouble, Option<u16>) {
        match self {
            Self::Unfit(_) | Self::Settings(_) => (Trouble::Unfit, None),
            Self::NotTaken { trouble, code } => (*trouble, *code),
        }
    }

    /// Whether the next letter would fail in the same way: the server cannot be
    /// reached, or refuses us.
    pub fn is_server_side(&self) -> bool {
        let (trouble, _) = self.trouble();
        matches!(trouble, Trouble::Authentication | Trouble::Greeting | Trouble::Connection)
    }
}

pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

enum Transport {
    Smtp(Box<SmtpServer>),
    Files(PathBuf),
}

impl Mailer {
    /// A mailer as configured. Files go into the folder `mail` under `data_dir`.
    ///
    /// # Errors
    /// `Settings` for an invalid sender, TLS that cannot be set up, or an invalid EHLO
    /// name.
    pub fn new(config: &MailConfig, data_dir: &std::path::Path) -> Result<Self, MailError> {
        let (from, transport) = match config {
            MailConfig::Files { from } => (from, Transport::Files(data_dir.join("mail"))),
            MailConfig::Smtp { from, .. } => (from, Transport::Smtp(Box::new(SmtpServer::new(config)?))),
        };
        Ok(Self { from: sender(from)?, transport })
    }

    /// Sets the server's public URL: its host is sent in EHLO, unless the settings
    /// contain another name.
    pub fn with_public_url(mut self, public_url: &str) -> Self {
        if let Transport::Smtp(server) = &mut self.transport {
            server.with_public_url(public_url);
        }
        self
    }

    /// # Errors
    /// `Unfit` if it can never be sent, `NotTaken` with the reason.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let message = self.build(letter)?;
        match &self.transport {
            Transport::Smtp(server) => server.send(&message).await,
            Transport::Files(folder) => files::write(folder, &letter.id, "eml", message.formatted()).await,
        }
    }

    fn build(&self, letter: &Letter<'_>) -> Result<Message, MailError> {
        let address = letter.to.parse().map_err(|_: AddressError| MailError::Unfit("the address"))?;
        let domain = self.from.email.domain();
        let text = wording::of(letter);
        // A line break in a header would allow header injection.
        for header in [letter.to, letter.name_en, &letter.id, &text.subject] {
            if header.chars().any(char::is_control) {
                return Err(MailError::Unfit("a control character in a header"));
            }
        }
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(letter.name_en.to_owned()), address))
            .date(letter.written_at.into())
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .subject(text.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text.body)
            .map_err(|_| MailError::Unfit("its parts"))
    }
}

fn sender(text: &str) -> Result<Mailbox, MailError> {
    if text.chars().any(char::is_control) {
        return Err(MailError::Settings("`mail.from` holds a control character".to_owned()));
    }
    text.parse().map_err(|_| MailError::Settings("`mail.from` is no mail address".to_owned()))
}

fn settings(error: impl std::fmt::Display) -> MailError {
    MailError::Settings(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter<'a>(to: &'a str, name: &'a str) -> Letter<'a> {
        Letter {
            id: "0190-a".to_owned(),
            kind: LetterKind::Invite,
            to,
            name_zh: "样例",
            name_en: name,
            link: "https://w.example/staff/password#token=abc",
            written_at: Timestamp::from_timestamp(1_800_000_000, 0).expect("in range"),
        }
    }

    fn mailer() -> Mailer {
        let config = MailConfig::Files { from: "Waystation <w@w.example>".to_owned() };
        Mailer::new(&config, std::path::Path::new("unused")).expect("fine settings")
    }

    #[test]
    fn a_line_break_in_a_header_is_refused() {
        for (to, name) in [
            ("a@b.example", "Li\r\nBcc: c@d.example"),
            ("a@b.example", "Li\nBcc: c@d.example"),
            ("a@b.example\r\nBcc: c@d.example", "Li"),
        ] {
            assert!(matches!(mailer().build(&letter(to, name)), Err(MailError::Unfit(_))), "{to} {name}");
        }
        let bad = MailConfig::Files { from: "w@w.example\r\nBcc: c@d.example".to_owned() };
        assert!(Mailer::new(&bad, std::path::Path::new("unused")).is_err());
    }

    #[test]
    fn a_letter_contains_both_languages_and_the_link() {
        let built = mailer().build(&letter("a@b.example", "Li, Wei \"x\"")).expect("fine");
        let raw = String::from_utf8(built.formatted()).expect("ASCII");
        assert!(raw.contains("Message-ID: <0190-a@w.example>"), "{raw}");
        assert!(!raw.to_lowercase().contains("bcc:"));
    }
}
