//! What requests bring: JSON, bytes and query members.
//!
//! Invariant: a query member that the path does not know is an error, never ignored: a
//! misspelt filter would otherwise show everything.
//! Spec: docs/OPERATIONS.md, "API".

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{header::CONTENT_TYPE, request::Parts},
};
use baraza_api::Filter;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Media type of frames and of single records.
pub const OCTETS: &str = "application/octet-stream";

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(value)| Self(value)).map_err(|error| Failure::bad_request(error.body_text()))
    }
}

/// A body of bytes. Its media type must be [`OCTETS`], which no page of another origin can
/// send without being asked first.
pub(crate) struct Octets(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Octets {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != OCTETS) {
            return Err(Failure::bad_request(format!("the body must be {OCTETS}")));
        }
        let body = Bytes::from_request(request, state).await;
        body.map(Self).map_err(|error| Failure::bad_request(error.body_text()))
    }
}

/// The one variable part of a path.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|error| Failure::bad_request(error.body_text()))
    }
}

/// The members of a query that are not taken yet.
#[derive(Debug)]
pub(crate) struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Failure::bad_request(error.body_text()))?;
        Self::new(pairs)
    }
}

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Result<Self, Failure> {
        let mut members = BTreeMap::new();
        for (name, value) in pairs {
            if members.contains_key(&name) {
                return Err(Failure::bad_request(format!("query member `{name}` is repeated")));
            }
            members.insert(name, value);
        }
        Ok(Self(members))
    }

    /// Takes a member as text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes a member as what `T` reads.
    pub(crate) fn take<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Failure> {
        let parse = |value: String| {
            value.parse().map_err(|error| {
                Failure::bad_request(format!("query member `{name}`: `{value}`: {error}"))
            })
        };
        self.text(name).map(parse).transpose()
    }

    /// Takes the members of a filter.
    pub(crate) fn filter(&mut self) -> Filter {
        Filter {
            kind: self.text("kind"),
            country: self.text("country"),
            region: self.text("region"),
            sdg: self.text("sdg"),
            language: self.text("language"),
            centre: self.text("centre"),
            accredited_by: self.text("accredited_by"),
            since: self.text("since"),
            until: self.text("until"),
        }
    }

    /// Ends the taking: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.0.keys().next() {
            Some(name) => Err(Failure::bad_request(format!("unknown query member `{name}`"))),
            None => Ok(()),
        }
    }
}
