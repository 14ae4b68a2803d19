//! Transactions: found by key, by id, and by their next deadline.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use slab::Slab;

use crate::io::Slot;
use crate::key::Key;
use crate::timer::Queue;

/// The transactions of one side. Finding one is O(1), its timers are O(log n).
#[derive(Debug)]
pub(crate) struct Table<T> {
    slab: Slab<Tenant<T>>,
    keys: HashMap<Key, u32, BuildHasherDefault<Digested>>,
    /// The deadlines of those that have work to do.
    live: Queue<u32>,
    /// The deadlines of those that only absorb what comes late, each its end.
    absorbing: Queue<u32>,
    serial: u64,
}

#[derive(Debug)]
struct Tenant<T> {
    serial: u64,
    key: Key,
    deadline: Option<Instant>,
    absorbs: bool,
    transaction: T,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            keys: HashMap::default(),
            live: Queue::new(),
            absorbing: Queue::new(),
            serial: 0,
        }
    }

    /// Takes a transaction in; `None` where the slab has no room left, at 2^32 transactions.
    pub(crate) fn insert(&mut self, key: Key, transaction: T) -> Option<Slot> {
        let index = u32::try_from(self.slab.vacant_key()).ok()?;
        self.serial += 1;
        self.slab.insert(Tenant { serial: self.serial, key, deadline: None, absorbs: false, transaction });
        self.keys.insert(key, index);
        Some(Slot { serial: self.serial, index })
    }

    pub(crate) fn find(&self, key: Key) -> Option<Slot> {
        self.slot(*self.keys.get(&key)?)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let tenant = self.slab.get(slot.index as usize)?;
        (tenant.serial == slot.serial).then_some(&tenant.transaction)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let tenant = self.slab.get_mut(slot.index as usize)?;
        (tenant.serial == slot.serial).then_some(&mut tenant.transaction)
    }

    /// Sets when the transaction wants to be woken, and whether all that it does until then is to absorb what comes late.
    pub(crate) fn wake_at(&mut self, slot: Slot, deadline: Option<Instant>, absorbs: bool) {
        let tenant = self.slab.get_mut(slot.index as usize).filter(|tenant| tenant.serial == slot.serial);
        let Some(tenant) = tenant else { return };
        let old = tenant.deadline;
        if tenant.absorbs == absorbs {
            queue(&mut self.live, &mut self.absorbing, absorbs).replace(slot.index, old, deadline);
        } else {
            queue(&mut self.live, &mut self.absorbing, tenant.absorbs).replace(slot.index, old, None);
            queue(&mut self.live, &mut self.absorbing, absorbs).replace(slot.index, None, deadline);
        }
        (tenant.deadline, tenant.absorbs) = (deadline, absorbs);
    }

    /// Gives a transaction back, its key and its deadline forgotten.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let tenant = self.slab.try_remove(slot.index as usize)?;
        let queue = queue(&mut self.live, &mut self.absorbing, tenant.absorbs);
        queue.replace(slot.index, tenant.deadline, None);
        self.keys.remove(&tenant.key);
        Some(tenant.transaction)
    }

    /// The transaction whose deadline is the soonest of those that have come.
    pub(crate) fn due(&self, now: Instant) -> Option<Slot> {
        self.first().filter(|&(at, _)| at <= now).and_then(|(_, index)| self.slot(index))
    }

    /// The soonest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.first().map(|(at, _)| at)
    }

    /// Of the transactions that only absorb what comes late, the one whose end is the nearest, and when it is.
    pub(crate) fn nearest_end(&self) -> Option<(Instant, Slot)> {
        let (at, index) = self.absorbing.first()?;
        Some((at, self.slot(index)?))
    }

    /// How many have work to do.
    pub(crate) fn live(&self) -> usize {
        self.slab.len() - self.absorbing.len()
    }

    /// How many only absorb what comes late.
    pub(crate) fn absorbing(&self) -> usize {
        self.absorbing.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing is left of any transaction.
    pub(crate) fn is_empty(&self) -> bool {
        let timers = self.live.len() + self.absorbing.len();
        self.slab.is_empty() && self.keys.is_empty() && timers == 0
    }

    fn first(&self) -> Option<(Instant, u32)> {
        self.live.first().into_iter().chain(self.absorbing.first()).min()
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.slab.get(index as usize).map(|tenant| Slot { serial: tenant.serial, index })
    }
}

/// Where the deadline of a transaction stands.
fn queue<'a>(live: &'a mut Queue<u32>, absorbing: &'a mut Queue<u32>, absorbs: bool) -> &'a mut Queue<u32> {
    if absorbs { absorbing } else { live }
}

/// The hasher of a map whose keys are keyed digests already.
#[derive(Default)]
pub(crate) struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use attesta_sip::Method;

    use super::*;
    use crate::id_generator::{IdGenerator, Seed, WorkerPlace};
    use crate::key::Keyring;

    #[test]
    fn a_new_tenant_is_not_taken_for_the_one_before() {
        let (first, second, mut table) = (key("1"), key("2"), Table::new());
        let old = table.insert(first, "old").unwrap();
        assert_eq!(table.remove(old), Some("old"));
        let new = table.insert(second, "new").unwrap();
        assert_eq!(old.index, new.index);
        assert_eq!(table.get(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!((table.find(first), table.find(second), table.get(new)), (None, Some(new), Some(&"new")));
    }

    #[test]
    fn a_deadline_goes_with_its_tenant() {
        let (now, mut table) = (Instant::now(), Table::new());
        let slot = table.insert(key("1"), ()).unwrap();
        table.wake_at(slot, Some(now), false);
        assert_eq!((table.due(now), table.next_deadline()), (Some(slot), Some(now)));
        table.remove(slot);
        table.wake_at(slot, Some(now), false);
        assert_eq!((table.due(now), table.next_deadline()), (None, None));
        assert!(table.is_empty());
    }

    #[test]
    fn what_only_absorbs_is_counted_apart_and_its_nearest_end_is_known() {
        let (now, second, mut table) = (Instant::now(), Duration::from_secs(1), Table::new());
        let [one, two, three] = ["1", "2", "3"].map(|branch| table.insert(key(branch), ()).unwrap());
        table.wake_at(one, Some(now), false);
        table.wake_at(two, Some(now + 2 * second), true);
        table.wake_at(three, Some(now + second), true);
        assert_eq!((table.live(), table.absorbing(), table.len()), (1, 2, 3));
        assert_eq!((table.due(now), table.nearest_end()), (Some(one), Some((now + second, three))));
        table.wake_at(one, Some(now + second), true);
        assert_eq!((table.live(), table.absorbing(), table.due(now)), (0, 3, None));
        assert_eq!([one, two, three].map(|slot| table.remove(slot)), [Some(()); 3]);
        assert!(table.is_empty());
    }

    fn key(branch: &str) -> Key {
        Keyring::new(&mut IdGenerator::new(WorkerPlace::default(), &Seed::new([0; 32])))
            .client(branch.as_bytes(), &Method::Bye)
    }
}
