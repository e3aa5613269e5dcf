//! Where plugins come from besides being sent: files of the host's machine, registries, a watched
//! folder; and whose signature counts. Each way ends in `Host::add_plugin`.

use crate::host::{Host, HostError, Result};
use crate::plugins::{Added, NewPlugin};
use crate::watched::Watched;
use adjutant_connect::registry::{Registries, RegistryError};
use adjutant_connect::{SIGNATURE_BYTES, Signatures};
use adjutant_model::{Origin, Refusal, Source};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a signature's file is called: the component's name and this.
pub(crate) const SIGNATURE_EXTENSION: &str = "minisig";

/// Where plugins may come from, and what they have to bring.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    /// Whose signatures count, and whether one is needed. What comes with the host needs none.
    pub signatures: Signatures,
    /// How registries are used.
    pub registries: Registries,
    /// A folder: components that are dropped into it are registered.
    pub watch: Option<PathBuf>,
}

/// What the host keeps of it.
pub(crate) struct Sources {
    pub(crate) signatures: Signatures,
    registries: Registries,
    /// None where no folder is watched.
    pub(crate) watched: Option<Watched>,
}

impl Sources {
    pub(crate) fn new(options: &SourceOptions) -> io::Result<Sources> {
        Ok(Sources {
            signatures: options.signatures.clone(),
            registries: options.registries.clone(),
            watched: options.watch.as_deref().map(Watched::new).transpose()?,
        })
    }
}

/// How plugins are bounded: what `GET /v1/status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginBounds {
    /// Bytes of a component.
    pub max_bytes: usize,
    /// How long compiling one may take, where that happens in a process of its own.
    pub compile_time: Duration,
    /// Bytes of memory that compiling one may take, likewise.
    pub compile_memory: u64,
    /// How many new ones may wait while another one is compiled.
    pub compile_queue: usize,
    /// Bytes of a manifest that a registry gives.
    pub max_manifest: u64,
    /// Bytes of any other answer of a registry.
    pub max_answer: u64,
    /// Whether a component without a signature is refused.
    pub require_signed: bool,
    /// The numbers of the keys that are trusted.
    pub trusted_keys: Vec<String>,
}

impl Host {
    /// Registers a component that lies on the host's machine; its signature may lie beside it. The path
    /// is absolute.
    ///
    /// # Errors
    /// As [`Host::add_plugin`], and where the file cannot be read.
    pub async fn add_plugin_at(&self, path: &Path, new: NewPlugin) -> Result<Added> {
        let refused = |why: String| HostError::Refused(Refusal::invalid("/path", why));
        if !path.is_absolute() {
            return Err(refused(format!(
                "{} is not absolute, and the host runs in another folder than you: give the whole path",
                path.display()
            )));
        }
        let found = read_component(path, self.inner.engine.bounds().max_bytes).await;
        let found = found.map_err(|unreadable| refused(unreadable.why))?;
        let origin = Origin::Path(path.display().to_string());
        self.add_plugin(found.into_new(new, origin)).await
    }

    /// Registers a component that the host gets from a registry.
    ///
    /// # Errors
    /// As [`Host::add_plugin`], and where the registry does not give it.
    pub async fn add_plugin_from_registry(&self, reference: &str, new: NewPlugin) -> Result<Added> {
        let pulled = self.inner.sources.registries.pull(reference).await?;
        let found = Found {
            component: pulled.component,
            signature: pulled.signature,
        };
        let origin = Origin::Registry(pulled.reference);
        self.add_plugin(found.into_new(new, origin)).await
    }

    /// How plugins are bounded.
    pub fn plugin_bounds(&self) -> PluginBounds {
        let bounds = self.inner.engine.bounds();
        let signatures = &self.inner.sources.signatures;
        let registries = self.inner.sources.registries.options();
        PluginBounds {
            max_bytes: bounds.max_bytes,
            compile_time: bounds.compile_time,
            compile_memory: bounds.compile_memory,
            compile_queue: bounds.compile_queue,
            max_manifest: registries.max_manifest,
            max_answer: registries.max_answer,
            require_signed: signatures.required(),
            trusted_keys: signatures.trusted().map(ToString::to_string).collect(),
        }
    }
}

/// A component with what came along.
pub(crate) struct Found {
    pub(crate) component: Vec<u8>,
    signature: Option<String>,
}

