//! The log line of each call.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::Duration;

use attesta_sip::Name;
use attesta_transaction::Transport;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Metadata, Subscriber};

use super::ladder::Talk;
use super::rig::*;
use crate::{Config, Listener};

/// A subscriber that keeps the lines of level INFO. Each field becomes ` name=value`.
struct Lines;

thread_local! {
    /// The lines of this thread, while a test collects them.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.push_str(&format!(" {}={value:?}", field.name()));
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        HEARD.with_borrow_mut(|heard| heard.as_mut().map(|lines| lines.push(line.0)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Installs the subscriber for the whole process. Every rig calls this before its first log line: tracing asks the current
/// subscriber only once, at the first use of a log line, whether it wants this line.
pub(super) fn listen() {
    static LISTENING: OnceLock<bool> = OnceLock::new();
    LISTENING.get_or_init(|| set_global_default(Lines).is_ok());
}

/// The lines that `events` logs.
fn logged(events: impl FnOnce()) -> Vec<String> {
    HEARD.set(Some(Vec::new()));
    events();
    HEARD.take().unwrap_or_default()
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let fields = line.strip_prefix(" message=ended ").unwrap_or_else(|| panic!("{line}"));
    fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn the_log_line_names_call_ids_trunks_outcome_and_duration() {
    let mut ours = String::new();
    let lines = logged(|| {
        let mut rig = Rig::plain();
        let invite = rig.alice_calls("");
        ours = value(&invite, Name::CallId);
        rig.run_for(Duration::from_millis(150));
        let ok = rig.bob_answers(&invite);
        let talk = Talk { invite, ok };
        rig.alice_sends(&talk, ACK, 1);
        rig.run_for(Duration::from_millis(1500));
        rig.alice_sends(&talk, BYE, 2);
        rig.run_for(Duration::from_secs(4));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = lines[0].as_str();
    for (name, expected) in [
        ("trunk", "alice"),
        ("call_id", "call-1"),
        ("egress", "bob"),
        ("egress_call_id", ours.as_str()),
        ("cause", "caller-hung-up"),
        ("status", "200"),
        ("ms", "1650"),
        ("talk_ms", "1500"),
    ] {
        assert_eq!(field(line, name), Some(expected), "{name} of {line}");
    }
    for number in [CALLER, CALLEE] {
        assert!(!line.contains(number.trim_start_matches('+')), "{line}");
    }
}

#[test]
fn the_log_line_of_an_unanswered_call_has_the_final_status() {
    let declined = logged(|| {
        let mut rig = Rig::plain();
        let invite = rig.alice_calls("");
        rig.responds(BOB, &invite, 486);
    });
    let says = |line: &str, name| field(line, name).map(str::to_owned);
    assert_eq!(says(&declined[0], "egress").as_deref(), Some("bob"));
    assert_eq!(says(&declined[0], "status").as_deref(), Some("486"));
    assert_eq!(says(&declined[0], "ms").as_deref(), Some("0"));
    assert_eq!(says(&declined[0], "talk_ms"), None);
    let cancelled = logged(|| {
        let mut rig = Rig::plain();
        rig.alice_calls("");
        rig.alice_cancels();
    });
    assert_eq!(says(&cancelled[0], "cause").as_deref(), Some("cancelled"));
    assert_eq!(says(&cancelled[0], "status").as_deref(), Some("487"));
    // A call without a route has no egress leg.
    let refused = logged(|| {
        let (alice, bob) = trunks();
        let edge = Listener::new("edge", Transport::Udp, address(EDGE));
        Rig::new(Config::builder().listener(edge).trunk(alice).trunk(bob).build().unwrap()).invite("");
    });
    assert_eq!(says(&refused[0], "status").as_deref(), Some("404"));
    for name in ["egress", "egress_call_id", "talk_ms"] {
        assert_eq!(says(&refused[0], name), None, "{name}");
    }
}

#[test]
fn a_hostile_call_id_cannot_break_the_log_line() {
    for (sent, expected) in [
        ("\"a\\b", "\\x22a\\x5cb".to_owned()),
        ("x".repeat(128).as_str(), "x".repeat(128)),
        ("y".repeat(5000).as_str(), "y".repeat(128) + "..."),
    ] {
        let lines = logged(|| {
            let mut rig = Rig::plain();
            rig.invites(ALICE, &uri(CALLEE), sent);
            let invite = rig.gets_request(BOB, INVITE);
            rig.responds(BOB, &invite, 486);
        });
        assert_eq!(field(&lines[0], "call_id"), Some(expected.as_str()));
    }
}
