//! Changes of letters and text messages in the outbox.

use super::events;
use crate::{
    ids::StaffId,
    letter::{LetterKind, Trouble},
};

events! {
    /// A change of a letter.
    pub enum LetterEvent, kinds LetterEventKind {
        Written = "letter.written" to() { staff: StaffId, kind: LetterKind },
        Sent = "letter.sent" to() {},
        GivenUp = "letter.given_up" to() {
            trouble: Trouble,
            /// The mail server's.
            reply_code: Option<u16>,
        },
        /// A later letter replaces it.
        Superseded = "letter.superseded" to() {},
        /// It waits to be sent again.
        Resent = "letter.resent" to() {},
    }
}

events! {
    /// A change of a text message.
    pub enum TextMessageEvent, kinds TextMessageEventKind {
        Written = "text_message.written" to() {},
        Sent = "text_message.sent" to() {},
        GivenUp = "text_message.given_up" to() {},
    }
}
