//! How long a prescription may be used, in the civil days of Asia/Shanghai.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::policy::PrescribingPolicy;
use crate::{
    refusal::{Code, FieldProblem, Refusal},
    time::{Timestamp, end_of_civil_day},
    words::Bilingual,
};

/// What signing proposes when little time is left today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionProposal {
    pub minutes_left: i64,
    /// Civil days of validity proposed, including the issue day.
    pub valid_days: u32,
    /// The last instant of the proposed validity.
    pub valid_until: Timestamp,
}

/// The last instant of a prescription issued at `now` that is valid for `valid_days` civil days
/// including the issue day; never more than the policy allows. Source: the project's clinical
/// rules, prescribing table.
pub fn valid_until(now: Timestamp, valid_days: u32, policy: &PrescribingPolicy) -> Timestamp {
    end_of_civil_day(now, valid_days.clamp(1, policy.max_valid_days.max(1)) - 1)
}

/// Proposes one more day when fewer hours than the policy's are left today. Source: the project's
/// clinical rules, prescribing table.
pub fn propose_extension(now: Timestamp, policy: &PrescribingPolicy) -> Option<ExtensionProposal> {
    let left = valid_until(now, policy.valid_days, policy) - now;
    let short = left < TimeDelta::hours(i64::from(policy.propose_extension_below_hours));
    let valid_days = policy.valid_days.saturating_add(1);
    (short && valid_days <= policy.max_valid_days).then(|| ExtensionProposal {
        minutes_left: left.num_minutes(),
        valid_days,
        valid_until: valid_until(now, valid_days, policy),
    })
}

/// The validity of a signature. Late in the day, if the doctor did not choose, it refuses with the
/// proposal so that the doctor accepts or declines it.
pub(super) fn decide(
    now: Timestamp,
    asked: Option<u32>,
    policy: &PrescribingPolicy,
) -> Result<Timestamp, Refusal> {
    let problem = |code: &str, message: Bilingual| {
        let field = FieldProblem { field: "valid_days".into(), code: code.into(), message };
        Refusal { fields: vec![field], ..Refusal::new(Code::PrescribingRule) }
    };
    match asked {
        Some(days) if days < 1 || days > policy.max_valid_days => Err(problem(
            "out_of_range",
            Bilingual::made(
                format!("有效期须为 1 至 {} 天。", policy.max_valid_days),
                format!("Validity is 1 to {} days.", policy.max_valid_days),
            ),
        )),
        Some(days) => Ok(valid_until(now, days, policy)),
        None => match propose_extension(now, policy) {
            None => Ok(valid_until(now, policy.valid_days, policy)),
            Some(proposal) => {
                let message = Bilingual::made(
                    format!("今日仅剩 {} 分钟，请确认是否延长有效期。", proposal.minutes_left),
                    format!(
                        "Only {} minutes of today are left; extend the validity or not?",
                        proposal.minutes_left
                    ),
                );
                let data = serde_json::to_value(proposal).unwrap_or(serde_json::Value::Null);
                Err(problem("extension_proposed", message).with_data(data))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    fn shanghai(hour: u32, minute: u32) -> Timestamp {
        crate::time::shanghai()
            .with_ymd_and_hms(2026, 11, 23, hour, minute, 0)
            .single()
            .expect("once")
            .with_timezone(&Utc)
    }

    #[test]
    fn validity_ends_with_the_civil_day_in_shanghai() {
        let policy = PrescribingPolicy::default();
        for (days, end_day) in [(1, 23), (2, 24), (3, 25), (9, 25), (0, 23)] {
            let until = valid_until(shanghai(9, 0), days, &policy).with_timezone(&crate::time::shanghai());
            assert_eq!(until.format("%d %H:%M:%S").to_string(), format!("{end_day} 23:59:59"), "{days}");
        }
    }

    #[test]
    fn under_six_hours_the_extension_is_proposed() {
        let policy = PrescribingPolicy::default();
        assert_eq!(propose_extension(shanghai(17, 59), &policy), None);
        let proposal = propose_extension(shanghai(18, 1), &policy).expect("under six hours");
        assert_eq!((proposal.valid_days, proposal.minutes_left), (2, 358));
        assert!(decide(shanghai(12, 0), None, &policy).is_ok());
        let refusal = decide(shanghai(20, 0), None, &policy).expect_err("asks");
        assert_eq!(refusal.fields[0].code, "extension_proposed");
        assert!(refusal.data.is_some());
        assert_eq!(decide(shanghai(20, 0), Some(1), &policy), Ok(valid_until(shanghai(20, 0), 1, &policy)));
        assert_eq!(decide(shanghai(20, 0), Some(3), &policy), Ok(valid_until(shanghai(20, 0), 3, &policy)));
        assert!(decide(shanghai(20, 0), Some(4), &policy).is_err());
        assert!(decide(shanghai(20, 0), Some(0), &policy).is_err());
    }
}
