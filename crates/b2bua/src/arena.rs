//! A store whose keys are never reused.

use slab::Slab;

/// A slab whose keys carry the serial number of their tenant, so that a key that outlives what it named finds nothing,
/// rather than the next tenant of the place.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    places: Slab<(u64, T)>,
    serial: u64,
}

/// Names one tenant of an [`Arena`]. Keys are ordered by age.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    serial: u64,
    place: usize,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Slab::new(), serial: 0 }
    }

    pub(crate) fn insert(&mut self, tenant: T) -> Key {
        self.insert_with(|_| tenant)
    }

    /// Inserts a tenant that knows its key.
    pub(crate) fn insert_with(&mut self, tenant: impl FnOnce(Key) -> T) -> Key {
        self.serial += 1;
        let entry = self.places.vacant_entry();
        let key = Key { serial: self.serial, place: entry.key() };
        entry.insert((self.serial, tenant(key)));
        key
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.places.get(key.place).filter(|(serial, _)| *serial == key.serial).map(|(_, tenant)| tenant)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.places.get_mut(key.place).filter(|(serial, _)| *serial == key.serial).map(|(_, tenant)| tenant)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        self.places.try_remove(key.place).map(|(_, tenant)| tenant)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.places.iter().map(|(place, (serial, _))| Key { serial: *serial, place })
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_find_the_next_tenant() {
        let mut arena = Arena::new();
        let first = arena.insert('a');
        assert_eq!(arena.remove(first), Some('a'));
        let second = arena.insert('b');
        assert_eq!(first.place, second.place);
        assert!(arena.get(first).is_none() && arena.get_mut(first).is_none());
        assert_eq!(arena.remove(first), None);
        assert_eq!((arena.get(second), arena.len()), (Some(&'b'), 1));
    }
}
