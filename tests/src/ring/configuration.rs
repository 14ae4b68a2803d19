//! The configurations that most tests use.

use super::{Pki, Repository, Ring};
use std::net::{Ipv4Addr, SocketAddr};

/// Returns the configuration of an edge on the test's address `host`. The edge signs calls from `caller`, with attestation A
/// for numbers under +1215555, and sends them to `onward`.
#[must_use]
pub fn signing(
    ring: &Ring,
    host: u8,
    pki: &Pki,
    repository: &Repository,
    caller: Ipv4Addr,
    onward: SocketAddr,
) -> String {
    format!(
        r#"{listen}
[[signer]]
name = "acme-us"
key = "{key}"
certificate = "{chain}"
x5u = "{x5u}"

[[trunk]]
name = "acme"
sources = ["{caller}"]
numbers = ["+1215555"]
attest = "A"
signers = ["acme-us"]

[[trunk]]
name = "carrier"
sources = ["{carrier}"]
targets = ["sip:{onward};transport=udp"]
outbound_identity = "sign"

[[route]]
from = "acme"
to = "carrier"

[verify]
anchors = "{root}"

{fetch}"#,
        listen = listen(ring, host),
        key = pki.key().display(),
        chain = pki.chain().display(),
        root = pki.root().display(),
        x5u = repository.x5u(),
        carrier = onward.ip(),
        fetch = fetch(ring, repository),
    )
}

/// Returns the configuration of an edge on the test's address `host`. The edge verifies calls from `peer` by `policy` (lines of
/// `[verify]`) and sends them to `onward`.
#[must_use]
pub fn verifying(
    ring: &Ring,
    host: u8,
    pki: &Pki,
    repository: &Repository,
    peer: Ipv4Addr,
    onward: SocketAddr,
    policy: &str,
) -> String {
    format!(
        r#"{listen}
[[trunk]]
name = "peer"
sources = ["{peer}"]
inbound_identity = "verify"

[[trunk]]
name = "inside"
sources = ["{inside}"]
targets = ["sip:{onward};transport=udp"]
outbound_identity = "pass"

[[route]]
from = "peer"
to = "inside"

[verify]
anchors = "{root}"
{policy}

{fetch}"#,
        listen = listen(ring, host),
        inside = onward.ip(),
        root = pki.root().display(),
        fetch = fetch(ring, repository),
    )
}

fn listen(ring: &Ring, host: u8) -> String {
    format!("[[listen]]\naddress = \"{}:0\"\ntransport = \"udp\"\n", ring.host(host))
}

/// Returns the `[fetch]` section that allows certificates from `repository`.
fn fetch(ring: &Ring, repository: &Repository) -> String {
    let roots = ring.directory().join(format!("https-root-{}.pem", repository.address().port()));
    std::fs::write(&roots, repository.root()).expect("the test's directory can be written");
    format!(
        "[fetch]\nports = [{}]\nallow_private = [\"127.0.0.0/8\"]\nhttps_roots = \"{}\"\n",
        repository.address().port(),
        roots.display()
    )
}
