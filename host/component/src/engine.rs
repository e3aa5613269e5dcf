//! One wasmtime engine: its configuration, its pool, its clock tick. Loading components is in `loading.rs`.

mod loading;

pub use loading::check;
pub(crate) use loading::machine_code;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::artifact::ArtifactCache;
use crate::compile::{Bounds, Compiler};
use crate::guest::{GuestState, wasi_linker};
use crate::guests::{GuestTask, Guests};
use crate::limits::TABLE_ELEMENTS;
use crate::permits::{Owner, Permits};
use crate::queue::CompileQueue;

/// How often running guests are looked at. A guest's time is counted in these, and it yields its
/// thread to others as often.
pub const TICK: Duration = Duration::from_millis(2);

/// Bytes of a memory that a slot of the pool keeps mapped between two guests, as far as they were
/// written; and bytes of a table.
const KEPT_MEMORY: usize = 256 << 10;
const KEPT_TABLE: usize = 16 << 10;
/// How many components may be looked at a time at least, however few processors there are: reading one may
/// be slow, and that takes no processor.
const LOOKS: usize = 4;

/// Frames of a guest's stack that an error shows at most.
const BACKTRACE_FRAMES: usize = 32;
/// Stack for guest code. The rest of `FIBER_STACK` is for host calls, which run on the same stack.
const WASM_STACK: usize = 1 << 20;
const FIBER_STACK: usize = 2 << 20;

/// What an [`Engine`] is made with.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How many calls of `work` can be live at a time, waiting ones included; more wait for a permit.
    /// 1,000. Selectors have a sixteenth of it for themselves on top, and at least four: a run that
    /// delegates holds its own permit while it waits for its selector.
    pub max_instances: u32,
    /// Bytes that one memory of a guest can grow to at most, whatever a run's limits say. 256 MiB.
    pub max_memory: usize,
    /// Bytes that a component may have. 64 MiB.
    pub max_component: usize,
    /// A directory of its own for compiled components, closed to other users; made where there is
    /// none. Without one, components are compiled at each start. None.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that the compiled components may take together; the least used go. 2 GiB.
    pub cache_bytes: u64,
    /// What compiles in a process of its own. Without it, components are compiled in this one and
    /// without the two limits below: for tests, and where all components are trusted. None.
    pub compiler: Option<Compiler>,
    /// How long compiling one component may take. 120 s.
    pub compile_time: Duration,
    /// Bytes of memory that compiling one component may take. 2 GiB.
    pub compile_memory: u64,
    /// How many callers of [`Engine::load_async`] may wait while another's component is compiled; one
    /// more is told to come again. 16.
    pub compile_queue: usize,
    /// Whether to keep instances in a pool. It needs much address space (4 GiB for each memory);
    /// where the machine doesn't give that, the engine goes without. True.
    pub pooling: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            max_instances: 1_000,
            max_memory: 256 << 20,
            max_component: 64 << 20,
            cache_dir: None,
            cache_bytes: 2 << 30,
            compiler: None,
            compile_time: Duration::from_secs(120),
            compile_memory: 2 << 30,
            compile_queue: 16,
            pooling: true,
        }
    }
}

/// How an engine gets memory for instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool that is set up at the start.
    Pooling,
    /// From the system each time, because it was asked to or because there was no room for a pool.
    OnDemand,
}

/// Why no engine could be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `max_instances` is 0 or beyond what a semaphore can count.
    #[error("max_instances is {0}, and must be from 1 to 100,000")]
    Instances(u32),
    /// wasmtime refuses the configuration on this machine.
    #[error("the WebAssembly engine cannot be set up on this machine: {0}")]
    Wasmtime(String),
    /// The system gives no thread.
    #[error("the threads that run and interrupt components cannot be started: {0}")]
    Threads(#[from] std::io::Error),
}

/// A wasmtime engine with everything that is shared between components. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    allocation: Allocation,
    /// For `work`.
    permits: Permits,
    /// For `choose`, so that selectors never wait for the runs that wait for them.
    selector_permits: Permits,
    /// Where guests compute.
    guests: Guests,
    bounds: Bounds,
    compiler: Option<Compiler>,
    cache: Option<ArtifactCache>,
    /// WASI, and nothing of Adjutant's.
    wasi: Linker<GuestState<()>>,
    /// Who compiles next.
    compiling: CompileQueue,
}

