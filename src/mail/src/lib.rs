//! FLOOR 2: letters leave the house. They are built with typed builders, carry
//! a link and a name and never health data, and go either through a mail
//! server or, for a house without one, into files that a person can open. It
//! keeps no queue: what is to be sent, and when again, is the outbox's matter.

mod sms;
mod smtp;
mod wording;

pub use sms::TextSender;

use std::path::PathBuf;

use lettre::{
    Message,
    address::AddressError,
    message::{Mailbox, header::ContentType},
};

use self::smtp::SmtpServer;
use base::{config::MailConfig, private_files};
use domain::{letter::Trouble, time::Timestamp};

domain::text_enum! {
    /// What a letter is about.
    pub enum LetterKind {
        /// Somebody joins the staff and sets their first password.
        Invite = "invite",
        /// Somebody forgot their password.
        Reset = "reset",
        /// Two operators took an account's password and one-time codes away: a link to set new ones.
        Reinvite = "reinvite",
        /// To the old device's owner: an operator asks to take the one-time codes away.
        AuthenticatorReset = "authenticator_reset",
        /// To a new address: a link that confirms it.
        EmailConfirm = "email_confirm",
        /// To the old address: another one is in use now.
        EmailChanged = "email_changed",
        /// Somebody else may be trying to sign in as them.
        SignInAlarm = "sign_in_alarm",
    }
}

impl LetterKind {
    /// Whether it joins somebody who has no password: its link may be renewed.
    pub fn invites(self) -> bool {
        matches!(self, Self::Invite | Self::Reinvite)
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
    /// It was not taken. A server's own words may repeat the recipient, so only
    /// the kind of trouble and the reply's number are told.
    #[error("not taken: {trouble}{}", .code.map(|code| format!(", reply {code}")).unwrap_or_default())]
    NotTaken {
        /// Why.
        trouble: Trouble,
        /// The number of the mail server's reply, where it was one.
        code: Option<u16>,
    },
}

impl MailError {
    /// The kind of trouble, and the mail server's reply.
    pub fn trouble(&self) -> (Trouble, Option<u16>) {
        match self {
            Self::Unfit(_) | Self::Settings(_) => (Trouble::Unfit, None),
            Self::NotTaken { trouble, code } => (*trouble, *code),
        }
    }

    /// Whether the next letter would meet the same: the server is away, or
    /// refuses us.
    pub fn is_of_the_server(&self) -> bool {
        let (trouble, _) = self.trouble();
        matches!(trouble, Trouble::Authentication | Trouble::Greeting | Trouble::Connection)
    }
}

/// Sends letters.
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<SmtpServer>),
    Files(PathBuf),
}

impl Mailer {
    /// A mailer as configured. Files go into the folder `mail` under `data_dir`.
    ///
    /// # Errors
    /// `Settings` for a sender that is none, TLS that cannot be set up, or a
    /// greeting that no mail server would understand.
    pub fn new(config: &MailConfig, data_dir: &std::path::Path) -> Result<Self, MailError> {
        let (from, way) = match config {
            MailConfig::Files { from } => (from, Way::Files(data_dir.join("mail"))),
            MailConfig::Smtp { from, .. } => (from, Way::Smtp(Box::new(SmtpServer::new(config)?))),
        };
        Ok(Self { from: sender(from)?, way })
    }

    /// Says under which address callers reach the house: mail servers are
    /// greeted with its host, unless the settings name another.
    pub fn reached_at(mut self, public_url: &str) -> Self {
        if let Way::Smtp(server) = &mut self.way {
            server.reached_at(public_url);
        }
        self
    }

    /// Hands a letter over.
    ///
    /// # Errors
    /// `Unfit` for one that can never be sent, `NotTaken` with the reason.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let message = self.build(letter)?;
        match &self.way {
            Way::Smtp(server) => server.send(&message).await,
            Way::Files(folder) => write_file(folder, &letter.id, &message.formatted()).await,
        }
    }

    fn build(&self, letter: &Letter<'_>) -> Result<Message, MailError> {
        let address = letter.to.parse().map_err(|_: AddressError| MailError::Unfit("the address"))?;
        let domain = self.from.email.domain();
        let text = wording::of(letter);
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

/// Written beside and renamed, so that nobody reads half a letter; a repeat
/// replaces the same file.
async fn write_file(folder: &std::path::Path, id: &str, bytes: &[u8]) -> Result<(), MailError> {
    let later = |error: std::io::Error| {
        tracing::warn!(%error, "a letter could not be written");
        MailError::NotTaken { trouble: Trouble::File, code: None }
    };
    let (half, whole) = (folder.join(format!("{id}.part")), folder.join(format!("{id}.eml")));
    let (folder, bytes) = (folder.to_owned(), bytes.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        private_files::make_folder(&folder)?;
        private_files::write(&half, &bytes)?;
        std::fs::rename(&half, &whole)
    });
    written.await.map_err(|_| MailError::NotTaken { trouble: Trouble::File, code: None })?.map_err(later)
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
