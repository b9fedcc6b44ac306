//! A certificate authority with SM2 keys and its signing service, as far as a gateway to one shows it: a
//! local server that answers as the test says.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use data_encoding::BASE64;
use serde_json::{Value, json};
use sm2::dsa::{Signature, SigningKey, signature::Signer};

use super::{TestApp, harness::start_of_test, prescribing::Scene};
use base::config::SigningProvider;
use crypto::{certificate::to_pem, sm2::SIGNER_ID};
use domain::{prescription::EncounterLane, time::Timestamp};

/// How the service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Well,
    /// Once with 503, then well.
    AfterATry,
    Down,
    /// Never.
    Late,
    /// It does not sign for this doctor.
    NotEnrolled,
    NoJson,
    /// Far more than an answer.
    Endless,
    AnotherId,
    AnotherAlgorithm,
    /// A signature over something else.
    AnotherDigest,
    /// The certificate of somebody else.
    AnotherDoctor,
    /// A certificate that no trusted authority issued.
    UnknownAuthority,
    ExpiredCertificate,
    AnotherTime,
}

/// The service and its authority.
pub struct Authority {
    key: SigningKey,
    answers: Mutex<Answers>,
    /// What it was asked, in order.
    asked: Mutex<Vec<Value>>,
    /// Goes up when the doctors get new certificates.
    generation: Mutex<u8>,
    url: String,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(SIGNER_ID, &[seed; 32]).expect("a key")
}

impl Authority {
    pub async fn open() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/signatures", listener.local_addr().expect("an address"));
        let authority = Arc::new(Self {
            key: key(11),
            answers: Mutex::new(Answers::Well),
            asked: Mutex::default(),
            generation: Mutex::new(1),
            url,
        });
        let shared = web::Data::from(Arc::clone(&authority));
        let server = HttpServer::new(move || {
            App::new().app_data(shared.clone()).route("/signatures", web::post().to(answer))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).expect("heard").run());
        authority
    }

    /// A consultation on a server that has this service sign.
    pub async fn scene(self: &Arc<Self>) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("authorities.pem");
        std::fs::write(&file, to_pem(&self.certificate())).expect("written");
        let scene = Scene::on(self.app(file).await, EncounterLane::FollowUpWithEvidence).await;
        drop(folder);
        scene
    }

    async fn app(&self, file: PathBuf) -> TestApp {
        let url = self.url.clone();
        TestApp::open_with(move |config| {
            config.signing.ca_file = Some(file);
            config.signing.provider =
                SigningProvider::Service { url, token_env: None, timeout_ms: 1_000, tries: 2 };
        })
        .await
    }

    pub fn answers(&self, how: Answers) {
        *self.answers.lock().expect("unpoisoned") = how;
    }

    /// The doctors get new certificates, with new keys.
    pub fn renew(&self) {
        *self.generation.lock().expect("unpoisoned") += 1;
    }

    /// What it was asked since the last look.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().expect("unpoisoned"))
    }

    fn certificate(&self) -> Vec<u8> {
        let (from, until) = (start_of_test() - chrono::TimeDelta::days(900), years(10));
        certificate(&self.key, "样例认证", &self.key, ("样例认证", "0"), (from, until), true)
    }

    fn doctor_certificate(&self, licence_no: &str, how: Answers) -> (SigningKey, Vec<u8>) {
        let generation = *self.generation.lock().expect("unpoisoned");
        let doctor =
            key(generation.wrapping_mul(16).wrapping_add(licence_no.bytes().last().unwrap_or(0) % 16));
        let from = start_of_test() - chrono::TimeDelta::days(30);
        let until = if how == Answers::ExpiredCertificate { start_of_test() } else { years(2) };
        let until =
            if how == Answers::ExpiredCertificate { until - chrono::TimeDelta::days(1) } else { until };
        let licence = if how == Answers::AnotherDoctor { "999" } else { licence_no };
        let issuer = if how == Answers::UnknownAuthority { &key(99) } else { &self.key };
        let der = certificate(issuer, "样例认证", &doctor, ("样例医生", licence), (from, until), false);
        (doctor, der)
    }
}

fn years(years: i64) -> Timestamp {
    start_of_test() + chrono::TimeDelta::days(365 * years)
}

