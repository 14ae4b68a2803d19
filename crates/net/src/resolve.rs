//! Finds the addresses of a target by RFC 3263. [`Search`] chooses the questions and evaluates the answers. This file sends the
//! questions.

mod order;
pub(crate) mod search;

use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{Destination, ResolveError, Target, Transports};
use attesta_transaction::{IdGenerator, Seed, WorkerPlace};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::names::Names;
use crate::names::record::{DnsQuestion, Kind, LookupError, Records};
use crate::resolve::search::{Answer, Found, Search, Step};

/// Finds the destinations of a target for one of `transports`, best first (RFC 3263). `seed` provides the random numbers for
/// the choice among servers of the same priority (RFC 2782).
///
/// # Errors
/// [`ResolveError`], after at most 3.5 s.
pub async fn locate(
    target: Target,
    transports: Transports,
    names: Arc<dyn Names>,
    seed: Seed,
) -> Result<Vec<Destination>, ResolveError> {
    match Resolution::of(target, transports) {
        Resolution::Known(result) => result,
        Resolution::Lookup(lookup) => lookup.run(names, seed).await.result,
    }
}

/// The work that is needed to find a target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// No lookup is needed, because the target is an address.
    Known(Result<Vec<Destination>, ResolveError>),
    /// Lookups in DNS are needed.
    Lookup(Lookup),
}

/// A search that needs lookups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    search: Search,
    questions: Vec<DnsQuestion>,
}

impl Resolution {
    pub(crate) fn of(target: Target, transports: Transports) -> Resolution {
        match Search::begin(target, transports) {
            (_, Step::Done(found)) => Resolution::Known(found.result),
            (search, Step::Ask(questions)) => Resolution::Lookup(Lookup { search, questions }),
        }
    }
}

impl Lookup {
    /// Sends questions to `names` until the search ends or its time is over. `seed` provides the random numbers for the choice
    /// among servers of the same priority.
    pub(crate) async fn run(self, names: Arc<dyn Names>, seed: Seed) -> Found {
        let Lookup { mut search, mut questions } = self;
        let mut ids = IdGenerator::new(WorkerPlace::default(), &seed);
        let all = async {
            loop {
                let answers = ask(&*names, questions).await;
                match search.answered(answers, &mut || ids.number()) {
                    Step::Ask(next) => questions = next,
                    Step::Done(found) => return found,
                }
            }
        };
        timeout(TIME, all).await.unwrap_or(Found { result: Err(ResolveError::Timeout), truncated: false })
    }
}

/// Sends all questions at once. Returns the answers in the order of the questions.
async fn ask(names: &dyn Names, questions: Vec<DnsQuestion>) -> Vec<Answer> {
    let mut answers = vec![Err(LookupError::Failed); questions.len()];
    let mut lookups = JoinSet::new();
    for (at, DnsQuestion { kind, name }) in questions.into_iter().enumerate() {
        match kind {
            Kind::Addresses => {
                let lookup = names.lookup(&name);
                lookups.spawn(async move { (at, lookup.await.map(Records::Addresses)) });
            }
            Kind::Services => {
                let lookup = names.services(&name);
                lookups.spawn(async move { (at, lookup.await.map(Records::Services)) });
            }
            Kind::Pointers => {
                let lookup = names.pointers(&name);
                lookups.spawn(async move { (at, lookup.await.map(Records::Pointers)) });
            }
        }
    }
    while let Some(done) = lookups.join_next().await {
        if let Ok((at, answer)) = done
            && let Some(place) = answers.get_mut(at)
        {
            *place = answer;
        }
    }
    answers
}

/// The longest time for a search. It is shorter than the time that a call waits for the search.
const TIME: Duration = Duration::from_millis(3_500);

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;

    use attesta_transaction::Transport;

    use super::*;
    use crate::fixture::Hosts;
    use crate::names;

    fn lookup(uri: &str) -> Lookup {
        let udp = Transports::none().with(Transport::Udp, Ipv4Addr::LOCALHOST.into());
        match Resolution::of(Target::of(uri.as_bytes()).unwrap(), udp) {
            Resolution::Lookup(lookup) => lookup,
            Resolution::Known(result) => unreachable!("{result:?}"),
        }
    }

    #[tokio::test]
    async fn a_name_leads_to_its_addresses_in_order() {
        let hosts = Hosts::new()
            .at("carrier.example", Ipv4Addr::new(127, 0, 0, 2))
            .at("carrier.example", Ipv4Addr::LOCALHOST);
        let found = lookup("sip:carrier.example:5070").run(Arc::new(hosts), Seed::new([1; 32])).await;
        let places: Vec<_> = found.result.unwrap().iter().map(|place| place.address).collect();
        assert_eq!(places, ["127.0.0.2:5070".parse().unwrap(), "127.0.0.1:5070".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_unknown_name_is_not_found() {
        let found = lookup("sip:nowhere.example").run(Arc::new(Hosts::new()), Seed::new([1; 32])).await;
        assert_eq!(found.result, Err(ResolveError::NotFound));
    }

    /// Names that never resolve.
    struct SilentNames;

    impl Names for SilentNames {
        fn lookup(&self, _: &str) -> names::Lookup {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_ends_after_its_time_limit() {
        let found = lookup("sip:carrier.example").run(Arc::new(SilentNames), Seed::new([1; 32])).await;
        assert_eq!(found.result, Err(ResolveError::Timeout));
    }
}
