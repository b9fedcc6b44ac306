//! Merges profile, personal data and consents of two records. The previous state is stored with
//! the merge, sealed.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::card;
use crate::{
    Failure, Recipients, Tx,
    profile::{self, HealthProfile},
};
use domain::{
    event::{Event, care::HealthProfileEvent},
    ids::{ConsentId, WorkerId},
    network::{
        Job, Sex, careful_job,
        merge::{
            careful_answer, careful_lists, careful_number, comparable_entry, undone_lists, undone_value,
        },
    },
};
use storage::{
    events::AnyId,
    network::{merge as store, worker::WorkerRow},
};

/// Personal data as entered by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
    job: Option<Job>,
}

impl Person {
    fn of(row: &WorkerRow) -> Self {
        Self { birth_date: row.birth_date, sex: row.sex, job: row.job }
    }
}

/// The remaining worker's data before and right after a merge.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Before {
    profile: Option<HealthProfile>,
    merged_profile: Option<HealthProfile>,
    /// Version of the profile right after; none in merges stored before this field existed.
    #[serde(default)]
    merged_version: Option<i64>,
    person: Person,
    merged_person: Person,
    consents_withdrawn: Vec<ConsentId>,
    /// The card that was moved.
    #[serde(default)]
    card: Option<card::Taken>,
}

impl Before {
    /// The names of the fields that the merge changed. Names only: they go into the event log.
    pub(crate) fn fields_merged(&self) -> Vec<String> {
        let none = HealthProfile::default();
        let (before, after) =
            (self.profile.as_ref().unwrap_or(&none), self.merged_profile.as_ref().unwrap_or(&none));
        let mut fields = fields_that_differ(before, after);
        let (was, is) = (&self.person, &self.merged_person);
        for (name, differs) in [
            ("birth_date", was.birth_date != is.birth_date),
            ("sex", was.sex != is.sex),
            ("job", was.job != is.job),
            ("consents", !self.consents_withdrawn.is_empty()),
            ("card", self.card.is_some()),
        ] {
            fields.extend(differs.then_some(name));
        }
        fields.into_iter().map(str::to_owned).collect()
    }
}

/// The names of the fields in which two profiles differ.
pub(super) fn fields_that_differ(one: &HealthProfile, other: &HealthProfile) -> Vec<&'static str> {
    let object = |profile| match serde_json::to_value(profile) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (one_facts, other_facts) = (object(one), object(other));
    HEALTH_FIELDS.iter().copied().filter(|name| one_facts.get(*name) != other_facts.get(*name)).collect()
}

/// The fields of a profile. [`merged_profile`] must list them all, so a new field cannot be
/// forgotten there.
const HEALTH_FIELDS: &[&str] = &[
    "weight_kg_tenths",
    "pregnant",
    "breastfeeding",
    "allergies",
    "conditions",
    "medicines",
    "egfr",
    "creatinine_clearance",
    "birth_date",
    "sex",
    "job",
];

/// Merges two profiles, taking the more careful value of each field. If one worker has no profile,
/// the other's is taken unchanged. Lists may exceed the limits of the form: nothing is dropped.
pub(super) fn merged_profile(
    one: Option<&HealthProfile>,
    other: Option<&HealthProfile>,
) -> Option<HealthProfile> {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (known, None) | (None, known) => return known.cloned(),
    };
    let who = one.stated().with(other.stated());
    Some(HealthProfile {
        weight_kg_tenths: careful_number(one.weight_kg_tenths, other.weight_kg_tenths),
        pregnant: careful_answer(one.pregnant, other.pregnant),
        breastfeeding: careful_answer(one.breastfeeding, other.breastfeeding),
        allergies: careful_lists(one.allergies.as_deref(), other.allergies.as_deref(), |entry| {
            comparable_entry(entry)
        }),
        conditions: careful_lists(one.conditions.as_deref(), other.conditions.as_deref(), |code| {
            code.as_str().to_owned()
        }),
        medicines: careful_lists(one.medicines.as_deref(), other.medicines.as_deref(), |entry| {
            comparable_entry(entry)
        }),
        egfr: careful_number(one.egfr, other.egfr),
        creatinine_clearance: careful_number(one.creatinine_clearance, other.creatinine_clearance),
        birth_date: who.birth_date,
        sex: who.sex,
        job: who.job,
        names: None,
    })
}

