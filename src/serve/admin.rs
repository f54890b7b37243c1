//! The admin listener: `/metrics`, `/healthz`, `/readyz`, over HTTP/1.1 (RFC 9112).
//!
//! For monitoring on this host or in its network: nobody authenticates, nothing can be changed, and
//! nothing about any message is told. A connection has one request, and its body is never read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::Full;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::ALLOW;
use hyper::header::CACHE_CONTROL;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use prometheus::Registry;
use prometheus::TEXT_FORMAT;
use prometheus::TextEncoder;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;

use super::holdings::Holdings;
use super::site::Site;
use crate::telemetry::logging::chain;

/// What the admin listener tells, and how long it listens to one peer.
#[derive(Clone, Debug)]
pub struct Admin {
    /// What `/metrics` tells.
    pub registry: Registry,
    /// What `/readyz` asks.
    pub site: Arc<Site>,
    /// What is looked at for `/metrics`, because nobody tells when it changes.
    pub holdings: Option<Arc<Holdings>>,
    /// How long a peer may take for the header of its request. Default 10 seconds.
    pub header_time: Duration,
    /// How long a connection may take in all. Default 30 seconds.
    pub connection_time: Duration,
}

impl Admin {
    /// One with the default times.
    #[must_use]
    pub const fn new(registry: Registry, site: Arc<Site>) -> Self {
        Self {
            registry,
            site,
            holdings: None,
            // Monitoring sends its request at once; this is for a network that loses packets.
            header_time: Duration::from_secs(10),
            // Prometheus gives up after scrape_timeout, by default 10 seconds.
            connection_time: Duration::from_secs(30),
        }
    }

