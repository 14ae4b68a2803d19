//! The network of the demonstration: two edges, two telephones and a relay between the edges.

use std::net::{Ipv4Addr, SocketAddr};

use attesta::{
    Builder, Edge, Ephemeral, InboundIdentity, Listen, Numbers, OutboundIdentity, Route, RouteTo, Source,
    Target, Trunk, VerifyPolicy,
};
use attesta_net::Clock;
use attesta_sip::Request;
use attesta_transaction::SentBy;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::call::PlacedCall;
use super::ladder::{CapturedDatagram, Party};
use super::phone::Phone;
use super::relay::Relay;
use crate::fault::Fault;

/// The elements of the demonstration. Dropping this value stops them.
pub(super) struct DemoNetwork {
    caller: Phone,
    signing_edge: SocketAddr,
    datagrams: mpsc::UnboundedReceiver<CapturedDatagram>,
    invites: mpsc::UnboundedReceiver<Request>,
    /// Serves the certificate of the signing edge.
    _ephemeral: Ephemeral,
    /// The tasks of the edges, the relay and the callee.
    _tasks: JoinSet<()>,
}

impl DemoNetwork {
    pub(super) async fn start() -> Result<Self, Fault> {
        let (captures, datagrams) = mpsc::unbounded_channel();
        let (invited, invites) = mpsc::unbounded_channel();
        let ephemeral = Ephemeral::start().await.map_err(|error| broken(&error))?;
        let relay = Relay::bind().await.map_err(|error| broken(&error))?;
        let caller = phone(Party::Caller, Party::SigningEdge, &captures).await?;
        let callee = phone(Party::Callee, Party::VerifyingEdge, &captures).await?;

        let signing = signing_edge(&ephemeral, &caller, &relay)?.build().map_err(|error| broken(&error))?;
        let verifying =
            verifying_edge(&ephemeral, &callee, &relay)?.build().map_err(|error| broken(&error))?;
        let (outside, inside) = (address(&signing, 0)?, address(&signing, 1)?);
        let far = address(&verifying, 0)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(relay.carry(inside, far, captures).await) });
        tasks.spawn(async move { drop(callee.answer(invited).await) });
        tasks.spawn(async move { drop(signing.run().await) });
        tasks.spawn(async move { drop(verifying.run().await) });
        Ok(Self { caller, signing_edge: outside, datagrams, invites, _ephemeral: ephemeral, _tasks: tasks })
    }

    /// Places one call and waits for its end. Each call has its own numbers.
    pub(super) async fn place_call(&mut self, number: u32) -> PlacedCall {
        let (caller, callee) =
            (format!("+1215555{:04}", number % 10_000), format!("+1202555{:04}", 100 + number % 100));
        let start = Clock::mono();
        let set_up = self.caller.call(self.signing_edge, &caller, &callee).await;
        let lasted = Clock::mono().saturating_duration_since(start);
        // The callee puts the INVITE into the channel before it answers. So the channel contains the INVITE of an answered
        // call.
        let invite = timeout(WAIT, self.invites.recv()).await.ok().flatten().filter(|_| set_up.is_ok());
        let mut datagrams = self.datagrams_of_a_call(set_up.is_ok()).await;
        datagrams.sort_by_key(|datagram| datagram.at);
        PlacedCall::new(set_up, lasted, invite, datagrams)
    }
}

impl DemoNetwork {
    /// Returns the datagrams of a call. If the call was answered, first waits for the final response to the BYE on each hop.
    async fn datagrams_of_a_call(&mut self, answered: bool) -> Vec<CapturedDatagram> {
        let mut datagrams = Vec::new();
        let mut hops_left = if answered { HOPS } else { 0 };
        let waiting = async {
            while hops_left > 0 {
                let Some(datagram) = self.datagrams.recv().await else { break };
                hops_left -= usize::from(datagram.ends_a_hop());
                datagrams.push(datagram);
            }
        };
        // The ladder does not show datagrams that arrive later.
        let _ = timeout(WAIT, waiting).await;
        datagrams.extend(std::iter::from_fn(|| self.datagrams.try_recv().ok()));
        datagrams
    }
}

