//! The order in which servers are tried (RFC 2782, "Usage rules").

use crate::names::record::Srv;

/// Orders the servers by priority, lowest number first. Within one priority, each next server is chosen at random in proportion
/// to its weight.
///
/// `chance` returns random numbers, uniform over all of `u64`.
pub(super) fn order(mut servers: Vec<Srv>, chance: &mut dyn FnMut() -> u64) -> Vec<Srv> {
    // Servers of weight 0 come first, so that they are chosen only if the random number is 0.
    servers.sort_by_key(|server| (server.priority, server.weight != 0));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let rivals = servers.iter().take_while(|server| server.priority == first.priority);
        let all: u64 = rivals.clone().map(|server| u64::from(server.weight)).sum();
        let drawn = chance() % (all + 1);
        let mut running = 0;
        let chosen = rivals.map(|server| u64::from(server.weight)).position(|weight| {
            running += weight;
            running >= drawn
        });
        ordered.push(servers.remove(chosen.unwrap_or_default()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use attesta_transaction::{IdGenerator, Seed, WorkerPlace};

    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.into() }
    }

    fn names(servers: &[Srv]) -> Vec<&str> {
        servers.iter().map(|server| &*server.target).collect()
    }

    /// Returns how often each server came first in 10,000 draws.
    fn firsts(servers: &[Srv]) -> BTreeMap<String, u32> {
        let mut ids = IdGenerator::new(WorkerPlace::default(), &Seed::new([5; 32]));
        let mut firsts = BTreeMap::new();
        for _ in 0..10_000 {
            let ordered = order(servers.to_vec(), &mut || ids.number());
            *firsts.entry(ordered[0].target.to_string()).or_default() += 1;
        }
        firsts
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_its_weight() {
        let servers = vec![server(20, 100, "c"), server(10, 0, "b"), server(0, 1, "a")];
        assert_eq!(names(&order(servers, &mut || u64::MAX)), ["a", "b", "c"]);
    }

    #[test]
    fn the_number_drawn_falls_on_the_running_sums() {
        let servers = || vec![server(0, 0, "never"), server(0, 1, "rarely"), server(0, 3, "often")];
        for (drawn, first) in [(0, "never"), (1, "rarely"), (2, "often"), (4, "often")] {
            assert_eq!(names(&order(servers(), &mut || drawn))[0], first, "{drawn}");
        }
    }

    /// The result is within five standard deviations. The seed is fixed, so the result is always the same.
    #[test]
    fn calls_are_shared_in_proportion_to_the_weights() {
        let firsts = firsts(&[server(0, 10, "a"), server(0, 30, "b"), server(0, 60, "c")]);
        for (name, share) in [("a", 0.1), ("b", 0.3), ("c", 0.6)] {
            let (mean, deviation) = (10_000.0 * share, (10_000.0 * share * (1.0_f64 - share)).sqrt());
            // A draw of 0 also selects the first server, so its share is a little larger: 11 of 101.
            let off = (f64::from(firsts[name]) - mean).abs();
            assert!(off < 5.0 * deviation, "{name}: {} of 10,000", firsts[name]);
        }
    }

    #[test]
    fn a_server_of_weight_0_gets_very_little() {
        let firsts = firsts(&[server(0, 0, "spare"), server(0, 99, "main")]);
        assert!((50..200).contains(&firsts["spare"]), "{firsts:?}");
    }

    #[test]
    fn no_server_is_lost_or_tried_twice() {
        let servers: Vec<_> = (0..64).map(|n| server(n % 4, n % 7, &n.to_string())).collect();
        let mut ids = IdGenerator::new(WorkerPlace::default(), &Seed::new([6; 32]));
        let mut ordered = order(servers.clone(), &mut || ids.number());
        assert!(ordered.is_sorted_by_key(|server| server.priority));
        ordered.sort_by_key(|server| server.target.parse::<u16>().unwrap());
        assert_eq!(ordered, servers);
    }
}
