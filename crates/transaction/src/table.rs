//! Live transactions: found by key, by id, and by their next deadline.

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
    timers: Queue<u32>,
    serial: u64,
}

#[derive(Debug)]
struct Tenant<T> {
    serial: u64,
    key: Key,
    deadline: Option<Instant>,
    transaction: T,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self { slab: Slab::new(), keys: HashMap::default(), timers: Queue::new(), serial: 0 }
    }

    /// Takes a transaction in; `None` where the slab has no room left, at 2^32 transactions.
    pub(crate) fn insert(&mut self, key: Key, transaction: T) -> Option<Slot> {
        let index = u32::try_from(self.slab.vacant_key()).ok()?;
        self.serial += 1;
        self.slab.insert(Tenant { serial: self.serial, key, deadline: None, transaction });
        self.keys.insert(key, index);
        Some(Slot { serial: self.serial, index })
    }

    pub(crate) fn find(&self, key: Key) -> Option<Slot> {
        let index = *self.keys.get(&key)?;
        let tenant = self.slab.get(index as usize)?;
        Some(Slot { serial: tenant.serial, index })
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let tenant = self.slab.get(slot.index as usize)?;
        (tenant.serial == slot.serial).then_some(&tenant.transaction)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let tenant = self.slab.get_mut(slot.index as usize)?;
        (tenant.serial == slot.serial).then_some(&mut tenant.transaction)
    }

    /// Sets when the transaction wants to be woken.
    pub(crate) fn wake_at(&mut self, slot: Slot, deadline: Option<Instant>) {
        if let Some(tenant) =
            self.slab.get_mut(slot.index as usize).filter(|tenant| tenant.serial == slot.serial)
        {
            self.timers.replace(slot.index, tenant.deadline, deadline);
            tenant.deadline = deadline;
        }
    }

    /// Gives a transaction back, its key and its deadline forgotten.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let tenant = self.slab.try_remove(slot.index as usize)?;
        self.timers.replace(slot.index, tenant.deadline, None);
        self.keys.remove(&tenant.key);
        Some(tenant.transaction)
    }

    /// The transaction whose deadline is the soonest of those that have come.
    pub(crate) fn due(&self, now: Instant) -> Option<Slot> {
        let index = self.timers.due(now)?;
        let tenant = self.slab.get(index as usize)?;
        Some(Slot { serial: tenant.serial, index })
    }

    /// The soonest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing is left of any transaction.
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty() && self.keys.is_empty() && self.timers.is_empty()
    }
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
    use attesta_sip::Method;

    use super::*;
    use crate::key::Keyring;
    use crate::mint::{Minter, Place, Seed};

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
        table.wake_at(slot, Some(now));
        assert_eq!((table.due(now), table.next_deadline()), (Some(slot), Some(now)));
        table.remove(slot);
        table.wake_at(slot, Some(now));
        assert_eq!((table.due(now), table.next_deadline()), (None, None));
        assert!(table.is_empty());
    }

    fn key(branch: &str) -> Key {
        Keyring::new(&mut Minter::new(Place::default(), &Seed::new([0; 32])))
            .client(branch.as_bytes(), &Method::Bye)
    }
}