impl Found {
    pub(crate) fn into_new(self, new: NewPlugin, origin: Origin) -> NewPlugin {
        let reason = match new.reason.as_str() {
            "" => format!("from {origin}"),
            given => given.to_owned(),
        };
        NewPlugin {
            component: self.component,
            signature: new.signature.or(self.signature),
            origin,
            reason,
            ..new
        }
    }
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// A sentence.
    pub(crate) why: String,
    /// Whether it may be otherwise in a moment, though the file stays as it is.
    pub(crate) passes: bool,
}

/// Does work on a thread for work that blocks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(HostError::Unavailable(error.to_string())))
}

/// Reads a component and the signature beside it.
pub(crate) async fn read_component(
    path: &Path,
    max_bytes: usize,
) -> std::result::Result<Found, Unreadable> {
    let path = path.to_owned();
    let read = move || {
        let component = read_file(&path, max_bytes as u64)?.ok_or_else(|| Unreadable {
            why: format!("there is no file {}", path.display()),
            passes: false,
        })?;
        let mut beside = path.into_os_string();
        beside.push(".");
        beside.push(SIGNATURE_EXTENSION);
        let signature = read_file(Path::new(&beside), SIGNATURE_BYTES as u64)?;
        Ok(Found {
            component,
            signature: signature.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        })
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|error| {
        Err(Unreadable {
            why: error.to_string(),
            passes: true,
        })
    })
}

/// A plain file of so many bytes at most; none where there is none.
fn read_file(path: &Path, most: u64) -> std::result::Result<Option<Vec<u8>>, Unreadable> {
    let shown = path.display();
    let unreadable = |error: io::Error| Unreadable {
        why: format!("{shown} cannot be read: {error}"),
        passes: true,
    };
    let unfit = |why| Unreadable { why, passes: false };
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !found.is_file() {
        return Err(unfit(format!("{shown} is no plain file")));
    }
    let too_large = |size: u64| {
        unfit(format!(
            "{shown} has {size} bytes, and at most {most} are accepted"
        ))
    };
    if found.len() > most {
        return Err(too_large(found.len()));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    // It may have grown meanwhile.
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(Some(bytes))
}

/// A component's digest: `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest_of(component: &[u8]) -> String {
    let mut digest = String::from("sha256:");
    for byte in Sha256::digest(component) {
        // A string takes all that is written.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// Checks what a component brings along: the digest that is expected of it, and its signature.
pub(crate) fn vet(new: &NewPlugin, signatures: &Signatures) -> Result<Source> {
    if let Some(expected) = &new.digest {
        let digest = digest_of(&new.component);
        if !digest.eq_ignore_ascii_case(expected) {
            return Err(HostError::Refused(Refusal::invalid(
                "/digest",
                format!(
                    "the component's digest is {digest}, and {} was expected: it is another one, or was \
                     damaged on its way",
                    adjutant_model::text::cut(expected, 100)
                ),
            )));
        }
    }
    let signed_by = signatures
        .check(&new.component, new.signature.as_deref())
        .map_err(|error| HostError::Refused(Refusal::Denied(error.to_string())))?;
    Ok(Source {
        origin: new.origin.clone(),
        signed_by: signed_by.map(|key| key.to_string()),
    })
}

impl From<RegistryError> for HostError {
    fn from(error: RegistryError) -> Self {
        let text = error.to_string();
        match error {
            RegistryError::Reference { .. } | RegistryError::Digest { .. } => {
                HostError::Refused(Refusal::invalid("/oci", text))
            }
            RegistryError::NotFound { .. } => HostError::Refused(Refusal::NotFound(text)),
            RegistryError::Denied { .. } | RegistryError::Credentials { .. } => {
                HostError::Refused(Refusal::Denied(text))
            }
            // It is not the host that cannot answer.
            RegistryError::Unreachable { .. }
            | RegistryError::Slow { .. }
            | RegistryError::Failed { .. }
            | RegistryError::NoComponent { .. }
            | RegistryError::TooLarge { .. }
            | RegistryError::LongerThanSaid { .. }
            | RegistryError::LongAnswer { .. }
            | RegistryError::InTheOpen { .. }
            | RegistryError::Digests { .. } => HostError::Plugin(text),
        }
    }
}
