//! The reference: four tables, and a machine that follows them.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use attesta_sip::Method;

/// The kind of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// RFC 3261 section 17.1.1, RFC 6026 section 8.4.
    InviteClient,
    /// RFC 3261 section 17.1.2.
    Client,
    /// RFC 3261 section 17.2.1, RFC 6026 section 8.6.
    InviteServer,
    /// RFC 3261 section 17.2.2, RFC 4320 section 4.
    Server,
}

impl Kind {
    /// The method of the transaction.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::InviteClient | Self::InviteServer => Method::Invite,
            Self::Client | Self::Server => Method::Options,
        }
    }

    /// The events of the machine, without timers.
    pub(crate) fn events(self) -> &'static [&'static str] {
        match self {
            Self::InviteClient | Self::Client => &["1xx", "2xx", "failure", "error"],
            Self::InviteServer => &["request", "ack", "user 1xx", "user 2xx", "user failure", "error"],
            Self::Server => &["request", "user 1xx", "user 2xx", "user failure", "user 408", "error"],
        }
    }

    fn table(self) -> &'static [Row] {
        let [invite_client, client, invite_server, server] = &*TABLES;
        match self {
            Self::InviteClient => invite_client,
            Self::Client => client,
            Self::InviteServer => invite_server,
            Self::Server => server,
        }
    }
}

/// state | event | actions | next state | timers of that state
///
/// `A=time` starts a timer. `A` alone lets the timer run on. A timer that is not listed stops when the state changes. `send
/// last` sends the last response again. `~` marks a timer that a reliable transport does not start, `0` a timer that is zero
/// there. An event without a row changes nothing.
const INVITE_CLIENT: &str = "
    -          | begin        | send request              | Calling    | ~A=T1 B=64T1
    Calling    | A            | send request              | Calling    | A=double
    Calling    | B            | tell timeout, tell end    | Terminated |
    Calling    | error        | tell error, tell end      | Terminated |
    Calling    | 1xx          | tell 1xx                  | Proceeding |
    Calling    | 2xx          | tell 2xx                  | Accepted   | M=64T1
    Calling    | failure      | send ack, tell failure    | Completed  | 0D=32s
    Proceeding | 1xx          | tell 1xx                  | Proceeding |
    Proceeding | 2xx          | tell 2xx                  | Accepted   | M=64T1
    Proceeding | failure      | send ack, tell failure    | Completed  | 0D=32s
    Accepted   | 2xx          | tell 2xx                  | Accepted   |
    Accepted   | M            | tell end                  | Terminated |
    Completed  | failure      | send ack                  | Completed  |
    Completed  | error        | tell error, tell end      | Terminated |
    Completed  | D            | tell end                  | Terminated |
";

const CLIENT: &str = "
    -          | begin        | send request              | Trying     | ~E=T1 F=64T1
    Trying     | E            | send request              | Trying     | E=doubleT2
    Trying     | F            | tell timeout, tell end    | Terminated |
    Trying     | error        | tell error, tell end      | Terminated |
    Trying     | 1xx          | tell 1xx                  | Proceeding | E F
    Trying     | 2xx          | tell 2xx                  | Completed  | 0K=T4
    Trying     | failure      | tell failure              | Completed  | 0K=T4
    Proceeding | E            | send request              | Proceeding | E=T2
    Proceeding | F            | tell timeout, tell end    | Terminated |
    Proceeding | error        | tell error, tell end      | Terminated |
    Proceeding | 1xx          | tell 1xx                  | Proceeding |
    Proceeding | 2xx          | tell 2xx                  | Completed  | 0K=T4
    Proceeding | failure      | tell failure              | Completed  | 0K=T4
    Completed  | K            | tell end                  | Terminated |
";

/// `W` is the wait of 200 ms for the first response of the user.
const INVITE_SERVER: &str = "
    -          | begin        | tell request              | Proceeding | W=200ms
    Proceeding | request      | send last                 | Proceeding |
    Proceeding | W            | send 100                  | Proceeding |
    Proceeding | user 1xx     | send 1xx                  | Proceeding | W=stop
    Proceeding | user 2xx     | send 2xx                  | Accepted   | L=64T1
    Proceeding | user failure | send failure              | Completed  | ~G=T1 H=64T1
    Proceeding | error        | tell error                | Proceeding |
    Completed  | request      | send last                 | Completed  |
    Completed  | G            | send last                 | Completed  | G=doubleT2
    Completed  | H            | tell timeout, tell end    | Terminated |
    Completed  | error        | tell error                | Completed  |
    Completed  | ack          |                           | Confirmed  | 0I=T4
    Accepted   | ack          | tell ack                  | Accepted   |
    Accepted   | user 2xx     | send 2xx                  | Accepted   |
    Accepted   | error        | tell error                | Accepted   |
    Accepted   | L            | tell end                  | Terminated |
    Confirmed  | I            | tell end                  | Terminated |
    Terminated | ack          | tell ack                  | Terminated |
    Terminated | request      | tell request              | Proceeding | W=200ms
";

