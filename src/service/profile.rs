//! stub
use crate::{
    domain::ids::WorkerId,
    service::{Failure, House},
    storage::Conn,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
/// stub
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HealthProfile {
    /// p
    pub pregnant: Option<bool>,
}
impl HealthProfile {
    /// d
    pub fn diabetic(&self) -> Option<bool> {
        None
    }
}
/// stub
pub fn of_worker(_: &mut Conn, _: &House, _: WorkerId) -> Result<HealthProfile, Failure> {
    Ok(HealthProfile::default())
}
