//! The search of RFC 3263 section 4: from a target to destinations, with questions to DNS.
//!
//! ```text
//! literal address --------------------------------------------------> done
//! a port ---------------------------------------------> A, AAAA ----> done
//! a transport ------------------> SRV ----------------> A, AAAA ----> done
//! neither ----------> NAPTR ----> SRV ----------------> A, AAAA ----> done
//!                       none: one SRV question for each transport
//!                                 none: the host itself, at the default port
//!                                 no answer: nothing, since a guess may lead to a host that the domain does not want
//! ```

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use attesta_b2bua::{Destination, ResolveError, Target, Transports};
use attesta_transaction::Transport;

use crate::names::record::{DnsQuestion, Kind, LookupError, Naptr, Records};
use crate::resolve::order::order;

/// The search for one target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Search {
    target: Target,
    /// The transports that the edge can use.
    transports: Transports,
    stage: Stage,
    /// The transport that the URI or the NAPTR records name.
    chosen: Option<Transport>,
    /// The number of lookups that the search may still do.
    lookups: usize,
    /// True if an answer is missing. Then a result without destinations does not prove that there are none.
    incomplete: bool,
    truncated: bool,
}

/// The last questions of the search.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The NAPTR records of the target.
    Pointers,
    /// The SRV records of these services.
    Services(Vec<Service>),
    /// The addresses of these hosts.
    Hosts(Vec<Host>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    transport: Transport,
    name: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    transport: Transport,
    name: Box<str>,
    port: u16,
}

/// The next step of the search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The search needs the answers to these questions, in the same order, for [`Search::answered`].
    Ask(Vec<DnsQuestion>),
    /// The search has ended.
    Done(Found),
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The destinations of the target, best first.
    pub(crate) result: Result<Vec<Destination>, ResolveError>,
    /// True if there was more than a search uses ([`LOOKUPS`], [`DESTINATIONS`]).
    pub(crate) truncated: bool,
}

/// The answer to one question.
pub(super) type Answer = Result<Records, LookupError>;

impl Search {
    /// Begins the search for `target` with these `transports`.
    pub(super) fn begin(target: Target, transports: Transports) -> (Search, Step) {
        let mut search = Search {
            target,
            transports,
            stage: Stage::Pointers,
            chosen: None,
            lookups: LOOKUPS,
            incomplete: false,
            truncated: false,
        };
        let step = search.first_step();
        (search, step)
    }

    /// Chooses the first step by section 4.1, or by the cases of section 4.2 that need fewer lookups.
    fn first_step(&mut self) -> Step {
        let Some(transport) = self.transport() else { return self.done(Err(ResolveError::Unsupported)) };
        if let Some(address) = literal(&self.target.host) {
            let port = self.target.port.unwrap_or(transport.default_port());
            let destination = self.destination(transport, SocketAddr::new(address, port));
            return self.done(Ok(vec![destination]));
        }
        if self.target.port.is_some() {
            return self.ask_hosts(vec![self.target_host(transport)]);
        }
        if self.target.transport.is_some() {
            self.chosen = Some(transport);
            return match self.service(transport) {
                Some(service) => self.ask_services(vec![service]),
                None => self.ask_hosts(vec![self.target_host(transport)]),
            };
        }
        self.stage = Stage::Pointers;
        self.ask(vec![DnsQuestion::new(Kind::Pointers, &self.target.host)])
    }

    /// Handles the answers to the last [`Step::Ask`].
    pub(super) fn answered(&mut self, answers: Vec<Answer>, chance: &mut dyn FnMut() -> u64) -> Step {
        self.incomplete |= answers.iter().any(|answer| {
            matches!(answer, Err(LookupError::Timeout | LookupError::Failed | LookupError::Busy))
        });
        match std::mem::replace(&mut self.stage, Stage::Pointers) {
            Stage::Pointers => self.on_naptr(answers),
            Stage::Services(services) => self.on_srv(&services, answers, chance),
            Stage::Hosts(hosts) => self.on_addresses(&hosts, &answers),
        }
    }

