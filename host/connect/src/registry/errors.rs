//! What can go wrong with a registry, as sentences for whoever installs or publishes a plugin.

use oci_client::Reference;
use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::{StatusCode, Url};
use std::time::Duration;

/// Characters of what a registry says that are told on.
const SAID: usize = 500;

/// Why a component could not be pulled or pushed. Nothing has changed here.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference cannot be read.
    #[error(
        "{text:?} is no reference to a component in a registry: {why}. Write it as registry/name:tag or \
         registry/name@sha256:…, such as ghcr.io/ada/reviewer:0.1.0."
    )]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something is to be pushed to where its own content has to lead.
    #[error("{reference} has a digest, which is not known before the push: give it a tag only.")]
    Digest {
        /// The reference.
        reference: String,
    },
    /// There is nothing of that name.
    #[error(
        "There is no {reference}: the registry knows no such name or tag. Look at how it is written, or \
         push it first with `adjutant plugin push`."
    )]
    NotFound {
        /// The reference.
        reference: String,
    },
    /// The registry does not let this user do that.
    #[error(
        "The registry {registry} does not let this user do that ({detail}). Log in with `docker login \
         {registry}`, or give the login in DOCKER_AUTH_CONFIG, where the host runs."
    )]
    Denied {
        /// The registry.
        registry: String,
        /// What it says.
        detail: String,
    },
    /// The login that is kept for a registry cannot be read.
    #[error(
        "The login that is kept for {registry} cannot be read: {detail}. Mend the docker configuration or \
         log in again."
    )]
    Credentials {
        /// The registry.
        registry: String,
        /// Why not.
        detail: String,
    },
    /// Nobody answers.
    #[error(
        "The registry {registry} cannot be reached: {detail}. Look at its name and port; one without \
         encryption on another machine has to be named in `plain_http` in the host's `[plugins]`."
    )]
    Unreachable {
        /// The registry.
        registry: String,
        /// Why not.
        detail: String,
    },
    /// It took too long.
    #[error("The registry {registry} took longer than {} s; try again.", .limit.as_secs())]
    Slow {
        /// The registry.
        registry: String,
        /// The limit.
        limit: Duration,
    },
    /// What is there is no component.
    #[error(
        "{reference} is no WebAssembly component: it holds {found}, and one layer of the type \
         application/wasm is wanted. Push it with `adjutant plugin push` or `wkg oci push`."
    )]
    NoComponent {
        /// The reference.
        reference: String,
        /// What there is instead.
        found: String,
    },
    /// The component is larger than this host takes.
    #[error("{reference} has {size} bytes, and this host accepts at most {limit}.")]
    TooLarge {
        /// The reference.
        reference: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The registry sends more than it said.
    #[error(
        "The registry sends more for {reference} than the {announced} bytes that its manifest says: it is \
         broken, or not to be trusted."
    )]
    LongerThanSaid {
        /// The reference.
        reference: String,
        /// What the manifest says.
        announced: u64,
    },
    /// An answer is larger than this host takes.
    #[error(
        "The registry {registry} sends {what} of more than {limit} bytes: it is broken, or not to be \
         trusted. Should that be right, raise `{setting}` in the host's `[plugins]`."
    )]
    LongAnswer {
        /// The registry.
        registry: String,
        /// What it sends, with its article.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// The limit's name.
        setting: &'static str,
    },
    /// The registry leads to a place that is not encrypted.
    #[error(
        "The registry {registry} leads to {place}, which is not encrypted: nothing is asked there and no \
         login sent. Have it lead to https. Only one that is itself spoken to over plain HTTP may lead to \
         plain HTTP, at places that `plain_http` in the host's `[plugins]` names; logins only to its own host."
    )]
    InTheOpen {
        /// The registry.
        registry: String,
        /// Where it leads.
        place: String,
    },
    /// The content is not what the digest says.
    #[error(
        "What the registry sends for {reference} is not what its digest says ({detail}): it was damaged or \
         exchanged. Do not use it."
    )]
    Digests {
        /// The reference.
        reference: String,
        /// Both digests.
        detail: String,
    },
    /// Anything else.
    #[error("The registry {registry} cannot be used: {detail}")]
    Failed {
        /// The registry.
        registry: String,
        /// What happened.
        detail: String,
    },
}

impl RegistryError {
    /// What it means that a registry answers with a status other than success.
    pub(super) fn answered(
        reference: &Reference,
        status: StatusCode,
        body: &[u8],
    ) -> RegistryError {
        let registry = reference.registry().to_owned();
        let reference = reference.to_string();
        let said = match serde_json::from_slice::<OciEnvelope>(body) {
            Ok(envelope) => envelope,
            Err(_) => OciEnvelope { errors: Vec::new() },
        };
        let says = |wanted: &[OciErrorCode]| {
            let mut codes = said.errors.iter().map(|error| &error.code);
            codes.any(|code| wanted.contains(code))
        };
        let unknown = [
            OciErrorCode::ManifestUnknown,
            OciErrorCode::NameUnknown,
            OciErrorCode::NotFound,
            OciErrorCode::BlobUnknown,
        ];
        let denied = [OciErrorCode::Unauthorized, OciErrorCode::Denied];
        let detail = match said.errors.as_slice() {
            [] => String::from_utf8_lossy(body).into_owned(),
            _ => said.to_string(),
        };
        let detail = brief(&detail);
        if says(&unknown) {
            RegistryError::NotFound { reference }
        } else if says(&denied) || [401, 403].contains(&status.as_u16()) {
            RegistryError::Denied {
                registry,
                detail: match detail.as_str() {
                    "" => "not authorized".to_owned(),
                    _ => detail,
                },
            }
        } else if status == StatusCode::NOT_FOUND {
            RegistryError::NotFound { reference }
        } else {
            RegistryError::Failed {
                registry,
                detail: format!("it answers {status}: {detail}"),
            }
        }
    }

    /// What it means that a request got no answer, or not all of it.
    pub(super) fn broken(reference: &Reference, error: reqwest::Error) -> RegistryError {
        let registry = reference.registry().to_owned();
        let place = error.url().map(place).filter(|place| *place != registry);
        // An address may have a secret in its query, as those that are signed beforehand have.
        let error = error.without_url();
        let at = place.map(|place| format!("at {place}, "));
        let detail = brief(&(at.unwrap_or_default() + &causes(&error)));
        if error.is_connect() {
            RegistryError::Unreachable { registry, detail }
        } else {
            RegistryError::Failed { registry, detail }
        }
    }
}

/// A URL's host, with its port where that is not the usual one.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// What a registry says is its own, and as long as it likes.
pub(super) fn brief(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SAID)
        .collect();
    one_line.trim().to_owned()
}
