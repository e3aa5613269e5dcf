//! Components in registries: a real one, and one that lies.

use crate::support::registry::Registry;
use adjutant_connect::registry::{Pushed, Registries, RegistryError, RegistryOptions};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn registries() -> Registries {
    Registries::new(RegistryOptions {
        max_bytes: 6_000_000,
        timeout: Duration::from_secs(20),
        ..RegistryOptions::default()
    })
}

fn pushed(bytes: &[u8]) -> Pushed {
    Pushed {
        component: bytes.to_vec(),
        signature: Some("line\nline".to_owned()),
        imports: vec!["adjutant:agent/channels@0.1.0".to_owned()],
        exports: vec!["work".to_owned()],
        about: BTreeMap::from([("title".to_owned(), "reviewer".to_owned())]),
    }
}

#[tokio::test]
async fn what_is_pushed_is_pulled_by_tag_and_by_digest() {
    let server = Registry::open();
    let registries = registries();
    // More than one chunk of an upload.
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n as u8).collect();
    let at = |rest: &str| format!("{}/{rest}", server.host());
    let first = registries
        .push(&at("ada/reviewer:0.1.0"), pushed(&large))
        .await;
    let first = first.expect("pushed");
    assert!(
        first.starts_with(&at("ada/reviewer:0.1.0@sha256:")),
        "{first}"
    );
    let again = registries
        .push(&at("ada/reviewer:0.1.0"), pushed(&large))
        .await;
    assert_eq!(
        again.expect("pushed"),
        first,
        "the same content has the same digest"
    );

    let by_digest = at(&format!(
        "ada/reviewer{}",
        &first[first.find('@').expect("a digest")..]
    ));
    for reference in [
        &at("ada/reviewer:0.1.0"),
        &first,
        &by_digest,
        &format!("oci://{first}"),
    ] {
        let pulled = registries.pull(reference).await.expect("pulled");
        assert!(pulled.component == large, "all of it");
        assert_eq!(pulled.signature.as_deref(), Some("line\nline"));
        assert!(
            pulled
                .reference
                .ends_with(&first[first.find('@').expect("a digest")..])
        );
    }
    // A tag moves on; a digest does not.
    let second = registries
        .push(&at("ada/reviewer:0.1.0"), pushed(b"other"))
        .await;
    let second = second.expect("pushed");
    assert_ne!(second, first);
    let now = registries
        .pull(&at("ada/reviewer:0.1.0"))
        .await
        .expect("pulled");
    assert_eq!(now.component, b"other");
    assert_eq!(now.reference, second);
    assert!(registries.pull(&by_digest).await.expect("pulled").component == large);
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let server = Registry::open();
    let registries = registries();
    let at = |rest: &str| format!("{}/{rest}", server.host());
    let error = registries
        .pull(&at("ada/none:1"))
        .await
        .expect_err("not there");
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    registries
        .push(&at("ada/a:1"), pushed(b"x"))
        .await
        .expect("pushed");
    let absent = at(&format!("ada/a@sha256:{}", "0".repeat(64)));
    let error = registries.pull(&absent).await.expect_err("not there");
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    let error = registries
        .push(&absent, pushed(b"x"))
        .await
        .expect_err("refused");
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
    let error = registries.pull("reviewer:1").await.expect_err("refused");
    assert!(matches!(error, RegistryError::Reference { .. }), "{error}");

    registries
        .push(&at("ada/large:1"), pushed(&[7; 100]))
        .await
        .expect("pushed");
    let small = Registries::new(RegistryOptions {
        max_bytes: 99,
        ..RegistryOptions::default()
    });
    let error = small.pull(&at("ada/large:1")).await.expect_err("too large");
    assert!(error.to_string().contains("has 100 bytes"), "{error}");

    let guarded = Registry::guarded();
    let there = format!("{}/ada/a:1", guarded.host());
    for error in [
        registries.pull(&there).await.expect_err("a stranger"),
        registries
            .push(&there, pushed(b"x"))
            .await
            .expect_err("a stranger"),
    ] {
        assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
        assert!(
            error.to_string().contains("docker login 127.0.0.1"),
            "{error}"
        );
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("a port").port();
    drop(nobody);
    let error = registries
        .pull(&format!("127.0.0.1:{port}/a/b:1"))
        .await
        .expect_err("nobody");
    assert!(
        matches!(error, RegistryError::Unreachable { .. }),
        "{error}"
    );
}

/// Answers a pull of `a/b` with a manifest and a blob that need not go together.
async fn liar(manifest: String, blob: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lie(stream, manifest.clone(), blob.clone()));
        }
    });
    host
}

async fn lie(mut stream: TcpStream, manifest: String, blob: Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let (kind, body) = if head.contains("/manifests/") {
        (
            "application/vnd.oci.image.manifest.v1+json",
            manifest.as_bytes(),
        )
    } else {
        ("application/octet-stream", blob.as_slice())
    };
    // Without a length: it ends when the connection does. Whoever hung up wants no more.
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.write_all(body).await;
}

fn manifest(media_type: &str, size: usize, of: &[u8]) -> String {
    let digest = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("sha256:{hex}")
    };
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "size": 2, "digest": digest(b"{}")},
        "layers": [{"mediaType": media_type, "size": size, "digest": digest(of)}],
    })
    .to_string()
}

#[tokio::test]
async fn a_registry_that_lies_is_found_out() {
    let wasm = "application/wasm";
    let table = [
        (
            manifest(wasm, 4, b"wasm"),
            b"wasn".to_vec(),
            "not what its digest says",
        ),
        (
            manifest(wasm, 4, b"wasm"),
            vec![0; 10_000_000],
            "sends more",
        ),
        (
            manifest(wasm, 9_000_000_000, b"wasm"),
            Vec::new(),
            "has 9000000000 bytes",
        ),
        (
            manifest("application/vnd.oci.image.layer.v1.tar+gzip", 4, b"wasm"),
            b"wasm".to_vec(),
            "tar+gzip",
        ),
        (
            manifest(wasm, 4, b"wasm"),
            Vec::new(),
            "not what its digest says",
        ),
        ("{}".to_owned(), Vec::new(), "cannot be used"),
        ("no JSON".to_owned(), Vec::new(), "cannot be used"),
    ];
    for (manifest, blob, wanted) in table {
        let host = liar(manifest, blob).await;
        let error = registries()
            .pull(&format!("{host}/a/b:1"))
            .await
            .expect_err("it lies");
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
    let host = liar(manifest(wasm, 4, b"wasm"), b"wasm".to_vec()).await;
    let pulled = registries()
        .pull(&format!("{host}/a/b:1"))
        .await
        .expect("no lie");
    assert_eq!(pulled.component, b"wasm");
    // The manifest itself is another than was asked for.
    let pinned = format!("{host}/a/b@sha256:{}", "0".repeat(64));
    let error = registries().pull(&pinned).await.expect_err("it lies");
    assert!(matches!(error, RegistryError::Digests { .. }), "{error}");
}
