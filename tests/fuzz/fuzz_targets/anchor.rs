//! A trust anchor for targets that need one: self-signed, its key thrown away.

use attesta_stir::UnixTime;
use attesta_stir::cert::TrustAnchors;

pub fn anchors() -> TrustAnchors {
    TrustAnchors::from_pem(include_bytes!("anchor.pem")).expect("a certificate")
}

pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000))
}
