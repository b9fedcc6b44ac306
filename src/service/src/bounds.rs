//! The bounds in the API's schemas that the policy sets. A request is checked against the schema
//! that is published, and the message names the bound of that schema: all three read it from here.

use domain::policy::Policy;

/// A bound of one schema.
#[derive(Debug, Clone)]
pub struct PolicyBound {
    /// The schema's name in the API document.
    pub schema: &'static str,
    /// The bounded member; `None` for a schema without members.
    pub member: Option<&'static str>,
    pub limit: Limit,
}

/// What the bound says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The largest number.
    Most(u32),
    /// The longest list.
    Items(usize),
    /// The shortest text, in characters, without the space around it.
    Characters(usize),
}

/// All bounds that this policy sets.
pub fn of(policy: &Policy) -> Vec<PolicyBound> {
    let prescribing = &policy.prescribing;
    let bound = |schema, member, limit| PolicyBound { schema, member, limit };
    vec![
        bound("PrescriptionInput", Some("lines"), Limit::Items(prescribing.max_drugs)),
        bound("LineInput", Some("times_per_day"), Limit::Most(prescribing.max_times_per_day)),
        bound("LineInput", Some("days"), Limit::Most(prescribing.longest_days())),
        bound("SignInput", Some("valid_days"), Limit::Most(prescribing.max_valid_days)),
        bound("Reason", None, Limit::Characters(prescribing.min_reason_chars)),
    ]
}
