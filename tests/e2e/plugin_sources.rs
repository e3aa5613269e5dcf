//! Where plugins come from: a registry, a file, a folder. Each with its origin shown, and its signature.

use crate::support::plugins::{Signer, essence, named};
use crate::support::registry::{Registry, USER};
use crate::support::{Ran, Server, Setup, boss, command, folder, guest, hand, team, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn sub(version: &str) -> Vec<u8> {
    named(
        &guest("scripted-sub"),
        "scripted-sub",
        version,
        "subordinate",
    )
}

/// Writes a component into a file of its own.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

/// The command line, talking to a host, with a login or without.
fn cli(server: Option<&Server>, login: Option<&str>, args: &[&str]) -> Ran {
    let data = folder();
    let mut command = command(data.path());
    command
        .env("HOME", data.path())
        .env_remove("DOCKER_CONFIG")
        .env_remove("DOCKER_AUTH_CONFIG");
    if let Some(login) = login {
        command.env("DOCKER_AUTH_CONFIG", login);
    }
    if let Some(server) = server {
        command.args(["--host", &server.url]);
    }
    Ran::of(
        command
            .arg("--json")
            .args(args)
            .output()
            .expect("the binary starts"),
    )
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn plugin(server: &Server, key: &str) -> Value {
    server.get(&format!("/v1/plugins/{key}")).ok()
}

#[test]
fn a_plugin_goes_to_a_registry_and_comes_back() {
    let registry = Registry::open();
    let signer = Signer::new();
    let root = folder();
    let config = format!(
        "[plugins]\nrequire_signed = true\ntrusted_keys = [\"{}\"]\n",
        signer.public()
    );
    let server = Server::with(Setup {
        config: Some(config),
        ..Setup::default()
    });
    let bytes = sub("0.1.0");
    let wasm = file(root.path(), "sub.wasm", &bytes);
    file(
        root.path(),
        "sub.wasm.minisig",
        signer.sign(&bytes).as_bytes(),
    );
    let tag = format!("{}/ada/scripted-sub:0.1.0", registry.host());

    let pushed = cli(None, None, &["plugin", "push", shown(&wasm), &tag]).json(0);
    let pinned = pushed["reference"]
        .as_str()
        .expect("a reference")
        .to_owned();
    assert!(pinned.starts_with(&format!("{tag}@sha256:")), "{pinned}");
    // Other tools find what they expect.
    let manifest = format!(
        "http://{}/v2/ada/scripted-sub/manifests/0.1.0",
        registry.host()
    );
    let accept = ("accept", "application/vnd.oci.image.manifest.v1+json");
    let outside = crate::support::Client::new(&manifest);
    let manifest = outside.send("GET", "", &[accept], None).ok();
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["size"], bytes.len());
    let annotations = &manifest["annotations"];
    assert_eq!(
        annotations["org.opencontainers.image.title"],
        "scripted-sub"
    );

    // The host pulls it, by its tag; what it was at that moment is shown.
    let added = server.post("/v1/plugins", &json!({"oci": tag})).ok();
    assert_eq!(
        (&added["origin"], &added["from"]),
        (&json!("registry"), &json!(pinned))
    );
    assert!(added["signed_by"].is_string(), "{added}");
    let installed = cli(Some(&server), None, &["plugin", "install", &pinned]).json(0);
    assert_eq!(
        installed["digest"], added["digest"],
        "the same again changes nothing"
    );
    server.apply(&team(None, [crate::support::agent("hand", "scripted-sub")]));
    server.done(&server.tell("hand", "As usual", json!([{"post": "hello"}])));

    // And a person gets the same bytes, with the signature.
    let out = root.path().join("pulled.wasm");
    cli(None, None, &["plugin", "pull", &tag, "-o", shown(&out)]).ended(0);
    assert!(std::fs::read(&out).expect("there") == bytes);
    let signature =
        std::fs::read_to_string(root.path().join("pulled.wasm.minisig")).expect("there");
    assert!(signature.lines().count() == 4, "{signature}");
    let said = cli(None, None, &["plugin", "pull", &tag, "-o", shown(&out)]).complaint(2);
    assert!(said.contains("cannot be written"), "{said}");
}

#[test]
fn what_a_registry_cannot_give_is_told_and_changes_nothing() {
    let (open, guarded) = (Registry::open(), Registry::guarded());
    let root = folder();
    let server = Server::start();
    let before = essence(&server.get("/v1/plugins").ok());
    let refused = |body: Value, status: u16, wanted: &str| {
        let problem = server.post("/v1/plugins", &body).problem(status);
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains(wanted), "{wanted:?} is not in: {detail}");
    };
    let there = |registry: &Registry| format!("{}/ada/sub:1", registry.host());
    refused(json!({"oci": there(&open)}), 404, "push it first");
    refused(json!({"oci": "sub:1"}), 422, "names no registry");
    refused(json!({"oci": there(&guarded)}), 403, "docker login");
    refused(
        json!({"oci": "127.0.0.1:9/a/b:1"}),
        422,
        "cannot be reached",
    );
    refused(json!({"url": "http://127.0.0.1/x.wasm"}), 422, "oci");
    refused(json!({"path": "x.wasm"}), 422, "whole path");
    refused(json!({"path": "/nowhere/x.wasm"}), 422, "no file");
    refused(json!({"path": "/dev/zero"}), 422, "no plain file");
    // A login opens the door: the command line's own.
    let wasm = file(root.path(), "sub.wasm", &sub("0.1.0"));
    let push = ["plugin", "push", shown(&wasm), &there(&guarded)];
    let said = cli(None, None, &push).complaint(1);
    assert!(said.contains("does not let this user"), "{said}");
    let login = |(name, password): (&str, &str)| {
        json!({"auths": {guarded.host(): {"username": name, "password": password}}}).to_string()
    };
    let said = cli(None, Some(&login(("ada", "wrong"))), &push).complaint(1);
    assert!(said.contains("does not let this user"), "{said}");
    cli(None, Some(&login(USER)), &push).ended(0);
    // What is no plugin is not pushed.
    let no_plugin = file(root.path(), "no.wasm", b"\0asm\x01\0\0\0");
    let said = cli(
        None,
        None,
        &["plugin", "push", shown(&no_plugin), &there(&open)],
    )
    .complaint(2);
    assert!(said.contains("no plugin that a host would take"), "{said}");
    assert_eq!(essence(&server.get("/v1/plugins").ok()), before);
}

