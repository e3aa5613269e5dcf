//! `adjutant run`: what happened in a run, the same once more, and on from where it broke.

mod end;
mod replay;
mod show;
#[cfg(test)]
mod tests;
mod words;

use super::{client, read};
use crate::args::{Global, RunCommand, RunListArgs, RunResumeArgs};
use crate::client::RunDetail;
use crate::exit::{Code, Result};
use crate::{clean, print};

/// Does it.
pub(crate) async fn run(command: RunCommand, global: &Global) -> Result<Code> {
    match command {
        RunCommand::List(args) => list(&args, global).await,
        RunCommand::Show(args) => show::run(&args, global).await,
        RunCommand::Replay(args) => replay::run(args, global).await,
        RunCommand::Resume(args) => resume(&args, global).await,
    }
}

async fn list(args: &RunListArgs, global: &Global) -> Result<Code> {
    let client = client(global)?;
    let most = args.limit as usize;
    let runs = match &args.ticket {
        Some(ticket) => {
            let mut runs = client.runs_of(ticket).await?;
            runs.reverse();
            runs.truncate(most);
            runs
        }
        None => {
            let status = args.status.as_ref();
            let filter: Vec<_> = status
                .map(|status| ("status", status.clone()))
                .into_iter()
                .collect();
            client.list_runs(&filter, most).await?
        }
    };
    if global.json {
        print::json(&runs)?;
        return Ok(Code::Ok);
    }
    let rows: Result<Vec<_>> = runs
        .into_iter()
        .map(|run| read::<RunDetail>(run).map(row))
        .collect();
    let header = [
        "ID", "STATUS", "AGENT", "PLUGIN", "CALLS", "QUEUED", "TICKET",
    ];
    print::text(&print::table(&header, &rows?, print::width()))?;
    Ok(Code::Ok)
}

fn row(run: RunDetail) -> Vec<String> {
    vec![
        run.id.to_string(),
        run.status,
        run.agent.name,
        format!("{}@{}", run.plugin.name, run.plugin.version),
        run.calls.to_string(),
        // The second is enough; --json has the rest.
        run.queued_at.chars().take(19).collect(),
        run.ticket,
    ]
}

async fn resume(args: &RunResumeArgs, global: &Global) -> Result<Code> {
    let client = client(global)?;
    let old = client.find_run(&args.run).await?;
    let plugin = args.plugin.as_ref();
    let plugin = plugin.map(|plugin| format!("{}@{}", plugin.name, plugin.version));
    let new = client.resume(old, plugin.as_deref()).await?;
    if global.json {
        print::json(&new)?;
        return Ok(Code::Ok);
    }
    let new: RunDetail = read(new)?;
    let calls = new.resumed.as_ref().map_or(0, |resumed| resumed.calls);
    let text = format!(
        "run {} goes on from {old} after {} with {}@{}, as attempt {} at ticket {}",
        new.id,
        words::calls(calls),
        new.plugin.name,
        new.plugin.version,
        new.attempt,
        new.ticket
    );
    print::text(&clean::line(&text, 500))?;
    Ok(Code::Ok)
}
