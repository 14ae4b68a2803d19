//! Tests of `attesta demo`.

use crate::support::attesta;

#[test]
fn every_call_verifies() {
    let report = attesta(["demo", "--calls", "5", "--json"]).expect(0).json();
    assert_eq!((&report["calls"], &report["verified"]), (&5.into(), &5.into()));
    assert_eq!(report["verdict"], "TN-Validation-Passed");
    assert_eq!(report["passport"]["payload"]["attest"], "A");
    assert_eq!(report["passport"]["header"]["ppt"], "shaken");
}

#[test]
fn the_ladder_shows_every_datagram() {
    let report = attesta(["demo", "--json"]).expect(0).json();
    let ladder = report["ladder"].as_array().unwrap();
    let senders = |message: &str| -> Vec<&str> {
        let rungs = ladder.iter().filter(|rung| rung["message"].as_str().unwrap().starts_with(message));
        let mut parties: Vec<&str> = rungs.map(|rung| rung["from"].as_str().unwrap()).collect();
        parties.sort();
        parties
    };
    assert_eq!(senders("INVITE"), ["caller", "signing edge", "verifying edge"]);
    assert_eq!(senders("200 (INVITE)"), ["callee", "signing edge", "verifying edge"]);
    assert_eq!(senders("ACK"), ["caller", "signing edge", "verifying edge"]);
    assert_eq!(senders("BYE"), ["caller", "signing edge", "verifying edge"]);
    assert_eq!(senders("200 (BYE)"), ["callee", "signing edge", "verifying edge"]);
    let signed: Vec<_> = ladder.iter().filter(|rung| rung["message"] == "INVITE +Identity").collect();
    assert_eq!(signed.len(), 2, "after the signing edge");
}

#[test]
fn people_see_ladder_passport_and_verdict() {
    let text = attesta(["demo"]).expect(0).stdout;
    for part in ["signing edge", "INVITE +Identity", "▶", "attest", "shaken", "TN-Validation-Passed"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
