//! Ways to a node: its daemon's socket, or the same router inside this process.
//!
//! Spec: docs/OPERATIONS.md, "API".

use std::{io, path::Path};

use axum::{Router, body::Body};
use baraza_api::{API_BODY_BYTES_MAX, BodyKind, Client, Request, Response, TransportError};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, runtime::Runtime};
use tower::ServiceExt;

use crate::staff;

/// A daemon behind a socket.
pub(crate) struct SocketClient {
    runtime: Runtime,
    stream: std::sync::Mutex<Option<UnixStream>>,
    path: std::path::PathBuf,
}

/// A node inside this process. Members are dropped from the first to the last: the node
/// stops while its runtime still runs.
pub(crate) struct LocalClient<K> {
    /// Stops the node when it is dropped.
    pub(crate) _node: K,
    /// The API.
    pub(crate) router: Router,
    /// Called before a search, which must cover what was just published.
    pub(crate) before_search: Box<dyn Fn() -> Result<(), String>>,
    /// Runs the handlers.
    pub(crate) runtime: Runtime,
}

impl SocketClient {
    /// Connects to the socket of a daemon; `None` if nobody listens there.
    pub(crate) fn connect(path: &Path) -> io::Result<Option<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = match runtime.block_on(UnixStream::connect(path)) {
            Ok(stream) => stream,
            Err(error) => {
                let absent = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
                return if absent.contains(&error.kind()) { Ok(None) } else { Err(error) };
            }
        };
        let stream = std::sync::Mutex::new(Some(stream));
        Ok(Some(Self { runtime, stream, path: path.to_owned() }))
    }

    async fn exchange(&self, request: hyper::Request<Body>) -> Result<Response, TransportError> {
        let first = self.stream.lock().ok().and_then(|mut stream| stream.take());
        let stream = match first {
            Some(stream) => stream,
            None => UnixStream::connect(&self.path).await.map_err(failed("the daemon is gone"))?,
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed("the daemon does not speak HTTP"))?;
        let exchange = async {
            let reply = sender.send_request(request).await;
            let reply = reply.map_err(failed("the daemon did not answer"))?;
            take(reply.map(Body::new)).await
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            reply = &mut exchange => reply,
            _ = &mut connection => exchange.await,
        }
    }
}

impl Client for SocketClient {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.runtime.block_on(self.exchange(http_request(request)?))
    }
}

impl<K> Client for LocalClient<K> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.path.starts_with("/v1/search") {
            (self.before_search)().map_err(|what| TransportError { what, source: None })?;
        }
        let mut request = http_request(request)?;
        request.extensions_mut().insert(staff::this_process());
        self.runtime.block_on(async {
            let reply = self.router.clone().oneshot(request).await;
            take(reply.map_err(failed("the request failed"))?).await
        })
    }
}

fn http_request(request: Request) -> Result<hyper::Request<Body>, TransportError> {
    let mut builder = hyper::Request::builder().method(request.method).uri(&request.path);
    builder = builder.header("host", "localhost");
    let body = match request.body {
        None => Body::empty(),
        Some((kind, bytes)) => {
            let kind = match kind {
                BodyKind::Json => "application/json",
                BodyKind::Binary => "application/octet-stream",
            };
            builder = builder.header("content-type", kind);
            Body::from(bytes)
        }
    };
    builder.body(body).map_err(failed("the request is not valid"))
}

async fn take(reply: hyper::Response<Body>) -> Result<Response, TransportError> {
    let status = reply.status().as_u16();
    let next = reply.headers().get("baraza-next").and_then(|value| value.to_str().ok());
    let next = next.map(str::to_owned);
    let body = Limited::new(reply.into_body(), 2 * API_BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|source| TransportError {
        what: "the reply ended early".into(),
        source: Some(source),
    })?;
    Ok(Response { status, next, body: body.to_bytes().to_vec() })
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
) -> impl FnOnce(E) -> TransportError {
    move |source| TransportError { what: what.into(), source: Some(Box::new(source)) }
}
