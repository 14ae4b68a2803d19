//! A store whose keys are never reused.

use std::marker::PhantomData;

use slab::Slab;

/// A slab whose keys carry the serial number of the entry. The key of a removed entry finds no entry, even if
/// another entry uses the slot.
#[derive(Debug)]
pub(crate) struct Arena<K, T> {
    slots: Slab<(u64, T)>,
    serial: u64,
    kind: PhantomData<K>,
}

/// Names one entry of an [`Arena`]. Keys are ordered by age. `K` keeps the keys of different arenas apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Key<K> {
    serial: u64,
    slot: usize,
    kind: PhantomData<K>,
}

/// Names a call.
pub(crate) type CallKey = Key<OfCall>;

/// Names a MESSAGE outside a dialog.
pub(crate) type MessageKey = Key<OfMessage>;

/// Names a leg whose call is over.
pub(crate) type ClosingKey = Key<OfClosing>;

/// Names a request that waits for a dialog of another worker.
pub(crate) type LookupKey = Key<OfLookup>;

/// The kind of [`CallKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum OfCall {}

/// The kind of [`MessageKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum OfMessage {}

/// The kind of [`ClosingKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum OfClosing {}

/// The kind of [`LookupKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum OfLookup {}

impl<K: Copy, T> Arena<K, T> {
    pub(crate) fn new() -> Self {
        Self { slots: Slab::with_capacity(KEPT), serial: 0, kind: PhantomData }
    }

    /// Inserts an entry that knows its key.
    pub(crate) fn insert_with(&mut self, entry: impl FnOnce(Key<K>) -> T) -> Key<K> {
        self.serial += 1;
        let vacant = self.slots.vacant_entry();
        let key = Key { serial: self.serial, slot: vacant.key(), kind: PhantomData };
        vacant.insert((self.serial, entry(key)));
        key
    }

    pub(crate) fn get(&self, key: Key<K>) -> Option<&T> {
        self.slots.get(key.slot).filter(|(serial, _)| *serial == key.serial).map(|(_, entry)| entry)
    }

    pub(crate) fn get_mut(&mut self, key: Key<K>) -> Option<&mut T> {
        self.slots.get_mut(key.slot).filter(|(serial, _)| *serial == key.serial).map(|(_, entry)| entry)
    }

    pub(crate) fn remove(&mut self, key: Key<K>) -> Option<T> {
        self.get_mut(key)?;
        let (_, entry) = self.slots.try_remove(key.slot)?;
        if self.slots.is_empty() && self.slots.capacity() > KEPT {
            self.slots = Slab::with_capacity(KEPT);
        }
        Some(entry)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key<K>> {
        self.slots.iter().map(|(slot, (serial, _))| Key { serial: *serial, slot, kind: PhantomData })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

/// The entries for which an empty arena has room. The memory for more entries is freed, so that one busy hour does not keep
/// it.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_find_the_next_entry() {
        let mut arena = Arena::<OfCall, char>::new();
        let first = arena.insert_with(|_| 'a');
        assert_eq!(arena.remove(first), Some('a'));
        let second = arena.insert_with(|_| 'b');
        assert_eq!(first.slot, second.slot);
        assert!(arena.get_mut(first).is_none());
        assert_eq!(arena.remove(first), None);
        assert_eq!((arena.get_mut(second).copied(), arena.len()), (Some('b'), 1));
    }

    #[test]
    fn an_empty_arena_frees_the_memory_of_a_burst() {
        let mut arena = Arena::<OfCall, usize>::new();
        let keys: Vec<_> = (0..10 * KEPT).map(|number| arena.insert_with(|_| number)).collect();
        assert!(arena.slots.capacity() >= 10 * KEPT);
        let first = keys.first().copied().expect("there are keys");
        assert!(keys.into_iter().enumerate().all(|(number, key)| arena.remove(key) == Some(number)));
        assert_eq!((arena.slots.capacity(), arena.len()), (KEPT, 0));
        let next = arena.insert_with(|_| 0);
        assert!(arena.get_mut(first).is_none());
        assert_eq!(arena.get_mut(next).copied(), Some(0));
    }
}
