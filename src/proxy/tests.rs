//! Relays between streams in memory: what passes, and how sessions end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::listeners::{SessionListeners, Switches};
use super::relay::{Pause, Relay};
use super::tap::{QUIET, Tap};
use crate::deliver::{Pipeline, QueueConfig};
use crate::message::MessageOptions;
use crate::proxy::OnUnobservable;
use crate::publish::{Peers, Publishing};
use crate::session::{Interest, ObserverConfig};

/// A relay without an observer, the client's and the server's far ends, and the pipeline that must outlive it.
fn relay(buffer: usize) -> (Relay<DuplexStream, DuplexStream>, DuplexStream, DuplexStream, Pipeline) {
    let pipeline = Pipeline::start(Vec::new(), &QueueConfig::default()).expect("a pipeline without sinks");
    let peers = Peers { server: "server:3306".into(), client: "client".into(), address: [127, 0, 0, 1].into() };
    let publishing = Publishing::new(MessageOptions::default(), None);
    let publisher = publishing.publisher(peers, pipeline.ingest().expect("a thread"), publishing.desk());
    let tap = Tap::new(
        false,
        ObserverConfig::default(),
        OnUnobservable::Continue,
        SessionListeners::new(publisher, Interest::empty(), Switches::default(), ([127, 0, 0, 1], 5000).into()),
        Arc::default(),
        Default::default(),
        Instant::now(),
    );
    let (client, client_end) = duplex(buffer);
    let (server, server_end) = duplex(buffer);
    (Relay::new(client, server, Vec::new(), tap), client_end, server_end, pipeline)
}

/// Only a failure takes this long.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn bytes_pass_in_both_directions_however_slow_the_reader() {
    let (mut relay, mut client, mut server, _pipeline) = relay(7);
    let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let expected = sent.clone();
    let run = relay.run();
    let talk = async {
        let (mut read, mut write) = tokio::io::split(&mut client);
        let (mut server_read, mut server_write) = tokio::io::split(&mut server);
        let (mut up, mut down) = (vec![0; sent.len()], vec![0; sent.len()]);
        let (a, b, c, d) = tokio::join!(
            write.write_all(&sent),
            server_read.read_exact(&mut up),
            server_write.write_all(&sent),
            read.read_exact(&mut down)
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_ok());
        (up, down)
    };
    let (up, down) = tokio::select! {
        got = timeout(SOON, talk) => got.expect("all bytes in time"),
        pause = run => panic!("ended early: {pause:?}"),
    };
    assert!(up == expected && down == expected);
}

#[tokio::test]
async fn what_a_client_sent_before_it_left_reaches_the_server() {
    let (mut relay, mut client, mut server, _pipeline) = relay(64);
    // The server talks, the client does not listen: it sends a statement and is gone.
    server.write_all(&[1; 64]).await.unwrap();
    client.write_all(b"INSERT").await.unwrap();
    drop(client);
    let pause = timeout(SOON, relay.run()).await.expect("the relay ends");
    assert_eq!(pause, Pause::ClientReset);
    drop(relay);
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"INSERT");
}

#[tokio::test]
async fn a_servers_last_words_reach_the_client() {
    let (mut relay, mut client, mut server, _pipeline) = relay(64);
    server.write_all(b"too large").await.unwrap();
    drop(server);
    client.write_all(b"a statement that nobody reads").await.unwrap();
    let pause = timeout(SOON, relay.run()).await.expect("the relay ends");
    assert_eq!(pause, Pause::ServerReset);
    drop(relay);
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"too large");
}

#[tokio::test]
async fn a_half_closed_client_still_gets_its_answer() {
    let (mut relay, mut client, mut server, _pipeline) = relay(64);
    client.write_all(b"SELECT").await.unwrap();
    client.shutdown().await.unwrap();
    let serve = async {
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        got
    };
    let (pause, got) = timeout(SOON, async { tokio::join!(relay.run(), serve) }).await.expect("the relay ends");
    assert_eq!((pause, got.as_slice()), (Pause::ServerEnded, &b"SELECT"[..]));
    drop(relay);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

#[tokio::test]
async fn an_unobserved_session_is_drained_only_when_it_is_quiet() {
    let (mut relay, mut client, mut server, _pipeline) = relay(64);
    server.write_all(b"greeting").await.unwrap();
    client.write_all(b"SELECT").await.unwrap();
    assert!(timeout(Duration::from_millis(50), relay.run()).await.is_err());
    relay.drain();
    // The answer is due.
    assert!(timeout(Duration::from_millis(50), relay.run()).await.is_err());
    let said = Instant::now();
    server.write_all(b"first rows").await.unwrap();
    // The result has begun to flow and may go on. Only time tells that it does not, so it is looked at again and again.
    let pause = loop {
        if let Ok(pause) = timeout(Duration::from_millis(50), relay.run()).await {
            break pause;
        }
        assert!(said.elapsed() < SOON);
    };
    assert_eq!(pause, Pause::Drained);
    assert!(said.elapsed() >= QUIET);
}
