//! The steps that call `delegation`.

use crate::Answer;
use crate::values::{
    FromJson, Json, list, maybe, maybe_number, maybe_small, number, small, text, texts,
};
use adjutant_sdk::{
    Assignment, BlockerPolicy, Budget, Join, PlanPhase, PlanTask, Priority, Retry, WorkPlan,
    delegation,
};
use serde_json::Value;

/// Do a step; none where there is no such step.
pub fn step(name: &str, step: &Value) -> Option<Answer> {
    let ticket = text(&step["ticket"]);
    let reason = text(&step["reason"]);
    Some(match name.strip_prefix("delegation.")? {
        "team" => delegation::team().map(|team| team.json()),
        "budget-left" => delegation::budget_left().map(|budget| budget.json()),
        "propose-plan" => delegation::propose_plan(&plan(&step["plan"])).map(|()| Value::Null),
        "delegate" => {
            let assignments: Vec<_> = list(&step["assignments"]).iter().map(assignment).collect();
            delegation::delegate(&assignments).map(|delegated| delegated.json())
        }
        "await-reports" => delegation::await_reports(
            &texts(&step["tickets"]),
            &join(&step["join"]),
            maybe_number(&step["timeout-ms"]),
        )
        .map(|joined| joined.json()),
        "cancel" => delegation::cancel(&ticket, &reason).map(|()| Value::Null),
        "reassign" => {
            delegation::reassign(&ticket, &text(&step["assignee"]), &reason).map(|()| Value::Null)
        }
        _ => return None,
    })
}

fn assignment(value: &Value) -> Assignment {
    Assignment {
        title: text(&value["title"]),
        description: text(&value["description"]),
        assignee: maybe(&value["assignee"]),
        notes: text(&value["notes"]),
        expected_output_schema_json: maybe(&value["expected-output-schema-json"]),
        permissive: value["permissive"] == true,
        deadline_ms: maybe_number(&value["deadline-ms"]),
        key: maybe(&value["key"]),
        priority: Priority::from_json(&value["priority"]),
        group: maybe(&value["group"]),
        blocked_by: texts(&value["blocked-by"]),
        on_blocker_failure: BlockerPolicy::from_json(&value["on-blocker-failure"]),
        retry: value["retry"].is_object().then(|| retry(&value["retry"])),
        budget: value["budget"]
            .is_object()
            .then(|| budget(&value["budget"])),
        silence_ms: maybe_number(&value["silence-ms"]),
    }
}

fn retry(value: &Value) -> Retry {
    Retry {
        attempts: small(&value["attempts"]),
        backoff_ms: number(&value["backoff-ms"]),
        max_backoff_ms: number(&value["max-backoff-ms"]),
        reassign: small(&value["reassign"]),
    }
}

fn budget(value: &Value) -> Budget {
    Budget {
        wall_ms: maybe_number(&value["wall-ms"]),
        guest_ms: maybe_number(&value["guest-ms"]),
        tokens: maybe_number(&value["tokens"]),
        cost_microusd: maybe_number(&value["cost-microusd"]),
        children: maybe_small(&value["children"]),
        depth: maybe_small(&value["depth"]),
    }
}

fn join(value: &Value) -> Join {
    if value["quorum"].is_null() && value["deadline"].is_null() {
        match value.as_str() {
            Some("all") => Join::All,
            Some("any") => Join::Any,
            _ => Join::Other(text(&value["other"])),
        }
    } else if value["deadline"].is_null() {
        Join::Quorum(small(&value["quorum"]))
    } else {
        Join::Deadline(number(&value["deadline"]))
    }
}

fn plan(value: &Value) -> WorkPlan {
    WorkPlan {
        name: text(&value["name"]),
        description: text(&value["description"]),
        phases: list(&value["phases"]).iter().map(phase).collect(),
    }
}

fn phase(value: &Value) -> PlanPhase {
    PlanPhase {
        id: text(&value["id"]),
        name: text(&value["name"]),
        parallel: value["parallel"] == true,
        depends_on: texts(&value["depends-on"]),
        tasks: list(&value["tasks"]).iter().map(task).collect(),
    }
}

fn task(value: &Value) -> PlanTask {
    PlanTask {
        id: text(&value["id"]),
        description: text(&value["description"]),
        suggested_class: text(&value["suggested-class"]),
        assign_to_agent: maybe(&value["assign-to-agent"]),
        priority: Priority::from_json(&value["priority"]),
        blocked_by: texts(&value["blocked-by"]),
    }
}
