//! `adjutant run show`: a run's journal as a readable story.

use super::super::{client, read};
use super::{end, words};
use crate::args::{Global, RunShowArgs};
use crate::client::{LogLine, RunDetail};
use crate::exit::{Code, Result};
use crate::{clean, print};
use adjutant_model::{Entry, Timestamp, WaitKind};
use adjutant_run::Recording;
use serde_json::json;
use std::fmt::Write as _;

/// Lines of a task or of what was printed in one go that are shown unless all is wanted.
const LINES: usize = 8;
/// Characters of a line of those.
const LINE: usize = 160;

/// Does it.
pub(super) async fn run(args: &RunShowArgs, global: &Global) -> Result<Code> {
    let client = client(global)?;
    let id = client.find_run(&args.run).await?;
    let shown = client.run_json(id).await?;
    if global.json {
        let journal = client.journal_json(id).await?;
        let log = client.log_json(id).await?;
        print::json(&json!({ "run": shown, "journal": journal, "log": log }))?;
        return Ok(Code::Ok);
    }
    let detail: RunDetail = read(shown)?;
    let recording = client.recording(id).await?;
    let log = client.log(id, 0).await?;
    let told = Told {
        recording: &recording,
        detail: &detail,
        log: &log,
        full: args.full,
    };
    print::text(&told.story())?;
    Ok(Code::Ok)
}

/// What a story is told from.
pub(super) struct Told<'a> {
    pub(super) recording: &'a Recording,
    pub(super) detail: &'a RunDetail,
    pub(super) log: &'a [LogLine],
    /// Whether everything is shown whole.
    pub(super) full: bool,
}

