//! Pairs of events that cross in a call, in every order of delivery up to a bound.
//!
//! A race is a setup, a point of a call, two events and an order of delivery. The first event happens at that point. The second
//! event happens at once or after some deliveries. The first deliveries before the second event and after it are chosen: any
//! message in flight may arrive next, or is lost. Messages on one path may overtake each other. All choices up to [`Bound`] are
//! run, depth first. Orders that lead to the same state are run once. All later messages arrive in the order in which they were
//! sent. These rules hold after each race:
//!
//! * Both phones and the edge agree whether the call is up, and both phones agree on the session.
//! * Every request gets a final response, every 2xx its ACK, every reliable provisional response its PRACK.
//! * Once the call is over, the edge holds no call, dialog, transaction or timer, and no phone holds a transaction.
//!
//! Each event crosses each other event at each point where the phones may send it. Some pairs never cross: a phone follows the
//! RFCs, and so sends, for example, no 180 after its 200, no re-INVITE while its offer is open, and nothing after its BYE.
//! [`Tally::apart`] lists these pairs.

mod event;
mod order;
mod point;
mod rest;
mod setup;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, thread};

pub use event::Event;
use order::Order;
pub use point::Point;
pub use setup::Setup;
use world::{World, hash_of};

/// How far races are enumerated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Deliveries that are chosen between the two events: the second may happen after any of them.
    pub before: usize,
    /// Deliveries that are chosen after the second event.
    pub after: usize,
    /// Messages that may be lost among these.
    pub losses: usize,
}

/// Where events cross.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    setup: Setup,
    point: Point,
}

/// One race: replayed from its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Race {
    place: Place,
    events: (Event, Event),
    bound: Bound,
    order: Vec<usize>,
}

/// How races went.
#[derive(Default, Debug)]
pub struct Tally {
    /// Points with two events that can happen there.
    pub crossings: u64,
    /// The pairs of events that crossed somewhere, by their places in [`Event::ALL`].
    pairs: BTreeSet<(usize, usize)>,
    /// Races that were run, each another interleaving.
    pub races: u64,
    /// Orders that were cut off, since another one had led to the same state.
    pub equal: u64,
    /// Of the races, those with a lost message.
    pub lossy: u64,
    /// Races after which the call was up.
    pub up: u64,
    /// Races that ended wrong: of each crossing, how many, and the first with what was wrong.
    pub failures: BTreeMap<String, (u64, String)>,
}

impl Tally {
    /// The pairs of events of which the second never happened after the first.
    pub fn apart(&self) -> impl Iterator<Item = (Event, Event)> {
        let pairs = Event::ALL.into_iter().flat_map(|one| Event::ALL.map(|other| (one, other)));
        pairs.filter(|(one, other)| {
            !self.pairs.contains(&(place_of(&Event::ALL, *one), place_of(&Event::ALL, *other)))
        })
    }

    /// Adds the tally of other races.
    pub fn add(&mut self, other: Self) {
        let Self { crossings, pairs, races, equal, lossy, up, failures } = other;
        self.crossings += crossings;
        self.pairs.extend(pairs);
        self.races += races;
        self.equal += equal;
        self.lossy += lossy;
        self.up += up;
        self.failures.extend(failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crossings, pairs, races, equal, lossy, up, failures } = self;
        let (pairs, all) = (pairs.len(), Event::ALL.len().pow(2));
        write!(
            f,
            "{races} races of {crossings} crossings of {pairs} pairs of events (of {all}), {lossy} with a lost message; \
             {equal} equal orders; {up} calls stayed up"
        )?;
        failures
            .iter()
            .try_for_each(|(crossing, (count, first))| write!(f, "\n{crossing}: {count} wrong, {first}"))
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order: Vec<_> = self.order.iter().map(usize::to_string).collect();
        let event = |event: Event| place_of(&Event::ALL, event);
        let (setup, point) =
            (place_of(&Setup::ALL, self.place.setup), place_of(&Point::ALL, self.place.point));
        let Bound { before, after, losses } = self.bound;
        write!(f, "{setup},{point},{},{},", event(self.events.0), event(self.events.1))?;
        write!(f, "{before},{after},{losses},{}", order.join("."))
    }
}

fn place_of<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|each| *each == one).unwrap_or_default()
}

impl Race {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(',');
        let mut next = || words.next()?.parse::<usize>().ok();
        let place = Place { setup: *Setup::ALL.get(next()?)?, point: *Point::ALL.get(next()?)? };
        let events = (*Event::ALL.get(next()?)?, *Event::ALL.get(next()?)?);
        let bound = Bound { before: next()?, after: next()?, losses: next()? };
        let order = words.next()?.split('.').filter_map(|word| word.parse().ok()).collect();
        Some(Self { place, events, bound, order })
    }

    /// Runs it, and prints its messages.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn replay(&self) -> Result<(), String> {
        let mut order = Order::replaying(self.order.clone());
        run(self.place, self.events, self.bound, &mut order, None).map(|_| ())
    }
}