/// Describes the signing edge: it signs calls from the caller and sends them to the relay.
fn signing_edge(ephemeral: &Ephemeral, caller: &Phone, relay: &Relay) -> Result<Builder, Fault> {
    let signer = ephemeral.signer().map_err(|error| broken(&error))?;
    let caller = Trunk::new("caller")
        .source(Source::Socket(caller.local()))
        .numbers(Numbers::any())
        .vouched_by("throw-away")
        .inbound_identity(InboundIdentity::Strip);
    let far_edge = Trunk::new("verifying-edge")
        .source(Source::Socket(relay.signing_side))
        .target(target(relay.signing_side)?)
        .listener("inside")
        .inbound_identity(InboundIdentity::Strip);
    Ok(Edge::builder()
        .listen(Listen::udp(ANY_PORT).name("outside"))
        .listen(Listen::udp(ANY_PORT).name("inside").advertise(SentBy::from(relay.verifying_side)))
        .trunk(caller)
        .trunk(far_edge)
        .route(Route::new(RouteTo::Trunks(vec!["verifying-edge".into()])))
        .sign_with("throw-away", signer)
        .fetch(ephemeral.fetch_config()))
}

/// Describes the verifying edge: it verifies calls from the relay and sends them to the callee.
fn verifying_edge(ephemeral: &Ephemeral, callee: &Phone, relay: &Relay) -> Result<Builder, Fault> {
    let anchors = ephemeral.anchors().map_err(|error| broken(&error))?;
    let near_edge =
        Trunk::new("signing-edge").source(Source::Socket(relay.verifying_side)).listener("outside");
    let callee = Trunk::new("callee")
        .source(Source::Socket(callee.local()))
        .target(target(callee.local())?)
        .listener("inside")
        .inbound_identity(InboundIdentity::Strip)
        .outbound_identity(OutboundIdentity::Pass);
    Ok(Edge::builder()
        .listen(Listen::udp(ANY_PORT).name("outside").advertise(SentBy::from(relay.signing_side)))
        .listen(Listen::udp(ANY_PORT).name("inside"))
        .trunk(near_edge)
        .trunk(callee)
        .route(Route::new(RouteTo::Trunks(vec!["callee".into()])))
        .verify("default", anchors, VerifyPolicy::default().ports(ephemeral.ports()))
        .budget(BUDGET)
        .fetch(ephemeral.fetch_config()))
}

async fn phone(
    party: Party,
    peer: Party,
    captures: &mpsc::UnboundedSender<CapturedDatagram>,
) -> Result<Phone, Fault> {
    Phone::bind(party, peer, captures.clone()).await.map_err(|error| broken(&error))
}

fn target(address: SocketAddr) -> Result<Target, Fault> {
    Target::of(format!("sip:{address};transport=udp").as_bytes())
        .ok_or_else(|| Fault::new("the demonstration has an invalid target"))
}

/// Returns the address of a listener by its index.
fn address(edge: &Edge, place: usize) -> Result<SocketAddr, Fault> {
    edge.listeners()
        .get(place)
        .map(|(_, address)| *address)
        .ok_or_else(|| Fault::new("a listener of the demonstration is missing"))
}

fn broken(error: &dyn std::error::Error) -> Fault {
    Fault::new(format!("the demonstration cannot start: {error}"))
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// The longest time that a call waits for the certificate. The time is long enough for a busy machine.
const BUDGET: Duration = Duration::from_secs(2);
/// The number of hops: caller to edge, edge to edge, edge to callee.
const HOPS: usize = 3;
/// The longest time to wait for the INVITE, and for the last datagrams, of a call that has ended.
const WAIT: Duration = Duration::from_secs(1);
