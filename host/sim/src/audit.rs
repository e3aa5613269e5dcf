//! What must hold: while a world goes on, and of what it has left behind when it has come to rest.

use crate::outside::{Fate, Outside};
use crate::script::COUNT;
use adjutant_dispatch::{Host, HostError, Inside, TicketFilter};
use adjutant_model::{
    AgentId, Answer, Call, Journal, Limits, Record, Run, RunId, RunStatus, Status, Ticket,
    TicketId, WaitKind, WorkspaceId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Entries that are read at a time.
const PAGE: usize = 500;

/// A run's whole journal.
pub(crate) async fn journal(
    host: &Host,
    workspace: WorkspaceId,
    run: RunId,
) -> Result<Vec<Record>, HostError> {
    let (mut records, mut from) = (Vec::new(), 0);
    loop {
        let page = host.journal(workspace, run, from, PAGE).await?;
        records.extend(page.items);
        match page.next.and_then(|next| next.parse().ok()) {
            Some(next) => from = next,
            None => return Ok(records),
        }
    }
}

/// Between two decisions: what the event loop has in memory fits together.
pub(crate) fn look(outside: &Outside, limits: &Limits, inside: &Inside) {
    outside.lock().counts.looks += 1;
    let state = &inside.state;
    if inside.broken.is_some() {
        return;
    }
    let checks = || adjutant_model::check::state(state, 0, limits);
    if catch_unwind(AssertUnwindSafe(checks)).is_err() {
        outside.violated("the state does not hold together");
        return;
    }
    for ticket in state.tickets().filter(|ticket| !ticket.status.is_over()) {
        let above = ticket.parent.and_then(|parent| state.ticket(parent));
        if let Some(above) = above
            && matches!(above.status, Status::Cancelled | Status::Failed)
        {
            outside.violated(format!(
                "ticket {} is {} below ticket {}, which is {}",
                ticket.id, ticket.status, above.id, above.status
            ));
        }
    }
    if inside.in_flight > 0 {
        return;
    }
    // All that was decided has also been carried out.
    for run in &inside.running {
        if state.run(*run).is_none_or(Run::is_over) {
            outside.violated(format!("run {run} is over, and still in memory"));
        }
    }
    for run in state.live_runs() {
        if run.status != RunStatus::Waiting && !inside.running.contains(&run.id) {
            outside.violated(format!(
                "run {} is {}, and nobody works on it",
                run.id, run.status
            ));
        }
    }
}

/// At rest: nothing is in memory, and all that waits, waits for a person.
pub(crate) fn at_rest(outside: &Outside, inside: &Inside) {
    let state = &inside.state;
    for run in &inside.running {
        outside.violated(format!("run {run} is still in memory when all is at rest"));
    }
    if let Some(at) = state.next_timer() {
        outside.violated(format!("something is due at {at} when all is at rest"));
    }
    for run in state.live_runs() {
        let Some(wait) = &run.wait else {
            outside.violated(format!("run {} is {} for ever", run.id, run.status));
            continue;
        };
        let WaitKind::Reports { tickets, .. } = &wait.kind else {
            outside.violated(format!("run {} waits for ever: {wait:?}", run.id));
            continue;
        };
        let open = tickets
            .iter()
            .filter_map(|id| state.ticket(*id))
            .any(|ticket| !ticket.status.is_over());
        if !open {
            outside.violated(format!(
                "run {} waits for tickets that are over: {tickets:?}",
                run.id
            ));
        }
    }
    for ticket in state.tickets().filter(|ticket| !ticket.status.is_over()) {
        if let Some(why) = stuck(inside, ticket) {
            outside.violated(format!("ticket {} is stuck: {why}", ticket.id));
        }
    }
}

/// Why nothing will ever happen to a ticket, unless a person could make it go on.
fn stuck(inside: &Inside, ticket: &Ticket) -> Option<String> {
    let state = &inside.state;
    let run = ticket.run.and_then(|run| state.run(run));
    if run.is_some_and(|run| run.status == RunStatus::Waiting) {
        return None;
    }
    match ticket.status {
        Status::Backlog | Status::Blocked | Status::InReview => None,
        Status::Open if ticket.assignee.is_none() => None,
        Status::Open => {
            // In a queue: its agent, or whoever it must not meet, is busy with something that waits.
            let busy = state.live_runs().next().is_some()
                || state.tickets().any(|other| {
                    other.id != ticket.id
                        && matches!(other.status, Status::Blocked | Status::InReview)
                });
            (!busy).then(|| format!("it is open, and nobody is busy: {ticket:?}"))
        }
        _ => Some(format!("it is {}, and no run of its waits", ticket.status)),
    }
}

/// All that one workspace has left.
pub(crate) struct Story {
    pub(crate) workspace: WorkspaceId,
    pub(crate) tickets: BTreeMap<TicketId, Ticket>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) journals: BTreeMap<RunId, Journal>,
    /// Texts of all messages, with the ticket.
    messages: Vec<(TicketId, String)>,
    events: Vec<serde_json::Value>,
}

