//! One conversation with one registry over HTTP.
//!
//! Invariants:
//! - No more of an answer is taken in than its bound.
//! - Nothing is asked in the open but where the registry itself is spoken to in the open; see [`Roads`].
//! - A login goes to the registry itself and to where it says that logins go, and nowhere else: not where it
//!   has content uploaded or downloaded elsewhere, and in the open through no proxy.

mod roads;

use super::errors::{brief, place};
use super::login::Login;
use super::{RegistryError, RegistryOptions, use_tls};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::ChallengeParser;
use oci_client::Reference;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use roads::Roads;
use serde::Deserialize;
use std::time::Duration;

/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// What is taken in, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// As large as the limit for manifests.
    Manifest,
    /// As large as the limit for other answers.
    Token,
    /// As large as its manifest says.
    Blob(u64),
}

/// A conversation with the registry of a reference.
pub(super) struct Wire<'a> {
    reference: &'a Reference,
    options: &'a RegistryOptions,
    client: Client,
    roads: Roads,
    /// What the registry is shown to say who asks.
    authorization: Option<HeaderValue>,
}

impl<'a> Wire<'a> {
    /// Finds out what the registry wants to know of who asks, and logs in for these actions.
    pub(super) async fn open(
        reference: &'a Reference,
        options: &'a RegistryOptions,
        login: Login,
        actions: &str,
    ) -> Result<Wire<'a>, RegistryError> {
        let roads = Roads::of(reference, options).map_err(|why| failed(reference, why))?;
        let mut wire = Wire {
            client: client(reference, &roads)?,
            reference,
            options,
            roads,
            authorization: None,
        };
        wire.authorization = wire.log_in(login, actions).await?;
        Ok(wire)
    }

    /// A request for a place of the reference's name, such as `manifests/0.1.0`.
    pub(super) fn request(
        &self,
        method: Method,
        place: &str,
    ) -> Result<RequestBuilder, RegistryError> {
        let name = self.reference.repository();
        let url = self.roads.root().join(&format!("{name}/{place}"));
        let url = url.map_err(|error| failed(self.reference, error.to_string()))?;
        self.request_to(method, url)
    }

    fn request_to(&self, method: Method, url: Url) -> Result<RequestBuilder, RegistryError> {
        if !self.roads.may_lead_to(&url) {
            return Err(self.in_the_open(&url));
        }
        let is_registry = url.origin() == self.roads.root().origin();
        let request = self.client.request(method, url);
        Ok(match &self.authorization {
            Some(value) if is_registry => request.header(AUTHORIZATION, value.clone()),
            _ => request,
        })
    }

    /// Sends a request, and gives back an answer that says that all went well.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, RegistryError> {
        let sent = request.send().await;
        let response = sent.map_err(|error| RegistryError::broken(self.reference, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    /// Takes an answer in, up to its bound, and shows each part of it as it comes.
    pub(super) async fn take(
        &self,
        mut response: Response,
        answer: Answer,
        mut part: impl FnMut(&[u8]),
    ) -> Result<Vec<u8>, RegistryError> {
        let most = match answer {
            Answer::Manifest => self.options.max_manifest,
            Answer::Token => self.options.max_answer,
            Answer::Blob(announced) => announced,
        };
        if response
            .content_length()
            .is_some_and(|length| length > most)
        {
            return Err(self.too_long(answer));
        }
        let mut bytes = Vec::new();
        loop {
            let next = response.chunk().await;
            let next = next.map_err(|error| RegistryError::broken(self.reference, error))?;
            let Some(next) = next else {
                return Ok(bytes);
            };
            if (bytes.len() + next.len()) as u64 > most {
                return Err(self.too_long(answer));
            }
            part(&next);
            bytes.extend_from_slice(&next);
        }
    }

    /// Puts content into the registry, under its digest.
    pub(super) async fn upload(
        &self,
        content: impl Into<reqwest::Body>,
        digest: &str,
    ) -> Result<(), RegistryError> {
        let request = self.request(Method::POST, "blobs/uploads/")?;
        let begun = self.send(request.header(CONTENT_LENGTH, 0)).await?;
        let place = begun.headers().get(LOCATION);
        let place = place.and_then(|place| begun.url().join(place.to_str().ok()?).ok());
        let Some(mut place) = place else {
            return Err(failed(self.reference, "it does not say where to upload to"));
        };
        place.query_pairs_mut().append_pair("digest", digest);
        let request = self.request_to(Method::PUT, place)?;
        let request = request.header(CONTENT_TYPE, "application/octet-stream");
        self.send(request.body(content)).await.map(drop)
    }

    async fn log_in(
        &self,
        login: Login,
        actions: &str,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        if let Login::Token(token) = login {
            return self.shown(format!("Bearer {token}")).map(Some);
        }
        let asked = self.client.get(self.roads.root().clone()).send().await;
        let asked = asked.map_err(|error| RegistryError::broken(self.reference, error))?;
        match (Challenge::of(asked.headers()), login) {
            (Some(Challenge::Bearer { realm, service }), login) => {
                let url = self.token_url(&realm, service.as_deref(), actions)?;
                let token = self.token(url, login).await?;
                self.shown(format!("Bearer {token}")).map(Some)
            }
            (Some(Challenge::Other), Login::Password(name, password)) => {
                let pair = STANDARD.encode(format!("{name}:{password}"));
                self.shown(format!("Basic {pair}")).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Where a token is fetched, if that is a place where a login may go.
    fn token_url(
        &self,
        realm: &str,
        service: Option<&str>,
        actions: &str,
    ) -> Result<Url, RegistryError> {
        let url = Url::parse(realm).map_err(|error| {
            let realm = brief(realm);
            failed(
                self.reference,
                format!("it says that logins go to {realm:?}, which is no address: {error}"),
            )
        });
        let mut url = url?;
        if !self.roads.may_log_in_at(&url) {
            return Err(self.in_the_open(&url));
        }
        let scope = format!("repository:{}:{actions}", self.reference.repository());
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        Ok(url)
    }

    async fn token(&self, url: Url, login: Login) -> Result<String, RegistryError> {
        /// The token is under one of two names.
        #[derive(Deserialize)]
        struct Given {
            token: Option<String>,
            access_token: Option<String>,
        }

        let mut request = self.client.get(url);
        if let Login::Password(name, password) = login {
            request = request.basic_auth(name, Some(password));
        }
        let response = self.send(request).await?;
        let bytes = self.take(response, Answer::Token, |_| {}).await?;
        // What it holds is a secret, so its errors are not shown.
        let given = serde_json::from_slice::<Given>(&bytes).ok();
        let token = given.and_then(|given| given.token.or(given.access_token));
        token.ok_or_else(|| failed(self.reference, "it gives no token to whoever logs in"))
    }

    fn shown(&self, value: String) -> Result<HeaderValue, RegistryError> {
        let value = HeaderValue::try_from(value);
        let mut value = value
            .map_err(|_| failed(self.reference, "the login cannot be written in a request"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What it means that a registry refuses. Of what it says no more is taken in than of any other answer,
    /// and its beginning is told.
    async fn refused(&self, mut response: Response) -> RegistryError {
        let status = response.status();
        let mut said = Vec::new();
        while let Ok(Some(part)) = response.chunk().await {
            let room = usize::try_from(self.options.max_answer).unwrap_or(usize::MAX) - said.len();
            said.extend_from_slice(&part[..part.len().min(room)]);
            if part.len() >= room {
                break;
            }
        }
        RegistryError::answered(self.reference, status, &said)
    }

    fn too_long(&self, answer: Answer) -> RegistryError {
        let (what, limit, setting) = match answer {
            Answer::Manifest => ("a manifest", self.options.max_manifest, "max_manifest"),
            Answer::Token => ("a token", self.options.max_answer, "max_answer"),
            Answer::Blob(announced) => {
                return RegistryError::LongerThanSaid {
                    reference: self.reference.to_string(),
                    announced,
                };
            }
        };
        RegistryError::LongAnswer {
            registry: self.reference.registry().to_owned(),
            what,
            limit,
            setting,
        }
    }

    fn in_the_open(&self, url: &Url) -> RegistryError {
        // Without a query, which may hold a secret.
        RegistryError::InTheOpen {
            registry: self.reference.registry().to_owned(),
            place: brief(&format!("{}://{}", url.scheme(), place(url))),
        }
    }
}

/// What a registry wants to know of who asks.
enum Challenge {
    /// A token from somewhere.
    Bearer {
        realm: String,
        service: Option<String>,
    },
    /// A name and a password, or something else.
    Other,
}

impl Challenge {
    /// None where it wants to know nothing.
    fn of(headers: &HeaderMap) -> Option<Challenge> {
        let mut asked = headers.get_all(WWW_AUTHENTICATE).iter().peekable();
        asked.peek()?;
        let mut texts = asked.filter_map(|value| value.to_str().ok());
        Some(
            texts
                .find_map(Challenge::bearer)
                .unwrap_or(Challenge::Other),
        )
    }

    fn bearer(text: &str) -> Option<Challenge> {
        ChallengeParser::new(text).flatten().find_map(|one| {
            if !one.scheme.eq_ignore_ascii_case("Bearer") {
                return None;
            }
            let named = |wanted: &str| {
                let mut all = one.params.iter();
                let found = all.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.to_unescaped())
            };
            Some(Challenge::Bearer {
                realm: named("realm")?,
                service: named("service"),
            })
        })
    }
}

fn client(reference: &Reference, roads: &Roads) -> Result<Client, RegistryError> {
    use_tls();
    let mut client = Client::builder();
    if roads.root().scheme() == "http" {
        // A proxy of the environment would be told what goes over plain HTTP, logins too, and has no way to
        // this machine.
        client = client.no_proxy();
    }
    let client = client
        .user_agent(concat!("adjutant/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .referer(false)
        .redirect(roads.redirects())
        .build();
    client.map_err(|error| {
        failed(
            reference,
            format!(
                "there can be no encrypted connections on this machine ({error}); install its \
                 certificates, such as Debian's package ca-certificates"
            ),
        )
    })
}

fn failed(reference: &Reference, detail: impl Into<String>) -> RegistryError {
    RegistryError::Failed {
        registry: reference.registry().to_owned(),
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests;