    /// Selects the matching NAPTR records of the lowest order (RFC 3403 section 4.1), by preference.
    fn on_naptr(&mut self, answers: Vec<Answer>) -> Step {
        let mut pointers = match answers.into_iter().next() {
            Some(Ok(Records::Pointers(pointers))) => pointers,
            Some(Ok(Records::Addresses(_) | Records::Services(_)) | Err(_)) | None => Vec::new(),
        };
        pointers.sort_by_key(|pointer| (pointer.order, pointer.preference));
        let mut fitting = pointers.iter().filter_map(|pointer| {
            let transport = self.offered(pointer)?;
            Some((pointer.order, Service { transport, name: pointer.replacement.clone() }))
        });
        let first = fitting.next();
        let order = first.as_ref().map(|(order, _)| *order);
        let services: Vec<_> = first
            .into_iter()
            .chain(fitting.take_while(|(next, _)| Some(*next) == order))
            .map(|(_, service)| service)
            .collect();
        if let Some(best) = services.first() {
            self.chosen = Some(best.transport);
            return self.ask_services(services);
        }
        let guessed = if self.target.secure { &[Transport::Tls][..] } else { &GUESSED };
        let guessed = guessed.iter().filter(|transport| self.transports.has(**transport));
        let services = guessed.filter_map(|transport| self.service(*transport)).collect();
        self.ask_services(services)
    }

    /// Reads the SRV records of the services. Orders the servers of each service by RFC 2782.
    fn on_srv(
        &mut self,
        services: &[Service],
        answers: Vec<Answer>,
        chance: &mut dyn FnMut() -> u64,
    ) -> Step {
        let mut hosts = Vec::new();
        // Section 4.2 uses the host itself if there are no SRV records. A missing answer is different: the operator of the
        // domain may have moved the service elsewhere.
        let mut absent = true;
        for (service, answer) in services.iter().zip(answers) {
            absent &= answer == Err(LookupError::NotFound);
            let Ok(Records::Services(servers)) = answer else { continue };
            // RFC 2782: a target of "." means that the service is not available.
            let servers = servers.into_iter().filter(|server| &*server.target != ".").collect();
            let servers = order(servers, chance).into_iter();
            hosts.extend(servers.map(|server| Host {
                transport: service.transport,
                name: server.target,
                port: server.port,
            }));
        }
        if absent {
            hosts.extend(
                self.chosen.or_else(|| self.transport()).map(|transport| self.target_host(transport)),
            );
        }
        self.ask_hosts(hosts)
    }

    /// Combines the hosts with their addresses.
    fn on_addresses(&mut self, hosts: &[Host], answers: &[Answer]) -> Step {
        let names = distinct(hosts);
        let mut destinations = Vec::new();
        for host in hosts {
            let answer = names.iter().position(|name| *name == &*host.name).and_then(|at| answers.get(at));
            let Some(Ok(Records::Addresses(addresses))) = answer else { continue };
            for address in addresses {
                if !self.transports.reach(host.transport, *address) {
                    continue;
                }
                let destination = self.destination(host.transport, SocketAddr::new(*address, host.port));
                if destinations.contains(&destination) {
                    continue;
                }
                if destinations.len() >= DESTINATIONS {
                    self.truncated = true;
                    break;
                }
                destinations.push(destination);
            }
        }
        if destinations.is_empty() { self.not_found() } else { self.done(Ok(destinations)) }
    }

    /// Returns the transport if no record names a transport (section 4.1). `sips` requires TLS over the named transport. This
    /// is impossible over datagrams (RFC 3261 section 26.2.2). Returns `None` if the edge does not have the transport.
    fn transport(&self) -> Option<Transport> {
        let has = |transport: &Transport| self.transports.has(*transport);
        match (self.target.secure, self.target.transport) {
            (false, Some(named)) => Some(named).filter(has),
            (false, None) => GUESSED.into_iter().find(has),
            (true, Some(Transport::Udp)) => None,
            (true, Some(Transport::Ws | Transport::Wss)) => Some(Transport::Wss).filter(has),
            (true, Some(Transport::Tcp | Transport::Tls) | None) => Some(Transport::Tls).filter(has),
        }
    }

