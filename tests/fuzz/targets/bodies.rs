//! Bodies of every POST, through the whole API and a real host behind it: the answer is a success or a
//! problem with a sentence, and never the host's own failure. The first byte says which path; the rest is
//! the body.
#![no_main]

use adjutant_component::{Engine, EngineOptions};
use adjutant_connect::{GitOptions, GitWorktrees};
use adjutant_dispatch::{Host, HostOptions, HostParts};
use adjutant_model::Limits;
use adjutant_server::{Server, ServerOptions};
use adjutant_store::{Options, RedbEngine, Store};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const NIL: &str = "01920000-0000-7000-8000-000000000001";

struct Api {
    runtime: Runtime,
    addr: SocketAddr,
    /// A ticket and an agent that are there.
    ticket: String,
    agent: String,
    _folder: TempDir,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(start)
}

fn start() -> Api {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir_in(std::env::var("HOME").expect("a home")).expect("a folder");
    let addr = runtime.block_on(async {
        let redb = RedbEngine::open(folder.path().join("store"), Default::default()).await;
        let store = Store::open(Arc::new(redb.expect("a database")), Options::default()).await;
        let engine = Engine::new(&EngineOptions {
            max_instances: 4,
            ..EngineOptions::default()
        });
        let worktrees = GitWorktrees::new(
            folder.path().join("worktrees"),
            "git",
            GitOptions::default(),
        );
        let parts = HostParts {
            store: store.expect("a store"),
            engine: engine.expect("an engine"),
            worktrees: Arc::new(worktrees.expect("worktrees")),
            plugins: folder.path().join("plugins"),
        };
        let options = HostOptions {
            limits: Limits {
                live_tickets: 200,
                agents: 100,
                ..Limits::default()
            },
            ..HostOptions::default()
        };
        let host = Host::start(parts, options).await.expect("a host");
        let server = Server::bind(host, ServerOptions::default()).expect("a server");
        let addr = server.local_addr();
        tokio::spawn(server.serve(std::future::pending()));
        addr
    });
    let mut api = Api {
        runtime,
        addr,
        ticket: NIL.to_owned(),
        agent: NIL.to_owned(),
        _folder: folder,
    };
    let id = |answer: String| {
        let body = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
        let from = body.find("\"id\":\"");
        let from = from.unwrap_or_else(|| panic!("no id: {answer}")) + 6;
        body[from..from + 36].to_owned()
    };
    api.send("/v1/apply", br#"{"agents": []}"#);
    api.ticket = id(api.send("/v1/tickets", br#"{"title": "there"}"#));
    api.agent = NIL.to_owned();
    api
}

impl Api {
    fn path(&self, which: u8) -> String {
        let (ticket, agent) = (&self.ticket, &self.agent);
        match which % 12 {
            0 => "/v1/tickets".to_owned(),
            1 => "/v1/apply".to_owned(),
            2 => format!("/v1/tickets/{ticket}/messages"),
            3 => format!("/v1/tickets/{ticket}/assign"),
            4 => format!("/v1/tickets/{ticket}/status"),
            5 => format!("/v1/tickets/{ticket}/collaborators"),
            6 => format!("/v1/tickets/{NIL}/cancel"),
            7 => format!("/api/agents/{agent}/report-task"),
            8 => format!("/api/agents/{agent}/report-task?delegation={ticket}&token={NIL}"),
            9 => format!("/v1/runs/{NIL}/resume"),
            10 => "/v1/plugins?name=a&version=1".to_owned(),
            _ => format!("/v1/tickets/{ticket}/cancel?x=1"),
        }
    }

    /// Sends a body and gives back the whole answer.
    fn send(&self, path: &str, body: &[u8]) -> String {
        thread_local! {
            static OPEN: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
        }
        let kind = if path.starts_with("/v1/plugins") {
            "application/wasm"
        } else {
            "application/json"
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.addr,
            body.len()
        );
        let open = OPEN.take();
        let (stream, answer) = self.runtime.block_on(async {
            let mut stream = match open {
                Some(stream) => stream,
                None => TcpStream::connect(self.addr).await.expect("it listens"),
            };
            // In one piece: two would wait for each other's acknowledgement.
            let request = [head.as_bytes(), body].concat();
            stream.write_all(&request).await.expect("sent");
            let answer = answer(&mut stream).await;
            (stream, answer)
        });
        if !answer.to_ascii_lowercase().contains("connection: close") {
            OPEN.set(Some(stream));
        }
        answer
    }
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 16 << 10];
        let count = stream.read(&mut part).await.expect("an answer");
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse::<usize>().ok());
            if count == 0 || length.is_some_and(|length| body.len() >= length) {
                return text.into_owned();
            }
        }
        assert!(count > 0, "the connection was closed: {text}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else {
        return;
    };
    let api = api();
    let path = api.path(*which);
    let answer = api.send(&path, body);
    let status: u16 = answer[9..12].parse().expect("a status");
    assert!(
        matches!(status, 200..=299 | 400..=499 | 503),
        "{path}: {answer}"
    );
    if status >= 400 {
        assert!(
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
        assert!(answer.len() < 8_000, "{path}: {} bytes", answer.len());
    }
});
