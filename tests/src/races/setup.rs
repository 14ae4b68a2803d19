//! What the phones of a race support, and what the edge does for them.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use attesta_b2bua::{Config, InboundIdentity, Listener, OutboundIdentity, Reliable, Route, RouteTo, Trunk};
use attesta_transaction::Transport;

use crate::phone::{Side, Supports};

/// What the phones support.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Both phones support 100rel and session timers, and the edge relays both.
    Relayed,
    /// Neither phone supports 100rel or session timers.
    Plain,
    /// This side alone supports 100rel, and the edge ends it there (`reliable = "local"`).
    ReliableAtEdge(Side),
    /// This side alone supports session timers, and the edge refreshes the session there.
    TimedByEdge(Side),
}

impl Setup {
    /// All setups. A race names them by their place.
    pub const ALL: [Self; 6] = [
        Self::Relayed,
        Self::Plain,
        Self::ReliableAtEdge(Side::Caller),
        Self::ReliableAtEdge(Side::Callee),
        Self::TimedByEdge(Side::Caller),
        Self::TimedByEdge(Side::Callee),
    ];

    /// What the phone of this side supports.
    pub(super) fn supports(self, side: Side) -> Supports {
        match self {
            Self::Relayed => Supports { reliable: true, timers: true, expires: false },
            Self::Plain => Supports { reliable: false, timers: false, expires: false },
            Self::ReliableAtEdge(at) => Supports { reliable: at == side, timers: false, expires: false },
            Self::TimedByEdge(at) => Supports { reliable: true, timers: at == side, expires: at == side },
        }
    }

    /// The configuration of the edge.
    pub(super) fn config(self) -> Arc<Config> {
        static RELAYS: OnceLock<Arc<Config>> = OnceLock::new();
        static ENDS: OnceLock<Arc<Config>> = OnceLock::new();
        let build = |reliable| move || Arc::new(build(reliable));
        match self {
            Self::Relayed | Self::Plain | Self::TimedByEdge(_) => RELAYS.get_or_init(build(Reliable::Relay)),
            Self::ReliableAtEdge(_) => ENDS.get_or_init(build(Reliable::Local)),
        }
        .clone()
    }
}

fn build(reliable: Reliable) -> Config {
    let trunk = |name: &str, at: &str| {
        let trunk = Trunk::new(name).source(at.parse().expect("a source")).reliable(reliable);
        trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
    };
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
        .trunk(trunk("alice", "192.0.2.1"))
        .trunk(trunk("bob", "192.0.2.2").target(format!("sip:{CALLEE}").parse().expect("a target")))
        .route(Route::new(RouteTo::Trunks(vec!["bob".into()])))
        .build()
        .expect("the configuration is sound")
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) const CALLER: &str = "192.0.2.1:5060";
pub(super) const CALLEE: &str = "192.0.2.2:5060";
pub(super) const EDGE: &str = "192.0.2.100:5060";
