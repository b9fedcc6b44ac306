//! Whether an employer's workers may work at height. Never shows why, nor anything about a
//! worker who does not consent to it at this moment.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::me;
use crate::{
    AppState, Failure, HealthAccess, Part,
    caller::StaffCaller,
    page::{Page, Rows},
};
use domain::{
    formulary::ProductCode,
    ids::WorkerId,
    network::ConsentPurpose,
    refusal::Code,
    vitals::{Fitness, FitnessReading, fitness as judge},
    words::Bilingual,
};
use storage::{Conn, network::listing as store};

/// Whether one worker may work at height now. Never why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FitnessItem {
    pub worker_id: WorkerId,
    /// `fit`, `hold`, `not_checked` before this shift, or `no_consent`.
    pub fit: Fitness,
    /// What to do next.
    pub next: Option<Bilingual>,
}

/// The fitness of the caller's employer's workers, from the readings taken before this shift and
/// the drugs vended. The consents are read last, for each response, so that a withdrawn one takes
/// effect at once. Each worker whose fitness is shown is logged.
///
/// # Errors
/// `RoleNotAllowed` for a caller without an employer.
pub fn fitness(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
    after: Option<WorkerId>,
    limit: u32,
) -> Result<Page<FitnessItem>, Failure> {
    let employer = caller.employer.ok_or(Code::RoleNotAllowed)?;
    let page = Rows::read(limit, |most| store::workers_of_employer(conn, employer, after, most), |id| *id)?;
    Ok(page.show(|people| of_people(conn, app, shown, people))?.into())
}

fn of_people(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    people: Vec<WorkerId>,
) -> Result<Vec<FitnessItem>, Failure> {
    let rules = &app.policy.fitness;
    let since = app.now() - TimeDelta::hours(i64::from(rules.check_holds_h));
    let mut measured: HashMap<WorkerId, Vec<FitnessReading>> = HashMap::new();
    for (worker, reading) in store::fitness_readings(conn, &people, since)? {
        measured.entry(worker).or_default().push(reading);
    }
    let sedated = sedated(conn, app, &people)?;
    // Fitness is derived from readings, so both consents are needed.
    let employer_consents =
        storage::network::worker::consents_in_force(conn, &people, ConsentPurpose::EmployerFitness.as_str())?;
    let care_consents = me::consenting_to_care(conn, &people)?;
    let consenting: HashSet<WorkerId> = employer_consents.intersection(&care_consents).copied().collect();
    let mut items = Vec::with_capacity(people.len());
    for worker in people {
        let fit = if consenting.contains(&worker) {
            shown.note(worker, Part::Fitness, worker);
            let readings = measured.get(&worker).map_or(&[][..], Vec::as_slice);
            judge(readings, sedated.contains(&worker), rules, app.now())
        } else {
            Fitness::NoConsent
        };
        items.push(FitnessItem { worker_id: worker, fit, next: fit.next() });
    }
    Ok(items)
}

/// Which of these got a sedating drug from a cabinet within the policy's span; a pack that is
/// in doubt counts.
fn sedated(conn: &mut Conn, app: &AppState, people: &[WorkerId]) -> Result<HashSet<WorkerId>, Failure> {
    let span = TimeDelta::hours(i64::from(app.policy.fitness.sedating_hold_h));
    let vended = store::vended_since(conn, people, app.now() - span)?;
    let formulary = app.formulary();
    let sedates = |code: &str| {
        let product = ProductCode::parse(code).and_then(|code| formulary.get(&code));
        product.is_some_and(|product| product.sedating)
    };
    Ok(vended.into_iter().filter(|(_, code)| sedates(code)).map(|(worker, _)| worker).collect())
}