/// Something that happened, for the order in time.
enum Item<'a> {
    Queued,
    Call(usize, &'a Entry),
    Output(&'a LogLine),
}

impl Told<'_> {
    /// The story.
    pub(super) fn story(&self) -> String {
        let mut text = self.head();
        text.push('\n');
        let items = self.items();
        let mut last = items.first().map_or(0, |(at, _)| *at);
        for (at, item) in items {
            match item {
                Item::Queued => {
                    let what = match &self.detail.resumed {
                        None => "queued",
                        Some(_) => "queued, to go on from here; what is above was taken over",
                    };
                    let _ = writeln!(text, "{}", self.line(at, last, what));
                }
                Item::Call(index, entry) => {
                    let call = self.call(index, entry);
                    let _ = writeln!(text, "{}", self.line(at, last, &call));
                }
                Item::Output(line) => text.push_str(&self.output(line)),
            }
            last = at;
        }
        text.push_str(&self.tail(last));
        text
    }

    fn head(&self) -> String {
        let (run, ticket) = (&self.recording.run, &self.recording.ticket);
        let boss = self.recording.boss.as_ref();
        let boss = boss.map_or(String::new(), |boss| format!(", for {}", boss.name));
        let digest: String = run
            .plugin
            .digest
            .chars()
            .take("sha256:".len() + 12)
            .collect();
        let mut text = clean::line(&format!("Run {}, {}", run.id, run.status), LINE);
        let mut field = |name: &str, value: String| {
            let _ = write!(text, "\n  {name:<8} {}", clean::line(&value, LINE));
        };
        field("ticket", format!("{} \"{}\"", ticket.id, ticket.title));
        field("agent", format!("{}{boss}", self.detail.agent.name));
        field(
            "plugin",
            format!("{}@{} {digest}", run.plugin.name, run.plugin.version),
        );
        field("attempt", run.attempt.to_string());
        if let Some(resumed) = &self.detail.resumed {
            let after = words::calls(resumed.calls);
            field(
                "goes on",
                format!("from run {} after {after}", resumed.from),
            );
        }
        field("queued", date(run.queued_at));
        text.push_str("\n\nTask:\n");
        text.push_str(&self.block(&ticket.title, "  "));
        if !ticket.description.is_empty() && ticket.description != ticket.title {
            text.push_str(&self.block(&ticket.description, "  "));
        }
        text
    }

    /// All that happened, in order. Calls keep theirs, whatever their times.
    fn items(&self) -> Vec<(Timestamp, Item<'_>)> {
        let entries = &self.recording.journal.entries;
        let taken_over = self.detail.resumed.as_ref().map_or(0, |from| from.calls);
        let taken_over = entries.len().min(taken_over as usize);
        let queued = (self.recording.run.queued_at, Item::Queued);
        let call = |(index, entry): (usize, _)| {
            let entry: &Entry = entry;
            (entry.at, Item::Call(index, entry))
        };
        let (old, new) = entries.split_at(taken_over);
        let mut items: Vec<_> = old.iter().enumerate().map(call).collect();
        items.push(queued);
        let mut log = self.log.iter().peekable();
        for (index, entry) in new.iter().enumerate() {
            while let Some(line) = log.next_if(|line| millis(&line.at) < entry.at) {
                items.push((millis(&line.at), Item::Output(line)));
            }
            items.push(call((taken_over + index, entry)));
        }
        items.extend(log.map(|line| (millis(&line.at), Item::Output(line))));
        items
    }

    fn call(&self, index: usize, entry: &Entry) -> String {
        let answer = match &entry.reply {
            None => "waits still".to_owned(),
            Some(reply) if self.full => format!("\n{}", words::whole(reply, INDENT)),
            Some(reply) => words::answered(reply),
        };
        let waited = match (entry.began, &entry.reply) {
            (Some(began), Some(_)) => {
                format!("waited {}: ", elapsed(entry.at.saturating_sub(began)))
            }
            _ => String::new(),
        };
        let asked = if self.full {
            format!(
                "{}\n{}",
                entry.call.name(),
                words::whole(&entry.call, INDENT)
            )
        } else {
            words::asked(&entry.call)
        };
        let answer = format!("→ {waited}{answer}").replace(" \n", "\n");
        format!("#{index} {asked}\n{:INDENT$}{answer}", "")
    }

    fn output(&self, line: &LogLine) -> String {
        let mark = format!("{:INDENT$}{} | ", "", clean::line(&line.stream, 40));
        self.block(&line.text, &mark)
    }

    fn tail(&self, last: Timestamp) -> String {
        let run = &self.recording.run;
        let end = end::of_run(self.recording, self.full);
        match run.ended_at {
            Some(at) => format!("{}\n", self.line(at, last, &end.replace('\n', "\n    "))),
            None => {
                let waits = run.wait.as_ref().map(|wait| match &wait.kind {
                    WaitKind::Reports { tickets, .. } => format!("for {} reports", tickets.len()),
                    WaitKind::Answer { .. } => "for an answer".to_owned(),
                    WaitKind::External => "for a report from outside".to_owned(),
                });
                let until = run.wait.as_ref().and_then(|wait| wait.until);
                let until = until.map_or(String::new(), |at| format!(", until {}", date(at)));
                match waits {
                    Some(what) => format!("It waits {what}{until}.\n"),
                    None => format!("It is {}.\n", run.status),
                }
            }
        }
    }

    /// A line with its time, and how long after the one before.
    fn line(&self, at: Timestamp, last: Timestamp, what: &str) -> String {
        let time = date(at);
        let time = time.split(' ').nth(1).unwrap_or_default();
        let since = format!("+{}", elapsed(at.saturating_sub(last)));
        format!("{time}  {since:>9}  {what}")
    }

    /// Lines with a mark before each, as many as are wanted.
    fn block(&self, text: &str, mark: &str) -> String {
        let text = clean::block(text);
        let text = text.trim_end_matches('\n');
        let most = if self.full { usize::MAX } else { LINES };
        let mut shown = String::new();
        for line in text.split('\n').take(most) {
            let line = if self.full {
                line.to_owned()
            } else {
                clean::line(line, LINE)
            };
            let _ = writeln!(shown, "{mark}{line}");
        }
        let more = text.split('\n').count().saturating_sub(most);
        if more > 0 {
            let _ = writeln!(shown, "{mark}… and {more} lines more (--full)");
        }
        shown
    }
}

/// Where what belongs to a call begins: below its number.
const INDENT: usize = "00:00:00.000  +00000 ms  ".len();

fn date(at: Timestamp) -> String {
    let at = i64::try_from(at).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    at.map_or_else(String::new, |at| {
        at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
    })
}

fn millis(at: &str) -> Timestamp {
    let at: Option<jiff::Timestamp> = at.parse().ok();
    at.and_then(|at| Timestamp::try_from(at.as_millisecond()).ok())
        .unwrap_or_default()
}

fn elapsed(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}
