//! Who a user is to a registry, as `docker login` has kept it.

use super::RegistryError;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::Reference;
use std::path::PathBuf;

/// The environment variable with a docker configuration as JSON, read before the file.
const AUTH_VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// Who a user is. Never shown.
pub(super) enum Login {
    /// Nobody in particular.
    Nobody,
    /// A name and a password.
    Password(String, String),
    /// A token, for the registry itself.
    Token(String),
}

impl Login {
    /// The login that is kept for a registry; nobody where there is none.
    pub(super) async fn of(reference: &Reference) -> Result<Login, RegistryError> {
        let registry = reference.registry().to_owned();
        let host = registry.clone();
        let look = move || match std::env::var(AUTH_VARIABLE) {
            Ok(json) => docker_credential::get_credential_from_reader(json.as_bytes(), &host),
            Err(_) if !has_logins() => Err(CredentialRetrievalError::ConfigNotFound),
            // May ask another program, which takes its time.
            Err(_) => docker_credential::get_credential(&host),
        };
        let found = tokio::task::spawn_blocking(look).await;
        match found {
            Ok(Ok(DockerCredential::UsernamePassword(name, password))) => {
                Ok(Login::Password(name, password))
            }
            Ok(Ok(DockerCredential::IdentityToken(token))) => Ok(Login::Token(token)),
            Ok(Err(
                CredentialRetrievalError::ConfigNotFound
                | CredentialRetrievalError::NoCredentialConfigured,
            )) => Ok(Login::Nobody),
            Ok(Err(error)) => Err(RegistryError::Credentials {
                registry,
                detail: match error {
                    // The rest of what a helper says may be a secret.
                    CredentialRetrievalError::HelperFailure { helper, .. } => {
                        format!("the helper {helper} failed")
                    }
                    other => other.to_string(),
                },
            }),
            Err(error) => Err(RegistryError::Credentials {
                registry,
                detail: error.to_string(),
            }),
        }
    }
}

/// Whether there is a docker configuration at all.
fn has_logins() -> bool {
    let given = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let folder = given.or_else(usual);
    folder.is_some_and(|folder| folder.join("config.json").exists())
}
