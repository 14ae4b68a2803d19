//! Two edges: one signs and the other verifies. A relay between them can change one octet.

use attesta_tests::ring::{
    Edge, Mood, Pki, Relay, Report, Repository, Ring, Seen, Sipp, SippParty, Way, configuration,
    sign_identities, until,
};
use std::net::UdpSocket;
use std::time::Duration;

#[test]
fn the_callee_sees_a_passed_validation() {
    let Some(ring) = Ring::enter("verify", 5) else { return };
    let path = Path::build(&ring, "", |_, _| {});
    let (caller, callee, reports) = path.call("caller_hangs_up", "callee_answers", 200, 100);
    for report in &reports {
        report.assert_successful();
        report.assert_few_repeats();
    }
    let invites = callee.requests("INVITE");
    assert_eq!(invites.len(), 200);
    for invite in &invites {
        assert_eq!(verstat(invite).as_deref(), Some("TN-Validation-Passed"), "{}", invite.text);
    }
    assert!(caller.responses(200).iter().all(|answer| answer.header("Reason").is_none()));
    let metrics = path.verifying.metrics();
    assert_eq!(metrics.sum("attesta_identity_verdicts_total", &["verdict=\"pass\""]), 200.0);
    assert_eq!(metrics.sum("attesta_certificate_fetches_total", &[]), 1.0, "one fetch serves all calls");
    assert_eq!(path.repository.requests(), 1);
}

#[test]
fn a_changed_signature_fails_the_validation_and_the_call_goes_on() {
    let Some(ring) = Ring::enter("tamper", 6) else { return };
    let path = Path::build(&ring, "", change_the_signature);
    let (_caller, callee, reports) = path.call("caller_hangs_up", "callee_answers", 20, 20);
    for report in &reports {
        report.assert_successful();
    }
    for invite in callee.requests("INVITE") {
        assert_eq!(verstat(&invite).as_deref(), Some("TN-Validation-Failed"), "{}", invite.text);
    }
    assert_eq!(path.verifying.metrics().sum("attesta_identity_verdicts_total", &["verdict=\"fail\""]), 20.0);
    // Checks the responses of the verifying edge to the signing edge, as the relay saw them (RFC 9410).
    let answers: Vec<String> = path
        .relay
        .log()
        .into_iter()
        .filter(|(way, _)| *way == Way::Back)
        .map(|(_, message)| message)
        .collect();
    let told = answers.iter().filter(|answer| answer.lines().any(is_reason_438)).count();
    assert!(
        told >= 20,
        "{told} answers carry Reason: STIR;cause=438\n{}",
        answers.first().map_or("", String::as_str)
    );
    assert!(
        !answers.iter().any(|answer| answer.starts_with("SIP/2.0 100") && answer.lines().any(is_reason_438)),
        "RFC 9410 section 3: not in a 100"
    );
}

#[test]
fn a_changed_signature_is_refused_by_policy() {
    let Some(ring) = Ring::enter("reject", 7) else { return };
    let path = Path::build(&ring, "on_failure = \"reject\"", change_the_signature);
    let mut caller =
        Sipp::caller("caller_is_refused", ring.free(2), path.signing.udp()).calls(20, 20).start(&ring);
    caller.finish(LIMIT).assert_successful();
    let refusals = caller.responses(438);
    assert_eq!(refusals.len(), 20);
    let refused = path
        .relay
        .log()
        .into_iter()
        .filter(|(way, message)| *way == Way::Back && message.starts_with("SIP/2.0 438 "))
        .count();
    assert_eq!(refused, 20, "the verifying edge itself answers 438, once");
}

#[test]
fn a_new_revocation_list_applies_to_a_cached_certificate() {
    let Some(ring) = Ring::enter("revoked", 18) else { return };
    let of_pki = |name: &str| ring.directory().join("pki").join(name);
    let (list, signer) = (of_pki("crl.pem"), of_pki("crl-signer.pem"));
    let policy = format!("crl = \"{}\"\ncrl_anchors = \"{}\"", list.display(), signer.display());
    let path = Path::build(&ring, &policy, |_, _| {});
    let call = || {
        let (_caller, callee, _reports) = path.call("caller_hangs_up", "callee_answers", 1, 1);
        callee.requests("INVITE").first().and_then(verstat)
    };
    assert_eq!(call().as_deref(), Some("TN-Validation-Passed"));
    std::fs::copy(of_pki("crl-revoking-leaf.pem"), &list).expect("the list can be replaced");
    until(LIMIT, "the new list revokes the leaf", || {
        (call().as_deref() == Some("TN-Validation-Failed")).then_some(())
    });
    let metrics = path.verifying.metrics();
    let revoked = ["verdict=\"fail\"", "reason=\"certificate-revoked\""];
    assert!(metrics.sum("attesta_identity_verdicts_total", &revoked) >= 1.0);
    assert_eq!(path.repository.requests(), 1, "nothing was fetched for it");
}

