//! The counters of the edge in the text format of OpenMetrics.

use std::fmt;

use attesta::{Report, WorkerReport};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode as encode_text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Returns the text of one scrape.
pub(super) fn encode(report: Report) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("attesta");
    registry.register_collector(Box::new(ReportCollector(report)));
    let mut text = String::new();
    encode_text(&mut text, &registry)?;
    Ok(text)
}

/// Encodes the counters of a report. The edge keeps the counters, so the metrics here have no state.
#[derive(Debug)]
struct ReportCollector(Report);

impl Collector for ReportCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode_version(&mut encoder)?;
        METRICS.iter().try_for_each(|metric| metric.encode(&self.0, &mut encoder))
    }
}

/// Encodes the running version: a gauge of 1, with the version number as its label.
fn encode_version(encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut family =
        encoder.encode_descriptor("build_info", "The running version", None, MetricType::Gauge)?;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    ConstGauge::new(1_i64).encode(family.encode_family(&version)?)
}

/// One metric of the report.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Samples,
}

/// The type of a metric, and the function that reads its samples from the report.
enum Samples {
    Gauge(fn(&Report) -> u64),
    Counter(fn(&Report) -> u64),
    /// A counter for each value of one label.
    ByLabel(&'static str, fn(&Report) -> Vec<(&'static str, u64)>),
    /// A counter for each pair of values of two labels.
    ByLabels([&'static str; 2], fn(&Report) -> Vec<(&'static str, &'static str, u64)>),
    /// A counter for each worker.
    ByWorker(fn(&WorkerReport) -> u64),
}

impl Metric {
    fn encode(&self, report: &Report, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = match self.samples {
            Samples::Gauge(_) => MetricType::Gauge,
            Samples::Counter(_) | Samples::ByLabel(..) | Samples::ByLabels(..) | Samples::ByWorker(_) => {
                MetricType::Counter
            }
        };
        let mut encoder = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        match self.samples {
            Samples::Gauge(read) => {
                ConstGauge::new(i64::try_from(read(report)).unwrap_or(i64::MAX)).encode(encoder)
            }
            Samples::Counter(read) => ConstCounter::new(read(report)).encode(encoder),
            Samples::ByLabel(label, read) => read(report).into_iter().try_for_each(|(value, count)| {
                ConstCounter::new(count).encode(encoder.encode_family(&[(label, value)])?)
            }),
            Samples::ByLabels([first, second], read) => {
                read(report).into_iter().try_for_each(|(one, other, count)| {
                    ConstCounter::new(count).encode(encoder.encode_family(&[(first, one), (second, other)])?)
                })
            }
            Samples::ByWorker(read) => report.workers.iter().enumerate().try_for_each(|(number, worker)| {
                ConstCounter::new(read(worker)).encode(encoder.encode_family(&[("worker", number)])?)
            }),
        }
    }
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Report) -> u64) -> Metric {
    Metric { name, help, samples: Samples::Gauge(read) }
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Report) -> u64) -> Metric {
    Metric { name, help, samples: Samples::Counter(read) }
}