impl Engine {
    /// Makes an engine: reserves the pool, starts the thread that ticks, opens the cache.
    ///
    /// # Errors
    /// Only where the machine cannot run WebAssembly at all. Without room for a pool, or with a
    /// cache directory that is unfit, it goes on without and logs a warning.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        if !(1..=100_000).contains(&options.max_instances) {
            return Err(EngineError::Instances(options.max_instances));
        }
        let (engine, allocation) = start(options)?;
        tick(&engine)?;
        let preempted = engine.clone();
        let guests = Guests::new(processors(), move || preempted.increment_epoch())?;
        let cache = options
            .cache_dir
            .as_deref()
            .and_then(|dir| open_cache(dir, &engine, options));
        let wasi = wasi_linker(&engine).map_err(|error| EngineError::Wasmtime(chain(&error)))?;
        Ok(Self(Arc::new(Inner {
            engine,
            allocation,
            permits: Permits::new(options.max_instances),
            selector_permits: Permits::new(selectors(options)),
            guests,
            bounds: Bounds {
                max_bytes: options.max_component,
                compile_time: options.compile_time,
                compile_memory: options.compile_memory,
                compile_queue: options.compile_queue,
            },
            compiler: options.compiler.clone(),
            cache,
            wasi,
            compiling: CompileQueue::new(options.compile_queue, processors().max(LOOKS)),
        })))
    }

    /// Whether there is a pool.
    pub fn allocation(&self) -> Allocation {
        self.0.allocation
    }

    /// What bounds components.
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// The permits for calls of `work`. The pool is larger than they are, so that a call with a
    /// permit never finds it full. Calls take permits themselves: this is for looking, and for
    /// keeping some of them back.
    pub fn permits(&self) -> &Permits {
        &self.0.permits
    }

    /// The permits for calls of `choose`.
    pub fn selector_permits(&self) -> &Permits {
        &self.0.selector_permits
    }

    /// Begins a task that calls guests, on the threads where guests compute. Processor time that its
    /// polls take is charged to the owner, and whoever has used the least goes first.
    ///
    /// # Panics
    /// Outside a tokio runtime, which the task's timers and connections use.
    pub fn spawn<F>(&self, owner: Owner, task: F) -> GuestTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.guests.spawn(owner, task)
    }

    #[cfg(test)]
    pub(crate) fn compile_queue(&self) -> &CompileQueue {
        &self.0.compiling
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.engine
    }

    pub(crate) fn wasi(&self) -> &Linker<GuestState<()>> {
        &self.0.wasi
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

fn open_cache(
    dir: &Path,
    engine: &wasmtime::Engine,
    options: &EngineOptions,
) -> Option<ArtifactCache> {
    ArtifactCache::open(dir, engine, options.cache_bytes)
        .inspect_err(|error| {
            warn!(dir = %dir.display(), %error, "compiled components are not kept");
        })
        .ok()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many selectors can be live at a time. They compute and never wait, so few are enough; four fit
/// the largest component that the pool takes.
fn selectors(options: &EngineOptions) -> u32 {
    (options.max_instances / 16).max(4)
}

/// Starts wasmtime with a pool, or without where there is no room for one.
fn start(options: &EngineOptions) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    if options.pooling {
        match wasmtime::Engine::new(&config(options, true)).and_then(probe) {
            Ok(engine) => return Ok((engine, Allocation::Pooling)),
            Err(error) => warn!(
                instances = options.max_instances,
                error = chain(&error),
                "no room for a pool of instances: each is allocated by itself, which is slower; \
                 fewer instances or a higher limit on address space would help"
            ),
        }
    }
    wasmtime::Engine::new(&config(options, false))
        .and_then(probe)
        .map(|engine| (engine, Allocation::OnDemand))
        .map_err(|error| EngineError::Wasmtime(chain(&error)))
}

/// Instantiates the smallest module that has a memory, so that a machine which promises memory and
/// then refuses it is found out at the start and not by the first run.
fn probe(engine: wasmtime::Engine) -> wasmtime::Result<wasmtime::Engine> {
    const ONE_PAGE: [u8; 13] = [0, b'a', b's', b'm', 1, 0, 0, 0, 5, 3, 1, 0, 1];
    let module = wasmtime::Module::from_binary(&engine, &ONE_PAGE)?;
    wasmtime::Instance::new(&mut wasmtime::Store::new(&engine, ()), &module, &[])?;
    Ok(engine)
}

/// The one configuration. Whatever changes machine code or replay is decided here.
fn config(options: &EngineOptions, pooling: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Every import is a plain function: nothing in a store runs concurrently.
        .concurrency_support(false)
        .epoch_interruption(true)
        // A replay gives the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES))
        // Files and lines, where the component carries them.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooling {
        // Measured with guests in Rust, C, Go, Python and JavaScript: for each live run two
        // memories, two tables and twenty core instances are enough for all of them. A little is
        // added, for a slot that was given back may still wait to be wiped.
        let calls = options.max_instances + selectors(options);
        let runs = calls + calls / 16 + 4;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(runs)
            .total_stacks(runs)
            .total_memories(runs.saturating_mul(2))
            .total_tables(runs.saturating_mul(2))
            .total_core_instances(runs.saturating_mul(20).max(64))
            .max_core_instances_per_component(64)
            .max_memories_per_component(8)
            .max_component_instance_size(4 << 20)
            .max_core_instance_size(2 << 20)
            .table_elements(TABLE_ELEMENTS)
            .max_memory_size(options.max_memory)
            .decommit_batch_size(16)
            // What a guest has written is wiped in place rather than given back page by page: the
            // next one does not fault it in again. Kept for `max_unused_warm_slots` slots at most,
            // which is a hundred.
            .linear_memory_keep_resident(KEPT_MEMORY)
            .table_keep_resident(KEPT_TABLE)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Starts the thread that makes every running guest of this engine look up each tick. It ends by
/// itself when the engine is gone.
fn tick(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("adjutant-tick".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })?;
    Ok(())
}
