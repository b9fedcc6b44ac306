//! What instances say to each other: only ever "look", never what there is to
//! see. A word that is not understood comes from another version; it is read
//! as "look at everything".

use crate::Topic;

/// Topics in one message, at most.
pub(super) const TOGETHER: usize = 200;

/// One message of an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// I am here, and you hear me.
    Beat,
    /// I end; my silence from here on means nothing.
    Bye,
    /// Look there.
    Look(Vec<Topic>),
    /// Look everywhere.
    LookAround,
}

pub(super) fn encode(origin: u32, said: &Said) -> String {
    let word = match said {
        Said::Beat => "beat".to_owned(),
        Said::Bye => "bye".to_owned(),
        Said::LookAround => "around".to_owned(),
        Said::Look(topics) => topics.iter().copied().map(name).collect::<Vec<_>>().join(" "),
    };
    format!("{origin:08x} {word}")
}

/// Who said what; `None` if it was no instance.
pub(super) fn decode(text: &str) -> Option<(u32, Said)> {
    let (origin, word) = text.split_once(' ')?;
    let said = match word {
        "beat" => Said::Beat,
        "bye" => Said::Bye,
        "around" => Said::LookAround,
        topics => topics.split(' ').map(topic).collect::<Option<_>>().map_or(Said::LookAround, Said::Look),
    };
    Some((u32::from_str_radix(origin, 16).ok()?, said))
}

fn name(topic: Topic) -> String {
    match topic {
        Topic::Cabinet(id) => format!("cabinet:{id}"),
        Topic::Staff(id) => format!("staff:{id}"),
        Topic::Worker(id) => format!("worker:{id}"),
        Topic::Reviews => "reviews".to_owned(),
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
        Some(("worker", id)) => Topic::Worker(id.parse().ok()?),
        Some(_) => return None,
        None => match name {
            "reviews" => Topic::Reviews,
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
    fn what_is_said_is_understood() {
        let look = Said::Look(vec![
            Topic::Cabinet(CabinetId::generate()),
            Topic::Staff(StaffId::generate()),
            Topic::Worker(WorkerId::generate()),
            Topic::Reviews,
            Topic::Operators,
            Topic::Matching,
            Topic::Letters,
            Topic::Catalogue,
        ]);
        for said in [Said::Beat, Said::Bye, Said::LookAround, look] {
            let text = encode(0xdead_beef, &said);
            assert_eq!(decode(&text), Some((0xdead_beef, said)), "{text}");
        }
        assert_eq!(decode("00000001 rooms:7 staff"), Some((1, Said::LookAround)));
        assert_eq!(decode("hello"), None);
        assert_eq!(decode("hello beat"), None);
    }
}
