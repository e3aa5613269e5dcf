//! `adjutant serve`: a host for as long as the process lives.

use super::apply;
use super::settings::Config;
use crate::args::{Global, ServeArgs};
use crate::ask::home;
use crate::client::Client;
use crate::exit::{Code, Error, Result};
use crate::interrupt::Interrupts;
use crate::print;
use crate::team::Team;
use crate::wire;
use serde_json::json;

/// Does it.
pub(crate) async fn run(args: ServeArgs, global: &Global) -> Result<Code> {
    let interrupts = Interrupts::listen()?;
    crate::interrupt::keep_large_files_from_ending_it()?;
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let team = args.team.as_deref().map(Team::read).transpose()?;
    let data = match &args.data {
        Some(data) => std::path::absolute(data)
            .map_err(|error| Error::Usage(format!("{} is no folder: {error}", data.display())))?,
        None => home()?.join("host"),
    };
    let settings = config.unwrap_or_default().into_settings(&data, &args)?;
    let mut running = interrupts.or(wire::start(settings)).await?;
    let served = async {
        if let Some(team) = &team {
            // It may name what lies in the watched folder.
            let looked = async {
                running.first_look().await;
                Ok(())
            };
            interrupts.or(looked).await?;
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
