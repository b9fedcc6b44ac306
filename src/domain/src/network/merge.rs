//! Two records of one person: which of two facts stands, and how a merge is
//! taken back. The more careful one stands: what a record says of an allergy or
//! an illness is never lost, and where the two contradict each other the person
//! is treated as the more endangered.
//!
//! These rules are our default.

use super::comparable_name;

/// A yes-or-no fact of two records that were both asked: yes, else unknown,
/// else no. Unknown is asked again; a no of the one is no answer for the other.
pub fn careful_answer(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

/// A number of which less is more careful: kidney function, and weight, which
/// bounds doses. A known one stands before none.
pub fn careful_number(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (known, None) | (None, known) => known,
    }
}

/// Everything of both lists, the first's order first; what is the same in
/// another spelling stands once.
pub fn careful_list<T: Clone>(one: &[T], other: &[T], spelt: impl Fn(&T) -> String) -> Vec<T> {
    let mut all: Vec<T> = one.to_vec();
    for entry in other {
        if !all.iter().any(|known| spelt(known) == spelt(entry)) {
            all.push(entry.clone());
        }
    }
    all
}

/// As [`careful_list`], where a list may never have been asked for: then the
/// other's stands. An empty one was asked for, and is none.
pub fn careful_lists<T: Clone>(
    one: Option<&[T]>,
    other: Option<&[T]>,
    spelt: impl Fn(&T) -> String,
) -> Option<Vec<T>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(careful_list(one, other, spelt)),
        (asked, None) | (None, asked) => asked.map(<[T]>::to_vec),
    }
}

/// A fact after a merge is undone: as it was before, unless it was changed
/// since the merge.
pub fn undone_value<T: PartialEq>(before: T, merged: &T, now: T) -> T {
    if now == *merged { before } else { now }
}

/// A list after a merge is undone: as it was before, with what was added since,
/// and without what was struck out since.
pub fn undone_list<T: Clone + PartialEq>(before: &[T], merged: &[T], now: &[T]) -> Vec<T> {
    let struck = |entry: &&T| !merged.contains(entry) || now.contains(entry);
    let added = now.iter().filter(|entry| !merged.contains(entry) && !before.contains(entry));
    before.iter().filter(struck).chain(added).cloned().collect()
}

/// As [`undone_list`], where a list may never have been asked for.
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

/// How an entry of a list is compared.
pub fn comparable_entry(entry: &str) -> String {
    comparable_name(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_careful_answer_stands() {
        for (one, other, stands) in [
            (Some(true), Some(false), Some(true)),
            (Some(true), None, Some(true)),
            (Some(false), None, None),
            (Some(false), Some(false), Some(false)),
            (None, None, None),
        ] {
            assert_eq!(careful_answer(one, other), stands);
            assert_eq!(careful_answer(other, one), stands);
        }
        assert_eq!(careful_number(Some(60), Some(45)), Some(45));
        assert_eq!(careful_number(None, Some(45)), Some(45));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let all = careful_list(&words(&["Penicillins"]), &words(&["penicillins", "nsaids"]), |entry| {
            comparable_entry(entry)
        });
        assert_eq!(all, ["Penicillins", "nsaids"]);
    }

    #[test]
    fn undoing_keeps_what_happened_since() {
        assert_eq!(undone_value(Some(80), &Some(60), Some(60)), Some(80));
        assert_eq!(undone_value(Some(80), &Some(60), Some(70)), Some(70));
        let (before, merged) = (["a", "b"], ["a", "b", "c"]);
        assert_eq!(undone_list(&before, &merged, &merged), ["a", "b"]);
        assert_eq!(undone_list(&before, &merged, &["b", "c", "d"]), ["b", "d"]);
    }
}
