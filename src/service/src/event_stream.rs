//! What a caller reads of the event log.

use std::sync::Arc;

use crate::{Actor, AppState, Failure, HealthAccess};
use storage::{
    Live,
    events::{Audience, Found, events_for},
};

impl AppState {
    /// The events of `audience` after `position`, oldest first, `limit` at most: one statement, which
    /// checks the caller's authority as well. Events contain workers' ids, so reading them is
    /// recorded.
    ///
    /// # Errors
    /// Those of [`AppState::poll_health`].
    pub async fn events_after(
        self: &Arc<Self>,
        actor: Actor,
        audience: Audience,
        position: i64,
        limit: i64,
    ) -> Result<Found, Failure> {
        let app = Arc::clone(self);
        let found = self.store.read(move |conn| {
            let now = app.now();
            let live = Live::of(actor.authority(now));
            let found = events_for(conn, audience, live, position, limit)?;
            if found.events.is_empty() && !found.more_soon {
                actor.ensure_live(conn, now)?;
            }
            Ok::<_, Failure>(found)
        });
        let found = found.await?;
        if !found.events.is_empty() {
            let mut shown = HealthAccess::to(actor);
            shown.note_stream();
            self.record_accesses(actor, shown.take()).await?;
        }
        Ok(found)
    }
}
