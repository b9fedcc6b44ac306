//! The messages between instances: only that a topic changed, never its data. An
//! unknown message comes from another version and is read as "wake all topics".

use crate::Topic;

/// Topics in one message, at most.
pub(super) const TOPICS_PER_MESSAGE: usize = 200;

/// One message of an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Heartbeat.
    Heartbeat,
    /// The instance ends; its missing heartbeats mean nothing from now on.
    Bye,
    /// Wake these topics.
    Wake(Vec<Topic>),
    /// Wake all topics.
    WakeAll,
}

pub(super) fn encode(origin: u32, message: &Message) -> String {
    let body = match message {
        Message::Heartbeat => "beat".to_owned(),
        Message::Bye => "bye".to_owned(),
        Message::WakeAll => "around".to_owned(),
        Message::Wake(topics) => topics.iter().copied().map(name).collect::<Vec<_>>().join(" "),
    };
    format!("{origin:08x} {body}")
}

/// The sender and its message; `None` if no instance sent it.
pub(super) fn decode(text: &str) -> Option<(u32, Message)> {
    let (origin, body) = text.split_once(' ')?;
    let message = match body {
        "beat" => Message::Heartbeat,
        "bye" => Message::Bye,
        "around" => Message::WakeAll,
        topics => topics.split(' ').map(topic).collect::<Option<_>>().map_or(Message::WakeAll, Message::Wake),
    };
    Some((u32::from_str_radix(origin, 16).ok()?, message))
}

fn name(topic: Topic) -> String {
    match topic {
        Topic::Cabinet(id) => format!("cabinet:{id}"),
        Topic::Staff(id) => format!("staff:{id}"),
        Topic::Offers(id) => format!("offers:{id}"),
        Topic::Worker(id) => format!("worker:{id}"),
        Topic::Screen(id) => format!("screen:{id}"),
        Topic::Reviews => "reviews".to_owned(),
        Topic::ReviewQueue => "review_queue".to_owned(),
        Topic::Operators => "operators".to_owned(),
        Topic::Matching => "matching".to_owned(),
        Topic::Letters => "letters".to_owned(),
        Topic::Catalogue => "catalogue".to_owned(),
    }
}

fn topic(name: &str) -> Option<Topic> {
    Some(match name.split_once(':') {
        Some(("cabinet", id)) => Topic::Cabinet(id.parse().ok()?),
        Some(("staff", id)) => Topic::Staff(id.parse().ok()?),
        Some(("offers", id)) => Topic::Offers(id.parse().ok()?),
        Some(("worker", id)) => Topic::Worker(id.parse().ok()?),
        Some(("screen", id)) => Topic::Screen(id.parse().ok()?),
        Some(_) => return None,
        None => match name {
            "reviews" => Topic::Reviews,
            "review_queue" => Topic::ReviewQueue,
            "operators" => Topic::Operators,
            "matching" => Topic::Matching,
            "letters" => Topic::Letters,
            "catalogue" => Topic::Catalogue,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{CabinetId, StaffId, WorkerId};

    #[test]
    fn messages_read_back() {
        let look = Message::Wake(vec![
            Topic::Cabinet(CabinetId::generate()),
            Topic::Staff(StaffId::generate()),
            Topic::Offers(StaffId::generate()),
            Topic::Worker(WorkerId::generate()),
            Topic::Reviews,
            Topic::ReviewQueue,
            Topic::Operators,
            Topic::Matching,
            Topic::Letters,
            Topic::Catalogue,
        ]);
        for message in [Message::Heartbeat, Message::Bye, Message::WakeAll, look] {
            let text = encode(0xdead_beef, &message);
            assert_eq!(decode(&text), Some((0xdead_beef, message)), "{text}");
        }
        assert_eq!(decode("00000001 rooms:7 staff"), Some((1, Message::WakeAll)));
        assert_eq!(decode("hello"), None);
        assert_eq!(decode("hello beat"), None);
    }
}
