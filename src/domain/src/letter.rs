//! When a letter that could not be delivered is tried again, and when it is given up. The mail
//! server's reply decides: a recipient that does not exist will not exist in an hour either. A
//! wrong password of ours, a name in the greeting that the server rejects, or a block list is fixed
//! by somebody in the meantime, and no invitation may be lost because of it.

use chrono::TimeDelta;

crate::text_enum! {
    /// What a letter is about.
    pub enum LetterKind {
        /// Somebody joins the staff and sets their first password.
        Invite = "invite",
        /// Somebody forgot their password.
        Reset = "reset",
        /// Two operators removed an account's password and one-time codes: a link to set new ones.
        Reinvite = "reinvite",
        /// To the account's owner: an operator has requested to remove their one-time codes.
        AuthenticatorReset = "authenticator_reset",
        /// To a new address: a link that confirms it.
        EmailConfirm = "email_confirm",
        /// To the old address: another one is in use now.
        EmailChanged = "email_changed",
        /// Somebody else may be trying to sign in as them.
        SignInAlarm = "sign_in_alarm",
        /// To operators and coordinators: nobody of a department will be on shift.
        CoverageGap = "coverage_gap",
        /// To operators: for a department or the pharmacists somebody waits and nobody is on duty, or somebody
        /// waits too long.
        QueueTrouble = "queue_trouble",
    }
}

impl LetterKind {
    /// Whether the recipient has no password yet, so that the link may be renewed.
    pub const fn invites(self) -> bool {
        matches!(self, Self::Invite | Self::Reinvite)
    }
}

crate::text_enum! {
    /// Delivery state of a letter.
    pub enum LetterState {
        /// To be sent, or sent again.
        Waiting = "waiting",
        /// A mail server accepted it.
        Sent = "sent",
        /// Given up; an operator may send it again.
        Dead = "dead",
        /// Not needed any more: its link was used or replaced.
        Superseded = "superseded",
    }
}

crate::text_enum! {
    /// Why a letter could not be delivered.
    pub enum Trouble {
        /// The mail server knows no such recipient.
        Recipient = "recipient",
        /// It can never be sent as it is.
        Unfit = "unfit",
        /// The mail server refused our user name or password, or wants one.
        Authentication = "authentication",
        /// The mail server refused the connection's greeting, or its TLS.
        Greeting = "greeting",
        /// The mail server's policy: sender, relay, content, block list.
        Policy = "policy",
        /// The mail server asks to try later.
        Later = "later",
        /// The mail server could not be reached, or stopped answering.
        Connection = "connection",
        /// The file could not be written.
        File = "file",
        /// The link in it expired before it could be delivered.
        LinkExpired = "link_expired",
        /// Not recorded: an earlier version of the program gave it up.
        Unknown = "unknown",
    }
}

/// A step of the SMTP session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Connection, greeting, TLS.
    Greeting,
    /// AUTH.
    Authentication,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA and the text.
    Content,
}

/// What happens after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    After(TimeDelta),
    /// Give it up.
    GiveUp,
}

/// A letter is retried for this long. Our default: over a weekend and two working days somebody
/// fixes a mail server that refuses.
pub const PATIENCE: TimeDelta = TimeDelta::days(5);
/// The first pause; each next one is twice as long. Our default.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The longest pause. Our default.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// The first and the longest pause where a person must fix something first: trying every minute
/// would look like password guessing. Our default.
const FIRST_PAUSE_AFTER_REFUSAL: TimeDelta = TimeDelta::minutes(2);
const LONGEST_PAUSE_AFTER_REFUSAL: TimeDelta = TimeDelta::hours(4);

/// What happens after try number `tries` (from 1) of a letter of this age failed.
pub fn next(trouble: Trouble, tries: u32, age: TimeDelta) -> Next {
    let (first, longest) = match trouble {
        Trouble::Recipient | Trouble::Unfit | Trouble::LinkExpired | Trouble::Unknown => {
            return Next::GiveUp;
        }
        Trouble::Later | Trouble::Connection | Trouble::File => (FIRST_PAUSE, LONGEST_PAUSE),
        Trouble::Authentication | Trouble::Greeting | Trouble::Policy => {
            (FIRST_PAUSE_AFTER_REFUSAL, LONGEST_PAUSE_AFTER_REFUSAL)
        }
    };
    if age >= PATIENCE {
        return Next::GiveUp;
    }
    let doublings = tries.saturating_sub(1).min(16);
    Next::After((first * 2_i32.pow(doublings)).min(longest))
}

