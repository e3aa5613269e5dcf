//! JSON Schema, draft 2020-12 (json-schema.org/draft/2020-12), for expected outputs.
//!
//! Invariants:
//! - Nothing is ever fetched: a reference to another document makes a schema invalid.
//! - A check ends: it takes [`MOST_STEPS`] at most, whatever the schema. Schemas come from strategies, and
//!   references that double at each level would keep a check of a small one busy for years.

use crate::{Refusal, Violation, text::cut};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Keyword, PatternOptions, ReferencingError, ValidationError, Validator};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Steps of one check: a reference that is followed, a subschema that is fulfilled; more for a large value.
const MOST_STEPS: u64 = 200_000;

/// Patterns of a schema, and what one of them may be compiled to (bytes) and go back (times).
const MOST_PATTERNS: usize = 100;
const PATTERN_BYTES: usize = 256 << 10;
const MOST_BACKTRACKS: usize = 20_000;

/// The keyword that counts. It is put into each part of a schema.
const STEP: &str = "adjutant:step";

/// Violations that are kept of one output; a hostile one could have millions.
const MOST_VIOLATIONS: usize = 50;

/// Bytes of a violation's path, and of its message, that are kept.
const VIOLATION_BYTES: usize = 500;

thread_local! {
    /// Steps that the check in progress on this thread has left: one schema may be in use on several.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// A schema that can be checked against.
#[derive(Debug)]
pub struct Schema(Validator);

impl Schema {
    /// Compiles a schema. `path` is where it stands in the command, for the refusal.
    pub fn compile(schema: &Value, path: &str) -> Result<Schema, Refusal> {
        let mut counted = schema.clone();
        let mut patterns = 0;
        prepare(&mut counted, &mut patterns).map_err(|why| Refusal::invalid(path, why))?;
        if patterns > MOST_PATTERNS {
            return Err(Refusal::invalid(
                path,
                format!("this schema has {patterns} patterns; {MOST_PATTERNS} is the limit"),
            ));
        }
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(
                PatternOptions::fancy_regex()
                    .size_limit(PATTERN_BYTES)
                    .dfa_size_limit(PATTERN_BYTES)
                    .backtrack_limit(MOST_BACKTRACKS),
            )
            .with_keyword(STEP, |_, _, _| {
                let step: Box<dyn for<'i> Keyword<'i>> = Box::new(Step);
                Ok(step)
            })
            .build(&counted)
            .map(Schema)
            .map_err(|error| Refusal::invalid(path, no_schema(&error)))
    }

    /// What is wrong with an output; nothing if it fulfils the schema.
    pub fn check(&self, output: &Value) -> Vec<Violation> {
        LEFT.set(MOST_STEPS);
        let violations = || {
            let errors = self.0.iter_errors(output).take(MOST_VIOLATIONS);
            let violation = |error: ValidationError<'_>| {
                // The message quotes the value, which may be the whole output.
                Violation::new(
                    cut(&error.instance_path().to_string(), VIOLATION_BYTES),
                    cut(&error.to_string(), VIOLATION_BYTES),
                )
            };
            errors.map(violation).collect()
        };
        match catch_unwind(AssertUnwindSafe(violations)) {
            Ok(violations) => violations,
            Err(payload) if payload.is::<OutOfSteps>() => vec![Violation::new(
                "",
                format!(
                    "checking this against its schema takes more than {MOST_STEPS} steps; make the \
                     schema simpler"
                ),
            )],
            Err(other) => resume_unwind(other),
        }
    }
}

/// Why a schema is none: a sentence.
fn no_schema(error: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) =
        error.kind()
    {
        return format!(
            "this is no JSON Schema that can be used here: it refers to another document, {:?}, and those \
             are never fetched; put that part into this schema's `$defs`, and refer to it as \"#/$defs/NAME\"",
            cut(uri, VIOLATION_BYTES)
        );
    }
    format!(
        "this is no JSON Schema (draft 2020-12): {error} (at {:?} in the schema)",
        error.instance_path().to_string()
    )
}

/// Counts what is tried. The library offers no other way out of a check than to unwind.
struct Step;

/// What ends a check.
struct OutOfSteps;

impl Step {
    fn take(instance: &Value) {
        let size = match instance {
            Value::String(text) => text.len() / 64,
            Value::Array(items) => items.len() / 8,
            Value::Object(fields) => fields.len() / 8,
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        match LEFT.get().checked_sub(1 + size as u64) {
            Some(left) => LEFT.set(left),
            // Quietly: it is no panic, and nobody is told of one.
            None => resume_unwind(Box::new(OutOfSteps)),
        }
    }
}

impl<'i> Keyword<'i> for Step {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        Step::take(instance);
        Ok(())
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        Step::take(instance);
        true
    }
}

/// Puts the counting keyword into each object that may be a schema. Among the properties of an object it
/// is a schema too, one that everything fulfils. Counts the patterns.
///
/// # Errors
/// A reference into a value, where nothing is counted.
fn prepare(schema: &mut Value, patterns: &mut usize) -> Result<(), String> {
    match schema {
        Value::Array(all) => all.iter_mut().try_for_each(|one| prepare(one, patterns)),
        Value::Object(fields) => prepare_object(fields, patterns),
        _ => Ok(()),
    }
}

