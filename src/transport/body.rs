//! Reading requests: bounded, strict, and with every bad field told at once.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::QueryPayloadError,
    http::{StatusCode, header},
    web,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, Shared},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Problem;
use crate::{
    crypto::digest,
    domain::{
        refusal::{Code, FieldProblem, Refusal},
        words::Bilingual,
    },
    service::Failure,
};

/// A request body is at most this many bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body, read strictly: unknown fields are refused.
pub struct Body<T>(pub T);

/// The caller's idempotency key, bound to the body that came with it.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// 8 to 128 visible ASCII characters.
    pub key: String,
    /// SHA-256 of the body as received.
    pub body_digest: [u8; 32],
}

/// The body as received, for routes that verify a signature over it.
pub struct RawBody(pub web::Bytes);

/// A path parameter of any readable type; an unreadable id is a 404, because
/// nothing can stand under it.
pub struct Path<T>(pub T);

/// A query string, read strictly.
pub struct Query<T>(pub T);

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// The body arrives once, and several extractors of one handler (body, key,
/// signature) want it at the same time: they share one reading of it.
type Arriving = Shared<LocalBoxFuture<'static, Result<web::Bytes, Code>>>;

#[derive(Clone)]
struct SharedBody(Arriving);

fn receive(request: &HttpRequest, payload: &mut Payload) -> Arriving {
    if let Some(shared) = request.extensions().get::<SharedBody>() {
        return shared.0.clone();
    }
    let arriving = read_bounded(payload.take()).boxed_local().shared();
    request.extensions_mut().insert(SharedBody(arriving.clone()));
    arriving
}

async fn read_bounded(mut payload: Payload) -> Result<web::Bytes, Code> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Code::MalformedBody)?;
        if bytes.len() + chunk.len() > BODY_LIMIT {
            return Err(Code::BodyTooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let bytes = arriving.await.map_err(|code| Problem::new(&request, Failure::from(code)))?;
            Ok(RawBody(bytes))
        })
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let no = |code: Code| Problem::new(&request, Failure::from(code));
            let header =
                request.headers().get("Idempotency-Key").ok_or_else(|| no(Code::IdempotencyKeyMissing))?;
            let key = header.to_str().map_err(|_| no(Code::IdempotencyKeyInvalid))?.to_owned();
            if !(8..=128).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(no(Code::IdempotencyKeyInvalid));
            }
            let bytes = arriving.await.map_err(no)?;
            Ok(Self { key, body_digest: digest::sha256(&bytes) })
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let bytes = arriving.await.map_err(|code| Problem::new(&request, Failure::from(code)))?;
            let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if media.is_none_or(|media| media.split(';').next().unwrap_or("").trim() != "application/json") {
                return Err(Problem::with_status(
                    &request,
                    Code::UnsupportedMediaType,
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ));
            }
            parse_json(&bytes).map(Body).map_err(|refusal| Problem::new(&request, refusal))
        })
    }
}

impl<T: std::str::FromStr + 'static> FromRequest for Path<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = request.match_info().iter().next().and_then(|(_, text)| text.parse().ok());
        std::future::ready(
            parsed.map(Path).ok_or_else(|| Problem::new(request, Failure::from(Code::NotFound))),
        )
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = web::Query::<T>::from_query(request.query_string());
        std::future::ready(read.map(|query| Query(query.into_inner())).map_err(|error| {
            let mut refusal = Refusal::new(Code::InvalidParameter);
            let said = match error {
                QueryPayloadError::Deserialize(inner) => inner.to_string(),
                other => other.to_string(),
            };
            // A value that does not parse is not named by its reader.
            let named = describe(".", &said).map(|(problem, _)| problem).filter(|bad| !bad.field.is_empty());
            refusal.fields.push(named.unwrap_or_else(|| told("query", "invalid_parameter", &said)));
            Problem::new(request, refusal)
        }))
    }
}

/// Reads JSON into `T`, or says everything that is wrong with it.
///
/// # Errors
/// `MalformedBody` when it is no JSON at all, else one entry per bad field.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // Serde would read a list as a struct, field by field in order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'[') {
        let _: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::new(Code::MalformedBody))?;
        return Err(Refusal::fields(vec![told("", "wrong_type", "an object is wanted, not a list")]));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    if let Ok(value) = serde_path_to_error::deserialize(&mut reader)
        && reader.end().is_ok()
    {
        return Ok(value);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::new(Code::MalformedBody))?;
    Err(Refusal::fields(all_problems::<T>(value)))
}

/// Serde stops at the first bad field. To tell of all of them, each is noted,
/// mended in a copy (dropped, or filled with a value of another type) and the
/// copy is read again. The copy is thrown away.
fn all_problems<T: DeserializeOwned>(mut value: Value) -> Vec<FieldProblem> {
    const MOST: usize = 20;
    let mut problems: Vec<FieldProblem> = Vec::new();
    while problems.len() < MOST {
        let Err(error) = serde_path_to_error::deserialize::<_, T>(&value) else { break };
        let (path, message) = (error.path().to_string(), error.inner().to_string());
        let Some((problem, pointer)) = describe(&path, &message) else {
            problems.push(told("", "invalid", "the body does not have the shape that is wanted"));
            break;
        };
        if problems.iter().any(|known| known.field == problem.field) {
            break;
        }
        let unknown = problem.code == "unknown_field";
        problems.push(problem);
        if !(if unknown {
            remove(&mut value, &pointer)
        } else {
            mend::<T>(&mut value, &pointer, &path, &message)
        }) {
            break;
        }
    }
    problems
}

