//! Pairs of events that cross in a call, in every order of delivery up to a bound.
//!
//! A race is a point of a call, two events and an order of delivery. The first event happens at that point. The second happens at
//! once or after some deliveries. The first deliveries are chosen: any message in flight may arrive next, and at most one is lost.
//! All choices up to [`Bound`] are run. What comes after them arrives in the order in which it was sent. Whatever the order is:
//!
//! * Both phones and the edge agree whether the call is up, and both phones agree on the session.
//! * Every request gets a final response, every 2xx its ACK, every reliable provisional response its PRACK.
//! * Once the call is over, the edge holds no call, dialog, transaction or timer, and no phone holds a transaction.

mod event;
mod order;
mod point;
mod rest;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, thread};

pub use event::Event;
use order::Order;
pub use point::Point;
use world::World;

/// How far races are enumerated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Deliveries that are chosen after the first event.
    pub deliveries: usize,
    /// Messages that may be lost among these.
    pub losses: usize,
}

/// One race: replayed from its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Race {
    point: Point,
    events: (Event, Event),
    order: Vec<usize>,
}

/// How races went.
#[derive(Default, Debug)]
pub struct Tally {
    /// Points with two events that can happen there.
    pub crossings: u64,
    /// Races that were run.
    pub races: u64,
    /// Of these, races with a lost message.
    pub lossy: u64,
    /// Races after which the call was up.
    pub up: u64,
    /// Races that ended wrong: of each crossing, how many, and the first with what was wrong.
    pub failures: BTreeMap<String, (u64, String)>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        let Self { crossings, races, lossy, up, failures } = other;
        self.crossings += crossings;
        self.races += races;
        self.lossy += lossy;
        self.up += up;
        self.failures.extend(failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crossings, races, lossy, up, failures } = self;
        write!(
            f,
            "{races} races of {crossings} crossings, {lossy} with a lost message; {up} calls stayed up"
        )?;
        failures
            .iter()
            .try_for_each(|(crossing, (count, first))| write!(f, "\n{crossing}: {count} wrong, {first}"))
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order: Vec<_> = self.order.iter().map(usize::to_string).collect();
        let place = |event: Event| Event::ALL.iter().position(|each| *each == event).unwrap_or_default();
        let point = Point::ALL.iter().position(|each| *each == self.point).unwrap_or_default();
        write!(f, "{point},{},{},{}", place(self.events.0), place(self.events.1), order.join("."))
    }
}

impl Race {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(',');
        let mut next = || words.next()?.parse::<usize>().ok();
        let (point, one, other) = (next()?, next()?, next()?);
        let order = words.next()?.split('.').filter_map(|word| word.parse().ok()).collect();
        Some(Self {
            point: *Point::ALL.get(point)?,
            events: (*Event::ALL.get(one)?, *Event::ALL.get(other)?),
            order,
        })
    }

    /// Runs it, and prints its messages.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn replay(&self) -> Result<(), String> {
        let bound = Bound { deliveries: self.order.len(), losses: 1 };
        let mut order = Order::replaying(self.order.clone());
        run(self.point, self.events, bound, &mut order, true).map(|_| ())
    }
}

/// Runs all races up to the bound, on all cores.
///
/// # Panics
///
/// If a race panics.
#[must_use]
pub fn run_all(bound: Bound) -> Tally {
    let all: Vec<_> = Point::ALL
        .into_iter()
        .flat_map(|point| Event::ALL.into_iter().map(move |one| (point, one)))
        .collect();
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = || {
        let mut own = Tally::default();
        while let Some((point, one)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let crossings = Event::ALL.into_iter().map(|other| crossing(*point, (*one, other), bound));
            // Where the first event cannot happen, it cannot happen before any other.
            crossings.map_while(|tally| tally).for_each(|tally| own.add(tally));
        }
        total.lock().expect("no race panics").add(own);
    };
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().for_each(|handle| handle.join().expect("no race panics"));
    });
    total.into_inner().expect("no race panics")
}

/// All orders of two events at one point; `None` where the first cannot happen.
fn crossing(point: Point, events: (Event, Event), bound: Bound) -> Option<Tally> {
    let mut tally = Tally::default();
    let mut order = Order::first();
    loop {
        match run(point, events, bound, &mut order, false) {
            Ok(Outcome::Impossible) => return None,
            // The second cannot happen in this order.
            Ok(Outcome::Void) => {}
            Ok(Outcome::Ran { up, lossy }) => {
                tally.races += 1;
                tally.up += u64::from(up);
                tally.lossy += u64::from(lossy);
            }
            Err(what) => {
                tally.races += 1;
                let race = Race { point, events, order: order.taken() };
                let name = format!("{point:?}: {:?}, {:?}", events.0, events.1);
                let first =
                    tally.failures.entry(name).or_insert_with(|| (0, format!("ATTESTA_RACE={race}: {what}")));
                first.0 += 1;
            }
        }
        if !order.advances() {
            tally.crossings = u64::from(tally.races > 0);
            return Some(tally);
        }
    }
}

enum Outcome {
    Impossible,
    Void,
    Ran { up: bool, lossy: bool },
}

fn run(
    point: Point,
    events: (Event, Event),
    bound: Bound,
    order: &mut Order,
    tells: bool,
) -> Result<Outcome, String> {
    order.begins();
    let mut world = World::new(point.holds(), tells);
    if !point.is_reached(&mut world) {
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
    for _ in 0..bound.deliveries {
        let flights = world.flights();
        let can_lose = if losses > 0 { flights } else { 0 };
        let choices = flights + can_lose + usize::from(second.is_some());
        if choices == 0 {
            break;
        }
        let choice = order.of(choices);
        if choice < flights {
            world.delivers(choice);
        } else if choice < flights + can_lose {
            world.loses(choice - flights);
            losses -= 1;
        } else if let Some(event) = second.take() {
            world.says(format_args!("second: {event:?}"));
            if !event.happens(&mut world) {
                return Ok(Outcome::Void);
            }
        }
    }
    if let Some(event) = second {
        world.says(format_args!("second: {event:?}"));
        if !event.happens(&mut world) {
            return Ok(Outcome::Void);
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
