//! A boss that does what a script says; see the crate `script`. The steps of its own:
//!
//! | step | answer |
//! |---|---|
//! | `{"team": true}` | list of `{id, name, status, current, queued, last_report_at}` |
//! | `{"budget_left": true}` | `{wall_ms, guest_ms, tokens, cost_microusd, children, depth}` |
//! | `{"plan": {"name", "phases": [{"id", "name", "parallel", "depends_on", "tasks": [{"id", "description", "to", "blocked_by"}]}]}}` | `null` |
//! | `{"delegate": [{"title", "to", "description", "script", "notes", "schema", "permissive", "deadline_ms", "key", "budget": {"tokens", …}, "blocked_by", "released_by_failure", "retry": {"attempts", "backoff_ms", "reassign"}, "silence_ms"}]}` | list of `{ticket, assignee, assignee_name, reason, confidence}` |
//! | `{"await": {"join", "tickets", "timeout_ms"}}` | `{met, reports, pending}` |
//! | `{"cancel": child}`, `{"cancel": {"ticket": child, "reason"}}` | `null` |
//! | `{"reassign": {"ticket": child, "to", "reason"}}` | `null` |
//!
//! `to` is a member's name or id; anything else goes to the host as it is. `description` may be JSON,
//! and `script` is short for `"description": {"steps": …}`. `join` is `"all"`, `"any"`,
//! `{"quorum": n}`, `{"deadline": ms}` or any other word; `tickets` are children, all where missing.

use adjutant_sdk::{
    Assignment, Boss, Budget, Error, Failure, Join, Joined, PlanPhase, PlanTask, Priority, Report,
    Retry, Task, WorkPlan, delegation,
};
use script::{Children, Extra, flag, number, schema, strings, text, violations};
use serde_json::{Value, json};

struct Scripted;

impl Boss for Scripted {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(task, &mut Team)
    }
}

/// The steps that need a team.
struct Team;

impl Extra for Team {
    fn step(
        &mut self,
        name: &str,
        value: &Value,
        children: &mut Children,
    ) -> Option<Result<Value, Error>> {
        Some(match name {
            "team" => delegation::team().map(|team| {
                team.into_iter()
                    .map(|one| {
                        json!({
                            "id": one.agent.id, "name": one.agent.name,
                            "status": one.status.to_string(), "current": one.current,
                            "queued": one.queued, "last_report_at": one.last_report_at,
                        })
                    })
                    .collect()
            }),
            "budget_left" => delegation::budget_left().map(|left| {
                json!({
                    "wall_ms": left.wall_ms, "guest_ms": left.guest_ms, "tokens": left.tokens,
                    "cost_microusd": left.cost_microusd, "children": left.children,
                    "depth": left.depth,
                })
            }),
            "plan" => delegation::propose_plan(&plan(value)).map(|()| Value::Null),
            "delegate" => delegate(value, children),
            "await" => {
                let tickets: Vec<String> = value["tickets"]
                    .as_array()
                    .map(|all| all.iter().map(|one| children.ticket(one)).collect())
                    .unwrap_or_default();
                delegation::await_reports(
                    &tickets,
                    &join(&value["join"]),
                    number(value, "timeout_ms"),
                )
                .map(joined)
            }
            "cancel" => {
                let ticket = if value.is_object() {
                    &value["ticket"]
                } else {
                    value
                };
                let reason = text(value, "reason").unwrap_or_else(|| "the script says so".into());
                delegation::cancel(&children.ticket(ticket), &reason).map(|()| Value::Null)
            }
            "reassign" => member(text(value, "to").unwrap_or_default()).and_then(|to| {
                let reason = text(value, "reason").unwrap_or_else(|| "the script says so".into());
                delegation::reassign(&children.ticket(&value["ticket"]), &to, &reason)
                    .map(|()| Value::Null)
            }),
            _ => return None,
        })
    }
}

