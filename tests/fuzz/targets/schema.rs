//! A schema and an output, both from strangers: checking ends, and says a bounded number of things. The
//! two are separated by a line of `---`.
#![no_main]

use adjutant_model::schema::check_output;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (schema, output) = text.split_once("\n---\n").unwrap_or((text, "null"));
    let Ok(schema) = serde_json::from_str(schema) else {
        return;
    };
    let output = serde_json::from_str(output).ok();
    let violations = check_output(Some(&schema), output.as_ref());
    assert!(violations.len() <= 50);
    for violation in violations {
        assert!(violation.message.len() < 2_000 && violation.path.len() < 2_000);
    }
});
