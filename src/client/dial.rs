//! Connecting to a server by TCP, for a task.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Looks the name up again and tries its addresses in turn, all within `limit`.
pub(crate) async fn dial(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + limit;
    let timed_out = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs_f64()));
    let addresses: Vec<_> = timeout_at(deadline, lookup_host((host, port))).await.map_err(|_| timed_out())??.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let count = addresses.len();
    for (index, address) in addresses.into_iter().enumerate() {
        // A dead first address must not use up the others' time.
        let remaining = deadline.saturating_duration_since(Instant::now());
        let share = Instant::now() + remaining / u32::try_from(count - index).unwrap_or(1);
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tune(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = timed_out(),
        }
    }
    Err(last)
}

/// No delay for small packets, and a probe for peers that vanish without a word. Failing to set these is no reason to refuse.
pub(crate) fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Within one machine there is no congestion to control; a host whose default is BBR would pace these packets for nothing.
    if stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()) {
        let _ = socket.set_tcp_congestion(b"reno");
    }
}
