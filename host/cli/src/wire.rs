//! Putting a host together: the only place that knows what it is made of.
//!
//! Whoever starts a host here talks to it through its URL like any other client.

use crate::exit::{Error, Result};
use adjutant_component::{Compiler, Engine, EngineOptions};
use adjutant_connect::{GitOptions, GitWorktrees};
use adjutant_dispatch::{Host, HostOptions, HostParts, SourceOptions};
use adjutant_model::Limits;
use adjutant_server::{Server, ServerOptions};
use adjutant_store::{Options, RedbEngine, RedbOptions, Store};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod builtin {
    #![expect(unreachable_pub, reason = "the build script writes it for any place")]
    include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
}

/// What a host is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The folder that holds everything; made where there is none.
    pub(crate) data: PathBuf,
    /// The folder for compiled components, which several hosts may share.
    pub(crate) cache: PathBuf,
    /// Where to listen.
    pub(crate) addr: SocketAddr,
    /// How large things may become.
    pub(crate) limits: Limits,
    /// How the store uses the disk.
    pub(crate) store: RedbOptions,
    /// How long runs get to come to a halt when the host stops.
    pub(crate) shutdown: Duration,
    /// How long a run waits in memory; the host's own default where none is given.
    pub(crate) park_after: Option<Duration>,
    /// How many runs can be in memory at a time; the engine's own default where none is given.
    pub(crate) instances: Option<u32>,
    /// Where plugins may come from, and how they are bounded.
    pub(crate) plugins: PluginSettings,
}

/// Where plugins may come from, and how they are bounded.
#[derive(Clone, Debug)]
pub(crate) struct PluginSettings {
    /// Bytes of a component.
    pub(crate) max_bytes: usize,
    /// How long compiling one may take.
    pub(crate) compile_time: Duration,
    /// Bytes of memory that compiling one may take.
    pub(crate) compile_memory: u64,
    /// How many new ones may wait while another one is compiled.
    pub(crate) compile_queue: usize,
    /// Where they may come from.
    pub(crate) sources: SourceOptions,
}

impl Default for PluginSettings {
    fn default() -> Self {
        let engine = EngineOptions::default();
        PluginSettings {
            max_bytes: engine.max_component,
            compile_time: engine.compile_time,
            compile_memory: engine.compile_memory,
            compile_queue: engine.compile_queue,
            sources: SourceOptions::default(),
        }
    }
}

impl Settings {
    /// A host that keeps everything below one folder.
    pub(crate) fn below(data: &Path, addr: SocketAddr) -> Settings {
        Settings {
            data: data.to_owned(),
            cache: data.join("compiled"),
            addr,
            limits: Limits::default(),
            store: RedbOptions::default(),
            shutdown: Duration::ZERO,
            park_after: None,
            instances: None,
            plugins: PluginSettings::default(),
        }
    }
}

/// A host that runs in this process, with its API.
pub(crate) struct Running {
    url: String,
    host: Host,
    shutdown: Duration,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::result::Result<(), adjutant_server::ServeError>>,
}

/// A host that runs in this process without its API.
pub(crate) struct Bare {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
}

/// How long a registry may take.
const PULLED_WITHIN: Duration = Duration::from_secs(120);

/// Plugins for `adjutant bench` alone.
const BENCH: &str = "bench-";

/// Starts a host without its API. The benchmark's plugins are there only if they are wanted.
pub(crate) async fn bare(settings: Settings, bench: bool) -> Result<Bare> {
    let data = settings.data;
    let storage = RedbEngine::open(data.join("store"), settings.store)
        .await
        .map_err(|error| failed(&error))?;
    let store = Store::open(Arc::new(storage), store_options(&settings.limits))
        .await
        .map_err(|error| failed(&error))?;
    let folder = data.join("worktrees");
    let compiler = Compiler::this_program().map_err(|error| failed(&error))?;
    let mut engine = EngineOptions {
        cache_dir: Some(settings.cache),
        max_component: settings.plugins.max_bytes,
        compiler: Some(compiler),
        compile_time: settings.plugins.compile_time,
        compile_memory: settings.plugins.compile_memory,
        compile_queue: settings.plugins.compile_queue,
        ..EngineOptions::default()
    };
    if let Some(instances) = settings.instances {
        engine.max_instances = instances;
    }
    let made = tokio::task::spawn_blocking(move || blocking(folder, &engine)).await;
    let (engine, worktrees) = made.map_err(|error| failed(&error))??;
    let parts = HostParts {
        store: store.clone(),
        engine: engine.clone(),
        worktrees: Arc::new(worktrees),
        plugins: data.join("plugins"),
    };
    let builtins = builtin::BUILTIN
        .iter()
        .filter(|builtin| bench || !builtin.name.starts_with(BENCH))
        .map(|builtin| adjutant_dispatch::Builtin {
            name: builtin.name.to_owned(),
            version: builtin.version.to_owned(),
            wasm: Cow::Borrowed(builtin.wasm),
        });
    let mut options = HostOptions {
        limits: settings.limits,
        builtins: builtins.collect(),
        sources: settings.plugins.sources,
        ..HostOptions::default()
    };
    if settings.addr.port() != 0 {
        options.base_url = format!("http://{}", settings.addr);
    }
    if let Some(park_after) = settings.park_after {
        options.runner.park_after = park_after;
    }
    let host = Host::start(parts, options)
        .await
        .map_err(|error| failed(&error))?;
    Ok(Bare {
        host,
        store,
        engine,
    })
}

