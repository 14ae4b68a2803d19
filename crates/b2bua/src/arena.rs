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
    pub(crate) const fn new() -> Self {
        Self { slots: Slab::new(), serial: 0, kind: PhantomData }
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
        self.slots.try_remove(key.slot).map(|(_, entry)| entry)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key<K>> {
        self.slots.iter().map(|(slot, (serial, _))| Key { serial: *serial, slot, kind: PhantomData })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

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
}
