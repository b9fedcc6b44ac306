//! The connection to PostgreSQL: what a URL asks for, and TLS that libpq is built without.

pub(crate) mod greeting;
pub(crate) mod tls;
pub(crate) mod trust;
pub(crate) mod url;
