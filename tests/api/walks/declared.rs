//! The transitions of every state machine, derived from the domain itself: `decide` is
//! called with each state and each command, and the events that it returns are folded. So
//! a new state or command is here without further work, and fails the walks until they
//! take it.

use chrono::TimeDelta;

use super::{folds, transitions::Declared};
use crate::support::harness::start_of_test;
use domain::{
    consultation::{CancelReason, Consultation, ConsultationState, Destination, Medium, Offer, OfferState},
    formulary::{Formulary, ProductCode},
    ids::{
        AttemptId, CabinetId, ConsultationId, HospitalId, OfferId, OrderUnitId, StaffId, StationId, WorkerId,
    },
    letter::LetterState,
    matching::{Department, MatchingPolicy},
    money::Fen,
    order::{self, Order, OrderState, OrderUnit, UnitState},
    prescription::{
        self, Diagnosis, DoctorStanding, EncounterLane, PharmacistStanding, PrescribingPolicy, Prescription,
        PrescriptionDraft, PrescriptionState, ReturnReason, Signing, SupplyChange, SupplyDecider, SupplyKind,
        SupplyLine, SupplyReason,
    },
    safety::{DraftLine, SafetyReport, Verdict},
    stock::{SlotClosedReason, SlotNo},
    time::Timestamp,
    triage::TriageLevel,
    vend::{
        self, Attempt, AttemptState, BootId, Epoch, Evidence, NotDispensedReason, StartGate,
        attempt::VoidReason,
        decide::{CountDecision, PickupCheck},
        reconcile::{BootVerdict, DiscrepancyKind},
    },
};

/// Transitions that the domain permits and no operation uses: a pack is freed before it is
/// refunded, so that its log has both.
const FREED_FIRST: [(UnitState, UnitState); 2] =
    [(UnitState::Authorised, UnitState::Refunded), (UnitState::InDoubt, UnitState::Refunded)];

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

pub fn attempts(declared: &mut Declared) {
    let now = start_of_test();
    let (boot, other) = (BootId::from_bytes([1; 16]), BootId::from_bytes([2; 16]));
    let gate = StartGate {
        pickup: PickupCheck::Right,
        boot_is_current: true,
        epoch_is_current: true,
        door_closed: true,
        tampered: false,
        reconciled: true,
        slot_open: true,
        lot_ok: true,
        prescription_ok: true,
    };
    let mut commands = vec![
        vend::Command::Start { boot, epoch: Epoch(1), gate },
        vend::Command::NewBoot { boot: other },
        vend::Command::SameBoot { boot },
        vend::Command::NewEpoch,
        vend::Command::Silence { limit: TimeDelta::seconds(120) },
    ];
    commands.extend(VoidReason::ALL.iter().map(|reason| vend::Command::Void { reason: *reason }));
    for decision in [CountDecision::Dispensed, CountDecision::NotDispensed(NotDispensedReason::Jam)] {
        commands.push(vend::Command::HumanCount { cabinet_rebooted_after_doubt: true, decision });
    }
    let mut evidence = vec![Evidence::Dispensed, Evidence::Unknown, Evidence::Abandoned];
    for reason in NotDispensedReason::ALL {
        for hatch_empty_sensor in [true, false] {
            evidence.push(Evidence::NotDispensed { reason: *reason, hatch_empty_sensor });
        }
    }
    for boot in [boot, other] {
        let of = |evidence| vend::Command::JournalEvidence { boot, epoch: Epoch(1), evidence };
        commands.extend(evidence.iter().copied().map(of));
    }
    let slot = SlotNo::new(1).expect("a slot");
    for (state, late) in AttemptState::ALL.iter().flat_map(|state| [(*state, false), (*state, true)]) {
        let expires_at = if late { now - hours(1) } else { now + hours(1) };
        let place = (CabinetId::generate(), Epoch(1), slot);
        let attempt = Attempt {
            state,
            granted_boot: (state != AttemptState::Issued).then_some(boot),
            started_at: (state != AttemptState::Issued).then_some(now - hours(2)),
            doubted_at: (state == AttemptState::InDoubt).then_some(now - hours(1)),
            ..Attempt::issued(AttemptId::generate(), OrderUnitId::generate(), place, expires_at)
        };
        for command in &commands {
            let Ok(events) = vend::decide(&attempt, *command, now) else { continue };
            let mut at = attempt;
            for event in events {
                let from = at.state;
                at = at.after(&event, now);
                if folds::moves(&event) {
                    declared.add("attempt", from, at.state);
                }
            }
        }
    }
}

