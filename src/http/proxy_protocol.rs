//! The PROXY protocol, versions 1 and 2, in front of HTTP: a balancer that forwards bytes first sends the client's
//! address.
//!
//! In: a socket. Out: the same, with the client's address instead of the balancer's. The peer address decides, never
//! the data: a trusted proxy must begin with a header, and no other peer may. So a probe, or another node, that is not
//! a trusted proxy speaks plain HTTP. A header is bounded in bytes, and by the time limit of a request's headers.
//! Source: `doc/proxy-protocol.txt` of HAProxy.

use std::{io, net::SocketAddr, time::Duration};

use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, fn_service};
use ppp::{v1, v2};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::client::TrustedHops;
use crate::{
    socket::{http_stream::HttpStream, takeover::SocketOptions},
    telemetry::Metrics,
    warn_bounded,
};

/// A header of version 1 with its line end.
const MAX_V1: usize = 107;

/// The minimum length of both versions.
const LEAST: usize = 12;

/// The fixed part of a header of version 2, which contains its length.
const FIXED: usize = 16;

/// The rest of a header of version 2: addresses, and the balancer's additions.
const MAX_REST: usize = 2048;

/// Reads PROXY headers before HTTP, for all sockets of a worker.
#[derive(Clone)]
pub struct ProxyProtocol {
    /// Whether balancers send it.
    pub enabled: bool,
    /// The balancers.
    pub hops: TrustedHops,
    /// How long a header may take.
    pub deadline: Duration,
    /// Counts refusals.
    pub metrics: Metrics,
    /// For every socket.
    pub options: SocketOptions,
}

impl ProxyProtocol {
    /// The service that reads it: sockets with their addresses.
    pub fn service(
        self,
    ) -> impl ServiceFactory<
        TcpStream,
        Config = (),
        Response = (HttpStream, Option<SocketAddr>),
        Error = DispatchError,
        InitError = (),
    > {
        fn_service(move |mut stream: TcpStream| {
            self.options.set_early(&stream);
            // An ordinary socket must not carry a future with all this state.
            let reading = self.enabled.then(|| self.clone());
            async move {
                let peer = stream.peer_addr().ok();
                let Some(before) = reading else { return Ok((HttpStream::new(stream), peer)) };
                let client = Box::pin(before.read(&mut stream, peer)).await?;
                Ok((HttpStream::new(stream), client))
            }
        })
    }

    async fn read(&self, stream: &mut TcpStream, peer: Option<SocketAddr>) -> io::Result<Option<SocketAddr>> {
        let trusted = self.hops.trusts_peer(peer.map(|peer| peer.ip()));
        let read = async {
            if trusted {
                return read(stream).await;
            }
            let mut first = [0; LEAST];
            let count = stream.peek(&mut first).await?;
            match is_header(&first[..count]) {
                false => Ok(None),
                true => Err(invalid("it is not in server.trusted_proxies")),
            }
        };
        let late = |_| Err(io::ErrorKind::TimedOut.into());
        timeout(self.deadline, read).await.unwrap_or_else(late).map(|named| named.or(peer)).inspect_err(|error| {
            if trusted || error.kind() == io::ErrorKind::InvalidData {
                self.metrics.handshake("proxy_protocol");
                let from = peer.map_or_else(|| "a socket without an address".to_owned(), |peer| peer.ip().to_string());
                warn_bounded!("refused a connection from {from} (PROXY protocol): {error}");
            }
        })
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn is_header(first: &[u8]) -> bool {
    first.starts_with(b"PROXY ") || first.starts_with(v2::PROTOCOL_PREFIX)
}

/// Reads a header and nothing after it; the client, or `None` if the balancer speaks for itself.
async fn read(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; LEAST];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        read_v2(stream, header).await
    } else if is_header(&header) {
        read_v1(stream, header).await
    } else {
        Err(invalid("the header is missing"))
    }
}