    /// Returns the transport of a NAPTR rule if the search may follow the rule. The edge must have the transport, and `sips`
    /// requires a secure transport.
    fn offered(&self, pointer: &Naptr) -> Option<Transport> {
        if !pointer.flags.eq_ignore_ascii_case("s") || pointer.rewrites || &*pointer.replacement == "." {
            return None;
        }
        let (_, transport) = SERVICES.iter().find(|(name, _)| pointer.services.eq_ignore_ascii_case(name))?;
        let secure_enough = *transport == Transport::Tls || !self.target.secure;
        (self.transports.has(*transport) && secure_enough).then_some(*transport)
    }

    /// Returns the service of the target for a transport. RFC 7118 defines no service for WebSocket.
    fn service(&self, transport: Transport) -> Option<Service> {
        let labels = match transport {
            Transport::Udp => "_sip._udp.",
            Transport::Tcp => "_sip._tcp.",
            Transport::Tls => "_sips._tcp.",
            Transport::Ws | Transport::Wss => return None,
        };
        Some(Service { transport, name: format!("{labels}{}", self.target.host).into() })
    }

    /// Returns the host that the target names.
    fn target_host(&self, transport: Transport) -> Host {
        let port = self.target.port.unwrap_or(transport.default_port());
        Host { transport, name: self.target.host.clone(), port }
    }

    fn ask_services(&mut self, mut services: Vec<Service>) -> Step {
        self.truncated |= services.len() > self.lookups;
        services.truncate(self.lookups);
        let questions =
            services.iter().map(|service| DnsQuestion::new(Kind::Services, &service.name)).collect();
        self.stage = Stage::Services(services);
        self.ask(questions)
    }

    fn ask_hosts(&mut self, hosts: Vec<Host>) -> Step {
        let mut names = distinct(&hosts);
        self.truncated |= names.len() > self.lookups;
        names.truncate(self.lookups);
        let questions: Vec<_> =
            names.into_iter().map(|name| DnsQuestion::new(Kind::Addresses, name)).collect();
        if questions.is_empty() {
            return self.not_found();
        }
        self.stage = Stage::Hosts(hosts);
        self.ask(questions)
    }

    fn ask(&mut self, questions: Vec<DnsQuestion>) -> Step {
        self.lookups = self.lookups.saturating_sub(questions.len());
        Step::Ask(questions)
    }

    fn destination(&self, transport: Transport, address: SocketAddr) -> Destination {
        let server_name = match transport {
            Transport::Udp | Transport::Tcp | Transport::Ws => None,
            Transport::Tls | Transport::Wss => Some(match literal(&self.target.host) {
                Some(address) => address.to_string().into(),
                None => Arc::from(&*self.target.host),
            }),
        };
        Destination { transport, address, server_name }
    }

    /// Ends the search without a destination.
    fn not_found(&self) -> Step {
        self.done(Err(if self.incomplete { ResolveError::Timeout } else { ResolveError::NotFound }))
    }

    fn done(&self, result: Result<Vec<Destination>, ResolveError>) -> Step {
        Step::Done(Found { result, truncated: self.truncated })
    }
}

/// Returns the names of the hosts in order, without duplicates.
fn distinct(hosts: &[Host]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for host in hosts {
        if !names.contains(&&*host.name) {
            names.push(&host.name);
        }
    }
    names
}

/// Returns a literal address. IPv6 is in brackets (RFC 3261 section 25.1).
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// The services of NAPTR records (RFC 3263 section 9). The services of RFC 7118 section 5.5 are missing, because the edge
/// accepts WebSocket connections and opens none.
const SERVICES: [(&str, Transport); 3] =
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];

/// The transports whose SRV records are queried if no NAPTR record names a transport, in this order.
const GUESSED: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// The most questions of one search. A and AAAA of a name count as one question.
const LOOKUPS: usize = 24;

/// The most destinations of one search.
const DESTINATIONS: usize = 32;

#[cfg(test)]
mod tests;
