//! Routes: the trunk or URI that a call is sent to.

use std::sync::Arc;

use crate::config::error::ConfigError;
use crate::config::named::named;
use crate::config::trunk_entry::TrunkEntry;
use crate::trunk::numbers::Prefix;

/// Selects calls and says where they are sent.
#[derive(Clone, Debug)]
pub struct Route {
    from: Option<Arc<str>>,
    number: Option<Prefix>,
    to: RouteTo,
}

impl Route {
    /// A route for every call that no earlier route matches.
    #[must_use]
    pub const fn new(to: RouteTo) -> Self {
        Self { from: None, number: None, to }
    }

    /// Restricts the route to calls from this trunk.
    #[must_use]
    pub fn from(mut self, trunk: impl Into<Arc<str>>) -> Self {
        self.from = Some(trunk.into());
        self
    }

    /// Restricts the route to called numbers that start with these digits.
    #[must_use]
    pub fn number(mut self, prefix: Prefix) -> Self {
        self.number = Some(prefix);
        self
    }
}

/// Where a route sends a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteTo {
    /// The targets of these trunks, in order.
    Trunks(Vec<Arc<str>>),
    /// The target of the Request-URI. The outbound rules of the trunk of origin apply to such a call.
    RequestUri,
}

/// A route whose trunk names are resolved.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    pub(crate) from: Option<Arc<str>>,
    pub(crate) number: Option<Prefix>,
    pub(crate) to: RouteToEntry,
}

#[derive(Debug)]
pub(crate) enum RouteToEntry {
    Trunks(Vec<Arc<TrunkEntry>>),
    RequestUri,
}

impl RouteEntry {
    pub(crate) fn tie(route: Route, trunks: &[Arc<TrunkEntry>]) -> Result<Self, ConfigError> {
        let trunk = |name: &Arc<str>| {
            named(trunks, name, |entry| &entry.trunk.name)
                .ok_or_else(|| ConfigError::UnknownTrunk(name.clone()))
        };
        if let Some(name) = &route.from {
            trunk(name)?;
        }
        let to = match &route.to {
            RouteTo::RequestUri => RouteToEntry::RequestUri,
            RouteTo::Trunks(names) => {
                let trunks = names.iter().map(trunk).collect::<Result<Vec<_>, _>>()?;
                if let Some(entry) = trunks.iter().find(|entry| entry.trunk.targets.is_empty()) {
                    return Err(ConfigError::NoTargets(entry.trunk.name.clone()));
                }
                RouteToEntry::Trunks(trunks)
            }
        };
        Ok(Self { from: route.from, number: route.number, to })
    }
}
