//! Limits the open connections per address. A caller who opens thousands of them and sends each
//! request head one byte at a time (slowloris) uses up memory and file descriptors: the HTTP
//! library closes a connection whose first head takes too long, but not one with a slow later
//! head. A trusted proxy carries the connections of many callers and is not counted; it must
//! have its own limit.

use std::{
    any::Any,
    collections::HashMap,
    net::{IpAddr, Shutdown},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{dev::Extensions, rt::net::TcpStream};

use super::{address::source, process::Process};
use service::AppState;

/// The number of open connections per address.
pub struct Connections {
    app: Arc<AppState>,
    process: Arc<Process>,
    open: Mutex<HashMap<String, usize>>,
}

impl Connections {
    pub fn of(app: &Arc<AppState>, process: &Arc<Process>) -> Arc<Self> {
        Arc::new(Self { app: Arc::clone(app), process: Arc::clone(process), open: Mutex::default() })
    }

    /// Counts a connection until it is closed, or closes one beyond the limit.
    pub fn accept(self: &Arc<Self>, connection: &dyn Any, extensions: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        let Ok(peer) = stream.peer_addr() else { return };
        if self.is_proxy(peer.ip()) {
            return;
        }
        let address = source(peer.ip());
        if self.count(&address) {
            extensions.insert(Counted { connections: Arc::clone(self), address });
        } else {
            self.app.metrics.limited("connections-address");
            // The peer reads an end of stream. An error means that it has gone already.
            let _gone = socket2::SockRef::from(stream).shutdown(Shutdown::Both);
        }
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.process.trusted_proxies.iter().any(|proxy| proxy.contains(&peer))
    }

    fn count(&self, address: &str) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address.to_owned()).or_default();
        let within = *count < self.process.connections_per_address;
        *count += usize::from(within);
        within
    }

    fn uncount(&self, address: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get_mut(address).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            open.remove(address);
        }
    }
}

/// One counted connection; stored in its extensions, and dropped with it.
struct Counted {
    connections: Arc<Connections>,
    address: String,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.uncount(&self.address);
    }
}