/// The profile after a merge is undone, field by field.
fn undone_profile(before: &HealthProfile, merged: &HealthProfile, now: HealthProfile) -> HealthProfile {
    HealthProfile {
        weight_kg_tenths: undone_value(
            before.weight_kg_tenths,
            &merged.weight_kg_tenths,
            now.weight_kg_tenths,
        ),
        pregnant: undone_value(before.pregnant, &merged.pregnant, now.pregnant),
        breastfeeding: undone_value(before.breastfeeding, &merged.breastfeeding, now.breastfeeding),
        allergies: undone_lists(before.allergies.as_deref(), merged.allergies.as_deref(), now.allergies),
        conditions: undone_lists(before.conditions.as_deref(), merged.conditions.as_deref(), now.conditions),
        medicines: undone_lists(before.medicines.as_deref(), merged.medicines.as_deref(), now.medicines),
        egfr: undone_value(before.egfr, &merged.egfr, now.egfr),
        creatinine_clearance: undone_value(
            before.creatinine_clearance,
            &merged.creatinine_clearance,
            now.creatinine_clearance,
        ),
        birth_date: undone_value(before.birth_date, &merged.birth_date, now.birth_date),
        sex: undone_value(before.sex, &merged.sex, now.sex),
        job: undone_value(before.job, &merged.job, now.job),
        names: None,
    }
}

/// Merges personal data: the target's values win, and missing ones are taken from the source. Work
/// at height of either is kept, as it is the more careful job.
fn merged_person(source: &WorkerRow, target: &WorkerRow) -> Person {
    Person {
        birth_date: target.birth_date.or(source.birth_date),
        sex: target.sex.or(source.sex),
        job: careful_job(target.job, source.job),
    }
}

