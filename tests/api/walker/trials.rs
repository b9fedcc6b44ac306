//! The trials of one operation: a good request with one error each.

use serde_json::Value;

use super::{
    ask::Ask,
    document::{NOBODY, Operation, check_headers, filled, good_body, statuses},
    mutate::wrong_bodies,
    tokens::{BadToken, bad_tokens},
};
use crate::{harness::TestApp, seed::Seed};
use domain::{refusal::Code, staff::role::Role, words::Language};

/// The seeded network, and the tokens of its roles.
pub struct World<'s> {
    pub seed: &'s Seed,
    worker_token: String,
    /// Invalid tokens per role.
    bad_tokens: Vec<(Role, Vec<BadToken>)>,
}

impl<'s> World<'s> {
    pub async fn open(app: &TestApp, seed: &'s Seed) -> Self {
        let worker_token = app.check_in(seed).await;
        let mut world = Self { seed, worker_token, bad_tokens: Vec::new() };
        world.bad_tokens =
            Role::ALL.iter().map(|role| (*role, bad_tokens(app, world.token(*role), *role))).collect();
        world
    }

    pub fn token(&self, role: Role) -> &str {
        self.seed.token(role, &self.worker_token)
    }
}

/// One bad request, and the answer that it must get.
pub struct Trial {
    operation: String,
    why: String,
    ask: Ask,
    status: u16,
    code: Code,
    field: Option<String>,
    language: Language,
    /// Whether it is sent with a fresh, valid idempotency key.
    has_own_key: bool,
}

impl Trial {
    pub async fn run(&self, app: &TestApp) {
        let (status, code) = (self.status, self.code);
        let mut ask = self.ask.clone().header("Accept-Language", self.language.as_str());
        if self.has_own_key {
            ask = ask.keyed();
        }
        let answer = ask.send(app).await;
        let seen = format!("{}: {} {}", self.why, answer.status, answer.body);
        assert_eq!(answer.status.as_u16(), status, "{seen}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{seen}");
        assert_eq!(answer.headers["content-language"], self.language.as_str(), "{seen}");
        assert_eq!(answer.body["status"], status, "{seen}");
        check_headers(&self.operation, &answer);
        assert_eq!(answer.body["code"], code.as_str(), "{seen}");
        assert_eq!(answer.body["title"], code.title().in_language(self.language), "{seen}");
        let Some(field) = &self.field else { return };
        let errors = answer.body["errors"].as_array().unwrap_or_else(|| panic!("no field is named: {seen}"));
        let named: Vec<&Value> = errors.iter().filter(|error| error["field"] == field.as_str()).collect();
        assert!(!named.is_empty(), "{field} is not named: {seen}");
        for error in named {
            let message = error["message"].as_str().expect("a message");
            let is_chinese = message.chars().any(|letter| letter as u32 > 0x2e80);
            assert_eq!(is_chinese, self.language == Language::Chinese, "{seen}");
            assert!(!message.contains("invalid type") && !message.contains("expected"), "{seen}");
        }
    }
}

/// Collects the trials of one operation.
struct Collector<'w> {
    world: &'w World<'w>,
    operation: &'w Operation,
    documented: Vec<u16>,
    found: Vec<Trial>,
}

/// All trials of an operation.
pub fn of(world: &World<'_>, operation: &Operation) -> Vec<Trial> {
    let documented = statuses(&operation.id);
    let mut collector = Collector { world, operation, documented, found: Vec::new() };
    collector.callers();
    for role in collector.roles() {
        collector.bodies(role);
        collector.headers(role);
        collector.parameters(role);
    }
    collector.found
}

