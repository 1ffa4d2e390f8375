//! Where a node listens: a TCP address, or a unix socket (`server.listen = "unix:/run/channelgate.sock"`).
//!
//! In: the configuration, or a socket of the service manager. Out: a [`Listener`], and a [`SocketFile`] that removes the
//! file of a unix socket at the end. The sockets of a unix listener are used as `TcpStream`s: both are stream sockets, so
//! reading and writing are the same calls, and what only TCP has (its peer's address, its options) fails harmlessly.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream as StdUnixStream},
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpStream, UnixStream};

use crate::{cluster::Listening, config::Server};

/// Connections that the kernel queues while a worker is busy: a storm of handshakes must not be refused.
const BACKLOG: i32 = 4096;

/// A socket that accepts clients.
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a path of this machine.
    Unix(UnixListener),
}

impl Listener {
    /// Where it listens.
    pub fn listening(&self) -> io::Result<Listening> {
        Ok(match self {
            Self::Tcp(listener) => Listening::Tcp(listener.local_addr()?),
            Self::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map(Path::to_owned);
                Listening::Unix(path.ok_or_else(|| io::Error::other("the unix socket has no path"))?)
            }
        })
    }
}

/// The listener of a configuration, and the file to remove at the end.
pub fn listen(server: &Server) -> io::Result<(Listener, Option<SocketFile>)> {
    if let Some(path) = server.unix_socket() {
        let (listener, file) = bind_unix(path, server.socket_mode())?;
        return Ok((Listener::Unix(listener), Some(file)));
    }
    let address = &server.listen;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, format!("{address:?} is not an address with a port"));
    for address in address.to_socket_addrs()? {
        match bind(address) {
            Ok(listener) => return Ok((Listener::Tcp(listener), None)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), id: id(&fs::symlink_metadata(path)?) };
    // Before it listens: no client connects with other permissions.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

/// A killed process leaves its socket's file behind, which prevents a bind. A file of another kind is never removed, and
/// neither is a socket at which another process listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists and is not a socket"));
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) => Err(error),
    }
}

/// The file of a unix socket; removed when this is dropped, unless another process has replaced it.
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
}

/// The number of a removed file is given to the next one, so the time belongs to it.
type FileId = (u64, u64, i64, i64);

fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.id)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// The socket of a unix listener's client, in the form that everything else uses.
pub fn as_tcp(stream: UnixStream) -> io::Result<TcpStream> {
    TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(stream.into_std()?)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn server(path: &Path) -> Server {
        Server { listen: format!("unix:{}", path.display()), ..Server::default() }
    }

    #[tokio::test]
    async fn a_unix_socket_is_read_and_written_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let (listener, file) = listen(&server(&path)).unwrap();
        assert_eq!(listener.listening().unwrap().to_string(), format!("unix:{}", path.display()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let mut client = StdUnixStream::connect(&path).unwrap();
        let Listener::Unix(listener) = listener else { panic!("another listener") };
        let (accepted, _) = tokio::net::UnixListener::from_std(listener).unwrap().accept().await.unwrap();
        let mut stream = as_tcp(accepted).unwrap();
        client.write_all(b"hello").unwrap();
        let mut read = [0; 5];
        stream.read_exact(&mut read).await.unwrap();
        stream.write_all(b"world").await.unwrap();
        client.read_exact(&mut read).unwrap();
        assert_eq!((&read, stream.peer_addr().is_err()), (b"world", true));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = listen(&server(&path)).unwrap();
        let error = listen(&server(&path)).err().unwrap();
        assert_eq!(error.to_string(), "another process listens there");
        drop(listener);
        let (_second, newer) = listen(&server(&path)).unwrap();
        drop(file);
        assert!(path.exists(), "the file of the next process stays");
        drop(newer);
        fs::write(&path, "text").unwrap();
        assert_eq!(listen(&server(&path)).err().unwrap().to_string(), "the file exists and is not a socket");
        assert!(path.exists());
    }
}
