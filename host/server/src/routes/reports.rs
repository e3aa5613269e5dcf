//! `report-task`: how an outside program or a person reports on a delegated task.
//!
//! The path, the body and the answer are those of the delegation guide that Adjutant is compatible
//! with. The delegation's id and the run's token are Adjutant's own additions; they travel in the query
//! or in headers, and are never shown or logged.

use crate::dto::{ReportReceipt, ReportStatus, TaskReport, Usage};
use crate::extract::{MaybeJson, Params, Segment, id};
use crate::keyed::Keyed;
use crate::openapi::WriteErrors;
use crate::problem::{Problem, Result};
use adjutant_dispatch::Reported;
use adjutant_model::{ReportOutcome, Spend, TicketId, Token};
use axum::Json;
use axum::http::HeaderMap;
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

const DELEGATION: &str = "x-adjutant-delegation";
const TOKEN: &str = "x-adjutant-token";

/// The query of a report.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportQuery {
    /// The delegated ticket; also as the header `X-Adjutant-Delegation`.
    #[param(value_type = Option<uuid::Uuid>)]
    delegation: Option<String>,
    /// The token from the task's footer; also as the header `X-Adjutant-Token`.
    #[param(value_type = Option<uuid::Uuid>)]
    token: Option<String>,
}

/// Report on a delegated task
///
/// Without a delegation and a token the report is taken only while exactly one delegation to the agent
/// is open. A stale, duplicate or foreign report changes nothing: the answer says so, with a reason.
/// Its `output` is the ticket's, once it fulfils the ticket's schema; else the task is posted again with
/// what was wrong. Its `usage` is charged to the ticket, and so to the budgets of all tickets above it.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/report-task",
    operation_id = "report_task",
    tag = "reports",
    params(
        ("id" = String, Path,
            description = "The agent's id, or its name where only one workspace has it"),
        ReportQuery,
        ("X-Adjutant-Delegation" = Option<uuid::Uuid>, Header, description = "The delegated ticket"),
        ("X-Adjutant-Token" = Option<uuid::Uuid>, Header,
            description = "The token from the task's footer"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = Option<TaskReport>,
    responses(
        (status = 200, description = "What became of the report", body = ReportReceipt),
        WriteErrors
    )
)]
pub(crate) async fn report_task(
    Keyed(app): Keyed,
    agent: Segment,
    Params(query): Params<ReportQuery>,
    headers: HeaderMap,
    MaybeJson(report): MaybeJson<TaskReport>,
) -> Result<Json<ReportReceipt>> {
    let status = status(report.status.as_deref())?;
    let delegation: Option<TicketId> = given(query.delegation, &headers, DELEGATION, "delegation")?;
    let token: Option<Token> = given(query.token, &headers, TOKEN, "token")?;
    let (workspace, view) = app.host.find_agent(&agent.0).await?;
    let usage = usage(report.usage.unwrap_or_default())?;
    let outcome = match status {
        ReportStatus::Completed => ReportOutcome::Completed,
        ReportStatus::Failed => ReportOutcome::Failed,
    };
    let summary = report.summary.unwrap_or_default();
    let answer = app
        .host
        .external_report(
            workspace,
            view.agent.id,
            delegation,
            token,
            Reported {
                outcome,
                summary,
                output: report.output,
                usage,
            },
        )
        .await?;
    let (boss, forwarded, reason) = match answer {
        Ok(Some(boss)) => (Some(boss), true, None),
        Ok(None) => (None, false, None),
        Err(reason) => (view.boss, false, Some(reason)),
    };
    let accepted = reason.is_none();
    let (boss_id, boss_name) = boss.map(|(id, name)| (id.to_string(), name)).unzip();
    Ok(Json(ReportReceipt {
        success: accepted,
        subordinate_id: view.agent.id.to_string(),
        subordinate_name: view.agent.name,
        boss_id,
        boss_name,
        task_status: status,
        accepted,
        forwarded,
        reason,
    }))
}

fn status(word: Option<&str>) -> Result<ReportStatus> {
    match word {
        None => Ok(ReportStatus::Completed),
        Some(word) => word
            .parse()
            .map_err(|error| Problem::invalid("/status", format!("{error}"))),
    }
}

/// What was used, as it is charged: a cost is rounded to whole millionths.
fn usage(usage: Usage) -> Result<Spend> {
    let cost = usage.cost_usd * 1_000_000.0;
    // Beyond this a number with a fraction no longer tells one millionth from the next.
    if !(0.0..=9e15).contains(&cost) {
        return Err(Problem::invalid(
            "/usage/cost_usd",
            "a cost is a number of US dollars from 0 to 9,000,000,000".to_owned(),
        ));
    }
    Ok(Spend {
        tokens: usage.tokens,
        cost_microusd: cost.round() as u64,
        ..Spend::default()
    })
}

/// An id from the query, else from a header. The text itself is not repeated: it may be a secret.
fn given<T: FromStr>(
    query: Option<String>,
    headers: &HeaderMap,
    header: &str,
    what: &str,
) -> Result<Option<T>> {
    let header = headers
        .get(header)
        .map(|value| value.to_str().unwrap_or("?").to_owned());
    match query.or(header) {
        None => Ok(None),
        Some(text) => id(what, &text).map(Some).map_err(|_| {
            Problem::malformed(format!(
                "The {what} is not a UUID; report with the URL from the task's footer as it is"
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[test]
    fn only_two_statuses_are_taken() {
        assert_eq!(status(None), Ok(ReportStatus::Completed));
        assert_eq!(status(Some("completed")), Ok(ReportStatus::Completed));
        assert_eq!(status(Some("failed")), Ok(ReportStatus::Failed));
        for word in ["done", "Completed", ""] {
            let problem = status(Some(word)).expect_err(word);
            assert_eq!(problem.kind, Kind::Invalid);
            assert_eq!(problem.violations[0].path, "/status");
        }
    }

    #[test]
    fn ids_come_from_the_query_or_a_header_and_are_not_repeated() {
        let uuid = "00000000-0000-0000-0000-000000000001";
        let headers = HeaderMap::from_iter([(
            TOKEN.parse().expect("a name"),
            uuid.parse().expect("a value"),
        )]);
        let token: Option<Token> = given(None, &headers, TOKEN, "token").expect("a token");
        assert_eq!(token.map(|token| token.to_string()).as_deref(), Some(uuid));
        let none: Option<Token> = given(None, &HeaderMap::new(), TOKEN, "token").expect("none");
        assert_eq!(none, None);
        let problem =
            given::<Token>(Some("hunter2".into()), &headers, TOKEN, "token").expect_err("no id");
        assert_eq!(problem.kind, Kind::Malformed);
        assert!(!problem.detail.contains("hunter2"));
    }
}
