//! Events, as streams and pages show them.

use super::time;
use adjutant_model as model;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An entry of a workspace's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its sequence number. Dense, from 1; never repeated.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened, such as `TicketCreated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What else it says: ids of what it is about, and the change.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Event {
    /// Shows an event with its sequence number.
    pub(crate) fn new(seq: u64, event: &model::Event) -> Event {
        let mut fields = match serde_json::to_value(&event.kind) {
            Ok(Value::Object(fields)) => fields,
            // Every kind is a struct with a tag, so this is none of them.
            _ => Map::new(),
        };
        let kind = match fields.remove("type") {
            Some(Value::String(kind)) => kind,
            _ => "Other".to_owned(),
        };
        Event {
            seq,
            at: time(event.at),
            kind,
            fields,
        }
    }
}

// By hand, for a flattened map is an object with any further fields.
impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new()
            .description(Some("An entry of a workspace's log."))
            .property(
                "seq",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                    .description(Some("Its sequence number. Dense, from 1; never repeated.")),
            )
            .required("seq")
            .property(
                "at",
                text()
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                    .description(Some("When it happened.")),
            )
            .required("at")
            .property(
                "type",
                text().description(Some("What happened, such as `TicketCreated`.")),
            )
            .required("type")
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

impl ToSchema for Event {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn an_event_is_flat_and_its_time_is_readable() {
        let ticket = model::TicketId(Uuid::from_u128(2));
        let event = model::Event {
            at: 5,
            kind: model::EventKind::TicketStatusChanged {
                ticket,
                from: model::Status::Open,
                to: model::Status::InProgress,
                forced: false,
            },
        };
        assert_eq!(
            json!(Event::new(7, &event)),
            json!({
                "seq": 7,
                "at": "1970-01-01T00:00:00.005Z",
                "type": "TicketStatusChanged",
                "ticket": ticket,
                "from": "open",
                "to": "in_progress",
                "forced": false,
            })
        );
    }
}
