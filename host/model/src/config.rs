//! The configuration of an agent, as its plugin describes it: JSON Schema (draft 2020-12) with defaults.
//!
//! Defaults are what the schema's `default` says, for properties of objects that are missing: in
//! `properties`, in what `items`, `prefixItems` and `additionalProperties` describe, through `allOf` and
//! through references within the schema (`#/…`). What is there is never changed.
//!
//! Invariant: filling in ends, and has a limit in steps and in bytes, whatever the schema says.

mod defaults;

use crate::call::json_bytes;
use crate::schema::Schema;
use crate::{Refusal, Violation};
use serde_json::{Map, Value};

/// Bytes that a configuration may have once its defaults are filled in, as JSON.
const CONFIG_BYTES: usize = 256 << 10;
/// Subschemas that filling in visits at most.
const STEPS: usize = 20_000;
/// How deep it goes.
const DEPTH: usize = 64;

/// The schema of a plugin's configuration.
#[derive(Debug)]
pub struct ConfigSchema {
    source: Value,
    schema: Schema,
}

impl ConfigSchema {
    /// Reads a schema. Nothing is ever fetched: it refers only to itself.
    ///
    /// # Errors
    /// Where it is no JSON Schema, no object, or where its own defaults have no end.
    pub fn compile(source: &Value) -> Result<ConfigSchema, Refusal> {
        if !source.is_object() {
            let message = "the schema of a configuration is an object, and so is what it describes";
            return Err(Refusal::invalid("", message));
        }
        let schema = Schema::compile(source, "")?;
        let schema = ConfigSchema {
            source: source.clone(),
            schema,
        };
        let filled = schema.fill(&Value::Object(Map::new()));
        filled.map_err(|why| Refusal::invalid("", why.message))?;
        Ok(schema)
    }

    /// A configuration with the defaults filled in.
    ///
    /// # Errors
    /// Where the defaults have no end, or are too large.
    pub fn fill(&self, config: &Value) -> Result<Value, Violation> {
        let mut filled = config.clone();
        let mut filling = Filling {
            root: &self.source,
            steps: STEPS,
            bytes: CONFIG_BYTES.saturating_sub(json_bytes(config)),
        };
        filling.fill(&self.source, &mut filled, 0)?;
        Ok(filled)
    }

    /// What is wrong with a configuration whose defaults are filled in. A hostile schema can take its
    /// time: not for threads that others wait for.
    pub fn check(&self, filled: &Value) -> Vec<Violation> {
        self.schema.check(filled)
    }

    /// Fills in the defaults and checks the whole.
    ///
    /// # Errors
    /// All that is wrong, by its place in the configuration.
    pub fn complete(&self, config: &Value) -> Result<Value, Vec<Violation>> {
        let filled = self.fill(config).map_err(|violation| vec![violation])?;
        match self.check(&filled) {
            wrong if wrong.is_empty() => Ok(filled),
            wrong => Err(wrong),
        }
    }
}

/// What is left of the limits.
struct Filling<'a> {
    root: &'a Value,
    steps: usize,
    bytes: usize,
}

