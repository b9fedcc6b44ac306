//! The check-in: a worker is known to one station's screen for a short time.

use crate::{
    event::events,
    ids::{StationId, WorkerId},
    network::Identified,
};

crate::text_enum! {
    /// Why a check-in ended.
    pub enum EndReason as "CheckInEndReason" {
        /// The worker left.
        Left = "left",
        /// The worker did nothing for too long.
        Idle = "idle",
        /// Another one began, of the same worker or at the same screen.
        NewCheckIn = "new_check_in",
        /// The worker's card, PIN or identity changed.
        AccessChanged = "access_changed",
        /// The screen's device was revoked.
        ScreenRevoked = "screen_revoked",
        /// Another device was enrolled for the screen.
        ScreenReplaced = "screen_replaced",
    }
}

events! {
    /// One change of a check-in.
    pub enum CheckInEvent, kinds CheckInEventKind {
        /// It began.
        Opened = "check_in.opened" to(worker) {
            worker: WorkerId,
            station: StationId,
            /// Unknown in logs written before walk-ins.
            #[serde(skip_serializing_if = "Option::is_none")]
            identified_by: Option<Identified>,
        },
        Ended = "check_in.ended" to(worker) { reason: EndReason },
    }
}
