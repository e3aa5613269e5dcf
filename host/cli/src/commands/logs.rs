//! `adjutant logs`: what was said on a ticket and what its runs printed, in the order of time.
//!
//! Invariant: each message and each piece of output is printed once, also while they are followed.

use super::{client, is_end};
use crate::args::{Global, LogsArgs};
use crate::client::{Author, Client, LogLine, MessageView, RunView};
use crate::exit::{Code, Error, Result};
use crate::{clean, print};
use adjutant_model::{EventKind, RunId, TicketId};
use serde::Serialize;
use std::collections::HashMap;

/// Something said or printed.
#[derive(Debug, Serialize)]
struct Entry {
    at: String,
    /// A message's kind, or `output`.
    kind: String,
    /// Who said it, or the stream that it was printed to.
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    text: String,
}

/// What is read, and how far.
struct Reader<'a> {
    client: &'a Client,
    json: bool,
    ticket: TicketId,
    /// None where only one run is of interest.
    messages: Option<u64>,
    /// The run of interest; all of the ticket's where there is none.
    run: Option<RunId>,
    /// The next piece of each run's output.
    output: HashMap<RunId, u64>,
}

/// Does it.
pub(crate) async fn run(args: &LogsArgs, global: &Global) -> Result<Code> {
    let client = client(global)?;
    let (ticket, run, over) = find(&client, &args.id).await?;
    let mut reader = Reader {
        client: &client,
        json: global.json,
        ticket,
        messages: run.is_none().then_some(0),
        run,
        output: HashMap::new(),
    };
    reader.catch_up().await?;
    if !args.follow || over {
        return Ok(Code::Ok);
    }
    let mut events = client.events(ticket);
    loop {
        let event = events.next().await?.kind;
        let ended = match run {
            Some(run) => matches!(event, EventKind::RunEnded { run: ended, .. } if ended == run),
            None => is_end(&event, ticket),
        };
        if ended || reader.is_news(&event) {
            reader.catch_up().await?;
        }
        if ended {
            return Ok(Code::Ok);
        }
    }
}

/// The ticket, the run if it is one, and whether it is over.
async fn find(client: &Client, id: &str) -> Result<(TicketId, Option<RunId>, bool)> {
    match client.ticket(id).await {
        Ok(ticket) => {
            let ticket: crate::client::TicketView = super::read(ticket)?;
            Ok((ticket.id, None, ticket.is_over()))
        }
        Err(error) if error.code() == Code::NotFound => match client.run(id).await {
            Ok(run) => Ok((run.ticket, Some(run.id), run.is_over())),
            Err(error) if error.code() == Code::NotFound => {
                Err(Error::Host(crate::exit::Problem {
                    status: 404,
                    detail: format!("there is no ticket and no run with the id {id}"),
                    ..Default::default()
                }))
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

impl Reader<'_> {
    /// Whether an event says that there is something to print.
    fn is_news(&self, event: &EventKind) -> bool {
        match event {
            EventKind::MessagePosted { ticket, .. } => {
                self.messages.is_some() && *ticket == self.ticket
            }
            EventKind::RunOutput { ticket, run, .. } => {
                *ticket == self.ticket && self.run.is_none_or(|only| only == *run)
            }
            _ => false,
        }
    }

    /// Prints all that is new.
    async fn catch_up(&mut self) -> Result<()> {
        let mut entries = Vec::new();
        if let Some(from) = self.messages {
            let messages = self.client.messages(self.ticket, from).await?;
            if let Some(last) = messages.last() {
                self.messages = Some(last.index + 1);
            }
            entries.extend(messages.into_iter().map(said));
        }
        let runs: Vec<RunId> = match self.run {
            Some(run) => vec![run],
            None => {
                let runs = self.client.runs(self.ticket).await?;
                runs.iter().map(|run: &RunView| run.id).collect()
            }
        };
        for run in runs {
            let next = self.output.entry(run).or_default();
            let lines = self.client.log(run, *next).await?;
            if let Some(last) = lines.last() {
                *next = last.index + 1;
            }
            entries.extend(lines.into_iter().map(|line| printed(run, line)));
        }
        // Stable, so that what has the same time keeps its order.
        entries.sort_by_key(|entry| entry.at.parse::<jiff::Timestamp>().ok());
        for entry in entries {
            if self.json {
                print::json_line(&entry)?;
            } else {
                print::text(&shown(&entry))?;
            }
        }
        Ok(())
    }
}

fn said(message: MessageView) -> Entry {
    let Author { kind, name } = message.author;
    Entry {
        at: message.at,
        kind: message.kind,
        from: if name.is_empty() { kind } else { name },
        run: None,
        text: message.text,
    }
}

fn printed(run: RunId, line: LogLine) -> Entry {
    Entry {
        at: line.at,
        kind: "output".to_owned(),
        from: line.stream,
        run: Some(run),
        text: line.text,
    }
}

/// An entry for people: a head, and the lines below it where there are several.
fn shown(entry: &Entry) -> String {
    // The day is in --json; here the time is enough.
    let time = entry.at.split('T').nth(1).unwrap_or(&entry.at);
    let time = time.split(['.', 'Z']).next().unwrap_or(time);
    let head = match entry.kind.as_str() {
        "text" => format!("{time} {}", entry.from),
        kind => format!("{time} {} ({kind})", entry.from),
    };
    let head = clean::line(&head, 200);
    let text = clean::block(&entry.text);
    let text = text.trim_end();
    if text.contains('\n') {
        format!("{head}:\n  {}", text.replace('\n', "\n  "))
    } else {
        format!("{head}: {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, text: &str) -> Entry {
        Entry {
            at: "2026-11-02T10:20:30.4Z".into(),
            kind: kind.into(),
            from: "ada".into(),
            run: None,
            text: text.into(),
        }
    }

    #[test]
    fn entries_have_a_head_and_clean_lines() {
        assert_eq!(shown(&entry("text", "Hi.\n")), "10:20:30 ada: Hi.");
        assert_eq!(
            shown(&entry("report", "One\n\u{1b}]0;x\u{7}Two\n")),
            "10:20:30 ada (report):\n  One\n  Two"
        );
    }

    #[test]
    fn the_host_has_no_name_but_what_it_is() {
        let message = serde_json::json!({
            "index": 0, "author": {"type": "host"}, "kind": "text", "text": "x", "at": "t"
        });
        let message: MessageView = serde_json::from_value(message).expect("a message");
        assert_eq!(said(message).from, "host");
    }
}
