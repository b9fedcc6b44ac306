use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    chrono::DateTime::from_timestamp_millis(1_795_000_000_000 + ms).unwrap()
}

fn journal(len: usize) -> Journal {
    let mut journal = Journal::default();
    for n in 0..len {
        let slot = SlotNo::new(1).unwrap();
        let body = Body::Count { slot, n: u32::try_from(n).unwrap() };
        journal.append(BootId::from_bytes([1; 16]), n as i64, at(n as i64), body);
    }
    journal
}

fn check(server: &Journal, batch: &[JournalEntry]) -> BatchVerdict {
    let stored = |seq: i64| server.from_seq(seq).first().filter(|e| e.seq == seq).map(|e| e.hash);
    verify_batch(server.head(), stored, batch)
}

#[test]
fn the_canonical_bytes_are_pinned_for_firmware() {
    let mut journal = Journal::default();
    let attempt: AttemptId = "01920000-0000-7000-8000-000000000001".parse().unwrap();
    let body = Body::Dispensed { attempt, lot_no: "批1".into(), serial: None };
    let entry = journal.append(BootId::from_bytes([1; 16]), 42, at(0), body);
    let zeros = "0".repeat(64);
    let expected = format!(
        "waystation-journal-v1\n1\n{zeros}\n{}\n42\n2026-11-18T11:06:40.000000Z\ndispensed\n\
         {{\"attempt\":\"01920000-0000-7000-8000-000000000001\",\"lot_no\":\"批1\"}}\n",
        "01".repeat(16)
    );
    assert_eq!(String::from_utf8(entry.canonical_bytes()).unwrap(), expected);
}

#[test]
fn the_wire_shape_is_flat_and_strict() {
    let mut journal = Journal::default();
    let entry = journal.append(BootId::from_bytes([1; 16]), 1, at(0), Body::DoorClose {}).clone();
    let value = serde_json::to_value(&entry).unwrap();
    assert_eq!((&value["kind"], &value["body"]), (&"door_close".into(), &serde_json::json!({})));
    assert_eq!(serde_json::from_value::<JournalEntry>(value.clone()).unwrap(), entry);
    for (path, wrong) in [("colour", "red"), ("kind", "explode"), ("hash", "0")] {
        let mut bad = value.clone();
        bad[path] = wrong.into();
        assert!(serde_json::from_value::<JournalEntry>(bad).is_err(), "{path}");
    }
    let mut bad = value;
    bad["body"]["colour"] = "red".into();
    assert!(serde_json::from_value::<JournalEntry>(bad).is_err(), "unknown field in a body");
    assert!(Body::from_parts("count", serde_json::json!({ "slot": 0, "n": 1 })).is_err(), "no slot 0");
}

#[test]
fn kinds_agree_with_serde() {
    let attempt = AttemptId::generate();
    let (slot, text) = (SlotNo::new(1).unwrap(), String::new);
    for body in [
        Body::Intent { attempt, slot, lot_no: text() },
        Body::Motor { attempt },
        Body::DropSensed { attempt },
        Body::Picked { attempt },
        Body::Dispensed { attempt, lot_no: text(), serial: Some(text()) },
        Body::NotDispensed { attempt, reason: NotDispensedReason::Jam, hatch_empty: true },
        Body::Unknown { attempt },
        Body::Abandoned { attempt },
        Body::DoorOpen { who: StaffId::generate() },
        Body::DoorClose {},
        Body::Restock {
            slot,
            product_code: text(),
            lot_no: text(),
            expires_on: NaiveDate::from_ymd_opt(2027, 1, 31).unwrap(),
            packs: 3,
        },
        Body::Count { slot, n: 3 },
        Body::Temperature { tenths: -15 },
        Body::Tamper { sensor: text() },
    ] {
        assert_eq!(serde_json::to_value(&body).unwrap()["kind"], body.kind());
        assert_eq!(Body::from_parts(body.kind(), body.fields()).unwrap(), body);
    }
}

#[test]
fn a_rewritten_entry_is_a_fork_even_with_a_fresh_hash() {
    let original = journal(4);
    let mut tampered = journal(2);
    tampered.append(BootId::from_bytes([1; 16]), 2, at(2), Body::DoorClose {});
    assert_eq!(check(&original, tampered.from_seq(1)), BatchVerdict::Fork { seq: 3 });
    let mut edited = original.from_seq(1).to_vec();
    edited[1].body = Body::DoorClose {};
    assert_eq!(check(&Journal::default(), &edited), BatchVerdict::Fork { seq: 2 });
    // The right next seq, but on another history.
    tampered.append(BootId::from_bytes([1; 16]), 3, at(3), Body::DoorClose {});
    assert_eq!(check(&journal(3), &tampered.from_seq(4)[..1]), BatchVerdict::Fork { seq: 4 });
}

proptest! {
    /// Any window of an untampered journal is accepted, or requested again from the right place.
    #[test]
    fn windows_of_an_honest_journal(total in 1usize..12, stored_len in 0usize..12, from in 1i64..13, len in 0usize..12) {
        let whole = journal(total);
        let stored_len = stored_len.min(total);
        let server = journal(stored_len);
        let window = whole.from_seq(from);
        let window = &window[..len.min(window.len())];
        let verdict = check(&server, window);
        match window {
            [] => prop_assert_eq!(verdict, BatchVerdict::Accepted { known: 0, head: server.head() }),
            [first, .., last] | [first @ last] => {
                if first.seq > stored_len as i64 + 1 {
                    prop_assert_eq!(verdict, BatchVerdict::Gap { expected: stored_len as i64 + 1 });
                } else {
                    let known = window.iter().filter(|e| e.seq <= stored_len as i64).count();
                    let seq = last.seq.max(stored_len as i64);
                    let hash = whole.from_seq(seq).first().map_or(JournalHash::GENESIS, |e| e.hash);
                    prop_assert_eq!(verdict, BatchVerdict::Accepted { known, head: JournalHead { seq, hash } });
                }
            }
        }
    }

    /// However far it is acknowledged, a journal reports exactly the rest.
    #[test]
    fn unacked_is_the_rest(total in 0usize..12, acks in proptest::collection::vec(-2i64..20, 0..5)) {
        let mut journal = journal(total);
        acks.iter().for_each(|seq| journal.ack(*seq));
        let acked = acks.into_iter().max().unwrap_or(0).clamp(0, total as i64);
        prop_assert_eq!(journal.unacked().len() as i64, total as i64 - acked);
    }
}
