//! What a stream says, and when it gives way.

use actix_web::{http::header, test::TestRequest};
use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;
use crate::{config::Secret, http::admin::tests::Desk, http::publish::PublishAccess};

/// Opens a stream of this node; returns the page's side.
async fn open(desk: &Desk) -> WebSocketStream<TcpStream> {
    let request = TestRequest::default()
        .insert_header((header::CONNECTION, "upgrade"))
        .insert_header((header::UPGRADE, "websocket"))
        .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
        .insert_header((header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))
        .to_http_request();
    let Opened { session, messages, carrier, .. } = wire::open(&request).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (node, _) = listener.accept().await.unwrap();
    let (metrics, (begin, drain)) = (Metrics::new(), watch::channel(None));
    let stream = OperatorStream::new(desk.admin(&metrics).await, Arc::new(desk.gate()), metrics, session);
    actix_rt::spawn(stream.run(messages, drain.clone()));
    actix_rt::spawn(async move {
        carrier.carry(node, BytesMut::new(), drain).await;
        drop(begin);
    });
    WebSocketStream::from_raw_socket(page, Role::Client, None).await
}

#[actix_web::test]
async fn a_page_is_heard_while_the_nodes_do_not_answer() {
    let mut desk = Desk::silent();
    desk.printed = Some("printed");
    let mut page = open(&desk).await;
    page.feed(Message::text(r#"{"authorization": "printed"}"#)).await.unwrap();
    page.send(Message::text("{}")).await.unwrap();
    let first = timeout(Duration::from_secs(20), page.next()).await.unwrap().unwrap().unwrap();
    assert!(first.to_text().unwrap().contains(r#""type":"invalid""#), "{first}");
}

#[test]
fn streams_without_a_credential_give_way_to_newer_ones() {
    let is_over =
        |stream: &mut oneshot::Receiver<Infallible>| stream.try_recv() == Err(oneshot::error::TryRecvError::Closed);
    let streams = Streams::default();
    let mut opening: Vec<_> = (0..MAX_OPENING).map(|_| streams.begin()).collect();
    assert!(!opening.iter_mut().any(is_over));
    let newer = streams.begin();
    assert!(opening.iter_mut().map(is_over).eq((0..MAX_OPENING).map(|number| number == 0)));
    // One that has ended, or has shown its credential, makes room.
    drop(newer);
    let _another = streams.begin();
    assert_eq!(opening.iter_mut().map(is_over).filter(|is_over| *is_over).count(), 1);
}

#[actix_web::test]
async fn a_printed_key_gives_no_access_once_another_key_is_set() {
    let mut desk = Desk::new();
    desk.printed = Some("printed");
    desk.config.auth.secret_key = None;
    let (admin, gate) = (desk.admin(&Metrics::new()).await, desk.gate());
    let checked = async || admin.0.access.check_credential("printed", &gate).await;
    assert!(checked().await.is_ok());
    gate.store(Arc::new(PublishAccess::Key(Secret::new("another"))));
    assert!(matches!(checked().await, Err(Problem::Unauthorized(_))));
}
