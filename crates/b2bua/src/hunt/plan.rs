//! The targets that the routes select for a call, and the Request-URI for each target.

use std::collections::VecDeque;
use std::sync::Arc;

use attesta_sip::{Status, Uri};
use attesta_stir::Identity;
use bytes::Bytes;

use crate::config::Config;
use crate::config::route::RouteToEntry;
use crate::config::trunk_entry::TrunkEntry;
use crate::event::Arrival;
use crate::policy::Routing;
use crate::trunk::target::Target;

/// One target to try.
#[derive(Clone, Debug)]
pub(crate) struct RouteTarget {
    /// The trunk whose outbound rules apply.
    pub(crate) egress: Arc<TrunkEntry>,
    pub(crate) target: Target,
    /// The Request-URI of the request to this target.
    pub(crate) uri: Bytes,
}

/// The targets of a call or MESSAGE, in order.
///
/// # Errors
///
/// The status with which the request is refused: 404 if no route matches, or if the Request-URI is not a SIP target.
pub(crate) fn plan(
    config: &Config,
    ingress: &Arc<TrunkEntry>,
    arrival: &Arrival,
    uri: &[u8],
    routing: &Routing,
) -> Result<VecDeque<RouteTarget>, Status> {
    let targets = match routing {
        Routing::Refuse(status) => return Err(*status),
        Routing::RequestUri => target_of_uri(ingress, uri),
        Routing::Trunks(names) => {
            let has_name = |entry: &&Arc<TrunkEntry>, name| entry.trunk.name() == name;
            let named =
                names.iter().filter_map(|name| config.trunks.iter().find(|entry| has_name(entry, name)));
            targets_of_trunks(named, uri)
        }
        Routing::Configured => match configured(config, ingress, arrival) {
            Some(RouteToEntry::Trunks(trunks)) => targets_of_trunks(trunks.iter(), uri),
            Some(RouteToEntry::RequestUri) => target_of_uri(ingress, uri),
            None => VecDeque::new(),
        },
    };
    if targets.is_empty() { Err(Status::NOT_FOUND) } else { Ok(targets) }
}

/// The destination of the first route that matches.
fn configured<'a>(config: &'a Config, ingress: &TrunkEntry, arrival: &Arrival) -> Option<&'a RouteToEntry> {
    let called = arrival.destination.as_ref().and_then(Identity::tn);
    let route = config.routes.iter().find(|route| {
        route.from.as_ref().is_none_or(|name| name == ingress.trunk.name())
            && route.number.as_ref().is_none_or(|prefix| called.is_some_and(|number| prefix.starts(number)))
    });
    route.map(|route| &route.to)
}

fn targets_of_trunks<'a>(
    trunks: impl Iterator<Item = &'a Arc<TrunkEntry>>,
    uri: &[u8],
) -> VecDeque<RouteTarget> {
    let targets = trunks.flat_map(|egress| {
        egress.trunk.targets.iter().map(|target| RouteTarget {
            egress: egress.clone(),
            target: target.clone(),
            uri: uri_at_target(uri, target),
        })
    });
    targets.collect()
}

fn target_of_uri(ingress: &Arc<TrunkEntry>, uri: &[u8]) -> VecDeque<RouteTarget> {
    let target = Target::of(uri).map(|target| RouteTarget {
        egress: ingress.clone(),
        target,
        uri: Bytes::copy_from_slice(uri),
    });
    target.into_iter().collect()
}

/// The Request-URI for a target: the called user at the host of the target. The parameters for reaching the old host
/// (transport, maddr, ttl, lr) are removed, the parameters of the user stay. A `tel` URI becomes the SIP URI of RFC
/// 3261 section 19.1.6. A URI of another scheme names a service and stays unchanged.
fn uri_at_target(uri: &[u8], target: &Target) -> Bytes {
    let Ok(parsed) = Uri::parse(uri) else { return Bytes::copy_from_slice(uri) };
    let mut text = Vec::with_capacity(uri.len() + target.host.len());
    text.extend_from_slice(if target.secure { b"sips:" } else { b"sip:" });
    match &parsed {
        Uri::Sip(sip) => {
            if let Some(user) = sip.user() {
                text.extend_from_slice(user);
                text.push(b'@');
            }
        }
        Uri::Tel(tel) => {
            text.extend(tel.as_bytes().iter().skip(TEL.len()));
            text.push(b'@');
        }
        Uri::Absolute(_) => return Bytes::copy_from_slice(uri),
    }
    text.extend_from_slice(target.host_port().to_string().as_bytes());
    match &parsed {
        Uri::Sip(sip) => {
            for (name, value) in sip.params() {
                if HOST_PARAMS.iter().any(|each| name.eq_ignore_ascii_case(each.as_bytes())) {
                    continue;
                }
                text.push(b';');
                text.extend_from_slice(name);
                if let Some(value) = value {
                    text.push(b'=');
                    text.extend_from_slice(value);
                }
            }
        }
        Uri::Tel(_) => text.extend_from_slice(b";user=phone"),
        Uri::Absolute(_) => {}
    }
    text.into()
}

/// The parameters of a SIP URI that say how to reach its host (RFC 3261 section 19.1.1), and `method`, which a
/// Request-URI must not contain.
const HOST_PARAMS: [&str; 5] = ["transport", "maddr", "ttl", "lr", "method"];

const TEL: &str = "tel:";

#[cfg(test)]
mod tests {
    use super::*;

    fn towards(uri: &str, target: &str) -> String {
        let uri = uri_at_target(uri.as_bytes(), &target.parse().unwrap());
        String::from_utf8_lossy(&uri).into_owned()
    }

    #[test]
    fn the_user_is_called_at_the_host_of_the_target() {
        for (uri, expected) in [
            ("sip:+12155551212@edge.example;user=phone", "sip:+12155551212@192.0.2.5:5080;user=phone"),
            ("sip:+1215;npdi@edge.example:5070;transport=tcp;lr", "sip:+1215;npdi@192.0.2.5:5080"),
            ("sip:edge.example", "sip:192.0.2.5:5080"),
            ("tel:+1-215-555-1212;npdi", "sip:+1-215-555-1212;npdi@192.0.2.5:5080;user=phone"),
            ("urn:service:sos.police", "urn:service:sos.police"),
        ] {
            assert_eq!(towards(uri, "sip:192.0.2.5:5080;transport=udp"), expected);
        }
        assert_eq!(towards("sip:a@b", "sips:carrier.example"), "sips:a@carrier.example");
    }
}
