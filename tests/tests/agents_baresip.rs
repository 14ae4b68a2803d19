//! Calls between user agents that share no code with us: baresip on both sides of the edge.

use std::time::Duration;

use attesta_tests::ring::{Baresip, Edge, Ring, until};

/// Three user agents, each on a trunk with a number of its own.
struct Scene {
    alice: Baresip,
    bob: Baresip,
    carol: Baresip,
    edge: Edge,
    _ring: Ring,
}

impl Scene {
    fn new(test: &str, subnet: u8, transport: &str, bob: &str) -> Option<Self> {
        let ring = Ring::enter(test, subnet)?;
        if !Baresip::is_installed(test) {
            return None;
        }
        let alice = Baresip::start(&ring, "alice", ALICE, 2, "");
        let bob = Baresip::start(&ring, "bob", BOB, 3, bob);
        let carol = Baresip::start(&ring, "carol", CAROL, 4, ";answermode=auto");
        let mut config =
            format!("[[listen]]\naddress = \"{}:0\"\ntransport = \"{transport}\"\n", ring.host(1));
        for (agent, name, number) in [(&alice, "alice", ALICE), (&bob, "bob", BOB), (&carol, "carol", CAROL)]
        {
            let address = agent.address();
            // baresip does not bind its TCP connections to its own address. Only Alice opens connections.
            let loopback = if transport == "tcp" && name == "alice" { ", \"127.0.0.1\"" } else { "" };
            config += &format!(
                "[[trunk]]\nname = \"{name}\"\nsources = [\"{ip}\"{loopback}]\ninbound_identity = \"pass\"\n\
                 outbound_identity = \"pass\"\ntargets = [\"sip:{address};transport={transport}\"]\n\
                 [[route]]\nnumber = \"{number}\"\nto = \"{name}\"\n",
                ip = address.ip(),
            );
        }
        let edge = Edge::start(&ring, "edge", 1, &config);
        Some(Self { alice, bob, carol, edge, _ring: ring })
    }

    fn uri(&self, number: &str, transport: &str) -> String {
        format!("sip:{number}@{};transport={transport}", self.edge.address(transport))
    }
}

#[test]
fn early_media_hold_and_resume_over_udp() {
    early_media_hold_and_resume("baresip-hold-udp", 103, "udp");
}

#[test]
fn early_media_hold_and_resume_over_tcp() {
    early_media_hold_and_resume("baresip-hold-tcp", 104, "tcp");
}

fn early_media_hold_and_resume(test: &str, subnet: u8, transport: &str) {
    let Some(mut scene) = Scene::new(test, subnet, transport, ";answermode=early") else { return };
    let uri = scene.uri(BOB, transport);
    scene.alice.does("dial", &uri);
    scene.alice.waits_for("CALL_PROGRESS");
    until(LIMIT, "the callee hears the caller before it answers", || {
        (scene.bob.packets().1 >= SOME).then_some(())
    });
    scene.bob.does("accept", "");
    scene.alice.waits_for("CALL_ESTABLISHED");
    scene.bob.waits_for("CALL_ESTABLISHED");
    scene.alice.talks(SOME);
    scene.bob.talks(SOME);
    for holds in ["alice", "bob"] {
        let (holder, held) = match holds {
            "alice" => (&mut scene.alice, &mut scene.bob),
            _ => (&mut scene.bob, &mut scene.alice),
        };
        holder.does("hold", "");
        holder.has_direction("sendonly");
        held.has_direction("recvonly");
        holder.does("resume", "");
        held.has_direction("sendrecv");
        holder.talks(SOME);
        held.talks(SOME);
    }
    scene.bob.does("hangup", "");
    scene.alice.waits_for("CALL_CLOSED");
    scene.edge.wait_until_no_calls(LIMIT);
}

#[test]
fn the_caller_transfers_the_callee() {
    let Some(mut scene) = Scene::new("baresip-transfer", 105, "udp", ";answermode=auto") else { return };
    let (bob, carol) = (scene.uri(BOB, "udp"), scene.uri(CAROL, "udp"));
    scene.alice.does("dial", &bob);
    scene.alice.waits_for("CALL_ESTABLISHED");
    scene.bob.talks(SOME);
    scene.alice.does("transfer", &carol);
    scene.carol.waits_for("CALL_ESTABLISHED");
    scene.alice.waits_for("CALL_CLOSED");
    scene.carol.talks(SOME);
    until(LIMIT, "one call is left", || (scene.edge.metrics().live()[0] == 1.0).then_some(()));
    scene.carol.does("hangup", "");
    scene.edge.wait_until_no_calls(LIMIT);
}

#[test]
fn the_callee_transfers_the_caller() {
    let Some(mut scene) = Scene::new("baresip-transfer-back", 106, "tcp", ";answermode=auto") else { return };
    let (bob, carol) = (scene.uri(BOB, "tcp"), scene.uri(CAROL, "tcp"));
    scene.alice.does("dial", &bob);
    scene.bob.waits_for("CALL_ESTABLISHED");
    scene.alice.talks(SOME);
    scene.bob.does("transfer", &carol);
    scene.carol.waits_for("CALL_ESTABLISHED");
    scene.bob.waits_for("CALL_CLOSED");
    scene.carol.talks(SOME);
    until(LIMIT, "one call is left", || (scene.edge.metrics().live()[0] == 1.0).then_some(()));
    scene.carol.does("hangup", "");
    scene.edge.wait_until_no_calls(LIMIT);
}

const ALICE: &str = "+12155550001";
const BOB: &str = "+12155550002";
const CAROL: &str = "+12155550003";
/// Audio packets, 20 ms each.
const SOME: u64 = 20;
const LIMIT: Duration = Duration::from_secs(30);
