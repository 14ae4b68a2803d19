//! The transactions of one side. They can be found by key, by id, and by deadline.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use slab::Slab;

use crate::io::Slot;
use crate::key::Key;
use crate::timer::Queue;

/// The transactions of one side. A look-up costs O(1), a timer O(log n).
#[derive(Debug)]
pub(crate) struct Table<T> {
    slab: Slab<Entry<T>>,
    keys: HashMap<Key, u32, BuildHasherDefault<Digested>>,
    /// The deadlines of live transactions.
    live: Queue<u32>,
    /// The deadlines of absorbing transactions. Each deadline is the end of its transaction.
    absorbing: Queue<u32>,
    serial: u64,
}

#[derive(Debug)]
struct Entry<T> {
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

    /// Adds a transaction. `None` if the slab is full, which is the case at 2^32 transactions.
    pub(crate) fn insert(&mut self, key: Key, transaction: T) -> Option<Slot> {
        let index = u32::try_from(self.slab.vacant_key()).ok()?;
        self.serial += 1;
        self.slab.insert(Entry { serial: self.serial, key, deadline: None, absorbs: false, transaction });
        self.keys.insert(key, index);
        Some(Slot { serial: self.serial, index })
    }

    pub(crate) fn find(&self, key: Key) -> Option<Slot> {
        self.slot(*self.keys.get(&key)?)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.slab.get(slot.index as usize)?;
        (entry.serial == slot.serial).then_some(&entry.transaction)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.slab.get_mut(slot.index as usize)?;
        (entry.serial == slot.serial).then_some(&mut entry.transaction)
    }

    /// Sets the next deadline of the transaction, and whether it only absorbs late messages until then.
    pub(crate) fn wake_at(&mut self, slot: Slot, deadline: Option<Instant>, absorbs: bool) {
        let entry = self.slab.get_mut(slot.index as usize).filter(|entry| entry.serial == slot.serial);
        let Some(entry) = entry else { return };
        let old = entry.deadline;
        if entry.absorbs == absorbs {
            queue(&mut self.live, &mut self.absorbing, absorbs).replace(slot.index, old, deadline);
        } else {
            queue(&mut self.live, &mut self.absorbing, entry.absorbs).replace(slot.index, old, None);
            queue(&mut self.live, &mut self.absorbing, absorbs).replace(slot.index, None, deadline);
        }
        (entry.deadline, entry.absorbs) = (deadline, absorbs);
    }

    /// Removes a transaction with its key and its deadline, and returns it.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let entry = self.slab.try_remove(slot.index as usize)?;
        let queue = queue(&mut self.live, &mut self.absorbing, entry.absorbs);
        queue.replace(slot.index, entry.deadline, None);
        self.keys.remove(&entry.key);
        Some(entry.transaction)
    }

    /// The transaction with the earliest deadline, if that deadline has passed.
    pub(crate) fn due(&self, now: Instant) -> Option<Slot> {
        self.first().filter(|&(at, _)| at <= now).and_then(|(_, index)| self.slot(index))
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.first().map(|(at, _)| at)
    }

    /// The absorbing transaction that is nearest to its end, and that time.
    pub(crate) fn nearest_end(&self) -> Option<(Instant, Slot)> {
        let (at, index) = self.absorbing.first()?;
        Some((at, self.slot(index)?))
    }

    /// The number of live transactions.
    pub(crate) fn live(&self) -> usize {
        self.slab.len() - self.absorbing.len()
    }

    /// The number of absorbing transactions.
    pub(crate) fn absorbing(&self) -> usize {
        self.absorbing.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is no transaction, no key and no deadline.
    pub(crate) fn is_empty(&self) -> bool {
        let timers = self.live.len() + self.absorbing.len();
        self.slab.is_empty() && self.keys.is_empty() && timers == 0
    }

    fn first(&self) -> Option<(Instant, u32)> {
        self.live.first().into_iter().chain(self.absorbing.first()).min()
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.slab.get(index as usize).map(|entry| Slot { serial: entry.serial, index })
    }
}

/// The queue for the deadline of a transaction.
fn queue<'a>(live: &'a mut Queue<u32>, absorbing: &'a mut Queue<u32>, absorbs: bool) -> &'a mut Queue<u32> {
    if absorbs { absorbing } else { live }
}

/// The hasher of a map whose keys are already keyed digests.
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
    fn a_new_entry_is_not_mistaken_for_the_one_before() {
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
    fn a_deadline_is_removed_with_its_entry() {
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
    fn absorbing_entries_are_counted_apart_and_their_nearest_end_is_known() {
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
