//! The steps that every world has.

use std::time::Duration;

use adjutant_sdk::channels::{Author, Message, MessageKind};
use adjutant_sdk::tickets::{Draft, Filter};
use adjutant_sdk::worktree::EntryKind;
use adjutant_sdk::{Error, Ticket, TicketStatus, channels, memory, reporting, tickets, worktree};
use serde_json::{Value, json};

use crate::{Children, as_text, number, schema, strings, text};

type Answer = Result<Value, Error>;

/// Do a step; none where there is no such step.
pub(crate) fn step(name: &str, value: &Value, children: &mut Children) -> Option<Answer> {
    let plain = as_text(value).unwrap_or_default();
    let field = |name: &str| text(value, name).unwrap_or_default();
    let ticket = || value.get("ticket").map(|ticket| children.ticket(ticket));
    let nothing = |()| Value::Null;
    Some(match name {
        "post" if value.is_object() => {
            let (ticket, reply_to) = (ticket(), text(value, "reply_to"));
            channels::post(ticket.as_deref(), &field("text"), reply_to.as_deref()).map(Value::from)
        }
        "post" => channels::post(None, &plain, None).map(Value::from),
        "mention" => {
            channels::mention(&strings(&value["members"]), &field("text")).map(Value::from)
        }
        "read_channel" => {
            let limit = number(value, "limit")
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(200);
            channels::read(
                ticket().as_deref(),
                number(value, "after").unwrap_or(0),
                limit,
            )
            .map(|page| {
                let messages: Vec<Value> = page.messages.into_iter().map(message).collect();
                json!({"messages": messages, "cursor": page.cursor, "more": page.more})
            })
        }
        "ask" => channels::ask(
            &field("member"),
            &field("text"),
            number(value, "timeout_ms"),
        )
        .map(message),
        "progress" => reporting::progress(&plain).map(nothing),
        "submit" => reporting::submit_output(&value.to_string()).map(nothing),
        "call_for_report" => {
            let message = if value.is_object() {
                field("text")
            } else {
                plain
            };
            reporting::call_for_report(&message, number(value, "timeout_ms")).map(|report| {
                let output = report.output();
                json!({
                    "outcome": report.outcome.to_string(),
                    "summary": report.summary,
                    "output": output,
                })
            })
        }
        "create" => {
            let draft = Draft {
                key: None,
                title: field("title"),
                description: field("description"),
                expected_output_schema_json: schema(value),
            };
            tickets::create(&draft).map(|id| {
                children.extend([id.clone()]);
                Value::from(id)
            })
        }
        "assign" => tickets::assign(&ticket().unwrap_or_default(), &field("agent")).map(nothing),
        "get_ticket" => tickets::get(&children.ticket(value)).map(about),
        "list_tickets" => {
            let filter = Filter {
                status: text(value, "status").map(status),
                assignee: text(value, "assignee"),
                parent: value.get("parent").map(|parent| children.ticket(parent)),
            };
            tickets::list(&filter).map(|all| all.into_iter().map(about).collect())
        }
        "comment" => tickets::comment(&ticket().unwrap_or_default(), &field("text")).map(nothing),
        "link" => tickets::link(&ticket().unwrap_or_default(), &field("kind")).map(nothing),
        "add_collaborator" => tickets::add_collaborator(&plain).map(nothing),
        "memory_put" => {
            let text = as_text(&value[1]).unwrap_or_default();
            memory::put(&as_text(&value[0]).unwrap_or_default(), text.as_bytes()).map(nothing)
        }
        "memory_get" => {
            memory::get(&plain).map(|kept| kept.map_or(Value::Null, |kept| lossy(&kept)))
        }
        "memory_remove" => memory::remove(&plain).map(nothing),
        "memory_keys" => memory::keys(&plain).map(Value::from),
        _ => return in_worktree(name, value).or_else(|| by_itself(name, value)),
    })
}