/// What serde said, as a field with a stable word for what is wrong.
fn describe(path: &str, message: &str) -> Option<(FieldProblem, Vec<String>)> {
    let mut pointer = split_path(path);
    let named = |prefix: &str| {
        message.strip_prefix(prefix).and_then(|rest| rest.split('`').nth(1)).map(str::to_owned)
    };
    let (code, name) = if let Some(name) = named("missing field ") {
        ("missing_field", Some(name))
    } else if let Some(name) = named("unknown field ") {
        ("unknown_field", Some(name))
    } else if message.starts_with("unknown variant") {
        ("unknown_value", None)
    } else if message.starts_with("invalid type") {
        ("wrong_type", None)
    } else {
        ("invalid", None)
    };
    // The path of an unknown field already ends in it; a missing one's does not.
    if let Some(name) = name
        && pointer.last() != Some(&name)
    {
        pointer.push(name);
    }
    if pointer.is_empty() && code != "wrong_type" && code != "invalid" {
        return None;
    }
    let text = message.split(" at line ").next().unwrap_or(message);
    Some((told(&join_path(&pointer), code, text), pointer))
}

fn told(field: &str, code: &str, message: &str) -> FieldProblem {
    let zh = match code {
        "missing_field" => "缺少必填字段".to_owned(),
        "unknown_field" => "未知字段".to_owned(),
        "unknown_value" => format!("不是允许的取值（{message}）"),
        "wrong_type" => format!("类型不正确（{message}）"),
        _ => format!("无效（{message}）"),
    };
    FieldProblem { field: field.to_owned(), code: code.to_owned(), message: Bilingual::made(zh, message) }
}

/// `a.b[2].c` -> a, b, 2, c
fn split_path(path: &str) -> Vec<String> {
    if path == "." {
        return Vec::new();
    }
    path.split(['.', '[', ']']).filter(|part| !part.is_empty() && *part != "?").map(str::to_owned).collect()
}

fn join_path(pointer: &[String]) -> String {
    let mut path = String::new();
    for part in pointer {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(part);
        }
    }
    path
}

fn parent<'v>(value: &'v mut Value, pointer: &[String]) -> Option<&'v mut Value> {
    pointer.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(list) => part.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
        _ => None,
    })
}

fn remove(value: &mut Value, pointer: &[String]) -> bool {
    let Some((last, above)) = pointer.split_last() else { return false };
    match parent(value, above) {
        Some(Value::Object(map)) => map.remove(last).is_some(),
        _ => false,
    }
}

/// Puts the first stand-in at `pointer` that serde no longer complains about.
fn mend<T: DeserializeOwned>(value: &mut Value, pointer: &[String], complaint: &str, said: &str) -> bool {
    let Some((last, above)) = pointer.split_last() else { return false };
    let stand_ins = [
        // The last of the allowed values, where serde named them.
        said.rsplit('`').nth(1).map_or(Value::Null, Value::from),
        Value::Null,
        Value::from("a"),
        Value::from(1),
        Value::from(false),
        Value::from("00000000-0000-7000-8000-000000000000"),
        // A boot or a digest.
        Value::from("0".repeat(32)),
        Value::from("0".repeat(64)),
        Value::from("2026-01-01"),
        Value::from("2026-01-01T00:00:00Z"),
        Value::Array(Vec::new()),
        Value::Object(serde_json::Map::new()),
    ];
    let here = join_path(pointer);
    for stand_in in stand_ins {
        match parent(value, above) {
            Some(Value::Object(map)) => {
                map.insert(last.clone(), stand_in);
            }
            Some(Value::Array(list)) => {
                let Some(place) = last.parse::<usize>().ok().and_then(|index| list.get_mut(index)) else {
                    return false;
                };
                *place = stand_in;
            }
            _ => return false,
        }
        match serde_path_to_error::deserialize::<_, T>(&*value) {
            Ok(_) => return true,
            Err(error) => {
                let path = error.path().to_string();
                let message = error.inner().to_string();
                let same_missing = path == complaint && message.contains(&format!("`{last}`"));
                let still = describe(&path, &message).is_some_and(|(problem, _)| problem.field == here);
                if !still && !same_missing {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Sample {
        name: String,
        id: uuid::Uuid,
        count: u32,
        parts: Vec<Part>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Part {
        size: i64,
    }

    fn told_of(json: &str) -> Vec<(String, String)> {
        let refusal = parse_json::<Sample>(json.as_bytes()).expect_err("it is bad");
        refusal.fields.into_iter().map(|field| (field.field, field.code)).collect()
    }

    #[test]
    fn every_bad_field_is_told_at_once() {
        let told =
            told_of(r#"{"nmae":"x","id":"no","count":-1,"parts":[{"size":1},{"size":"big","extra":0}]}"#);
        let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
        for wanted in ["nmae", "id", "count", "parts[1].size", "parts[1].extra", "name"] {
            assert!(fields.contains(&wanted), "{wanted} is not told of in {told:?}");
        }
        assert_eq!(told.len(), 6, "{told:?}");
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let refusal = parse_json::<Sample>(b"{").expect_err("it is bad");
        assert_eq!(refusal.code, Code::MalformedBody);
    }

    #[test]
    fn a_body_of_another_type_is_told() {
        assert_eq!(told_of("[]").len(), 1);
        assert_eq!(told_of("3").len(), 1);
    }
}
