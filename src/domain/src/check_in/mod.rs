//! The check-in: a worker is known to one station's screen for a short time. Open until it ends;
//! ended for good.

use crate::{
    event::events,
    ids::{CheckInId, StationId, WorkerId},
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

/// What a command is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckIn {
    pub id: CheckInId,
    pub worker: WorkerId,
    pub station: StationId,
    /// Why it ended; `None` while it is open.
    pub ended: Option<EndReason>,
}

/// A command on a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    End { reason: EndReason },
}

impl CheckIn {
    /// An open check-in; `None` unless `event` opens one.
    pub fn begin(id: CheckInId, event: &CheckInEvent) -> Option<Self> {
        match event {
            CheckInEvent::Opened { worker, station, .. } => {
                Some(Self { id, worker: *worker, station: *station, ended: None })
            }
            CheckInEvent::Ended { .. } => None,
        }
    }

    /// The events that result from `command`. None when it was already done: a check-in ends once,
    /// and keeps its first reason.
    pub fn decide(&self, command: Command) -> Vec<CheckInEvent> {
        match (command, self.ended) {
            (Command::End { reason }, None) => vec![CheckInEvent::Ended { reason }],
            (Command::End { .. }, Some(_)) => Vec::new(),
        }
    }

    /// Applies one event, unchecked: [`CheckIn::decide`] produced it.
    pub fn apply(&mut self, event: &CheckInEvent) {
        match event {
            // Always the first event of a log: `begin`.
            CheckInEvent::Opened { .. } => {}
            CheckInEvent::Ended { reason } => self.ended = Some(*reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_once_and_keeps_its_first_reason() {
        let (worker, station) = (WorkerId::generate(), StationId::generate());
        let opened = CheckInEvent::Opened { worker, station, identified_by: Some(Identified::Card) };
        let mut check_in = CheckIn::begin(CheckInId::generate(), &opened).expect("opened");
        assert_eq!((check_in.worker, check_in.station, check_in.ended), (worker, station, None));
        let ended = check_in.decide(Command::End { reason: EndReason::Left });
        ended.iter().for_each(|event| check_in.apply(event));
        assert_eq!(check_in.ended, Some(EndReason::Left));
        assert_eq!(check_in.decide(Command::End { reason: EndReason::Idle }), []);
    }
}
