//! FLOOR 2: letters leave the house. They are built with typed builders, carry
//! a link and a name and never health data, and go either through a mail
//! server or, for a house without one, into files that a person can open. It
//! keeps no queue: what is to be sent, and when again, is the outbox's matter.

mod text;

use std::{path::PathBuf, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::AddressError,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use crate::{
    config::{MailConfig, SmtpTls},
    domain::time::Timestamp,
    private_files,
};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// Somebody joins the staff and sets their first password.
    Invite,
    /// Somebody forgot their password.
    Reset,
}

impl LetterKind {
    /// The kind spelt `text`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "invite" => Some(Self::Invite),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }
}

/// All that a letter is made of.
pub struct Letter<'a> {
    /// Its own id, the same at every try: a mail server can tell a repeat.
    pub id: String,
    /// What it is about.
    pub kind: LetterKind,
    /// Where it goes.
    pub to: &'a str,
    /// The recipient's name in Chinese.
    pub name_zh: &'a str,
    /// The recipient's name in English or pinyin.
    pub name_en: &'a str,
    /// The link to follow.
    pub link: &'a str,
    /// When it was written.
    pub written_at: Timestamp,
}

/// Why a letter did not leave. Texts name no recipient.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It can never be sent as it is: a bad address, or a line break in a header.
    #[error("the letter cannot be sent: {0}")]
    Unfit(&'static str),
    /// The settings are wrong.
    #[error("mail settings: {0}")]
    Settings(String),
    /// The mail server or the disk did not take it; it may later.
    #[error("not handed over: {0}")]
    Later(String),
}

/// Sends letters.
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Files(PathBuf),
}

impl Mailer {
    /// A mailer as configured. Files go into the folder `mail` under `data_dir`.
    ///
    /// # Errors
    /// `Settings` for a sender that is none, or TLS that cannot be set up.
    pub fn new(config: &MailConfig, data_dir: &std::path::Path) -> Result<Self, MailError> {
        match config {
            MailConfig::Files { from } => {
                Ok(Self { from: sender(from)?, way: Way::Files(data_dir.join("mail")) })
            }
            MailConfig::Smtp { from, host, port, tls, user, password_env } => {
                let parameters = || TlsParameters::new(host.clone()).map_err(settings);
                let tls = match tls {
                    SmtpTls::Wrapped => Tls::Wrapper(parameters()?),
                    SmtpTls::Starttls => Tls::Required(parameters()?),
                    SmtpTls::None => Tls::None,
                };
                let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
                    .port(*port)
                    .tls(tls)
                    .timeout(Some(PATIENCE));
                if let Some(user) = user {
                    let variable = password_env.as_deref().unwrap_or("WAYSTATION_MAIL_PASSWORD");
                    let password = std::env::var(variable)
                        .map_err(|_| MailError::Settings(format!("{variable} is not set")))?;
                    builder = builder.credentials(Credentials::new(user.clone(), password));
                }
                Ok(Self { from: sender(from)?, way: Way::Smtp(Box::new(builder.build())) })
            }
        }
    }

    /// Hands a letter over.
    ///
    /// # Errors
    /// `Unfit` for one that can never be sent, `Later` for one that may be.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let message = self.build(letter)?;
        match &self.way {
            Way::Smtp(server) => match server.send(message).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_permanent() => Err(MailError::Unfit("the mail server refused it")),
                Err(error) => Err(MailError::Later(kind_of(&error).to_owned())),
            },
            Way::Files(folder) => write_file(folder, &letter.id, &message.formatted()).await,
        }
    }

    fn build(&self, letter: &Letter<'_>) -> Result<Message, MailError> {
        let address = letter.to.parse().map_err(|_: AddressError| MailError::Unfit("the address"))?;
        let domain = self.from.email.domain();
        let text = text::of(letter);
        // A line break in a header would let its writer add headers of their own.
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

/// A server's own words may repeat the recipient, so only the kind is told.
fn kind_of(error: &lettre::transport::smtp::Error) -> &'static str {
    if error.is_timeout() {
        "the mail server took too long"
    } else if error.is_transient() {
        "the mail server asks to try later"
    } else {
        "the mail server cannot be reached"
    }
}

/// Written beside and renamed, so that nobody reads half a letter; a repeat
/// replaces the same file.
async fn write_file(folder: &std::path::Path, id: &str, bytes: &[u8]) -> Result<(), MailError> {
    let later = |error: std::io::Error| MailError::Later(error.to_string());
    let (half, whole) = (folder.join(format!("{id}.part")), folder.join(format!("{id}.eml")));
    let (folder, bytes) = (folder.to_owned(), bytes.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        private_files::make_folder(&folder)?;
        private_files::write(&half, &bytes)?;
        std::fs::rename(&half, &whole)
    });
    written
        .await
        .map_err(|_| MailError::Later("the writing of a file ended early".to_owned()))?
        .map_err(later)
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
    fn a_letter_holds_both_languages_and_the_link() {
        let built = mailer().build(&letter("a@b.example", "Li, Wei \"x\"")).expect("fine");
        let raw = String::from_utf8(built.formatted()).expect("ASCII");
        assert!(raw.contains("Message-ID: <0190-a@w.example>"), "{raw}");
        assert!(!raw.to_lowercase().contains("bcc:"));
    }
}
