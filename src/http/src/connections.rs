//! How many connections one address may hold. Whoever opens them by the thousand
//! and sends each head a byte at a time holds memory and descriptors that others
//! need: the HTTP library ends a first head that takes too long, and not a later
//! one on the same connection. A proxy of ours speaks for everybody behind it, and
//! is not counted; it has a bound of its own.

use std::{
    any::Any,
    collections::HashMap,
    net::{IpAddr, Shutdown},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{dev::Extensions, rt::net::TcpStream};

use super::address::source;
use service::AppState;

/// The connections of each address.
pub struct Connections {
    app: Arc<AppState>,
    open: Mutex<HashMap<String, usize>>,
}

impl Connections {
    /// None are open yet.
    pub fn of(app: &Arc<AppState>) -> Arc<Self> {
        Arc::new(Self { app: Arc::clone(app), open: Mutex::default() })
    }

    /// Counts a connection for as long as it lives, or ends one that is too many.
    pub fn accept(self: &Arc<Self>, connection: &dyn Any, known: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        let Ok(peer) = stream.peer_addr() else { return };
        if self.is_proxy(peer.ip()) {
            return;
        }
        let address = source(peer.ip());
        if self.count(&address) {
            known.insert(Counted { connections: Arc::clone(self), address });
        } else {
            self.app.figures.limited("connections-address");
            // The peer reads the end of the stream. That it may be gone already is as well.
            let _gone = socket2::SockRef::from(stream).shutdown(Shutdown::Both);
        }
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.app.trusted_proxies.iter().any(|proxy| proxy.contains(&peer))
    }

    fn count(&self, address: &str) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.entry(address.to_owned()).or_default();
        let within = *held < self.app.connections_per_address;
        *held += usize::from(within);
        within
    }

    fn uncount(&self, address: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get_mut(address).map(|held| {
            *held = held.saturating_sub(1);
            *held
        });
        if left == Some(0) {
            open.remove(address);
        }
    }
}

/// One that is counted; it stays with its connection and ends with it.
struct Counted {
    connections: Arc<Connections>,
    address: String,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.uncount(&self.address);
    }
}