/// Classifies a reply of 400 or more at a step. Codes: RFC 5321, section 4.2; the status in the
/// text (`5.1.1`): RFC 3463, sections 3.2 to 3.8.
pub fn classify_reply(step: Step, code: u16, text: &str) -> Trouble {
    if code < 500 {
        return Trouble::Later;
    }
    // "Authentication required" may come at any step (RFC 4954, section 6).
    if matches!(code, 530 | 534 | 535 | 538) {
        return Trouble::Authentication;
    }
    match step {
        Step::Greeting => Trouble::Greeting,
        Step::Authentication => Trouble::Authentication,
        Step::Sender | Step::Content => Trouble::Policy,
        Step::Recipient => recipient_trouble(code, enhanced_status(text)),
    }
}

/// For a refused RCPT TO. The enhanced status decides where the server sends one.
fn recipient_trouble(code: u16, status: Option<(u8, u16, u16)>) -> Trouble {
    match status {
        // A bad or unknown destination, or a mailbox that is disabled. 5.1.7 and 5.1.8 are about
        // the sender.
        Some((5, 1, 7 | 8)) => Trouble::Policy,
        Some((5, 1, _)) | Some((5, 2, 0 | 1)) => Trouble::Recipient,
        // Mailbox full, or message too large for it: temporary.
        Some((5, 2, _)) | Some((4, _, _)) => Trouble::Later,
        Some(_) => Trouble::Policy,
        // 550: unavailable; 551: moved; 553: the name is not allowed; 556: its
        // domain takes no mail (RFC 7504); 501: its spelling; 521: no mail here.
        None if matches!(code, 501 | 521 | 550 | 551 | 553 | 556) => Trouble::Recipient,
        None if code == 552 => Trouble::Later,
        // 503, 504, 554 and the rest: relaying, order of commands, policy.
        None => Trouble::Policy,
    }
}

/// The first word of a reply, where it is an enhanced status code.
fn enhanced_status(text: &str) -> Option<(u8, u16, u16)> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((class.parse().ok()?, subject.parse().ok()?, detail.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_recipient_is_a_permanent_failure() {
        use {Step::*, Trouble as T};
        for (step, code, text, trouble) in [
            (Greeting, 504, "5.5.2 need a fully-qualified name", T::Greeting),
            (Greeting, 554, "no service here", T::Greeting),
            (Greeting, 421, "too many connections", T::Later),
            (Authentication, 535, "5.7.8 bad credentials", T::Authentication),
            (Authentication, 454, "4.7.0 try later", T::Later),
            (Sender, 530, "5.7.0 authentication required", T::Authentication),
            (Sender, 553, "5.1.8 unknown sender domain", T::Policy),
            (Recipient, 550, "5.1.1 no such user", T::Recipient),
            (Recipient, 550, "No such user here", T::Recipient),
            (Recipient, 550, "5.7.1 blocked, see a list", T::Policy),
            (Recipient, 554, "5.7.1 relay access denied", T::Policy),
            (Recipient, 554, "relay access denied", T::Policy),
            (Recipient, 552, "5.2.2 mailbox full", T::Later),
            (Recipient, 450, "4.2.0 greylisted", T::Later),
            (Content, 554, "5.7.1 looks like spam", T::Policy),
            (Content, 550, "looks like spam", T::Policy),
        ] {
            assert_eq!(classify_reply(step, code, text), trouble, "{step:?} {code} {text}");
        }
    }

    #[test]
    fn pauses_grow_to_their_longest_and_end_at_the_maximum_age() {
        let new = TimeDelta::zero();
        assert_eq!(next(Trouble::Later, 1, new), Next::After(TimeDelta::seconds(30)));
        assert_eq!(next(Trouble::Later, 2, new), Next::After(TimeDelta::seconds(60)));
        assert_eq!(next(Trouble::Connection, 4_000, new), Next::After(LONGEST_PAUSE));
        assert_eq!(next(Trouble::Authentication, 1, new), Next::After(FIRST_PAUSE_AFTER_REFUSAL));
        assert_eq!(next(Trouble::Policy, 30, new), Next::After(LONGEST_PAUSE_AFTER_REFUSAL));
        assert_eq!(next(Trouble::Policy, 30, PATIENCE), Next::GiveUp);
        assert_eq!(next(Trouble::Recipient, 1, new), Next::GiveUp);
    }
}
