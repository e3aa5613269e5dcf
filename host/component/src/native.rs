//! Loading machine code. The only `unsafe` of the workspace is here.
//!
//! Invariant: what is loaded is an [`OwnArtifact`], and only `artifact.rs` makes those.

use wasmtime::component::Component;

use crate::artifact::OwnArtifact;

/// Loads a compiled component. Fails where it was compiled by another wasmtime or for another
/// configuration; the caller then compiles again.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code, only its own header"
)]
pub(crate) fn load(
    engine: &wasmtime::Engine,
    artifact: &OwnArtifact,
) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` trusts its input to come unchanged from `Component::serialize` or
    // `Engine::precompile_component`. An `OwnArtifact` came through a pipe from a process of this
    // very program, which ended well; or it was read from a file of this user's in a directory that
    // no other user can write to (owner and mode are checked), and its bytes have the SHA-256 that
    // was stored when this host wrote it. wasmtime checks its own version and the engine's configuration.
    unsafe { Component::deserialize(engine, artifact.bytes()) }
}