async fn answer(authority: web::Data<Authority>, body: web::Json<Value>) -> HttpResponse {
    let how = {
        let mut how = authority.answers.lock().expect("unpoisoned");
        let now = *how;
        if now == Answers::AfterATry {
            *how = Answers::Well;
        }
        now
    };
    authority.asked.lock().expect("unpoisoned").push(body.0.clone());
    match how {
        Answers::AfterATry | Answers::Down => return HttpResponse::ServiceUnavailable().finish(),
        Answers::Late => std::future::pending::<()>().await,
        Answers::NotEnrolled => return HttpResponse::NotFound().finish(),
        Answers::NoJson => return HttpResponse::Ok().body("<html>系统维护</html>"),
        Answers::Endless => return HttpResponse::Ok().body(vec![b' '; 10_000_000]),
        _ => {}
    }
    let licence_no = body["licence_no"].as_str().expect("a licence");
    let (key, certificate) = authority.doctor_certificate(licence_no, how);
    let mut digest = BASE64.decode(body["digest"].as_str().expect("a digest").as_bytes()).expect("base64");
    if how == Answers::AnotherDigest {
        digest[0] ^= 1;
    }
    let signature: Signature = key.sign(&digest);
    let signed_at = if how == Answers::AnotherTime { years(1) } else { start_of_test() };
    HttpResponse::Ok().json(json!({
        "id": if how == Answers::AnotherId { json!(uuid::Uuid::now_v7()) } else { body["id"].clone() },
        "algorithm": if how == Answers::AnotherAlgorithm { "RSA" } else { "SM2" },
        "signature": BASE64.encode(&signature_der(&signature)),
        "certificate": BASE64.encode(&certificate),
        "signed_at": signed_at,
    }))
}

// ---- X.509 by hand: no library here writes certificates with SM2 ----

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        length @ 0..=127 => out.push(u8::try_from(length).expect("short")),
        length => {
            let bytes = u16::try_from(length).expect("fits").to_be_bytes();
            out.extend([0x82, bytes[0], bytes[1]]);
        }
    }
    out.extend(content);
    // Shortest form of the length, as DER requires.
    if out[1] == 0x82 && out[2] == 0 {
        out.splice(1..3, [0x81]);
    }
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let bytes = &bytes[significant..];
    if bytes[0] & 0x80 == 0 { tlv(2, &[bytes]) } else { tlv(2, &[&[0], bytes]) }
}

fn signature_der(signature: &Signature) -> Vec<u8> {
    let bytes = signature.to_bytes();
    sequence(&[&integer(&bytes[..32]), &integer(&bytes[32..])])
}

const SM2_WITH_SM3: &[u8] = &[6, 8, 0x2A, 0x81, 0x1C, 0xCF, 0x55, 1, 0x83, 0x75];
const SM2_CURVE: &[u8] = &[6, 8, 0x2A, 0x81, 0x1C, 0xCF, 0x55, 1, 0x82, 0x2D];
const EC_KEY: &[u8] = &[6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];

fn name(common: &str, number: &str) -> Vec<u8> {
    let part = |kind: u8, text: &str| {
        tlv(0x31, &[&sequence(&[&[6, 3, 0x55, 4, kind], &tlv(0x0C, &[text.as_bytes()])])])
    };
    sequence(&[&part(3, common), &part(5, number)])
}

fn certificate(
    issuer: &SigningKey,
    issuer_name: &str,
    subject: &SigningKey,
    (common, number): (&str, &str),
    (from, until): (Timestamp, Timestamp),
    is_authority: bool,
) -> Vec<u8> {
    let time = |at: Timestamp| tlv(0x17, &[at.format("%y%m%d%H%M%SZ").to_string().as_bytes()]);
    let point = subject.verifying_key().to_sec1_bytes();
    let constraint = sequence(&[&[1, 1, 0xFF]]);
    let basic = sequence(&[&[6, 3, 0x55, 0x1D, 0x13], &[1, 1, 0xFF], &tlv(4, &[&constraint])]);
    let extensions = if is_authority { tlv(0xA3, &[&sequence(&[&basic])]) } else { Vec::new() };
    let algorithm = sequence(&[SM2_WITH_SM3]);
    let body = sequence(&[
        &tlv(0xA0, &[&[2, 1, 2]]),
        &integer(&[1]),
        &algorithm,
        &name(issuer_name, "0"),
        &sequence(&[&time(from), &time(until)]),
        &name(common, number),
        &sequence(&[&sequence(&[EC_KEY, SM2_CURVE]), &tlv(3, &[&[0], &point])]),
        &extensions,
    ]);
    let signature: Signature = issuer.sign(&body);
    sequence(&[&body, &algorithm, &tlv(3, &[&[0], &signature_der(&signature)])])
}
