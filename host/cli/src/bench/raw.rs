//! The limits that a workload is measured against: the database alone, and the sandbox alone.

use super::Workload;
use crate::exit::{Error, Result};
use adjutant_component::bench::{Canned, task, throughput};
use adjutant_component::{Context, Engine};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Durable commits of so many records and bytes in a second, written to redb alone in the groups that
/// so many requests at a time make.
pub(crate) async fn redb(
    folder: &Path,
    records: f64,
    bytes: f64,
    at_once: usize,
    time: Duration,
) -> Result<f64> {
    let folder = folder.to_owned();
    let records = records.round().max(1.0);
    let each = (bytes / records).round() as usize;
    let measure =
        move || adjutant_store::raw_group_commit(&folder, records as usize, each, at_once, time);
    let rate = tokio::task::spawn_blocking(measure)
        .await
        .map_err(failed)?
        .map_err(failed)?;
    Ok(rate.per_second())
}

/// Requests in a second if nothing but their components had to run.
pub(crate) async fn wasm(
    engine: &Engine,
    workload: &Workload,
    at_once: usize,
    time: Duration,
) -> Result<f64> {
    let mut seconds_per_request = 0.0;
    for (name, config, team, times) in &workload.calls {
        let wasm = crate::wire::builtin(name)
            .ok_or_else(|| Error::Failed(format!("this program has no plugin {name}")))?;
        let component = engine
            .load_async(wasm.to_vec(), None)
            .await
            .map_err(failed)?;
        let prepared = Arc::new(engine.prepare::<Canned>(&component).map_err(failed)?);
        let task = Arc::new(task(config.to_string()));
        let begin = Instant::now();
        let (mut calls, mut elapsed) = (0, 0.0);
        while begin.elapsed() < time / workload.calls.len() as u32 {
            let team = *team;
            let made = throughput(&prepared, &task, 500, at_once, move |_| {
                (
                    Canned {
                        team,
                        ..Canned::default()
                    },
                    Context::default(),
                )
            })
            .await
            .map_err(failed)?;
            if made.failures > 0 {
                return Err(Error::Failed(format!(
                    "{name} failed when it was called alone"
                )));
            }
            calls += made.calls;
            elapsed += made.elapsed.as_secs_f64();
        }
        seconds_per_request += elapsed / calls as f64 * *times as f64;
    }
    Ok(1.0 / seconds_per_request)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