/// A worker's profile; `None` if none was ever written.
pub(super) fn profile_of(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Option<(i64, HealthProfile)>, Failure> {
    let found = profile::fetch(tx.conn, tx.app, worker)?;
    Ok((found.0 > 0).then_some(found))
}

/// Merges the data of `source` into `target`; returns the previous state.
pub(super) fn merge(tx: &mut Tx<'_>, source: &WorkerRow, target: &WorkerRow) -> Result<Before, Failure> {
    let (theirs, own) = (profile_of(tx, source.id)?, profile_of(tx, target.id)?);
    let version = own.as_ref().map_or(0, |(version, _)| *version);
    let (theirs, own) = (theirs.map(|(_, profile)| profile), own.map(|(_, profile)| profile));
    let merged = merged_profile(own.as_ref(), theirs.as_ref());
    let mut merged_version = version;
    if let Some(merged) = merged.as_ref().filter(|merged| Some(*merged) != own.as_ref()) {
        write_profile(tx, target.id, version, merged, source.id)?;
        merged_version += 1;
    }
    let before = Before {
        profile: own,
        merged_profile: merged,
        merged_version: Some(merged_version),
        person: Person::of(target),
        merged_person: merged_person(source, target),
        consents_withdrawn: withdraw(tx, source.id, target.id)?,
        card: card::take(tx, source, target)?,
    };
    if before.person != before.merged_person {
        let Person { birth_date, sex, job } = before.merged_person;
        storage::network::worker::person_set(tx.conn, target.id, birth_date, sex, job)?;
    }
    Ok(before)
}

/// Withdraws the consents of `target` to each purpose on which the latest decision of `source` was a
/// withdrawal.
fn withdraw(tx: &mut Tx<'_>, source: WorkerId, target: WorkerId) -> Result<Vec<ConsentId>, Failure> {
    let theirs = store::consents_recorded(tx.conn, source)?;
    let refused = |purpose: &str| {
        let last = theirs.iter().rev().find(|(_, other, _)| other == purpose);
        last.is_some_and(|(_, _, withdrawn)| *withdrawn)
    };
    let own = store::consents_recorded(tx.conn, target)?;
    let ids: Vec<ConsentId> = own
        .iter()
        .filter(|(_, purpose, withdrawn)| !withdrawn && refused(purpose))
        .map(|(id, ..)| *id)
        .collect();
    if !ids.is_empty() {
        store::consents_withdraw(tx.conn, &ids, tx.now)?;
    }
    Ok(ids)
}

fn write_profile(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    version: i64,
    profile: &HealthProfile,
    merged: WorkerId,
) -> Result<(), Failure> {
    let body = profile::written(profile)?;
    let sealed = tx.app.seal("health_profile", "body_sealed", worker, &body)?;
    if !storage::profile::profile_put(tx.conn, worker, version, &sealed, tx.now)? {
        // Every writer of a profile locks the worker's row, and so does a merge.
        return Err(Failure::inconsistent("a profile changed under a merge"));
    }
    let event = HealthProfileEvent::Updated { version: version + 1, merged_from: Some(merged) };
    tx.record(worker, event, Recipients::worker(worker))
}

/// Whether the worker wrote their profile after the version that the merge left. A worker always
/// writes the whole profile, so it is then their own statement, even where it repeats values of
/// the other record.
fn written_since(tx: &mut Tx<'_>, worker: WorkerId, merged: Option<i64>) -> Result<bool, Failure> {
    let Some(merged) = merged else { return Ok(false) };
    let events = storage::events::events_of(tx.conn, AnyId::from_uuid(worker.uuid()))?;
    for event in events {
        if let Event::HealthProfile(HealthProfileEvent::Updated { version, merged_from: None }) =
            event.parse()?
            && version > merged
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Restores the data of `target` from before the merge, keeping what changed since. A profile that
/// the worker wrote since stays: nobody knows which of its values came from the other record, and
/// an allergy too many does less harm than a missing one.
pub(super) fn undo(
    tx: &mut Tx<'_>,
    source: WorkerId,
    target: &WorkerRow,
    before: Before,
) -> Result<(), Failure> {
    if let (Some((version, now)), Some(merged)) = (profile_of(tx, target.id)?, &before.merged_profile) {
        match &before.profile {
            _ if written_since(tx, target.id, before.merged_version)? => {}
            None if now == *merged => store::profile_remove(tx.conn, target.id)?,
            profile => {
                let none = HealthProfile::default();
                let restored = undone_profile(profile.as_ref().unwrap_or(&none), merged, now.clone());
                if restored != now {
                    write_profile(tx, target.id, version, &restored, source)?;
                }
            }
        }
    }
    let (was, merged, now) = (before.person, before.merged_person, Person::of(target));
    let restored = Person {
        birth_date: undone_value(was.birth_date, &merged.birth_date, now.birth_date),
        sex: undone_value(was.sex, &merged.sex, now.sex),
        job: undone_value(was.job, &merged.job, now.job),
    };
    if restored != Person::of(target) {
        storage::network::worker::person_set(
            tx.conn,
            target.id,
            restored.birth_date,
            restored.sex,
            restored.job,
        )?;
    }
    card::give_back(tx, source, target, before.card)?;
    let consents = store::consents_recorded(tx.conn, target.id)?;
    for id in before.consents_withdrawn {
        let purpose =
            consents.iter().find(|(known, ..)| *known == id).map(|(_, purpose, _)| purpose.as_str());
        // A later decision on the same purpose stays.
        let last = consents.iter().rev().find(|(_, other, _)| Some(other.as_str()) == purpose);
        if last.is_some_and(|(last, ..)| *last == id) {
            store::consent_restore(tx.conn, id)?;
        }
    }
    Ok(())
}
