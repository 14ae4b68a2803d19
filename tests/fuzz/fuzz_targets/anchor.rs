//! A self-signed trust anchor for the fuzz targets. Its private key no longer exists.

use attesta_stir::UnixTime;
use attesta_stir::cert::TrustAnchors;

pub fn anchors() -> TrustAnchors {
    TrustAnchors::from_pem(include_bytes!("anchor.pem")).expect("a certificate")
}

pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000))
}
