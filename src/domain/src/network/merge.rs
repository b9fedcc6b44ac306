//! Merging two records of one person, and undoing a merge. The more cautious fact is
//! kept: an allergy or illness on either record is never lost, and if the records
//! contradict each other the higher risk is assumed.
//!
//! These rules are our default.

use super::comparable_name;

/// Merges a yes-or-no fact: yes if either is yes, else unknown if either is unknown,
/// else no. Unknown is asked again, because a no on one record does not answer for the
/// other.
pub fn careful_answer(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

/// Merges a number of which the lower is more cautious: kidney function, and weight,
/// which limits doses. A known number takes precedence over none.
pub fn careful_number(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (known, None) | (None, known) => known,
    }
}

/// All entries of both lists, the first list first. `key_of` is the comparison key: of
/// entries with the same key only the first is kept.
pub(crate) fn careful_list<T: Clone>(one: &[T], other: &[T], key_of: impl Fn(&T) -> String) -> Vec<T> {
    let mut all: Vec<T> = one.to_vec();
    for entry in other {
        if !all.iter().any(|known| key_of(known) == key_of(entry)) {
            all.push(entry.clone());
        }
    }
    all
}

/// As [`careful_list`] for lists that may be unanswered (`None`): then the other list is
/// used. An empty list is the answer "none".
pub fn careful_lists<T: Clone>(
    one: Option<&[T]>,
    other: Option<&[T]>,
    key_of: impl Fn(&T) -> String,
) -> Option<Vec<T>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(careful_list(one, other, key_of)),
        (asked, None) | (None, asked) => asked.map(<[T]>::to_vec),
    }
}

/// The value after a merge is undone: the value before the merge, unless it was changed
/// since.
pub fn undone_value<T: PartialEq>(before: T, merged: &T, now: T) -> T {
    if now == *merged { before } else { now }
}

/// The list after a merge is undone: the list before the merge, plus the entries added
/// since, minus the entries removed since.
pub(crate) fn undone_list<T: Clone + PartialEq>(before: &[T], merged: &[T], now: &[T]) -> Vec<T> {
    let not_removed = |entry: &&T| !merged.contains(entry) || now.contains(entry);
    let added = now.iter().filter(|entry| !merged.contains(entry) && !before.contains(entry));
    before.iter().filter(not_removed).chain(added).cloned().collect()
}

/// As [`undone_list`] for lists that may be unanswered.
pub fn undone_lists<T: Clone + PartialEq>(
    before: Option<&[T]>,
    merged: Option<&[T]>,
    now: Option<Vec<T>>,
) -> Option<Vec<T>> {
    if now.as_deref() == merged {
        return before.map(<[T]>::to_vec);
    }
    let now = now?;
    Some(undone_list(before.unwrap_or_default(), merged.unwrap_or_default(), &now))
}

/// The comparison key of an entry of a list.
pub fn comparable_entry(entry: &str) -> String {
    comparable_name(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_cautious_answer_is_kept() {
        for (one, other, merged) in [
            (Some(true), Some(false), Some(true)),
            (Some(true), None, Some(true)),
            (Some(false), None, None),
            (Some(false), Some(false), Some(false)),
            (None, None, None),
        ] {
            assert_eq!(careful_answer(one, other), merged);
            assert_eq!(careful_answer(other, one), merged);
        }
        assert_eq!(careful_number(Some(60), Some(45)), Some(45));
        assert_eq!(careful_number(None, Some(45)), Some(45));
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let all = careful_list(&list(&["Penicillins"]), &list(&["penicillins", "nsaids"]), |entry| {
            comparable_entry(entry)
        });
        assert_eq!(all, ["Penicillins", "nsaids"]);
    }

    #[test]
    fn undoing_keeps_later_changes() {
        assert_eq!(undone_value(Some(80), &Some(60), Some(60)), Some(80));
        assert_eq!(undone_value(Some(80), &Some(60), Some(70)), Some(70));
        let (before, merged) = (["a", "b"], ["a", "b", "c"]);
        assert_eq!(undone_list(&before, &merged, &merged), ["a", "b"]);
        assert_eq!(undone_list(&before, &merged, &["b", "c", "d"]), ["b", "d"]);
    }
}
