//! Loading components: what is compiled already comes from the cache, and the rest waits its turn.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracing::{debug, warn};
use wasmtime::component::Val;

use super::{Engine, EngineOptions, chain, config};
use crate::artifact::OwnArtifact;
use crate::compile::{Compiler, Job};
use crate::component::{Component, LoadError, World, check_form};
use crate::contract::Shape;
use crate::native;

impl Engine {
    /// Verifies and compiles a component for the world that its exports speak of. Takes a processor
    /// for milliseconds (from the cache) to many seconds: in async code use [`Engine::load_async`].
    ///
    /// # Errors
    /// Says all that is wrong with it; see [`LoadError`].
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, LoadError> {
        self.load_for(bytes, None)
    }

    /// As [`Engine::load`], for a world that is given.
    ///
    /// # Errors
    /// [`LoadError::Unfit`] names every missing or mistyped import and export.
    pub fn load_as(&self, bytes: &[u8], world: World) -> Result<Arc<Component>, LoadError> {
        self.load_for(bytes, Some(world))
    }

    /// Loads on a thread for blocking work: as [`Engine::load`] where `world` is none, else as
    /// [`Engine::load_as`]. Should the compiler itself panic, this is an error and no more. Dropped while
    /// it waits for another component that is compiled, it waits no more.
    ///
    /// # Errors
    /// See [`LoadError`]; [`LoadError::Crowded`] where too many wait already.
    pub async fn load_async(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        world: Option<World>,
    ) -> Result<Arc<Component>, LoadError> {
        let look = self.0.compiling.look().await;
        let engine = self.clone();
        let looked = blocking(move || {
            let _look = look;
            engine.look(bytes.as_ref(), world).map(|seen| (seen, bytes))
        });
        let (digest, bytes) = match looked.await? {
            (Look::Ready(component), _) => return Ok(component),
            (Look::New(digest), bytes) => (digest, bytes),
        };
        let turn = self.0.compiling.enter().await;
        let turn = turn.map_err(|crowded| LoadError::Crowded {
            limit: crowded.limit,
        })?;
        let engine = self.clone();
        blocking(move || {
            let _turn = turn;
            engine.compile(bytes.as_ref(), digest, world)
        })
        .await
    }

    /// As [`Engine::load_async`] for a component that is kept somewhere and can be read again: it waits
    /// however many wait already, and holds nothing of it meanwhile. The error of `read` is a sentence.
    ///
    /// # Errors
    /// See [`LoadError`]; [`LoadError::Unreadable`] where `read` gives one.
    pub async fn load_kept(
        &self,
        read: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
        world: Option<World>,
    ) -> Result<Arc<Component>, LoadError> {
        let read = move || read().map_err(|sentence| LoadError::Unreadable { sentence });
        let look = self.0.compiling.look().await;
        let engine = self.clone();
        let looked = blocking(move || {
            let _look = look;
            engine.look(&read()?, world).map(|seen| (seen, read))
        });
        let read = match looked.await? {
            (Look::Ready(component), _) => return Ok(component),
            (Look::New(_), read) => read,
        };
        let turn = self.0.compiling.wait().await;
        let engine = self.clone();
        blocking(move || {
            let _turn = turn;
            let bytes = read()?;
            // It may have changed meanwhile.
            check_form(&bytes, engine.0.bounds.max_bytes)?;
            engine.compile(&bytes, self::digest(&bytes), world)
        })
        .await
    }

    /// Lets go of a component's machine code on disk. Loaded again, it is compiled again.
    pub fn forget(&self, digest: &str) {
        if let Some(cache) = &self.0.cache {
            cache.remove(digest);
        }
    }

    fn load_for(&self, bytes: &[u8], world: Option<World>) -> Result<Arc<Component>, LoadError> {
        match self.look(bytes, world)? {
            Look::Ready(component) => Ok(component),
            Look::New(digest) => {
                let _turn = self.0.compiling.wait_blocking();
                self.compile(bytes, digest, world)
            }
        }
    }

    /// Does all that takes little: checks the form, and takes machine code from the cache.
    fn look(&self, bytes: &[u8], world: Option<World>) -> Result<Look, LoadError> {
        check_form(bytes, self.0.bounds.max_bytes)?;
        let digest = digest(bytes);
        match self.cached(&digest) {
            Some(compiled) => self.finish(compiled, bytes, digest, world).map(Look::Ready),
            None => Ok(Look::New(digest)),
        }
    }

    /// Compiles a component that has been looked at. For whoever has the turn.
    fn compile(
        &self,
        bytes: &[u8],
        digest: String,
        world: Option<World>,
    ) -> Result<Arc<Component>, LoadError> {
        // Another one may have compiled it while this one waited.
        let compiled = match (self.cached(&digest), &self.0.compiler) {
            (Some(compiled), _) => compiled,
            // The other process looks at its types first, too: that may take long as well.
            (None, Some(compiler)) => self.compile_apart(compiler, bytes, &digest, world)?,
            (None, None) => {
                fit(bytes, self.0.bounds.max_bytes, world)?;
                self.compile_here(bytes, &digest)?
            }
        };
        self.finish(compiled, bytes, digest, world)
    }

