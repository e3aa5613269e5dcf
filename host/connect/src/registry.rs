//! Components in OCI registries, as the Wasm ecosystem keeps them: a manifest with the configuration
//! `application/vnd.wasm.config.v0+json` and one layer `application/wasm`, which is the component.
//!
//! A signature travels in the manifest's annotation [`SIGNATURE_ANNOTATION`].
//!
//! Invariants:
//! - What is given back has the digest that the manifest says, and the manifest the one that the
//!   reference says, where it says one.
//! - No more than its limit is ever taken in of a component, a manifest or any other answer, whatever the
//!   registry says its size is.
//! - Names and passwords go to the registry that they are kept for and to where it says that logins go: there
//!   over HTTPS, or over plain HTTP where that is how the registry itself is spoken to, on its own host. Plain
//!   HTTP is for this machine and for places that the operator names.

mod artifact;
mod digest;
mod errors;
mod login;
mod wire;

pub use errors::RegistryError;

use crate::signing::decode_signature;
use artifact::{LAYER, MANIFEST};
use digest::Expected;
use login::Login;
use oci_client::Reference;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest, Versioned};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;
use wire::{Answer, Wire};

/// Where a signature lies: the content of a `.minisig` file, in base64.
pub const SIGNATURE_ANNOTATION: &str = "adjutant.signature.minisign";

/// As some pushed before the media types were agreed on.
const OLD_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// The types of manifests that are understood or at least told apart.
const MANIFESTS: [&str; 4] = [
    MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// Characters of a reference.
const MOST_REFERENCE: usize = 1_000;

/// How registries are used.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Bytes that a component may have. 64 MiB.
    pub max_bytes: u64,
    /// Bytes that a manifest may have. 4 MiB, which registries take at least.
    pub max_manifest: u64,
    /// Bytes that any other answer may have, such as a token. 1 MiB.
    pub max_answer: u64,
    /// Registries, as `host` or `host:port`, that are spoken to over plain HTTP, and through no proxy. Those
    /// on this machine always are.
    pub plain_http: Vec<String>,
    /// How long one pull or push may take. 120 s.
    pub timeout: Duration,
}

impl RegistryOptions {
    /// Whether a registry, as a reference names it, is spoken to over plain HTTP. One without a port is
    /// another one than that at port 80: it is encrypted unless it is named so.
    fn is_plain(&self, registry: &str) -> bool {
        let is_named = |wanted: &str| {
            let mut all = self.plain_http.iter();
            all.any(|named| named.eq_ignore_ascii_case(wanted))
        };
        let bare = registry.strip_suffix(":80");
        is_named(registry) || bare.is_some_and(is_named) || is_this_machine(registry)
    }

    /// Whether a place is named that a plain HTTP address leads to, by its host, and its port where that is
    /// not 80.
    fn names(&self, place: &str) -> bool {
        let mut all = self.plain_http.iter();
        all.any(|named| {
            let named = named.strip_suffix(":80").unwrap_or(named);
            named.eq_ignore_ascii_case(place)
        })
    }
}

impl Default for RegistryOptions {
    fn default() -> Self {
        RegistryOptions {
            max_bytes: 64 << 20,
            max_manifest: 4 << 20,
            max_answer: 1 << 20,
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

    /// Its options.
    pub fn options(&self) -> &RegistryOptions {
        &self.options
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
        let login = Login::of(from).await?;
        let wire = Wire::open(from, &self.options, login, "pull").await?;
        let (manifest, digest) = manifest_of(&wire, from).await?;
        let layer = component_of(from, &manifest)?;
        let announced = u64::try_from(layer.size).unwrap_or(u64::MAX);
        if announced > self.options.max_bytes {
            return Err(RegistryError::TooLarge {
                reference: from.to_string(),
                size: announced,
                limit: self.options.max_bytes,
            });
        }
        let exchanged = |detail| RegistryError::Digests {
            reference: from.to_string(),
            detail,
        };
        let mut expected = Expected::parse(&layer.digest).map_err(exchanged)?;
        let place = format!("blobs/{}", layer.digest);
        let response = wire.send(wire.request(Method::GET, &place)?).await?;
        let part = |part: &[u8]| expected.update(part);
        let component = wire.take(response, Answer::Blob(announced), part).await?;
        expected.check().map_err(exchanged)?;
        let annotations = manifest.annotations.unwrap_or_default();
        let signature = annotations.get(SIGNATURE_ANNOTATION);
        let signature = signature.map(|encoded| decode_signature(encoded).unwrap_or_default());
        Ok(Pulled {
            component,
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
        let login = Login::of(to).await?;
        let wire = Wire::open(to, &self.options, login, "pull,push").await?;
        let (layer, config, manifest) = artifact::artifact(pushed);
        wire.upload(layer.data.clone(), &layer.sha256_digest())
            .await?;
        wire.upload(config.data.clone(), &config.sha256_digest())
            .await?;
        let encoded = artifact::encode(&manifest).map_err(|error| RegistryError::Failed {
            registry: to.registry().to_owned(),
            detail: format!("the manifest cannot be written: {error}"),
        })?;
        let digest = digest::sha256(&encoded);
        let place = format!("manifests/{}", to.tag().unwrap_or("latest"));
        let request = wire.request(Method::PUT, &place)?;
        let request = request.header(CONTENT_TYPE, MANIFEST).body(encoded);
        wire.send(request).await?;
        Ok(pinned(to, &digest))
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

/// The manifest that a reference means, and its digest.
async fn manifest_of(
    wire: &Wire<'_>,
    from: &Reference,
) -> Result<(OciImageManifest, String), RegistryError> {
    let tag = from.tag().unwrap_or("latest");
    let place = format!("manifests/{}", from.digest().unwrap_or(tag));
    let request = wire.request(Method::GET, &place)?;
    let request = request.header(ACCEPT, MANIFESTS.join(", "));
    let response = wire.send(request).await?;
    let bytes = wire.take(response, Answer::Manifest, |_| {}).await?;
    let digest = match from.digest() {
        Some(digest) => digest.to_owned(),
        None => digest::sha256(&bytes),
    };
    let checked = Expected::parse(&digest).and_then(|mut expected| {
        expected.update(&bytes);
        expected.check()
    });
    checked.map_err(|detail| RegistryError::Digests {
        reference: from.to_string(),
        detail,
    })?;
    let unreadable = |why: String| RegistryError::Failed {
        registry: from.registry().to_owned(),
        detail: format!("what it gives for {from} is no manifest: {why}"),
    };
    let found: Versioned =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let known = |kind: String| MANIFESTS.contains(&kind.as_str());
    if found.schema_version != 2 || !found.media_type.is_none_or(known) {
        return Err(unreadable("it is of another version or type".to_owned()));
    }
    match serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))? {
        OciManifest::Image(manifest) => Ok((manifest, digest)),
        OciManifest::ImageIndex(_) => Err(RegistryError::NoComponent {
            reference: from.to_string(),
            found: "an index of several artifacts".to_owned(),
        }),
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
}
