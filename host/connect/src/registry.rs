//! Components in OCI registries, as the Wasm ecosystem keeps them: a manifest with the configuration
//! `application/vnd.wasm.config.v0+json` and one layer `application/wasm`, which is the component.
//!
//! A signature travels in the manifest's annotation [`SIGNATURE_ANNOTATION`].
//!
//! Invariants:
//! - What is given back has the digest that the manifest says, and the manifest the one that the
//!   reference says, where it says one.
//! - No more than the limit is ever taken in of a component, whatever the registry says its size is.
//! - Names and passwords go to the registry that they are kept for, and over plain HTTP only to this
//!   machine or where the operator says so.

mod errors;

pub use errors::RegistryError;

use crate::signing::{decode_signature, encode_signature};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// Where a signature lies: the content of a `.minisig` file, in base64.
pub const SIGNATURE_ANNOTATION: &str = "adjutant.signature.minisign";

/// The environment variable with a docker configuration as JSON, read before the file.
const AUTH_VARIABLE: &str = "DOCKER_AUTH_CONFIG";
const LAYER: &str = "application/wasm";
/// As some pushed before the media types were agreed on.
const OLD_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Characters of a reference.
const MOST_REFERENCE: usize = 1_000;

/// How registries are used.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Bytes that a component may have.
    pub max_bytes: u64,
    /// Registries, as `host` or `host:port`, that are spoken to over plain HTTP. Those on this machine
    /// always are.
    pub plain_http: Vec<String>,
    /// How long one pull or push may take.
    pub timeout: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        RegistryOptions {
            max_bytes: 64 << 20,
            plain_http: Vec::new(),
            timeout: Duration::from_secs(120),
        }
    }
}

/// A component from a registry.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Its signature, where there is one: the content of a `.minisig` file.
    pub signature: Option<String>,
    /// Where it came from, with the manifest's digest: `registry/name:tag@sha256:…`.
    pub reference: String,
}

/// A component on its way to a registry.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Its signature, where there is one.
    pub signature: Option<String>,
    /// What it imports, such as `adjutant:agent/channels@0.1.0`.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What registries show of it: a title, a version, a description, authors, licences, a URL, under
    /// the names after `org.opencontainers.image.`.
    pub about: BTreeMap<String, String>,
}

/// Registries, in one way of using them.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    options: RegistryOptions,
}

impl Registries {
    /// With these options.
    pub fn new(options: RegistryOptions) -> Registries {
        Registries { options }
    }

    /// Gets a component by its reference: `registry/name:tag`, `registry/name@sha256:…` or both.
    ///
    /// # Errors
    /// Says what is wrong with the reference, the registry or what it gave.
    pub async fn pull(&self, reference: &str) -> Result<Pulled, RegistryError> {
        let reference = parse(reference)?;
        self.within(&reference, self.pull_from(&reference)).await
    }

    async fn pull_from(&self, from: &Reference) -> Result<Pulled, RegistryError> {
        let client = self.client(from)?;
        let auth = auth(from).await?;
        let failed = |error| RegistryError::of(from, error);
        let pulled = client.pull_manifest(from, &auth).await;
        let (manifest, digest) = pulled.map_err(failed)?;
        let OciManifest::Image(manifest) = manifest else {
            return Err(RegistryError::NoComponent {
                reference: from.to_string(),
                found: "an index of several artifacts".to_owned(),
            });
        };
        let layer = component_of(from, &manifest)?;
        let announced = u64::try_from(layer.size).unwrap_or(u64::MAX);
        let too_large = |size| RegistryError::TooLarge {
            reference: from.to_string(),
            size,
            limit: self.options.max_bytes,
        };
        if announced > self.options.max_bytes {
            return Err(too_large(announced));
        }
        let mut component = Bounded::new(announced);
        let pulled = client.pull_blob(from, layer, &mut component).await;
        if component.is_over {
            return Err(RegistryError::LongerThanSaid {
                reference: from.to_string(),
                announced,
            });
        }
        pulled.map_err(failed)?;
        let annotations = manifest.annotations.unwrap_or_default();
        let signature = annotations.get(SIGNATURE_ANNOTATION);
        let signature = signature.map(|encoded| decode_signature(encoded).unwrap_or_default());
        Ok(Pulled {
            component: component.bytes,
            signature,
            reference: pinned(from, &digest),
        })
    }