impl<'a> Filling<'a> {
    fn fill(
        &mut self,
        schema: &'a Value,
        value: &mut Value,
        depth: usize,
    ) -> Result<(), Violation> {
        let Some(schema) = schema.as_object() else {
            return Ok(());
        };
        if self.steps == 0 || depth > DEPTH {
            return Err(Violation::new(
                "",
                "the defaults of the plugin's configuration have no end: its schema refers to itself",
            ));
        }
        self.steps -= 1;
        if let Some(referred) = self.referred(schema) {
            self.fill(referred, value, depth + 1)?;
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.fill(part, value, depth + 1)?;
        }
        match value {
            Value::Object(map) => self.fill_object(schema, map, depth),
            Value::Array(items) => {
                let first = schema.get("prefixItems").and_then(Value::as_array);
                let first: &[Value] = first.map_or(&[], Vec::as_slice);
                let rest = schema.get("items");
                for (n, item) in items.iter_mut().enumerate() {
                    if let Some(schema) = first.get(n).or(rest) {
                        self.fill(schema, item, depth + 1)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fill_object(
        &mut self,
        schema: &'a Map<String, Value>,
        map: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Violation> {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if !map.contains_key(name)
                && let Some(default) = self.default_of(property)
            {
                let bytes = name.len() + json_bytes(default) + 8;
                self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
                    let message = format!(
                        "with its defaults the configuration has more than {CONFIG_BYTES} bytes"
                    );
                    Violation::new("", message)
                })?;
                map.insert(name.clone(), default.clone());
            }
            if let Some(value) = map.get_mut(name) {
                self.fill(property, value, depth + 1)?;
            }
        }
        let Some(rest) = schema
            .get("additionalProperties")
            .filter(|rest| rest.is_object())
        else {
            return Ok(());
        };
        for (name, value) in map {
            if properties.is_none_or(|known| !known.contains_key(name)) {
                self.fill(rest, value, depth + 1)?;
            }
        }
        Ok(())
    }

    /// A property's default: its own, or that of what it refers to.
    fn default_of(&self, property: &'a Value) -> Option<&'a Value> {
        let mut schema = property.as_object()?;
        for _ in 0..DEPTH {
            if let Some(default) = schema.get("default") {
                return Some(default);
            }
            schema = self.referred(schema)?.as_object()?;
        }
        None
    }

    fn referred(&self, schema: &Map<String, Value>) -> Option<&'a Value> {
        let reference = schema.get("$ref")?.as_str()?;
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(source: &Value) -> ConfigSchema {
        ConfigSchema::compile(source).expect("it is a schema")
    }

    #[test]
    fn what_is_missing_gets_its_default_and_what_is_there_stays() {
        let schema = schema(&json!({
            "type": "object",
            "properties": {
                "depth": { "type": "integer", "default": 3 },
                "name": { "type": "string" },
                "model": { "$ref": "#/$defs/model" },
                "steps": { "type": "array", "items": { "$ref": "#/$defs/step" } }
            },
            "allOf": [{ "properties": { "loud": { "type": "boolean", "default": false } } }],
            "additionalProperties": { "properties": { "weight": { "default": 1 } } },
            "$defs": {
                "model": { "type": "object", "default": {},
                           "properties": { "heat": { "type": "number", "default": 0.5 } } },
                "step": { "properties": { "tries": { "default": 2 } } }
            }
        }));
        assert_eq!(
            schema.complete(&json!({})),
            Ok(json!({"depth": 3, "loud": false, "model": {"heat": 0.5}}))
        );
        assert_eq!(
            schema.complete(&json!({
                "depth": 9, "loud": true, "model": {"heat": 1}, "steps": [{}, {"tries": 5}],
                "other": {}
            })),
            Ok(json!({
                "depth": 9, "loud": true, "model": {"heat": 1},
                "steps": [{"tries": 2}, {"tries": 5}], "other": {"weight": 1}
            }))
        );
        let wrong = schema
            .complete(&json!({"depth": "deep", "model": {"heat": "hot"}}))
            .expect_err("it does not fit");
        let paths: Vec<&str> = wrong.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/depth", "/model/heat"]);
    }

    #[test]
    fn a_default_that_does_not_fit_is_found_when_it_is_used() {
        let schema = schema(&json!({"properties": {"n": {"type": "integer", "default": "x"}}}));
        let wrong = schema
            .complete(&json!({}))
            .expect_err("the default is wrong");
        assert_eq!(wrong[0].path, "/n");
        assert!(schema.complete(&json!({"n": 1})).is_ok());
    }

    #[test]
    fn defaults_without_an_end_are_refused() {
        for source in [
            json!({"properties": {"a": {"$ref": "#", "default": {}}}}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#"}),
            json!({"properties": {
                "a": {"$ref": "#/$defs/d"}, "b": {"$ref": "#/$defs/d"}},
                "$defs": {"d": {"default": {}, "properties": {
                    "a": {"$ref": "#/$defs/d"}, "b": {"$ref": "#/$defs/d"}}}}}),
        ] {
            let error = ConfigSchema::compile(&source).expect_err("it has no end");
            assert!(error.to_string().contains("no end"), "{error}");
        }
        let big = "x".repeat(60_000);
        let properties: Map<String, Value> = (0..10)
            .map(|n| (n.to_string(), json!({"$ref": "#/$defs/big"})))
            .collect();
        let source = json!({"properties": properties, "$defs": {"big": {"default": big}}});
        let error = ConfigSchema::compile(&source).expect_err("it is too large");
        assert!(error.to_string().contains("262144 bytes"), "{error}");
    }
}
