//! An exhaustive check of the protocol: breadth-first search over every reachable world.

#[cfg(test)]
mod moves;
#[cfg(test)]
mod world;

use std::collections::HashMap;

use super::attempt::AttemptState;
use world::{Mutation, World};

/// The result of a search.
struct Search {
    states: usize,
    /// The shortest path to a broken rule.
    violation: Option<String>,
    /// Number of worlds from which no end can be reached.
    stuck: usize,
    seen: Vec<(Option<AttemptState>, Option<AttemptState>, usize)>,
}

/// Two independent mixes of the packed world: collisions of 128 bits are negligible.
fn compact(words: [u64; 6]) -> u128 {
    let (mut a, mut b) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    for word in words {
        a = (a ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29) ^ b;
        b = (b ^ word).wrapping_mul(0xc4ce_b9fe_1a85_ec53).rotate_left(31).wrapping_add(a);
    }
    u128::from(a ^ (a >> 32)) << 64 | u128::from(b ^ (b >> 29))
}

fn search(mutation: Mutation) -> Search {
    let start = World::new(mutation);
    let mut known: HashMap<u128, u32> = HashMap::from([(compact(start.key()), 0)]);
    let mut parents: Vec<(u32, &'static str)> = vec![(0, "begin")];
    let mut settled = vec![start.is_settled()];
    let (mut frontier, mut edges, mut seen) = (vec![(0u32, start)], Vec::new(), HashMap::new());
    let mut violation = None;
    'search: while !frontier.is_empty() {
        for (from, world) in std::mem::take(&mut frontier) {
            *seen.entry((world.state(0), world.state(1), world.cabinet_of(1))).or_insert(0) += 1;
            for (label, next) in world.successors() {
                let fresh = u32::try_from(parents.len()).expect("fits");
                let to = *known.entry(compact(next.key())).or_insert(fresh);
                edges.push((from, to));
                if to != fresh {
                    continue;
                }
                parents.push((from, label));
                settled.push(next.is_settled());
                if let Some(what) = next.violation() {
                    violation = Some(format!("{what}: {}", path_to(&parents, to)));
                    break 'search;
                }
                frontier.push((to, next));
            }
        }
    }
    let states = parents.len();
    Search { states, violation, stuck: stuck(&settled, &edges), seen: seen.into_keys().collect() }
}

fn path_to(parents: &[(u32, &'static str)], mut at: u32) -> String {
    let mut labels = Vec::new();
    while at != 0 {
        let (from, label) = parents[at as usize];
        labels.push(label);
        at = from;
    }
    labels.reverse();
    labels.join(" > ")
}

/// Counts the worlds from which no end can be reached: follows the edges backwards from the ends.
fn stuck(settled: &[bool], edges: &[(u32, u32)]) -> usize {
    let mut first = vec![0usize; settled.len() + 1];
    edges.iter().for_each(|(_, to)| first[*to as usize + 1] += 1);
    (1..first.len()).for_each(|i| first[i] += first[i - 1]);
    let (mut into, mut fill) = (vec![0u32; edges.len()], first.clone());
    for (from, to) in edges {
        into[fill[*to as usize]] = *from;
        fill[*to as usize] += 1;
    }
    let mut can_end = settled.to_vec();
    let mut todo: Vec<usize> = (0..settled.len()).filter(|i| settled[*i]).collect();
    while let Some(at) = todo.pop() {
        for from in &into[first[at]..first[at + 1]] {
            let from = *from as usize;
            if !std::mem::replace(&mut can_end[from], true) {
                todo.push(from);
            }
        }
    }
    can_end.iter().filter(|ends| !**ends).count()
}

#[test]
fn no_double_vend_no_wrong_record_no_stuck_state() {
    let found = search(Mutation::None);
    println!("the model has {} states", found.states);
    assert_eq!(found.violation, None);
    assert_eq!(found.stuck, 0, "worlds that cannot come to an end");
    // The search is not vacuous: every state of one attempt, and of a second one on either cabinet,
    // was reached.
    for state in AttemptState::ALL.iter().copied() {
        assert!(found.seen.iter().any(|(first, ..)| *first == Some(state)), "first {state}");
        for cabinet in 0..2 {
            let reached = found.seen.iter().any(|(_, second, c)| *second == Some(state) && *c == cabinet);
            assert!(reached, "second {state} at cabinet {cabinet}");
        }
    }
}

#[test]
fn each_weakening_is_caught() {
    for mutation in Mutation::WEAKENINGS {
        let found = search(mutation);
        let violation = found.violation.unwrap_or_else(|| panic!("{mutation:?} went unnoticed"));
        println!("{mutation:?} after {} states: {violation}", found.states);
    }
}
