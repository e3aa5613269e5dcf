//! `adjutant ticket`: making, finding and ending work.

use super::{client, ended, id, is_end, read};
use crate::args::{Global, TicketCommand, TicketCreateArgs, TicketListArgs};
use crate::client::{Client, TicketNode, TicketView};
use crate::exit::{Code, Error, Result};
use crate::render::align_tables;
use crate::team::read_text;
use crate::{clean, print};
use adjutant_model::{BlockerPolicy, NewTicket, Priority, Retry, Terms, TicketId, Validation};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Does it.
pub(crate) async fn run(command: TicketCommand, global: &Global) -> Result<Code> {
    let client = client(global)?;
    match command {
        TicketCommand::List(args) => list(&client, args, global.json).await,
        TicketCommand::Get { ticket } => {
            let tree = client.tree(&ticket).await?;
            show(tree, global.json)?;
            Ok(Code::Ok)
        }
        TicketCommand::Create(args) => create(&client, *args, global.json).await,
        TicketCommand::Cancel { ticket, reason } => {
            let ticket = client.cancel(&ticket, &reason).await?;
            if global.json {
                print::json(&ticket)?;
            } else {
                let ticket: TicketView = read(ticket)?;
                print::text(&format!(
                    "{} is {}",
                    ticket.id,
                    clean::line(&ticket.status, 50)
                ))?;
            }
            Ok(Code::Ok)
        }
    }
}

async fn list(client: &Client, args: TicketListArgs, json: bool) -> Result<Code> {
    let mut filter: Vec<(&str, String)> = Vec::new();
    let named = [
        ("status", args.status),
        ("assignee", args.assignee),
        ("parent", args.parent),
        ("text", args.text),
    ];
    for (name, value) in named {
        filter.extend(value.map(|value| (name, value)));
    }
    if args.roots {
        filter.push(("roots", true.to_string()));
    }
    let tickets = client.tickets(&filter, args.limit as usize).await?;
    if json {
        print::json(&tickets)?;
        return Ok(Code::Ok);
    }
    let most = args.limit as usize;
    let cut = tickets.len() >= most;
    let views = tickets.into_iter().map(read::<TicketView>);
    let rows: Result<Vec<_>> = views
        .map(|ticket| ticket.map(|ticket| row(&ticket)))
        .collect();
    let header = ["ID", "STATUS", "ASSIGNEE", "CREATED", "TITLE"];
    print::text(&print::table(&header, &rows?, print::width()))?;
    if cut {
        eprintln!("These are the {most} newest; there may be more: --limit shows more.");
    }
    Ok(Code::Ok)
}

fn row(ticket: &TicketView) -> Vec<String> {
    vec![
        ticket.id.to_string(),
        ticket.status.clone(),
        ticket.who().to_owned(),
        // To the second is enough for people.
        ticket
            .created_at
            .split('.')
            .next()
            .unwrap_or("")
            .replace('T', " "),
        ticket.title.clone(),
    ]
}

async fn create(client: &Client, args: TicketCreateArgs, json: bool) -> Result<Code> {
    let parent = args.parent.as_ref().map(|parent| {
        let parsed = parent.parse::<TicketId>();
        parsed.map_err(|_| Error::Usage(format!("--parent: {parent:?} is no ticket's id")))
    });
    let terms = terms(&args)?;
    let schema = args.schema.map(|path| schema(&path));
    let ticket = NewTicket {
        terms,
        title: args.title,
        description: args.description.unwrap_or_default(),
        assignee: args.to,
        parent: parent.transpose()?,
        backlog: args.backlog,
        expected_output_schema: schema.transpose()?,
        validation: if args.permissive {
            Validation::Permissive
        } else {
            Validation::Strict
        },
        deadline_ms: args.timeout.map(milliseconds),
        created_by: std::env::var("USER").ok().filter(|user| !user.is_empty()),
        ..NewTicket::default()
    };
    let created = client.create(&ticket).await?;
    let ticket = id(&created)?;
    if !args.wait {
        if json {
            print::json(&created)?;
        } else {
            print::text(&ticket.to_string())?;
        }
        return Ok(Code::Ok);
    }
    let mut events = client.events(ticket);
    while !is_end(&events.next().await?.kind, ticket) {}
    let tree = client.tree(&ticket.to_string()).await?;
    let view: TicketNode = read(tree.clone())?;
    show(tree, json)?;
    Ok(ended(&view.ticket.status))
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// On what terms it is to be worked on.
fn terms(args: &TicketCreateArgs) -> Result<Terms> {
    let blocked_by = args.blocked_by.iter().map(|text| {
        let parsed = text.parse::<TicketId>();
        parsed.map_err(|_| Error::Usage(format!("--blocked-by: {text:?} is no ticket's id")))
    });
    let tries = args.attempts.is_some() || args.reassign.is_some() || args.backoff.is_some();
    let plain = Retry::default();
    let retry = tries.then(|| Retry {
        attempts: args.attempts.unwrap_or(plain.attempts),
        backoff_ms: args.backoff.map_or(plain.backoff_ms, milliseconds),
        reassign: args.reassign.unwrap_or(plain.reassign),
        ..plain
    });
    Ok(Terms {
        priority: match args.priority.as_str() {
            "high" => Priority::High,
            "low" => Priority::Low,
            _ => Priority::Medium,
        },
        group: args.group.clone(),
        blocked_by: blocked_by.collect::<Result<_>>()?,
        on_blocker_failure: if args.release_on_failure {
            BlockerPolicy::Release
        } else {
            BlockerPolicy::Fail
        },
        retry,
        silence_ms: args.silence.map(milliseconds),
        budget: args.budget,
    })
}

fn schema(path: &Path) -> Result<serde_json::Value> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| Error::Usage(format!("{shown} cannot be read: {error}")))?;
    serde_json::from_str(&read_text(file, &shown)?)
        .map_err(|error| Error::Usage(format!("{shown} is no JSON: {error}")))
}

