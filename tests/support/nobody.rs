//! An address for a server that starts later, or never.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// An address at which nobody listens, until the test does. Its port stays taken, so that nothing else gets it.
pub fn nobody() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}
