//! The record of a visit as one HTML page in Chinese and English, laid out for printing on A4.
//! It loads no other files.

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use domain::{consultation::CancelReason, money::Fen, time::shanghai, vitals::Severity};
use service::{
    order::OrderView,
    prescription::view::PrescriptionView,
    report::{ReportView, ReportedConsultation},
};

const STYLE: &str = include_str!("report.css");

pub fn page(report: &ReportView) -> Markup {
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "就诊记录 · Visit record" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "就诊记录" small { "Visit record" } }
                    p { (report.station.name_zh) " · " (report.station.name_en) }
                    p.meta {
                        (report.worker.name) " · " (time(report.started_at))
                        " · " "北京时间 Beijing time"
                    }
                }
                (red_flags(report))
                (vitals(report))
                @for seen in &report.consultations { (consultation(seen)) }
                @for prescribed in &report.prescriptions { (prescription(prescribed)) }
                @for order in &report.orders { (paid(order)) }
                footer {
                    p { "制表 Made " (time(report.made_at)) " · " code { (report.worker.check_in_id) } }
                    p { "如有不适加重，请拨打 120。 If you feel worse, call 120." }
                }
            }
        }
    }
}

fn red_flags(report: &ReportView) -> Markup {
    html! {
        @for flag in &report.triage.red_flags {
            p.flag { strong { (flag.advice.zh) } " " (flag.advice.en) " ☎ " (flag.emergency_number) }
        }
    }
}

fn vitals(report: &ReportView) -> Markup {
    html! {
        section {
            h2 { "测量" small { "Readings" } }
            @if report.readings.is_empty() {
                p { "本次未测量。 Nothing was measured." }
            } @else {
                table {
                    thead { tr { th { "项目 Reading" } th { "结果 Result" } th { "含义 Meaning" } th { "时间 Time" } } }
                    tbody {
                        @for reading in &report.readings {
                            @let finding = report.triage.findings.iter().find(|known| known.kind == reading.kind);
                            tr {
                                td { (reading.kind.label().zh) " " small { (reading.kind.label().en) } }
                                td.number {
                                    (reading.display_zh)
                                    @if reading.display_zh != reading.display_en { " " small { (reading.display_en) } }
                                }
                                td class=[finding.map(|known| tone(known.severity))] {
                                    @if let Some(known) = finding { (known.label.zh) " " small { (known.label.en) } }
                                }
                                td { (time(reading.measured_at)) }
                            }
                        }
                    }
                }
            }
            @if let Some(score) = &report.triage.news2 {
                p.meta {
                    "NEWS2: "
                    @match score.total {
                        Some(total) => { (total) },
                        None => { "不完整 incomplete (≥ " (score.partial_total) ")" },
                    }
                }
            }
        }
    }
}

fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Normal => "good",
        Severity::Notice => "",
        Severity::Warning => "warn",
        Severity::Urgent | Severity::Emergency => "bad",
    }
}

fn consultation(seen: &ReportedConsultation) -> Markup {
    let known = &seen.consultation;
    html! {
        section {
            h2 { "问诊" small { "Consultation · " (known.state) } }
            @if let Some(reason) = known.cancel_reason { p { (cancel_text(reason)) } }
            dl {
                dt { "主诉 Complaint" } dd { (known.complaint) }
                @if let Some(doctor) = &known.doctor {
                    dt { "医生 Doctor" } dd { (doctor.name_zh) " " small { (doctor.name_en) } }
                }
                @if !known.diagnoses.is_empty() {
                    dt { "诊断 Diagnosis" }
                    dd { @for diagnosis in &known.diagnoses { (diagnosis.name) " (" (diagnosis.code) ") " } }
                }
                @if let Some(summary) = &known.summary { dt { "小结 Summary" } dd { (summary) } }
            }
            @if !seen.messages.is_empty() {
                ol.talk {
                    @for message in &seen.messages {
                        li { span.who { (message.sender_role) } " " (message.text) }
                    }
                }
            }
        }
    }
}

fn cancel_text(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::ByWorker => "您已取消问诊。 You took the request back.",
        CancelReason::ByOperator => "工作人员已取消问诊。 The operator took the request back.",
        CancelReason::NoShow => {
            "医生已接诊但未能联系到您，问诊已结束。 A doctor was ready, but you did not come."
        }
        CancelReason::WorkerLeft => {
            "您离开后未在时限内返回，问诊已结束。 You left and did not come back in time."
        }
    }
}

fn prescription(known: &PrescriptionView) -> Markup {
    html! {
        section {
            h2 { "处方" small { "Prescription · " (known.state) } }
            table {
                thead { tr { th { "药品 Drug" } th { "用法 How to take" } th { "盒数 Packs" } } }
                tbody {
                    @for line in &known.lines {
                        tr {
                            td { (line.generic_zh) " " small { (line.generic_en) } }
                            td { (line.label.zh) br; small { (line.label.en) } }
                            td.number { (line.packs) }
                        }
                    }
                }
            }
            @if let Some(until) = known.valid_until {
                p.meta { "有效至 Valid until " (time(until)) }
            }
        }
    }
}

fn paid(order: &OrderView) -> Markup {
    html! {
        section {
            h2 { "取药" small { "Order · " (order.state) } }
            table {
                thead { tr { th { "药品 Product" } th { "货道 Slot" } th { "价格 Price" } th { "结果 Result" } } }
                tbody {
                    @for unit in &order.units {
                        tr {
                            td { (unit.product_code) }
                            td.number { (unit.slot_no) }
                            td.number { (yuan(unit.price_fen)) }
                            td { (unit.state) }
                        }
                    }
                }
            }
            p.meta { "补贴支付 Paid by subsidy " (yuan(order.total_fen)) }
        }
    }
}

fn yuan(amount: Fen) -> String {
    format!("¥{}.{:02}", amount.0 / 100, amount.0.rem_euclid(100))
}

fn time(at: DateTime<Utc>) -> String {
    at.with_timezone(&shanghai()).format("%Y-%m-%d %H:%M").to_string()
}