const fn by_label(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    read: fn(&Report) -> Vec<(&'static str, u64)>,
) -> Metric {
    Metric { name, help, samples: Samples::ByLabel(label, read) }
}

const fn by_labels(
    name: &'static str,
    help: &'static str,
    labels: [&'static str; 2],
    read: fn(&Report) -> Vec<(&'static str, &'static str, u64)>,
) -> Metric {
    Metric { name, help, samples: Samples::ByLabels(labels, read) }
}

const fn by_worker(name: &'static str, help: &'static str, read: fn(&WorkerReport) -> u64) -> Metric {
    Metric { name, help, samples: Samples::ByWorker(read) }
}

/// Every metric, in the order of the scrape.
const METRICS: &[Metric] = &[
    gauge("calls_live", "Calls in progress now", |r| r.calls.calls_live),
    gauge("subscriptions_live", "Calls that are over and whose REFER still has a subscription", |r| {
        r.calls.subscriptions_live
    }),
    gauge("dialogs_live", "Dialogs in progress now", |r| r.calls.dialogs_live),
    gauge("transactions_live", "Transactions in progress now", |r| r.calls.transactions_live),
    gauge(
        "targets_out_of_service",
        "Targets that were taken out of service and have not responded since",
        |r| r.calls.targets_out_of_service,
    ),
    gauge("draining", "Workers that accept no new calls because the edge will stop", |r| r.calls.draining),
    counter("targets_taken_out_of_service", "Times that a target was taken out of service", |r| {
        r.calls.targets_taken_out_of_service
    }),
    gauge(
        "transactions_absorbing",
        "Transactions that have their final response and only absorb late messages",
        |r| r.calls.transactions.absorbing,
    ),
    counter(
        "transactions_shed",
        "Transactions with a final response that ended early because of their limit",
        |r| r.calls.transactions.shed,
    ),
    counter("calls", "Calls started", |r| r.calls.calls),
    counter("calls_answered", "Calls answered", |r| r.calls.answered),
    by_label("calls_ended", "Calls ended, by cause", "cause", |r| r.calls.ended().collect()),
    counter("legs_replaced", "Legs of calls that an INVITE with Replaces has replaced", |r| {
        r.calls.legs_replaced
    }),
    counter("message_requests_relayed", "MESSAGE requests outside a dialog that were relayed", |r| {
        r.calls.messages
    }),
    by_label("messages_refused", "Messages refused, by reason", "reason", |r| r.calls.refused().collect()),
    counter("messages_retransmitted", "Messages retransmitted", |r| {
        r.calls.transactions.retransmissions_sent
    }),
    counter("messages_absorbed", "Retransmissions from peers that were absorbed", |r| {
        r.calls.transactions.retransmissions_absorbed
    }),
    counter("identity_signed", "Identity header fields created", |r| r.calls.identity_signed),
    counter(
        "identity_sign_failures",
        "INVITE requests that could not be signed although they had to be signed",
        |r| r.calls.identity_sign_failures,
    ),
    counter(
        "identity_disputed",
        "Responses in which a verifier reports that it refused an Identity header field of this edge",
        |r| r.calls.identity_disputed,
    ),
    counter(
        "offer_answer_disagreements",
        "Messages of peers that departed from the offer/answer model and were relayed",
        |r| r.calls.offer_answer_disagreements,
    ),
    by_labels(
        "identity_verdicts",
        "Verdicts of verification, by verdict and reason",
        ["verdict", "reason"],
        |r| r.calls.verdicts().collect(),
    ),
    by_label("certificate_fetches", "Certificate fetches, by result", "result", |r| {
        r.fetches.iter().collect()
    }),
    by_label("dns_lookups", "DNS lookups sent to name servers, by result", "result", |r| {
        r.names.results().collect()
    }),
    counter("dns_known", "Name lookups answered from the cache", |r| r.names.known),
    counter("dns_joined", "Name lookups that waited for a lookup of the same name in progress", |r| {
        r.names.joined
    }),
    counter("dns_stale", "Name lookups answered with expired records", |r| r.names.stale),
    gauge("dns_kept", "DNS answers in the cache now", |r| r.names.kept),
    by_label("dns_records_ignored", "Records of DNS answers that were ignored, by reason", "reason", |r| {
        vec![("surplus", r.names.surplus_records), ("port-0", r.names.portless_records)]
    }),
    counter("resolutions", "Targets looked up in DNS", |r| r.shell.resolutions),
    counter(
        "resolutions_cut",
        "Targets that have more names or addresses than the limit; the rest is ignored",
        |r| r.shell.resolutions_cut,
    ),
    counter("datagrams_received", "Datagrams received", |r| r.shell.datagrams_received),
    counter("datagrams_sent", "Datagrams sent", |r| r.shell.datagrams_sent),
    counter(
        "datagrams_dropped",
        "Datagrams that the operating system dropped because a receive buffer was full",
        |r| r.shell.datagrams_dropped,
    ),
    counter("network_errors", "ICMP errors received for datagrams that this edge sent", |r| {
        r.shell.receive_errors
    }),
    counter("send_failures", "Messages that could not be sent", |r| r.shell.send_failures),
    gauge("connections_live", "Stream connections open now", |r| r.shell.streams.live),
    counter("connections_accepted", "Stream connections accepted", |r| r.shell.streams.accepted),
    counter("connections_opened", "Stream connections that this edge started to open", |r| {
        r.shell.streams.opened
    }),
    by_label(
        "connections_refused",
        "Stream connections closed right after they were accepted, by reason",
        "reason",
        |r| r.shell.streams.unaccepted().map(|(reason, count)| (reason.as_str(), count)).collect(),
    ),
    by_label("connections_closed", "Stream connections that ended, by reason", "reason", |r| {
        r.shell.streams.ended().map(|(reason, count)| (reason.as_str(), count)).collect()
    }),
    counter("stream_messages_received", "Messages received on streams", |r| {
        r.shell.streams.messages_received
    }),
    counter("stream_messages_sent", "Messages sent on streams", |r| r.shell.streams.messages_sent),
    counter(
        "stream_messages_moved",
        "Messages sent again on another connection because their first connection was closed",
        |r| r.shell.streams.messages_moved,
    ),
    counter(
        "oversize_refused",
        "Connections that targets did not accept, requested for INVITEs too large for a datagram",
        |r| r.calls.connections_refused,
    ),
    counter("events_dropped", "Call events dropped because the channel was full", |r| r.shell.events_dropped),
    by_labels("tls_handshakes", "TLS handshakes, by side and result", ["side", "result"], |r| {
        r.tls.handshakes().collect()
    }),
    by_label("tls_reloads", "Changed certificate files that were read again, by result", "result", |r| {
        vec![("loaded", r.tls.reloaded), ("refused", r.tls.reloads_refused)]
    }),
    counter("websockets_opened", "WebSocket handshakes completed", |r| r.ws.opened),
    by_label("websocket_failures", "WebSocket connections that failed, by reason", "reason", |r| {
        r.ws.failures().collect()
    }),
    counter(
        "unknown_sources_dropped",
        "Datagrams from unknown sources that exceeded the rate limit, dropped unread",
        |r| r.shell.unknown_sources_dropped,
    ),
    counter("handovers_dropped", "Messages dropped because the queue to another worker was full", |r| {
        r.shell.handovers_dropped
    }),
    by_worker("worker_calls", "Calls started, by worker", |r| r.calls.calls),
    by_worker("worker_datagrams_received", "Datagrams received, by worker", |r| r.shell.datagrams_received),
    by_worker(
        "worker_handed_over",
        "Messages that one worker handed over to the worker of their call, by the worker that received them",
        |r| r.shell.handed_over,
    ),
];

#[cfg(test)]
mod tests {
    use super::METRICS;

    #[test]
    fn each_metric_has_its_own_name() {
        let names: std::collections::BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
    }
}