    /// Answers on `listener` until `shutdown` is ready, then ends what it had begun to answer.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let admin = Arc::new(self);
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        // A connection beyond the bound waits in the kernel's queue.
        while let Some(Ok(place)) = before(shutdown.as_mut(), free.clone().acquire_owned()).await {
            while connections.try_join_next().is_some() {}
            let stream = match before(shutdown.as_mut(), listener.accept()).await {
                None => break,
                Some(Ok((stream, _))) => stream,
                Some(Err(error)) => {
                    // Too many files are open, most often; nothing gets better by asking at once.
                    tracing::warn!("admin connection not accepted: {}", chain(&error));
                    let _or_stop = before(shutdown.as_mut(), sleep(PAUSE)).await;
                    continue;
                }
            };
            let (admin, stopping) = (Arc::clone(&admin), stopping.clone());
            connections.spawn(async move {
                admin.converse(stream, stopping).await;
                drop(place);
            });
        }
        drop((listener, stop));
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN, ended).await.is_err() {
            tracing::debug!("admin connections were cut off");
        }
    }

    async fn converse(&self, stream: TcpStream, mut stopping: watch::Receiver<()>) {
        let service =
            service_fn(|request| async move { Ok::<_, Infallible>(self.answer(&request).await) });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.header_time)
            .max_buf_size(HEADER_OCTETS)
            .keep_alive(false);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let whole = async {
            let stopped = pin!(async {
                // Ends when the sender is dropped.
                while stopping.changed().await.is_ok() {}
            });
            if let Some(ended) = before(stopped, connection.as_mut()).await {
                return ended;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        match timeout(self.connection_time, whole).await {
            Ok(Ok(())) => {}
            // A peer's oddity, and whoever can reach us here could fill the log with it.
            Ok(Err(error)) => tracing::debug!("admin connection failed: {}", chain(&error)),
            Err(_) => tracing::debug!("admin connection took too long"),
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let known = ["/healthz", "/metrics", "/readyz"].contains(&path);
        match (known, request.method()) {
            (true, &Method::GET | &Method::HEAD) => {
                if let (Some(holdings), "/metrics") = (&self.holdings, path) {
                    holdings.tell().await;
                }
                self.page(path)
            }
            (true, _) => {
                let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
                let allowed = HeaderValue::from_static("GET, HEAD");
                refusal.headers_mut().insert(ALLOW, allowed);
                refusal
            }
            (false, _) => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /readyz\n",
            ),
        }
    }

    fn page(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/metrics" => match TextEncoder::new().encode_to_string(&self.registry.gather()) {
                Ok(metrics) => {
                    let mut page = text(StatusCode::OK, metrics);
                    let format = HeaderValue::from_static(TEXT_FORMAT);
                    page.headers_mut().insert(CONTENT_TYPE, format);
                    page
                }
                Err(error) => {
                    tracing::error!("metrics cannot be written: {}", chain(&error));
                    text(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n")
                }
            },
            "/readyz" => {
                if self.site.is_stuck() {
                    text(StatusCode::SERVICE_UNAVAILABLE, STUCK)
                } else {
                    text(StatusCode::OK, "ready\n")
                }
            }
            _ => text(StatusCode::OK, "alive\n"),
        }
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What `work` comes to; `None` when `stop` is ready first.
async fn before<T>(
    mut stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match stop.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

/// What is missing where no message would be worked on.
const STUCK: &str = "work: every turn is held by work that is past its time ([limits] work): see the log, and \
                     restart domsec if this stays\n";
/// Connections at once. A monitoring system has one, a person some more; each takes some 20 KiB.
const CONNECTIONS: usize = 64;
/// Octets of a request's header; 8,192 is the least that hyper knows, and Prometheus sends 400.
const HEADER_OCTETS: usize = 8_192;
/// Time between a connection that could not be accepted and the next try.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what was begun may take after shutdown; the answers are in memory.
const DRAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::runtime::Builder;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;
    use crate::serve::site::tests::site;
    use crate::serve::site::tests::stuck;
    use crate::telemetry::metrics::Metrics;

    const HEADER_TIME: Duration = Duration::from_millis(200);

    /// An admin listener on a socket of its own, its site and what stops it.
    struct Running {
        address: SocketAddr,
        site: Arc<Site>,
        stop: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn start() -> Running {
        let registry = Registry::new();
        let _metrics = Metrics::new(&registry).unwrap();
        let site = site();
        let admin = Admin {
            header_time: HEADER_TIME,
            connection_time: HEADER_TIME * 5,
            ..Admin::new(registry, Arc::clone(&site))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(admin.serve(listener, async {
            if stopped.await.is_err() {
                // This test does not stop it.
                std::future::pending().await
            }
        }));
        Running {
            address,
            site,
            stop,
            task,
        }
    }

    /// Runs one test, which is to take far less than ten seconds.
    fn within<F: Future<Output = ()>>(test: F) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let done = runtime.block_on(async { timeout(Duration::from_secs(10), test).await });
        done.unwrap();
    }

    /// All that comes back until the connection ends.
    async fn exchange(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        rest(&mut stream).await
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut octets = Vec::new();
        // A reset after the answer ends it as well.
        let _either_way = stream.read_to_end(&mut octets).await;
        String::from_utf8(octets).unwrap()
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        exchange(address, request.as_bytes()).await
    }

    #[test]
    fn metrics_are_told_in_prometheus_text() {
        within(async {
            let running = start().await;
            let page = get(running.address, "/metrics").await;
            assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
            assert!(page.contains("content-type: text/plain; version=0.0.4\r\n"));
            assert!(page.contains("\n# TYPE domsec_panics_total counter\n"));
            assert!(page.contains("connection: close\r\n"), "{page}");
        });
    }

    #[test]
    fn readiness_names_what_is_missing() {
        within(async {
            let running = start().await;
            let address = running.address;
            let stuck = stuck(&running.site);
            let page = get(address, "/readyz").await;
            assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
            assert!(page.contains("\r\n\r\nwork: every turn is held"), "{page}");
            assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
            drop(stuck);
            let page = get(address, "/readyz?verbose").await;
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        });
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        within(async {
            let address = start().await.address;
            let page = get(address, "/metrics/").await;
            assert!(page.starts_with("HTTP/1.1 404 "), "{page}");
            let post = b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
            let page = exchange(address, post).await;
            assert!(page.starts_with("HTTP/1.1 405 "), "{page}");
            assert!(page.contains("allow: GET, HEAD\r\n"), "{page}");
        });
    }

    #[test]
    fn a_head_has_the_length_and_no_body() {
        within(async {
            let address = start().await.address;
            let page = exchange(address, b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
            assert!(page.contains("content-length: 6\r\n"), "{page}");
            assert!(page.ends_with("\r\n\r\n"), "{page}");
        });
    }

    #[test]
    fn a_body_is_not_waited_for() {
        within(async {
            let address = start().await.address;
            let get = b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nx";
            let page = exchange(address, get).await;
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        });
    }

    #[test]
    fn garbage_is_refused_and_the_next_is_served() {
        within(async {
            let address = start().await.address;
            let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
            for garbage in [b"\x16\x03\x01\x02\0\r\n\r\n".as_slice(), long.as_bytes()] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _reset = stream.write_all(garbage).await;
                let page = rest(&mut stream).await;
                assert!(page.is_empty() || page.starts_with("HTTP/1.1 4"), "{page}");
            }
            assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
        });
    }

    #[test]
    fn who_writes_slowly_is_cut_off() {
        within(async {
            let address = start().await.address;
            let mut stream = TcpStream::connect(address).await.unwrap();
            let begun = Instant::now();
            let mut open = true;
            while open {
                sleep(HEADER_TIME / 10).await;
                let mut octet = [0];
                let _broken = stream.write_all(b"G").await;
                let read = timeout(HEADER_TIME / 10, stream.read(&mut octet)).await;
                open = read.is_err();
            }
            assert!(begun.elapsed() >= HEADER_TIME / 2);
        });
    }

    #[test]
    fn silent_peers_do_not_keep_others_out_for_long() {
        within(async {
            let address = start().await.address;
            let mut silent = Vec::new();
            for _ in 0..CONNECTIONS {
                silent.push(TcpStream::connect(address).await.unwrap());
            }
            // The one beyond the bound waits until the silent are cut off.
            let page = get(address, "/healthz").await;
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        });
    }

    #[test]
    fn shutdown_ends_silent_connections_and_answers_no_more() {
        within(async {
            let running = start().await;
            let mut silent = TcpStream::connect(running.address).await.unwrap();
            assert!(get(running.address, "/healthz").await.contains("alive"));
            running.stop.send(()).unwrap();
            running.task.await.unwrap();
            assert_eq!(rest(&mut silent).await, "");
            assert!(TcpStream::connect(running.address).await.is_err());
        });
    }
}
