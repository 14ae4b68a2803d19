//! The counters and gauges of an edge, as printed by its `/metrics`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One reading of `/metrics`: a map from series (`name{labels}`) to value.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    series: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads `/metrics` from the admin listener at `admin`. Returns `None` if the listener does not answer, or not yet.
    #[must_use]
    pub fn read(admin: SocketAddr) -> Option<Self> {
        let text = get(admin, "/metrics")?;
        let series = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?)))
            .collect();
        Some(Self { series })
    }

    /// The sum over all series of the metric `name` whose labels contain each of `labels` (written `label="value"`).
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.series
            .iter()
            .filter(|(series, _)| {
                series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
            })
            .map(|(_, value)| value)
            .sum()
    }

    /// Returns true if the metric `name` has a series.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.series.keys().any(|series| series.split('{').next() == Some(name))
    }

    /// The series of the metric `name`.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.series
            .iter()
            .filter(move |(series, _)| series.split('{').next() == Some(name))
            .map(|(series, value)| (series.as_str(), *value))
    }

    /// Returns the numbers of live calls, dialogs and transactions.
    #[must_use]
    pub fn live(&self) -> [f64; 3] {
        ["attesta_calls_live", "attesta_dialogs_live", "attesta_transactions_live"]
            .map(|name| self.sum(name, &[]))
    }
}

/// Returns the body of a GET over plain HTTP if the status is 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// The time limit for an answer of a loopback listener.
const PATIENCE: Duration = Duration::from_secs(5);
