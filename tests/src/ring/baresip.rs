//! baresip, a user agent on a SIP stack of its own, without a screen or a sound card.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait::until;
use super::{Ring, is_installed};

/// A running baresip; it is killed when dropped.
///
/// It sends the audio of a file for two minutes, and writes what it hears to a file. It takes commands over TCP.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    name: String,
    address: SocketAddr,
    control: TcpStream,
    unread: Vec<u8>,
    /// What it has said and no test has asked for.
    said: Vec<String>,
}

impl Baresip {
    /// Whether baresip is installed; if not, the test named `test` skips.
    #[must_use]
    pub fn is_installed(test: &str) -> bool {
        is_installed(test, "sh", &["-c", "command -v baresip"], "baresip-core")
    }

    /// Starts one on the test's address `host`. Its account has the user part `number` and these further parameters.
    #[must_use]
    pub fn start(ring: &Ring, name: &str, number: &str, host: u8, parameters: &str) -> Self {
        let home = ring.directory().join(name);
        std::fs::create_dir(&home).expect("the test's directory can be written");
        // It takes the port after its own for TLS.
        let (address, _, control) = (ring.free(host), ring.free(host), ring.free(host));
        let write = |file: &str, text: String| {
            std::fs::write(home.join(file), text).expect("the test's directory can be written");
        };
        write("contacts", String::new());
        write("accounts", format!("<sip:{number}@{address}>;regint=0{parameters}\n"));
        let own = address.ip();
        let [spoken, heard, alert] =
            ["spoken.wav", "heard.wav", "alert.wav"].map(|file| home.join(file).display().to_string());
        std::fs::write(&spoken, noise()).expect("the test's directory can be written");
        write(
            "config",
            format!(
                "sip_listen {address}\nnet_interface {own}\nctrl_tcp_listen {control}\ncall_local_timeout 120\n\
                 audio_source aufile,{spoken}\naudio_player aufile,{heard}\naudio_alert aufile,{alert}\n\
                 ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
                 module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule_app account.so\n\
                 module_app ctrl_tcp.so\nmodule_app menu.so\n"
            ),
        );
        let log = std::fs::File::create(ring.directory().join(format!("{name}.log")));
        let log = log.expect("a log can be written");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has two handles"))
            .stderr(log)
            .spawn()
            .expect("baresip starts");
        let control = until(LIMIT, "baresip takes commands", || TcpStream::connect(control).ok());
        control.set_read_timeout(Some(Duration::from_millis(10))).expect("a socket takes a timeout");
        Self { child, name: name.to_owned(), address, control, unread: Vec::new(), said: Vec::new() }
    }

    /// Where it takes SIP, by UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it do something, and gives its answer.
    pub fn does(&mut self, command: &str, parameters: &str) -> String {
        let text = format!(r#"{{"command":"{command}","params":"{parameters}","token":"test"}}"#);
        // In one segment: it reads no more than one for a command.
        let command = format!("{}:{text},", text.len());
        self.control.write_all(command.as_bytes()).expect("baresip reads");
        self.waits_for_text(r#""response":true"#)
    }

    /// Waits for an event of this type.
    pub fn waits_for(&mut self, event: &str) -> String {
        self.waits_for_text(&format!(r#""type":"{event}""#))
    }

    /// How many audio packets its call has sent and received.
    pub fn packets(&mut self) -> (u64, u64) {
        let answer = self.does("audio_debug", "");
        let number = |before: &str| {
            let rest = answer.split(before).nth(1).unwrap_or_default();
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            digits.parse().unwrap_or_default()
        };
        (number("TX: packets="), number("rcvd="))
    }

    /// Waits until its audio has this direction (RFC 3264 section 5.1), such as `sendonly`.
    pub fn has_direction(&mut self, direction: &str) {
        let what = format!("the audio of {} is {direction}", self.name);
        let text = format!("audio dir={direction} ");
        until(LIMIT, &what, || self.does("audio_debug", "").contains(&text).then_some(()));
    }

    /// Waits until it has sent and received this many more audio packets.
    pub fn talks(&mut self, more: u64) {
        let (sent, received) = self.packets();
        let what = format!("{} sends and receives audio", self.name);
        until(LIMIT, &what, || {
            let now = self.packets();
            (now.0 >= sent + more && now.1 >= received + more).then_some(())
        });
    }

    fn waits_for_text(&mut self, text: &str) -> String {
        let what = format!("{} says {text}", self.name);
        until(LIMIT, &what, || {
            self.listens();
            let place = self.said.iter().position(|said| said.contains(text))?;
            Some(self.said.remove(place))
        })
    }

    /// Reads netstrings.
    fn listens(&mut self) {
        let mut slot = [0; 16_384];
        match self.control.read(&mut slot) {
            Ok(length) => self.unread.extend_from_slice(slot.get(..length).unwrap_or_default()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}")
            }
        }
        while let Some((text, rest)) = netstring(&self.unread) {
            (self.unread, _) = (rest, self.said.push(text));
        }
    }
}

/// A WAV file of two minutes: one channel, 8000 samples a second, two octets a sample.
fn noise() -> Vec<u8> {
    const RATE: u32 = 8_000;
    let samples = (0..120 * RATE).flat_map(|place| (place as i16).wrapping_mul(977).to_le_bytes());
    let length = 120 * RATE * 2;
    let mut file = Vec::with_capacity(44 + length as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    // Linear PCM, one channel.
    file.extend_from_slice(&[1, 0, 1, 0]);
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(RATE * 2).to_le_bytes());
    // Two octets a sample, of 16 bits.
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend(samples);
    file
}

fn netstring(octets: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = octets.iter().position(|octet| *octet == b':')?;
    let length: usize = std::str::from_utf8(octets.get(..colon)?).ok()?.parse().ok()?;
    let text = octets.get(colon + 1..colon + 1 + length)?;
    let rest = octets.get(colon + 2 + length..)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest.to_vec()))
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long baresip may take for one step.
const LIMIT: Duration = Duration::from_secs(20);
