//! The wait of one turn of the loop.

use attesta_b2bua::Policy;

use crate::driver::Driver;
use crate::driver::wake::{Wake, arrivals, changed, has_room, next_handovers, room};

impl<P: Policy> Driver<P> {
    /// Waits for the next event. Commands have priority, because they are rare. Due timers have priority over arrivals.
    pub(super) async fn wait(&mut self) -> Wake {
        let blocked =
            self.waiting_handovers.front().and_then(|(to, _)| self.worker_links.as_ref()?.link(*to));
        let (sockets, streams) = (&self.sockets, Some(&mut self.streams).filter(|_| blocked.is_none()));
        let (worker_links, handovers) = (&mut self.worker_links, &mut self.handovers);
        tokio::select! {
            biased;
            Some(command) = self.inbox.recv() => Wake::Command(command),
            () = changed(&mut self.certificates) => Wake::Certificates,
            () = self.alarm.rings() => Wake::Alarm,
            () = room(sockets) => Wake::Room,
            is_open = has_room(blocked.as_ref()) => Wake::LinkRoom { is_open },
            () = arrivals(sockets, streams, next_handovers(worker_links, handovers)) => Wake::Sockets,
        }
    }
}
