//! What happens to a ticket and all below it, told from events: the state that a live display shows,
//! and the lines that a plain one prints.
//!
//! Invariants:
//! - Everything that agents wrote is cleaned when it is taken in; what is here can be printed.
//! - The same events always give the same story.
//! - What is kept is bounded, however long the work takes.

use crate::clean;
use adjutant_model::{
    AgentId, Author, Confidence, Event, EventKind, MessageKind, Status, TicketId, Timestamp,
};
use std::collections::HashMap;

/// The most tickets that are told of.
const MOST_PARTS: usize = 10_000;
/// The most lines of a part's output that are told as lines; the display shows the last one always.
const MOST_OUTPUT: usize = 8;
/// The most characters of a line.
const LINE: usize = 160;
/// The most characters of a title.
const TITLE: usize = 80;
/// The most bytes of output that wait for the end of their line.
const MOST_UNFINISHED: usize = 4_096;

/// The stream on which the host says which command is run.
const COMMAND: &str = "command";

/// A tree of tickets, as far as events have told of it.
#[derive(Debug)]
pub(crate) struct Story {
    names: HashMap<AgentId, String>,
    parts: Vec<Part>,
    places: HashMap<TicketId, usize>,
    unfinished: HashMap<(TicketId, String), String>,
    began: Option<Timestamp>,
}

/// One ticket of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// How far below the root.
    pub(crate) depth: usize,
    /// What is to be done.
    pub(crate) title: String,
    /// Who does it.
    pub(crate) who: String,
    /// Why this one was chosen, and how sure that is.
    pub(crate) why: String,
    /// Where it stands.
    pub(crate) stage: Stage,
    /// The last thing that was heard of it.
    pub(crate) note: String,
    output: usize,
}

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody has begun.
    Queued,
    /// Someone is at it.
    Working,
    /// It waits for others.
    Waiting,
    /// Over: done.
    Done,
    /// Over: failed.
    Failed,
    /// Over: cancelled.
    Cancelled,
}

impl Stage {
    /// Whether nothing more happens.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Stage::Done | Stage::Failed | Stage::Cancelled)
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Milliseconds since the first event.
    pub(crate) at: u64,
    /// Who it is about.
    pub(crate) who: String,
    /// What happened.
    pub(crate) text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", elapsed(self.at), self.who, self.text)
    }
}

/// Milliseconds for people: `04.2s` up to a minute, then `1m04s`.
pub(crate) fn elapsed(ms: u64) -> String {
    if ms < 60_000 {
        format!("{:04.1}s", (ms / 100) as f64 / 10.0)
    } else {
        format!("{}m{:02}s", ms / 60_000, ms / 1_000 % 60)
    }
}

impl Story {
    /// A story of agents with these names.
    pub(crate) fn new(names: &HashMap<AgentId, String>) -> Story {
        let names = names.iter();
        Story {
            names: names
                .map(|(id, name)| (*id, clean::line(name, TITLE)))
                .collect(),
            parts: Vec::new(),
            places: HashMap::new(),
            unfinished: HashMap::new(),
            began: None,
        }
    }

    /// Takes in an event. Gives back what is to be told, and which part has changed.
    pub(crate) fn take(&mut self, event: &Event) -> (Vec<Line>, Option<usize>) {
        let began = *self.began.get_or_insert(event.at);
        let Some(ticket) = event.kind.ticket() else {
            return (Vec::new(), None);
        };
        let texts = self.tell(ticket, &event.kind);
        let place = self.places.get(&ticket).copied();
        let at = event.at.saturating_sub(began);
        let lines = texts.into_iter().map(|(who, text)| Line { at, who, text });
        (lines.collect(), place)
    }

    /// A part by its place.
    pub(crate) fn part(&self, place: usize) -> &Part {
        &self.parts[place]
    }

    /// How many parts the root has below it, and how many of them are over.
    pub(crate) fn count(&self) -> (usize, usize) {
        let below = self.parts.iter().filter(|part| part.depth > 0);
        let over = below.clone().filter(|part| part.stage.is_over());
        (below.count(), over.count())
    }

