//! The queues of the distributor. Who waits in one queue differs only in how long they wait, so its
//! oldest request is always its next: a round looks at the fronts of queues, never at all who wait.

use chrono::TimeDelta;

use super::{department::Department, policy::MatchingPolicy, score::QueueKey};
use crate::{
    consultation::Medium,
    ids::{ConsultationId, StaffId},
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

/// What all requests of one queue have in common: everything that decides who may serve them, and
/// how fast they move up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue {
    pub department: Department,
    pub level: TriageLevel,
    /// The language that the worker speaks.
    pub language: Language,
    /// How they want to talk.
    pub medium: Medium,
    /// The station's district: hospitals of others are neighbouring.
    pub district: String,
}

/// Separates the parts of a queue's name; codes do not contain it.
const SEPARATOR: char = '/';

impl Queue {
    /// As stored: the parts that are codes, then the district.
    pub fn name(&self) -> String {
        let Self { department, level, language, medium, district } = self;
        [department.as_str(), level.as_str(), language.as_str(), medium.as_str(), district]
            .join(&SEPARATOR.to_string())
    }

    /// The queue of a stored name; `None` if it is no name of a queue.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(5, SEPARATOR);
        Some(Self {
            department: Department::parse(parts.next()?)?,
            level: TriageLevel::parse(parts.next()?)?,
            language: Language::parse(parts.next()?)?,
            medium: Medium::parse(parts.next()?)?,
            district: parts.next()?.to_owned(),
        })
    }

    /// The rank of one of its requests at `now`.
    pub(crate) fn key(
        &self,
        waiting_since: Timestamp,
        consultation: ConsultationId,
        now: Timestamp,
        policy: &MatchingPolicy,
    ) -> QueueKey {
        QueueKey::of(self.level, waiting_since, consultation, now, policy)
    }
}

/// Where a request of a department is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// In order of search: the department itself, then those that it overflows to.
    pub departments: Vec<Department>,
    /// How long to wait for a department that is on call but full.
    pub patience: TimeDelta,
}

/// The doctor whom this worker saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousDoctor {
    pub doctor: StaffId,
    /// When that consultation ended.
    pub seen_at: Timestamp,
}

/// One request for a doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub consultation: ConsultationId,
    /// Number of its last offer.
    pub fence: i64,
    pub waiting_since: Timestamp,
    /// Since when it waits for this department: a transfer begins the department's patience anew.
    pub in_department_since: Timestamp,
    /// For continuity; ignored if older than the policy's days.
    pub previous_doctor: Option<PreviousDoctor>,
}

/// A request that doctors refused lately, and so are not asked again at once; also one that a doctor
/// transferred. Neither is served by all who serve a younger one of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub queue: Queue,
    pub request: Request,
    pub by: Vec<StaffId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_gives_the_queue_back() {
        let queue = Queue {
            department: Department::GENERAL_PRACTICE,
            level: TriageLevel::Urgent,
            language: Language::Chinese,
            medium: Medium::Video,
            district: "朝阳/东 ".to_owned(),
        };
        assert_eq!(Queue::parse(&queue.name()), Some(queue));
        for bad in ["", "general_practice", "general_practice/urgent/zh", "None/urgent/zh/text/x"] {
            assert_eq!(Queue::parse(bad), None, "{bad}");
        }
    }
}
