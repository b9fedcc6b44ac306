//! The forms of a signed prescription to print (the prescription itself, and a label for each pack), in
//! Chinese, and the public page that the code on them opens. A form shows what was signed and nothing
//! else; the public page shows nothing about health.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{address::Address, auth::Anyone, body::Path, pages::front::file, problem::Problem, reply::Reply};
use crypto::qr;
use domain::{
    network::Sex,
    prescription::{DocumentLine, DocumentPatient, PrescriptionDocument, PrescriptionState, SupplyKind},
    refusal::RefusalKind,
    time::shanghai,
};
use service::{
    AppState, Failure,
    prescription::paper::{self, Paper, PaperCheck, PaperStanding},
};

const STYLE: &str = include_str!("prescription.css");

/// The prescription as a form to print.
pub(crate) fn form(paper: &Paper) -> HttpResponse {
    let document = &paper.document;
    let title = match document.kind {
        SupplyKind::Ordinary => "处方笺",
        SupplyKind::Emergency => "急诊处方笺",
        SupplyKind::LongTerm => "长期处方笺",
    };
    printed(
        title,
        html! {
            article.form {
                header {
                    h1 { (document.hospital.name) }
                    h2 { (title) }
                    (code(&paper.check_url))
                }
                dl.patient {
                    (item("姓名", &document.patient.name))
                    (item("性别", sex(document.patient.sex)))
                    (item("年龄", &age(&document.patient)))
                    (item("科室", &document.department.name))
                    (item("处方号", &document.id.to_string()))
                    (item("开具日期", &document.issued_on.format("%Y年%-m月%-d日").to_string()))
                    (item("临床诊断", &diagnoses(document)))
                }
                section.lines {
                    h3 { "Rp" }
                    ol {
                        @for line in &document.lines {
                            li {
                                p { strong { (line.name) } " " (line.specification) " × " (line.packs) " 盒" }
                                p.how { "用法：" (line.directions) }
                            }
                        }
                    }
                    p.end { "（以下空白）" }
                }
                @if let Some(reason) = &document.longer_reason { p { "延长用量理由：" (reason) } }
                dl.signed {
                    (item("医师", &format!("{}（执业证号 {}）", document.prescriber.name, document.prescriber.licence_no)))
                    (item("电子签名时间", &time(document.signed_at)))
                    (item("有效期至", &time(document.valid_until)))
                    (item("审方", review(paper.state)))
                    (item("规则版本", &format!("{} / {}", document.rules.ruleset, document.rules.policy)))
                }
                footer { p { "扫描二维码可核验电子签名与处方状态，页面不显示任何健康信息。" } }
            }
        },
    )
}

/// A label for each pack.
pub(crate) fn labels(paper: &Paper) -> HttpResponse {
    let document = &paper.document;
    printed(
        "用药标签",
        html! {
            @for line in &document.lines {
                @for pack in 1..=line.packs { (label(document, line, pack, &paper.check_url)) }
            }
        },
    )
}

fn label(document: &PrescriptionDocument, line: &DocumentLine, pack: u32, check_url: &str) -> Markup {
    html! {
        article.label {
            (code(check_url))
            p.who { strong { (document.patient.name) } " " (sex(document.patient.sex)) " " (age(&document.patient)) }
            p.drug { strong { (line.name) } " " (line.specification) }
            p.how { (line.directions) }
            p.meta { "第 " (pack) " 盒，共 " (line.packs) " 盒　" (document.issued_on.format("%Y年%-m月%-d日")) }
            p.meta { (document.hospital.name) "　医师 " (document.prescriber.name) }
            p.meta { "用药前请阅读说明书；如有不适请停药并就医。" }
        }
    }
}

fn code(url: &str) -> Markup {
    html! { @if let Some(picture) = qr::to_svg(url) { div.code role="img" aria-label="核验二维码" { (PreEscaped(picture)) } } }
}

fn item(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

const fn sex(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "男",
        Sex::Female => "女",
    }
}

/// Small children's ages are written in months. Source: Measures for the Administration of
/// Prescriptions, article 6.
fn age(patient: &DocumentPatient) -> String {
    match patient.age_years {
        0..=2 => format!("{} 月龄", patient.age_months),
        years => format!("{years} 岁"),
    }
}

fn diagnoses(document: &PrescriptionDocument) -> String {
    document.diagnoses.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join("；")
}

const fn review(state: PrescriptionState) -> &'static str {
    match state {
        PrescriptionState::Approved | PrescriptionState::Fulfilled => "药师已审核通过",
        PrescriptionState::Draft
        | PrescriptionState::Signed
        | PrescriptionState::Returned
        | PrescriptionState::Void
        | PrescriptionState::Expired => "尚未审核，不可调配",
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.with_timezone(&shanghai()).format("%Y年%-m月%-d日 %H:%M").to_string()
}

fn printed(title: &str, body: Markup) -> HttpResponse {
    let markup = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(markup.into_string())
}

/// Whether the prescription of a paper is valid; for anybody who holds it.
pub(crate) async fn verify(
    _: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    code: Path<String>,
) -> Reply {
    match paper::check(&app, &address.0, &code.0).await {
        Ok(found) => Ok(public(StatusCode::OK, &known(&found))),
        Err(Failure::Refused(refusal)) if refusal.code.kind() == RefusalKind::NotFound => {
            Ok(public(StatusCode::NOT_FOUND, &unknown()))
        }
        Err(failure) => Err(Problem::new(&request, failure)),
    }
}

fn known(found: &PaperCheck) -> Markup {
    let (tone, zh, en) = match found.standing {
        PaperStanding::Valid => ("good", "有效", "Valid"),
        PaperStanding::NotInEffect => {
            ("warn", "尚未生效：待药师审核", "Not in effect: a pharmacist has not approved it")
        }
        PaperStanding::Void => ("bad", "已作废", "Void"),
        PaperStanding::Expired => ("bad", "已过期", "Expired"),
        PaperStanding::Redeemed => ("warn", "已调配，不可再次使用", "Redeemed: it cannot be used again"),
        PaperStanding::Invalid => ("bad", "电子签名无效", "The signature is not valid"),
    };
    html! {
        p.standing.(tone) { strong { (zh) } span lang="en" { (en) } }
        dl {
            (item("开具日期 Issued", &found.issued_on.to_string()))
            (item("医疗机构 Hospital", &found.hospital))
        }
        p { "本页不显示患者和药品信息。" span lang="en" { "This page shows neither the patient nor the drugs." } }
    }
}

fn unknown() -> Markup {
    html! {
        p.standing.bad { strong { "查无此处方" } span lang="en" { "There is no such prescription" } }
        p { "处方可能已被修改或伪造。" span lang="en" { "It may have been replaced, or be a forgery." } }
    }
}

fn public(status: StatusCode, body: &Markup) -> HttpResponse {
    let markup = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "处方核验 · Check of a prescription" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/front.css";
                link rel="stylesheet" href="/verify.css";
            }
            body {
                header { h1 { "驿站健康" span lang="en" { "Waystation" } } }
                main.check { h2 { "处方核验" span lang="en" { "Check of a prescription" } } (body) }
            }
        }
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(markup.into_string())
}

pub(crate) async fn style(_: Anyone) -> HttpResponse {
    file("text/css; charset=utf-8", include_str!("verify.css"))
}
