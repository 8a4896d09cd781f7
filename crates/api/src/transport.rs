//! What carries a request to a node: a socket, or a call inside the process.
//!
//! Spec: docs/OPERATIONS.md, "API".

use serde::{Serialize, de::DeserializeOwned};

use crate::{ErrorBody, ErrorCode};

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// UTF-8 JSON.
    Json,
    /// Frames of a bundle, or a single record.
    Binary,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Body, if any.
    pub body: Option<(BodyKind, Vec<u8>)>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Where the next page starts (header `baraza-next`).
    pub next: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TransportError {
    /// What was tried.
    pub what: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A way to a node. Calls block.
pub trait Client {
    /// Sends a request and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if there is none; a reply that reports a failure is a reply.
    fn send(&self, request: Request) -> Result<Response, TransportError>;
}

impl dyn Client + '_ {
    /// Gets JSON.
    ///
    /// # Errors
    ///
    /// What the node reports, or that it could not be reached.
    pub fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, ErrorBody> {
        let response = self.call(Request { method: "GET", path: path.into(), body: None })?;
        parse(&response.body)
    }

    /// Posts JSON and gets JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn post<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<T, ErrorBody> {
        self.send_json("POST", path.into(), body)
    }

    /// Puts JSON and gets JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn put<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<T, ErrorBody> {
        self.send_json("PUT", path.into(), body)
    }

    /// Deletes what the path names.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn delete(&self, path: impl Into<String>) -> Result<(), ErrorBody> {
        self.call(Request { method: "DELETE", path: path.into(), body: None }).map(|_| ())
    }

    fn send_json<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: String,
        body: &impl Serialize,
    ) -> Result<T, ErrorBody> {
        let json = serde_json::to_vec(body)
            .map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        let body = Some((BodyKind::Json, json));
        parse(&self.call(Request { method, path, body })?.body)
    }

    /// Sends a request; a reply that reports a failure becomes an error.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn call(&self, request: Request) -> Result<Response, ErrorBody> {
        let response = self.send(request).map_err(|error| {
            let cause = error.source.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            ErrorBody::new(ErrorCode::Offline, format!("{}{cause}", error.what))
        })?;
        match response.status {
            200..=299 => Ok(response),
            _ => Err(parse(&response.body).unwrap_or_else(|_| {
                ErrorBody::new(ErrorCode::Internal, format!("status {}", response.status))
            })),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ErrorBody> {
    serde_json::from_slice(body).map_err(|error| {
        ErrorBody::new(ErrorCode::Internal, format!("the node's reply does not parse: {error}"))
    })
}
