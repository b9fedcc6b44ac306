//! The keypads at the hatches of the simulated cabinets. A simulated worker types
//! in this process; a person types in a browser, through a small server on the
//! loopback address. It is separate from the API: a keypad is part of the cabinet,
//! and the server never sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    http::header,
    web::{self, Data},
};
use maud::{DOCTYPE, html};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use domain::ids::AttemptId;

/// What the keypad's display shows after a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeypadAnswer {
    pub dispensed: u32,
    /// Packs whose motor ran without a drop, or that were refused.
    pub failed: u32,
    /// The stable code of the server's last refusal.
    pub refused: Option<String>,
    /// The packs that dropped. Not shown on the display; for checks.
    #[serde(skip)]
    pub fell: Vec<AttemptId>,
    /// The packs whose motor ran without a drop. Packs of one order that were
    /// authorised at different moments need a code each.
    #[serde(skip)]
    pub jammed: Vec<AttemptId>,
}

impl KeypadAnswer {
    pub fn nothing(refused: Option<String>) -> Self {
        Self { dispensed: 0, failed: 0, refused, fell: Vec::new(), jammed: Vec::new() }
    }
}

/// A code that was typed, and where its outcome is shown.
pub struct Typed {
    /// Six digits.
    pub code: String,
    /// Makes every motor of this order jam, for trials.
    pub jams: bool,
    pub display: oneshot::Sender<KeypadAnswer>,
}

/// The outer side of one keypad.
struct Keypad {
    codes: mpsc::Sender<Typed>,
    waiting: watch::Sender<Vec<AttemptId>>,
}

/// All keypads, by the code of their station.
#[derive(Default)]
pub struct Hatches {
    keypads: Mutex<BTreeMap<String, Keypad>>,
}

impl Hatches {
    /// Installs a keypad and returns the receiver of its codes.
    pub(crate) fn install(&self, station_code: &str) -> mpsc::Receiver<Typed> {
        let (codes, receiver) = mpsc::channel(4);
        self.locked().insert(station_code.to_owned(), Keypad { codes, waiting: watch::Sender::default() });
        receiver
    }

    /// Sets which packs of a cabinet wait for a code.
    pub(crate) fn set_waiting(&self, station_code: &str, packs: Vec<AttemptId>) {
        if let Some(keypad) = self.locked().get_mut(station_code) {
            keypad.waiting.send_replace(packs);
        }
    }

    /// Stations whose cabinet waits for a code, with the number of packs.
    pub fn waiting(&self) -> Vec<(String, usize)> {
        let keypads = self.locked();
        let packs = keypads.iter().map(|(station, keypad)| (station, keypad.waiting.borrow().len()));
        packs.filter(|(_, packs)| *packs > 0).map(|(station, packs)| (station.clone(), packs)).collect()
    }

    /// Waits until all of `packs` wait for a code at this station; `None` if it has no
    /// cabinet.
    pub async fn wait_until_pending(&self, station_code: &str, packs: &[AttemptId]) -> Option<()> {
        let mut waiting = self.locked().get(station_code)?.waiting.subscribe();
        waiting
            .wait_for(|waiting_packs| packs.iter().all(|pack| waiting_packs.contains(pack)))
            .await
            .ok()
            .map(drop)
    }

    /// Types a code and waits for the display. `None` if there is no cabinet.
    pub async fn type_code(&self, station_code: &str, code: &str, jams: bool) -> Option<KeypadAnswer> {
        let codes = self.locked().get(station_code)?.codes.clone();
        let (display, shown) = oneshot::channel();
        codes.send(Typed { code: code.to_owned(), jams, display }).await.ok()?;
        shown.await.ok()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Keypad>> {
        self.keypads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body that a browser sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    code: String,
}

/// The keypads' HTTP server.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(hatches: &Arc<Hatches>, listener: std::net::TcpListener) -> std::io::Result<Server> {
    let hatches = Data::from(Arc::clone(hatches));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(hatches.clone())
            .app_data(web::JsonConfig::default().limit(1_024))
            .app_data(web::FormConfig::default().limit(1_024))
            .route("/", web::get().to(page))
            .route("/cabinets", web::get().to(list))
            .route("/cabinets/{station_code}/keypad", web::post().to(press))
            .route("/cabinets/{station_code}/keypad/form", web::post().to(press_form))
    });
    Ok(server.workers(1).shutdown_timeout(1).listen(listener)?.run())
}

