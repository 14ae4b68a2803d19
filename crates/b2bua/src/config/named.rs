//! Finds the entry with a given name.

use std::sync::Arc;

pub(crate) fn named<T>(all: &[Arc<T>], name: &Arc<str>, name_of: impl Fn(&T) -> &Arc<str>) -> Option<Arc<T>> {
    all.iter().find(|each| name_of(each) == name).cloned()
}