    fn finish(
        &self,
        compiled: wasmtime::component::Component,
        bytes: &[u8],
        digest: String,
        world: Option<World>,
    ) -> Result<Arc<Component>, LoadError> {
        let (world, shape) = fit(bytes, self.0.bounds.max_bytes, world)?;
        self.check_link(&compiled, &shape, world)?;
        Ok(Arc::new(Component::new(
            compiled,
            digest,
            world,
            bytes.len(),
            &shape,
        )))
    }

    fn cached(&self, digest: &str) -> Option<wasmtime::component::Component> {
        let artifact = self.0.cache.as_ref()?.get(digest)?;
        native::load(&self.0.engine, &artifact)
            .inspect_err(
                |error| warn!(digest, %error, "compiling again: wasmtime refuses the cached file"),
            )
            .ok()
    }

    fn compile_apart(
        &self,
        compiler: &Compiler,
        bytes: &[u8],
        digest: &str,
        world: Option<World>,
    ) -> Result<wasmtime::component::Component, LoadError> {
        let job = Job {
            max_component: self.0.bounds.max_bytes,
            memory: self.0.bounds.compile_memory,
            time: self.0.bounds.compile_time,
            world,
        };
        let artifact = OwnArtifact::compile(compiler, bytes, &job)?;
        let compiled =
            native::load(&self.0.engine, &artifact).map_err(|error| LoadError::Compiler {
                detail: chain(&error),
            })?;
        if let Some(cache) = &self.0.cache {
            cache.put(digest, artifact.bytes());
        }
        debug!(digest, size = bytes.len(), "component compiled apart");
        Ok(compiled)
    }

    fn compile_here(
        &self,
        bytes: &[u8],
        digest: &str,
    ) -> Result<wasmtime::component::Component, LoadError> {
        let compiled = wasmtime::component::Component::from_binary(&self.0.engine, bytes).map_err(
            |error| LoadError::Invalid {
                detail: chain(&error),
            },
        )?;
        if let Some(cache) = &self.0.cache {
            match compiled.serialize() {
                Ok(artifact) => cache.put(digest, &artifact),
                Err(error) => warn!(digest, %error, "a compiled component cannot be serialized"),
            }
        }
        debug!(digest, size = bytes.len(), "component compiled");
        Ok(compiled)
    }

    /// wasmtime's own word on whether everything is there and has the right type. Adjutant's
    /// functions are checked already and stand in for themselves, for no host is known yet.
    fn check_link(
        &self,
        compiled: &wasmtime::component::Component,
        shape: &Shape,
        world: World,
    ) -> Result<(), LoadError> {
        let link = || -> wasmtime::Result<()> {
            let mut linker = self.0.wasi.clone();
            for (interface, function) in shape.agent_functions() {
                linker
                    .instance(&interface)?
                    .func_new(&function, |_, _, _: &[Val], _: &mut [Val]| {
                        Err(wasmtime::Error::msg("never called"))
                    })?;
            }
            linker.instantiate_pre(compiled).map(drop)
        };
        link().map_err(|error| LoadError::Link {
            world,
            detail: chain(&error),
        })
    }
}

/// What a brief look at a component finds.
enum Look {
    /// It was compiled before.
    Ready(Arc<Component>),
    /// It has this digest, and is to be compiled.
    New(String),
}

/// Does work on a thread for work that blocks. Should it panic, that is the compiler's fault.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(LoadError::Compiler {
            detail: error.to_string(),
        })
    })
}

/// Checks all of a component of at most `max_bytes` that can be told without compiling it: its form and
/// its types, against the world that is given or the one that its exports speak of. Gives back the world.
///
/// # Errors
/// As [`Engine::load`], but for what only the compiler and the linker find.
pub fn check(bytes: &[u8], max_bytes: usize, world: Option<World>) -> Result<World, LoadError> {
    fit(bytes, max_bytes, world).map(|(world, _)| world)
}

/// Machine code that any engine of this program can load, whatever it was made with.
pub(crate) fn machine_code(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let made = wasmtime::Engine::new(&config(&EngineOptions::default(), false));
    made.and_then(|engine| engine.precompile_component(bytes))
        .map_err(|error| LoadError::Invalid {
            detail: chain(&error),
        })
}

fn fit(bytes: &[u8], max_bytes: usize, world: Option<World>) -> Result<(World, Shape), LoadError> {
    check_form(bytes, max_bytes)?;
    let shape = Shape::of_component(bytes).map_err(|detail| LoadError::Invalid { detail })?;
    let Some(world) = world.or_else(|| shape.detect()) else {
        let exports = match shape.exports().as_slice() {
            [] => "nothing".to_owned(),
            some => some.join(", "),
        };
        return Err(LoadError::NoWorld { exports });
    };
    let faults = shape.faults(world);
    if faults.is_empty() {
        Ok((world, shape))
    } else {
        Err(LoadError::Unfit { world, faults })
    }
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text
}
