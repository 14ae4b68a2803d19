use super::*;
use crate::clock::Clock;

fn job(host: &str, path: u32) -> Job {
    job_of(host, path, Trust::Unknown)
}

fn job_of(host: &str, path: u32, trust: Trust) -> Job {
    Job::new(X5u::parse(&format!("https://{host}/{path}"), &[443]).unwrap(), trust)
}

/// A queue, and a time at which all rates are unused.
fn queue(limits: FetchLimits) -> (Queue, Instant) {
    (Queue::new(limits), Clock::mono())
}

fn start_all(queue: &mut Queue, now: Instant) -> Vec<Job> {
    std::iter::from_fn(|| queue.start(now)).collect()
}

#[test]
fn a_slow_host_does_not_delay_other_hosts() {
    let (mut queue, now) = queue(FetchLimits::default().running(4, 2));
    for path in 0..4 {
        assert_eq!(queue.push(now, job("slow.example", path)), None);
    }
    assert_eq!(queue.push(now, job("other.example", 0)), None);
    let started = start_all(&mut queue, now);
    assert_eq!(started, [job("other.example", 0), job("slow.example", 3), job("slow.example", 2)]);
    queue.finish(now, &job("other.example", 0), true);
    assert_eq!(queue.start(now), None, "slow.example has reached its limit");
    queue.finish(now, &job("slow.example", 3), true);
    assert_eq!(queue.start(now), Some(job("slow.example", 1)));
}

#[test]
fn spellings_of_a_host_count_as_one_host() {
    let (mut queue, now) = queue(FetchLimits::default().running(4, 1));
    for host in ["a.example", "A.example", "a.EXAMPLE."] {
        queue.push(now, job(host, 0));
    }
    assert_eq!(start_all(&mut queue, now).len(), 1);
    queue.finish(now, &job("a.example", 0), true);
    assert_eq!(start_all(&mut queue, now).len(), 1);
}

/// The attacker has a wildcard name. If this test fails, each name below it is another host with its own limit.
#[test]
fn names_below_one_domain_share_its_limits() {
    let (mut queue, now) = queue(FetchLimits::default());
    for name in 0..100 {
        queue.push(now, job(&format!("h{name}.evil.example.com"), 0));
    }
    assert_eq!(queue.waiting.len(), 32);
    queue.push(now, job("honest.example.org", 0));
    let started = start_all(&mut queue, now);
    assert_eq!(started.len(), 5, "4 of the attacker");
    assert_eq!(started[0], job("honest.example.org", 0), "and first the site with no fetches");
}

#[test]
fn waiting_fetches_are_limited_per_site_and_in_total() {
    let (mut queue, now) = queue(FetchLimits::default().waiting(3, 2));
    assert_eq!(queue.push(now, job("a.example", 0)), None);
    assert_eq!(queue.push(now, job("a.example", 1)), None);
    assert_eq!(queue.push(now, job("a.example", 2)), Some(job("a.example", 0)), "the oldest of the site");
    assert_eq!(queue.push(now, job("b.example", 0)), None);
    assert_eq!(queue.push(now, job("c.example", 0)), Some(job("a.example", 1)), "the oldest of all");
    let none = FetchLimits::default().waiting(0, 0);
    assert_eq!(Queue::new(none).push(now, job("a.example", 0)), Some(job("a.example", 0)));
}

/// The attacker fills all places. If this test fails, the certificates that verify calls are not fetched again.
#[test]
fn a_share_is_kept_for_known_urls() {
    let (mut queue, now) = queue(FetchLimits::default().running(8, 8).per_second(100, 100));
    for site in 0..2000 {
        queue.push(now, job(&format!("evil{site}.example"), 0));
    }
    assert_eq!(queue.waiting.len(), 768);
    assert_eq!(start_all(&mut queue, now).len(), 6);
    let known = job_of("evil0.example", 7, Trust::Known);
    assert_eq!(queue.push(now, known.clone()), None);
    assert_eq!(queue.push(now, job_of("known.example", 0, Trust::Known)), None);
    let started = start_all(&mut queue, now);
    assert_eq!(started, [job_of("known.example", 0, Trust::Known), known], "at once, beside a busy site too");
    // 6 unknown fetches have started, so that 262 places are free.
    for path in 0..262 {
        assert_eq!(queue.push(now, job_of("known.example", path, Trust::Known)), None);
    }
    assert!(queue.push(now, job_of("known.example", 262, Trust::Known)).is_some_and(|job| !job.is_known()));
    assert_eq!(queue.waiting.len(), 1024);
}

