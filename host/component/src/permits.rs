//! Places for calls: so many at a time, handed out fairly among owners.
//!
//! Invariants:
//! - The weights of all permits that are held never add up to more than there are places.
//! - Owners who wait take turns, one call each; among one owner's calls the first comes first. So an
//!   owner's only call waits for one call of each other owner at most, not for all their calls.
//! - A turn is never passed over: a call that takes many places gets them as they come back, and is
//!   not overtaken for ever by those that take one.
//! - Dropping what waits, at any point, loses no place and takes no turn.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Whose call it is: calls of one owner queue behind each other, owners take turns. The host uses the
/// workspace's id.
pub type Owner = u128;

/// The places of an engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: u32,
    /// Who waits, by owner, in the order of coming. No owner's queue is empty.
    queues: HashMap<Owner, BTreeMap<u64, Waiter>>,
    /// The owners who wait, the next in turn first.
    turns: VecDeque<Owner>,
    /// The number of the next one who waits.
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    weight: u32,
    tell: oneshot::Sender<Permit>,
}

/// Some places, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    weight: u32,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.weight > 0 {
            let mut state = self.permits.state();
            state.free += self.weight;
            self.permits.hand_out(state);
        }
    }
}

impl Permits {
    pub(crate) fn new(total: u32) -> Self {
        Self(Arc::new(Inner {
            total,
            state: Mutex::new(State {
                free: total,
                queues: HashMap::new(),
                turns: VecDeque::new(),
                next: 0,
            }),
        }))
    }

    /// How many places there are altogether.
    pub fn total(&self) -> u32 {
        self.0.total
    }

    /// How many places are free.
    pub fn available_permits(&self) -> usize {
        self.state().free as usize
    }

    /// How many calls wait for a place.
    pub fn waiting(&self) -> usize {
        self.state().queues.values().map(BTreeMap::len).sum()
    }

    /// Whether the next call would have to wait.
    pub fn is_crowded(&self) -> bool {
        let state = self.state();
        state.free == 0 || !state.turns.is_empty()
    }

    /// Waits for its turn and for `weight` places; for all there are where it asks for more.
    pub async fn acquire(&self, owner: Owner, weight: u32) -> Permit {
        let weight = weight.min(self.0.total);
        let (number, told) = {
            let mut state = self.state();
            if state.turns.is_empty() && state.free >= weight {
                state.free -= weight;
                return self.permit(weight);
            }
            let (tell, told) = oneshot::channel();
            let number = state.next;
            state.next += 1;
            if !state.queues.contains_key(&owner) {
                state.turns.push_back(owner);
            }
            let queue = state.queues.entry(owner).or_default();
            queue.insert(number, Waiter { weight, tell });
            (number, told)
        };
        let _leaves_when_dropped = Waiting {
            permits: self,
            owner,
            number,
        };
        told.await
            .expect("whoever waits is told, or gone from the queue")
    }

