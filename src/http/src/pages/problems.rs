//! What the `type` of a problem refers to: the problem in words, for programs as JSON and for people
//! as a page, in the language that the caller prefers.

use actix_web::{HttpRequest, HttpResponse, http::header};
use maud::{DOCTYPE, html};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::Anyone,
    body::Path,
    negotiation::preferred,
    problem::{Problem, ProblemCode, language_of, status_of_code, type_of},
    reply::Reply,
};
use domain::{
    refusal::Code,
    words::{Bilingual, Language},
};
use service::Failure;

/// A kind of problem.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemKind {
    /// The URI reference that names it.
    #[serde(rename = "type")]
    type_uri: String,
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// The HTTP status of answers with it.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, in the caller's language.
    title: String,
    /// What a caller can do about it, in the caller's language.
    advice: String,
}

/// Explain a kind of problem, to which the `type` of a problem refers
#[utoipa::path(get, path = "/problems/{code}", operation_id = "explainProblem", tag = "public",
    params(("code" = ProblemCode, Path)),
    responses((status = 200, description = "The kind of problem, as JSON or as a page by `Accept`",
        headers(("Content-Language" = String, description = "The language of the sentences: `zh` or `en`.")),
        content((ProblemKind = "application/json"), (String = "text/html")))))]
pub(crate) async fn explain(_: Anyone, request: HttpRequest, code: Path<String>) -> Reply {
    let code = Code::parse(&code.0).ok_or_else(|| Problem::new(&request, Failure::from(Code::NotFound)))?;
    let language = language_of(&request);
    let status = status_of_code(code).as_u16();
    let kind = ProblemKind {
        type_uri: type_of(code),
        code: code.as_str(),
        status,
        title: code.title().in_language(language).to_owned(),
        advice: advice(status).in_language(language).to_owned(),
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((header::VARY, "Accept, Accept-Language"))
        .insert_header((header::CONTENT_LANGUAGE, language.as_str()));
    let wants_page = preferred(&request, header::ACCEPT, |media| match media {
        "text/html" => Some(true),
        "application/json" | "application/problem+json" | "*/*" => Some(false),
        _ => None,
    });
    Ok(match wants_page {
        Some(true) => response.content_type("text/html; charset=utf-8").body(page(&kind, language)),
        Some(false) | None => response.json(kind),
    })
}

fn page(kind: &ProblemKind, language: Language) -> String {
    html! {
        (DOCTYPE)
        html lang=(language.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (kind.title) }
                link rel="stylesheet" href="/links.css";
            }
            body {
                main {
                    h1 { (kind.title) }
                    p { (kind.advice) }
                    p { code { (kind.code) } " · HTTP " (kind.status) }
                }
            }
        }
    }
    .into_string()
}

/// What a caller can do about a problem with this status.
fn advice(status: u16) -> Bilingual {
    match status {
        400 | 413 | 415 => Bilingual::fixed(
            "请按接口文档修改请求；原样重发不会成功。",
            "Correct the request by the API document; the same one fails again.",
        ),
        401 => Bilingual::fixed(
            "请重新取得凭证（登录、签到或刷新令牌），再重试一次。",
            "Get a new credential (sign in, check in or refresh the token), then try once more.",
        ),
        403 => Bilingual::fixed(
            "此身份现在不能这样做；请由有权限的人来做，或先满足所述条件。",
            "This identity may not do that now: let somebody do it who may, or meet the condition first.",
        ),
        404 | 405 => Bilingual::fixed(
            "请检查地址和编号；无权查看的内容同样显示为不存在。",
            "Check the address and the id; what you may not see does not exist for you either.",
        ),
        408 => Bilingual::fixed(
            "请求内容未及时到达；请用同一 Idempotency-Key 重发。",
            "The body did not arrive in time; send it again with the same Idempotency-Key.",
        ),
        409 | 412 => Bilingual::fixed(
            "状态或版本已改变；请重新读取，再决定是否继续。",
            "The state or version has changed; read it again, then decide whether to go on.",
        ),
        428 => Bilingual::fixed(
            "请先读取内容，并在 If-Match 中写明其 ETag。",
            "Read the document first, and send its ETag as If-Match.",
        ),
        429 | 503 => Bilingual::fixed(
            "请在 Retry-After 所示的秒数之后再试。",
            "Try again after the seconds that Retry-After says.",
        ),
        500 => Bilingual::fixed(
            "服务器出错，已记录；稍后可用同一 Idempotency-Key 重试，并提供请求编号。",
            "The server failed, and has logged it; try again later with the same Idempotency-Key, or report the request id.",
        ),
        _ => Bilingual::fixed(
            "请求违反了一条规则；请看 errors 与 data 中的说明并修改。",
            "The request breaks a rule: see what `errors` and `data` say, and change it.",
        ),
    }
}
