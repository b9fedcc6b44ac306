//! Seek pagination: `?after=..&limit=..`.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::refusal::{Code, FieldProblem, Refusal};
use crate::domain::words::Bilingual;

/// The most that one page holds.
pub const MOST: i64 = 100;

/// Which page of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// The last id of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    pub after: Option<uuid::Uuid>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
}

impl Page {
    /// How many rows, if the wish is within bounds.
    ///
    /// # Errors
    /// `InvalidParameter` beyond 1 to 100.
    pub fn size(&self) -> Result<i64, Refusal> {
        let limit = self.limit.unwrap_or(50);
        if (1..=MOST).contains(&limit) {
            return Ok(limit);
        }
        let mut refusal = Refusal::new(Code::InvalidParameter);
        refusal.fields.push(FieldProblem {
            field: "limit".to_owned(),
            code: "out_of_range".to_owned(),
            message: Bilingual::fixed("须为 1 到 100", "must be 1 to 100"),
        });
        Err(refusal)
    }

    /// The id after which the page begins.
    pub fn after<K>(&self) -> Option<crate::domain::ids::Id<K>> {
        self.after.map(crate::domain::ids::Id::from_uuid)
    }
}

/// How long a long poll may be held.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// Seconds to wait for something, 0 to 25; 0 if left out.
    #[param(minimum = 0, maximum = 25)]
    pub wait: Option<u64>,
}

impl Wait {
    /// The span, if it is within bounds.
    ///
    /// # Errors
    /// `InvalidParameter` beyond 25 seconds.
    pub fn span(&self) -> Result<std::time::Duration, Refusal> {
        let seconds = self.wait.unwrap_or(0);
        if seconds <= 25 {
            return Ok(std::time::Duration::from_secs(seconds));
        }
        let mut refusal = Refusal::new(Code::InvalidParameter);
        refusal.fields.push(FieldProblem {
            field: "wait".to_owned(),
            code: "out_of_range".to_owned(),
            message: Bilingual::fixed("须为 0 到 25", "must be 0 to 25"),
        });
        Err(refusal)
    }
}