async fn read_v1(stream: &mut TcpStream, mut header: Vec<u8>) -> io::Result<Option<SocketAddr>> {
    let mut ahead = [0; MAX_V1];
    while !header.ends_with(b"\n") {
        let room = MAX_V1 - header.len();
        if room == 0 {
            return Err(invalid("its header does not end"));
        }
        let count = stream.peek(&mut ahead[..room]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = ahead[..count].iter().position(|byte| *byte == b'\n').map_or(count, |at| at + 1);
        stream.read_exact(&mut ahead[..end]).await?;
        header.extend_from_slice(&ahead[..end]);
    }
    let parsed = v1::Header::try_from(&*header).map_err(|error| invalid(error.to_string()))?;
    if parsed.header.len() != header.len() {
        return Err(invalid("its header ends twice"));
    }
    Ok(match parsed.addresses {
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

async fn read_v2(stream: &mut TcpStream, mut header: Vec<u8>) -> io::Result<Option<SocketAddr>> {
    header.resize(FIXED, 0);
    stream.read_exact(&mut header[LEAST..]).await?;
    let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
    if rest > MAX_REST {
        return Err(invalid("its header is too long"));
    }
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    let parsed = v2::Header::try_from(&*header).map_err(|error| invalid(error.to_string()))?;
    Ok(match (parsed.command, parsed.addresses) {
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Proxy, _) => None,
    })
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// The client named by these parts, sent one by one, and the bytes left after them.
    async fn named(parts: &[&[u8]]) -> io::Result<(Option<String>, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut hop = TcpStream::connect(listener.local_addr()?).await?;
        hop.set_nodelay(true)?;
        let (mut stream, _) = listener.accept().await?;
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        let sending = tokio::spawn(async move {
            for part in parts {
                hop.write_all(&part).await?;
                tokio::task::yield_now().await;
            }
            hop.shutdown().await
        });
        let client = read(&mut stream).await?;
        let mut left = Vec::new();
        stream.read_to_end(&mut left).await?;
        sending.await??;
        Ok((client.map(|client| client.to_string()), left))
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap_or_default().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    const IPV4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x1f, 0x40];

    #[tokio::test]
    async fn a_header_names_the_client_and_nothing_after_it_is_read() {
        let mut ipv6 = vec![0; 36];
        ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        ipv6[15] = 1;
        ipv6[33] = 80;
        let with_more = [IPV4, &[0x04, 0, 3, 1, 2, 3]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 8000\r\n".to_vec(), Some("192.0.2.7:4660")),
            (b"PROXY TCP6 2001:db8::1 fd00::1 80 8000\r\n".to_vec(), Some("[2001:db8::1]:80")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN what ever\r\n".to_vec(), None),
            (version_2(1, 0x11, IPV4), Some("192.0.2.7:4660")),
            (version_2(1, 0x11, &with_more), Some("192.0.2.7:4660")),
            (version_2(1, 0x21, &ipv6), Some("[2001:db8::1]:80")),
            (version_2(0, 0x00, &[]), None),
            (version_2(0, 0x11, IPV4), None),
            (version_2(1, 0x31, &[7; 216]), None),
        ] {
            let whole = [&*header, b"GET / HTTP/1.1\r\n\r\n"].concat();
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            for parts in [vec![&*whole], vec![&*header, b"GET / HTTP/1.1\r\n\r\n"], bytes] {
                let (named, left) = named(&parts).await.unwrap_or_else(|error| panic!("{error}: {header:?}"));
                assert_eq!(named.as_deref(), client, "{header:?}");
                assert_eq!(left, b"GET / HTTP/1.1\r\n\r\n", "{header:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_invalid_header_is_refused() {
        let endless = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        let too_long = version_2(1, 0x11, &[0; MAX_REST + 1]);
        for wrong in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\n",
            b"PROXY TCP4 192.0.2.300 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 99999\r\n",
            b"PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n",
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
            b"PROXY TCP4 192.0.2.7 \r 10.0.0.1 1 2\r\n",
            b"PROXY \xff\xfe 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4",
            &endless,
            &too_long,
            &version_2(1, 0x11, &IPV4[..8]),
            &version_2(7, 0x11, IPV4),
            &version_2(1, 0x51, IPV4),
            &version_2(1, 0x11, IPV4)[..20],
        ] {
            assert!(named(&[wrong]).await.is_err(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
