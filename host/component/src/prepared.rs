//! A component linked against a host, and the calls into it.
//!
//! Each call is one fresh store: take a permit, instantiate, call, throw the store away. Whatever
//! happens to the guest, and wherever the future is dropped, the store goes first and the permit
//! after it.

use std::sync::Arc;

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};

use crate::bindings::agent::BossIndices;
use crate::bindings::selector::SelectorIndices;
use crate::bindings::{Candidate, Choice, Failure, Question, Report, Task};
use crate::component::{Component, LoadError, World};
use crate::engine::{Engine, chain};
use crate::guest::{AgentHost, Context, GuestState, agent_linker};
use crate::guests::thread_time;
use crate::limits::Meter;
use crate::permits::{Permit, Permits};
use crate::stop::{GuestTimeOver, Stop, classify};

/// A subordinate or a boss, linked against a host of type `H`. Keep one for each component: making
/// it takes a millisecond, calling it microseconds.
pub struct Prepared<H: 'static> {
    linked: Linked<H>,
    exports: BossIndices,
}

/// A selector. It needs no host.
pub struct PreparedSelector {
    linked: Linked<()>,
    exports: SelectorIndices,
}

struct Linked<H: 'static> {
    engine: Engine,
    component: Arc<Component>,
    pre: InstancePre<GuestState<H>>,
    /// Where its calls wait.
    permits: Permits,
}

impl Engine {
    /// Links a subordinate or a boss against a host type.
    ///
    /// # Errors
    /// [`LoadError::OtherWorld`] for a selector.
    pub fn prepare<H: AgentHost>(
        &self,
        component: &Arc<Component>,
    ) -> Result<Prepared<H>, LoadError> {
        let world = component.world();
        if world == World::Selector {
            return Err(LoadError::OtherWorld {
                loaded: world,
                wanted: "subordinate or boss",
            });
        }
        let link = || {
            let pre =
                agent_linker::<H>(self.wasmtime(), world)?.instantiate_pre(&component.compiled)?;
            let exports = BossIndices::new(&pre)?;
            Ok(Prepared {
                linked: self.linked(component, pre),
                exports,
            })
        };
        link().map_err(|error: wasmtime::Error| LoadError::Link {
            world,
            detail: chain(&error),
        })
    }

    /// Links a selector.
    ///
    /// # Errors
    /// [`LoadError::OtherWorld`] for anything else.
    pub fn prepare_selector(
        &self,
        component: &Arc<Component>,
    ) -> Result<PreparedSelector, LoadError> {
        let world = component.world();
        if world != World::Selector {
            return Err(LoadError::OtherWorld {
                loaded: world,
                wanted: "selector",
            });
        }
        let link = || {
            let pre = self.wasi().instantiate_pre(&component.compiled)?;
            let exports = SelectorIndices::new(&pre)?;
            Ok(PreparedSelector {
                linked: self.linked(component, pre),
                exports,
            })
        };
        link().map_err(|error: wasmtime::Error| LoadError::Link {
            world,
            detail: chain(&error),
        })
    }

    fn linked<H>(&self, component: &Arc<Component>, pre: InstancePre<GuestState<H>>) -> Linked<H> {
        Linked {
            engine: self.clone(),
            component: component.clone(),
            pre,
            permits: match component.world() {
                World::Selector => self.selector_permits().clone(),
                World::Subordinate | World::Boss => self.permits().clone(),
            },
        }
    }
}

impl<H: AgentHost> Prepared<H> {
    /// The component.
    pub fn component(&self) -> &Arc<Component> {
        &self.linked.component
    }

    /// Calls `work` once: waits for a permit, runs the guest to its end, and gives back its answer
    /// and the host. Drop the future to end the guest early; its host is dropped with it.
    ///
    /// # Errors
    /// See [`Stop`].
    pub async fn work(
        &self,
        host: H,
        context: Context,
        task: &Task,
    ) -> Result<(Result<Report, Failure>, H), Stop> {
        let mut live = self.linked.start(host, &context).await?;
        let guest = match self.exports.load(&mut live.store, &live.instance) {
            Ok(guest) => guest,
            Err(error) => return Err(classify(error, live.store.data(), true)),
        };
        let answer = live
            .meter
            .measure(guest.call_work(&mut live.store, task))
            .await;
        live.end(answer)
    }
}

impl PreparedSelector {
    /// The component.
    pub fn component(&self) -> &Arc<Component> {
        &self.linked.component
    }

    /// Calls `choose` once. The inner error is the selector's own: why it could not choose.
    ///
    /// # Errors
    /// See [`Stop`].
    pub async fn choose(
        &self,
        context: Context,
        question: &Question,
        candidates: &[Candidate],
    ) -> Result<Result<Vec<Choice>, String>, Stop> {
        let mut live = self.linked.start((), &context).await?;
        let guest = match self.exports.load(&mut live.store, &live.instance) {
            Ok(guest) => guest,
            Err(error) => return Err(classify(error, live.store.data(), true)),
        };
        let called = guest.call_choose(&mut live.store, question, candidates);
        let answer = live.meter.measure(called).await;
        live.end(answer).map(|(answer, ())| answer)
    }
}

/// An instance and what it holds. The order of the fields is the order in which they are dropped:
/// the permit last, when the pool's slots are free again.
struct Live<H: 'static> {
    store: Store<GuestState<H>>,
    instance: Instance,
    meter: Arc<Meter>,
    _permit: Permit,
}

impl<H: Send + 'static> Live<H> {
    /// Frees all that the call held, which takes long where it was much: that is charged to its owner
    /// like the rest of the poll.
    fn end<A>(self, answer: wasmtime::Result<A>) -> Result<(A, H), Stop> {
        match answer {
            Ok(answer) => Ok((answer, self.store.into_data().host)),
            Err(error) => Err(classify(error, self.store.data(), false)),
        }
    }
}

impl<H: Send + 'static> Linked<H> {
    /// Takes a permit and instantiates in a new store.
    async fn start(&self, mut host: H, context: &Context) -> Result<Live<H>, Stop> {
        let most = self.permits.total();
        loop {
            let weight = self.component.weight().min(most);
            let permit = self.permits.acquire(context.owner, weight).await;
            let mut store = self.store(host, context);
            let meter = store.data().meter.clone();
            let error = match meter.measure(self.pre.instantiate_async(&mut store)).await {
                Ok(instance) => {
                    return Ok(Live {
                        store,
                        instance,
                        meter,
                        _permit: permit,
                    });
                }
                Err(error) => error,
            };
            if error.is::<PoolConcurrencyLimitError>() && weight < most {
                // It takes more of the pool than could be foreseen. Let others go first, then try
                // with more of the pool to itself; from now on each of its calls takes as much.
                self.component.weigh_at_least(weight.saturating_mul(2));
                host = store.into_data().host;
                continue;
            }
            return Err(classify(error, store.data(), true));
        }
    }

    fn store(&self, host: H, context: &Context) -> Store<GuestState<H>> {
        let state = GuestState::new(host, context);
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(context.limits.hostcall);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            if store.data().meter.charge(thread_time()) {
                Err(GuestTimeOver.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        store
    }
}
