//! Headers of requests and answers: each is declared once, and an operation refers to those that it
//! reads or sends.

use utoipa::openapi::{
    Components, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response, Schema, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::AllOf,
};

use crate::{
    routes::{IF_MATCH, KEY, RouteLine, SCREEN_SIGNATURE, SIGNATURE},
    signed::SIGNATURE_HEADER,
};
use domain::spelling::IDEMPOTENCY_KEY_CHARS;

/// A header of answers: its name, the type of its value, what it says.
type Sent = (&'static str, Type, &'static str);

const REQUEST_ID: Sent = (
    "X-Request-Id",
    Type::String,
    "The id of the request, as in the logs: the caller's own, where it sent 32 hexadecimal digits (or a \
     UUID) in this header or as the trace of a `traceparent`.",
);
const REPLAYED: Sent =
    ("Idempotency-Replayed", Type::String, "`true` where this is the answer of an earlier request.");
const ETAG: Sent = ("ETag", Type::String, "The version of the document, for `If-Match`.");
const LINK: Sent =
    ("Link", Type::String, "The next page, as `<..>; rel=\"next\"` (RFC 8288); absent on the last.");
const LANGUAGE: Sent = ("Content-Language", Type::String, "The language of the sentences: `zh` or `en`.");
const RETRY_AFTER: Sent = ("Retry-After", Type::Integer, "Seconds after which to try again.");
const AUTHENTICATE: Sent = ("WWW-Authenticate", Type::String, "The scheme to authenticate by: `Bearer`.");

const SENT: [Sent; 7] = [REQUEST_ID, REPLAYED, ETAG, LINK, LANGUAGE, RETRY_AFTER, AUTHENTICATE];

/// Declares all of them.
pub(crate) fn declare(components: &mut Components) {
    for (name, of, what) in SENT {
        let value = ObjectBuilder::new().schema_type(of);
        let header: Header = HeaderBuilder::new().schema(Some(value)).description(Some(what)).build();
        components.headers.insert(name.to_owned(), RefOr::T(header));
    }
    let parameters = [
        ("IdempotencyKey", idempotency_key()),
        ("CabinetSignature", signature(CABINET_SIGNS)),
        ("ScreenSignature", signature(SCREEN_SIGNS)),
        ("IfMatch", if_match()),
        ("AcceptLanguage", accept_language()),
    ];
    for (name, parameter) in parameters {
        components.parameters.insert(name.to_owned(), RefOr::T(parameter));
    }
}

/// Lets `operation` refer to the headers that it reads, and its own answers to those that they have.
/// `editable` says whether people edit the document at this path.
pub(crate) fn refer(operation: &mut Operation, line: &RouteLine, editable: bool, components: &Components) {
    let read = [
        (line.takes(KEY), "IdempotencyKey"),
        (line.takes(SIGNATURE), "CabinetSignature"),
        (line.takes(SCREEN_SIGNATURE), "ScreenSignature"),
        (line.takes(IF_MATCH), "IfMatch"),
        (true, "AcceptLanguage"),
    ];
    let parameters = operation.parameters.get_or_insert_default();
    let pages = parameters.iter().any(|known| matches!(known, RefOr::T(known) if known.name == "after"));
    for (_, name) in read.into_iter().filter(|(reads, _)| *reads) {
        parameters.push(RefOr::Ref(Ref::new(format!("#/components/parameters/{name}"))));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let shows = |member: &str| shows(response, member, components);
        let good = status.starts_with('2');
        let sent = [
            (true, REQUEST_ID),
            (good && line.takes(KEY), REPLAYED),
            (good && (editable || shows("version")), ETAG),
            (good && pages && shows("next_after"), LINK),
        ];
        send(response, sent);
    }
}

/// The headers of a problem with this status.
pub(crate) fn of_problem(response: &mut Response, status: u16) {
    let sent = [
        (true, REQUEST_ID),
        (true, LANGUAGE),
        (status == 401, AUTHENTICATE),
        // What is refused because it is too early (409), too frequent, or could not be done now.
        (matches!(status, 409 | 429 | 500 | 503), RETRY_AFTER),
    ];
    send(response, sent);
}

fn send<const N: usize>(response: &mut Response, headers: [(bool, Sent); N]) {
    for (_, (name, ..)) in headers.into_iter().filter(|(sends, _)| *sends) {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert(name.to_owned(), RefOr::Ref(reference));
    }
}

/// Whether the object that is answered has this member.
fn shows(response: &Response, member: &str, components: &Components) -> bool {
    response.content.values().any(|content| match content {
        RefOr::T(content) => content.schema.as_ref().is_some_and(|schema| has(schema, member, components)),
        RefOr::Ref(_) => false,
    })
}

fn has(schema: &RefOr<Schema>, member: &str, components: &Components) -> bool {
    match schema {
        RefOr::Ref(target) => target
            .ref_location
            .rsplit('/')
            .next()
            .and_then(|name| components.schemas.get(name))
            .is_some_and(|schema| has(schema, member, components)),
        RefOr::T(Schema::Object(object)) => object.properties.contains_key(member),
        RefOr::T(Schema::AllOf(AllOf { items, .. })) => {
            items.iter().any(|item| has(item, member, components))
        }
        RefOr::T(_) => false,
    }
}

fn parameter(name: &str, required: Required, description: &str, text: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(text.schema_type(Type::String).build()))
        .build()
}

fn idempotency_key() -> Parameter {
    let (least, most) = (*IDEMPOTENCY_KEY_CHARS.start(), *IDEMPOTENCY_KEY_CHARS.end());
    let text = ObjectBuilder::new().min_length(Some(least)).max_length(Some(most)).pattern(Some("^[!-~]+$"));
    let description = "Chosen by the caller; the same key gives the same answer.";
    parameter("Idempotency-Key", Required::True, description, text)
}

const CABINET_SIGNS: &str = "A compact JWS with detached payload (`header..signature`, EdDSA by the device's key, \
    header members `alg`, `kid` = the device's id, `typ` = `request+jws`). Its payload is the \
    text `waystation-request-v1`, the method, path and query exactly as sent, and the body's SHA-256 \
    in lower hex, each on a line of its own, joined by `\\n`.";

const SCREEN_SIGNS: &str = "From a station's screen: a compact JWS with detached payload (`header..signature`, \
    EdDSA by the device's key, header members `alg`, `kid` = the device's id, `typ` = \
    `request+jws`). Its payload is the text `waystation-request-v2`, the method, path and query \
    exactly as sent, and \
    the SHA-256 in lower hex of the body, of the access token and of the `Idempotency-Key`, each \
    on a line of its own, joined by `\\n`. The key that is signed makes a repeated request do \
    nothing; the token that is signed ends the signature with itself.";

fn signature(description: &str) -> Parameter {
    let text =
        ObjectBuilder::new().max_length(Some(1024)).pattern(Some(r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$"));
    parameter(SIGNATURE_HEADER, Required::True, description, text)
}

fn if_match() -> Parameter {
    let text = ObjectBuilder::new()
        .min_length(Some(1))
        .max_length(Some(500))
        .pattern(Some(r#"^(\*|(W/)?"[0-9]+"( *, *(W/)?"[0-9]+")*)$"#));
    let description = "The version that was read, from its `ETag`; a list of versions; or `*` for \
                any. A weak tag (`W/\"3\"`) means its version.";
    parameter("If-Match", Required::True, description, text)
}

fn accept_language() -> Parameter {
    let description = "The language of sentences for people: English where it is preferred (`en`), \
        otherwise Chinese.";
    parameter("Accept-Language", Required::False, description, ObjectBuilder::new())
}
