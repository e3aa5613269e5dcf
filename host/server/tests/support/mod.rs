//! A whole host with its API in this process: its store, and one built-in plugin.

use adjutant_build::build_guests;
use adjutant_component::{Engine, EngineOptions};
use adjutant_connect::{GitOptions, GitWorktrees};
use adjutant_dispatch::{Builtin, Host, HostOptions, HostParts};
use adjutant_server::{ServeError, Server, ServerOptions};
use adjutant_store::{Options, RedbEngine, Store};
use futures::StreamExt;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running API, and a client for it.
pub(crate) struct Api {
    base: String,
    client: Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
    host: Host,
    _folder: TempDir,
}

impl Api {
    pub(crate) async fn start() -> Api {
        let temporary = &adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(temporary).expect("a folder");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/Cargo.toml");
        let built = build_guests(&manifest, &temporary.join("guests"), &["external"])
            .expect("the plugin builds");
        let builtins = built
            .into_iter()
            .map(|guest| Builtin {
                name: guest.name,
                version: "0.1.0".to_owned(),
                wasm: std::fs::read(&guest.path).expect("the plugin").into(),
            })
            .collect();
        let redb = RedbEngine::open(folder.path().join("store"), Default::default()).await;
        let store = Store::open(Arc::new(redb.expect("a database")), Options::default()).await;
        let engine = Engine::new(&EngineOptions {
            max_instances: 20,
            cache_dir: Some(temporary.join("compiled")),
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
            builtins,
            ..HostOptions::default()
        };
        let host = Host::start(parts, options).await.expect("a host");
        let server = Server::bind(host.clone(), ServerOptions::default()).expect("a server");
        let base = format!("http://{}", server.local_addr());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        let api = Api {
            base,
            client: client(),
            stop,
            serving,
            host,
            _folder: folder,
        };
        let team = json!({"agents": [
            {"name": "lead", "plugin": "external"},
            {"name": "ada", "plugin": "external", "boss": "lead", "skills": ["rust"]},
        ]});
        let applied = api.post("/v1/apply", &team).await;
        assert_eq!(applied["workspace"]["name"], "default");
        assert_eq!(applied["agents"][1]["name"], "ada");
        api
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.expect(path);
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.request(Method::POST, path).json(body).send().await;
        let response = response.expect(path);
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// Sends it and expects a problem.
    pub(crate) async fn problem(&self, request: reqwest::RequestBuilder, status: u16) -> Value {
        let response = request.send().await.expect("an answer");
        let url = response.url().clone();
        let sent = response.status();
        let kind = response.headers().get("content-type").cloned();
        let text = response.text().await.expect("a body");
        assert_eq!(sent, status, "{url}: {text}");
        assert_eq!(kind.expect("a type"), "application/problem+json", "{url}");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(body["status"], status, "{url}");
        let detail = body["detail"].as_str().expect("a detail");
        assert!(detail.contains(' '), "{url}: {detail}");
        body
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let served = tokio::time::timeout(PATIENCE, self.serving).await;
        served.expect("it ends").expect("no panic").expect("served");
        self.host.shutdown().await;
    }
}

/// Events of a stream, by and by.
pub(crate) struct Events {
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    pub(crate) async fn open(api: &Api, path: &str, last: Option<u64>) -> Events {
        let mut request = api.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response: Response = request.send().await.expect("a stream");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// The next event: its id, its type and its data; none at the end.
    pub(crate) async fn next(&mut self) -> Option<(u64, String, Value)> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                let parsed = field("id: ").zip(field("event: ")).zip(field("data: "));
                self.text = rest.to_owned();
                if let Some(((id, kind), data)) = parsed {
                    let data = serde_json::from_str(&data).expect("JSON");
                    return Some((id.parse().expect("a number"), kind, data));
                }
                continue;
            }
            let part = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let part = part.expect("something happens")?.expect("bytes");
            self.text
                .push_str(std::str::from_utf8(&part).expect("text"));
        }
    }

    pub(crate) async fn until(&mut self, wanted: &str) -> Vec<(u64, String, Value)> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().await.expect(wanted);
            let found = event.1 == wanted;
            seen.push(event);
            if found {
                return seen;
            }
        }
    }
}

fn client() -> Client {
    adjutant_connect::use_tls();
    let client = Client::builder().tls_certs_only([]);
    client.build().expect("a client")
}