/// Runs all races of these setups up to the bound, on so many threads.
///
/// # Panics
///
/// If a race panics.
#[must_use]
pub fn run_all(setups: &[Setup], bound: Bound, threads: usize) -> Tally {
    let places = setups.iter().flat_map(|&setup| {
        let points = Point::ALL.into_iter().filter(move |point| point.is_in(setup));
        points.map(move |point| Place { setup, point })
    });
    let all: Vec<_> =
        places.flat_map(|place| Event::ALL.into_iter().map(move |event| (place, event))).collect();
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = || {
        let mut own = Tally::default();
        while let Some((place, one)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let crossings = Event::ALL.into_iter().map(|other| crossing(*place, (*one, other), bound));
            // Where the first event cannot happen, it cannot happen before any other.
            crossings.map_while(|tally| tally).for_each(|tally| own.add(tally));
        }
        total.lock().expect("no race panics").add(own);
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().for_each(|handle| handle.join().expect("no race panics"));
    });
    total.into_inner().expect("no race panics")
}

/// All orders of two events at one point; `None` where the first cannot happen.
fn crossing(place: Place, events: (Event, Event), bound: Bound) -> Option<Tally> {
    let mut tally = Tally::default();
    let (mut order, mut seen) = (Order::first(), HashSet::new());
    loop {
        match run(place, events, bound, &mut order, Some(&mut seen)) {
            Ok(Outcome::Impossible) => return None,
            // The second cannot happen in this order.
            Ok(Outcome::Void) => {}
            Ok(Outcome::Equal) => tally.equal += 1,
            Ok(Outcome::Ran { up, lossy }) => {
                tally.races += 1;
                tally.up += u64::from(up);
                tally.lossy += u64::from(lossy);
            }
            Err(what) => {
                tally.races += 1;
                let race = Race { place, events, bound, order: order.taken() };
                let name = format!("{place:?}: {:?}, {:?}", events.0, events.1);
                let first =
                    tally.failures.entry(name).or_insert_with(|| (0, format!("ATTESTA_RACE={race}: {what}")));
                first.0 += 1;
            }
        }
        if !order.advances() {
            if tally.races > 0 {
                tally.crossings = 1;
                tally.pairs.insert((place_of(&Event::ALL, events.0), place_of(&Event::ALL, events.1)));
            }
            return Some(tally);
        }
    }
}

enum Outcome {
    Impossible,
    Void,
    /// The state was reached in another order.
    Equal,
    Ran {
        up: bool,
        lossy: bool,
    },
}

/// Runs one order. Without `seen` it is told what happens, and states that are equal are run too.
fn run(
    place: Place,
    events: (Event, Event),
    bound: Bound,
    order: &mut Order,
    mut seen: Option<&mut HashSet<u64>>,
) -> Result<Outcome, String> {
    order.begins();
    let mut world = World::new(place.setup, place.point.holds(), seen.is_none());
    if !place.point.is_reached(&mut world) {
        return Err("the point is not reached".to_owned());
    }
    world.says(format_args!("first: {:?}", events.0));
    if !events.0.happens(&mut world) {
        return Ok(Outcome::Impossible);
    }
    let (mut second, mut losses) = (Some(events.1), bound.losses);
    if matches!(events, (Event::AckLost(_), _) | (_, Event::AckLost(_))) {
        losses = 0;
    }
    let (mut before, mut after) = (bound.before, bound.after);
    loop {
        let state = hash_of((world.state(), second.is_some(), before, after));
        if order.is_new() && seen.as_mut().is_some_and(|seen| !seen.insert(state)) {
            return Ok(Outcome::Equal);
        }
        let left = if second.is_some() { &mut before } else { &mut after };
        let flights = if *left > 0 { world.flights() } else { 0 };
        let can_lose = if losses > 0 { flights } else { 0 };
        let choices = flights + can_lose + usize::from(second.is_some());
        if choices == 0 {
            break;
        }
        let choice = order.of(choices);
        if choice < flights {
            *left -= 1;
            world.delivers(choice);
        } else if choice < flights + can_lose {
            *left -= 1;
            world.loses(choice - flights);
            losses -= 1;
        } else if let Some(event) = second.take() {
            world.says(format_args!("second: {event:?}"));
            if !event.happens(&mut world) {
                return Ok(Outcome::Void);
            }
        }
    }
    let lossy = world.lost > 0;
    let up = world.comes_to_rest()?;
    world.ends()?;
    if world.lost_ack.is_some() {
        // There was no ACK to lose.
        return Ok(Outcome::Void);
    }
    Ok(Outcome::Ran { up, lossy })
}
