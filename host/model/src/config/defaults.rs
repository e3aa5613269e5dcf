//! Defaults that break the schema of their own property. Each would let every configuration that leaves the
//! property out be refused, and nobody could tell before an agent is saved.
//!
//! A default is judged as it is used: with the defaults of what is in it, and by its property's schema alone.
//! What other parts of the schema say of it may depend on the rest of a configuration.
//!
//! Invariant: judging has the limits of filling in and of one check, however many defaults there are.

use super::{CONFIG_BYTES, ConfigSchema, Filling, STEPS};
use crate::Violation;
use crate::call::json_bytes;
use crate::schema::Schema;
use crate::text::pointer_part;
use serde_json::{Map, Value, json};

/// What the schema is called while its parts are referred to, where it has no name of its own.
const NAME: &str = "https://adjutant.invalid/config";

/// A property's default.
struct Judged<'a> {
    /// The property's schema, as a pointer in the whole.
    at: String,
    /// The same.
    property: &'a Value,
    value: &'a Value,
}

impl ConfigSchema {
    /// The defaults of properties that do not fit the properties' own schemas, by their places in this one.
    ///
    /// Components that are stored are not judged so: this is for those that are made or handed in.
    pub fn wrong_defaults(&self) -> Vec<Violation> {
        let mut filling = Filling {
            root: &self.source,
            steps: STEPS,
            bytes: CONFIG_BYTES,
        };
        let mut defaults = Vec::new();
        collect(&filling, &self.source, String::new(), &mut defaults);
        let mut parts = Map::new();
        let mut values = Map::new();
        let id = self.source.get("$id").and_then(Value::as_str);
        let id = id.unwrap_or(NAME);
        for (place, default) in defaults.iter().enumerate() {
            // What has no end is refused where the schema is read; what is beyond the limits is not judged.
            let Some(room) = filling.bytes.checked_sub(json_bytes(default.value)) else {
                break;
            };
            filling.bytes = room;
            let mut value = default.value.clone();
            if filling.fill(default.property, &mut value, 0).is_err() {
                break;
            }
            let part = json!({ "$ref": format!("{id}#{}", encoded(&default.at)) });
            parts.insert(place.to_string(), part);
            values.insert(place.to_string(), value);
        }
        let mut root = self.source.clone();
        root["$id"] = json!(id);
        let all = json!({ "$defs": { "root": root }, "properties": parts });
        // One that is fine by itself and not as a part of another is not judged.
        let Ok(all) = Schema::compile(&all, "") else {
            return Vec::new();
        };
        let found = all.check(&Value::Object(values));
        let told = found.iter().filter_map(|wrong| told(&defaults, wrong));
        told.collect()
    }
}

/// What is wrong with a default, by its place in the schema.
fn told(defaults: &[Judged<'_>], wrong: &Violation) -> Option<Violation> {
    let path = wrong.path.strip_prefix('/')?;
    let (place, within) = match path.split_once('/') {
        Some((place, within)) => (place, format!(" (in it, at /{within})")),
        None => (path, String::new()),
    };
    let default = defaults.get(place.parse::<usize>().ok()?)?;
    let message = format!(
        "the default does not fit the property's own schema{within}: {}",
        wrong.message
    );
    Some(Violation::new(format!("{}/default", default.at), message))
}

/// The defaults of all properties that filling in may come to.
fn collect<'a>(
    filling: &Filling<'a>,
    schema: &'a Value,
    at: String,
    defaults: &mut Vec<Judged<'a>>,
) {
    for (keyword, part) in schema.as_object().into_iter().flatten() {
        let at = format!("{at}/{}", pointer_part(keyword));
        match (keyword.as_str(), part) {
            ("properties" | "$defs", Value::Object(parts)) => {
                for (name, part) in parts {
                    let at = format!("{at}/{}", pointer_part(name));
                    if keyword == "properties"
                        && let Some(value) = filling.default_of(part)
                    {
                        defaults.push(Judged {
                            at: at.clone(),
                            property: part,
                            value,
                        });
                    }
                    collect(filling, part, at, defaults);
                }
            }
            ("allOf" | "prefixItems", Value::Array(parts)) => {
                for (place, part) in parts.iter().enumerate() {
                    collect(filling, part, format!("{at}/{place}"), defaults);
                }
            }
            ("items" | "additionalProperties", part) => collect(filling, part, at, defaults),
            _ => {}
        }
    }
}

/// A JSON pointer as a URI's fragment.
fn encoded(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        match byte {
            b'/' | b'~' | b'-' | b'.' | b'_' | b'$' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(source: &Value) -> Vec<String> {
        let schema = ConfigSchema::compile(source).expect("it is a schema");
        let wrong = schema.wrong_defaults();
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_default_that_breaks_its_own_schema_is_told_by_its_property() {
        let told = wrong(&json!({ "properties": {
            "a": { "type": "integer", "default": "x" },
            "b": { "type": "integer", "default": 0, "minimum": 1 },
            "c": { "type": "integer", "default": 1, "minimum": 1 }
        }}));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("/properties/a/default") && told[0].contains("\"x\" is not of type"),
            "{told:?}"
        );
        assert!(
            told[1].contains("/properties/b/default") && told[1].contains("minimum"),
            "{told:?}"
        );
    }

    #[test]
    fn it_is_judged_as_it_is_used_and_by_its_own_schema_alone() {
        // An object's default lacks what its properties' defaults fill in.
        let model = json!({ "type": "object", "default": {}, "required": ["heat"],
            "properties": { "heat": { "type": "number", "default": 0.5 } } });
        assert_eq!(wrong(&json!({ "properties": { "model": model } })), [""; 0]);
        // Here the whole says something of it that another key may change.
        let source = json!({
            "properties": { "mode": {}, "n": { "type": "integer", "default": 5 } },
            "required": ["mode"],
            "if": { "properties": { "mode": { "const": "small" } } },
            "then": { "properties": { "n": { "maximum": 3 } } }
        });
        assert_eq!(wrong(&source), [""; 0]);
    }

    #[test]
    fn it_is_found_behind_references_and_under_odd_names() {
        let told = wrong(&json!({
            "$defs": { "n": { "type": "integer", "default": 3 } },
            "properties": {
                "few": { "$ref": "#/$defs/n" },
                "many/ü % ~": { "$ref": "#/$defs/n", "minimum": 5 },
                "list": { "items": { "properties": { "on": { "type": "boolean", "default": 1 } } } },
                "deep": { "type": "object", "default": { "n": "x" },
                          "properties": { "n": { "type": "integer" } } }
            }
        }));
        let places = [
            "/properties/deep/default",
            "/properties/list/items/properties/on/default",
            "/properties/many~1ü % ~0/default",
        ];
        assert_eq!(told.len(), places.len(), "{told:?}");
        for place in places {
            assert!(
                told.iter().any(|one| one.contains(place)),
                "{place}: {told:?}"
            );
        }
        assert!(
            told.iter().any(|one| one.contains("in it, at /n")),
            "{told:?}"
        );
        // Also where the schema has a name of its own.
        let named = json!({ "$id": "https://example.com/s.json",
            "properties": { "a": { "type": "integer", "default": "x" } } });
        assert_eq!(wrong(&named).len(), 1);
    }

    #[test]
    fn many_defaults_take_one_check() {
        let property = |n: usize| (n.to_string(), json!({ "type": "integer", "default": n }));
        let properties: Map<String, Value> = (0..2_000).map(property).collect();
        assert_eq!(wrong(&json!({ "properties": properties })), [""; 0]);
    }
}