    fn permit(&self, weight: u32) -> Permit {
        Permit {
            permits: self.clone(),
            weight,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free places to those who wait, in turn.
    fn hand_out(&self, mut state: MutexGuard<'_, State>) {
        while let Some(Waiter { weight, tell }) = state.next_in_turn() {
            state.free -= weight;
            if let Err(mut permit) = tell.send(self.permit(weight)) {
                // It is being dropped. Its places are given back here, where the lock is held.
                permit.weight = 0;
                state.free += weight;
            }
        }
    }
}

impl State {
    /// Takes the next who waits out of its queue, if there is room for it.
    fn next_in_turn(&mut self) -> Option<Waiter> {
        let owner = *self.turns.front()?;
        let queue = self.queues.get_mut(&owner)?;
        let first = queue.first_entry()?;
        if first.get().weight > self.free {
            return None;
        }
        let waiter = first.remove();
        let more = !queue.is_empty();
        self.turns.pop_front();
        if more {
            self.turns.push_back(owner);
        } else {
            self.queues.remove(&owner);
        }
        Some(waiter)
    }

    /// Forgets one who waits no longer. One who was given its place is not there any more.
    fn forget(&mut self, owner: Owner, number: u64) {
        let Some(queue) = self.queues.get_mut(&owner) else {
            return;
        };
        queue.remove(&number);
        if queue.is_empty() {
            self.queues.remove(&owner);
            self.turns.retain(|turn| *turn != owner);
        }
    }
}

/// A place in a queue.
struct Waiting<'a> {
    permits: &'a Permits,
    owner: Owner,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.state();
        state.forget(self.owner, self.number);
        // Those behind it may fit where it did not.
        self.permits.hand_out(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    type Queued<'a> = Pin<Box<dyn Future<Output = Permit> + 'a>>;

    fn poll(future: &mut Queued<'_>) -> Option<Permit> {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    /// Gets in line.
    fn queued(permits: &Permits, owner: Owner, weight: u32) -> Queued<'_> {
        let mut future: Queued<'_> = Box::pin(permits.acquire(owner, weight));
        assert!(poll(&mut future).is_none(), "it has to wait");
        future
    }

    fn at_once(permits: &Permits, owner: Owner, weight: u32) -> Permit {
        let future = pin!(permits.acquire(owner, weight));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => permit,
            Poll::Pending => panic!("there was room"),
        }
    }

    #[test]
    fn an_owners_only_call_does_not_wait_behind_all_calls_of_another() {
        let permits = Permits::new(1);
        let mut held = Some(at_once(&permits, 1, 1));
        // A thousand of one owner, then one of another, then one of a third.
        let mut line: Vec<(Owner, Queued<'_>)> = Vec::new();
        for _ in 0..1_000 {
            line.push((1, queued(&permits, 1, 1)));
        }
        line.push((2, queued(&permits, 2, 1)));
        line.push((3, queued(&permits, 3, 1)));
        assert_eq!(permits.waiting(), 1_002);
        let mut order = Vec::new();
        while !line.is_empty() {
            drop(held.take());
            let (at, permit) = line
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, future))| Some((at, poll(future)?)))
                .expect("somebody's turn");
            if order.len() < 5 {
                // Those behind go on waiting: one place, one permit.
                assert!(line.iter_mut().skip(at + 1).all(|(_, f)| poll(f).is_none()));
            }
            order.push(line.remove(at).0);
            held = Some(permit);
        }
        assert_eq!(order[..5], [1, 2, 3, 1, 1]);
        drop(held);
        assert_eq!((permits.available_permits(), permits.waiting()), (1, 0));
        assert!(!permits.is_crowded());
    }

    #[test]
    fn one_that_takes_many_places_is_not_overtaken_and_gets_no_more_than_there_are() {
        let permits = Permits::new(4);
        let one = at_once(&permits, 1, 1);
        let two = at_once(&permits, 1, 2);
        let mut large = queued(&permits, 2, 100);
        let mut small = queued(&permits, 3, 1);
        assert!(
            permits.is_crowded(),
            "one place is free, but not for newcomers"
        );
        drop(two);
        assert!(poll(&mut small).is_none());
        drop(one);
        let all = poll(&mut large).expect("all four are free");
        assert!(poll(&mut small).is_none());
        drop(all);
        assert!(poll(&mut small).is_some());
        drop(small);
        assert_eq!(permits.available_permits(), 4);
    }

    #[test]
    fn who_gives_up_loses_no_place_and_takes_no_turn() {
        let permits = Permits::new(2);
        let held = at_once(&permits, 1, 2);
        let first = queued(&permits, 1, 2);
        let given = queued(&permits, 2, 1);
        let mut last = queued(&permits, 3, 1);
        drop(first);
        drop(held);
        // The second has been given its place, and is dropped before it takes it.
        assert_eq!(permits.available_permits(), 0);
        drop(given);
        assert_eq!((permits.available_permits(), permits.waiting()), (1, 0));
        let permit = poll(&mut last).expect("it was given the other place");
        // A large one gives up, and those behind it fit.
        let large = queued(&permits, 1, 2);
        let mut small = queued(&permits, 2, 1);
        drop(large);
        let other = poll(&mut small).expect("one place is free");
        drop((permit, other));
        assert_eq!(permits.available_permits(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn however_many_come_and_go_no_more_are_in_than_there_is_room_for() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let permits = Permits::new(8);
        let inside = Arc::new(AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..400_u32 {
            let (permits, inside) = (permits.clone(), inside.clone());
            tasks.spawn(async move {
                for round in 0..10 {
                    let weight = 1 + (n + round) % 5;
                    let acquired = permits.acquire(Owner::from(n % 7), weight);
                    // Some give up at once, some in the middle.
                    let permit = tokio::select! {
                        biased;
                        permit = acquired => permit,
                        () = async {
                            for _ in 0..n % 50 { tokio::task::yield_now().await; }
                            if n % 3 != 0 { std::future::pending::<()>().await; }
                        } => continue,
                    };
                    assert!(inside.fetch_add(weight, Ordering::SeqCst) + weight <= 8);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(weight, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("no panic");
        }
        assert_eq!((permits.available_permits(), permits.waiting()), (8, 0));
    }
}
