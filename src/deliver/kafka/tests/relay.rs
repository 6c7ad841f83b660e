//! A relay in front of a broker that can answer like a broker that its controller has fenced, as after a pause (of its JVM, or by
//! SIGSTOP) longer than `broker.session.timeout.ms`: it leads no partition, and there are no brokers.
//!
//! librdkafka's mock cluster cannot do that: it crashes when a message is produced to a partition without a leader.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;

/// Runs until the process ends.
pub(crate) struct Relay {
    pub(crate) bootstrap_servers: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    broker_port: u16,
    port: u16,
    fenced: AtomicBool,
    /// How many answers said that there are no brokers.
    brokerless: AtomicUsize,
}

impl Relay {
    pub(crate) fn start(broker: &str) -> Self {
        let broker: SocketAddr = broker.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { broker_port: broker.port(), port, ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(broker).unwrap();
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (state, state2) = (Arc::clone(&shared), Arc::clone(&shared));
                let asked = Arc::new(Mutex::new(Vec::new()));
                let asked2 = Arc::clone(&asked);
                thread::spawn(move || answers(server2, client2, &state2, &asked2));
                thread::spawn(move || requests(client, server, &state, &asked));
            }
        });
        Self { bootstrap_servers: format!("127.0.0.1:{port}"), state }
    }

    pub(crate) fn fence(&self, fenced: bool) {
        self.state.fenced.store(fenced, Ordering::SeqCst);
    }

    pub(crate) fn brokerless_answers(&self) -> usize {
        self.state.brokerless.load(Ordering::SeqCst)
    }
}

fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn send(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let mut whole = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    stream.write_all(&whole)
}

/// `asked`: the correlation ids of MetadataRequests.
fn requests(
    mut client: TcpStream,
    mut server: TcpStream,
    state: &State,
    asked: &Mutex<Vec<[u8; 4]>>,
) -> io::Result<()> {
    loop {
        let request = frame(&mut client)?;
        let api_key = i16::from_be_bytes([request[0], request[1]]);
        if api_key == PRODUCE && state.fenced.load(Ordering::SeqCst) {
            send(&mut client, &leaderless_answer(&request))?;
            continue;
        }
        if api_key == METADATA {
            asked.lock().unwrap().push(request[4..8].try_into().unwrap());
        }
        send(&mut server, &request)?;
    }
}

fn answers(mut server: TcpStream, mut client: TcpStream, state: &State, asked: &Mutex<Vec<[u8; 4]>>) -> io::Result<()> {
    // The broker's address in its answers becomes the relay's.
    let address = |port: u16| [b"127.0.0.1", u32::from(port).to_be_bytes().as_slice()].concat();
    let (from, to) = (address(state.broker_port), address(state.port));
    loop {
        let mut answer = frame(&mut server)?;
        let found: Vec<_> = memchr::memmem::find_iter(&answer, &from).collect();
        for start in found {
            answer[start..start + to.len()].copy_from_slice(&to);
        }
        let is_metadata = asked.lock().unwrap().iter().any(|id| id == &answer[..4]);
        if is_metadata && state.fenced.load(Ordering::SeqCst) {
            remove_brokers(&mut answer);
            state.brokerless.fetch_add(1, Ordering::SeqCst);
        }
        send(&mut client, &answer)?;
    }
}

/// Empties the list of brokers in a MetadataResponse (version 9 or later).
fn remove_brokers(answer: &mut Vec<u8>) {
    // Correlation id, tags, throttle time; then the list's length plus one.
    let start = 4 + 1 + 4;
    let mut at = start + 1;
    for _ in 1..answer[start] {
        // Node id; the host's length plus one, and the host.
        at += 4;
        at += usize::from(answer[at]);
        // Port; the rack's length plus one (0: none), and the rack; no tags.
        at += 4;
        at += usize::from(answer[at]).max(1);
        at += 1;
    }
    answer.splice(start..at, [1]);
}

/// A ProduceResponse of version 10 for the (one) partition in the request: an error, and -1 as its current leader.
fn leaderless_answer(request: &[u8]) -> Vec<u8> {
    let version = i16::from_be_bytes(request[2..4].try_into().unwrap());
    assert!(version >= 10, "ProduceRequest of version {version}: no room for the current leader in the answer");
    let client_id = usize::from(u16::from_be_bytes(request[8..10].try_into().unwrap()));
    // Header's tags, transactional_id (null), acks, timeout, one topic.
    let mut at = 10 + client_id + 1 + 1 + 2 + 4 + 1;
    let name = usize::from(request[at]);
    let topic = &request[at..at + name];
    at += name + 1;
    let partition = &request[at..at + 4];
    let mut answer = request[4..8].to_vec();
    answer.extend_from_slice(&[0, 2]);
    answer.extend_from_slice(topic);
    answer.push(2);
    answer.extend_from_slice(partition);
    answer.extend_from_slice(&NOT_LEADER_OR_FOLLOWER.to_be_bytes());
    // base_offset, log_append_time, log_start_offset; no record errors, no message.
    answer.extend_from_slice(&[0xff; 24]);
    answer.extend_from_slice(&[1, 0]);
    // One tag, 0: the current leader, its id and epoch, no tags in it.
    answer.extend_from_slice(&[1, 0, 9]);
    answer.extend_from_slice(&(-1_i32).to_be_bytes());
    answer.extend_from_slice(&1_i32.to_be_bytes());
    answer.push(0);
    // The topic's tags, throttle time, the answer's tags.
    answer.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    answer
}
