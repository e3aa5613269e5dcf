//! Looking into what happened: a run as it was given, its exact journal, whom a boss would pick, and
//! going on where a run broke.
//!
//! A recording is for another host's replay, so its parts are the host's own records and not the
//! API's types: their fields follow the version that `format` names.

use super::{AgentRef, Confidence, RunPlugin, Tracking, time};
use adjutant_dispatch as dispatch;
use adjutant_model as model;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The form of recordings.
const FORMAT: u32 = 1;

/// All that a run's strategy was given, to replay it elsewhere. Its journal comes apart, by the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recording {
    /// The form of the parts: 1.
    pub format: u32,
    /// The run's record, without its token.
    #[schema(value_type = Object)]
    pub run: Value,
    /// Its ticket's record.
    #[schema(value_type = Object)]
    pub ticket: Value,
    /// Its agent's record.
    #[schema(value_type = Object)]
    pub agent: Value,
    /// The record of the agent that delegated the ticket.
    #[schema(value_type = Option<Object>)]
    pub boss: Option<Value>,
    /// What the person who started it all asked for.
    pub request: String,
}

impl From<&dispatch::RunRecording> for Recording {
    fn from(recording: &dispatch::RunRecording) -> Self {
        Recording {
            format: FORMAT,
            run: record(&recording.run),
            ticket: record(&recording.ticket),
            agent: record(&recording.agent),
            boss: recording.boss.as_ref().map(record),
            request: recording.request.clone(),
        }
    }
}

/// A record of a run's journal exactly as the host keeps it: what a replay is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExactRecord {
    /// The record: `done`, `begun` or `answered`, with its fields.
    #[schema(value_type = Object)]
    pub record: Value,
}

impl From<&model::Record> for ExactRecord {
    fn from(one: &model::Record) -> Self {
        ExactRecord {
            record: record(one),
        }
    }
}

fn record(value: &impl Serialize) -> Value {
    // All of the model's records are JSON; were one not, its place stays empty.
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// How to go on where a run broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resume {
    /// The version to go on with, `name@version` of the run's own plugin; the one registered last
    /// where none is given.
    pub plugin: Option<String>,
}

/// What a run that was resumed goes on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// The run that broke.
    pub from: Uuid,
    /// How many of its calls were taken over.
    pub calls: u32,
}

impl From<&model::Resumed> for Resumed {
    fn from(resumed: &model::Resumed) -> Self {
        Resumed {
            from: resumed.from.0,
            calls: resumed.calls,
        }
    }
}

/// Whom a boss would pick for a task, and why. Nothing has changed by asking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Picks {
    /// The boss.
    pub boss: AgentRef,
    /// The selector that was asked.
    pub selector: RunPlugin,
    /// Its choices, the best first: a delegation takes the first.
    pub choices: Vec<Pick>,
    /// Whom it could choose from, as they are now.
    pub candidates: Vec<Candidate>,
}

/// One choice of a selector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pick {
    /// Who.
    pub agent: AgentRef,
    /// Why: a sentence.
    pub reason: String,
    /// How sure the selector is.
    pub confidence: Confidence,
}

/// A subordinate that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Who.
    pub agent: AgentRef,
    /// A free label; empty if none.
    pub class: String,
    /// A sentence for people and models.
    pub description: String,
    /// What it is good at, in words.
    pub skills: Vec<String>,
    /// What it is doing.
    pub tracking_status: Tracking,
    /// Tickets that it works on.
    pub current: Vec<Uuid>,
    /// Tickets that wait for it.
    pub queued: u32,
    /// When it last reported.
    pub last_report_at: Option<Timestamp>,
}

impl From<&dispatch::Picks> for Picks {
    fn from(picks: &dispatch::Picks) -> Self {
        let team = &picks.candidates.team;
        let named = |id: model::AgentId| {
            let name = team.iter().find(|member| member.id == id);
            AgentRef {
                id: id.0,
                name: name.map_or_else(|| id.to_string(), |member| member.name.clone()),
            }
        };
        let boss = &picks.candidates.boss;
        Picks {
            boss: AgentRef {
                id: boss.id.0,
                name: boss.name.clone(),
            },
            selector: RunPlugin {
                name: picks.selector.name.clone(),
                version: picks.selector.version.clone(),
                digest: picks.selector.digest.clone(),
            },
            choices: picks
                .choices
                .iter()
                .map(|(id, choice)| Pick {
                    agent: named(*id),
                    reason: choice.reason.clone(),
                    confidence: choice.confidence.into(),
                })
                .collect(),
            candidates: team.iter().map(Candidate::from).collect(),
        }
    }
}

impl From<&model::Member> for Candidate {
    fn from(member: &model::Member) -> Self {
        Candidate {
            agent: AgentRef {
                id: member.id.0,
                name: member.name.clone(),
            },
            class: member.class.clone(),
            description: member.description.clone(),
            skills: member.skills.clone(),
            tracking_status: member.status.into(),
            current: member.current.iter().map(|id| id.0).collect(),
            queued: member.queued,
            last_report_at: member.last_report_at.map(time),
        }
    }
}