#[test]
fn a_file_is_installed_from_here_and_from_the_hosts_machine() {
    let root = folder();
    let server = Server::start();
    let first = file(root.path(), "first.wasm", &sub("0.1.0"));
    let added = cli(Some(&server), None, &["plugin", "install", shown(&first)]).json(0);
    assert_eq!(
        (&added["origin"], &added["state"]),
        (&json!("upload"), &json!("active"))
    );
    let second = file(root.path(), "second.wasm", &sub("0.2.0"));
    let on_host = [
        "plugin",
        "install",
        "--on-host",
        "--no-activate",
        shown(&second),
    ];
    let added = cli(Some(&server), None, &on_host).json(0);
    assert_eq!(added["origin"], "path");
    assert_eq!(added["from"], shown(&second));
    assert_eq!(
        plugin(&server, "scripted-sub")["version"],
        "0.1.0",
        "it was only registered"
    );
    let pinned = format!(
        "scripted-sub@{}",
        added["digest"].as_str().expect("a digest")
    );
    assert_eq!(plugin(&server, &pinned)["version"], "0.2.0");
    let wrong = format!("sha256:{}", "0".repeat(64));
    let args = ["plugin", "install", "--digest", &wrong, shown(&first)];
    let said = cli(Some(&server), None, &args).complaint(2);
    assert!(said.contains("was expected"), "{said}");
}

fn watching(config: &str) -> (tempfile::TempDir, Server) {
    let root = folder();
    let server = Server::with(Setup {
        config: Some(format!(
            "[plugins]\nwatch = \"{}\"\n{config}",
            root.path().display()
        )),
        ..Setup::default()
    });
    (root, server)
}

/// What became of a file.
fn became(server: &Server, file: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{file} to be looked at"), || {
        let folder = server.get("/v1/watched").ok();
        let files = folder["files"].as_array().expect("a list").clone();
        files
            .into_iter()
            .find(|one| one["file"] == file && fits(one))
    })
}

