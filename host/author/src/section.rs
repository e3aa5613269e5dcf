//! The custom section that carries a component's manifest.

use adjutant_model::MANIFEST_SECTION as NAME;

/// The same component with this manifest, in place of any that it carries.
///
/// # Errors
/// The bytes are no whole component.
pub fn embed(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    adjutant_build::with_section(component, NAME, manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::ComponentSection;

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
