//! From a bearer token to a caller. The type of a handler's first argument
//! says who may call it; whoever else comes is refused before it runs.

use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web};

use super::{problem::Problem, routes::Caller, token_cache::TokenCache};
use coordination::Speaker;
use crypto::{digest, tokens};
use domain::{
    ids::{CabinetId, StaffId, StationId, WorkerId},
    refusal::Code,
    staff::role::Role,
    time::Timestamp,
};
use service::{
    Actor, AppState, Failure,
    caller::{CabinetCaller, StaffCaller, StationCaller, WorkerCaller},
};

/// Bytes of a token, at most: ours have some 600. Our default.
const LONGEST_TOKEN: usize = 4096;

/// Somebody has proven who they are: their bodies may be larger.
#[derive(Debug, Clone, Copy)]
pub struct Known;

/// Who calls, by the token in `request`.
///
/// # Errors
/// `Unauthenticated` without a token, `TokenInvalid`, `TokenExpired`.
pub fn actor_of(request: &HttpRequest) -> Result<Actor, Failure> {
    let mut actor = holder_of_token(request)?;
    request.extensions_mut().insert(Known);
    if let Actor::Worker(worker) = &mut actor {
        // A read that has to write something down is a read all the same.
        worker.acts = !request.method().is_safe();
    }
    Ok(actor)
}

fn holder_of_token(request: &HttpRequest) -> Result<Actor, Failure> {
    let app = request
        .app_data::<web::Data<Arc<AppState>>>()
        .ok_or_else(|| Failure::Fault("the house is not at hand".to_owned()))?;
    let cache = request
        .app_data::<web::Data<TokenCache>>()
        .ok_or_else(|| Failure::Fault("the token cache is not at hand".to_owned()))?;
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or(Code::Unauthenticated)?
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or(Code::TokenInvalid)?;
    if token.len() > LONGEST_TOKEN {
        return Err(Code::TokenInvalid.into());
    }
    let now = app.now();
    let key = digest::sha256(token.as_bytes());
    let generation = app.keys.tokens.generation();
    cache.keep_to(generation);
    if let Some(actor) = cache.get(&key, now) {
        note_heard(app, actor, now);
        return Ok(actor);
    }
    let claims = app.keys.verify_access(token, &app.policy.network, now).map_err(|error| match error {
        tokens::TokenError::Expired => Code::TokenExpired,
        tokens::TokenError::Invalid => Code::TokenInvalid,
    })?;
    let actor = actor_from(&claims).ok_or(Code::TokenInvalid)?;
    // Keys that were replaced meanwhile may have verified it.
    if app.keys.tokens.generation() == generation {
        cache.insert(key, actor, claims.expires_at, now);
    }
    note_heard(app, actor, now);
    Ok(actor)
}

/// Who was heard, by whatever request. A worker's screen asks by itself: a
/// check-in is kept open by what its worker does, and the database notes that.
fn note_heard(app: &AppState, actor: Actor, now: Timestamp) {
    let who = match actor {
        Actor::Cabinet(cabinet) => Speaker::Cabinet(cabinet.cabinet),
        Actor::Staff(staff) => Speaker::Staff(staff.staff),
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Worker(_) => return,
    };
    app.coordination.heard(who, now);
}

fn actor_from(claims: &tokens::Claims) -> Option<Actor> {
    Some(match claims.role {
        Role::Station => Actor::Station(StationCaller {
            station: claims.subject.parse::<StationId>().ok()?,
            device: claims.device?,
            epoch: claims.epoch?,
        }),
        Role::Worker => Actor::Worker(WorkerCaller {
            worker: claims.subject.parse::<WorkerId>().ok()?,
            check_in: claims.check_in?,
            station: claims.station?,
            acts: false,
        }),
        Role::Cabinet => Actor::Cabinet(CabinetCaller {
            cabinet: claims.subject.parse::<CabinetId>().ok()?,
            device: claims.device?,
            station: claims.station?,
            epoch: claims.epoch?,
            token_at: claims.issued_at,
        }),
        Role::Doctor | Role::Pharmacist | Role::Operator | Role::Restocker | Role::Employer => {
            Actor::Staff(StaffCaller {
                staff: claims.subject.parse::<StaffId>().ok()?,
                role: claims.role,
                session: claims.session?,
                session_version: claims.session_version?,
                hospital: claims.hospital,
                employer: claims.employer,
            })
        }
    })
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

/// Anyone at all; a token is not looked at.
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

/// Declares a caller of one proven shape.
macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident($shape:ident: $data:ty) = [$($role:ident),+];)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub $data);
        impl $name {
            /// The same caller, as services know it.
            pub fn actor(self) -> Actor {
                Actor::$shape(self.0)
            }
        }
        impl Caller for $name {
            const ROLES: &'static [Role] = &[$(Role::$role),+];
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
    Station(Station: StationCaller) = [Station];
    /// A worker.
    Worker(Worker: WorkerCaller) = [Worker];
    /// A cabinet.
    Cabinet(Cabinet: CabinetCaller) = [Cabinet];
    /// A doctor.
    Doctor(Staff: StaffCaller) = [Doctor];
    /// A pharmacist.
    Pharmacist(Staff: StaffCaller) = [Pharmacist];
    /// An operator.
    Operator(Staff: StaffCaller) = [Operator];
    /// A restocker.
    Restocker(Staff: StaffCaller) = [Restocker];
    /// An employer's safety officer.
    SafetyOfficer(Staff: StaffCaller) = [Employer];
    /// Whoever may sign or review.
    Signer(Staff: StaffCaller) = [Doctor, Pharmacist];
    /// Whoever may try the safety rules.
    Checker(Staff: StaffCaller) = [Doctor, Pharmacist, Operator];
    /// Whoever looks after cabinets.
    StockKeeper(Staff: StaffCaller) = [Operator, Restocker];
    /// Any member of staff.
    Staff(Staff: StaffCaller) = [Doctor, Pharmacist, Operator, Restocker, Employer];
}

/// Declares a caller of several shapes; services tell them apart.
macro_rules! mixed_callers {
    ($($(#[$doc:meta])* $name:ident = [$($role:ident),+];)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub Actor);
        impl Caller for $name {
            const ROLES: &'static [Role] = &[$(Role::$role),+];
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
    /// The two who talk in a consultation.
    Party = [Worker, Doctor];
    /// Whoever may see a prescription.
    PrescriptionReader = [Worker, Doctor, Pharmacist];
    /// Whoever follows an event stream.
    Follower = [Worker, Doctor, Pharmacist, Operator];
    /// Whoever looks drugs up.
    FormularyReader = [Station, Worker, Doctor, Pharmacist, Operator, Restocker];
}