/// `W` is the wait until the client's Timer E reaches T2 (RFC 4320 section 4.1). After `X` the client no longer waits for a
/// response (RFC 4320 section 4.2), but its last retransmission may still arrive.
const SERVER: &str = "
    -          | begin        | tell request              | Trying     | W=3500ms X=64T1
    Trying     | W            | send 100                  | Proceeding | X
    Trying     | user 2xx     | send 2xx                  | Completed  | 0J=64T1
    Trying     | user failure | send failure              | Completed  | 0J=64T1
    Trying     | user 408     |                           | Silent     | 0J=X+64T1
    Trying     | error        | tell error                | Trying     |
    Proceeding | request      | send last                 | Proceeding |
    Proceeding | user 2xx     | send 2xx                  | Completed  | 0J=64T1
    Proceeding | user failure | send failure              | Completed  | 0J=64T1
    Proceeding | user 408     |                           | Silent     | 0J=X+64T1
    Proceeding | X            |                           | Silent     | 0J=64T1
    Proceeding | error        | tell error                | Proceeding |
    Completed  | request      | send last                 | Completed  |
    Completed  | error        | tell error                | Completed  |
    Completed  | J            | tell end                  | Terminated |
    Silent     | error        | tell error                | Silent     |
    Silent     | J            | tell end                  | Terminated |
    Terminated | request      | tell request              | Trying     | W=3500ms X=64T1
";

/// A machine that follows one of the tables.
pub(crate) struct Model {
    /// The table.
    pub(crate) kind: Kind,
    reliable: bool,
    now: Duration,
    state: &'static str,
    timers: BTreeMap<&'static str, Timer>,
    last: Option<String>,
    /// Whether a message was sent. Otherwise there is no transport error.
    sent: bool,
    done: Vec<(Duration, String)>,
}

#[derive(Clone, Copy)]
struct Timer {
    at: Duration,
    interval: Duration,
}

impl Model {
    /// The machine after its first event.
    pub(crate) fn new(kind: Kind, reliable: bool) -> Self {
        let mut model = Self {
            kind,
            reliable,
            now: Duration::ZERO,
            state: "-",
            timers: BTreeMap::new(),
            last: None,
            sent: false,
            done: Vec::new(),
        };
        model.meet("begin");
        model
    }

    /// Handles one event as the table says.
    pub(crate) fn meet(&mut self, event: &str) {
        if event == "error" && !self.sent {
            return;
        }
        let row = self.kind.table().iter().find(|row| row.state == self.state && row.event == event);
        let Some(row) = row else { return };
        for act in &row.acts {
            self.act(act);
        }
        let old = std::mem::take(&mut self.timers);
        if row.next == self.state {
            self.timers = old.clone();
            self.timers.remove(event);
        } else if row.next == "Terminated" || self.state == "Terminated" {
            self.last = None;
        }
        self.state = row.next;
        for timer in &row.timers {
            self.start(timer, &old);
        }
    }

    /// Lets time pass and fires timers.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((&name, timer)) =
            self.timers.iter().min_by_key(|(_, timer)| timer.at).filter(|(_, timer)| timer.at <= end)
        {
            self.now = timer.at;
            self.meet(name);
            debug_assert!(
                self.timers.get(name).is_none_or(|timer| timer.at > self.now),
                "no row for timer {name}"
            );
        }
        self.now = end;
    }

    /// The actions since the last call.
    pub(crate) fn take_done(&mut self) -> Vec<(Duration, String)> {
        std::mem::take(&mut self.done)
    }

    /// Whether the machine has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.state == "Terminated"
    }

    fn act(&mut self, act: &str) {
        let act = match (act, &self.last) {
            ("send last", Some(last)) => last.clone(),
            ("send last", None) => return,
            (act, _) => act.to_owned(),
        };
        if act.starts_with("send") {
            self.sent = true;
            self.last = Some(act.clone());
        }
        self.done.push((self.now, act));
    }

    fn start(&mut self, timer: &'static str, old: &BTreeMap<&'static str, Timer>) {
        let (unreliable_only, timer) = timer.strip_prefix('~').map_or((false, timer), |rest| (true, rest));
        let (zero_if_reliable, timer) = timer.strip_prefix('0').map_or((false, timer), |rest| (true, rest));
        let (name, time) = timer.split_once('=').unwrap_or((timer, "goes on"));
        let before = old.get(name).copied();
        if (unreliable_only && self.reliable) || time == "stop" {
            self.timers.remove(name);
            return;
        }
        let interval = match time {
            "T1" => T1,
            "T2" => T2,
            "T4" => T4,
            "64T1" => 64 * T1,
            "X+64T1" => old.get("X").map_or(Duration::ZERO, |expires| expires.at - self.now) + 64 * T1,
            "32s" => Duration::from_secs(32),
            "200ms" => Duration::from_millis(200),
            "3500ms" => Duration::from_millis(3500),
            "double" => before.map_or(T1, |timer| 2 * timer.interval),
            "doubleT2" => before.map_or(T1, |timer| (2 * timer.interval).min(T2)),
            _ => {
                self.timers.extend(before.map(|timer| (name, timer)));
                return;
            }
        };
        if zero_if_reliable && self.reliable {
            self.meet(name);
        } else {
            self.timers.insert(name, Timer { at: self.now + interval, interval });
        }
    }
}

struct Row {
    state: &'static str,
    event: &'static str,
    acts: Vec<&'static str>,
    next: &'static str,
    timers: Vec<&'static str>,
}

impl Row {
    fn read(line: &'static str) -> Self {
        let mut cells = line.split('|').map(str::trim);
        let mut cell = || cells.next().unwrap_or_default();
        let (state, event, acts, next, timers) = (cell(), cell(), cell(), cell(), cell());
        let acts = acts.split(", ").filter(|act| !act.is_empty()).collect();
        Self { state, event, acts, next, timers: timers.split_whitespace().collect() }
    }
}

/// The parsed tables.
static TABLES: LazyLock<[Vec<Row>; 4]> = LazyLock::new(|| {
    [INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER].map(|table| table.lines().map(Row::read).collect())
});

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const T4: Duration = Duration::from_secs(5);
