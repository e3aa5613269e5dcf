//! New projects, whatever their language.

use crate::common::folder;
use adjutant_author::{Language, template};
use adjutant_model::{ConfigSchema, World};
use serde_json::json;

#[test]
fn a_misspelt_key_of_an_examples_configuration_is_refused_by_its_name() {
    let dir = folder();
    for language in Language::ALL {
        if language.examples().is_none() {
            continue;
        }
        for world in [World::Selector, World::Subordinate, World::Boss] {
            let name = format!("{language}-{}", world.as_str());
            let project = template::new(language, world, &name, &dir.path().join(&name));
            let project = project.expect("a project");
            let Some(schema) = &project.manifest().config_schema else {
                // A selector gets its boss's configuration, whatever that is.
                assert_eq!(world, World::Selector, "{name} describes its configuration");
                continue;
            };
            let schema = ConfigSchema::compile(schema).expect("a schema");
            let defaults = match world {
                World::Subordinate => json!({ "minimum": 1 }),
                _ => json!({}),
            };
            assert_eq!(schema.complete(&json!({})), Ok(defaults), "{name}");
            let wrong = schema
                .complete(&json!({ "minimun": 4 }))
                .expect_err("misspelt");
            assert!(wrong[0].message.contains("'minimun'"), "{name}: {wrong:?}");
        }
    }
}