#[test]
fn a_signature_of_another_program_is_verified() {
    let Some(ring) = Ring::enter("foreign", 40) else { return };
    let pki = Pki::new(&ring, "pki");
    let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
    let there = ring.free(3);
    let config = configuration::verifying(&ring, 1, &pki, &repository, ring.host(2), there, "");
    let edge = Edge::start(&ring, "verifying", 1, &config);
    let (numbers, fields) = (("+12155550111", "+12025550143"), ring.directory().join("fields.csv"));
    sign_identities(&pki.key(), &repository.x5u(), numbers, FOREIGN, &fields);
    let mut callee = Sipp::callee("callee_answers", there).calls(FOREIGN, 10).start(&ring);
    let mut caller = Sipp::caller("caller_brings_identity", ring.free(2), edge.udp())
        .numbers(numbers.0, numbers.1)
        .fields(fields)
        .calls(FOREIGN, 10)
        .start(&ring);
    for report in [caller.finish(LIMIT), callee.finish(LIMIT)] {
        report.assert_successful();
    }
    let invites = callee.requests("INVITE");
    assert_eq!(invites.len(), FOREIGN as usize);
    for invite in &invites {
        assert_eq!(verstat(invite).as_deref(), Some("TN-Validation-Passed"), "{}", invite.text);
    }
    let passed = edge.metrics().sum("attesta_identity_verdicts_total", &["verdict=\"pass\""]);
    assert_eq!(passed, f64::from(FOREIGN));
}

/// Caller, signing edge, relay, verifying edge, callee.
struct Path<'a> {
    ring: &'a Ring,
    repository: Repository,
    signing: Edge,
    relay: Relay,
    verifying: Edge,
    there: std::net::SocketAddr,
}

impl<'a> Path<'a> {
    fn build(ring: &'a Ring, policy: &str, edit: impl FnMut(Way, &mut [u8]) + Send + 'static) -> Self {
        let pki = Pki::new(ring, "pki");
        let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
        let there = ring.free(3);
        let between = UdpSocket::bind((ring.host(5), 0)).expect("a loopback address can be bound");
        let crossing = between.local_addr().expect("a bound socket has an address");
        let config = configuration::verifying(ring, 6, &pki, &repository, ring.host(5), there, policy);
        // Within a dialog, the signing edge sends directly to the Contact of the verifying edge. These messages do not pass the
        // relay.
        let verifying = Edge::start(ring, "verifying", 6, &config);
        let relay = Relay::start(between, verifying.udp(), edit);
        let config = configuration::signing(ring, 1, &pki, &repository, ring.host(2), crossing);
        let signing = Edge::start(ring, "signing", 1, &config);
        Self { ring, repository, signing, relay, verifying, there }
    }

    fn call(
        &self,
        from: &'static str,
        to: &'static str,
        calls: u32,
        rate: u32,
    ) -> (SippParty, SippParty, [Report; 2]) {
        let mut callee = Sipp::callee(to, self.there).calls(calls, rate).start(self.ring);
        let mut caller = Sipp::caller(from, self.ring.free(2), self.signing.udp())
            .calls(calls, rate)
            .pause(Duration::from_millis(100))
            .start(self.ring);
        let reports = [caller.finish(LIMIT), callee.finish(LIMIT)];
        (caller, callee, reports)
    }
}

/// Changes one character of the signature in an INVITE's Identity header field.
fn change_the_signature(way: Way, datagram: &mut [u8]) {
    if way != Way::Onward || !datagram.starts_with(b"INVITE ") {
        return;
    }
    let text = String::from_utf8_lossy(datagram).into_owned();
    let Some(identity) = text.find("\r\nIdentity:") else { return };
    let rest = &text[identity..];
    let signature = rest.match_indices('.').nth(1).map(|(dot, _)| identity + dot + 1);
    let Some(octet) = signature.and_then(|at| datagram.get_mut(at + 10)) else { return };
    *octet = if *octet == b'A' { b'B' } else { b'A' };
}

/// Returns the verstat parameter of P-Asserted-Identity, or of From. The parameter is before the `@` (3GPP TS 24.229 section
/// 7.2A.20).
fn verstat(invite: &Seen) -> Option<String> {
    let value = invite
        .headers("P-Asserted-Identity")
        .chain(invite.headers("From"))
        .find(|value| value.contains("verstat="))?;
    let before_host = value.split('@').next()?;
    let (_, parameter) = before_host.split_once(";verstat=")?;
    Some(parameter.split([';', '>', ',']).next()?.to_owned())
}

fn is_reason_438(line: &str) -> bool {
    let line = line.replace(' ', "").to_ascii_lowercase();
    line.starts_with("reason:") && line.contains("stir;") && line.contains("cause=438")
}

const LIMIT: Duration = Duration::from_secs(60);
/// The number of calls. Python's cryptography signs half of them, and the openssl command signs the other half.
const FOREIGN: u32 = 20;
