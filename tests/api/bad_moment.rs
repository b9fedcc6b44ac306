//! A code is typed at a simulated cabinet while its poll is renewing the
//! cabinet's token: the poll holds the token that the code needs, and must go on anyway.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tokio::sync::Notify;

use crate::{
    harness::TestApp,
    vending::{attempt_of, code_of},
};
use simulation::{
    cabinets::{CabinetPlan, Fleet},
    client::Api,
    hatch::Hatches,
    pace::Pace,
};

const TOKENS: &str = "/api/v1/tokens/device";

/// A proxy between the cabinet and the server: it forwards everything, but token
/// requests only while the gate is open.
struct Gate {
    upstream: String,
    client: reqwest::Client,
    closed: AtomicBool,
    /// A token request waits at the closed gate.
    requested: Notify,
    opened: Notify,
}

async fn forward(gate: web::Data<Gate>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let path = request.uri().path_and_query().expect("a path").as_str();
    if path == TOKENS && gate.closed.load(Ordering::SeqCst) {
        gate.requested.notify_one();
        gate.opened.notified().await;
    }
    let method = request.method().as_str().parse().expect("a method");
    let base = &gate.upstream;
    let mut onward = gate.client.request(method, format!("{base}{path}")).body(body.to_vec());
    for name in ["authorization", "content-type", "waystation-signature", "idempotency-key"] {
        if let Some(value) = request.headers().get(name) {
            onward = onward.header(name, value.as_bytes());
        }
    }
    let answer = onward.send().await.expect("answered");
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    HttpResponse::build(status)
        .content_type("application/json")
        .body(answer.bytes().await.expect("a body").to_vec())
}

#[actix_web::test]
async fn a_code_that_is_typed_while_the_poll_renews_its_token_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let app = TestApp::open_with(|config| config.public_url.clone_from(&base)).await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let gate = web::Data::new(Gate {
        upstream: app.base.clone(),
        client: reqwest::Client::new(),
        closed: AtomicBool::new(false),
        requested: Notify::new(),
        opened: Notify::new(),
    });
    let shared = gate.clone();
    let server =
        HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(forward)));
    tokio::spawn(server.workers(1).disable_signals().listen(listener).expect("heard").run());

    let api = Api::new(&base, Arc::new(app.clock.clone())).expect("a client");
    let hatches = Arc::new(Hatches::default());
    let network = app.state.policy.network.clone();
    let fleet = Fleet::new(api, &network, Arc::clone(&hatches), None, Pace::quick());
    let station = "zhifu-01";
    let plan = CabinetPlan {
        station_code: station.to_owned(),
        device: seed.cabinet_device,
        key: seed.cabinet_key.clone(),
        epoch: 1,
        slots: Vec::new(),
        door_open: false,
        restocker: None,
    };
    let cabinet = tokio::spawn(fleet.run(plan));
    let waits_for = async |packs: Vec<_>| {
        let order_taken = async {
            while hatches.wait_until_pending(station, &packs).await.is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), order_taken).await.expect("the cabinet takes its work");
    };
    let visit = app.visit(&seed).await;
    let first = app.paid(&seed, &visit, 1).await;
    waits_for(vec![attempt_of(&first, 0)]).await;

    // Its token is about to expire, and the next poll will request a new one. The
    // poll that is open now ends when the second order arrives.
    gate.closed.store(true, Ordering::SeqCst);
    app.pass(260);
    let visit = app.visit(&seed).await;
    let second = app.paid(&seed, &visit, 1).await;
    waits_for(vec![attempt_of(&second, 0)]).await;
    gate.requested.notified().await;

    // The code reaches the keypad before the gate opens.
    let code = code_of(&second);
    let typed = hatches.type_code(station, &code, false);
    let open = async {
        gate.closed.store(false, Ordering::SeqCst);
        gate.opened.notify_one();
    };
    let both = futures_util::future::join(typed, open);
    let (shown, ()) = tokio::time::timeout(Duration::from_secs(30), both).await.expect("the cabinet hangs");
    let shown = shown.expect("the cabinet listens");
    assert_eq!((shown.dispensed, shown.failed, shown.refused), (1, 0, None));
    cabinet.abort();
    app.sound().await;
}
