//! What a store holds for one guest, and what a guest can import.
//!
//! A guest gets all of WASI 0.2, so that every language's runtime links, but behind it there is
//! nothing: no files, no environment, no sockets ("denied" as a value). Clock and randomness come
//! from the [`Context`].

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::{
    channels, delegation, memory, reporting, selection, tickets, types, worktree,
};
use crate::clock::{GuestClock, RESOLUTION, Wall};
use crate::component::World;
use crate::limits::{GuestLimits, GuestTime, Limiter, Meter};
use crate::output::{GuestOutput, NoOutput, Pipe, Sink, Stream};
use crate::permits::Owner;

/// Random bytes that a guest may ask for at a time.
const RANDOM_BYTES: u64 = 4 << 20;

/// All that a host implements to run subordinates and bosses.
pub trait AgentHost:
    types::Host
    + reporting::Host
    + channels::Host
    + tickets::Host
    + memory::Host
    + worktree::Host
    + delegation::Host
    + Send
    + 'static
{
}

impl<T> AgentHost for T where
    T: types::Host
        + reporting::Host
        + channels::Host
        + tickets::Host
        + memory::Host
        + worktree::Host
        + delegation::Host
        + Send
        + 'static
{
}

/// What makes one run what it is, next to its task and its host.
#[derive(Clone)]
pub struct Context {
    /// Whose call it is: owners take turns where calls wait for a permit.
    pub owner: Owner,
    /// All randomness of the run follows from this.
    pub seed: [u8; 32],
    /// The time that the guest sees. The host sets it as the journal goes on.
    pub clock: Arc<GuestClock>,
    /// Where its output goes.
    pub output: Arc<dyn GuestOutput>,
    /// What it may use.
    pub limits: GuestLimits,
    /// Where its computing time is counted.
    pub time: GuestTime,
    /// Its arguments, as WASI's command line.
    pub args: Vec<String>,
}

impl Default for Context {
    /// Owner zero, seed zero, a clock at zero, output dropped, the default limits, no arguments.
    fn default() -> Self {
        Self {
            owner: 0,
            seed: [0; 32],
            clock: Arc::new(GuestClock::new(0)),
            output: Arc::new(NoOutput),
            limits: GuestLimits::default(),
            time: GuestTime::default(),
            args: Vec::new(),
        }
    }
}

/// What a store holds.
pub(crate) struct GuestState<H> {
    pub(crate) host: H,
    pub(crate) limiter: Limiter,
    pub(crate) limits: GuestLimits,
    pub(crate) meter: Arc<Meter>,
    pub(crate) output: Arc<Sink>,
    clock: Arc<GuestClock>,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl<H: Send> WasiView for GuestState<H> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl<H> GuestState<H> {
    pub(crate) fn new(host: H, context: &Context) -> Self {
        let output = Sink::new(context.output.clone(), context.limits.output);
        let pipe = |stream| Pipe {
            sink: output.clone(),
            stream,
        };
        // Three streams of one generator: whoever reads the insecure one learns nothing of the
        // secure one.
        let random = |stream| {
            let mut random = ChaCha20Rng::from_seed(context.seed);
            random.set_stream(stream);
            random
        };
        let mut seed = [0; 16];
        random(2).fill_bytes(&mut seed);
        let wasi = WasiCtx::builder()
            .stdout(pipe(Stream::Stdout))
            .stderr(pipe(Stream::Stderr))
            .args(&context.args)
            .wall_clock(Wall(context.clock.clone()))
            .secure_random(random(0))
            .insecure_random(random(1))
            .insecure_random_seed(u128::from_le_bytes(seed))
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(context.limits.resources);
        Self {
            host,
            limiter: Limiter::new(&context.limits),
            limits: context.limits.clone(),
            meter: Meter::new(context.limits.guest_time, context.time.clone()),
            output,
            clock: context.clock.clone(),
            wasi,
            table,
        }
    }
}

/// Links WASI.
pub(crate) fn wasi_linker<H: Send + 'static>(
    engine: &wasmtime::Engine,
) -> wasmtime::Result<Linker<GuestState<H>>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<GuestState<H>, HasClock>(&mut linker, |state| Clock {
        clock: &state.clock,
        table: &mut state.table,
    })?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Links WASI and the interfaces of a subordinate or a boss.
pub(crate) fn agent_linker<H: AgentHost>(
    engine: &wasmtime::Engine,
    world: World,
) -> wasmtime::Result<Linker<GuestState<H>>> {
    type Data<H> = HasSelf<H>;
    let mut linker = wasi_linker::<H>(engine)?;
    let l = &mut linker;
    types::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    reporting::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    channels::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    tickets::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    memory::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    worktree::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    if world == World::Boss {
        delegation::add_to_linker::<_, Data<H>>(l, |state| &mut state.host)?;
    }
    Ok(linker)
}

// A selector's interfaces hold types only, but the bindings want a host for them.
impl types::Host for () {}
impl selection::Host for () {}

/// The monotonic clock as a guest sees it: [`GuestClock`], and no sleeping.
struct Clock<'a> {
    clock: &'a GuestClock,
    table: &'a mut ResourceTable,
}

struct HasClock;

impl HasData for HasClock {
    type Data<'a> = Clock<'a>;
}

#[derive(Debug, thiserror::Error)]
#[error(
    "it tried to sleep through WASI's clock, and time does not pass inside a run: wait with \
     `await-reports` or `ask` and a timeout instead"
)]
struct Sleep;

impl Clock<'_> {
    /// A pollable for a wait that is over already. Any other wait would be real time, and real time
    /// again at each replay.
    fn wait(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        if nanos > 0 {
            return Err(Sleep.into());
        }
        let ready = self.table.push(Ready)?;
        subscribe(self.table, ready)
    }
}

impl monotonic_clock::Host for Clock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.since_start())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(RESOLUTION)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.clock.since_start();
        self.wait(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.wait(nanos)
    }
}

struct Ready;

#[async_trait::async_trait]
impl Pollable for Ready {
    async fn ready(&mut self) {}
}
