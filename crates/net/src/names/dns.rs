//! The answers of name servers and of the hosts file. Only this file uses hickory.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};

use crate::names::record::{DnsQuestion, Kind, LookupError, Naptr, RECORDS, Records, Reply, Srv};

/// Answers the questions that a directory cannot answer from its cache.
pub(super) trait Source: Send + Sync + 'static {
    fn ask(&self, question: DnsQuestion) -> Answering;
}

/// An answer that is not available yet.
pub(super) type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Name servers and the hosts file. The hosts file needs no name server.
pub(super) struct Servers {
    /// `None` if no resolver could be created. Then no name resolves.
    resolver: Option<TokioResolver>,
    hosts: Hosts,
}

impl Servers {
    /// The name servers of `/etc/resolv.conf`.
    pub(super) fn system() -> Servers {
        match TokioResolver::builder_tokio() {
            Ok(builder) => Servers::new(builder),
            Err(error) => {
                tracing::warn!(%error, "cannot read the system's name servers");
                Servers::at(&[])
            }
        }
    }

    /// The name servers at `servers`.
    pub(super) fn at(servers: &[SocketAddr]) -> Servers {
        let config = ResolverConfig::from_name_servers(servers.iter().copied().map(name_server).collect());
        Servers::new(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn new(mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>) -> Servers {
        set_limits(builder.options_mut());
        let resolver = builder.build();
        if let Err(error) = &resolver {
            tracing::error!(%error, "cannot create a resolver: no name will resolve");
        }
        Servers { resolver: resolver.ok(), hosts: Hosts::from_system().unwrap_or_default() }
    }

    /// True if the hosts file contains the host. Then DNS is not queried for SRV and NAPTR records of the host.
    fn is_local(&self, host: &Name) -> bool {
        let known = |kind| self.hosts.lookup_static_host(&Query::query(host.clone(), kind)).is_some();
        known(RecordType::A) || known(RecordType::AAAA)
    }
}

impl Source for Servers {
    fn ask(&self, question: DnsQuestion) -> Answering {
        let (Some(resolver), Some(name)) = (self.resolver.clone(), dns_name(&question.name)) else {
            return Box::pin(std::future::ready(Reply::failed(LookupError::NotFound)));
        };
        if question.kind != Kind::Addresses && self.is_local(&host_of(&name)) {
            return Box::pin(std::future::ready(Reply::failed(LookupError::NotFound)));
        }
        Box::pin(async move {
            let found = match question.kind {
                Kind::Addresses => resolver.lookup_ip(name).await.map(|found| found.as_lookup().clone()),
                Kind::Services => return services(&resolver, name).await,
                Kind::Pointers => resolver.lookup(name, RecordType::NAPTR).await,
            };
            match found {
                Ok(found) => read(question.kind, found.answers()),
                Err(error) => failure_reply(&error),
            }
        })
    }
}

/// Looks up the SRV records of a name. Follows aliases, because hickory follows no alias to SRV records: it takes the
/// target of the first SRV record for the end of the alias chain, and finds no SRV record there.
async fn services(resolver: &TokioResolver, mut name: Name) -> Reply {
    let mut ttl = Duration::MAX;
    for _ in 0..=ALIASES {
        let error = match resolver.lookup(name.clone(), RecordType::SRV).await {
            Ok(found) => {
                let reply = read(Kind::Services, found.answers());
                return Reply { ttl: reply.ttl.min(ttl), ..reply };
            }
            Err(error) => error,
        };
        let is_absent = matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)));
        let found = if is_absent { resolver.lookup(name, RecordType::CNAME).await.ok() } else { None };
        let alias = found.as_ref().and_then(|found| {
            found.answers().iter().find_map(|record| match &record.data {
                RData::CNAME(alias) => Some((alias.0.clone(), record.ttl)),
                _ => None,
            })
        });
        let Some((next, seconds)) = alias else { return failure_reply(&error) };
        ttl = ttl.min(Duration::from_secs(seconds.into()));
        name = next;
    }
    tracing::debug!("an alias chain of SRV records is too long");
    Reply::failed(LookupError::Failed)
}

/// Reads the records of one kind from an answer. The answer may also contain aliases.
fn read(kind: Kind, answers: &[Record]) -> Reply {
    let ttl = answers.iter().map(|record| record.ttl).min().unwrap_or_default();
    let data = answers.iter().map(|record| &record.data);
    let (mut surplus, mut portless) = (0, 0);
    let records = match kind {
        Kind::Addresses => {
            let mut addresses = Vec::new();
            for address in data.filter_map(RData::ip_addr) {
                if addresses.len() >= RECORDS {
                    surplus += 1;
                } else if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Records::Addresses(addresses)
        }
        Kind::Services => {
            let mut services: Vec<_> = data.filter_map(service).collect();
            let all = services.len();
            services.retain(|service| service.port != 0 || &*service.target == ".");
            portless = all - services.len();
            surplus = services.len().saturating_sub(RECORDS);
            // The servers are sorted by priority, so that truncation removes the least preferred servers.
            services.sort_by_key(|service| service.priority);
            services.truncate(RECORDS);
            Records::Services(services)
        }
        Kind::Pointers => {
            let mut pointers: Vec<_> = data.filter_map(pointer).collect();
            surplus = pointers.len().saturating_sub(RECORDS);
            pointers.sort_by_key(|pointer| (pointer.order, pointer.preference));
            pointers.truncate(RECORDS);
            Records::Pointers(pointers)
        }
    };
    let empty = match &records {
        Records::Addresses(addresses) => addresses.is_empty(),
        Records::Services(services) => services.is_empty(),
        Records::Pointers(pointers) => pointers.is_empty(),
    };
    let records = if empty { Err(LookupError::NotFound) } else { Ok(records) };
    Reply { records, ttl: Duration::from_secs(ttl.into()), surplus, portless }
}

fn service(data: &RData) -> Option<Srv> {
    let RData::SRV(srv) = data else { return None };
    let target = srv.target.to_ascii().into_boxed_str();
    Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target })
}

