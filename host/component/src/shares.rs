//! Who computes next: tasks that are ready wait here by owner, and the owner that has used the least
//! processor time goes first. No threads and no clock: times are told.
//!
//! Invariants:
//! - Among the owners that have something ready, the one with the least time used is next; among one
//!   owner's tasks the first comes first. So an owner that needs little never waits for more than the
//!   polls that are in progress, however much others have ready.
//! - Nobody saves time up: an owner that comes back from having nothing to do starts where the others
//!   are, and keeps what it has used beyond that.
//! - As many tasks run as there are processors. Beyond them there are spare places, for owners that have
//!   no task running: a poll that cannot be cut short holds up nobody but its owner.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::permits::Owner;

/// Accounts of idle owners that are kept before those that no longer matter are forgotten.
const IDLE_ACCOUNTS: usize = 64;

/// Tasks that are ready, and what their owners have used.
#[derive(Debug)]
pub(crate) struct Shares<T> {
    accounts: HashMap<Owner, Account<T>>,
    /// The owners that have something ready, by what they have used.
    order: BTreeSet<(Duration, Owner)>,
    /// What an owner has used at least that comes back now.
    floor: Duration,
    running: usize,
    processors: usize,
    spare: usize,
}

#[derive(Debug)]
struct Account<T> {
    used: Duration,
    ready: VecDeque<T>,
    running: usize,
}