    fn tell(&mut self, ticket: TicketId, kind: &EventKind) -> Vec<(String, String)> {
        use EventKind as E;
        match kind {
            E::TicketCreated {
                title,
                parent,
                assignee,
                ..
            } => {
                self.add(ticket, title, *parent, *assignee);
                Vec::new()
            }
            E::TicketAssigned { assignee, .. } => {
                let who = self.name(*assignee);
                if let Some(part) = self.of(ticket) {
                    part.who = who;
                }
                Vec::new()
            }
            E::TicketReassigned {
                from,
                assignee,
                reason,
                ..
            } => {
                let (from, who) = (self.name(*from), self.name(*assignee));
                let Some(part) = self.of(ticket) else {
                    return Vec::new();
                };
                part.who.clone_from(&who);
                part.why = clean::line(reason, LINE);
                let text = format!("takes over from {from}: {}", part.why);
                vec![(who, text)]
            }
            E::TicketDelegated {
                delegated_by,
                reason,
                confidence,
                ..
            } => self.delegated(ticket, *delegated_by, reason, *confidence),
            E::TicketStarted { agent, attempt, .. } => {
                let who = self.name(*agent);
                let text = if *attempt > 1 {
                    format!("started again, attempt {attempt}")
                } else {
                    "started".to_owned()
                };
                self.now(ticket, Some(Stage::Working), "started", |part| {
                    part.who = who;
                });
                self.line(ticket, text)
            }
            E::RunProvisioning { .. } => {
                self.now(ticket, Some(Stage::Working), "making its worktree", |_| ());
                Vec::new()
            }
            E::RunWaiting { what, .. } => {
                let note = format!("waits for {}", clean::line(what, LINE));
                self.now(ticket, Some(Stage::Waiting), &note, |_| ());
                self.line(ticket, note)
            }
            E::RunResumed { .. } => {
                self.now(ticket, Some(Stage::Working), "goes on", |_| ());
                Vec::new()
            }
            E::WorkPlanProposed { .. } => {
                self.now(ticket, None, "made a plan", |_| ());
                self.line(ticket, "made a plan".to_owned())
            }
            E::MessagePosted {
                author, kind, text, ..
            } => self.said(ticket, author, *kind, text),
            E::RunOutput { stream, text, .. } => self.printed(ticket, stream, text),
            E::OutputRefused { violations, .. } => {
                let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
                let note =
                    clean::line(&format!("its output was refused: {}", all.join("; ")), LINE);
                self.now(ticket, None, &note, |_| ());
                self.line(ticket, note)
            }
            E::TicketCompleted { summary, .. } => self.ended(ticket, Stage::Done, "done", summary),
            E::TicketFailed { reason, .. } => self.ended(ticket, Stage::Failed, "failed", reason),
            E::TicketCancelled { reason, .. } => {
                self.ended(ticket, Stage::Cancelled, "cancelled", reason)
            }
            E::TicketStatusChanged { to, .. } => match to {
                Status::Blocked | Status::InReview => {
                    let note = to.as_str().replace('_', " ");
                    self.now(ticket, Some(Stage::Waiting), &note, |_| ());
                    self.line(ticket, note)
                }
                // Ends have events of their own.
                _ => Vec::new(),
            },
            E::TicketRetried {
                attempt, reason, ..
            } => {
                let text = format!("attempt {attempt} failed, and is tried again: {reason}");
                let note = clean::line(&text, LINE);
                self.now(ticket, Some(Stage::Waiting), &note, |_| ());
                self.line(ticket, note)
            }
            E::AssigneeWanted { from, reason, .. } => {
                let text = format!("{} gives it up: {reason}", self.name(*from));
                let note = clean::line(&text, LINE);
                self.now(ticket, Some(Stage::Waiting), &note, |_| ());
                self.line(ticket, note)
            }
            E::TicketReleased { .. } => {
                self.line(ticket, "waits for no other ticket any more".to_owned())
            }
            E::BranchReady { repo, branch, .. } => {
                let text = format!("left branch {branch} in {repo}");
                self.line(ticket, clean::line(&text, LINE))
            }
            E::WorkspaceSaved { .. }
            | E::AgentSaved { .. }
            | E::TicketDetailsUpdated { .. }
            | E::TicketCollaboratorAdded { .. }
            | E::TicketLinked { .. }
            | E::RunEnded { .. }
            | E::AgentHeld { .. }
            | E::PluginAdded { .. }
            | E::PluginActivated { .. }
            | E::PluginRolledBack { .. }
            | E::PluginTakenBack { .. }
            | E::PluginCanaryStarted { .. }
            | E::PluginCanaryPromoted { .. }
            | E::PluginCanaryStopped { .. }
            | E::PluginPinned { .. }
            | E::PluginUnpinned { .. }
            | E::PluginDraining { .. }
            | E::PluginDrained { .. }
            | E::PluginRemoved { .. } => Vec::new(),
        }
    }

    fn add(
        &mut self,
        ticket: TicketId,
        title: &str,
        parent: Option<TicketId>,
        assignee: Option<AgentId>,
    ) {
        if self.parts.len() >= MOST_PARTS || self.places.contains_key(&ticket) {
            return;
        }
        let above = parent.and_then(|parent| self.of(parent));
        let depth = above.map_or(0, |part| part.depth + 1);
        let part = Part {
            depth,
            title: clean::line(title, TITLE),
            who: assignee.map_or_else(|| "nobody".to_owned(), |agent| self.name(agent)),
            why: String::new(),
            stage: Stage::Queued,
            note: String::new(),
            output: 0,
        };
        self.places.insert(ticket, self.parts.len());
        self.parts.push(part);
    }

