//! socketioxide with its Redis adapter, as its documentation writes it. Arguments: the port, the URL of Redis, and for the
//! process that publishes another port: it emits for each line `<group> <text>` that comes there.

use std::error::Error;

use socketioxide::{SocketIo, adapter::Adapter, extract::SocketRef};
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

async fn on_connect<A: Adapter>(_socket: SocketRef<A>) {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let client = redis::Client::open(format!("{}?protocol=resp3", arguments[2]))?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
    let (layer, io) = SocketIo::builder().with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", on_connect).await?;
    if let Some(port) = arguments.get(3) {
        let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let (read, mut write) = socket.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let text = line.split_once(' ').map_or("", |(_, text)| text);
                    if io.emit("client_update", text).await.is_err() || write.write_all(b"ok\n").await.is_err() {
                        break;
                    }
                }
            }
        });
    }
    let listener = TcpListener::bind(("127.0.0.1", arguments[1].parse()?)).await?;
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}
