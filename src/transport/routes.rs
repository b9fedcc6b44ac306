//! The table of routes. A route can only be added together with who may call
//! it: the first argument of every handler is the caller's type, and from it
//! the table takes its roles. A handler without one does not compile.

use actix_web::{FromRequest, Handler, Resource, Responder, http::Method, web};

use crate::domain::role::Role;

/// A first argument that says who may call.
pub trait Caller: FromRequest {
    /// The roles that may; empty means anyone, with or without a token.
    const ROLES: &'static [Role];
}

/// The arguments of a handler whose first one is a caller.
pub trait Guarded: FromRequest {
    /// The roles of the first argument.
    const ROLES: &'static [Role];
}

macro_rules! guarded {
    ($(($($rest:ident),*))+) => {$(
        impl<A: Caller + 'static, $($rest: FromRequest + 'static),*> Guarded for (A, $($rest,)*) {
            const ROLES: &'static [Role] = A::ROLES;
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
}

/// Collects routes and the table that documents and guards them.
#[derive(Default)]
pub struct Routes {
    lines: Vec<RouteLine>,
    resources: Vec<(&'static str, Resource)>,
}

impl Routes {
    /// Adds a handler.
    pub fn add<F, Args>(&mut self, method: Method, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        self.lines.push(RouteLine { method: method.clone(), path, roles: Args::ROLES });
        let route = web::method(method).to(handler);
        let known = self.resources.iter().position(|(known, _)| *known == path);
        let (place, resource) = match known {
            Some(place) => (place, self.resources.remove(place).1),
            None => (self.resources.len(), web::resource(path)),
        };
        self.resources.insert(place, (path, resource.route(route)));
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
        for (_, resource) in self.resources {
            app.service(resource.default_service(web::to(super::reply::method_not_allowed)));
        }
    }
}
