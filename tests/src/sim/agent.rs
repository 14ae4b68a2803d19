//! A scripted user agent: the transaction layer under test, with a user that follows the test's instructions.

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

/// A handle to a scripted user agent. Clones are handles to the same agent.
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

    /// Returns the address of the agent.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the address to which the agent sends its requests.
    pub fn faces(&self, next_hop: SocketAddr) {
        self.user.borrow_mut().faces(next_hop);
    }

    /// Sets the transport of the agent's requests.
    pub fn speaks(&self, transport: Transport) {
        self.user.borrow_mut().speaks(transport);
    }

    /// Sets the agent's URI in From and Contact, as a whole URI.
    pub fn is_known_as(&self, uri: &str) {
        self.user.borrow_mut().own_uri = uri.to_owned();
    }

    /// Sets the URI of the agent's next calls.
    pub fn dials(&self, uri: &str) {
        self.user.borrow_mut().peer_uri = uri.to_owned();
    }

    /// Restarts the agent with these timers and caps. The agent loses all state.
    pub fn is_configured(&self, config: Config) {
        self.user.borrow_mut().start_again(config);
    }

    /// From now on the agent sends no ACK for a 2xx.
    pub fn acknowledges_nothing(&self) {
        self.user.borrow_mut().acknowledges = false;
    }

    /// Sends a request, or responds to the last request without a final response.
    ///
    /// An INVITE starts a call. BYE ends the call, and CANCEL gives up its INVITE. If the agent has a call or an early dialog,
    /// other requests belong to it. A further INVITE is then a re-INVITE. A PRACK acknowledges the last reliable provisional
    /// response.
    ///
    /// The agent repeats a 2xx to an INVITE until its ACK arrives (RFC 3261 section 13.3.1.4). The agent acknowledges a
    /// received 2xx (section 13.2.2.4). If the agent [acknowledges nothing](Self::acknowledges_nothing), the test sends the
    /// ACK.
    pub fn sends(&self, message: impl Into<Outgoing>) {
        self.user.borrow_mut().say(self.net.now(), &message.into());
        self.net.wakes(self.address);
    }

    /// Sends a request that the test has built. The agent adds only the Via.
    pub fn sends_request(&self, request: Request) {
        self.user.borrow_mut().request(self.net.now(), request);
        self.net.wakes(self.address);
    }

    /// Waits until the user receives `expected`. Other provisional responses are ignored, because their number depends on
    /// chance. An ACK counts whether it belongs to the user or to the transaction.
    ///
    /// # Panics
    ///
    /// If the user receives something else, or nothing within 64 T1 and a short margin.
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

    /// Whether the user's next unread message is `expected`, and has arrived already.
    #[must_use]
    pub fn has_heard(&self, expected: impl Into<Heard>) -> bool {
        self.user.borrow().inbox.front() == Some(&expected.into())
    }

    /// Lets the remaining time pass, and checks that the user receives nothing except provisional responses.
    ///
    /// # Panics
    ///
    /// If the user receives something.
    pub fn hears_no_more(&self) {
        self.net.settles();
        let rest = self.user.borrow().inbox.iter().find(|heard| !heard.is_provisional()).cloned();
        assert_eq!(rest, None, "{} also hears this:\n{}", self.name, self.net.ladder());
    }

    /// Returns the last request that the user received.
    ///
    /// # Panics
    ///
    /// If the user received no request.
    #[must_use]
    pub fn last_request(&self) -> Request {
        self.user.borrow().last_request.clone().expect("the test has seen a request arrive")
    }

    /// Returns the last response that the user received.
    ///
    /// # Panics
    ///
    /// If the user received no response.
    #[must_use]
    pub fn last_response(&self) -> Response {
        self.user.borrow().last_response.clone().expect("the test has seen a response arrive")
    }

    /// Returns the counters of the agent's endpoint.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.user.borrow().endpoint.counters()
    }
}

/// 64 T1, plus the time in which the last message arrives.
const PATIENCE: Duration = Duration::from_secs(40);
