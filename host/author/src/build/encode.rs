//! A component from a core module: the canonical ABI around it, and WASI's preview 1 by an adapter.

use adjutant_model::World;
use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes one. A module that says nothing of its world is taken to be for the one that is given.
pub(super) fn component(module: &[u8], wit: &Path, world: World) -> Result<Vec<u8>, String> {
    let mut module = module.to_vec();
    if !has_world(&module)? {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).map_err(chain)?;
        let world = resolve
            .select_world(&[package], Some(world.as_str()))
            .map_err(chain)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(chain)?;
    }
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(chain)
}

/// Whether bindings have left word of the module's world in it.
fn has_world(module: &[u8]) -> Result<bool, String> {
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::CustomSection(section) = payload.map_err(|e| e.to_string())?
            && section.name().starts_with("component-type")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn chain(error: impl std::fmt::Display) -> String {
    format!("{error:#}")
}
