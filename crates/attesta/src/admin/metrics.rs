//! What was counted, in the text form of OpenMetrics.

use std::fmt;

use attesta::{Report, StreamCounters, WorkerReport};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode as encode_text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The text of one scrape.
pub(super) fn encode(report: Report) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("attesta");
    registry.register_collector(Box::new(Counted(report)));
    let mut text = String::new();
    encode_text(&mut text, &registry)?;
    Ok(text)
}

/// Plain numbers, encoded as they stand: the edge counts, this prints.
#[derive(Debug)]
struct Counted(Report);

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Report { calls, shell, fetches, names, tls, ws, workers } = &self.0;
        let mut page = Page(encoder);
        page.version()?;
        page.gauge("calls_live", "Calls that live now", calls.calls_live)?;
        page.gauge("dialogs_live", "Dialogs that live now", calls.dialogs_live)?;
        page.gauge("transactions_live", "Transactions that live now", calls.transactions_live)?;
        page.gauge(
            "targets_aside",
            "Targets that were set aside and have not answered since",
            calls.targets_aside,
        )?;
        page.gauge(
            "draining",
            "Workers that begin no calls any more, since they are to stop",
            calls.draining,
        )?;
        page.counter("targets_set_aside", "Targets set aside", calls.targets_set_aside)?;
        page.gauge(
            "transactions_absorbing",
            "Transactions of these that have had their final response",
            calls.transactions.absorbing,
        )?;
        page.counter(
            "transactions_shed",
            "Transactions with their final response that were ended before their time",
            calls.transactions.shed,
        )?;
        page.counter("calls", "Calls begun", calls.calls)?;
        page.counter("calls_answered", "Calls answered", calls.answered)?;
        page.by("cause", "calls_ended", "Calls ended, by cause", calls.ended())?;
        page.counter(
            "message_requests_relayed",
            "MESSAGEs outside any dialog that were sent on",
            calls.messages,
        )?;
        page.by("reason", "messages_refused", "Messages refused, by reason", calls.refused())?;
        page.counter(
            "messages_retransmitted",
            "Messages sent again",
            calls.transactions.retransmissions_sent,
        )?;
        page.counter(
            "messages_absorbed",
            "Retransmissions of the peer's that were absorbed",
            calls.transactions.retransmissions_absorbed,
        )?;
        page.counter("identity_signed", "Identity header fields made", calls.identity_signed)?;
        page.counter(
            "identity_sign_failures",
            "INVITEs that should have been signed and could not be",
            calls.identity_sign_failures,
        )?;
        page.counter(
            "identity_disputed",
            "Responses that said that an Identity of ours does not verify",
            calls.identity_disputed,
        )?;
        page.labelled(
            "identity_verdicts",
            "Verdicts on calls, by verdict and reason",
            ["verdict", "reason"],
            calls.verdicts().map(|(verdict, reason, count)| ([verdict, reason], count)),
        )?;
        page.by("result", "certificate_fetches", "Fetches of certificates, by result", fetches.iter())?;
        page.by(
            "result",
            "dns_lookups",
            "Lookups that name servers were asked for, by result",
            names.results(),
        )?;
        page.counter("dns_known", "Questions answered from what was known", names.known)?;
        page.counter("dns_joined", "Questions that joined a lookup under way", names.joined)?;
        page.counter("dns_stale", "Questions answered by records whose time was over", names.stale)?;
        page.gauge("dns_kept", "Answers kept now", names.kept)?;
        page.by(
            "reason",
            "dns_records_ignored",
            "Records of answers that were ignored, by reason",
            [("surplus", names.surplus_records), ("port-0", names.portless_records)],
        )?;
        page.counter("resolutions", "Targets that were searched for in DNS", shell.resolutions)?;
        page.counter(
            "resolutions_cut",
            "Targets that led to more names or addresses than are looked at",
            shell.resolutions_cut,
        )?;
        page.counter("datagrams_received", "Datagrams received", shell.datagrams_received)?;
        page.counter("datagrams_sent", "Datagrams sent", shell.datagrams_sent)?;
        page.counter(
            "datagrams_dropped",
            "Datagrams that the operating system dropped for want of room in a receive buffer",
            shell.datagrams_dropped,
        )?;
        page.counter("network_errors", "ICMP errors for datagrams sent", shell.receive_errors)?;
        page.counter("send_failures", "Messages that could not be sent", shell.send_failures)?;
        page.streams(&shell.streams)?;
        page.counter(
            "oversize_refused",
            "Connections for INVITEs too large for a datagram that targets did not take",
            calls.connections_refused,
        )?;
        page.counter("events_dropped", "Call events for which there was no room", shell.events_dropped)?;
        page.labelled(
            "tls_handshakes",
            "TLS handshakes, by side and result",
            ["side", "result"],
            tls.handshakes().map(|(side, result, count)| ([side, result], count)),
        )?;
        page.by(
            "result",
            "tls_reloads",
            "New certificate files, by what became of them",
            [("loaded", tls.reloaded), ("refused", tls.reloads_refused)],
        )?;
        page.counter("websockets_opened", "WebSockets whose handshake was done", ws.opened)?;
        page.by("reason", "websocket_failures", "WebSockets that failed, by reason", ws.failures())?;
        page.counter(
            "strangers_dropped",
            "Datagrams from addresses that no trunk claims, dropped unread since they came too fast",
            shell.strangers_dropped,
        )?;
        page.counter(
            "handovers_dropped",
            "Messages for another worker for which its queue had no room",
            shell.handovers_dropped,
        )?;
        page.workers("worker_calls", "Calls begun, by worker", workers, |worker| worker.calls.calls)?;
        page.workers("worker_datagrams_received", "Datagrams received, by worker", workers, |worker| {
            worker.shell.datagrams_received
        })?;
        page.workers(
            "worker_handed_over",
            "Messages given to the worker that they belong to, by who received them",
            workers,
            |worker| worker.shell.handed_over,
        )
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn streams(&mut self, streams: &StreamCounters) -> Result<(), fmt::Error> {
        self.gauge("connections_live", "Stream connections that live now", streams.live)?;
        self.counter("connections_accepted", "Stream connections accepted", streams.accepted)?;
        self.counter("connections_opened", "Stream connections that we set out to open", streams.opened)?;
        self.by(
            "reason",
            "connections_refused",
            "Stream connections closed as soon as they were accepted, by reason",
            streams.unaccepted().map(|(reason, count)| (reason.as_str(), count)),
        )?;
        self.by(
            "reason",
            "connections_closed",
            "Stream connections that came to their end, by reason",
            streams.ended().map(|(reason, count)| (reason.as_str(), count)),
        )?;
        self.counter("stream_messages_received", "Messages received on streams", streams.messages_received)?;
        self.counter("stream_messages_sent", "Messages sent on streams", streams.messages_sent)?;
        self.counter(
            "stream_messages_moved",
            "Messages sent again since their connection was closed under them",
            streams.messages_moved,
        )
    }

    /// Which version runs: 1, with its number as a label.
    fn version(&mut self) -> Result<(), fmt::Error> {
        let help = "The version that runs";
        let mut encoder = self.0.encode_descriptor("build_info", help, None, MetricType::Gauge)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1_i64).encode(encoder.encode_family(&version)?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        gauge.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// A counter for each worker.
    fn workers(
        &mut self,
        name: &str,
        help: &str,
        workers: &[WorkerReport],
        read: impl Fn(&WorkerReport) -> u64,
    ) -> Result<(), fmt::Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (number, worker) in workers.iter().enumerate() {
            let set = [("worker", number)];
            ConstCounter::new(read(worker)).encode(encoder.encode_family(&set)?)?;
        }
        Ok(())
    }

    /// A counter for each value of one label.
    fn by(
        &mut self,
        label: &str,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Result<(), fmt::Error> {
        self.labelled(name, help, [label], values.into_iter().map(|(value, count)| ([value], count)))
    }

    /// A counter for each set of label values.
    fn labelled<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        values: impl Iterator<Item = ([&'static str; N], u64)>,
    ) -> Result<(), fmt::Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (texts, count) in values {
            let set: Vec<_> = labels.into_iter().zip(texts).collect();
            ConstCounter::new(count).encode(encoder.encode_family(&set)?)?;
        }
        Ok(())
    }
}
