//! JSON Schema, draft 2020-12 (json-schema.org/draft/2020-12), for expected outputs.
//!
//! Nothing is ever fetched: a reference to another document makes a schema invalid.

use crate::{Refusal, Violation, text::cut};
use jsonschema::Validator;
use serde_json::Value;

/// Violations that are kept of one output; a hostile one could have millions.
const MOST_VIOLATIONS: usize = 50;

/// Bytes of a violation's path, and of its message, that are kept.
const VIOLATION_BYTES: usize = 500;

/// A schema that can be checked against.
#[derive(Debug)]
pub struct Schema(Validator);

impl Schema {
    /// Compiles a schema. `path` is where it stands in the command, for the refusal.
    pub fn compile(schema: &Value, path: &str) -> Result<Schema, Refusal> {
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .build(schema)
            .map(Schema)
            .map_err(|error| {
                Refusal::invalid(
                    path,
                    format!(
                        "this is no JSON Schema (draft 2020-12): {error} (at {:?} in the schema)",
                        error.instance_path().to_string()
                    ),
                )
            })
    }

    /// What is wrong with an output; nothing if it fulfils the schema.
    pub fn check(&self, output: &Value) -> Vec<Violation> {
        self.0
            .iter_errors(output)
            .take(MOST_VIOLATIONS)
            .map(|error| {
                // The message quotes the value, which may be the whole output.
                Violation::new(
                    cut(&error.instance_path().to_string(), VIOLATION_BYTES),
                    cut(&error.to_string(), VIOLATION_BYTES),
                )
            })
            .collect()
    }
}

/// What is wrong with an output that may be missing, against a schema that may be missing.
pub fn check_output(schema: Option<&Value>, output: Option<&Value>) -> Vec<Violation> {
    let Some(schema) = schema else {
        return Vec::new();
    };
    let Some(output) = output else {
        return vec![Violation::new(
            "",
            "there is no output, and the ticket expects one",
        )];
    };
    match Schema::compile(schema, "/expected_output_schema") {
        Ok(schema) => schema.check(output),
        Err(refusal) => vec![Violation::new("", refusal.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn violations_say_where() {
        let schema =
            json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        assert_eq!(check_output(Some(&schema), Some(&json!({"n": 1}))), []);
        let wrong = check_output(Some(&schema), Some(&json!({"n": "one"})));
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].path, "/n");
        assert_eq!(check_output(Some(&schema), None).len(), 1);
        assert_eq!(check_output(None, None), []);
    }

    #[test]
    fn no_schema_is_refused() {
        for schema in [
            json!({"type": "strange"}),
            json!(3),
            json!({"$ref": "https://example.com/s.json"}),
        ] {
            assert!(Schema::compile(&schema, "/schema").is_err(), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_without_end_ends() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"not": {"$ref": "#"}}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"anyOf": [{"$dynamicRef": "#a"}], "$dynamicAnchor": "a"}),
            json!({"if": {"$ref": "#"}, "then": true}),
            json!({"properties": {"a": {"$ref": "#"}}}),
        ] {
            let _ = check_output(Some(&schema), Some(&json!({"a": {"a": {"a": 1}}})));
        }
    }
}
