//! The shutdown of a switchboard. The switchboard first accepts no new calls, and then ends the remaining calls.

use crate::call::input::CallInput;
use crate::message::MessageInput;
use crate::now::Now;
use crate::policy::Policy;
use crate::switchboard::Switchboard;
use crate::switchboard::service::ServiceState;

impl<P: Policy> Switchboard<P> {
    /// True if there is no call and no MESSAGE.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls_in_progress() + self.messages.len() == 0
    }

    /// True if no message to a peer is outstanding: there is no call and no dialog, and each transaction has its final
    /// response. The transactions that remain only absorb late messages.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let transactions = self.shared.endpoint.counters();
        let live = transactions.live_clients + transactions.live_servers;
        self.is_empty() && self.closing.len() == 0 && live == transactions.absorbing
    }

    /// Starts to accept only emergency calls and MESSAGEs to emergency services. A closed switchboard stays closed.
    pub(super) fn drain(&mut self) {
        if self.service == ServiceState::Open {
            self.service = ServiceState::Draining;
        }
    }

    /// Ends all calls, and all MESSAGEs that were not relayed yet.
    pub(super) fn hang_up_all(&mut self, now: Now) {
        self.service = ServiceState::Closed;
        let calls: Vec<_> = self.calls.keys().collect();
        for key in calls {
            self.with_call(now, key, |call, env| call.handle(CallInput::ShutDown, env));
        }
        let messages: Vec<_> = self.messages.keys().collect();
        for key in messages {
            self.with_message(now, key, |message, env| message.handle(MessageInput::ShutDown, env));
        }
    }
}
