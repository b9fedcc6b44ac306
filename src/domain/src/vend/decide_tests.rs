//! The rules of an attempt one by one, and over any order of commands. The model check shows that
//! together they are safe.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::{
    attempt::{Attempt, AttemptState, DoubtCause, NotDispensedReason, VoidReason},
    decide::{Command, CountDecision, Evidence, PickupCheck, StartGate, decide},
    event::{AttemptEvent, IncidentKind, Proof},
    identity::{BootId, Epoch},
};
use crate::{
    ids::{AttemptId, CabinetId, OrderUnitId},
    refusal::{Code, Refusal},
    stock::{SlotClosedReason, SlotNo},
    time::Timestamp,
};

const BOOT: BootId = BootId::from_bytes([1; 16]);
const OTHER: BootId = BootId::from_bytes([2; 16]);

fn now() -> Timestamp {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn issued() -> Attempt {
    let place = (CabinetId::generate(), Epoch::FIRST, SlotNo::new(7).unwrap());
    Attempt::issued(AttemptId::generate(), OrderUnitId::generate(), place, now() + TimeDelta::minutes(5))
}

fn run(attempt: &mut Attempt, command: Command) -> Result<Vec<AttemptEvent>, Code> {
    let events = decide(attempt, command, now()).map_err(|refusal: Refusal| refusal.code)?;
    *attempt = events.iter().fold(*attempt, |attempt, event| attempt.after(event, now()));
    Ok(events)
}

fn start(boot: BootId) -> Command {
    Command::Start { boot, epoch: Epoch::FIRST, gate: StartGate::CLEAR }
}

fn evidence_from(boot: BootId, evidence: Evidence) -> Command {
    Command::JournalEvidence { boot, epoch: Epoch::FIRST, evidence }
}

fn jam(hatch_empty_sensor: bool) -> Evidence {
    Evidence::NotDispensed { reason: NotDispensedReason::Jam, hatch_empty_sensor }
}

/// An attempt in `state`, reached by commands.
fn in_state(state: AttemptState) -> Attempt {
    let mut attempt = issued();
    let commands: &[Command] = match state {
        AttemptState::Issued => &[],
        AttemptState::Started => &[start(BOOT)],
        AttemptState::Voided => &[Command::Void { reason: VoidReason::Cancelled }],
        AttemptState::Dispensed => &[start(BOOT), evidence_from(BOOT, Evidence::Dispensed)],
        AttemptState::NotDispensed => &[start(BOOT), evidence_from(BOOT, Evidence::Abandoned)],
        AttemptState::InDoubt => &[start(BOOT), Command::NewBoot { boot: OTHER }],
    };
    commands.iter().for_each(|command| assert!(!run(&mut attempt, *command).unwrap().is_empty()));
    assert_eq!(attempt.state, state);
    attempt
}

#[test]
fn start_is_repeated_only_for_the_granted_boot() {
    let mut attempt = issued();
    assert_eq!(
        run(&mut attempt, start(BOOT)).unwrap(),
        [AttemptEvent::Started { boot: BOOT, epoch: Epoch::FIRST }]
    );
    assert_eq!(run(&mut attempt, start(BOOT)), Ok(vec![]));
    assert_eq!(run(&mut attempt, start(OTHER)), Err(Code::AttemptInDoubt));
    assert_eq!(attempt.granted_boot, Some(BOOT));
    for (state, code) in [
        (AttemptState::InDoubt, Code::AttemptInDoubt),
        (AttemptState::Voided, Code::AttemptVoid),
        (AttemptState::Dispensed, Code::AttemptClosed),
        (AttemptState::NotDispensed, Code::AttemptClosed),
    ] {
        assert_eq!(run(&mut in_state(state), start(BOOT)), Err(code), "{state}");
    }
}

#[test]
fn each_part_of_the_gate_stops_start() {
    let clear = StartGate::CLEAR;
    for (gate, code, repeated_too) in [
        (StartGate { epoch_is_current: false, ..clear }, Code::EpochRevoked, true),
        (StartGate { boot_is_current: false, ..clear }, Code::BootUnknown, true),
        (StartGate { tampered: true, ..clear }, Code::CabinetTampered, true),
        (StartGate { reconciled: false, ..clear }, Code::CabinetNotReconciled, true),
        (StartGate { door_closed: false, ..clear }, Code::DoorOpen, true),
        (StartGate { slot_open: false, ..clear }, Code::CabinetClosed, true),
        (StartGate { pickup: PickupCheck::Wrong, ..clear }, Code::PickupCodeWrong, true),
        (StartGate { pickup: PickupCheck::Locked, ..clear }, Code::PickupCodeLocked, true),
        (StartGate { lot_ok: false, ..clear }, Code::LotNotAllowed, false),
        (StartGate { prescription_ok: false, ..clear }, Code::PrescriptionExpired, false),
    ] {
        let command = Command::Start { boot: BOOT, epoch: Epoch::FIRST, gate };
        assert_eq!(run(&mut issued(), command), Err(code));
        let again = run(&mut in_state(AttemptState::Started), command);
        assert_eq!(again, if repeated_too { Err(code) } else { Ok(vec![]) }, "{code:?}");
    }
    let wrong_epoch = Command::Start { boot: BOOT, epoch: Epoch(2), gate: clear };
    assert_eq!(run(&mut issued(), wrong_epoch), Err(Code::EpochRevoked));
    let attempt = issued();
    assert_eq!(decide(&attempt, start(BOOT), attempt.expires_at).unwrap_err().code, Code::AttemptVoid);
}

#[test]
fn void_only_before_start_and_expiry_only_when_it_is_time() {
    let attempt = issued();
    let expired = Command::Void { reason: VoidReason::Expired };
    assert_eq!(decide(&attempt, expired, now()).unwrap_err().code, Code::StateMovedOn);
    let events = decide(&attempt, expired, attempt.expires_at).unwrap();
    assert_eq!(events, [AttemptEvent::Voided { reason: VoidReason::Expired }]);
    for state in AttemptState::ALL.iter().copied() {
        let answer = run(&mut in_state(state), Command::Void { reason: VoidReason::Recalled });
        match state {
            AttemptState::Issued => assert_eq!(answer.unwrap().len(), 1),
            AttemptState::Voided => assert_eq!(answer, Ok(vec![])),
            AttemptState::Started => assert_eq!(answer, Err(Code::StateMovedOn)),
            AttemptState::InDoubt => assert_eq!(answer, Err(Code::AttemptInDoubt)),
            AttemptState::Dispensed | AttemptState::NotDispensed => {
                assert_eq!(answer, Err(Code::AttemptClosed))
            }
        }
    }
}

#[test]
fn boot_epoch_and_silence_only_put_it_in_doubt() {
    let doubted = |cause| {
        let reason = SlotClosedReason::InDoubt;
        vec![
            AttemptEvent::Doubted { cause },
            AttemptEvent::SlotClosed { slot: SlotNo::new(7).unwrap(), reason },
        ]
    };
    let started = in_state(AttemptState::Started);
    let at = |seconds, command| decide(&started, command, now() + TimeDelta::seconds(seconds)).unwrap();
    assert_eq!(at(0, Command::NewBoot { boot: BOOT }), []);
    assert_eq!(at(0, Command::NewBoot { boot: OTHER }), doubted(DoubtCause::NewBoot));
    assert_eq!(at(0, Command::NewEpoch), doubted(DoubtCause::NewEpoch));
    for limit in [30, 120, 900] {
        let silence = Command::Silence { limit: TimeDelta::seconds(limit) };
        assert_eq!(at(limit - 1, silence), []);
        assert_eq!(at(limit, silence), doubted(DoubtCause::Silence));
    }
    let replaced = decide(&issued(), Command::NewEpoch, now()).unwrap();
    assert_eq!(replaced, [AttemptEvent::Voided { reason: VoidReason::Replaced }]);
}

#[test]
fn a_jam_is_proven_by_the_empty_hatch_only() {
    for state in [AttemptState::Started, AttemptState::InDoubt] {
        let mut proven = in_state(state);
        run(&mut proven, evidence_from(BOOT, jam(true))).unwrap();
        assert_eq!((proven.state, proven.outcome), (AttemptState::NotDispensed, Some(super::Outcome::Jam)));
        let mut unproven = in_state(state);
        run(&mut unproven, evidence_from(BOOT, jam(false))).unwrap();
        assert_eq!(unproven.state, AttemptState::InDoubt);
    }
}

#[test]
fn giving_up_counts_only_from_the_granted_boot() {
    let empty = Evidence::NotDispensed { reason: NotDispensedReason::Empty, hatch_empty_sensor: false };
    for evidence in [Evidence::Abandoned, empty] {
        for state in [AttemptState::Started, AttemptState::InDoubt] {
            let mut attempt = in_state(state);
            assert_eq!(run(&mut attempt, evidence_from(OTHER, evidence)), Ok(vec![]));
            run(&mut attempt, evidence_from(BOOT, evidence)).unwrap();
            assert_eq!(attempt.state, AttemptState::NotDispensed);
        }
        let mut attempt = issued();
        run(&mut attempt, evidence_from(BOOT, evidence)).unwrap();
        assert_eq!(attempt.state, AttemptState::Voided);
        assert_eq!(run(&mut attempt, start(BOOT)), Err(Code::AttemptVoid));
    }
}

#[test]
fn evidence_against_a_closed_attempt_opens_an_incident_and_closes_the_slot() {
    let incident = |kind| {
        let (slot, reason) = (SlotNo::new(7).unwrap(), SlotClosedReason::Incident);
        vec![AttemptEvent::IncidentOpened { kind, slot }, AttemptEvent::SlotClosed { slot, reason }]
    };
    for (state, evidence, kind) in [
        (AttemptState::Dispensed, Evidence::Abandoned, IncidentKind::Contradiction),
        (AttemptState::Dispensed, jam(true), IncidentKind::Contradiction),
        (AttemptState::NotDispensed, Evidence::Dispensed, IncidentKind::Contradiction),
        (AttemptState::Voided, Evidence::Dispensed, IncidentKind::VendWithoutStart),
        (AttemptState::Voided, Evidence::Unknown, IncidentKind::VendWithoutStart),
        (AttemptState::Issued, Evidence::Dispensed, IncidentKind::VendWithoutStart),
    ] {
        let mut attempt = in_state(state);
        assert_eq!(
            run(&mut attempt, evidence_from(BOOT, evidence)),
            Ok(incident(kind)),
            "{state} {evidence:?}"
        );
        assert_eq!(attempt.state, state);
    }
    let mut attempt = in_state(AttemptState::Started);
    let foreign = Command::JournalEvidence { boot: BOOT, epoch: Epoch(2), evidence: Evidence::Dispensed };
    assert_eq!(run(&mut attempt, foreign), Ok(incident(IncidentKind::Contradiction)));
    assert_eq!(attempt.state, AttemptState::Started);
}

#[test]
fn a_count_needs_a_restart_first() {
    let decision = CountDecision::NotDispensed(NotDispensedReason::Jam);
    let count = |rebooted| Command::HumanCount { cabinet_rebooted_after_doubt: rebooted, decision };
    let mut attempt = in_state(AttemptState::InDoubt);
    assert_eq!(run(&mut attempt, count(false)), Err(Code::CabinetNotRebooted));
    let proof = Proof::HumanCount;
    let reason = NotDispensedReason::Jam;
    assert_eq!(run(&mut attempt, count(true)), Ok(vec![AttemptEvent::NotDispensed { reason, proof }]));
    assert_eq!(run(&mut in_state(AttemptState::Started), count(true)), Err(Code::StateMovedOn));
    assert_eq!(run(&mut in_state(AttemptState::Dispensed), count(true)), Err(Code::AttemptClosed));
}

fn command() -> impl Strategy<Value = Command> {
    let evidence = prop_oneof![
        Just(Evidence::Dispensed),
        Just(Evidence::Unknown),
        Just(Evidence::Abandoned),
        (0..NotDispensedReason::ALL.len(), any::<bool>()).prop_map(|(i, hatch_empty_sensor)| {
            Evidence::NotDispensed { reason: NotDispensedReason::ALL[i], hatch_empty_sensor }
        }),
    ];
    let boot = any::<bool>().prop_map(|same| if same { BOOT } else { OTHER });
    (0u8..7, boot, evidence, any::<bool>(), 1i64..3).prop_map(|(which, boot, evidence, flag, epoch)| {
        match which {
            0 => start(boot),
            1 => Command::Void { reason: VoidReason::Cancelled },
            2 => Command::NewBoot { boot },
            3 => Command::NewEpoch,
            4 => Command::Silence { limit: TimeDelta::seconds(120) },
            5 => {
                Command::HumanCount { cabinet_rebooted_after_doubt: flag, decision: CountDecision::Dispensed }
            }
            _ => Command::JournalEvidence { boot, epoch: Epoch(epoch), evidence },
        }
    })
}

proptest! {
    /// The transitions of the protocol, and no others; ends are final; every transition is an
    /// event.
    #[test]
    fn only_the_transitions_of_the_protocol(commands in proptest::collection::vec((command(), 0i64..400), 0..30)) {
        use AttemptState::{Dispensed, InDoubt, Issued, NotDispensed, Started, Voided};
        let (mut attempt, mut clock) = (issued(), now());
        for (command, seconds) in commands {
            clock += TimeDelta::seconds(seconds);
            let before = attempt;
            for event in decide(&attempt, command, clock).unwrap_or_default() {
                prop_assert!(event.kind().starts_with("attempt.") && event.payload().is_object());
                attempt = attempt.after(&event, clock);
            }
            prop_assert!(
                before.state == attempt.state
                    || matches!(
                        (before.state, attempt.state),
                        (Issued, Started | Voided) | (Started, Dispensed | NotDispensed | InDoubt) | (InDoubt, Dispensed | NotDispensed)
                    ),
                "{} -> {} by {:?}", before.state, attempt.state, command
            );
            prop_assert!(before.state.is_live() || before == attempt);
            prop_assert_eq!(attempt.ended_at.is_none(), attempt.state.is_live());
            prop_assert_eq!(attempt.outcome.is_some(), matches!(attempt.state, Dispensed | NotDispensed));
            // Time, silence, a boot or an epoch never close a started attempt.
            if matches!(command, Command::NewBoot { .. } | Command::NewEpoch | Command::Silence { .. } | Command::Void { .. }) {
                prop_assert!(attempt.outcome == before.outcome);
            }
        }
    }
}

#[test]
fn a_boot_id_that_was_drawn_twice_is_not_trusted_any_more() {
    let again = Command::SameBoot { boot: BOOT };
    let mut started = in_state(AttemptState::Started);
    assert_eq!(run(&mut started, Command::SameBoot { boot: OTHER }), Ok(vec![]));
    assert_eq!(run(&mut started, again).unwrap().len(), 2);
    assert_eq!((started.state, started.granted_boot), (AttemptState::InDoubt, None));
    assert_eq!(run(&mut started, start(BOOT)), Err(Code::AttemptInDoubt));
    // An attempt that was in doubt already: the second boot's evidence is not the first's.
    let mut doubted = in_state(AttemptState::InDoubt);
    assert_eq!(doubted.granted_boot, Some(BOOT));
    run(&mut doubted, again).unwrap();
    let abandoned =
        Command::JournalEvidence { boot: BOOT, epoch: Epoch::FIRST, evidence: Evidence::Abandoned };
    assert_eq!(run(&mut doubted, abandoned), Ok(vec![]));
    let dispensed =
        Command::JournalEvidence { boot: BOOT, epoch: Epoch::FIRST, evidence: Evidence::Dispensed };
    assert_eq!(run(&mut doubted, dispensed).unwrap().len(), 1);
    for state in
        [AttemptState::Issued, AttemptState::Voided, AttemptState::Dispensed, AttemptState::NotDispensed]
    {
        assert_eq!(run(&mut in_state(state), again), Ok(vec![]), "{state}");
    }
}
