//! What can go wrong with a registry, as sentences for whoever installs or publishes a plugin.

use oci_client::Reference;
use oci_client::errors::{OciDistributionError as Oci, OciErrorCode};
use std::time::Duration;

/// Bytes of what a registry says that are told on.
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
    pub(super) fn of(reference: &Reference, error: Oci) -> RegistryError {
        let registry = reference.registry().to_owned();
        let reference = reference.to_string();
        match error {
            Oci::DigestError(error) => RegistryError::Digests {
                reference,
                detail: brief(&error.to_string()),
            },
            Oci::ImageManifestNotFoundError(_) | Oci::ServerError { code: 404, .. } => {
                RegistryError::NotFound { reference }
            }
            Oci::RegistryError { envelope, .. } => {
                let codes = || envelope.errors.iter().map(|error| &error.code);
                let unknown = [
                    OciErrorCode::ManifestUnknown,
                    OciErrorCode::NameUnknown,
                    OciErrorCode::NotFound,
                    OciErrorCode::BlobUnknown,
                ];
                let denied = [OciErrorCode::Unauthorized, OciErrorCode::Denied];
                if codes().any(|code| unknown.contains(code)) {
                    RegistryError::NotFound { reference }
                } else if codes().any(|code| denied.contains(code)) {
                    RegistryError::Denied {
                        registry,
                        detail: brief(&envelope.to_string()),
                    }
                } else {
                    RegistryError::Failed {
                        registry,
                        detail: brief(&envelope.to_string()),
                    }
                }
            }
            Oci::UnauthorizedError { .. } => RegistryError::Denied {
                registry,
                detail: "not authorized".to_owned(),
            },
            Oci::AuthenticationFailure(said)
            | Oci::ServerError {
                code: 401 | 403,
                message: said,
                ..
            } => RegistryError::Denied {
                registry,
                detail: brief(&said),
            },
            Oci::RequestError(error) if error.is_connect() => RegistryError::Unreachable {
                registry,
                detail: brief(&causes(&error)),
            },
            Oci::RequestError(error) => RegistryError::Failed {
                registry,
                detail: brief(&causes(&error)),
            },
            other => RegistryError::Failed {
                registry,
                detail: brief(&other.to_string()),
            },
        }
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
fn brief(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SAID)
        .collect();
    one_line.trim().to_owned()
}
