//! `adjutant serve`: a host for as long as the process lives.

use super::apply;
use crate::args::{Global, ServeArgs};
use crate::ask::home;
use crate::client::Client;
use crate::exit::{Code, Error, Result};
use crate::interrupt::Interrupts;
use crate::print;
use crate::team::{Team, read_text};
use crate::wire::{self, Settings};
use adjutant_model::Limits;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The host's settings, as a file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    limits: Limits,
    runs: Runs,
    store: Storage,
}

/// How the disk is used, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Storage {
    /// Bytes of the disk that are to stay free: with less, nothing new is stored. 0 turns it off.
    floor_bytes: Option<u64>,
    /// Bytes of memory for pages of the store.
    cache_bytes: Option<usize>,
}

/// How runs are executed, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Runs {
    /// How long a run waits in memory before its instance is dropped.
    park_after_ms: Option<u64>,
    /// How many runs can be in memory at a time; more wait, and workspaces take turns.
    instances: Option<u32>,
    /// How long runs get to come to a halt when the host stops.
    shutdown_ms: Option<u64>,
}

/// How long runs get to come to a halt unless told otherwise.
const SHUTDOWN_MS: u64 = 10_000;

/// Does it.
pub(crate) async fn run(args: ServeArgs, global: &Global) -> Result<Code> {
    let interrupts = Interrupts::listen()?;
    crate::interrupt::keep_large_files_from_ending_it()?;
    let config = args.config.as_deref().map(config).transpose()?;
    let team = args.team.as_deref().map(Team::read).transpose()?;
    let data = match args.data {
        Some(data) => std::path::absolute(&data)
            .map_err(|error| Error::Usage(format!("{} is no folder: {error}", data.display())))?,
        None => home()?.join("host"),
    };
    let config = config.unwrap_or_default();
    let mut settings = Settings {
        limits: config.limits,
        park_after: config.runs.park_after_ms.map(Duration::from_millis),
        instances: config.runs.instances,
        shutdown: Duration::from_millis(config.runs.shutdown_ms.unwrap_or(SHUTDOWN_MS)),
        ..Settings::below(&data, args.addr)
    };
    if let Some(floor) = config.store.floor_bytes {
        settings.store.floor_bytes = floor;
    }
    if let Some(cache) = config.store.cache_bytes {
        settings.store.cache_bytes = cache;
    }
    let mut running = interrupts.or(wire::start(settings)).await?;
    let served = async {
        if let Some(team) = &team {
            let client = Client::new(running.url(), None)?;
            interrupts.or(apply(&client, team)).await?;
        }
        if global.json {
            print::json_line(&json!({ "url": running.url(), "data": data }))?;
        } else {
            let (url, data) = (running.url(), data.display());
            print::text(&format!(
                "adjutant listens on {url}, and keeps its data in {data}"
            ))?;
        }
        tokio::select! {
            () = interrupts.first() => Ok(Code::Ok),
            error = running.broken() => Err(error),
        }
    };
    let served = served.await;
    tracing::info!("stopping");
    running.stop().await;
    served
}

fn config(path: &Path) -> Result<Config> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| Error::Usage(format!("{shown} cannot be read: {error}")))?;
    toml::from_str(&read_text(file, &shown)?)
        .map_err(|error| Error::Usage(format!("{shown}: {}", error.to_string().trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_by_their_names() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("adjutant.toml");
        let text = "[limits]\ndepth = 5\n[runs]\npark_after_ms = 50\nshutdown_ms = 7\n\
            [store]\nfloor_bytes = 9\n";
        std::fs::write(&path, text).expect("written");
        let Config {
            limits,
            runs,
            store,
        } = config(&path).expect("settings");
        assert_eq!((runs.shutdown_ms, store.floor_bytes), (Some(7), Some(9)));
        assert_eq!(runs.park_after_ms, Some(50));
        assert_eq!(limits.depth, 5);
        assert_eq!(limits.children, Limits::default().children);
        std::fs::write(&path, "[limits]\ndepht = 5\n").expect("written");
        let error = config(&path).expect_err("a wrong name");
        assert!(matches!(error, Error::Usage(_)));
        assert!(error.to_string().contains("depht"), "{error}");
    }
}