    /// Puts a component where the reference says: `registry/name:tag`. Gives back the reference with the
    /// digest by which that very content is found for ever. The same component again has the same one.
    ///
    /// # Errors
    /// Says what is wrong with the reference, or what the registry objects to.
    pub async fn push(&self, reference: &str, pushed: Pushed) -> Result<String, RegistryError> {
        let reference = parse(reference)?;
        if reference.digest().is_some() {
            return Err(RegistryError::Digest {
                reference: reference.to_string(),
            });
        }
        self.within(&reference, self.push_to(&reference, pushed))
            .await
    }

    async fn push_to(&self, to: &Reference, pushed: Pushed) -> Result<String, RegistryError> {
        let client = self.client(to)?;
        let auth = auth(to).await?;
        let (layer, config, manifest) = artifact(pushed);
        let failed = |error| RegistryError::of(to, error);
        let layers = [layer];
        let sent = client.push(to, &layers, config, &auth, Some(manifest));
        sent.await.map_err(failed)?;
        let digest = client.fetch_manifest_digest(to, &auth).await;
        Ok(pinned(to, &digest.map_err(failed)?))
    }

    async fn within<T>(
        &self,
        reference: &Reference,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let in_time = tokio::time::timeout(self.options.timeout, work).await;
        in_time.unwrap_or_else(|_| {
            Err(RegistryError::Slow {
                registry: reference.registry().to_owned(),
                limit: self.options.timeout,
            })
        })
    }

    fn client(&self, reference: &Reference) -> Result<Client, RegistryError> {
        use_tls();
        let registry = reference.resolve_registry();
        let mut plain = self.options.plain_http.clone();
        if is_this_machine(registry) {
            plain.push(registry.to_owned());
        }
        let no_client = |error: String| RegistryError::Failed {
            registry: registry.to_owned(),
            detail: error,
        };
        // The library makes one too, and panics where it cannot: on a machine without certificates.
        if let Err(error) = reqwest::Client::builder().build() {
            return Err(no_client(format!(
                "there can be no encrypted connections on this machine ({error}); install its \
                 certificates, such as Debian's package ca-certificates"
            )));
        }
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(plain),
            connect_timeout: Some(Duration::from_secs(10)),
            read_timeout: Some(Duration::from_secs(60)),
            platform_resolver: None,
            user_agent: concat!("adjutant/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| no_client(error.to_string()))
    }
}

/// Chooses the cryptography of encrypted connections, for every HTTP client of this process. Call it
/// before making one; again it does nothing.
pub fn use_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that someone has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether a text means a component in a registry rather than a file: whether it names a registry.
pub fn is_reference(text: &str) -> bool {
    parse(text).is_ok()
}

/// Reads a reference. It has to name its registry: there is no default one.
fn parse(text: &str) -> Result<Reference, RegistryError> {
    let text = text.strip_prefix("oci://").unwrap_or(text);
    let wrong = |why: String| RegistryError::Reference {
        text: text.chars().take(200).collect(),
        why,
    };
    if text.len() > MOST_REFERENCE {
        return Err(wrong(format!("it has more than {MOST_REFERENCE} bytes")));
    }
    let registry = text.split('/').next().unwrap_or_default();
    let names_one = text.contains('/')
        && (registry.contains(['.', ':']) || registry.eq_ignore_ascii_case("localhost"));
    if !names_one {
        return Err(wrong("it names no registry".to_owned()));
    }
    text.parse()
        .map_err(|error: oci_client::ParseError| wrong(error.to_string()))
}

/// Whether a registry is on this machine, so that nothing said to it leaves it.
fn is_this_machine(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.rsplit_once(':').map_or(registry, |(host, _)| host),
    };
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn pinned(reference: &Reference, digest: &str) -> String {
    let (registry, name) = (reference.registry(), reference.repository());
    match reference.tag() {
        Some(tag) => format!("{registry}/{name}:{tag}@{digest}"),
        None => format!("{registry}/{name}@{digest}"),
    }
}

/// The layer that is the component.
fn component_of<'a>(
    reference: &Reference,
    manifest: &'a OciImageManifest,
) -> Result<&'a OciDescriptor, RegistryError> {
    let is_component =
        |layer: &&OciDescriptor| layer.media_type == LAYER || layer.media_type == OLD_LAYER;
    let mut components = manifest.layers.iter().filter(is_component);
    match (components.next(), components.next()) {
        (Some(layer), None) => Ok(layer),
        (None, _) => Err(RegistryError::NoComponent {
            reference: reference.to_string(),
            found: match manifest.layers.first() {
                Some(layer) => format!("something of the type {:?}", layer.media_type),
                None => "nothing".to_owned(),
            },
        }),
        (Some(_), Some(_)) => Err(RegistryError::NoComponent {
            reference: reference.to_string(),
            found: "several of them".to_owned(),
        }),
    }
}

