//! stub
use crate::{domain::ids::ConsultationId, service::Failure, storage::Conn};
/// stub
pub fn has_open_draft(_: &mut Conn, _: ConsultationId) -> Result<bool, Failure> {
    Ok(false)
}
