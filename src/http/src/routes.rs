//! The route table. Every route declares who may call it: the first argument of every handler is
//! a [`Caller`] type, from which the table takes the roles. A handler without one does not compile.

use actix_web::{
    FromRequest, Handler, HttpRequest, Resource, Responder, guard, http::Method, middleware::from_fn, web,
};

use super::{address::Address, reply, signed};
use domain::staff::role::Role;

/// What a handler reads from a request, derived from its argument types: one bit each.
/// The OpenAPI document and the checks for all routes are built from these.
pub(crate) type Takes = u8;
/// An idempotency key.
pub const KEY: Takes = 1;
/// A JSON body.
pub(crate) const BODY: Takes = 1 << 1;
/// A signature of the cabinet over the request.
pub const SIGNATURE: Takes = 1 << 2;
/// Query parameters.
pub const QUERY: Takes = 1 << 3;
/// An `If-Match` header with the version of a document that people edit.
pub const IF_MATCH: Takes = 1 << 4;
/// An id or code in the path.
pub const PATH: Takes = 1 << 5;

/// A signature of the station's screen over the request. It is not an argument of any handler:
/// each route that changes something and that a screen may call requires it.
pub const SCREEN_SIGNATURE: Takes = 1 << 6;

/// An argument of a handler, other than the caller.
pub trait Part: FromRequest {
    /// What it reads from the request.
    const TAKES: Takes = 0;
}
impl Part for HttpRequest {}
impl Part for Address {}
impl<T: ?Sized + 'static> Part for web::Data<T> {}

/// The first argument of a handler, which declares who may call it.
pub trait Caller: FromRequest {
    /// The allowed roles; empty means anyone, with or without a token.
    const ROLES: &'static [Role];
}

/// The arguments of a handler whose first one is a caller.
pub trait Guarded: FromRequest {
    /// The roles of the first argument.
    const ROLES: &'static [Role];
    /// What all arguments together read from the request.
    const TAKES: Takes;
}

macro_rules! guarded {
    ($(($($rest:ident),*))+) => {$(
        impl<A: Caller + 'static, $($rest: Part + 'static),*> Guarded for (A, $($rest,)*) {
            const ROLES: &'static [Role] = A::ROLES;
            const TAKES: Takes = 0 $(| $rest::TAKES)*;
        }
    )+};
}
guarded!(()(B)(B, C)(B, C, D)(B, C, D, E)(B, C, D, E, F)(B, C, D, E, F, G));

/// One route of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLine {
    /// GET, POST, ...
    pub method: Method,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call; empty means anyone.
    pub roles: &'static [Role],
    /// What the handler reads from a request.
    pub takes: Takes,
}

impl RouteLine {
    /// Whether the handler reads this from a request.
    pub const fn takes(&self, what: Takes) -> bool {
        self.takes & what != 0
    }

    /// Whether the route may change something: any method other than GET.
    pub fn moves(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether the route is for programs, and not a page or a part of one.
    pub fn is_interface(&self) -> bool {
        let begins = ["/api/", "/cabinet/", "/.well-known/", "/problems/", "/healthz", "/readyz"];
        begins.iter().any(|begin| self.path.starts_with(begin))
    }
}

/// The path pattern of a route, attached as app data to every request that it matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern(pub &'static str);

/// Builder of the routes, and of the table that documents and protects them.
#[derive(Default)]
pub struct Routes {
    lines: Vec<RouteLine>,
    resources: Vec<(&'static str, Resource, Vec<Method>)>,
}

impl Routes {
    /// Adds a handler.
    pub fn add<F, Args>(&mut self, method: Method, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        let mut line = RouteLine { method: method.clone(), path, roles: Args::ROLES, takes: Args::TAKES };
        if line.moves() && line.roles.contains(&Role::Station) {
            line.takes |= SCREEN_SIGNATURE;
        }
        // HEAD is allowed wherever GET is.
        let mut route = match method {
            Method::GET => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            _ => web::method(method.clone()),
        }
        .to(handler);
        if line.takes(SCREEN_SIGNATURE) {
            route = route.wrap(from_fn(signed::by_screen));
        }
        if line.is_interface() && !line.takes(QUERY) {
            route = route.wrap(from_fn(reply::no_parameters));
        }
        self.lines.push(line);
        let known = self.resources.iter().position(|(known, ..)| *known == path);
        let (index, (_, resource, mut methods)) = match known {
            Some(index) => (index, self.resources.remove(index)),
            None => {
                let resource = web::resource(path).app_data(Pattern(path));
                (self.resources.len(), (path, resource, Vec::new()))
            }
        };
        methods.push(method);
        self.resources.insert(index, (path, resource.route(route), methods));
        self
    }

    pub fn get<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::GET, path, handler)
    }

    pub fn post<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::POST, path, handler)
    }

    pub fn put<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::PUT, path, handler)
    }

    pub fn lines(&self) -> &[RouteLine] {
        &self.lines
    }

    /// Registers the resources with actix; any other method on them is refused.
    pub fn register(self, app: &mut web::ServiceConfig) {
        for (_, resource, methods) in self.resources {
            let mut allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
            if methods.contains(&Method::GET) {
                allowed.push("HEAD");
            }
            allowed.push("OPTIONS");
            let allow = allowed.join(", ");
            let other = move |request: HttpRequest| std::future::ready(reply::other_method(&request, &allow));
            app.service(resource.default_service(web::to(other)));
        }
    }
}