impl Story {
    pub(crate) async fn read(
        host: &Host,
        outside: &Outside,
        workspace: WorkspaceId,
    ) -> Result<Story, HostError> {
        let mut story = Story {
            workspace,
            tickets: BTreeMap::new(),
            runs: BTreeMap::new(),
            journals: BTreeMap::new(),
            messages: Vec::new(),
            events: Vec::new(),
        };
        let mut after = None;
        loop {
            let page = host
                .tickets(workspace, TicketFilter::default(), after, PAGE)
                .await?;
            for found in page.items {
                story.tickets.insert(found.value.id, found.value);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for ticket in story.tickets.values() {
            for id in &ticket.runs {
                let run = host.run(workspace, *id).await?;
                let records = journal(host, workspace, *id).await?;
                match Journal::from_records(records) {
                    Ok(journal) => drop(story.journals.insert(*id, journal)),
                    Err(error) => outside.violated(format!("run {id}: {error}")),
                }
                story.runs.insert(*id, run);
            }
            let mut from = 0;
            loop {
                let page = host.messages(workspace, ticket.id, from, PAGE).await?;
                let texts = page.items.into_iter().map(|view| view.message.text);
                story.messages.extend(texts.map(|text| (ticket.id, text)));
                match page.next.and_then(|next| next.parse().ok()) {
                    Some(next) => from = next,
                    None => break,
                }
            }
        }
        let mut seen = 0;
        loop {
            let page = host.events(workspace, seen, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            seen = *last;
            for (seq, event) in &page {
                let value = serde_json::to_value(event).unwrap_or_default();
                outside.saw_event(workspace, *seq, &value.to_string());
                story.events.push(value);
            }
        }
        if story.events.len() as u64 != outside.events_seen(workspace) {
            outside.violated(format!(
                "{} events were seen, and {} are there",
                outside.events_seen(workspace),
                story.events.len()
            ));
        }
        Ok(story)
    }

    pub(crate) fn audit(&self, outside: &Outside) {
        {
            let mut memory = outside.lock();
            if memory.audited {
                return;
            }
            memory.counts.runs += self.runs.len() as u64;
            memory.counts.tickets += self.tickets.len() as u64;
        }
        self.audit_runs(outside);
        self.audit_tickets(outside);
        self.audit_messages(outside);
        self.audit_effects(outside);
        self.audit_reports(outside);
        self.audit_cancelled(outside);
    }

    fn audit_runs(&self, outside: &Outside) {
        let diverged = outside.lock().diverged.clone();
        for run in self.runs.values() {
            if let Some(journal) = self.journals.get(&run.id)
                && journal.entries.len() != run.calls as usize
            {
                outside.violated(format!(
                    "run {} counts {} calls, and its journal has {}",
                    run.id,
                    run.calls,
                    journal.entries.len()
                ));
            }
            if diverged.contains(&run.id) && run.status == RunStatus::Completed {
                outside.violated(format!("run {} has diverged, and completed", run.id));
            }
        }
        for ticket in self.tickets.values() {
            let live = ticket.runs.iter().filter(|id| {
                let run = self.runs.get(id);
                run.is_some_and(|run| !run.is_over())
            });
            let live = live.count();
            if live > 1 || (live == 1 && ticket.status.is_over()) {
                outside.violated(format!("{live} runs are live on ticket {}", ticket.id));
            }
            if ticket.runs.len() != ticket.attempts as usize {
                outside.violated(format!("ticket {} miscounts its runs", ticket.id));
            }
        }
    }

    /// Each ticket was made once, by a person who asked for it or by an entry of a journal.
    fn audit_tickets(&self, outside: &Outside) {
        let mut made: BTreeSet<TicketId> = BTreeSet::new();
        for (run, journal) in &self.journals {
            for entry in &journal.entries {
                match &entry.reply {
                    Some(Ok(Answer::Delegated(all))) => made.extend(all.iter().map(|d| d.ticket)),
                    Some(Ok(Answer::Ticket(id))) => drop(made.insert(*id)),
                    _ => {}
                }
            }
            for id in &made {
                if !self.tickets.contains_key(id) {
                    outside.violated(format!(
                        "run {run} has it in its journal that it made ticket {id}, which is not"
                    ));
                }
            }
        }
        let mut times_made: BTreeMap<&str, u32> = BTreeMap::new();
        for ticket in self.tickets.values() {
            *times_made.entry(ticket.title.as_str()).or_default() += 1;
            if ticket.title.starts_with("d-") && !made.contains(&ticket.id) {
                outside.violated(format!(
                    "ticket {} {:?} is in no journal",
                    ticket.id, ticket.title
                ));
            }
        }
        for (title, times) in &times_made {
            if *times > 1 {
                outside.violated(format!("ticket {title:?} was made {times} times"));
            }
        }
        let titles = outside.lock().titles.clone();
        for (title, fate) in &titles {
            let there = times_made.contains_key(title.as_str());
            match fate {
                Fate::Refused if there => {
                    outside.violated(format!("{title:?} was refused, and was made"));
                }
                // Which workspace it was for is not remembered: see `audit_promises`.
                Fate::Acknowledged | Fate::Refused | Fate::Unknown => {}
            }
        }
    }

    fn audit_messages(&self, outside: &Outside) {
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, text) in &self.messages {
            *times.entry(text).or_default() += 1;
        }
        let posts = outside.lock().posts.clone();
        for (text, (ticket, fate)) in &posts {
            if !self.tickets.contains_key(ticket) {
                continue;
            }
            let times = times.get(text.as_str()).copied().unwrap_or(0);
            let fits = match fate {
                Fate::Acknowledged => times == 1,
                Fate::Refused => times == 0,
                Fate::Unknown => times <= 1,
            };
            if !fits {
                outside.violated(format!("{text:?} was {fate:?}, and is there {times} times"));
            }
        }
        for (run, journal) in &self.journals {
            for entry in &journal.entries {
                let said = match &entry.call {
                    Call::Progress { note } => note,
                    Call::Post { text, .. } | Call::Ask { text, .. } => text,
                    _ => continue,
                };
                // What waits has said its question.
                let said_it = entry
                    .reply
                    .as_ref()
                    .is_none_or(|reply| reply.is_ok() || matches!(entry.call, Call::Ask { .. }));
                let found = times.get(said.as_str()).copied().unwrap_or(0);
                if said_it && found != 1 {
                    outside.violated(format!("{said:?} of run {run} is there {found} times"));
                }
            }
        }
        for text in times.keys().filter(|text| text.starts_with("p-")) {
            let said = self.journals.values().flat_map(|journal| &journal.entries);
            let mut said = said.filter_map(|entry| match &entry.call {
                Call::Progress { note } => Some(note.as_str()),
                Call::Post { text, .. } | Call::Ask { text, .. } => Some(text.as_str()),
                Call::CallForReport { message, .. } => Some(message.as_str()),
                _ => None,
            });
            // A call for a report has its footer.
            let first = text.lines().next().unwrap_or_default();
            if !said.any(|said| said == first) {
                outside.violated(format!("{text:?} is in a channel, and in no journal"));
            }
        }
    }

    /// What was done outside was done before it was journaled, and what is journaled was done.
    fn audit_effects(&self, outside: &Outside) {
        let effects = outside.lock().effects.clone();
        for (run, journal) in &self.journals {
            for (at, entry) in journal.entries.iter().enumerate() {
                let (Call::WorktreeRun { .. }, Some(Ok(Answer::Exit(exit)))) =
                    (&entry.call, &entry.reply)
                else {
                    continue;
                };
                let done = effects.get(&(*run, at as u32));
                if !done.is_some_and(|done| done.contains(&exit.stdout)) {
                    outside.violated(format!(
                        "call {at} of run {run} is journaled as {:?}, which never happened",
                        exit.stdout
                    ));
                }
            }
        }
    }

    /// Each report that was taken is in the journal that it was for, once; no other is in any.
    fn audit_reports(&self, outside: &Outside) {
        let mut taken: BTreeMap<String, Vec<RunId>> = BTreeMap::new();
        for (run, journal) in &self.journals {
            for entry in &journal.entries {
                if let Some(Ok(Answer::External {
                    summary, output, ..
                })) = &entry.reply
                {
                    if output
                        .as_ref()
                        .is_none_or(|output| output["said"] != **summary)
                    {
                        outside.violated(format!(
                            "report {summary:?} for {run:?} is in its journal with the output {output:?}"
                        ));
                    }
                    taken.entry(summary.clone()).or_default().push(*run);
                }
            }
        }
        let reports = outside.lock().reports.clone();
        for (summary, (run, fate)) in &reports {
            if run.is_none_or(|run| !self.runs.contains_key(&run)) {
                continue;
            }
            let found = taken.get(summary).cloned().unwrap_or_default();
            let fits = match fate {
                Fate::Acknowledged => found.len() == 1,
                Fate::Refused => found.is_empty(),
                Fate::Unknown => found.len() <= 1,
            };
            if !fits {
                outside.violated(format!(
                    "report {summary:?} for {run:?} was {fate:?}, and is in {found:?}"
                ));
            }
        }
    }

    fn audit_cancelled(&self, outside: &Outside) {
        let cancelled = outside.lock().cancelled.clone();
        for (workspace, ticket) in &cancelled {
            if *workspace != self.workspace {
                continue;
            }
            let id = ticket.to_string();
            let told = self.events.iter().any(|event| {
                let about = event.get("ticket").and_then(|ticket| ticket.as_str());
                let to = event.get("to").and_then(|to| to.as_str());
                let kind = event.get("type").and_then(|kind| kind.as_str());
                about == Some(id.as_str())
                    && (kind == Some("TicketCancelled") || to == Some("cancelled"))
            });
            if !told {
                outside.violated(format!(
                    "the cancelling of ticket {id} was acknowledged, and never happened"
                ));
            }
        }
    }

    /// How often each agent has counted in its memory.
    pub(crate) fn counted(&self) -> BTreeMap<AgentId, u64> {
        let mut counted = BTreeMap::new();
        for (run, journal) in &self.journals {
            let Some(agent) = self.runs.get(run).map(|run| run.agent) else {
                continue;
            };
            let puts = journal.entries.iter().filter(|entry| {
                matches!(&entry.call, Call::MemoryPut { key, .. } if key == COUNT)
                    && matches!(entry.reply, Some(Ok(_)))
            });
            *counted.entry(agent).or_default() += puts.count() as u64;
        }
        counted
    }
}

/// Tickets that people were promised are there, in some workspace; those that were not, at most once.
pub(crate) fn audit_promises(outside: &Outside, stories: &[Story]) {
    let titles = outside.lock().titles.clone();
    for (title, fate) in &titles {
        let tickets = stories.iter().flat_map(|story| story.tickets.values());
        let times = tickets.filter(|ticket| ticket.title == *title).count();
        if *fate == Fate::Acknowledged && times != 1 {
            outside.violated(format!(
                "ticket {title:?} was acknowledged, and is there {times} times"
            ));
        }
    }
}