fn show(tree: serde_json::Value, json: bool) -> Result<()> {
    if json {
        return print::json(&tree);
    }
    print::text(&text(&read(tree)?))
}

/// A ticket for people: itself in full, those below it as a tree.
fn text(node: &TicketNode) -> String {
    let ticket = &node.ticket;
    let mut text = format!("{}\n", clean::line(&ticket.title, 1_000));
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<9} {}", clean::line(value, 500));
        }
    };
    field("id", &ticket.id.to_string());
    field("status", &ticket.status);
    field("assignee", ticket.who());
    if let Some(boss) = &ticket.delegated_by {
        field("from", &boss.name);
    }
    if let Some(choice) = &ticket.choice {
        field(
            "because",
            &format!("{} ({})", choice.reason, choice.confidence),
        );
    }
    field("created", &ticket.created_at);
    if ticket.priority != "medium" {
        field("priority", &ticket.priority);
    }
    field("group", ticket.group.as_deref().unwrap_or_default());
    field("after", &ticket.blocked_by.join(", "));
    field("deadline", ticket.deadline.as_deref().unwrap_or_default());
    field("held", ticket.held.as_deref().unwrap_or_default());
    field("next try", ticket.not_before.as_deref().unwrap_or_default());
    for past in &ticket.history {
        let told = format!("{} by {}: {}", past.attempt, past.agent.name, past.reason);
        field("attempt", &told);
    }
    field("budget", &amounts(ticket.budget.as_ref(), 0));
    field("spent", &amounts(ticket.spent.as_ref(), 1));
    for branch in &ticket.branches {
        field("branch", &format!("{} in {}", branch.branch, branch.repo));
    }
    for (name, body) in [
        ("Description", &ticket.description),
        ("Summary", &ticket.summary),
    ] {
        if !body.is_empty() {
            let _ = writeln!(
                text,
                "\n{name}:\n{}",
                align_tables(&clean::block(body)).trim()
            );
        }
    }
    if let Some(output) = &ticket.output {
        let output = serde_json::to_string_pretty(output).unwrap_or_default();
        let _ = writeln!(text, "\nOutput:\n{}", clean::block(&output));
    }
    if !node.children.is_empty() {
        text.push_str("\nBelow it:\n");
        for child in &node.children {
            below(child, 1, &mut text);
        }
    }
    text
}

/// What of a budget or of what was spent is at least so much: `tokens 50 · children 3`.
fn amounts(of: Option<&serde_json::Map<String, serde_json::Value>>, least: u64) -> String {
    let fields = of.into_iter().flatten();
    let named = fields.filter(|(_, amount)| amount.as_u64().is_some_and(|n| n >= least));
    let shown = named.map(|(name, amount)| format!("{name} {amount}"));
    shown.collect::<Vec<_>>().join(" · ")
}

fn below(node: &TicketNode, level: usize, text: &mut String) {
    let ticket = &node.ticket;
    let line = format!("{} {}: {}", ticket.status, ticket.who(), ticket.title);
    let _ = writeln!(
        text,
        "{}{}  {}",
        "  ".repeat(level),
        clean::line(&line, 150),
        ticket.id
    );
    if let Some(why) = &ticket.held {
        let why = clean::line(&format!("held: {why}"), 500);
        let _ = writeln!(text, "{}{why}", "  ".repeat(level + 1));
    }
    for child in &node.children {
        below(child, level + 1, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_ticket_is_shown_with_those_below_it() {
        let ticket = |n: u8, title: &str, children: serde_json::Value| {
            json!({
                "ticket": {
                    "id": format!("0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d0{n}"),
                    "title": title, "status": "done",
                    "assignee": {"id": "x", "name": "ada"},
                    "choice": {"reason": "fits", "confidence": "high"},
                    "delegated_by": null,
                    "summary": "It is\n\u{1b}[1mdone\u{1b}[0m.",
                    "output": {"n": 1},
                    "created_at": "2026-11-02T10:00:00.123Z",
                    "branches": [{"repo": "app", "branch": "adjutant/x", "commit": "1"}]
                },
                "children": children
            })
        };
        let tree = ticket(
            1,
            "Top",
            json!([ticket(2, "Low", json!([ticket(3, "Lowest", json!([]))]))]),
        );
        let node: TicketNode = read(tree).expect("a tree");
        insta::assert_snapshot!(text(&node));
        assert_eq!(row(&node.ticket)[3], "2026-11-02 10:00:00");
    }
    #[test]
    fn a_budget_and_what_was_spent_are_shown_where_there_is_something() {
        let amounts = |of: serde_json::Value, least| amounts(of.as_object(), least);
        let budget = json!({"tokens": 0, "children": 3, "wall_ms": null});
        assert_eq!(amounts(budget, 0), "children 3 · tokens 0");
        let spent = json!({"tokens": 12, "children": 0, "guest_ms": 7});
        assert_eq!(amounts(spent, 1), "guest_ms 7 · tokens 12");
        assert_eq!(amounts(json!(null), 0), "");
    }
}
