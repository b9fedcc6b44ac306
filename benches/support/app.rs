//! The server as `waystation serve` runs it, on a temporary embedded database, with
//! one signed-in doctor.

use std::{net::TcpListener, sync::Arc};

use anyhow::Context;

use super::{
    cabinets::{LIFE, enrol},
    child::{Ready, report_ready},
};
use base::{
    clock::SystemClock,
    config::{Config, Flags},
    telemetry,
};
use crypto::{
    keys::MasterSecret,
    tokens::{Claims, Role},
};
use domain::{
    formulary::{Formulary, ProductCode},
    ids::{HospitalId, SessionId, StaffId},
};
use service::{Actor, AppState, Tx, jobs::Jobs};
use storage::{network as rows, sql_types::At};
use waystation::Built;

/// Worker threads of both servers.
pub const HTTP_WORKERS: usize = 2;

/// Serves until standard input is closed.
///
/// # Errors
/// When it cannot.
pub async fn serve(cabinets: usize, products: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let mut config = Config::load(None, &Flags::default())?;
    config.database_url = format!("sqlite:{}", folder.path().join("app.db").display()).into();
    config.data_dir = folder.path().to_owned();
    config.master_secret = Some(MasterSecret::generate().to_base64());
    telemetry::start(config.log, "info");
    let built = waystation::build(&config, Arc::new(SystemClock)).await?;
    let Built { app, mailer, .. } = &built;
    if products > app.formulary().len() {
        let grown = grown(products)?;
        let put = move |tx: &mut Tx<'_>| service::formulary::put(tx, &grown.iter().collect::<Vec<_>>());
        app.write(Actor::System, put).await.map_err(|failure| anyhow::anyhow!("the catalogue: {failure}"))?;
        let known = service::formulary::load(app).await;
        known.map_err(|failure| anyhow::anyhow!("the catalogue: {failure}"))?;
    }
    let doctor = doctor_token(app).await?;
    let enrolled = enrol(app, cabinets).await?;
    let jobs = Jobs::start(app, mailer);
    let server = built.serve(listener, HTTP_WORKERS)?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    // The cursor of a cabinet without work.
    let cursor = service::vend::cursor_of(&[]).map_err(|failure| anyhow::anyhow!("the cursor: {failure}"))?;
    let (keys, issuer) = (&app.keys.tokens, &app.policy.network);
    let tokens = enrolled.iter().map(|one| one.token(keys, issuer, app.now()));
    report_ready(Ready { port, cabinets, doctor, cursor }, tokens).await?;
    handle.stop(false).await;
    serving.await??;
    // Jobs are dropped without waiting for them.
    drop(jobs);
    Ok(())
}

/// The shipped formulary, with its products repeated under other codes.
///
/// # Errors
/// When the shipped formulary cannot be read, or a code gets too long.
pub fn grown(products: usize) -> anyhow::Result<Formulary> {
    let shipped = Formulary::shipped().map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let mut all: Vec<_> = shipped.iter().cloned().collect();
    let mut edition = 0;
    while all.len() < products {
        edition += 1;
        for product in shipped.iter().take(products - all.len()) {
            let mut other = product.clone();
            other.code = ProductCode::parse(&format!("{}.{edition}", product.code)).context("a code")?;
            all.push(other);
        }
    }
    Ok(Formulary::from_products(all))
}

/// Adds a doctor with a session and returns their token.
async fn doctor_token(app: &Arc<AppState>) -> anyhow::Result<String> {
    let (hospital, doctor, session) = (HospitalId::generate(), StaffId::generate(), SessionId::generate());
    app.write(Actor::System, move |tx| {
        let created_at = At(tx.now);
        let hospital_row = rows::NewHospital {
            id: hospital,
            code: "hospital-1".into(),
            name_zh: "样例医院".into(),
            name_en: "Sample Hospital".into(),
            district: "zhifu".into(),
            weight: 1,
            virtual_time: 0,
            created_at,
        };
        rows::hospitals_add(tx.conn, &[hospital_row])?;
        let doctor_row = rows::NewStaff {
            id: doctor,
            role: Role::Doctor,
            email: "doctor@example.cn".into(),
            name_zh: "样例医生".into(),
            name_en: "Sample Doctor".into(),
            hospital_id: Some(hospital),
            employer_id: None,
            password_hash: None,
            totp_sealed: None,
            totp_step: 0,
            pin_salt: None,
            pin_mac: None,
            pin_failures: 0,
            created_at,
        };
        rows::staff_add(tx.conn, &[doctor_row])?;
        Ok(storage::authority::session_open(tx.conn, session, doctor, tx.now)?)
    })
    .await
    .map_err(|failure| anyhow::anyhow!("the doctor: {failure}"))?;
    let mut claims = Claims::new(&app.policy.network, Role::Doctor, doctor, app.now(), LIFE);
    claims.session = Some(session);
    claims.session_version = Some(1);
    claims.hospital = Some(hospital);
    Ok(app.keys.tokens.issue(&claims)?)
}
