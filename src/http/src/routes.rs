//! The table of routes. A route can only be added together with who may call
//! it: the first argument of every handler is the caller's type, and from it
//! the table takes its roles. A handler without one does not compile.

use actix_web::{
    FromRequest, Handler, HttpRequest, Resource, Responder, guard, http::Method, middleware::from_fn, web,
};

use super::{address::Address, reply, signed};
use domain::staff::role::Role;

/// What a handler takes out of a request, as its arguments say: one bit each.
/// The document and the checks that hold for every route are made from them.
pub type Takes = u8;
/// An idempotency key.
pub const KEY: Takes = 1;
/// A JSON body.
pub const BODY: Takes = 1 << 1;
/// A signature of the cabinet over the request.
pub const SIGNATURE: Takes = 1 << 2;
/// Parameters of the address.
pub const QUERY: Takes = 1 << 3;
/// The version of a document that people edit.
pub const IF_MATCH: Takes = 1 << 4;
/// An id or code in the path.
pub const PATH: Takes = 1 << 5;

/// A signature of the station's screen over the request. No handler asks for
/// it: each route that changes something and that a screen may call takes it.
pub const SCREEN_SIGNATURE: Takes = 1 << 6;

/// An argument of a handler.
pub trait Part: FromRequest {
    /// What it takes out of the request.
    const TAKES: Takes = 0;
}
impl Part for HttpRequest {}
impl Part for Address {}
impl<T: ?Sized + 'static> Part for web::Data<T> {}

/// A first argument that says who may call.
pub trait Caller: FromRequest {
    /// The roles that may; empty means anyone, with or without a token.
    const ROLES: &'static [Role];
}

/// The arguments of a handler whose first one is a caller.
pub trait Guarded: FromRequest {
    /// The roles of the first argument.
    const ROLES: &'static [Role];
    /// What all of them take.
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

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLine {
    /// GET, POST, ...
    pub method: Method,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call; empty means anyone.
    pub roles: &'static [Role],
    /// What the handler takes out of a request.
    pub takes: Takes,
}

impl RouteLine {
    /// Whether the handler takes this out of a request.
    pub const fn takes(&self, what: Takes) -> bool {
        self.takes & what != 0
    }

    /// Whether it asks for more than an answer.
    pub fn moves(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether it is part of the interface for programs, and not a page.
    pub fn is_interface(&self) -> bool {
        self.path.starts_with("/api/") || self.path.starts_with("/cabinet/")
    }
}

/// The path of a route, as every request that it took carries it.
#[derive(Debug, Clone, Copy)]
pub struct Pattern(pub &'static str);

/// Collects routes and the table that documents and guards them.
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
        // Whoever may GET may also ask for the headers alone.
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
        let (place, (_, resource, mut methods)) = match known {
            Some(place) => (place, self.resources.remove(place)),
            None => {
                let resource = web::resource(path).app_data(Pattern(path));
                (self.resources.len(), (path, resource, Vec::new()))
            }
        };
        methods.push(method);
        self.resources.insert(place, (path, resource.route(route), methods));
        self
    }

    /// GET
    pub fn get<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::GET, path, handler)
    }

    /// POST
    pub fn post<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::POST, path, handler)
    }

    /// PUT
    pub fn put<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::PUT, path, handler)
    }

    /// The table.
    pub fn lines(&self) -> &[RouteLine] {
        &self.lines
    }

    /// Hands the resources to actix; any other method on them is refused.
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
