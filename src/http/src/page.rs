//! Query parameters of lists and long polls. Their bounds are declared in the OpenAPI
//! schema, and are checked against it.

use std::time::Duration;

use serde::Deserialize;
use utoipa::IntoParams;

use domain::{ids::Id, spelling};

/// Default number of entries per page.
pub(crate) const DEFAULT_LIMIT: u32 = 50;

/// Which page of a list: seek pagination, `?after=..&limit=..`.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// The last id of the page before.
    pub after: Option<uuid::Uuid>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

impl ListQuery {
    /// Maximum number of entries.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    pub fn after<K>(&self) -> Option<Id<K>> {
        self.after.map(Id::from_uuid)
    }
}

/// How long a long poll may wait.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Seconds to wait for something; 0 if left out.
    #[param(schema_with = spelling::wait_seconds)]
    pub wait: Option<u32>,
}

impl Wait {
    pub fn span(&self) -> Duration {
        Duration::from_secs(self.wait.unwrap_or(0).into())
    }
}
