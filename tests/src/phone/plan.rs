//! Calls that both phones carry out by themselves: the caller names the plan of a call in `X-Plan`.

use std::time::{Duration, Instant};

use super::{Action, Phone, Timer};
use crate::switchboard_model::octets_of;

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// The phone that sent the INVITE.
    Caller,
    /// The phone that received the INVITE.
    Callee,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One action of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Who acts.
    pub side: Side,
    /// When: counted from the INVITE that the phone sent or received.
    pub after: Duration,
    /// What it does.
    pub action: Action,
}

/// What happens in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Whether the INVITE carries an offer.
    pub offer: bool,
    /// What both sides do.
    pub actions: Vec<Planned>,
}

/// The plan of a call, as its header field names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flows {
    /// The random plan of a seed. All its actions happen within about 40 s.
    Random(u64),
    /// A random plan whose calls last a few seconds.
    Short(u64),
    /// One flow of [`FLOWS`], begun by this side.
    Named(usize, Side),
}

/// The flows that are named, each an action in an established call or before.
pub const FLOWS: [(&str, &[Action]); 19] = [
    ("an INFO", &[Action::Info]),
    ("a hold and a resume", &[Action::Invite { offer: true }, Action::Invite { offer: true }]),
    ("a re-INVITE without an offer", &[Action::Invite { offer: false }]),
    ("an UPDATE with an offer", &[Action::Update { offer: true }]),
    ("an UPDATE without an offer", &[Action::Update { offer: false }]),
    ("a REFER", &[Action::Refer]),
    ("a late offer", &[]),
    ("a reliable 183 with the answer", &[]),
    ("a late offer in a reliable 183", &[]),
    ("an UPDATE before the answer", &[]),
    ("a CANCEL or a refusal", &[]),
    ("a BYE", &[]),
    ("no answer", &[]),
    ("re-INVITEs that cross", &[]),
    ("UPDATEs that cross", &[]),
    ("BYEs that cross", &[]),
    ("a CANCEL that crosses the answer", &[]),
    ("a BYE that crosses a re-INVITE", &[]),
    ("a reliable 183 without a session", &[]),
];

impl Flows {
    /// The value of the header field.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Random(seed) => format!("random {seed}"),
            Self::Short(seed) => format!("short {seed}"),
            Self::Named(flow, Side::Caller) => format!("caller {flow}"),
            Self::Named(flow, Side::Callee) => format!("callee {flow}"),
        }
    }

    fn of(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once(' ')?;
        let number: u64 = number.trim().parse().ok()?;
        let flow = usize::try_from(number).unwrap_or(usize::MAX);
        match kind {
            "random" => Some(Self::Random(number)),
            "short" => Some(Self::Short(number)),
            "caller" => Some(Self::Named(flow, Side::Caller)),
            "callee" => Some(Self::Named(flow, Side::Callee)),
            _ => None,
        }
    }

    /// What happens.
    #[must_use]
    pub fn plan(self) -> Plan {
        match self {
            Self::Random(seed) => random(seed, 1),
            Self::Short(seed) => random(seed, 4),
            Self::Named(flow, side) => named(flow, side),
        }
    }
}

/// A flow of the list: everything in it happens on a call of about two seconds.
fn named(flow: usize, side: Side) -> Plan {
    let actions = FLOWS.get(flow).map_or(&[] as &[Action], |(_, actions)| actions);
    let mut plan = Plan { offer: true, actions: Vec::new() };
    let at = |side, ms, action| Planned { side, after: Duration::from_millis(ms), action };
    let (reliable, answer) = (Action::RingReliably { session: true }, Action::Answer);
    plan.actions.push(at(Side::Callee, 50, Action::Ring));
    match flow {
        6 => plan.offer = false,
        7 | 9 => plan.actions.push(at(Side::Callee, 100, reliable)),
        12 => return plan,
        18 => plan.actions.push(at(Side::Callee, 100, Action::RingReliably { session: false })),
        8 => {
            plan.offer = false;
            plan.actions.push(at(Side::Callee, 100, reliable));
        }
        10 if side == Side::Caller => {
            plan.actions.push(at(Side::Caller, 300, Action::Cancel));
            return plan;
        }
        10 => {
            plan.actions.push(at(Side::Callee, 300, Action::Refuse(486)));
            return plan;
        }
        _ => {}
    }
    if flow == 9 {
        plan.actions.push(at(side, 300, Action::Update { offer: true }));
    }
    plan.actions.push(at(Side::Callee, 500, answer));
    let other = side.other();
    match flow {
        13 => plan.actions.extend([side, other].map(|by| at(by, 1_000, Action::Invite { offer: true }))),
        14 => plan.actions.extend([side, other].map(|by| at(by, 1_000, Action::Update { offer: true }))),
        15 => plan.actions.push(at(other, 2_000, Action::Bye)),
        16 => plan.actions.push(at(Side::Caller, 500, Action::Cancel)),
        17 => plan.actions.push(at(other, 2_000, Action::Invite { offer: true })),
        _ => {}
    }
    let later = actions.iter().zip(1..);
    plan.actions.extend(later.map(|(action, place)| at(side, 700 + 300 * place, *action)));
    plan.actions.push(at(side, 2_000, Action::Bye));
    // Where a lost message has made the time of these too early, or another action forbade them.
    for ms in [6_000, 12_000, 24_000, 48_000] {
        plan.actions.push(at(side, ms, Action::Bye));
    }
    plan
}

