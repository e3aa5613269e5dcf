//! The OpenAPI document's frame: what it is about, and the errors that operations share.

use crate::dto;
use crate::problem::Kind;
use std::collections::BTreeMap;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi};

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

/// The document without its paths, which the routes add.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Adjutant",
        description = "Runs teams of agents: tickets, agents, runs, plugins and events. Loopback \
                       only. Ids are UUIDs, times are RFC 3339 in UTC. Lists have a cursor: pass \
                       `next` on to get what follows. Every error is application/problem+json.",
    ),
    tags(
        (name = "workspaces", description = "Workspaces, and teams as operators write them"),
        (name = "agents", description = "Agents, their teams and what they are doing"),
        (name = "tickets", description = "Work: one noun for messages, delegations and steps"),
        (name = "channels", description = "What is said on a ticket"),
        (name = "runs", description = "Attempts at tickets: journal and log"),
        (name = "plugins", description = "Components"),
        (name = "events", description = "The log of all that happens"),
        (name = "reports", description = "Reports on delegated tasks, from outside"),
        (name = "host", description = "The host itself"),
    ),
    components(schemas(dto::Problem)),
)]
pub(crate) struct Document;

/// Errors that any request may meet.
const ANY: [Kind; 6] = [
    Kind::Malformed,
    Kind::Denied,
    Kind::Busy,
    Kind::Internal,
    Kind::Unavailable,
    Kind::Timeout,
];

/// Errors of what names nothing.
pub(crate) struct PlainErrors;

/// Errors of what asks for something that may not exist.
pub(crate) struct ReadErrors;

/// Errors of making a backup.
pub(crate) struct BackupErrors;

/// Errors of what changes something.
pub(crate) struct WriteErrors;

/// Errors of what changes something that has an ETag.
pub(crate) struct ChangeErrors;

const BODY: [Kind; 5] = [
    Kind::TooLarge,
    Kind::MediaType,
    Kind::Invalid,
    Kind::Limit,
    Kind::Full,
];

impl IntoResponses for PlainErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ANY])
    }
}

impl IntoResponses for ReadErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ANY, &[Kind::NotFound, Kind::Invalid]])
    }
}

impl IntoResponses for BackupErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ANY, &[Kind::Full]])
    }
}

impl IntoResponses for WriteErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[&ANY, &BODY, &[Kind::NotFound, Kind::Conflict]])
    }
}

impl IntoResponses for ChangeErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            &ANY,
            &BODY,
            &[Kind::NotFound, Kind::Conflict, Kind::Precondition],
        ])
    }
}

fn problems(kinds: &[&[Kind]]) -> BTreeMap<String, RefOr<Response>> {
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for kind in kinds.iter().copied().flatten() {
        texts
            .entry(kind.status().as_u16().to_string())
            .or_default()
            .push(kind.title());
    }
    texts
        .into_iter()
        .map(|(status, titles)| {
            let response = ResponseBuilder::new()
                .description(titles.join("; "))
                .content(
                    PROBLEM,
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                )
                .build();
            (status, response.into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;
    use serde_json::Value;
    use std::collections::BTreeSet;

    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

    fn document() -> Value {
        let (_, document) = routes::api().split_for_parts();
        serde_json::to_value(document).expect("JSON")
    }

    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let mut list = Vec::new();
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    list.push((format!("{} {path}", method.to_uppercase()), operation));
                }
            }
        }
        list
    }

    /// The methods and paths that the router itself says it has, from its debug text: it offers no
    /// other way to list them.
    fn routed() -> BTreeSet<String> {
        let (router, _) = routes::api().split_for_parts();
        let text = format!("{router:#?}");
        let own = text.split("fallback_router").next().expect("a first part");
        let mut route = "";
        let mut methods: BTreeMap<&str, &str> = BTreeMap::new();
        let mut paths: BTreeMap<&str, &str> = BTreeMap::new();
        for line in own.lines().map(|line| line.trim().trim_end_matches(',')) {
            if line.bytes().all(|byte| byte.is_ascii_digit()) {
                route = line;
            } else if let Some(allowed) = line.strip_prefix("b\"") {
                methods.insert(route, allowed.trim_end_matches('"'));
            } else if let Some(path) = line.strip_prefix("): \"") {
                paths.insert(route, path.trim_end_matches('"'));
            }
        }
        assert!(!paths.is_empty() && methods.len() == paths.len(), "{own}");
        let mut routed = BTreeSet::new();
        for (route, path) in paths {
            for method in methods[route].split(',').filter(|method| *method != "HEAD") {
                routed.insert(format!("{method} {path}"));
            }
        }
        routed
    }

    #[test]
    fn it_is_openapi_3_1_and_every_operation_is_whole() {
        let document = document();
        assert!(
            document["openapi"]
                .as_str()
                .expect("a version")
                .starts_with("3.1")
        );
        let mut ids = BTreeSet::new();
        for (name, operation) in operations(&document) {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} occurs twice");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            assert!(operation["tags"].is_array(), "{name} has no tag");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{name}"
            );
            assert!(responses.contains_key("500"), "{name} documents no errors");
            for (status, response) in responses {
                if status.starts_with(['4', '5']) {
                    assert_eq!(
                        response["content"][PROBLEM]["schema"]["$ref"],
                        "#/components/schemas/Problem",
                        "{name} {status}"
                    );
                }
            }
            let path = name.split(' ').next_back().expect("a path");
            for variable in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let variable = variable.trim_end_matches('}');
                let documented = operation["parameters"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|one| one["name"] == variable && one["in"] == "path");
                assert!(documented, "{name} does not document {variable}");
            }
        }
    }

    #[test]
    fn every_reference_is_there() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(target)) = fields.get("$ref") {
                        let pointer = target.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    fields.values().for_each(|value| walk(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    #[test]
    fn a_run_s_token_is_in_no_schema() {
        let document = document();
        for (name, schema) in document["components"]["schemas"]
            .as_object()
            .expect("schemas")
        {
            let properties = schema["properties"].as_object();
            assert!(
                !properties.is_some_and(|fields| fields.contains_key("token")),
                "{name}"
            );
        }
    }

    #[test]
    fn routes_and_document_are_the_same() {
        let document = document();
        let documented: BTreeSet<String> = operations(&document)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(routed(), documented);
    }

    #[test]
    fn the_operations_are_these() {
        let document = document();
        let names: Vec<String> = operations(&document)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