fn pointer(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(naptr) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned().into_boxed_str();
    Some(Naptr {
        order: naptr.order,
        preference: naptr.preference,
        flags: text(&naptr.flags),
        services: text(&naptr.services),
        rewrites: !naptr.regexp.is_empty(),
        replacement: naptr.replacement.to_ascii().into_boxed_str(),
    })
}

fn failure_reply(error: &NetError) -> Reply {
    tracing::debug!(%error, "DNS lookup failed");
    if let NetError::Dns(DnsError::NoRecordsFound(absent)) = error {
        let ttl = Duration::from_secs(absent.negative_ttl.unwrap_or_default().into());
        return Reply { ttl, ..Reply::failed(LookupError::NotFound) };
    }
    let timed_out = matches!(error, NetError::Timeout);
    Reply::failed(if timed_out { LookupError::Timeout } else { LookupError::Failed })
}

/// Returns the name in DNS form. A name with several labels is complete, so the search list of the system is not used.
fn dns_name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    if name.num_labels() > 1 {
        name.set_fqdn(true);
    }
    Some(name)
}

/// Returns the name without service labels such as `_sip._udp`.
fn host_of(name: &Name) -> Name {
    let of_the_service = name.iter().take_while(|label| label.starts_with(b"_")).count();
    name.trim_to(usize::from(name.num_labels()).saturating_sub(of_the_service))
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// Limits the cost of one lookup. The cache of the directory keeps the answers and limits their number and size.
fn set_limits(options: &mut ResolverOpts) {
    options.timeout = ATTEMPT_TIMEOUT;
    options.attempts = RETRIES;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Always;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
}

/// The longest time for one lookup, including retries and aliases.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The longest time for one answer of a name server.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(800);
const RETRIES: usize = 2;
/// The longest chain of aliases to SRV records.
const ALIASES: usize = 4;

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::{A, CNAME, SRV};

    use super::*;

    fn record(ttl: u32, data: RData) -> Record {
        Record::from_rdata(Name::from_ascii("a.example.").unwrap(), ttl, data)
    }

    fn srv(priority: u16, port: u16, target: &str) -> Record {
        record(60, RData::SRV(SRV::new(priority, 1, port, Name::from_ascii(target).unwrap())))
    }

    #[test]
    fn the_shortest_ttl_of_an_alias_chain_applies() {
        let alias = record(5, RData::CNAME(CNAME(Name::from_ascii("b.example.").unwrap())));
        let reply = read(Kind::Addresses, &[alias, record(60, RData::A(A::new(192, 0, 2, 1)))]);
        assert_eq!(reply.records, Ok(Records::Addresses(vec![[192, 0, 2, 1].into()])));
        assert_eq!(reply.ttl, Duration::from_secs(5));
    }

    #[test]
    fn a_thousand_records_are_cut_to_the_most_preferred() {
        let records: Vec<_> = (0..1000).rev().map(|n| srv(n, 5060, "s.example.")).collect();
        let reply = read(Kind::Services, &records);
        assert_eq!(reply.surplus, 1000 - RECORDS);
        let Ok(Records::Services(services)) = reply.records else { unreachable!("services") };
        assert!(services.iter().map(|service| usize::from(service.priority)).eq(0..RECORDS));
    }

    #[test]
    fn a_server_at_port_0_is_ignored_and_a_dot_is_kept() {
        let reply = read(Kind::Services, &[srv(0, 0, "s.example."), srv(1, 5070, "t.example.")]);
        assert_eq!(reply.portless, 1);
        let Ok(Records::Services(services)) = reply.records else { unreachable!("services") };
        assert_eq!(services.iter().map(|service| &*service.target).collect::<Vec<_>>(), ["t.example."]);
        let reply = read(Kind::Services, &[srv(0, 0, ".")]);
        assert_eq!((reply.portless, reply.records.is_ok()), (0, true));
        assert_eq!(read(Kind::Services, &[srv(0, 0, "s.example.")]).records, Err(LookupError::NotFound));
    }

    #[test]
    fn the_host_of_a_service_follows_its_labels() {
        let host = |name: &str| host_of(&Name::from_ascii(name).unwrap()).to_ascii();
        assert_eq!(host("_sip._udp.carrier.example."), "carrier.example.");
        assert_eq!(host("carrier.example."), "carrier.example.");
        assert_eq!(host("_sip._udp.carrier"), "carrier.");
    }

    #[test]
    fn only_single_labels_use_the_search_list() {
        assert!(dns_name("carrier.example").unwrap().is_fqdn() && dns_name("carrier.").unwrap().is_fqdn());
        assert!(!dns_name("carrier").unwrap().is_fqdn());
    }
}
