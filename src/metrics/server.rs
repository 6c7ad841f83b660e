//! The server of `--metrics`: `/metrics`, `/healthz`, `/readyz`, and nothing else.
//!
//! It has a thread and an event loop of its own, so that a scrape never waits for a worker, nor a worker for a scrape.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::page::{self, Page};
use super::reading::Source;
use super::ready::Check;

/// Connections at the same time; further ones are closed at once. Nobody needs more than a few.
const MOST_CONNECTIONS: usize = 64;
/// How long a request's head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is closed after this time, whatever happens on it: its peer opens another one.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);
/// Pause after a connection that could not be accepted: out of descriptors, probably.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetricsError {
    /// The port is taken, or the address is none of this host's.
    #[error("cannot serve metrics on {address}: {source} (choose another address with `metrics`)")]
    Listen { address: SocketAddr, source: io::Error },
    /// The system refuses a thread or what its event loop needs.
    #[error("cannot start the thread that serves metrics: {0}")]
    Thread(#[from] io::Error),
}

/// The address is ours, and nobody is answered yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported already.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Shared {
    page: Page,
    checks: Vec<Arc<dyn Check>>,
}

impl Bound {
    /// Takes the address. So a port that is taken is found before anything is begun.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let refused = |source| MetricsError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Answers from now on, about these; `command` is the subcommand that runs.
    pub(crate) fn serve(
        self,
        command: &'static str,
        sources: Vec<Arc<dyn Source>>,
        checks: Vec<Arc<dyn Check>>,
    ) -> Result<Serving, MetricsError> {
        let shared = Arc::new(Shared { page: Page::new(command, sources), checks });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serve = move || {
            runtime.block_on(accept(listener, shared, stopped));
            // Questions to others that are under way are not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(serve)?;
        tracing::info!("metrics at http://{}/metrics", self.address);
        Ok(Serving { stop, thread: Some(thread) })
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(stream, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for metrics could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) {
    let answer = service_fn(|request| async move { Ok::<_, Infallible>(shared.answer(&request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    if let Ok(Err(error)) = tokio::time::timeout(LONGEST_CONNECTION, connection).await {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

impl Shared {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if !["/metrics", "/healthz", "/readyz"].contains(&path) {
            return text(StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /healthz and /readyz\n".to_owned());
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".to_owned());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path {
            "/metrics" => match self.page.text() {
                Ok(page) => text(StatusCode::OK, page::CONTENT_TYPE, page),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
            },
            "/readyz" => self.ready().await,
            _ => text(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        }
    }

    /// All checks, so that each reason is named.
    async fn ready(&self) -> Response<Full<Bytes>> {
        let mut reasons = String::new();
        for check in &self.checks {
            if let Err(reason) = check.check().await
                && !reasons.lines().any(|known| known == reason)
            {
                reasons += &reason;
                reasons.push('\n');
            }
        }
        match reasons.is_empty() {
            true => text(StatusCode::OK, PLAIN, "ready\n".to_owned()),
            false => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reasons),
        }
    }
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::pin::Pin;

    use super::super::ready::Verdict;
    use super::*;

    #[derive(Debug)]
    struct Always(Verdict);

    impl Check for Always {
        fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
            Box::pin(async { self.0.clone() })
        }
    }

    fn ask(address: SocketAddr, head: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn serving(verdicts: Vec<Verdict>) -> (SocketAddr, Serving) {
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let checks = verdicts.into_iter().map(|verdict| Arc::new(Always(verdict)) as Arc<dyn Check>).collect();
        (bound.address, bound.serve("proxy", Vec::new(), checks).unwrap())
    }

    #[test]
    fn there_are_three_pages_that_can_only_be_read() {
        let (address, serving) = serving(vec![Ok(())]);
        let metrics = ask(address, "GET /metrics");
        assert!(
            metrics.starts_with("HTTP/1.1 200") && metrics.contains("version=0.0.4") && metrics.contains("build_info")
        );
        assert!(ask(address, "GET /healthz?x=1").ends_with("\r\n\r\nok\n"));
        assert!(ask(address, "GET /readyz").ends_with("\r\n\r\nready\n"));
        let head = ask(address, "HEAD /metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "POST /metrics").starts_with("HTTP/1.1 405"));
        for path in ["GET /", "GET /metrics/", "POST /x", "GET /../metrics"] {
            assert!(ask(address, path).starts_with("HTTP/1.1 404"), "{path}");
        }
        assert!(ask(address, "nonsense").starts_with("HTTP/1.1 400"));
        drop(serving);
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn each_reason_not_to_be_ready_is_named() {
        let (address, _serving) =
            serving(vec![Err("one".to_owned()), Ok(()), Err("two".to_owned()), Err("one".to_owned())]);
        let answer = ask(address, "GET /readyz");
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\none\ntwo\n"), "{answer}");
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_that_names_the_setting() {
        let taken = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Bound::bind(taken.address).unwrap_err().to_string();
        assert!(error.contains(&taken.address.to_string()) && error.contains("`metrics`"), "{error}");
    }
}