    fn delegated(
        &mut self,
        ticket: TicketId,
        boss: AgentId,
        reason: &str,
        confidence: Confidence,
    ) -> Vec<(String, String)> {
        let boss = self.name(boss);
        let sure = match confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        let Some(part) = self.of(ticket) else {
            return Vec::new();
        };
        let reason = clean::line(reason, LINE);
        part.why = if reason.is_empty() {
            format!("{sure} confidence")
        } else {
            format!("{reason}; {sure} confidence")
        };
        let text = format!("chose {} for \"{}\" ({})", part.who, part.title, part.why);
        vec![(boss, text)]
    }

    fn said(
        &mut self,
        ticket: TicketId,
        author: &Author,
        kind: MessageKind,
        text: &str,
    ) -> Vec<(String, String)> {
        // What it was told and what it was reported stands elsewhere in the story.
        if matches!(kind, MessageKind::Task | MessageKind::Report) {
            return Vec::new();
        }
        let who = match author {
            Author::Agent(agent) => self.name(*agent),
            Author::Person(name) => clean::line(name, TITLE),
            Author::Host => "host".to_owned(),
        };
        let text = clean::first_line(text, LINE);
        self.now(ticket, None, &text, |_| ());
        vec![(who, text)]
    }

    fn printed(&mut self, ticket: TicketId, stream: &str, text: &str) -> Vec<(String, String)> {
        // What is run is in the log; a script of many lines would only hide what it prints.
        if stream == COMMAND {
            return Vec::new();
        }
        let key = (ticket, stream.to_owned());
        let mut text = self.unfinished.remove(&key).unwrap_or_default() + text;
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.split_off(end);
        if rest.len() > MOST_UNFINISHED {
            text.push_str(&rest);
        } else if !rest.is_empty() {
            self.unfinished.insert(key, rest);
        }
        let Some(part) = self.of(ticket) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for one in text.lines() {
            let one = clean::line(one, LINE);
            if one.is_empty() {
                continue;
            }
            part.output += 1;
            match part.output.cmp(&MOST_OUTPUT) {
                std::cmp::Ordering::Less => told.push((part.who.clone(), format!("| {one}"))),
                std::cmp::Ordering::Equal => {
                    told.push((part.who.clone(), "| … and more".to_owned()));
                }
                std::cmp::Ordering::Greater => {}
            }
            part.note = one;
        }
        told
    }

    fn ended(
        &mut self,
        ticket: TicketId,
        stage: Stage,
        word: &str,
        text: &str,
    ) -> Vec<(String, String)> {
        // A summary that begins with a fence or a table says nothing in its first line.
        let text = Some(clean::first_line(text, LINE))
            .filter(|text| text.chars().any(char::is_alphanumeric) && !text.starts_with('|'));
        // The root's summary is printed in full afterwards.
        let is_root = self.of(ticket).is_some_and(|part| part.depth == 0);
        let text = text.filter(|_| !is_root || stage != Stage::Done);
        let note = text.as_deref().unwrap_or(word);
        self.now(ticket, Some(stage), note, |_| ());
        self.unfinished.retain(|(of, _), _| *of != ticket);
        let text = match text {
            Some(text) => format!("{word}: {text}"),
            None => word.to_owned(),
        };
        self.line(ticket, text)
    }

    fn now(
        &mut self,
        ticket: TicketId,
        stage: Option<Stage>,
        note: &str,
        more: impl FnOnce(&mut Part),
    ) {
        if let Some(part) = self.of(ticket) {
            part.stage = stage.unwrap_or(part.stage);
            note.clone_into(&mut part.note);
            more(part);
        }
    }

    fn line(&mut self, ticket: TicketId, text: String) -> Vec<(String, String)> {
        let part = self.of(ticket);
        part.map(|part| (part.who.clone(), text))
            .into_iter()
            .collect()
    }

    fn of(&mut self, ticket: TicketId) -> Option<&mut Part> {
        let place = *self.places.get(&ticket)?;
        self.parts.get_mut(place)
    }

    fn name(&self, agent: AgentId) -> String {
        self.names.get(&agent).cloned().unwrap_or_else(|| {
            // The end of an id tells agents apart; the beginning is when they were made.
            let id = agent.to_string();
            format!("agent …{}", &id[id.len() - 8..])
        })
    }
}

#[cfg(test)]
mod tests;
