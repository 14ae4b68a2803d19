//! What holds once everything has come to rest.

use std::collections::VecDeque;
use std::time::Duration;

use super::dialog::{Dialog, Stage};
use super::edge::FIRST_CALLEE;
use super::history::History;
use super::peer::Peer;
use super::shell::MOST_WAKES;

impl History<'_> {
    /// Nobody begins anything new, and everybody answers: then the two sides of each call are compared.
    pub(super) fn rests(&mut self) -> Result<(), String> {
        self.nothing_gets_lost();
        // A BYE may not have left, where nobody said where the peer is.
        if std::mem::take(&mut self.shell.left_in_the_dark) {
            self.calls.iter_mut().for_each(|call| call.uncertain = true);
        }
        let status = self.choices.among(&[200, 200, 486]);
        for second in 0..SECONDS {
            while !self.shell.questions.is_empty() {
                self.shell.answers(0, 0);
            }
            if second == CALLEES_DECIDE {
                self.nobody_rings_in_vain()?;
            }
            let status = status.filter(|_| second >= CALLEES_DECIDE);
            for peer in &mut self.peers {
                peer.comes_to_rest(self.shell.now.mono, status);
            }
            self.carries()?;
            self.passes(Duration::from_secs(1))?;
        }
        self.agrees()
    }

    /// A callee that rings gets a CANCEL when the caller has gone (RFC 3261 section 9.1). No CANCEL is sent if no response of the
    /// callee has arrived.
    fn nobody_rings_in_vain(&self) -> Result<(), String> {
        for (call, state) in self.calls.iter().enumerate().filter(|(_, state)| !state.uncertain) {
            let gone = |peer: &Peer| {
                peer.sent.iter().any(|sent| {
                    sent.call == Some(call)
                        && !sent.to.contains(";tag=")
                        && sent.method == "INVITE"
                        && sent.done.is_some_and(|done| done >= 300)
                })
            };
            let rings = |peer: &Peer| {
                peer.asked.iter().any(|asked| {
                    asked.call == Some(call)
                        && asked.dialog.is_none()
                        && asked.method == "INVITE"
                        && asked.rang
                        && asked.heard
                        && asked.done.is_none()
                        && !asked.cancelled
                })
            };
            let (callers, callees) = self.peers.split_at(FIRST_CALLEE);
            if callers.iter().any(gone) && callees.iter().any(rings) && !state.callee {
                return Err(format!("call {call} rings, though its caller has been refused"));
            }
        }
        Ok(())
    }

    /// The edge holds a 2xx back until the PRACK of a caller (RFC 3262 section 3). A caller that sends none has no call yet.
    fn doubts_calls_without_prack(&mut self) {
        let waits = |dialog: &&Dialog| dialog.stage == Stage::Early && dialog.reliable.is_some();
        let (callers, _) = self.peers.split_at(FIRST_CALLEE);
        let dialogs = callers.iter().flat_map(|peer| peer.dialogs.iter().filter(waits));
        let calls: Vec<_> = dialogs.filter_map(|dialog| dialog.call).collect();
        calls.into_iter().for_each(|call| self.doubts(call));
    }

    fn agrees(&mut self) -> Result<(), String> {
        self.doubts_calls_without_prack();
        let mut held = 0;
        let (callers, callees) = self.peers.split_at(FIRST_CALLEE);
        for (call, state) in self.calls.iter().enumerate() {
            if state.uncertain {
                self.outcome.uncertain += 1;
                continue;
            }
            let count = |peers: &[Peer]| -> usize { peers.iter().map(|peer| peer.established(call)).sum() };
            let (caller, callee) = (count(callers), count(callees));
            let expected = if state.callee { 0 } else { caller };
            if caller > 1 || callee != expected {
                return Err(format!("call {call}: {caller} dialogs at the caller, {callee} at the callee"));
            }
            held += caller as u64;
        }
        self.outcome.compared += held;
        let live = self.shell.counters().calls_live;
        let certain = self.calls.iter().all(|call| !call.uncertain) && !self.strays;
        if certain && live != held {
            return Err(format!("{live} calls live in the switchboard, {held} at the peers"));
        }
        Ok(())
    }

    /// Nobody speaks any more. Time alone has to end everything.
    pub(super) fn ends(&mut self) -> Result<(), String> {
        if self.choices.one_in(2) {
            self.rests()?;
        }
        let end = self.shell.now.mono + HOURS;
        let woken = (0..=MOST_WAKES).take_while(|_| self.shell.wakes_before(end)).count();
        // The memory of this history must not count as memory of the switchboard.
        self.shell.wire = VecDeque::new();
        let counters = self.shell.counters();
        self.outcome.answered += counters.answered - self.answered_before;
        let gauges = (counters.calls_live, counters.dialogs_live, counters.transactions_live);
        if gauges != (0, 0, 0) || !self.shell.is_settled() {
            return Err(format!("something is left: {gauges:?}"));
        }
        if let Some(deadline) = self.shell.deadline {
            return Err(format!("a timer is left: {deadline:?}"));
        }
        if woken > MOST_WAKES {
            return Err("the switchboard does not sleep".to_owned());
        }
        let ended = counters.ended().map(|(_, count)| count).sum::<u64>();
        if counters.calls != ended {
            return Err(format!("{} calls began and {ended} ended", counters.calls));
        }
        Ok(())
    }
}

/// How long everything takes to come to rest: longer than a lost BYE or a silent target takes.
const SECONDS: u64 = 16;
/// When callees who still ring decide.
const CALLEES_DECIDE: u64 = 7;
/// Longer than any call.
const HOURS: Duration = Duration::from_secs(3 * 3600);