impl Collector<'_> {
    /// The roles to try it as; `None` is without a token.
    fn roles(&self) -> Vec<Option<Role>> {
        let roles: Vec<_> = self.operation.roles.iter().copied().map(Some).collect();
        if roles.is_empty() { vec![None] } else { roles }
    }

    fn url(&self, id: &str) -> String {
        let path = filled(&self.operation.path, id);
        if self.operation.id == "findWorkers" { path + "?phone=15400000001" } else { path }
    }

    /// A request that matches the schema; its id belongs to no row.
    fn good(&self, role: Option<Role>) -> Ask {
        let mut ask = Ask::new(&self.operation.method, &self.url(NOBODY));
        if let Some(role) = role {
            ask = ask.by_role(self.world, role);
        }
        if self.operation.has("Idempotency-Key") {
            ask = ask.keyed();
        }
        if self.operation.has("If-Match") {
            ask = ask.header("If-Match", "\"1\"");
        }
        if self.operation.body.is_some() {
            ask = ask.json(&good_body(&self.operation.id));
        }
        ask
    }

    fn add(&mut self, why: &str, ask: Ask, status: u16, code: Code, field: Option<&str>) {
        let why = format!("{} {} {why}", self.operation.id, ask.url);
        assert!(self.documented.contains(&status), "{why}: the document does not list {status}");
        let language = if self.found.len().is_multiple_of(2) { Language::Chinese } else { Language::English };
        let has_own_key = self.operation.has("Idempotency-Key") && status != 400;
        let field = field.map(str::to_owned);
        let operation = self.operation.id.clone();
        self.found.push(Trial { operation, why, ask, status, code, field, language, has_own_key });
    }

    /// Wrong roles, no token, bad tokens.
    fn callers(&mut self) {
        let Some(first) = self.operation.roles.first().copied() else { return };
        let good = self.good(Some(first));
        let nobody = Ask { token: None, ..good.clone() };
        self.add("nobody", nobody, 401, Code::Unauthenticated, None);
        for role in Role::ALL.iter().filter(|role| !self.operation.roles.contains(role)) {
            let ask = good.clone().by_role(self.world, *role);
            self.add(&format!("as {role}"), ask, 403, Code::RoleNotAllowed, None);
        }
        let basic = Ask { token: None, ..good.clone() }.header("Authorization", "Basic eDp5");
        self.add("by another scheme", basic, 401, Code::TokenInvalid, None);
        for (role, tokens) in &self.world.bad_tokens {
            if self.operation.roles.contains(role) {
                for (why, token, code) in tokens {
                    let ask = good.clone().with_token(token);
                    self.add(&format!("a token {why}"), ask, 401, *code, None);
                }
            }
        }
    }

    fn bodies(&mut self, role: Option<Role>) {
        let Some(schema) = &self.operation.body else { return };
        let (good, body) = (self.good(role), good_body(&self.operation.id));
        for wrong in wrong_bodies(schema, &body) {
            let ask = good.clone().json(&wrong.body);
            let why = format!("{}: {} {}", wrong.kind, wrong.field, shortened(&wrong.body));
            self.add(&why, ask, 422, Code::InvalidField, Some(&wrong.field));
        }
        let text = body.to_string();
        let unreadable: [(&str, Vec<u8>); 6] = [
            ("cut short", text.as_bytes()[..text.len() - 1].to_vec()),
            ("empty", Vec::new()),
            ("no UTF-8", b"{\"a\": \"\xff\"}".to_vec()),
            ("half a surrogate", b"{\"a\": \"\\ud800\"}".to_vec()),
            ("something behind", format!("{text}1").into_bytes()),
            ("too deep", b"[".repeat(10_000)),
        ];
        for (why, bytes) in unreadable {
            let ask = good.clone().bytes(bytes);
            self.add(why, ask, 400, Code::MalformedBody, None);
        }
        if let Some(first) = body.as_object().and_then(|body| body.keys().next()) {
            let twice = text.replacen('{', &format!("{{{}:1,", Value::from(first.as_str())), 1);
            let ask = good.clone().bytes(twice);
            self.add("a member twice", ask, 422, Code::InvalidField, Some(first));
        }
        let large = [text.as_bytes(), &vec![b' '; 256 * 1024]].concat();
        let ask = good.clone().bytes(large);
        self.add("too large", ask, 413, Code::BodyTooLarge, None);
        let media = Code::UnsupportedMediaType;
        self.add("plain text", good.clone().header("Content-Type", "text/plain"), 415, media, None);
        self.add("of no type", good.clone().without("Content-Type"), 415, media, None);
        self.add("packed", good.header("Content-Encoding", "gzip"), 415, media, None);
    }

    fn headers(&mut self, role: Option<Role>) {
        let good = self.good(role);
        if self.operation.has("Idempotency-Key") {
            self.add(
                "no key",
                good.clone().without("Idempotency-Key"),
                400,
                Code::IdempotencyKeyMissing,
                None,
            );
            let keys: [Vec<u8>; 5] = [
                b"".to_vec(),
                b"short".to_vec(),
                b"k".repeat(129),
                b"with a space".to_vec(),
                "钥匙钥匙".as_bytes().to_vec(),
            ];
            for key in keys {
                let ask = good.clone().header("Idempotency-Key", key);
                self.add("a bad key", ask, 400, Code::IdempotencyKeyInvalid, None);
            }
        }
        if self.operation.has("If-Match") {
            self.add("no version", good.clone().without("If-Match"), 428, Code::PreconditionMissing, None);
            for version in ["", "x", "\"", "W/", "*, \"1\"", "\"1\" \"2\""] {
                let ask = good.clone().header("If-Match", version);
                self.add("an unreadable version", ask, 400, Code::PreconditionInvalid, None);
            }
        }
        if self.operation.is_signed_by(role) {
            let no = Code::SignatureInvalid;
            self.add("not signed", good.clone().without("Waystation-Signature"), 401, no, None);
            let other = good.clone().signed_for_another();
            self.add("signed for another body", other, 401, no, None);
            for text in ["", "x", "..", "a..b"] {
                self.add("a bad signature", good.clone().header("Waystation-Signature", text), 401, no, None);
            }
        }
    }

    /// Ids and parameters of the URL.
    fn parameters(&mut self, role: Option<Role>) {
        if self.operation.path.contains('{') {
            for id in ["not-an-id", "%00", "0", "%ff", "00000000-0000-7000-8000-00000000000g"] {
                let ask = Ask { url: self.url(id), ..self.good(role) };
                self.add("no id", ask, 404, Code::NotFound, None);
            }
        }
        let bare = self.operation.path.clone();
        let with = |collector: &Self, query: &str| {
            let url = format!("{}?{query}", filled(&bare, NOBODY));
            Ask { url, ..collector.good(role) }
        };
        let bad = Code::InvalidParameter;
        let ask = with(self, "nobody_asked=1");
        self.add("an unknown parameter", ask, 400, bad, Some("nobody_asked"));
        let declared: Vec<Value> = self
            .operation
            .parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .cloned()
            .collect();
        for parameter in declared {
            let (name, schema) = (parameter["name"].as_str().expect("a name"), &parameter["schema"]);
            for value in bad_values(schema) {
                let ask = with(self, &format!("{name}={value}"));
                self.add("a bad parameter", ask, 400, bad, Some(name));
            }
            let ask = with(self, &format!("{name}=1&{name}=2"));
            self.add("a parameter twice", ask, 400, bad, Some(name));
        }
    }
}

/// URL-encoded values that a parameter of this schema refuses.
fn bad_values(schema: &Value) -> Vec<String> {
    let mut values = vec!["%00".to_owned()];
    match schema["type"].as_str().expect("a type") {
        "integer" => {
            values
                .extend(["", "x", "1.5", "99999999999999999999", "-99999999999999999999"].map(str::to_owned));
            let bound = |name: &str| schema[name].as_i64();
            values.extend(bound("minimum").map(|least| (least - 1).to_string()));
            values
                .extend(bound("maximum").filter(|most| *most < i64::MAX).map(|most| (most + 1).to_string()));
        }
        "boolean" => values.extend(["", "yes", "1"].map(str::to_owned)),
        _ if schema["format"] == "uuid" || schema["enum"].is_array() || schema["pattern"].is_string() => {
            values.extend(["", "no-such"].map(str::to_owned));
        }
        _ => {}
    }
    values.extend(
        schema["maxLength"].as_u64().map(|most| "a".repeat(usize::try_from(most).expect("a count") + 1)),
    );
    values
}

fn shortened(body: &Value) -> String {
    body.to_string().chars().take(300).collect()
}