fn delegate(value: &Value, children: &mut Children) -> Result<Value, Error> {
    let one = std::slice::from_ref(value);
    let mut assignments = Vec::new();
    for value in value.as_array().map_or(one, Vec::as_slice) {
        let mut assignment = Assignment::new(text(value, "title").unwrap_or_default());
        assignment.description = match &value["script"] {
            Value::Null => text(value, "description").unwrap_or_default(),
            steps => json!({"steps": steps}).to_string(),
        };
        assignment.notes = text(value, "notes").unwrap_or_default();
        assignment.assignee = text(value, "to").map(member).transpose()?;
        assignment.expected_output_schema_json = schema(value);
        assignment.permissive = flag(value, "permissive");
        assignment.deadline_ms = number(value, "deadline_ms");
        assignment.key = text(value, "key");
        assignment.budget = value.get("budget").map(budget);
        assignment.blocked_by = strings(&value["blocked_by"]);
        if flag(value, "released_by_failure") {
            assignment = assignment.released_by_failure();
        }
        assignment.retry = value.get("retry").map(retry);
        assignment.silence_ms = number(value, "silence_ms");
        assignments.push(assignment);
    }
    let delegated = delegation::delegate(&assignments)?;
    children.extend(delegated.iter().map(|one| one.ticket.clone()));
    Ok(delegated
        .into_iter()
        .map(|one| {
            json!({
                "ticket": one.ticket, "assignee": one.assignee, "assignee_name": one.assignee_name,
                "reason": one.reason, "confidence": one.confidence.to_string(),
            })
        })
        .collect())
}

fn retry(value: &Value) -> Retry {
    let count = |name| number(value, name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Retry {
        attempts: count("attempts").unwrap_or(1),
        backoff_ms: number(value, "backoff_ms").unwrap_or(0),
        max_backoff_ms: number(value, "backoff_ms").unwrap_or(0) * 4,
        reassign: count("reassign").unwrap_or(0),
    }
}

fn budget(value: &Value) -> Budget {
    let small = |name| number(value, name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Budget {
        wall_ms: number(value, "wall_ms"),
        guest_ms: number(value, "guest_ms"),
        tokens: number(value, "tokens"),
        cost_microusd: number(value, "cost_microusd"),
        children: small("children"),
        depth: small("depth"),
    }
}

/// A member's id, by its name or id; anything else stays what it is, for the host to judge.
fn member(name: String) -> Result<String, Error> {
    let team = delegation::team()?;
    Ok(team
        .into_iter()
        .find(|one| one.agent.name == name)
        .map_or(name, |one| one.agent.id))
}

fn join(value: &Value) -> Join {
    if let Some(n) = number(value, "quorum") {
        return Join::Quorum(u32::try_from(n).unwrap_or(u32::MAX));
    }
    if let Some(ms) = number(value, "deadline") {
        return Join::Deadline(ms);
    }
    match value.as_str() {
        None | Some("all") => Join::All,
        Some("any") => Join::Any,
        Some(other) => Join::Other(other.to_string()),
    }
}

fn joined(joined: Joined) -> Value {
    let reports: Vec<Value> = joined
        .reports
        .into_iter()
        .map(|one| {
            let history: Vec<Value> = one
                .history
                .iter()
                .map(|past| {
                    json!({"attempt": past.attempt, "agent": past.agent, "reason": past.reason})
                })
                .collect();
            json!({
                "output": one.output(), "ticket": one.ticket, "title": one.title, "agent": one.agent,
                "agent_name": one.agent_name, "outcome": one.outcome.to_string(),
                "summary": one.summary, "violations": violations(&one.violations), "text": one.text,
                "attempt": one.attempt, "history": history,
            })
        })
        .collect();
    json!({"met": joined.met, "reports": reports, "pending": joined.pending})
}

fn plan(value: &Value) -> WorkPlan {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let task = |value: &Value| PlanTask {
        id: text(value, "id").unwrap_or_default(),
        description: text(value, "description").unwrap_or_default(),
        suggested_class: text(value, "suggested_class").unwrap_or_default(),
        assign_to_agent: text(value, "to"),
        priority: Priority::Medium,
        blocked_by: strings(&value["blocked_by"]),
    };
    WorkPlan {
        name: text(value, "name").unwrap_or_default(),
        description: text(value, "description").unwrap_or_default(),
        phases: list(value, "phases")
            .iter()
            .map(|phase| PlanPhase {
                id: text(phase, "id").unwrap_or_default(),
                name: text(phase, "name").unwrap_or_default(),
                parallel: phase["parallel"].as_bool().unwrap_or(true),
                depends_on: strings(&phase["depends_on"]),
                tasks: list(phase, "tasks").iter().map(task).collect(),
            })
            .collect(),
    }
}

adjutant_sdk::boss!(Scripted);
