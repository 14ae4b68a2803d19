//! Tests with a certificate repository that is down, or that accepts requests and does not answer.

use attesta_tests::ring::{Edge, Mood, Pki, Repository, Ring, Seen, Sipp, configuration, until};
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn a_repository_that_is_down_costs_one_attempt() {
    let Some(ring) = Ring::enter("down", 8) else { return };
    let path = Path::build(&ring, "budget = \"3s\"", Mood::Serves, true);
    let (sent, arrived) = path.calls(1);
    assert_unvalidated(&arrived);
    path.wait_for_one_failed_fetch();
    let first = typical_delay(&sent, &arrived);
    assert!(first < 3.0 + SLACK, "the first call waited {first} s");

    let (sent, arrived) = path.calls(20);
    assert_unvalidated(&arrived);
    let typical = typical_delay(&sent, &arrived);
    assert!(typical < 2.0, "calls waited {typical} s though the failure is remembered");
    assert_eq!(path.failed_fetches(), 1.0, "no call asks again while the failure is remembered");
}

#[test]
fn a_repository_that_stalls_costs_the_budget_once() {
    let Some(ring) = Ring::enter("stall", 9) else { return };
    let path = Path::build(&ring, "budget = \"1s\"", Mood::Stalls, false);
    let (sent, arrived) = path.calls(1);
    assert_unvalidated(&arrived);
    let first = typical_delay(&sent, &arrived);
    assert!((0.9..1.0 + SLACK).contains(&first), "the first call waited {first} s; its limit is 1 s");
    path.wait_for_one_failed_fetch();

    let (sent, arrived) = path.calls(20);
    assert_unvalidated(&arrived);
    let typical = typical_delay(&sent, &arrived);
    assert!(typical < 0.9, "calls waited {typical} s though the failure is remembered");
    assert_eq!(path.failed_fetches(), 1.0);
    assert_eq!(path.repository.as_ref().map(Repository::requests), Some(1));
}

#[test]
fn by_policy_the_call_is_refused_with_436() {
    let Some(ring) = Ring::enter("unavailable", 10) else { return };
    let path = Path::build(&ring, "on = { unavailable = \"reject\" }", Mood::Serves, true);
    let mut caller =
        Sipp::caller("caller_is_refused", ring.free(2), path.signing.udp()).calls(5, 10).start(&ring);
    caller.finish(LIMIT).assert_successful();
    assert_eq!(caller.responses(436).len(), 5);
    assert_eq!(path.failed_fetches(), 1.0);
}

/// Caller, signing edge, verifying edge, callee, and a repository that serves no certificate.
struct Path<'a> {
    ring: &'a Ring,
    repository: Option<Repository>,
    signing: Edge,
    verifying: Edge,
    there: SocketAddr,
}

impl<'a> Path<'a> {
    fn build(ring: &'a Ring, policy: &str, mood: Mood, down: bool) -> Self {
        let pki = Pki::new(ring, "pki");
        let repository = Repository::start(ring.host(4), pki.chain_octets(), mood);
        let there = ring.free(3);
        let config = configuration::verifying(ring, 6, &pki, &repository, ring.host(1), there, policy);
        let verifying = Edge::start(ring, "verifying", 6, &config);
        let config = configuration::signing(ring, 1, &pki, &repository, ring.host(2), verifying.udp());
        let signing = Edge::start(ring, "signing", 1, &config);
        Self { ring, repository: (!down).then_some(repository), signing, verifying, there }
    }

    /// Runs `calls` calls. Returns the INVITEs as the caller sent them and as the callee received them.
    fn calls(&self, calls: u32) -> (Vec<Seen>, Vec<Seen>) {
        let mut callee = Sipp::callee("callee_answers", self.there).calls(calls, 10).start(self.ring);
        let mut caller = Sipp::caller("caller_hangs_up", self.ring.free(2), self.signing.udp())
            .calls(calls, 10)
            .start(self.ring);
        caller.finish(LIMIT).assert_successful();
        callee.finish(LIMIT).assert_successful();
        (caller.sent("INVITE"), callee.requests("INVITE"))
    }

    fn failed_fetches(&self) -> f64 {
        let metrics = self.verifying.metrics();
        metrics.sum("attesta_certificate_fetches_total", &[])
            - metrics.sum("attesta_certificate_fetches_total", &["result=\"ok\""])
    }

    /// The fetch may take longer than the call that started it.
    fn wait_for_one_failed_fetch(&self) {
        until(LIMIT, "the failed fetch is counted", || (self.failed_fetches() == 1.0).then_some(()));
    }
}

fn assert_unvalidated(invites: &[Seen]) {
    assert!(!invites.is_empty());
    for invite in invites {
        assert!(invite.text.contains(";verstat=No-TN-Validation"), "{}", invite.text);
    }
}

/// Returns the median time in s between the departure of an INVITE at the caller and its arrival at the callee. The two lists
/// have the same order. The median ignores the few calls that a stalled machine delays. A wait for the fetch delays every call.
fn typical_delay(sent: &[Seen], arrived: &[Seen]) -> f64 {
    assert_eq!(sent.len(), arrived.len());
    let mut delays: Vec<f64> = sent.iter().zip(arrived).map(|(sent, arrived)| arrived.at - sent.at).collect();
    delays.sort_by(f64::total_cmp);
    delays.get(delays.len() / 2).copied().unwrap_or_default()
}

/// The delay in s that a loaded machine may add.
const SLACK: f64 = 1.5;

const LIMIT: Duration = Duration::from_secs(60);
