//! Authentication by bearer token. The type of a handler's first argument
//! declares who may call it; any other caller is refused before the handler runs.

use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web};

use super::{problem::Problem, routes::Caller, token_cache::TokenCache};
use coordination::LivenessKey;
use crypto::{digest, tokens};
use domain::{refusal::Code, staff::role::Role, time::Timestamp};
use service::{
    Actor, AppState, Failure,
    caller::{CabinetCaller, StaffCaller, StationCaller, WorkerCaller},
};

/// Maximum bytes of a token; the ones that we issue have about 600. Our default.
const MAX_TOKEN_BYTES: usize = 4096;

/// Request extension: the caller is authenticated, so a larger body is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authenticated;

/// The caller, from the bearer token of `request`.
///
/// # Errors
/// `Unauthenticated` without a token, `TokenInvalid`, `TokenExpired`.
pub(crate) fn actor_of(request: &HttpRequest) -> Result<Actor, Failure> {
    let mut actor = actor_of_token(request)?;
    request.extensions_mut().insert(Authenticated);
    if let Actor::Worker(worker) = &mut actor {
        // A GET is no activity of the worker, even where the read itself must be recorded.
        worker.acts = !request.method().is_safe();
    }
    Ok(actor)
}

fn actor_of_token(request: &HttpRequest) -> Result<Actor, Failure> {
    let app = request
        .app_data::<web::Data<Arc<AppState>>>()
        .ok_or_else(|| Failure::inconsistent("the application state is not at hand"))?;
    let cache = request
        .app_data::<web::Data<TokenCache>>()
        .ok_or_else(|| Failure::inconsistent("the token cache is not at hand"))?;
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or(Code::Unauthenticated)?
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or(Code::TokenInvalid)?;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Code::TokenInvalid.into());
    }
    let now = app.now();
    let key = digest::sha256(token.as_bytes());
    let generation = app.keys.tokens.generation();
    cache.clear_if_outdated(generation);
    if let Some(actor) = cache.get(&key, now) {
        record_heard(app, actor, now);
        return Ok(actor);
    }
    let claims = app.keys.verify_access(token, &app.policy.network, now).map_err(|error| match error {
        tokens::TokenError::Expired => Code::TokenExpired,
        tokens::TokenError::Invalid => Code::TokenInvalid,
    })?;
    let actor = Actor::of(&claims).ok_or(Code::TokenInvalid)?;
    // Not cached if keys were rotated meanwhile: an old key may have verified the token.
    if app.keys.tokens.generation() == generation {
        cache.insert(key, actor, claims.expires_at, now);
    }
    record_heard(app, actor, now);
    Ok(actor)
}

/// Records that a cabinet or a member of staff was last heard now, whatever the request. Not for
/// workers, whose screen polls by itself: a check-in stays open by its worker's actions, which
/// the database records.
fn record_heard(app: &AppState, actor: Actor, now: Timestamp) {
    let who = match actor {
        Actor::Cabinet(cabinet) => LivenessKey::Cabinet(cabinet.cabinet),
        Actor::Staff(staff) => LivenessKey::Staff(staff.staff),
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Worker(_) => return,
    };
    app.coordination.heard(who, now);
}

fn role_of(actor: Actor) -> Option<Role> {
    match actor {
        Actor::System | Actor::Anyone => None,
        Actor::Station(_) => Some(Role::Station),
        Actor::Worker(_) => Some(Role::Worker),
        Actor::Staff(staff) => Some(staff.role),
        Actor::Cabinet(_) => Some(Role::Cabinet),
    }
}

/// The actor of a request, if its role is one of `roles`.
fn admit(request: &HttpRequest, roles: &[Role]) -> Result<Actor, Problem> {
    actor_of(request)
        .and_then(|actor| match role_of(actor) {
            Some(role) if roles.contains(&role) => Ok(actor),
            _ => Err(Code::RoleNotAllowed.into()),
        })
        .map_err(|failure| Problem::new(request, failure))
}