fn prepare_object(fields: &mut Map<String, Value>, patterns: &mut usize) -> Result<(), String> {
    for (key, value) in fields.iter_mut() {
        match (key.as_str(), &*value) {
            ("pattern", Value::String(_)) => *patterns += 1,
            ("patternProperties", Value::Object(all)) => *patterns += all.len(),
            ("$ref" | "$dynamicRef", Value::String(target))
                if target.contains("/const") || target.contains("/enum") =>
            {
                return Err(format!("{target:?} refers to a value and not to a schema"));
            }
            _ => {}
        }
        if !(key == "const" || key == "enum") {
            prepare(value, patterns)?;
        }
    }
    // Of one schema's keywords those of others' making come last, and `allOf` before references: so each
    // reference counts before it is followed, and without references no check is long.
    let refers = |key| fields.get(key).is_some_and(Value::is_string);
    if refers("$ref") || refers("$dynamicRef") {
        let all = fields
            .entry("allOf")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(all) = all {
            all.push(json!({ STEP: true }));
        }
    }
    fields.insert(STEP.to_owned(), Value::Bool(true));
    Ok(())
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
    fn a_reference_to_another_document_is_refused_with_what_to_do() {
        for target in ["https://example.com/s.json", "http://127.0.0.1:1/s.json#/a"] {
            let schema = json!({ "properties": { "a": { "$ref": target } } });
            let refused = Schema::compile(&schema, "/config_schema").expect_err("another document");
            let said = refused.to_string();
            assert!(
                said.contains("never fetched") && said.contains("`$defs`"),
                "{said}"
            );
            assert!(
                said.contains(target.split('#').next().expect("it")),
                "{said}"
            );
        }
        // What the schema itself is called by that name is here.
        let here = json!({
            "$defs": { "a": { "$id": "https://example.com/s.json", "type": "string" } },
            "$ref": "https://example.com/s.json"
        });
        let schema = Schema::compile(&here, "").expect("nothing is to be fetched");
        assert_eq!(schema.check(&json!(1)).len(), 1);
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
    fn a_small_schema_that_doubles_at_each_level_is_given_up() {
        for applicator in ["allOf", "anyOf", "oneOf"] {
            for leaf in [json!(true), json!(false), json!({"type": "string"})] {
                let mut parts = Map::new();
                for n in 0..45 {
                    let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
                    parts.insert(format!("d{n}"), json!({ applicator: [next, next] }));
                }
                parts.insert("d45".to_owned(), leaf);
                let schema = json!({ "$defs": parts, "$ref": "#/$defs/d0" });
                // Some ways are short: what is looked for is found at once. None goes on for ever.
                let wrong = check_output(Some(&schema), Some(&json!({})));
                if applicator == "allOf" {
                    let said = format!("{wrong:?}");
                    assert!(said.contains("more than 200000 steps"), "{said}");
                }
            }
        }
    }

    #[test]
    fn also_where_it_hides_its_parts_and_doubles_along_the_output() {
        let twice = json!({ "allOf": [{ "$ref": "#/x/a" }, { "$ref": "#/x/a" }] });
        let schema = json!({ "x": { "a": { "properties": { "a": twice } } }, "$ref": "#/x/a" });
        let output = (0..60).fold(json!(1), |inner, _| json!({ "a": inner }));
        let wrong = check_output(Some(&schema), Some(&output));
        assert!(format!("{wrong:?}").contains("steps"), "{wrong:?}");
        let schema = json!({ "const": { "allOf": [] }, "$ref": "#/const" });
        assert!(Schema::compile(&schema, "/schema").is_err());
    }

    #[test]
    fn counting_changes_no_verdict() {
        let schema = json!({
            "type": "object",
            "properties": { "a": { "const": { "b": 1 } }, "c": { "enum": [{ "d": 2 }] } },
            "additionalProperties": false,
        });
        let check = |output: Value| check_output(Some(&schema), Some(&output)).len();
        assert_eq!(check(json!({ "a": { "b": 1 }, "c": { "d": 2 } })), 0);
        assert_eq!(check(json!({ "a": { "b": 2 }, "c": { "d": 1 } })), 2);
        assert_eq!(check(json!({ "e": 1 })), 1);
        let long: Vec<u32> = (0..100_000).collect();
        let schema = json!({ "items": { "type": "integer" } });
        assert_eq!(check_output(Some(&schema), Some(&json!(long))), []);
    }

    #[test]
    fn patterns_are_few_and_small() {
        let many = |n: usize| {
            let patterns = (0..n).map(|n| json!({ "pattern": format!("^{n}$") }));
            json!({ "anyOf": patterns.collect::<Vec<_>>() })
        };
        assert!(Schema::compile(&many(100), "/schema").is_ok());
        let error = Schema::compile(&many(101), "/schema").expect_err("too many");
        assert!(error.to_string().contains("101 patterns"), "{error}");
        let large = json!({ "pattern": r"\p{L}{2000}" });
        assert!(Schema::compile(&large, "/schema").is_err());
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