/// Orders and their packs: two packs, each in every state.
pub fn orders(declared: &mut Declared) {
    let now = start_of_test();
    let ids = [OrderUnitId::generate(), OrderUnitId::generate()];
    let mut commands = vec![order::Command::Pay, order::Command::Cancel, order::Command::Expire];
    for id in ids {
        commands.extend([
            order::Command::UnitAuthorised(id),
            order::Command::UnitFreed(id),
            order::Command::UnitInDoubt(id),
            order::Command::UnitDispensed(id),
            order::Command::UnitNotDispensed(id),
        ]);
    }
    let fits = |order: OrderState, states: [UnitState; 2]| match order {
        OrderState::Reserved => states == [UnitState::Reserved; 2],
        OrderState::Paid => {
            states.iter().any(|state| state.is_open()) && !states.contains(&UnitState::Released)
        }
        OrderState::Completed | OrderState::Cancelled | OrderState::Expired => {
            states.iter().all(|state| !state.is_open())
        }
    };
    for &state in OrderState::ALL {
        for &first in UnitState::ALL {
            for &second in UnitState::ALL {
                if !fits(state, [first, second]) {
                    continue;
                }
                for (command, late) in commands.iter().flat_map(|one| [(*one, false), (*one, true)]) {
                    let expires_at = if late { now - hours(1) } else { now + hours(1) };
                    let slot = SlotNo::new(1).expect("a slot");
                    let unit = |id, state| OrderUnit { id, state, price: Fen(100), slot };
                    let units = vec![unit(ids[0], first), unit(ids[1], second)];
                    let mut at = Order { state, expires_at, units };
                    for event in order::decide(&at, command, now).unwrap_or_default() {
                        let before = at.clone();
                        at.apply(&event);
                        if before.state != at.state {
                            declared.add("order", before.state, at.state);
                        }
                        for (was, is) in before.units.iter().zip(&at.units) {
                            if was.state != is.state && !FREED_FIRST.contains(&(was.state, is.state)) {
                                declared.add("unit", was.state, is.state);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Prescriptions and their review.
pub fn prescriptions(declared: &mut Declared) {
    let (now, policy) = (start_of_test(), PrescribingPolicy::default());
    let formulary = Formulary::shipped().expect("the shipped file is good");
    let (doctor, pharmacist, consultation) =
        (StaffId::generate(), StaffId::generate(), ConsultationId::generate());
    let far = (now + hours(24 * 365)).date_naive();
    let standing = DoctorStanding {
        staff: doctor,
        consultation,
        licence_verified: true,
        licence_valid_until: Some(far),
        practising_since: Some((now - hours(24 * 365 * 10)).date_naive()),
        reauthenticated: true,
    };
    let reviewer =
        PharmacistStanding { staff: pharmacist, licence_verified: true, licence_valid_until: Some(far) };
    let draft = PrescriptionDraft {
        lane: EncounterLane::FollowUpWithEvidence,
        kind: SupplyKind::Ordinary,
        lines: vec![DraftLine {
            product: ProductCode::parse("PCM-T500").expect("a code"),
            dose_units_thousandths: 1000,
            times_per_day: 3,
            days: 3,
        }],
        diagnoses: vec![Diagnosis { code: None, text: "x".into() }],
        longer_reason: None,
        long_term: None,
        overrides: vec![],
        child: None,
        skin_test: None,
    };
    let report = SafetyReport { verdict: Verdict::Ok, findings: vec![], ruleset_version: "x".into() };
    let signing = Signing {
        doctor: &standing,
        draft: &draft,
        age_years: Some(30),
        report: &report,
        formulary: &formulary,
        rules: &domain::safety::RuleSet::standard(),
        valid_days: Some(1),
        digest: "d",
        emergency: false,
    };
    let lines = [2, 1].map(|packs| SupplyLine { prescribed: packs, supplied: packs, taken: 0 });
    let supply = SupplyChange {
        by: SupplyDecider::Doctor(doctor),
        line_no: 1,
        packs: 1,
        reason: SupplyReason::SoldOut,
        lines: &lines,
    };
    let commands = [
        prescription::Command::Edit { by: doctor },
        prescription::Command::Sign(signing),
        prescription::Command::Claim { by: &reviewer, on_shift: true, until: now + hours(1) },
        prescription::Command::Supply(supply),
        prescription::Command::Approve { by: &reviewer, digest: "d", countersigned: None },
        prescription::Command::Return { by: &reviewer, reason: ReturnReason::Dose },
        prescription::Command::Void {
            by: Some(doctor),
            reason: prescription::VoidReason::DoctorWithdrew,
            units_moving: 0,
        },
        prescription::Command::Expire { units_moving: 0 },
        prescription::Command::Fulfil { units_prescribed: 1, units_dispensed: 1 },
    ];
    for (state, late) in PrescriptionState::ALL.iter().flat_map(|state| [(*state, false), (*state, true)]) {
        let until = if late { now - hours(1) } else { now + hours(1) };
        let signed = state != PrescriptionState::Draft;
        let row = Prescription {
            state,
            signed_at: signed.then_some(now),
            valid_until: signed.then_some(until),
            digest: signed.then(|| "d".to_owned()),
            ..Prescription::draft(consultation, doctor)
        };
        for command in &commands {
            let mut at = row.clone();
            for event in prescription::decide(&row, command, now, &policy).unwrap_or_default() {
                let from = at.state;
                at.apply(&event);
                declared.add("prescription", from, at.state);
            }
        }
    }
}

/// Consultations and their offers.
pub fn consultations(declared: &mut Declared) {
    let (now, policy) = (start_of_test(), MatchingPolicy::default());
    let (offer, doctor, hospital) = (OfferId::generate(), StaffId::generate(), HospitalId::generate());
    use domain::consultation::Command;
    let commands = [
        Command::Offer { offer: OfferId::generate(), doctor, hospital, fence: 2, expires_at: now + hours(1) },
        Command::Accept { offer, doctor, fence: 1 },
        Command::Decline { offer, doctor, fence: 1 },
        Command::ExpireOffer { offer },
        Command::Requeue { doctor, lost_since: now - hours(2) },
        Command::Release { doctor },
        Command::Transfer { doctor, to: Destination::Department(Department::GENERAL_PRACTICE) },
        Command::Transfer {
            doctor,
            to: Destination::Doctor {
                offer: OfferId::generate(),
                doctor: StaffId::generate(),
                hospital,
                expires_at: now + hours(1),
            },
        },
        Command::WorkerLeft { station: StationId::generate() },
        Command::Call,
        Command::WorkerBack,
        Command::EndAbsent,
        Command::NoShow { doctor, last_heard: None },
        Command::Cancel { reason: CancelReason::ByWorker },
        Command::Complete { doctor },
        Command::Triage { level: TriageLevel::Emergency },
        Command::GiveUp,
        Command::Rate { rating: 5 },
    ];
    for &state in ConsultationState::ALL {
        let (first, last) = match state {
            ConsultationState::Waiting => (OfferState::Declined, OfferState::Withdrawn),
            ConsultationState::Offered => (OfferState::Open, OfferState::Open),
            _ => (OfferState::Accepted, OfferState::Accepted),
        };
        for (offer_state, late, left) in [(first, false, false), (last, true, true)] {
            let expires_at = if late { now - hours(1) } else { now + hours(1) };
            let long_ago: Timestamp = now - hours(24 * 7);
            let row = Consultation {
                id: ConsultationId::generate(),
                worker: WorkerId::generate(),
                state,
                waiting_since: long_ago,
                requeued_at: None,
                offer: Some(Offer { id: offer, doctor, hospital, fence: 1, expires_at, state: offer_state }),
                fence: 1,
                doctor: Some(doctor),
                hospital: Some(hospital),
                accepted_at: Some(long_ago),
                ended_at: None,
                cancel_reason: None,
                left_at: left.then_some(long_ago),
                left_station: None,
                called_at: None,
                rating: None,
                triage: TriageLevel::Standard,
                medium: Medium::Text,
                department: Department::GENERAL_PRACTICE,
                transferred_at: None,
            };
            for command in &commands {
                let mut at = row.clone();
                for event in row.decide(command, now, &policy).unwrap_or_default() {
                    let before = at.clone();
                    at.apply(&event);
                    folds::consultation_moved(&before, &at, &mut |machine, from, to| {
                        declared.add(machine, from, to);
                    });
                }
            }
        }
    }
}

/// Slots: closed for each reason that an operation gives, and open again. Listed by hand,
/// as no single function decides it; a new reason does not compile here.
pub fn slots(declared: &mut Declared) {
    for &reason in SlotClosedReason::ALL {
        let ends_in = match reason {
            SlotClosedReason::InDoubt
            | SlotClosedReason::Jam
            | SlotClosedReason::Empty
            | SlotClosedReason::Uncounted => folds::OPEN,
            // A person has closed the incident, or loaded another lot: a count is next.
            SlotClosedReason::Incident
            | SlotClosedReason::WrongSlot
            | SlotClosedReason::Expired
            | SlotClosedReason::Recalled => SlotClosedReason::Uncounted.as_str(),
            // No operation closes a slot by hand.
            SlotClosedReason::Operator => continue,
        };
        declared.add("slot", folds::OPEN, reason);
        declared.add("slot", reason, ends_in);
    }
}

/// Cabinets: their doors, alarms and keys, packs that are taken from another slot, and
/// differences between a cabinet and the server.
pub fn cabinets(declared: &mut Declared) {
    for (machine, from, to) in [
        ("door", "shut", "open"),
        ("door", "open", "shut"),
        ("alarm", "silent", "raised"),
        ("alarm", "raised", "silent"),
        ("device", "enrolled", "revoked"),
        ("cabinet key", "live", "replaced"),
        ("pack", "of one slot", "of another"),
    ] {
        declared.add(machine, from, to);
    }
    for kind in DiscrepancyKind::ALL {
        declared.add("agreement", "agree", kind);
        declared.add("agreement", kind, "agree");
    }
    let all = [
        BootVerdict::Present,
        BootVerdict::Fresh,
        BootVerdict::Restarted,
        BootVerdict::Reinstated,
        BootVerdict::Late,
    ];
    for verdict in all {
        match verdict {
            // It has no effect.
            BootVerdict::Present => {}
            BootVerdict::Fresh | BootVerdict::Restarted | BootVerdict::Reinstated | BootVerdict::Late => {
                declared.add("boot", "heard", folds::verdict_name(verdict))
            }
        }
    }
}

/// Letters. Listed by hand as well; a new state does not compile here.
pub fn letters(declared: &mut Declared) {
    for &state in LetterState::ALL {
        let to: &[LetterState] = match state {
            LetterState::Waiting => LetterState::ALL,
            LetterState::Dead => &[LetterState::Waiting],
            LetterState::Sent | LetterState::Superseded => &[],
        };
        for next in to {
            declared.add("letter", state, *next);
        }
    }
}