/// A whole tree of tickets can be cancelled in one batch, so a batch may be large.
fn store_options(limits: &Limits) -> Options {
    let largest = limits.tree_bytes.saturating_mul(2).max(32 << 20);
    Options {
        max_batch: largest,
        queue_bytes: largest.saturating_mul(2),
        ..Options::default()
    }
}

/// A plugin that this program brings along.
pub(crate) fn builtin(name: &str) -> Option<&'static [u8]> {
    let known = builtin::BUILTIN.iter().find(|builtin| builtin.name == name);
    known.map(|builtin| builtin.wasm)
}

/// Starts a host and its API.
pub(crate) async fn start(settings: Settings) -> Result<Running> {
    let (addr, shutdown) = (settings.addr, settings.shutdown);
    let plugins = settings.plugins.clone();
    let host = bare(settings, false).await?.host;
    let usual = ServerOptions::default();
    let options = ServerOptions {
        addr,
        upload_bytes: plugins.max_bytes,
        // It may be pulled from a registry, and wait for another one that is compiled.
        upload_timeout: usual
            .upload_timeout
            .max(plugins.compile_time * 2 + PULLED_WITHIN),
        ..usual
    };
    let server = match Server::bind(host.clone(), options) {
        Ok(server) => server,
        Err(error) => {
            host.shutdown().await;
            return Err(match error {
                adjutant_server::ServeError::NotLoopback(_) => Error::Usage(error.to_string()),
                error => failed(&error),
            });
        }
    };
    let url = format!("http://{}", server.local_addr());
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.serve(async {
        // Both mean that it is to end: being told, and having nobody left who could tell.
        let _ = stopped.await;
    }));
    Ok(Running {
        url,
        host,
        shutdown,
        stop: Some(stop),
        serving,
    })
}

/// The parts that are made by blocking calls.
fn blocking(worktrees: PathBuf, engine: &EngineOptions) -> Result<(Engine, GitWorktrees)> {
    let worktrees = GitWorktrees::new(worktrees, "git", GitOptions::default())
        .map_err(|error| failed(&error))?;
    let engine = Engine::new(engine).map_err(|error| failed(&error))?;
    Ok((engine, worktrees))
}

impl Running {
    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until all files have been looked at that were in the watched folder at the start.
    pub(crate) async fn first_look(&self) {
        self.host.first_look().await;
    }

    /// Waits until the API ends, which it does by itself only where something is broken.
    pub(crate) async fn broken(&mut self) -> Error {
        match (&mut self.serving).await {
            Ok(Ok(())) => Error::Failed("the API ended by itself".to_owned()),
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }

    /// Ends it: the runs first, within their bound, while everything can still be read; then the API,
    /// then the host. What runs goes on at the next start.
    pub(crate) async fn stop(mut self) {
        let dropped = self.host.drain(self.shutdown).await;
        if dropped > 0 {
            tracing::info!(dropped, "runs were dropped, and go on at the next start");
        }
        if let Some(stop) = self.stop.take() {
            // An error says that the API has ended already.
            let _ = stop.send(());
        }
        if !self.serving.is_finished()
            && let Ok(Err(error)) = self.serving.await
        {
            tracing::warn!(%error, "the API did not end well");
        }
        self.host.shutdown().await;
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_host_says_what_it_is() {
        for builtin in builtin::BUILTIN {
            let checked = adjutant_author::check::check(builtin.wasm, None);
            assert!(checked.fits, "{}: {:?}", builtin.name, checked.faults);
            let Some(manifest) = checked.manifest else {
                assert!(builtin.name.starts_with(BENCH), "{}", builtin.name);
                continue;
            };
            assert_eq!(manifest.name, builtin.name);
            assert_eq!(manifest.version, builtin.version, "{}", builtin.name);
            assert!(!manifest.description.is_empty(), "{}", builtin.name);
        }
    }
}