#[test]
fn what_is_dropped_into_the_folder_is_a_plugin_when_it_is_whole() {
    let (root, server) = watching("");
    let bytes = sub("0.1.0");
    // Copied slowly: cut off at first.
    let path = file(root.path(), "sub.wasm", &bytes[..bytes.len() / 2]);
    let early = became(&server, "sub.wasm", |file| file["refused"].is_string());
    assert!(
        early["refused"]
            .as_str()
            .expect("a sentence")
            .contains("cut off"),
        "{early}"
    );
    std::fs::write(&path, &bytes).expect("written");
    let whole = became(&server, "sub.wasm", |file| file["plugin"].is_string());
    assert_eq!(whole["plugin"], "scripted-sub@0.1.0");
    let added = plugin(&server, "scripted-sub");
    assert_eq!(
        (&added["origin"], &added["from"]),
        (&json!("watched"), &json!("sub.wasm"))
    );

    // The next version is taken at once; a bad file and one without a name change nothing.
    file(root.path(), "next.wasm", &sub("0.2.0"));
    became(&server, "next.wasm", |file| {
        file["plugin"] == "scripted-sub@0.2.0"
    });
    assert_eq!(plugin(&server, "scripted-sub")["version"], "0.2.0");
    let before = essence(&server.get("/v1/plugins").ok());
    file(root.path(), "bad.wasm", b"PK\x03\x04 and so on");
    let bad = became(&server, "bad.wasm", |file| file["refused"].is_string());
    assert!(
        bad["refused"]
            .as_str()
            .expect("a sentence")
            .contains("zip archive"),
        "{bad}"
    );
    file(root.path(), "nameless.wasm", &guest("scripted"));
    let nameless = became(&server, "nameless.wasm", |file| file["refused"].is_string());
    assert!(
        nameless["refused"]
            .to_string()
            .contains("NAME@VERSION.wasm"),
        "{nameless}"
    );
    assert_eq!(essence(&server.get("/v1/plugins").ok()), before);
    file(root.path(), "lead@0.1.0.wasm", &guest("scripted"));
    became(&server, "lead@0.1.0.wasm", |file| {
        file["plugin"] == "lead@0.1.0"
    });

    // A file that goes takes nothing with it.
    std::fs::remove_file(&path).expect("removed");
    let after = essence(&server.get("/v1/plugins").ok());
    assert_eq!(after.len(), before.len() + 1);
    let said = cli(Some(&server), None, &["plugin", "watched"]).json(0);
    assert!(
        said["files"].as_array().expect("a list").len() >= 4,
        "{said}"
    );
}

#[test]
fn what_lies_in_the_folder_is_there_for_the_team() {
    let signer = Signer::new();
    let root = folder();
    let bytes = sub("0.1.0");
    file(root.path(), "sub.wasm", &bytes);
    file(
        root.path(),
        "sub.wasm.minisig",
        signer.sign(&bytes).as_bytes(),
    );
    file(root.path(), "unsigned.wasm", &sub("0.3.0"));
    let lead = named(&guest("scripted"), "scripted", "0.1.0", "boss");
    file(root.path(), "lead.wasm", &lead);
    file(
        root.path(),
        "lead.wasm.minisig",
        signer.sign(&lead).as_bytes(),
    );
    let mut server = Server::with(Setup {
        config: Some(format!(
            "[plugins]\nwatch = \"{}\"\nrequire_signed = true\ntrusted_keys = [\"{}\"]\n",
            root.path().display(),
            signer.public()
        )),
        ..Setup::default()
    });
    let unsigned = became(&server, "unsigned.wasm", |file| file["refused"].is_string());
    assert!(
        unsigned["refused"].to_string().contains("not signed"),
        "{unsigned}"
    );
    became(&server, "sub.wasm", |file| file["plugin"].is_string());
    became(&server, "lead.wasm", |file| file["plugin"].is_string());
    server.apply(&team(None, [boss("lead"), hand("hand", "lead")]));
    server.done(&server.tell("hand", "As usual", json!([{"post": "hello"}])));
    // It is signed now: the signature beside it is a change of the file.
    let signature = signer.sign(&sub("0.3.0"));
    file(root.path(), "unsigned.wasm.minisig", signature.as_bytes());
    became(&server, "unsigned.wasm", |file| {
        file["plugin"] == "scripted-sub@0.3.0"
    });
    // All is there after a restart, and looked at again.
    server.end();
    server.restart();
    became(&server, "sub.wasm", |file| file["plugin"].is_string());
    assert_eq!(
        plugin(&server, "scripted-sub")["version"],
        "0.3.0",
        "an old file changes nothing"
    );
}
