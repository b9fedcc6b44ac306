//! Data outlives code: a database that a released version filled, and that was
//! cut off in the middle of journeys, opens with this one, keeps every
//! invariant, and whatever was half done in it reaches an end.
//! `tests/released/make` says how such a database is made.

use chrono::TimeDelta;
use diesel::{dsl::max, prelude::*};

use crate::harness::TestApp;
use domain::time::Timestamp;
use service::Actor;
use storage::{
    Conn, on_backend,
    schema::{consultation, event, orders},
};

const VERSION: &str = "0.1.0";

/// Consultations and orders that have not reached an end.
fn unfinished(conn: &mut Conn) -> (i64, i64) {
    let consultations = on_backend!(conn, c => consultation::table.filter(consultation::ended_at.is_null()).count().get_result(c));
    let open = on_backend!(conn, c => orders::table.filter(orders::ended_at.is_null()).count().get_result(c));
    (consultations.expect("counted"), open.expect("counted"))
}

/// What the jobs would carry out at this moment; how much there was to do.
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
async fn a_database_of_the_last_release_opens_and_all_that_was_half_done_in_it_ends() {
    let app = TestApp::open_released(VERSION).await;
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
    assert!(consultations > 10, "{VERSION} was cut off in the middle: {consultations}");

    // Nobody who was there comes back: in a day and a half everything ends.
    for _ in 0..72 {
        while sweep(&app).await > 0 {}
        app.pass(1_800);
    }
    assert_eq!(unfinished(&mut conn), (0, 0));
    assert_eq!(violations(&app).await, Vec::<String>::new());
}