/// A random plan; times are divided by `haste`.
fn random(seed: u64, haste: u64) -> Plan {
    let mut octets = octets_of(seed, OCTETS).into_iter().map(u64::from);
    let mut below =
        |count: u64| (octets.next().unwrap_or_default() << 8 | octets.next().unwrap_or_default()) % count;
    let at = |side, ms: u64, action| Planned { side, after: Duration::from_millis(ms / haste), action };
    let mut actions = Vec::new();
    let mut plan_offer = true;
    if below(7) == 0 {
        plan_offer = false;
    }
    if below(5) > 0 {
        actions.push(at(Side::Callee, 50 + below(1_000), Action::Ring));
    }
    if below(3) == 0 {
        let session = below(3) > 0;
        actions.push(at(Side::Callee, 100 + below(1_500), Action::RingReliably { session }));
        if below(3) == 0 {
            let side = side(below(2));
            actions.push(at(side, 600 + below(2_000), Action::Update { offer: true }));
        }
    }
    let answer = 400 + below(4_000);
    match below(10) {
        0..=6 => actions.push(at(Side::Callee, answer, Action::Answer)),
        7 | 8 => {
            let status = [404, 480, 486, 503, 603].get(usize::try_from(below(5)).unwrap_or(0)).copied();
            actions.push(at(Side::Callee, answer, Action::Refuse(status.unwrap_or(486))));
        }
        _ => actions.push(at(Side::Caller, answer + below(300), Action::Cancel)),
    }
    match below(16) {
        // The two cross.
        0 | 1 => actions.push(at(Side::Caller, answer, Action::Cancel)),
        2 => actions.push(at(Side::Caller, answer, Action::Bye)),
        _ => {}
    }
    for _ in 0..below(5) {
        let kinds = [
            Action::Invite { offer: true },
            Action::Invite { offer: true },
            Action::Invite { offer: false },
            Action::Update { offer: true },
            Action::Update { offer: false },
            Action::Info,
            Action::Refer,
            Action::Cancel,
        ];
        let mut kind = || kinds.get(usize::try_from(below(kinds.len() as u64)).unwrap_or(0)).copied();
        let (one, other) = (kind(), kind());
        let (ms, crosses, by) = (answer + below(16_000), below(4) == 0, side(below(2)));
        actions.extend(one.map(|action| at(by, ms, action)));
        if crosses {
            actions.extend(other.map(|action| at(by.other(), ms, action)));
        }
    }
    let end = answer + 3_000 + below(16_000);
    match below(4) {
        0 => actions.push(at(Side::Callee, end, Action::Bye)),
        1 => actions.extend([at(Side::Callee, end, Action::Bye), at(Side::Caller, end, Action::Bye)]),
        _ => actions.push(at(Side::Caller, end, Action::Bye)),
    }
    // Whatever was too early, or crossed something, ends here.
    for ms in [60_000, 90_000, 110_000] {
        let after = Duration::from_millis(ms);
        actions.push(Planned { side: Side::Caller, after, action: Action::Cancel });
        actions.push(Planned { side: Side::Caller, after, action: Action::Bye });
        actions.push(Planned { side: Side::Callee, after, action: Action::Bye });
    }
    Plan { offer: plan_offer, actions }
}

const fn side(number: u64) -> Side {
    if number == 0 { Side::Caller } else { Side::Callee }
}

/// More than any plan reads.
const OCTETS: usize = 128;

impl Phone {
    /// Begins a call that follows a plan on both sides.
    pub fn calls_by_plan(&mut self, now: Instant, call: u64, number: &str, flows: Flows) {
        let plan = flows.plan();
        let line = self.calls(now, call, number, plan.offer, &[("X-Plan", &flows.to_text())]);
        self.follows(now, line, &plan, Side::Caller);
    }

    /// Follows the plan of an INVITE that was received, if it names one.
    pub(super) fn plans(&mut self, now: Instant, line: u64, text: &str) {
        if let Some(flows) = Flows::of(text) {
            self.follows(now, line, &flows.plan(), Side::Callee);
        }
    }

    fn follows(&mut self, now: Instant, line: u64, plan: &Plan, side: Side) {
        for planned in plan.actions.iter().filter(|planned| planned.side == side) {
            self.later(now + planned.after, Timer::Act { line, action: planned.action });
        }
    }
}