/// The attacker names a new URL in every INVITE. If this test fails, the edge floods victims with requests.
#[test]
fn fetches_of_unknown_urls_are_limited_per_second() {
    let (mut queue, begin) = queue(FetchLimits::default());
    let (mut started, mut of_one_site) = (0, 0);
    for tick in 0..600_u32 {
        let now = begin + Duration::from_millis(100) * tick;
        for number in 0..10 {
            queue.push(now, job(&format!("s{}.example", tick * 10 + number), 0));
            queue.push(now, job(&format!("h{}.evil.example.com", tick * 10 + number), 0));
        }
        for job in start_all(&mut queue, now) {
            started += 1;
            of_one_site += u32::from(&*job.site == "example.com");
            queue.finish(now, &job, true);
        }
        queue.expire(now);
    }
    assert!((48 * 60..=48 * 62).contains(&started), "{started} in 60 s");
    assert!(of_one_site <= 12 * 62, "{of_one_site} in 60 s");
    assert!(queue.sites.len() < 3000);
}

/// The attacker has many hosts that accept connections and never answer. If this test fails, honest signers wait for them.
#[test]
fn sites_that_do_not_answer_cost_only_themselves() {
    let (mut queue, begin) = queue(FetchLimits::default());
    let mut running: Vec<(Instant, Job)> = Vec::new();
    let (mut honest, mut tries) = (0, 0);
    for tick in 0..600_u32 {
        let now = begin + Duration::from_millis(100) * tick;
        for at in (0..running.len()).rev() {
            if running[at].0 <= now {
                let (_, job) = running.remove(at);
                let answered = &*job.site == "honest.example";
                queue.finish(now, &job, answered);
            }
        }
        // 80 URLs per second on 40 hanging sites, and one honest URL per second.
        for number in 0..8 {
            queue.push(now, job(&format!("hang{}.example", (tick * 8 + number) % 40), tick));
        }
        if tick % 10 == 0 {
            tries += 1;
            queue.push(now, job("honest.example", tick));
        }
        for job in start_all(&mut queue, now) {
            honest += u32::from(&*job.site == "honest.example");
            let takes = if &*job.site == "honest.example" { 100 } else { 2000 };
            running.push((now + Duration::from_millis(takes), job));
        }
        queue.expire(now);
    }
    assert_eq!(honest, tries, "every honest fetch starts in the same tick or the next");
}

#[test]
fn a_site_that_did_not_answer_gets_one_fetch_at_a_time() {
    let (mut queue, now) = queue(FetchLimits::default());
    for path in 0..8 {
        queue.push(now, job("slow.example", path));
    }
    let started = start_all(&mut queue, now);
    assert_eq!(started.len(), 4);
    started.iter().for_each(|job| queue.finish(now, job, false));
    assert_eq!(start_all(&mut queue, now).len(), 1);
    let later = now + SLOW;
    for path in 8..12 {
        queue.push(later, job("slow.example", path));
    }
    assert_eq!(start_all(&mut queue, later).len(), 3);
}

#[test]
fn a_site_with_known_urls_has_larger_limits() {
    let (mut queue, now) = queue(FetchLimits::default());
    for path in 0..32 {
        queue.push(now, job_of("shared.example", path, Trust::KnownSite));
    }
    assert_eq!(start_all(&mut queue, now).len(), 16);
}

#[test]
fn fetches_that_nobody_waits_for_are_dropped_and_idle_sites_forgotten() {
    let (mut queue, now) = queue(FetchLimits::default().running(1, 1));
    queue.push(now, job("a.example", 0));
    queue.push(now, job("b.example", 0));
    let started = queue.start(now).unwrap();
    assert!(queue.expire(now + WAIT - Duration::from_millis(1)).is_empty());
    assert_eq!(queue.expire(now + WAIT), [job("a.example", 0)]);
    queue.finish(now + WAIT, &started, true);
    queue.expire(now + WAIT);
    assert!(queue.sites.is_empty() && !queue.is_waiting());
}