/// Anyone, with or without a token; the token is not read.
pub struct Anyone;
impl Caller for Anyone {
    const ROLES: &'static [Role] = &[];
}
impl FromRequest for Anyone {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Anyone))
    }
}

/// Declares a caller type for one kind of actor.
macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident($shape:ident: $data:ty) = $roles:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub $data);
        impl $name {
            /// The caller in the form that the services take.
            pub fn actor(self) -> Actor {
                Actor::$shape(self.0)
            }
        }
        impl Caller for $name {
            const ROLES: &'static [Role] = $roles;
        }
        impl FromRequest for $name {
            type Error = Problem;
            type Future = std::future::Ready<Result<Self, Problem>>;
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                std::future::ready(admit(request, Self::ROLES).and_then(|actor| match actor {
                    Actor::$shape(data) => Ok(Self(data)),
                    _ => Err(Problem::new(request, Failure::from(Code::RoleNotAllowed))),
                }))
            }
        }
    )+};
}

callers! {
    /// A station's screen.
    Station(Station: StationCaller) = &[Role::Station];
    Worker(Worker: WorkerCaller) = &[Role::Worker];
    Cabinet(Cabinet: CabinetCaller) = &[Role::Cabinet];
    Doctor(Staff: StaffCaller) = &[Role::Doctor];
    Pharmacist(Staff: StaffCaller) = &[Role::Pharmacist];
    Operator(Staff: StaffCaller) = &[Role::Operator];
    Restocker(Staff: StaffCaller) = &[Role::Restocker];
    /// An employer's safety officer.
    SafetyOfficer(Staff: StaffCaller) = &[Role::Employer];
    /// Staff who keep roster and doctors: of the network, or of one hospital.
    RosterKeeper(Staff: StaffCaller) = &[Role::Operator, Role::Coordinator];
    /// Staff who may sign or review prescriptions.
    Signer(Staff: StaffCaller) = Role::SIGNERS;
    /// Staff who propose and approve editions of the safety rules.
    RuleKeeper(Staff: StaffCaller) = &[Role::Operator, Role::Pharmacist];
    /// Staff who decide how much of a prescription is supplied.
    Supplier(Staff: StaffCaller) = &[Role::Doctor, Role::Pharmacist];
    /// Staff who see how the pharmacists' queue stands.
    ReviewWatcher(Staff: StaffCaller) = &[Role::Operator, Role::Pharmacist];
    /// Staff who may run the safety check without storing anything.
    Checker(Staff: StaffCaller) = &[Role::Doctor, Role::Pharmacist, Role::Operator];
    /// Staff who manage cabinets and their stock.
    StockKeeper(Staff: StaffCaller) = &[Role::Operator, Role::Restocker];
    /// Any member of staff.
    Staff(Staff: StaffCaller) = Role::STAFF;
}

/// Declares a caller type for several kinds of actor; the services distinguish them.
macro_rules! mixed_callers {
    ($($(#[$doc:meta])* $name:ident = $roles:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub Actor);
        impl Caller for $name {
            const ROLES: &'static [Role] = $roles;
        }
        impl FromRequest for $name {
            type Error = Problem;
            type Future = std::future::Ready<Result<Self, Problem>>;
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                std::future::ready(admit(request, Self::ROLES).map(Self))
            }
        }
    )+};
}

mixed_callers! {
    /// Everyone who is signed in, devices included.
    SignedIn = Role::ALL;
    /// The two parties of a consultation.
    Party = &[Role::Worker, Role::Doctor];
    /// Everyone who may read prescriptions.
    PrescriptionReader = &[Role::Worker, Role::Doctor, Role::Pharmacist];
    /// Everyone who may ask how typed names of drugs are understood.
    DrugNameReader = &[Role::Worker, Role::Doctor, Role::Pharmacist, Role::Operator];
    /// Everyone who may open an event stream.
    Follower = Role::FOLLOWERS;
    /// Everyone who may look up drugs.
    FormularyReader = &[Role::Station, Role::Worker, Role::Doctor, Role::Pharmacist, Role::Operator, Role::Restocker];
}
