//! Administration of the network by operators: places, people, roster. Each read of a worker's
//! personal data is logged.

use super::{Failure, Tx};
use domain::{
    network::Record,
    refusal::{Code, FieldProblem, Refusal},
    time::civil_day,
    words::Bilingual,
};
use import::ImportError;

pub mod access;
pub(crate) mod counts;
pub mod coverage;
pub mod department;
pub(crate) mod details;
pub mod district;
pub(crate) mod fitness;
pub mod identity;
pub mod import;
pub mod me;
pub(crate) mod merge;
pub(crate) mod people;
pub(crate) mod places;
pub mod roster;
pub mod worker_change;

pub use counts::{NetworkCounts, counts};
pub use details::{WorkerDetailsInput, worker_change_details};
pub use fitness::{FitnessItem, fitness};
pub(crate) use merge::merge;
pub use merge::{
    Contradiction, MergeInput, MergePreview, MergeQuery, merge_preview, worker_merge, worker_unmerge,
};
pub use people::{WorkerInput, WorkerQuery, WorkerSummary, worker_add, worker_fetch, worker_find};
pub use places::{
    EmployerInput, EmployerView, HospitalInput, HospitalView, StationInput, StationView, employer_add,
    employer_list, hospital_add, hospital_list, station_add, station_fetch, station_list,
};
pub use roster::{
    ShiftCancelled, ShiftChange, ShiftInput, ShiftView, shift_add, shift_cancel, shift_change, shift_fetch,
    shift_list,
};
pub use roster::{
    leave::{LeaveInput, LeaveView, leave_add, leave_end, leave_list},
    rule::{
        ShiftRuleChange, ShiftRuleInput, ShiftRuleView, rule_add, rule_change, rule_end, rule_fetch,
        rule_list,
    },
    staff::{RosteredView, rostered_list},
};

pub(crate) fn checked(tx: &Tx<'_>, record: &impl Record) -> Result<(), Failure> {
    let problems = record.validate(civil_day(tx.now));
    if problems.is_empty() { Ok(()) } else { Err(Refusal::fields(problems).into()) }
}

pub(crate) fn missing(field: &str) -> Refusal {
    Refusal::field(field, "missing_field", Bilingual::fixed("缺少必填字段", "this role needs it"))
}

pub(crate) fn unknown(field: &str) -> Refusal {
    Refusal::field(field, "unknown", Bilingual::fixed("网络中没有。", "The network knows none such."))
}

/// Converts the problems of an import of one row to those of a form.
pub(crate) fn one_row(error: ImportError) -> Failure {
    match error {
        ImportError::Failed(failure) => failure,
        ImportError::File(error) => Failure::caused("a row of one", error),
        ImportError::Rows(problems) | ImportError::Catalogue { problems, .. } => {
            let taken = problems.iter().all(|problem| problem.code == "already_exists");
            let fields: Vec<FieldProblem> = problems
                .into_iter()
                .map(|bad| FieldProblem { field: bad.field, code: bad.code, message: bad.message })
                .collect();
            let mut refusal = Refusal::fields(fields);
            if taken {
                refusal.code = Code::AlreadyExists;
            }
            refusal.into()
        }
    }
}