fn in_worktree(name: &str, value: &Value) -> Option<Answer> {
    let plain = as_text(value).unwrap_or_default();
    let nothing = |()| Value::Null;
    Some(match name {
        "run" => {
            let argv = strings(if value.is_object() {
                &value["argv"]
            } else {
                value
            });
            worktree::run(&argv, number(value, "timeout_ms")).map(|exit| {
                json!({
                    "code": exit.code, "stdout": exit.stdout, "stderr": exit.stderr,
                    "truncated": exit.truncated, "elapsed_ms": exit.elapsed_ms,
                })
            })
        }
        "write" => {
            let (path, content) = (text(value, "path"), text(value, "text"));
            worktree::write(
                &path.unwrap_or_default(),
                content.unwrap_or_default().as_bytes(),
            )
            .map(nothing)
        }
        "remove" => worktree::remove(&plain).map(nothing),
        "read" => worktree::read(&plain).map(|bytes| lossy(&bytes)),
        "list" => worktree::list(&plain).map(|all| {
            all.into_iter()
                .map(|one| {
                    let kind = match one.kind {
                        EntryKind::File => "file",
                        EntryKind::Directory => "directory",
                        EntryKind::Symlink => "symlink",
                        EntryKind::Other(_) => "other",
                    };
                    json!({"name": one.name, "kind": kind, "size": one.size})
                })
                .collect()
        }),
        "diff" => worktree::diff().map(Value::from),
        "commit" => worktree::commit(&plain).map(Value::from),
        _ => return None,
    })
}

/// What needs no host call of ours: clocks, random numbers, output, and what goes wrong on purpose.
fn by_itself(name: &str, value: &Value) -> Option<Answer> {
    let plain = as_text(value).unwrap_or_default();
    let count = value.as_u64().unwrap_or(0);
    Some(Ok(match name {
        "random" => json!({
            "secure": hex(&wasip2::random::random::get_random_bytes(count)),
            "insecure": hex(&wasip2::random::insecure::get_insecure_random_bytes(count)),
        }),
        "clock" => {
            let now = wasip2::clocks::wall_clock::now();
            json!({
                "unix_ms": now.seconds * 1000 + u64::from(now.nanoseconds / 1_000_000),
                "monotonic_ns": wasip2::clocks::monotonic_clock::now(),
            })
        }
        "print" => {
            println!("{plain}");
            Value::Null
        }
        "eprint" => {
            eprintln!("{plain}");
            Value::Null
        }
        "print_bytes" => {
            let line = "x".repeat(1023);
            for _ in 0..count.div_ceil(1024) {
                println!("{line}");
            }
            Value::Null
        }
        "sleep" => {
            std::thread::sleep(Duration::from_millis(count));
            Value::Null
        }
        "compute" => {
            // So many million steps, and then it goes on.
            let most = value.as_u64().unwrap_or(1).saturating_mul(1_000_000);
            let sum = (0..most).fold(0_u64, |sum, n| std::hint::black_box(sum.wrapping_add(n)));
            Value::from(sum)
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "allocate" => {
            let block = vec![1u8; usize::try_from(count).unwrap_or(usize::MAX)];
            Value::from(std::hint::black_box(block).len())
        }
        "recurse" => Value::from(deeper(1)),
        "panic" => panic!("{plain}"),
        _ => return None,
    }))
}

fn deeper(depth: u64) -> u64 {
    if std::hint::black_box(depth) == u64::MAX {
        return depth;
    }
    // The addition keeps it from becoming a loop.
    std::hint::black_box(deeper(depth + 1)).wrapping_add(1)
}

fn message(message: Message) -> Value {
    let author = match message.author {
        Author::Agent(id) => json!({"agent": id}),
        Author::Person(name) => json!({"person": name}),
        Author::Host => json!("host"),
        Author::Other(other) => json!({"other": other}),
    };
    let kind = match message.kind {
        MessageKind::Text => "text".to_string(),
        MessageKind::Progress => "progress".to_string(),
        MessageKind::Question => "question".to_string(),
        MessageKind::Task => "task".to_string(),
        MessageKind::Report => "report".to_string(),
        MessageKind::Other(other) => other,
    };
    json!({
        "id": message.id, "index": message.index, "author": author, "kind": kind,
        "text": message.text, "mentions": message.mentions, "reply_to": message.reply_to,
    })
}

fn about(ticket: Ticket) -> Value {
    let output = ticket
        .output_json
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    json!({
        "id": ticket.id, "title": ticket.title, "description": ticket.description,
        "status": ticket.status.to_string(), "assignee": ticket.assignee, "parent": ticket.parent,
        "delegated_by": ticket.delegated_by, "output": output.unwrap_or(Value::Null),
        "summary": ticket.summary,
    })
}

fn status(text: String) -> TicketStatus {
    match text.replace('_', "-").as_str() {
        "backlog" => TicketStatus::Backlog,
        "open" => TicketStatus::Open,
        "in-progress" => TicketStatus::InProgress,
        "blocked" => TicketStatus::Blocked,
        "in-review" => TicketStatus::InReview,
        "done" => TicketStatus::Done,
        "failed" => TicketStatus::Failed,
        "cancelled" => TicketStatus::Cancelled,
        _ => TicketStatus::Other(text),
    }
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