async fn list(hatches: Data<Hatches>) -> HttpResponse {
    let waiting: Vec<_> = hatches
        .waiting()
        .into_iter()
        .map(|(station_code, packs)| serde_json::json!({"station_code": station_code, "packs": packs}))
        .collect();
    HttpResponse::Ok().json(serde_json::json!({ "items": waiting }))
}

async fn press(hatches: Data<Hatches>, station: web::Path<String>, body: web::Json<Press>) -> HttpResponse {
    if !of_code(&body.code) {
        return HttpResponse::UnprocessableEntity().json(serde_json::json!({"refused": "six digits"}));
    }
    match hatches.type_code(&station, &body.code, false).await {
        Some(answer) => HttpResponse::Ok().json(answer),
        None => HttpResponse::NotFound().json(serde_json::json!({"refused": "no such cabinet"})),
    }
}

async fn press_form(
    hatches: Data<Hatches>,
    station: web::Path<String>,
    form: web::Form<Press>,
) -> HttpResponse {
    let code = form.code.trim();
    let answer = if of_code(code) { hatches.type_code(&station, code, false).await } else { None };
    let (zh, en) = match answer {
        None => (
            "没有这个药柜，或取药码不是六位数字。".to_owned(),
            "No such cabinet, or not six digits.".to_owned(),
        ),
        Some(KeypadAnswer { dispensed, failed: 0, refused: None, .. }) if dispensed > 0 => {
            (format!("已出药 {dispensed} 盒，请取走。"), format!("{dispensed} pack(s) came out."))
        }
        Some(KeypadAnswer { dispensed, refused, .. }) => {
            let why = refused.unwrap_or_else(|| "failed".into());
            (format!("出药 {dispensed} 盒；{why}"), format!("{dispensed} pack(s) came out; {why}"))
        }
    };
    html_response(html! { p.answer { (zh) br; (en) } p { a href="/" { "返回 / back" } } }, false)
}

fn of_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

async fn page(hatches: Data<Hatches>) -> HttpResponse {
    let waiting = hatches.waiting();
    html_response(
        html! {
            p { "在屏幕上看到取药码后，在药柜的键盘上输入。" br;
                "The pickup code on the screen is typed here, at the cabinet's hatch." }
            @if waiting.is_empty() {
                p.answer { "现在没有药柜在等取药码。" br; "No cabinet waits for a code now." }
            }
            @for (station, packs) in &waiting {
                form method="post" action={ "/cabinets/" (station) "/keypad/form" } {
                    strong { (station) } span { (packs) " 盒 / pack(s)" }
                    input name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" autocomplete="off"
                        required aria-label="取药码 / pickup code";
                    button { "确认 / enter" }
                }
            }
        },
        waiting.is_empty(),
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;\
color:#16302b}form{display:flex;gap:1rem;align-items:center;border:1px solid #bcd;border-radius:.5rem;\
padding:.75rem;margin:.5rem 0}input{font:inherit;width:7rem;padding:.3rem}button{font:inherit;padding:.3rem 1rem}\
.answer{background:#eef6f3;padding:.75rem;border-radius:.5rem}";

/// A page; without a form it reloads itself.
fn html_response(inner: maud::Markup, reloads: bool) -> HttpResponse {
    let whole = html! {
        (DOCTYPE)
        html lang="zh" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                @if reloads { meta http-equiv="refresh" content="3; url=/"; }
                title { "取药口 · Hatch" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { h1 { "取药口键盘 · Keypads at the hatches" } (inner) }
        }
    };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(whole.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_typed_code_reaches_its_cabinet_and_the_display_answers() {
        let hatches = Arc::new(Hatches::default());
        let mut receiver = hatches.install("zhifu-01");
        let packs = [AttemptId::generate(), AttemptId::generate()];
        hatches.set_waiting("zhifu-01", packs.to_vec());
        assert_eq!(hatches.wait_until_pending("zhifu-01", &packs[..1]).await, Some(()));
        assert_eq!(hatches.waiting(), [("zhifu-01".to_owned(), 2)]);
        let answer = KeypadAnswer { dispensed: 2, fell: packs.to_vec(), ..KeypadAnswer::nothing(None) };
        let cabinet = async {
            let typed = receiver.recv().await.unwrap();
            assert_eq!(typed.code, "483920");
            typed.display.send(answer.clone()).unwrap();
        };
        let (shown, ()) = tokio::join!(hatches.type_code("zhifu-01", "483920", false), cabinet);
        assert_eq!(shown, Some(answer));
        assert_eq!(hatches.type_code("nowhere", "483920", false).await, None);
    }
}
