//! Components that cannot be used: each is refused with a sentence that says what to do, and nothing has
//! changed afterwards.

use crate::support::plugins::{Signer, essence, named, with_manifest};
use crate::support::{
    Reply, Server, Setup, assembled, bombs, boss, core_module, guest, hand, team,
};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const WASM: (&str, &str) = ("content-type", "application/wasm");

fn configured(config: &str) -> Server {
    Server::with(Setup {
        config: Some(config.to_owned()),
        ..Setup::default()
    })
}

/// Looks at what there is, before and after.
struct Unchanged<'a> {
    server: &'a Server,
    before: Vec<String>,
}

impl<'a> Unchanged<'a> {
    fn of(server: &'a Server) -> Unchanged<'a> {
        let before = essence(&server.get("/v1/plugins").ok());
        Unchanged { server, before }
    }

    fn check(&self, after: &str) {
        let now = essence(&self.server.get("/v1/plugins").ok());
        assert_eq!(now, self.before, "after {after}");
    }

    /// A run still works.
    fn works(&self) {
        let id = self.server.tell(
            "hand",
            "As usual",
            json!([{"post": "hello"}, {"memory_get": "a"}]),
        );
        self.server.done(&id);
    }
}

fn working(server: &Server) {
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(None, [boss("lead"), hand("hand", "lead")]));
}

/// The sentence of a refusal.
#[track_caller]
fn refused(reply: &Reply, status: u16, wanted: &str) {
    let problem = reply.problem(status);
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains(wanted), "{wanted:?} is not in: {detail}");
    assert!(detail.len() > 30, "too short to help: {detail}");
}

