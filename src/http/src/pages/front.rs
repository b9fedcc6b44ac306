//! The front page: what the network is, its current figures, and links for
//! each role. A script fetches the counts from the public API and does nothing else.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use maud::{DOCTYPE, Markup, html};

use crate::{auth::Anyone, problem::Problem, reply::Reply};
use service::{Actor, AppState};

/// The counts on the page: JSON field, Chinese, English.
const COUNTS: &[(&str, &str, &str)] = &[
    ("stations", "站点", "stations"),
    ("cabinets", "药柜", "cabinets"),
    ("hospitals", "医院", "hospitals"),
    ("doctors_available", "可接诊医生", "doctors available"),
    ("waiting", "候诊", "waiting"),
    ("active", "问诊中", "in consultation"),
    ("completed_today", "今日完成", "completed today"),
    ("vended_today", "今日出药", "packs vended today"),
];

/// The link of each role: tag of the documentation; name and tasks in Chinese and English.
const ROLES: &[(&str, &str, &str, &str, &str)] = &[
    (
        "check-in",
        "工人",
        "Workers",
        "刷卡签到、测量体征、见医生、取药",
        "check in, measure, see a doctor, take the packs",
    ),
    (
        "consultation",
        "医生",
        "Doctors",
        "上线接诊、查阅记录、开具并签署处方",
        "take offers, read the record, prescribe and sign",
    ),
    (
        "prescription",
        "药师",
        "Pharmacists",
        "审核已签署的处方",
        "review what was signed before it takes effect",
    ),
    (
        "cabinet",
        "药柜",
        "Cabinets",
        "按授权出药一次，并记入日志",
        "vend once per authorization, and keep a journal",
    ),
    (
        "network",
        "运营",
        "Operators",
        "管理站点、人员、药柜与异常",
        "run stations, staff, cabinets and incidents",
    ),
    (
        "employer",
        "雇主",
        "Employers",
        "只看到本单位人员能否上岗",
        "see fit or hold of their own people, nothing else",
    ),
];

/// The steps of a consultation: Chinese, English.
const STEPS: &[(&str, &str)] = &[
    ("签到", "check-in"),
    ("测量", "readings"),
    ("分诊", "triage"),
    ("候诊", "waiting"),
    ("问诊", "active"),
    ("处方", "prescription"),
    ("审方", "review"),
    ("付费", "order"),
    ("出药", "vended"),
    ("报告", "report"),
];

pub async fn page(_: Anyone, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let districts = app
        .read(Actor::Anyone, |conn, _| service::network::district::districts(conn))
        .await
        .map_err(|failure| Problem::new(&request, failure))?;
    let page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "驿站健康 · Waystation" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/front.css";
                script src="/front.js" defer {}
            }
            body {
                header {
                    h1 { "驿站健康" span lang="en" { "Waystation" } }
                    p { "户外劳动者的健康驿站网络：测量、问诊、处方、取药。" }
                    p lang="en" { "Health points for people who work outdoors: measure, see a doctor, take the medicine along." }
                }
                main {
                    (live())
                    (steps())
                    section {
                        h2 { "各区站点 " span lang="en" { "Stations by district" } }
                        @if districts.is_empty() {
                            p.quiet { "还没有站点。" span lang="en" { " There are no stations yet." } }
                        } @else { (bars(&districts)) }
                    }
                    (roles())
                }
                footer {
                    p { "紧急情况请拨打 " strong { "120" } "。" span lang="en" { " In an emergency call 120." } }
                    p { a href="/docs/" { "接口文档 API documentation" } " · "
                        a href="/api/v1/openapi.json" { "OpenAPI" } " · "
                        a href="/.well-known/jwks.json" { "JWKS" } " · "
                        a href="/healthz" { "health" } }
                }
            }
        }
    };
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page.into_string()))
}

fn live() -> Markup {
    html! {
        section {
            h2 { "此刻 " span lang="en" { "Right now" } span #state.quiet role="status" {} }
            div.counts {
                @for (field, zh, en) in COUNTS {
                    div.count { strong data-count=(field) { "–" } span { (zh) } span lang="en" { (en) } }
                }
            }
            p.quiet #doubt hidden { "待查出药 / attempts in doubt: " strong data-count="in_doubt" { "0" } }
        }
    }
}

fn steps() -> Markup {
    html! {
        section {
            h2 { "一次问诊的路 " span lang="en" { "The way of a consultation" } }
            ol.way { @for (zh, en) in STEPS { li { (zh) span lang="en" { (en) } } } }
        }
    }
}

fn roles() -> Markup {
    html! {
        section {
            h2 { "接下来去哪里 " span lang="en" { "Where to go next" } }
            div.cards {
                @for (tag, zh, en, does_zh, does_en) in ROLES {
                    a.card href={ "/docs/#/" (tag) } {
                        h3 { (zh) " " span lang="en" { (en) } }
                        p { (does_zh) }
                        p lang="en" { (does_en) }
                    }
                }
            }
            p.quiet { "演示网络的样例账号、取药口地址打印在启动它的终端里。"
                span lang="en" { " In the demo, sample sign-ins and the hatch page's address are printed in the terminal that started it." } }
        }
    }
}

const ROW: usize = 26;
const LABEL: usize = 110;
const WIDEST: usize = 430;

fn bars(districts: &[service::network::district::District]) -> Markup {
    let most = districts.iter().map(|district| district.stations).max().unwrap_or(1).max(1);
    let height = districts.len() * ROW;
    html! {
        svg.bars viewBox={ "0 0 600 " (height) } role="img" aria-label="各区站点数 / stations by district" {
            @for (index, district) in districts.iter().enumerate() {
                @let width = (district.stations * WIDEST / most).max(2);
                @let middle = index * ROW + 17;
                text x=(LABEL - 8) y=(middle) text-anchor="end" { (district.code) }
                rect x=(LABEL) y=(index * ROW + 4) width=(width) height=(ROW - 8) rx="3" {}
                text x=(LABEL + width + 8) y=(middle) { (district.stations) }
            }
        }
    }
}

pub async fn style(_: Anyone) -> HttpResponse {
    file("text/css; charset=utf-8", include_str!("front.css"))
}

pub async fn script(_: Anyone) -> HttpResponse {
    file("text/javascript; charset=utf-8", include_str!("front.js"))
}

pub(super) fn file(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(text)
}
