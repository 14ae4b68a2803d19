//! Random transactions on a network that loses, doubles, delays and reorders messages.
//!
//! A caller sends INVITE, OPTIONS and MESSAGE requests and cancels some. An answerer answers at random, or not at all. At the
//! end of each transaction the storm checks that the transaction ends by the timer and in the state that the RFCs define.
//! For each timer that fires, the storm checks that the timer has an effect.

mod answerer;
mod caller;
mod subject;
mod tally;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use attesta_transaction::Seed;

use crate::sim::{Conditions, Network};
use answerer::Answerer;
use caller::Caller;
pub use tally::{End, Tally};

/// One run.
pub struct Storm {
    /// The network, so that a test can make it worse. Its nodes are called `caller` and `answerer`.
    pub net: Network,
    transactions: usize,
    caller: Rc<RefCell<Caller>>,
    answerer: Rc<RefCell<Answerer>>,
}

impl Storm {
    /// Returns a storm with this many requests within 20 s. The network has 20 % loss, 10 % duplication and up to 2 s of delay.
    #[must_use]
    pub fn new(seed: u64, transactions: usize) -> Self {
        let net = Network::new(seed);
        net.keeps_the_last(RUNGS);
        net.suffers(Conditions {
            loss: 20,
            duplication: 10,
            delay: Duration::from_millis(1)..Duration::from_secs(2),
        });
        let (from, to) = (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        let caller = Rc::new(RefCell::new(Caller::new(seed, transactions, net.now(), from, to)));
        let answerer = Rc::new(RefCell::new(Answerer::new(seed)));
        net.seat("caller", from, Rc::clone(&caller) as Rc<RefCell<_>>);
        net.seat("answerer", to, Rc::clone(&answerer) as Rc<RefCell<_>>);
        net.wakes(from);
        Self { net, transactions, caller, answerer }
    }

    /// Runs until no message is under way and no timer is set. Returns how the transactions ended.
    ///
    /// # Panics
    ///
    /// If a transaction did not end, did not end as the RFCs say, or left state behind.
    #[must_use]
    pub fn run(&self) -> Tally {
        self.net.settles();
        let (mut caller, answerer) = (self.caller.borrow_mut(), self.answerer.borrow());
        let mut tally = Tally { runs: 1, simulated: self.net.elapsed(), ..Tally::default() };
        tally.add(&caller.tally());
        tally.add(&answerer.tally());
        tally.traffic = self.net.traffic();
        let begun = tally.begun();
        assert_eq!(begun, self.transactions as u64, "some requests never left");
        tally
    }
}

/// The seed of one node of a run.
fn seed_of(seed: u64, node: u8) -> Seed {
    let mut octets = [node; 32];
    octets.iter_mut().zip(seed.to_be_bytes()).for_each(|(slot, octet)| *slot = octet);
    Seed::new(octets)
}

/// The number of ladder lines that are kept and printed if the run fails.
const RUNGS: usize = 200;