#[test]
fn each_is_told_what_to_do_and_nothing_changes() {
    let server = Server::start();
    working(&server);
    let good = guest("scripted-sub");
    let core = wat::parse_str("(module)").expect("text");
    let selector = guest("scripted");
    let other_world = wat::parse_str("(component)").expect("text");
    let mut version = good.clone();
    let at = version
        .windows(24)
        .position(|part| part == b"adjutant:agent/channels@");
    version[at.expect("it imports channels") + 24] = b'7';
    let manifest = |text: &str| with_manifest(&good, text.as_bytes());
    let twice = named(
        &named(&good, "a", "1.0.0", "subordinate"),
        "a",
        "1.0.0",
        "subordinate",
    );
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "It is empty"),
        (
            "no wasm",
            b"\x7fELF\x02\x01\x01".to_vec(),
            "not WebAssembly",
        ),
        ("text", b"(component)".to_vec(), "wasm-tools parse"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gunzip"),
        ("zstd", b"\x28\xb5\x2f\xfd\0\0".to_vec(), "unzstd"),
        ("zip", b"PK\x03\x04\x14\0".to_vec(), "zip archive"),
        ("a core module", core, "wasm-tools component new"),
        ("no world", other_world, "neither the function `choose`"),
        ("another version", version, "this host offers version"),
        (
            "cut off",
            good[..good.len() / 2].to_vec(),
            "cut off at byte",
        ),
        (
            "one byte less",
            good[..good.len() - 1].to_vec(),
            "cut off at byte",
        ),
        ("no JSON", manifest("{"), "manifest"),
        (
            "another manifest",
            manifest(r#"{"manifest": 9, "name": "a", "version": "1.0.0", "world": "boss"}"#),
            "manifest",
        ),
        (
            "unknown field",
            manifest(
                r#"{"manifest": 1, "name": "a", "version": "1.0.0", "world": "subordinate", "x": 1}"#,
            ),
            "x",
        ),
        (
            "another world",
            manifest(r#"{"manifest": 1, "name": "a", "version": "1.0.0", "world": "selector"}"#),
            "selector",
        ),
        ("two manifests", twice, "manifest"),
        (
            "a long manifest",
            manifest(&format!(
                "{{\"manifest\": 1, \"name\": \"{}\"}}",
                "a".repeat(70_000)
            )),
            "65536",
        ),
    ];
    let unchanged = Unchanged::of(&server);
    for (what, bytes, wanted) in table {
        let reply = server.send("POST", "/v1/plugins", &[WASM], Some(bytes));
        refused(&reply, 422, wanted);
        unchanged.check(what);
    }
    // A manifest that says another name than whoever sends it.
    let mine = named(&good, "mine", "1.0.0", "subordinate");
    refused(
        &server.upload("yours", "1.0.0", mine.clone()),
        422,
        "manifest says",
    );
    // No manifest, and nobody says a name.
    let reply = server.send("POST", "/v1/plugins", &[WASM], Some(good.clone()));
    refused(&reply, 422, "has no manifest");
    // Another component than was expected.
    let path = format!("/v1/plugins?digest=sha256:{}", "0".repeat(64));
    refused(
        &server.send("POST", &path, &[WASM], Some(mine.clone())),
        422,
        "was expected",
    );
    // A version names one component for ever.
    let sub = server.upload("scripted-sub", "0.1.0", selector);
    refused(&sub, 409, "give the new component a new version");
    // Packed on its way.
    let packed = [WASM, ("content-encoding", "gzip")];
    refused(
        &server.send("POST", "/v1/plugins", &packed, Some(mine.clone())),
        415,
        "unpack it",
    );
    let reply = server.send(
        "POST",
        "/v1/plugins",
        &[("content-type", "application/zip")],
        Some(mine),
    );
    refused(&reply, 415, "application/wasm");
    let signed = [WASM, ("x-adjutant-signature", "no base64!")];
    refused(
        &server.send("POST", "/v1/plugins", &signed, Some(good)),
        400,
        "in base64",
    );
    unchanged.check("all of them");
    unchanged.works();
}

/// Sends a gigabyte; gives back the beginning of the answer.
fn gigabyte(server: &Server, chunked: bool) -> String {
    let url = server.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&url).expect("connected");
    let length = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", 1 << 30)
    };
    let head = format!(
        "POST /v1/plugins HTTP/1.1\r\nHost: {url}\r\nContent-Type: application/wasm\r\n{length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let part = vec![0_u8; 1 << 20];
    for _ in 0..1_024 {
        if chunked {
            stream.write_all(b"100000\r\n").expect("sent");
        }
        stream.write_all(&part).expect("sent");
        if chunked {
            stream.write_all(b"\r\n").expect("sent");
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").expect("sent");
    }
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let mut answer = vec![0; 2_000];
    let read = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// The most memory that the host has had, in MiB.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero()));
    let status = status.expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("a number");
    kilobytes.parse::<u64>().expect("a number") >> 10
}

#[test]
fn a_gigabyte_is_refused_and_takes_no_memory() {
    let server = configured("[plugins]\nmax_bytes = 4000000\n");
    working(&server);
    assert_eq!(
        server.get("/v1/status").ok()["plugins"]["max_bytes"],
        4_000_000
    );
    let unchanged = Unchanged::of(&server);
    let before = peak(&server);
    for chunked in [false, true] {
        let answer = gigabyte(&server, chunked);
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("larger than the 4000000 bytes"), "{answer}");
    }
    let grown = peak(&server).saturating_sub(before);
    assert!(grown < 64, "the host has grown by {grown} MiB");
    // A client that asks first is told before it sends anything.
    let large = vec![0; 4_000_001];
    let reply = server.send("POST", "/v1/plugins", &[WASM], Some(large));
    refused(&reply, 413, "larger than");
    unchanged.check("a gigabyte");
    unchanged.works();
}

