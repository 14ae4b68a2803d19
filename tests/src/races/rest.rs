//! What holds after a race.

use std::time::Duration;

use super::world::{MOST, Who, World};
use crate::phone::{Action, Line, Phone, Side, Stage};
use crate::sim::Node;

impl World {
    /// Nothing is held back any longer, and everything comes to rest: gives whether the call is up.
    pub(super) fn comes_to_rest(&mut self) -> Result<bool, String> {
        self.says(format_args!("nothing is held back"));
        // More than once, since the INVITE may still be on its way to the callee.
        for span in [SOON, SOON, REST] {
            let now = self.now;
            self.caller.lets_go(now);
            self.polls(Who::Caller);
            if self.gone.is_none() {
                self.callee.lets_go(now);
                self.polls(Who::Callee);
            }
            self.runs_for(span)?;
        }
        let live = self.edge.counters().calls_live;
        let caller = is_up(&self.caller);
        // Where the callee is gone, the caller may still hear it ring.
        let rings =
            self.gone.is_some() && self.caller.lines().values().any(|line| line.stage == Stage::Early);
        if u64::from(caller.is_some() || rings) != live {
            return Err(format!("the caller's call is {}, the edge has {live}", word(caller.is_some())));
        }
        if self.gone.is_none() {
            let callee = is_up(&self.callee);
            if caller.is_some() != callee.is_some() {
                let (caller, callee) = (word(caller.is_some()), word(callee.is_some()));
                return Err(format!("the caller's call is {caller}, the callee's {callee}"));
            }
            if let (Some(caller), Some(callee)) = (caller, callee) {
                agree(caller, callee)?;
            }
        }
        Ok(caller.is_some())
    }

    /// The call ends, and nothing is left.
    pub(super) fn ends(&mut self) -> Result<(), String> {
        self.says(format_args!("the call ends"));
        let _ = self.acts(Side::Caller, Action::Bye) || self.acts(Side::Caller, Action::Cancel);
        self.runs_for(HOUR)?;
        let counters = self.edge.counters();
        let gauges = (counters.calls_live, counters.dialogs_live, counters.transactions_live);
        if gauges != (0, 0, 0) || !self.edge.is_at_rest() {
            return Err(format!("calls, dialogs and transactions are left at the edge: {gauges:?}"));
        }
        let ended: u64 = counters.ended().map(|(_, count)| count).sum();
        if ended != counters.calls {
            return Err(format!("{} calls began at the edge and {ended} ended", counters.calls));
        }
        // No ACK of a callee that is gone, and no answer for it but to INVITE and BYE (RFC 4320 section 4.2).
        let excused = |trouble: &&String| {
            let ack = trouble.contains("no ACK of a 2xx");
            let request = trouble.contains("got no response")
                && !["INVITE", "BYE"].iter().any(|method| trouble.contains(method));
            self.gone.is_some() && (ack || request)
        };
        if let Some(trouble) = self.caller.troubles.iter().find(|trouble| !excused(trouble)) {
            return Err(trouble.clone());
        }
        if self.gone.is_none() {
            // A later request has overtaken a PRACK, which gets 500 (RFC 3261 section 12.2.2). The callee gives the call up.
            let is_overtaken = self.caller.statuses.contains_key(&("PRACK".to_owned(), 500));
            let excused = |trouble: &&String| is_overtaken && trouble.ends_with("no PRACK");
            if let Some(trouble) = self.callee.troubles.iter().find(|trouble| !excused(trouble)) {
                return Err(trouble.clone());
            }
            if !self.callee.is_idle() || !self.callee.lines().is_empty() {
                return Err("the callee has something left".to_owned());
            }
        }
        if !self.caller.is_idle() || !self.caller.lines().is_empty() {
            return Err("the caller has something left".to_owned());
        }
        Ok(())
    }

    fn runs_for(&mut self, span: Duration) -> Result<(), String> {
        let end = self.now + span;
        for _ in 0..MOST {
            if !self.settles() {
                return Err("messages go round and round".to_owned());
            }
            if !self.next_timer_before(Some(end)) {
                self.now = end;
                return Ok(());
            }
        }
        Err("timers fire for ever".to_owned())
    }
}

/// The call of a phone that is up.
fn is_up(phone: &Phone) -> Option<&Line> {
    phone.lines().values().find(|line| matches!(line.stage, Stage::Up | Stage::Answered))
}

fn agree(caller: &Line, callee: &Line) -> Result<(), String> {
    if caller.is_pending() || callee.is_pending() {
        return Err("an INVITE or an offer is still open".to_owned());
    }
    let same = match (caller.session(), callee.session()) {
        (Some((one, other)), Some((local, remote))) => one == remote && other == local,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if same {
        return Ok(());
    }
    let show = |line: &Line| {
        line.session().map_or_else(String::new, |(local, remote)| {
            let origin = |text: &bytes::Bytes| {
                String::from_utf8_lossy(text).lines().find(|line| line.starts_with("o=")).map(str::to_owned)
            };
            format!("{:?} {:?}", origin(local), origin(remote))
        })
    };
    Err(format!("the sessions differ: {} and {}", show(caller), show(callee)))
}

const fn word(up: bool) -> &'static str {
    if up { "up" } else { "over" }
}

/// Longer than it takes to send a lost message again.
const SOON: Duration = Duration::from_secs(2);
/// Longer than 64 T1 and what follows it.
const REST: Duration = Duration::from_secs(80);
/// Longer than what an ended call leaves behind.
const HOUR: Duration = Duration::from_secs(3_600);
