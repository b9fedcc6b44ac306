//! Upgrade test: a database of an earlier version, whose process was killed in the
//! middle of journeys, opens with this version, keeps every invariant, and all
//! unfinished work in it reaches an end. `tests/released/make` makes such a database.

use chrono::TimeDelta;
use diesel::{dsl::max, prelude::*};

use crate::harness::TestApp;
use domain::time::Timestamp;
use service::Actor;
use storage::{
    Conn, on_backend,
    schema::{consultation, event, orders},
};

/// The first release.
const FIRST: &str = "0.1.0";
/// The last version of 0.2.0 that was one crate.
const ONE_CRATE: &str = "0.2.0-one-crate";

/// The first version with the distributor's queues, and departments as data.
const QUEUES: &str = "0.3.0";

/// Counts consultations and orders that have not ended.
fn unfinished(conn: &mut Conn) -> (i64, i64) {
    let consultations = on_backend!(conn, c => consultation::table.filter(consultation::ended_at.is_null()).count().get_result(c));
    let open = on_backend!(conn, c => orders::table.filter(orders::ended_at.is_null()).count().get_result(c));
    (consultations.expect("counted"), open.expect("counted"))
}

/// Runs the background jobs once; returns how much they changed.
async fn sweep(app: &TestApp) -> usize {
    let app = &app.state;
    let mut done = service::matching::requeue_lost(app).await.expect("requeued");
    done += service::matching::expire_offers(app).await.expect("expired");
    done += service::matching::give_up_unserved(app).await.expect("given up");
    done += service::check_in::sweep_idle(app).await.expect("ended");
    done += service::vend::doubt_silent(app).await.expect("doubted");
    done += service::vend::void_expired(app).await.expect("voided");
    done += service::vend::expire_orders(app).await.expect("expired");
    done + service::prescription::dispense::expire_due(app).await.expect("expired")
}

async fn violations(app: &TestApp) -> Vec<String> {
    let found = app.state.read(Actor::System, |conn, _| service::stock::check::invariants(conn));
    found.await.expect("checked")
}

#[actix_web::test]
async fn a_database_of_the_first_release_opens_and_its_unfinished_work_ends() {
    opens_and_its_unfinished_work_ends(FIRST).await;
}

#[actix_web::test]
async fn a_database_of_the_version_before_the_workspace_opens_and_its_unfinished_work_ends() {
    opens_and_its_unfinished_work_ends(ONE_CRATE).await;
}

#[actix_web::test]
async fn a_database_of_the_version_with_queues_opens_and_its_unfinished_work_ends() {
    opens_and_its_unfinished_work_ends(QUEUES).await;
}

async fn opens_and_its_unfinished_work_ends(version: &str) {
    let app = TestApp::open_released(version).await;
    let mut conn = app.connection();
    let newest =
        on_backend!(&mut conn, c => event::table.select(max(event::at)).get_result::<Option<Timestamp>>(c))
            .expect("read")
            .expect("events");
    app.clock.advance(newest - app.now() + TimeDelta::seconds(5));
    assert_eq!(violations(&app).await, Vec::<String>::new());
    let chain = app.state.read(Actor::System, service::audit::verify).await.expect("checked");
    assert!(chain.unbroken && chain.sealed_to > 0, "{chain:?}");
    let (consultations, _) = unfinished(&mut conn);
    assert!(consultations > 10, "{version} was cut off in the middle: {consultations}");

    // No worker or cabinet comes back: within a day and a half everything ends.
    for _ in 0..72 {
        while sweep(&app).await > 0 {}
        app.pass(1_800);
    }
    assert_eq!(unfinished(&mut conn), (0, 0));
    assert_eq!(violations(&app).await, Vec::<String>::new());
}