#[test]
fn a_component_that_takes_for_ever_or_all_memory_to_compile_is_refused() {
    let server = configured("[plugins]\ncompile_ms = 12000\ncompile_memory = 600000000\n");
    working(&server);
    let limits = server.get("/v1/status").ok()["plugins"].clone();
    assert_eq!(
        (&limits["compile_ms"], &limits["compile_memory"]),
        (&json!(12_000), &json!(600_000_000))
    );
    let unchanged = Unchanged::of(&server);
    let bomb = bombs::slow();
    assert!(bomb.len() < 200_000);
    let began = Instant::now();
    std::thread::scope(|threads| {
        let upload = threads.spawn(|| server.upload("slow", "1.0.0", bombs::slow()));
        // Beside it the host goes on.
        unchanged.works();
        let reply = upload.join().expect("an answer");
        refused(&reply, 422, "longer than 12 s");
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    refused(
        &server.upload("hungry", "1.0.0", bombs::hungry()),
        422,
        "more than 600000000 bytes of memory",
    );
    unchanged.check("two bombs");
    // And components that are as they should be still come in.
    server.upload("fine", "1.0.0", fine()).ok();
    unchanged.works();
}

/// A process that compiles for a host.
fn compiler(server: &Server) -> Option<String> {
    let host = server.pid().as_raw_nonzero();
    let tasks = std::fs::read_dir(format!("/proc/{host}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all = children.collect::<Vec<_>>().join(" ");
    // One that has only just begun is still called as the host is.
    let compiles = |pid: &&str| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        command.is_ok_and(|command| command.contains("compile-component"))
    };
    all.split_whitespace().find(compiles).map(ToOwned::to_owned)
}

/// The same as another that no host has ever compiled.
fn fresh(mut component: Vec<u8>) -> Vec<u8> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let now = now.expect("after 1970").as_nanos().to_le_bytes();
    // A custom section: its id, its size, the length of its name, its name, what it holds.
    component.extend([0, 18, 1, b'n']);
    component.extend(now);
    component
}

/// A component that does nothing wrong.
fn fine() -> Vec<u8> {
    let fine = "(data (i32.const 0) \"fine\") (func (export \"work\") (param i32) (result i32) \
                (call $answer (i32.const 0) (i32.const 4)))";
    assembled("subordinate", &core_module("", fine))
}

#[test]
fn a_full_compile_queue_answers_429_with_retry_after() {
    let server = configured("[plugins]\ncompile_ms = 8000\ncompile_queue = 0\n");
    working(&server);
    let limits = server.get("/v1/status").ok()["plugins"].clone();
    assert_eq!(limits["compile_queue"], 0);
    let late = fresh(fine());
    let unchanged = Unchanged::of(&server);
    std::thread::scope(|threads| {
        let upload = threads.spawn(|| server.upload("slow", "1.0.0", bombs::slow()));
        crate::support::until("a compiler", || compiler(&server));
        let reply = server.upload("fine", "1.0.0", late.clone());
        assert_eq!(reply.status, 429, "{}", reply.text);
        assert!(reply.text.contains("`compile_queue`"), "{}", reply.text);
        assert!(reply.headers.contains_key("retry-after"));
        unchanged.check("a full queue");
        // What is compiled already needs no turn.
        unchanged.works();
        refused(&upload.join().expect("an answer"), 422, "longer than 8 s");
    });
    server.upload("fine", "1.0.0", late).ok();
}

#[test]
fn an_upload_whose_caller_left_is_not_compiled() {
    let server = configured("[plugins]\ncompile_ms = 8000\ncompile_queue = 1\n");
    working(&server);
    std::thread::scope(|threads| {
        let upload = threads.spawn(|| server.upload("slow", "1.0.0", bombs::slow()));
        crate::support::until("a compiler", || compiler(&server));
        for number in 0..3 {
            let bytes = fresh(fine());
            let address = server.url.trim_start_matches("http://");
            let mut stream = TcpStream::connect(address).expect("a connection");
            let head = format!(
                "POST /v1/plugins?name=left&version={number}.0.0 HTTP/1.1\r\nHost: {address}\r\n\
                 Content-Type: application/wasm\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            stream.write_all(head.as_bytes()).expect("sent");
            stream.write_all(&bytes).expect("sent");
            // It leaves while it waits; the next one finds its place free.
        }
        // One place to wait in, and one upload beside the one that compiles.
        let reply = crate::support::until("a place", || {
            let reply = server.upload("fine", "1.0.0", fresh(fine()));
            (reply.status != 429 && reply.status != 503).then_some(reply)
        });
        reply.ok();
        refused(&upload.join().expect("an answer"), 422, "longer than 8 s");
    });
    let plugins = essence(&server.get("/v1/plugins").ok());
    assert!(
        plugins.iter().all(|plugin| !plugin.contains("left")),
        "{plugins:?}"
    );
}

#[test]
fn a_killed_host_leaves_no_compiler_behind() {
    let mut server = Server::start();
    let client = crate::support::Client::new(&server.url);
    let upload = std::thread::spawn(move || {
        let path = "/v1/plugins?name=slow&version=1.0.0";
        client.try_send("POST", path, &[WASM], Some(bombs::slow()))
    });
    let compiler = crate::support::until("a compiler", || compiler(&server));
    server.kill();
    crate::support::until("its end", || {
        let status = std::fs::read_to_string(format!("/proc/{compiler}/stat"));
        status
            .map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    });
    assert!(
        upload.join().expect("no panic").is_none(),
        "nobody was left to answer"
    );
    server.restart();
    let plugins = essence(&server.get("/v1/plugins").ok());
    assert!(
        plugins.iter().all(|plugin| !plugin.contains("slow")),
        "{plugins:?}"
    );
}

#[test]
fn where_signatures_are_required_only_signed_ones_come_in() {
    let (ours, theirs) = (Signer::new(), Signer::new());
    let server = configured(&format!(
        "[plugins]\nrequire_signed = true\ntrusted_keys = [\"{}\"]\n",
        ours.public()
    ));
    let status = server.get("/v1/status").ok()["plugins"].clone();
    assert_eq!(status["require_signed"], true);
    let key = status["trusted_keys"][0]
        .as_str()
        .expect("a key")
        .to_owned();
    let sub = named(
        &guest("scripted-sub"),
        "scripted-sub",
        "0.1.0",
        "subordinate",
    );
    let lead = named(&guest("scripted"), "scripted", "0.1.0", "boss");
    let send = |component: &[u8], signature: Option<String>| {
        let signature = signature.map(|text| adjutant_connect::encode_signature(&text));
        let mut headers = vec![WASM];
        headers.extend(
            signature
                .as_deref()
                .map(|line| ("x-adjutant-signature", line)),
        );
        server.send("POST", "/v1/plugins", &headers, Some(component.to_vec()))
    };
    for component in [&sub, &lead] {
        let added = send(component, Some(ours.sign(component))).ok();
        assert_eq!(added["signed_by"], key.as_str());
        assert_eq!(added["origin"], "upload");
    }
    server.apply(&team(None, [boss("lead"), hand("hand", "lead")]));
    let unchanged = Unchanged::of(&server);
    let other = named(
        &guest("scripted-sub"),
        "scripted-sub",
        "0.2.0",
        "subordinate",
    );
    refused(&send(&other, None), 403, "minisign -S");
    refused(
        &send(&other, Some(theirs.sign(&other))),
        403,
        "does not trust",
    );
    refused(
        &send(&other, Some(ours.sign(&sub))),
        403,
        "not of this component",
    );
    refused(
        &send(&other, Some("signed, honestly".to_owned())),
        403,
        ".minisig",
    );
    unchanged.check("four bad signatures");
    unchanged.works();
    // What comes with the host needs none, and what was signed is shown.
    let plugins = server.get("/v1/plugins").ok();
    let items = plugins["items"].as_array().expect("a list");
    let signed = |name: &str| {
        items.iter().find(|one| one["name"] == name).expect("there")["signed_by"].clone()
    };
    assert_eq!(signed("scripted-sub"), key.as_str());
    assert_eq!(signed("coordinator"), json!(null));
    assert_eq!(
        items
            .iter()
            .find(|one| one["name"] == "coordinator")
            .expect("there")["origin"],
        "built-in"
    );
    let shown = server.get("/v1/plugins/scripted").ok();
    assert_eq!(shown["signed_by"], key.as_str());
}
