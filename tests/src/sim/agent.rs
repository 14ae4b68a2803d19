//! A scripted user agent: the transaction layer under test, and above it a user that does what the test says.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use attesta_sip::{Request, Response};
use attesta_transaction::{Config, Counters, Transport};

use super::message::{ACK, Heard};
use super::network::Network;
use super::user::User;
use super::wording::Outgoing;

/// A handle to a scripted user agent. Its clones are the same agent.
#[derive(Clone)]
pub struct Agent {
    net: Network,
    user: Rc<RefCell<User>>,
    name: String,
    address: SocketAddr,
}

impl Agent {
    pub(super) fn new(net: Network, name: &str, address: SocketAddr, seed: u64) -> Self {
        let user = Rc::new(RefCell::new(User::new(name, address, seed, Config::default())));
        net.seat(name, address, Rc::clone(&user) as Rc<RefCell<_>>);
        Self { net, user, name: name.to_owned(), address }
    }

    /// Where the agent sits.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The agent sends its requests to this address.
    pub fn faces(&self, next_hop: SocketAddr) {
        self.user.borrow_mut().faces(next_hop);
    }

    /// The agent sends its requests by this transport.
    pub fn speaks(&self, transport: Transport) {
        self.user.borrow_mut().speaks(transport);
    }

    /// The agent calls itself so, in From and Contact: a whole URI.
    pub fn is_known_as(&self, uri: &str) {
        self.user.borrow_mut().own_uri = uri.to_owned();
    }

    /// The agent's next calls are to this URI.
    pub fn dials(&self, uri: &str) {
        self.user.borrow_mut().peer_uri = uri.to_owned();
    }

    /// The agent starts again with these timers and caps, and has forgotten everything.
    pub fn is_configured(&self, config: Config) {
        self.user.borrow_mut().start_again(config);
    }

    /// The agent acknowledges no 2xx from now on.
    pub fn acknowledges_nothing(&self) {
        self.user.borrow_mut().acknowledges = false;
    }

    /// Sends a request, or answers the last request that waits for an answer.
    ///
    /// An INVITE starts a call, BYE ends it, CANCEL gives up its INVITE. While the agent has a call, or an early dialog, other
    /// requests belong to it; a further INVITE is a re-INVITE. A PRACK acknowledges the reliable provisional response that
    /// came last. A 2xx to an INVITE is repeated until its ACK; a 2xx that arrives is acknowledged (RFC 3261 sections 13.3.1.4
    /// and 13.2.2.4), by the test's own ACK if the agent [acknowledges nothing](Self::acknowledges_nothing).
    pub fn sends(&self, message: impl Into<Outgoing>) {
        self.user.borrow_mut().say(self.net.now(), &message.into());
        self.net.wakes(self.address);
    }

    /// Sends a request that the test has built. The agent adds the Via.
    pub fn sends_request(&self, request: Request) {
        self.user.borrow_mut().request(self.net.now(), request);
        self.net.wakes(self.address);
    }

    /// Waits until the user hears something, which must be this. Other provisional responses are passed over, since these
    /// come as often as chance has it; an ACK is heard whether it is the user's or the transaction's.
    ///
    /// # Panics
    ///
    /// If it is something else, or nothing in 64 T1 and a little more.
    pub fn gets(&self, expected: impl Into<Heard>) {
        let expected = expected.into();
        if expected == Heard::Said(ACK) {
            let heard = self.net.run_until(PATIENCE, || self.user.borrow().acks > 0);
            assert!(heard, "{} waits for an ACK:\n{}", self.name, self.net.ladder());
            self.user.borrow_mut().acks -= 1;
            return;
        }
        loop {
            let heard = self.net.run_until(PATIENCE, || !self.user.borrow().inbox.is_empty());
            assert!(heard, "{} waits for {expected}:\n{}", self.name, self.net.ladder());
            let Some(heard) = self.user.borrow_mut().inbox.pop_front() else { continue };
            if heard == expected || !heard.is_provisional() {
                assert_eq!(heard, expected, "{} hears something else:\n{}", self.name, self.net.ladder());
                return;
            }
        }
    }

    /// Whether the next thing that the user hears is this, and has arrived already.
    #[must_use]
    pub fn has_heard(&self, expected: impl Into<Heard>) -> bool {
        self.user.borrow().inbox.front() == Some(&expected.into())
    }

    /// Lets the rest of the time pass, and checks that the user hears nothing more, provisional responses apart.
    ///
    /// # Panics
    ///
    /// If it does.
    pub fn hears_no_more(&self) {
        self.net.settles();
        let rest = self.user.borrow().inbox.iter().find(|heard| !heard.is_provisional()).cloned();
        assert_eq!(rest, None, "{} also hears this:\n{}", self.name, self.net.ladder());
    }

    /// The last request that the user was given.
    ///
    /// # Panics
    ///
    /// If there was none.
    #[must_use]
    pub fn last_request(&self) -> Request {
        self.user.borrow().last_request.clone().expect("the test has seen a request arrive")
    }

    /// The last response that the user was given.
    ///
    /// # Panics
    ///
    /// If there was none.
    #[must_use]
    pub fn last_response(&self) -> Response {
        self.user.borrow().last_response.clone().expect("the test has seen a response arrive")
    }

    /// What the agent's endpoint counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.user.borrow().endpoint.counters()
    }
}

/// 64 T1, and time for what was sent last to arrive.
const PATIENCE: Duration = Duration::from_secs(40);