impl<T> Shares<T> {
    pub(crate) fn new(processors: usize, spare: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            order: BTreeSet::new(),
            floor: Duration::ZERO,
            running: 0,
            processors,
            spare,
        }
    }

    /// A task is ready.
    pub(crate) fn push(&mut self, owner: Owner, task: T) {
        let floor = self.floor;
        let account = self.accounts.entry(owner).or_insert_with(|| Account {
            used: floor,
            ready: VecDeque::new(),
            running: 0,
        });
        if account.ready.is_empty() {
            if account.running == 0 {
                account.used = account.used.max(floor);
            }
            self.order.insert((account.used, owner));
        }
        account.ready.push_back(task);
    }

    /// The task that is to run now, if there is one and a place for it. [`Shares::ran`] says that it
    /// runs no longer.
    pub(crate) fn pop(&mut self) -> Option<(Owner, T)> {
        let (used, owner) = self.next()?;
        let account = self.accounts.get_mut(&owner)?;
        let task = account.ready.pop_front()?;
        account.running += 1;
        self.running += 1;
        if account.ready.is_empty() {
            self.order.remove(&(used, owner));
        }
        self.floor = self.floor.max(used);
        Some((owner, task))
    }

    /// Whether [`Shares::pop`] would give a task.
    pub(crate) fn has_next(&self) -> bool {
        self.next().is_some()
    }

    fn next(&self) -> Option<(Duration, Owner)> {
        if self.running < self.processors {
            return self.order.first().copied();
        }
        if self.running >= self.processors + self.spare {
            return None;
        }
        let idle = |(_, owner): &&(Duration, Owner)| {
            let account = self.accounts.get(owner);
            account.is_some_and(|account| account.running == 0)
        };
        // Those that have something running are few, so this looks at few.
        self.order.iter().find(idle).copied()
    }

    /// A task that was popped has run, for so long.
    pub(crate) fn ran(&mut self, owner: Owner, time: Duration) {
        self.running -= 1;
        let Some(account) = self.accounts.get_mut(&owner) else {
            return;
        };
        account.running -= 1;
        let before = account.used;
        account.used += time;
        if !account.ready.is_empty() {
            self.order.remove(&(before, owner));
            self.order.insert((account.used, owner));
        } else if account.running == 0
            && self.accounts.len() > IDLE_ACCOUNTS + self.order.len() + self.running
        {
            self.forget_idle();
        }
    }

    /// Forgets idle owners: those that have used the least beyond the others, which is forgiven them.
    fn forget_idle(&mut self) {
        let is_idle = |account: &Account<T>| account.ready.is_empty() && account.running == 0;
        let idle = self.accounts.values().filter(|account| is_idle(account));
        let mut used: Vec<Duration> = idle.map(|account| account.used).collect();
        used.sort_unstable();
        let kept = used.len().saturating_sub(IDLE_ACCOUNTS / 2);
        let Some(most) = kept.checked_sub(1).and_then(|last| used.get(last)).copied() else {
            return;
        };
        self.accounts
            .retain(|_, account| !is_idle(account) || account.used > most);
    }

    /// Whether a task of this owner has to wait for one of an owner that has used as much or more, which
    /// should stop for it.
    pub(crate) fn is_held_up(&self, owner: Owner) -> bool {
        if self.running < self.processors {
            return false;
        }
        let Some(mine) = self.accounts.get(&owner) else {
            return false;
        };
        // Owners with something running: no more than there are places.
        mine.running < self.processors
            && self
                .accounts
                .iter()
                .any(|(other, one)| *other != owner && one.running > 0 && one.used >= mine.used)
    }

    /// Takes all that is ready.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        self.order.clear();
        let ready = self.accounts.values_mut();
        ready
            .flat_map(|account| std::mem::take(&mut account.ready))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEDY: Owner = 1;
    const MODEST: Owner = 2;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Runs what is next for so long.
    fn run<T>(shares: &mut Shares<T>, time: Duration) -> Option<(Owner, T)> {
        let (owner, task) = shares.pop()?;
        shares.ran(owner, time);
        Some((owner, task))
    }

    #[test]
    fn who_needs_little_goes_before_who_computes_without_end() {
        let mut shares = Shares::new(1, 0);
        for task in 0..100 {
            shares.push(GREEDY, task);
        }
        // Each time the modest one has something to do, it waits for the poll in progress at most.
        for round in 0..50 {
            let (owner, task) = run(&mut shares, ms(2)).expect("ready");
            assert_eq!(owner, GREEDY, "round {round}");
            shares.push(GREEDY, task);
            shares.push(MODEST, round);
            assert_eq!(run(&mut shares, ms(1)), Some((MODEST, round)));
        }
    }

    #[test]
    fn ever_new_short_tasks_of_one_owner_count_as_much_as_one_long_one() {
        let mut shares = Shares::new(1, 0);
        let mut used = [Duration::ZERO; 3];
        shares.push(GREEDY, 0);
        shares.push(MODEST, 0);
        for task in 1..1_000 {
            let owner = shares.pop().expect("ready").0;
            let time = if owner == GREEDY { ms(30) } else { ms(3) };
            used[owner as usize] += time;
            // A new task each time: what counts is whose it is.
            shares.push(owner, task);
            shares.ran(owner, time);
        }
        let [_, greedy, modest] = used;
        assert!(greedy.abs_diff(modest) <= ms(30), "{greedy:?} {modest:?}");
    }

    #[test]
    fn a_newcomer_is_not_starved_and_nobody_saves_time_up_by_idling() {
        let mut shares = Shares::new(1, 0);
        shares.push(MODEST, 0);
        run(&mut shares, ms(1));
        for task in 0..1_000 {
            shares.push(GREEDY, task);
            run(&mut shares, ms(10));
        }
        // It was away for ten seconds of the other's time, and another has never been there.
        let newcomer = 3;
        let mut order = Vec::new();
        for task in 0..6 {
            shares.push(MODEST, task);
            shares.push(newcomer, task);
            shares.push(GREEDY, task);
        }
        while let Some((owner, _)) = run(&mut shares, ms(10)) {
            order.push(owner);
        }
        let share = |owner| order[..9].iter().filter(|one| **one == owner).count();
        let shared = [share(GREEDY), share(MODEST), share(newcomer)];
        assert!(
            shared.iter().all(|n| (2..=4).contains(n)),
            "each has about a third from the first moment on: {order:?}"
        );
    }

    #[test]
    fn what_an_owner_has_used_is_not_forgotten_while_it_idles() {
        let mut shares = Shares::new(2, 0);
        shares.push(GREEDY, 0);
        shares.push(MODEST, 0);
        run(&mut shares, ms(100));
        run(&mut shares, ms(1));
        // Both were idle. The one that has used much waits until the other has caught up.
        for task in 1..=3 {
            shares.push(GREEDY, task);
            shares.push(MODEST, task);
        }
        let order: Vec<_> = std::iter::from_fn(|| run(&mut shares, ms(5)))
            .map(|(owner, _)| owner)
            .collect();
        assert_eq!(order, [MODEST, MODEST, MODEST, GREEDY, GREEDY, GREEDY]);
    }

    #[test]
    fn an_owner_has_all_processors_but_never_the_spare_places() {
        let mut shares = Shares::new(2, 1);
        for task in 0..5 {
            shares.push(GREEDY, task);
        }
        assert!(shares.pop().is_some() && shares.pop().is_some());
        assert!(!shares.has_next() && shares.pop().is_none());
        assert!(!shares.is_held_up(GREEDY), "it has all there is");
        shares.push(MODEST, 0);
        shares.push(MODEST, 1);
        assert!(shares.is_held_up(MODEST));
        assert_eq!(shares.pop(), Some((MODEST, 0)), "there is a place for it");
        assert_eq!(shares.pop(), None, "but for one task only");
        // The first of the greedy one's ends: the spare place is taken, so nothing of its begins.
        shares.ran(GREEDY, ms(2));
        assert_eq!(shares.pop(), None);
        shares.ran(GREEDY, ms(2));
        assert_eq!(shares.pop(), Some((MODEST, 1)));
        shares.ran(MODEST, ms(1));
        shares.ran(MODEST, ms(1));
        assert_eq!(shares.pop(), Some((GREEDY, 2)));
    }

    #[test]
    fn owners_that_no_longer_matter_are_forgotten() {
        let mut shares = Shares::new(1, 0);
        for owner in 0..10_000 {
            shares.push(owner, ());
            run(&mut shares, ms(1));
        }
        assert!(shares.accounts.len() <= IDLE_ACCOUNTS + 1);
        shares.push(1, ());
        assert_eq!(shares.take_all().len(), 1);
        assert!(!shares.has_next());
    }
}
