//! The steps that call the interfaces that every agent has.

use crate::Answer;
use crate::values::{FromJson, Json, bytes, maybe, maybe_number, number, small, text, texts};
use adjutant_sdk::tickets::{Draft, Filter};
use adjutant_sdk::{TicketStatus, channels, memory, reporting, tickets, worktree};
use serde_json::Value;

/// Do a step; none where there is no such step.
pub fn step(name: &str, step: &Value) -> Option<Answer> {
    let (interface, function) = name.split_once('.')?;
    match interface {
        "reporting" => report(function, step),
        "channels" => talk(function, step),
        "tickets" => ticket(function, step),
        "memory" => remember(function, step),
        "worktree" => work(function, step),
        _ => None,
    }
}

fn report(function: &str, step: &Value) -> Option<Answer> {
    Some(match function {
        "progress" => reporting::progress(&text(&step["note"])).map(|()| Value::Null),
        "submit-output" => {
            reporting::submit_output(&text(&step["output-json"])).map(|()| Value::Null)
        }
        "call-for-report" => {
            reporting::call_for_report(&text(&step["message"]), maybe_number(&step["timeout-ms"]))
                .map(|report| report.json())
        }
        _ => return None,
    })
}

fn talk(function: &str, step: &Value) -> Option<Answer> {
    let ticket = maybe(&step["ticket"]);
    Some(match function {
        "post" => {
            let reply_to = maybe(&step["reply-to"]);
            channels::post(ticket.as_deref(), &text(&step["text"]), reply_to.as_deref())
                .map(Value::from)
        }
        "mention" => {
            channels::mention(&texts(&step["members"]), &text(&step["text"])).map(Value::from)
        }
        "read" => channels::read(
            ticket.as_deref(),
            number(&step["after"]),
            small(&step["limit"]),
        )
        .map(|page| page.json()),
        "ask" => {
            let (member, question) = (text(&step["member"]), text(&step["text"]));
            channels::ask(&member, &question, maybe_number(&step["timeout-ms"]))
                .map(|message| message.json())
        }
        _ => return None,
    })
}

fn ticket(function: &str, step: &Value) -> Option<Answer> {
    let ticket = text(&step["ticket"]);
    Some(match function {
        "create" => {
            let draft = &step["draft"];
            tickets::create(&Draft {
                title: text(&draft["title"]),
                description: text(&draft["description"]),
                expected_output_schema_json: maybe(&draft["expected-output-schema-json"]),
                key: maybe(&draft["key"]),
            })
            .map(Value::from)
        }
        "assign" => tickets::assign(&ticket, &text(&step["agent"])).map(|()| Value::Null),
        "get" => tickets::get(&ticket).map(|ticket| ticket.json()),
        "list" => {
            let filter = &step["filter"];
            let status = &filter["status"];
            tickets::list(&Filter {
                status: (!status.is_null()).then(|| TicketStatus::from_json(status)),
                assignee: maybe(&filter["assignee"]),
                parent: maybe(&filter["parent"]),
            })
            .map(|tickets| tickets.json())
        }
        "comment" => tickets::comment(&ticket, &text(&step["text"])).map(|()| Value::Null),
        "add-collaborator" => {
            tickets::add_collaborator(&text(&step["agent"])).map(|()| Value::Null)
        }
        "link" => tickets::link(&ticket, &text(&step["kind"])).map(|()| Value::Null),
        _ => return None,
    })
}

fn remember(function: &str, step: &Value) -> Option<Answer> {
    let key = text(&step["key"]);
    Some(match function {
        "get" => {
            memory::get(&key).map(|kept| kept.map_or(Value::Null, |kept| crate::values::hex(&kept)))
        }
        "put" => memory::put(&key, &bytes(&step["value"])).map(|()| Value::Null),
        "remove" => memory::remove(&key).map(|()| Value::Null),
        "keys" => memory::keys(&text(&step["prefix"])).map(Value::from),
        _ => return None,
    })
}

fn work(function: &str, step: &Value) -> Option<Answer> {
    let path = text(&step["path"]);
    Some(match function {
        "read" => worktree::read(&path).map(|content| crate::values::hex(&content)),
        "write" => worktree::write(&path, &bytes(&step["content"])).map(|()| Value::Null),
        "remove" => worktree::remove(&path).map(|()| Value::Null),
        "list" => worktree::list(&path).map(|entries| entries.json()),
        "diff" => worktree::diff().map(Value::from),
        "commit" => worktree::commit(&text(&step["message"])).map(Value::from),
        "run" => worktree::run(&texts(&step["command"]), maybe_number(&step["timeout-ms"]))
            .map(|exit| exit.json()),
        _ => return None,
    })
}
