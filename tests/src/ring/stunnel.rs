//! TLS for a program without TLS, with `stunnel` on OpenSSL.

use super::Ring;
use super::wait::until;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The end of the TLS connection at which the tunnel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunnelEnd {
    /// The tunnel accepts TCP and connects with TLS.
    Client,
    /// The tunnel accepts TLS and connects with TCP.
    Server,
}

/// A running tunnel. Drop kills the process.
#[derive(Debug)]
pub struct Stunnel {
    child: Child,
}

impl Stunnel {
    /// Starts a tunnel from `accept` to `connect` that trusts the root in `root`. `own` is the tunnel's certificate and key,
    /// which a server always needs. A server with `asks` requires a certificate from its client.
    #[must_use]
    pub fn start(
        ring: &Ring,
        end: StunnelEnd,
        (accept, connect): (SocketAddr, SocketAddr),
        root: &std::path::Path,
        own: Option<&(PathBuf, PathBuf)>,
        asks: bool,
    ) -> Self {
        let stem = ring.directory().join(format!("stunnel-{}", accept.port()));
        let (log, conf) = (stem.with_extension("log"), stem.with_extension("conf"));
        let client = if end == StunnelEnd::Client { "yes" } else { "no" };
        let mut text = format!(
            "foreground = yes\npid =\nsyslog = no\ndebug = 5\noutput = {}\n[sip]\nclient = {client}\naccept = {accept}\n\
             connect = {connect}\nlocal = {}\nCAfile = {}\nTIMEOUTclose = 0\n",
            log.display(),
            accept.ip(),
            root.display()
        );
        if let Some((certificate, key)) = own {
            text.push_str(&format!("cert = {}\nkey = {}\n", certificate.display(), key.display()));
        }
        if end == StunnelEnd::Client || asks {
            text.push_str("verifyChain = yes\n");
        }
        if asks {
            text.push_str("requireCert = yes\n");
        }
        std::fs::write(&conf, text).expect("the test's directory can be written");
        let child = Command::new("stunnel4")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("stunnel4 starts");
        let mut tunnel = Self { child };
        until(Duration::from_secs(10), &format!("stunnel listens on {accept}"), || {
            let ended = tunnel.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none(),
                "stunnel has ended: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            is_listening(accept).then_some(())
        });
        tunnel
    }
}

impl Drop for Stunnel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns true if a socket listens on the address, according to the kernel's table. A test connection would open a tunnel.
fn is_listening(address: SocketAddr) -> bool {
    const LISTEN: &str = "00000000:0000 0A";
    let SocketAddr::V4(v4) = address else { return false };
    let entry = format!("{:08X}:{:04X} {LISTEN}", u32::from_ne_bytes(v4.ip().octets()), v4.port());
    std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&entry))
}
