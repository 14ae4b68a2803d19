//! A real name server on loopback: `nsd`, with the zones of the test.

use super::Ring;
use super::skips;
use super::wait::until;
use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running name server that is authoritative for some zones. Drop ends the process.
#[derive(Debug)]
pub struct NameServer {
    child: Child,
    address: SocketAddr,
}

impl NameServer {
    /// Returns true if `nsd` is installed. Otherwise prints that the test named `test` is skipped.
    ///
    /// # Panics
    ///
    /// If `nsd` is not installed and the tests of the ring are required.
    #[must_use]
    #[expect(clippy::panic, reason = "a test that cannot run fails where it is required")]
    pub fn is_there(test: &str) -> bool {
        if nsd().arg("-v").output().is_ok() {
            return true;
        }
        if std::env::var_os("ATTESTA_REQUIRE_SIPP").is_some() {
            panic!(
                "{test}: ATTESTA_REQUIRE_SIPP is set and nsd is not installed (Debian: apt-get install nsd)"
            );
        }
        skips(test, "nsd is not installed");
        false
    }

    /// Starts a name server on the test's address `host` with these zones, each with its name and its records. Each zone also
    /// gets SOA and NS records. Every record has a TTL of 300 s.
    #[must_use]
    pub fn start(ring: &Ring, host: u8, zones: &[(&str, String)]) -> Self {
        let address = ring.free(host);
        let directory = ring.directory().display();
        let mut config = format!(
            "server:\n  ip-address: {}@{}\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  zonesdir: \"{directory}\"\n  \
             pidfile: \"{directory}/nsd.pid\"\n  xfrdfile: \"{directory}/xfrd.state\"\n  xfrdir: \"{directory}\"\n  \
             zonelistfile: \"{directory}/zone.list\"\n  server-count: 1\nremote-control:\n  control-enable: no\n",
            address.ip(),
            address.port()
        );
        for (name, records) in zones {
            let file = format!("{name}.zone");
            let zone = format!(
                "$ORIGIN {name}.\n$TTL 300\n@ SOA ns.{name}. admin.{name}. 1 3600 600 86400 5\n@ NS ns\nns A {}\n{records}\n",
                address.ip()
            );
            std::fs::write(ring.directory().join(&file), zone).expect("the test's directory can be written");
            // Writing to a string does not fail.
            let _ = write!(config, "zone:\n  name: \"{name}\"\n  zonefile: \"{file}\"\n");
        }
        let file = ring.directory().join("nsd.conf");
        std::fs::write(&file, config).expect("the test's directory can be written");
        let log = std::fs::File::create(ring.directory().join("nsd.log")).expect("a log can be written");
        let child = nsd()
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has two handles"))
            .stderr(log)
            .spawn()
            .expect("nsd starts");
        let mut server = Self { child, address };
        until(START, "the name server answers for each zone", || {
            let ended = server.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "nsd has ended: {ended:?}");
            zones.iter().all(|(name, _)| server.knows(name)).then_some(())
        });
        server
    }

    /// Returns the address of the name server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns true if the server has an SOA record for `zone` (RFC 1035 section 4).
    fn knows(&self, zone: &str) -> bool {
        let mut question = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in zone.split('.') {
            question.push(u8::try_from(label.len()).unwrap_or_default());
            question.extend_from_slice(label.as_bytes());
        }
        question.extend_from_slice(&[0, 0, SOA, 0, IN]);
        let mut answer = [0; 512];
        let asked = UdpSocket::bind((self.address.ip(), 0)).and_then(|socket| {
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            socket.send_to(&question, self.address)?;
            socket.recv(&mut answer)
        });
        let [_, _, _, code, _, _, _, answers, ..] = answer;
        asked.is_ok() && code & 0x0f == 0 && answers > 0
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // `nsd` has child processes. It ends them on a request to stop, but a kill would leave them running.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Returns the path of `nsd`, even if only the superuser's search path contains it.
fn nsd() -> Command {
    let path = std::path::Path::new("/usr/sbin/nsd");
    if path.exists() { Command::new(path) } else { Command::new("nsd") }
}

const SOA: u8 = 6;
const IN: u8 = 1;
const START: Duration = Duration::from_secs(20);