/// The configuration of a component, as the ecosystem has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    /// Always the same, so that the same component has the same digest whenever it is pushed.
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: Interface,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

fn artifact(pushed: Pushed) -> (ImageLayer, Config, OciImageManifest) {
    let layer = ImageLayer::new(pushed.component, LAYER.to_owned(), None);
    let config = WasmConfig {
        created: "1970-01-01T00:00:00Z",
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![layer.sha256_digest()],
        component: Interface {
            exports: pushed.exports,
            imports: pushed.imports,
            target: None,
        },
    };
    let config = serde_json::to_vec(&config).unwrap_or_default();
    let config = Config::new(config, CONFIG.to_owned(), None);
    let about = pushed.about.into_iter();
    // Manifests are sent as canonical JSON, which has no way to write a line break.
    let in_a_line = |value: String| value.replace(char::is_control, " ");
    let mut annotations: BTreeMap<String, String> = about
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), in_a_line(value)))
        .collect();
    if let Some(signature) = pushed.signature {
        annotations.insert(
            SIGNATURE_ANNOTATION.to_owned(),
            encode_signature(&signature),
        );
    }
    let annotations = Some(annotations).filter(|all| !all.is_empty());
    let mut manifest = OciImageManifest::build(std::slice::from_ref(&layer), &config, annotations);
    manifest.media_type = Some(MANIFEST.to_owned());
    (layer, config, manifest)
}

/// Who this user is to a registry, as `docker login` has kept it; nobody where it has not.
async fn auth(reference: &Reference) -> Result<RegistryAuth, RegistryError> {
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
            Ok(RegistryAuth::Basic(name, password))
        }
        Ok(Ok(DockerCredential::IdentityToken(token))) => Ok(RegistryAuth::Bearer(token)),
        Ok(Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::NoCredentialConfigured,
        )) => Ok(RegistryAuth::Anonymous),
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

/// Whether there is a docker configuration at all.
fn has_logins() -> bool {
    let given = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let folder = given.or_else(usual);
    folder.is_some_and(|folder| folder.join("config.json").exists())
}

/// Takes so many bytes, and fails at the next one.
struct Bounded {
    bytes: Vec<u8>,
    most: u64,
    is_over: bool,
}

impl Bounded {
    fn new(most: u64) -> Bounded {
        Bounded {
            bytes: Vec::new(),
            most,
            is_over: false,
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        if (self.bytes.len() + part.len()) as u64 > self.most {
            self.is_over = true;
            return Poll::Ready(Err(io::Error::other("longer than was said")));
        }
        self.bytes.extend_from_slice(part);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry() {
        for text in [
            "localhost:5000/a:1",
            "localhost/a",
            "ghcr.io/ada/reviewer:0.1.0",
            "oci://127.0.0.1:5000/x/y@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(is_reference(text), "{text}");
        }
        for text in [
            "",
            "reviewer",
            "ada/reviewer:1",
            "./a.wasm",
            "a.wasm",
            "localhost:5000/UP:1",
            "x.y/",
        ] {
            let error = parse(text).expect_err("refused").to_string();
            assert!(error.contains("registry/name:tag"), "{text}: {error}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "localhost.example.com",
            "10.0.0.1:5000",
            "registry:5000",
            "[::2]:1",
            "",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn the_same_component_makes_the_same_artifact() {
        let pushed = || Pushed {
            component: b"wasm".to_vec(),
            signature: Some("signed".to_owned()),
            about: BTreeMap::from([("title".to_owned(), "mine\nall".to_owned())]),
            ..Pushed::default()
        };
        let text = |pushed| serde_json::to_string(&artifact(pushed).2).expect("JSON");
        assert_eq!(text(pushed()), text(pushed()));
        let (_, config, manifest) = artifact(pushed());
        assert_eq!(
            manifest.config.media_type,
            "application/vnd.wasm.config.v0+json"
        );
        assert_eq!(manifest.layers[0].media_type, "application/wasm");
        let annotations = manifest.annotations.expect("some");
        assert_eq!(annotations["org.opencontainers.image.title"], "mine all");
        assert_eq!(annotations[SIGNATURE_ANNOTATION], "c2lnbmVk");
        let config: serde_json::Value = serde_json::from_slice(&config.data).expect("JSON");
        assert_eq!(config["os"], "wasip2");
        assert_eq!(config["layerDigests"][0], manifest.layers[0].digest);
    }
}
