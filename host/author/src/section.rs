//! The custom section that carries a component's manifest.

use adjutant_model::MANIFEST_SECTION as NAME;
use std::borrow::Cow;
use wasm_encoder::ComponentSection;
use wasmparser::{Parser, Payload};

/// The same component with this manifest, in place of any that it carries.
///
/// # Errors
/// The bytes are no whole component.
pub fn embed(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut kept = Vec::with_capacity(component.len() + manifest.len() + 32);
    let mut from = 0;
    let mut depth = 0_u32;
    let mut before = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            // The section as a whole begins where the one before it ended.
            Payload::CustomSection(section) if depth == 0 && section.name() == NAME => {
                kept.extend_from_slice(&component[from..before]);
                from = section.range().end;
                before = from;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(end) => {
                depth = depth.saturating_sub(1);
                before = end;
            }
            Payload::Version { range, .. } => before = range.end,
            other => {
                if let Some((_, range)) = other.as_section() {
                    before = range.end;
                }
            }
        }
    }
    kept.extend_from_slice(&component[from..]);
    let section = wasm_encoder::CustomSection {
        name: Cow::Borrowed(NAME),
        data: Cow::Borrowed(manifest),
    };
    section.append_to_component(&mut kept);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_replaces_the_one_before_it_and_nothing_else() {
        let mut inner = wasm_encoder::Component::new();
        inner.section(&wasm_encoder::CustomSection {
            name: NAME.into(),
            data: b"inner".as_slice().into(),
        });
        let mut component = wasm_encoder::Component::new();
        let custom = |name: &'static str| wasm_encoder::CustomSection {
            name: name.into(),
            data: b"kept".as_slice().into(),
        };
        component.section(&custom("a"));
        component.section(&wasm_encoder::NestedComponentSection(&inner));
        let plain = component.finish();
        let once = embed(&plain, b"one").expect("a component");
        let mut twice = embed(&once, b"two").expect("a component");
        let carried = adjutant_component::custom_section(&twice, NAME).expect("a component");
        assert_eq!(carried, Some(&b"two"[..]));
        // What comes after the manifest stays too.
        custom("b").append_to_component(&mut twice);
        let thrice = embed(&twice, b"three").expect("a component");
        let mut wanted = plain;
        custom("b").append_to_component(&mut wanted);
        assert_eq!(thrice, embed(&wanted, b"three").expect("a component"));
    }
}
