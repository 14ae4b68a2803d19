//! One case: a message, the known certificates and lists, and the expected result.

use std::fs;

use rcgen::KeyPair;
use serde_json::Value;

use super::forge;
use super::support::{NOW, Pki, URL, leaf, spc};
use crate::support::{attesta_reading, path};

/// An STI hierarchy with a provider's key, and the content at its certificate URL.
pub(super) struct World {
    pub(super) pki: Pki,
    pub(super) key: KeyPair,
    pub(super) bundle: String,
}

impl World {
    pub(super) fn new() -> Self {
        let pki = Pki::new();
        let key = KeyPair::generate().unwrap();
        let bundle = pki.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
        Self { pki, key, bundle }
    }

    /// Returns a case with an ordinary call: an INVITE with one valid `shaken` Identity.
    pub(super) fn call(&self, name: impl Into<String>) -> Case {
        self.call_with(name, &forge::header(), &forge::payload())
    }

    /// Returns the ordinary call with another token header and payload, correctly signed.
    pub(super) fn call_with(&self, name: impl Into<String>, header: &str, payload: &str) -> Case {
        self.bearing(name, &value(&forge::token(&self.key, header, payload), "shaken"))
    }

    /// Returns the ordinary call with this Identity value.
    pub(super) fn bearing(&self, name: impl Into<String>, value: &str) -> Case {
        Case {
            name: name.into(),
            lines: vec![format!("Identity: {value}")],
            edits: Vec::new(),
            body: String::new(),
            at: NOW,
            anchors: self.pki.root_pem.clone(),
            served: vec![(URL.to_owned(), self.bundle.clone())],
            files: Vec::new(),
            args: Vec::new(),
            earlier: Vec::new(),
            expected: "",
            each: None,
        }
    }
}

/// Returns an Identity value with the parameters of an ordinary call.
pub(super) fn value(token: &str, ppt: &str) -> String {
    format!("{token};info=<{URL}>;alg=ES256;ppt={ppt}")
}

/// A message and its expected result.
pub(super) struct Case {
    name: String,
    lines: Vec<String>,
    edits: Vec<(String, String)>,
    body: String,
    at: u64,
    anchors: String,
    served: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    args: Vec<String>,
    earlier: Vec<String>,
    expected: &'static str,
    each: Option<&'static str>,
}

impl Case {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sets the Identity header lines, including their names.
    pub(super) fn lines(mut self, lines: &[String]) -> Self {
        self.lines = lines.to_vec();
        self
    }

    /// Changes the message. It must contain `from`.
    pub(super) fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Sets the body and its Content-Type.
    pub(super) fn body(self, kind: &str, body: &str) -> Self {
        let edited = self
            .edit("Content-Length: 0", &format!("Content-Type: {kind}\r\nContent-Length: {}", body.len()));
        Self { body: body.to_owned(), ..edited }
    }

    /// Sets the time of verification, in seconds.
    pub(super) fn at(self, at: u64) -> Self {
        Self { at, ..self }
    }

    /// Sets the trusted roots.
    pub(super) fn anchors(self, pem: &str) -> Self {
        Self { anchors: pem.to_owned(), ..self }
    }

    /// Sets the content at the certificate URL.
    pub(super) fn served(mut self, bundle: &str) -> Self {
        self.served = vec![(URL.to_owned(), bundle.to_owned())];
        self
    }

    /// Adds the content at another URL.
    pub(super) fn also_served(mut self, url: &str, bundle: &str) -> Self {
        self.served.push((url.to_owned(), bundle.to_owned()));
        self
    }

    /// Makes all certificates unavailable.
    pub(super) fn nothing_served(mut self) -> Self {
        self.served.clear();
        self
    }

    /// Adds an argument of the command.
    pub(super) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Adds a file and the option that names it.
    pub(super) fn file(mut self, option: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((option.to_owned(), content.into()));
        self
    }

    /// Verifies the same message in another call first.
    pub(super) fn after_call(mut self, call_id: &str) -> Self {
        self.earlier.push(call_id.to_owned());
        self
    }

    pub(super) fn expect(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    /// Sets the expected result of each Identity header field: `pass`, or the reason.
    pub(super) fn each(self, each: &'static str) -> Self {
        Self { each: Some(each), ..self }
    }

    /// Returns every reason that the case expects.
    pub(super) fn reasons(&self) -> Vec<&'static str> {
        let own = self.expected.split(' ').nth(2);
        own.into_iter().chain(self.each.into_iter().flat_map(|each| each.split(' '))).collect()
    }

    fn message(&self, call_id: &str) -> String {
        let identities: String = self.lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut head = format!(
            "INVITE sip:+12155551213@example.net;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: \"Example\" <sip:+12155551212@example.net;user=phone>;tag=1\r\n\
             To: <sip:+12155551213@example.net;user=phone>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:192.0.2.1>\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n{identities}Content-Length: 0\r\n\r\n"
        );
        for (from, to) in &self.edits {
            assert!(head.contains(from), "{}: no {from:?} in the message", self.name);
            head = head.replacen(from, to, 1);
        }
        head + &self.body
    }

    /// Verifies the message with the program and compares the result.
    fn check(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str, content: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            path(&file).to_owned()
        };
        let at = self.at.to_string();
        let mut args = vec!["verify".to_owned(), "--at".to_owned(), at];
        args.extend(["--anchors".to_owned(), place("anchors.pem", self.anchors.as_bytes())]);
        for (number, (url, body)) in self.served.iter().enumerate() {
            let file = place(&format!("served-{number}"), body.as_bytes());
            args.extend(["--cert".to_owned(), format!("{url}={file}")]);
        }
        for (number, (option, content)) in self.files.iter().enumerate() {
            args.extend([option.clone(), place(&format!("file-{number}"), content)]);
        }
        args.extend(self.args.iter().cloned());
        for (number, call_id) in self.earlier.iter().enumerate() {
            args.push(place(&format!("earlier-{number}"), self.message(call_id).as_bytes()));
        }
        args.push("-".to_owned());
        let finished = attesta_reading(&args, self.message("call-1").as_bytes());
        let judged = finished.stdout.lines().last().map(serde_json::from_str::<Value>);
        let found = judged.and_then(Result::ok).map(|judged| summary(&judged));
        let (found, each) = found.unwrap_or_else(|| (format!("Refused {}", finished.stderr), String::new()));
        if let Some(text) = self.expected.strip_prefix("Refused ") {
            let refused = finished.code == 2 && finished.stdout.is_empty() && finished.stderr.contains(text);
            return if refused {
                Ok(())
            } else {
                Err(format!("{}: expected an error with {text:?}, found {found}", self.name))
            };
        }
        let status = match self.expected.split(' ').collect::<Vec<_>>().as_slice() {
            ["Failed", ..] => 1,
            ["None", _, _] => 3,
            _ => 0,
        };
        if (found.as_str(), finished.code) != (self.expected, status) {
            return Err(format!(
                "{}: expected {}, found {found} with exit status {}",
                self.name, self.expected, finished.code
            ));
        }
        match self.each {
            Some(expected) if expected != each => Err(format!(
                "{}: results of the Identity fields: expected {expected}, found {each}",
                self.name
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// Returns the result of the message and the results of its Identity header fields, in the notation of `expected` and `each`,
/// such as `Failed 437 certificate-revoked`.
fn summary(judged: &Value) -> (String, String) {
    let verstat = match judged["verstat"].as_str().unwrap() {
        "TN-Validation-Passed" => "Passed",
        "TN-Validation-Failed" => "Failed",
        "No-TN-Validation" => "None",
        other => panic!("{other} is not a verstat"),
    };
    let verdict = judged["verdict"].as_str().unwrap();
    let reason = judged["reason"].as_str();
    assert_eq!(verdict == "pass", reason.is_none(), "{judged}");
    let mut found = verstat.to_owned();
    if let Some(attest) = judged["attest"].as_str() {
        found.push_str(&format!(" {attest}"));
    }
    if let Some(reason) = reason {
        found.push_str(&format!(" {} {reason}", judged["code"]));
    }
    let of_each = |identity: &Value| {
        let replayed = if identity["replayed"] == true { "+replayed" } else { "" };
        format!("{}{replayed}", identity["reason"].as_str().unwrap_or("pass"))
    };
    let each: Vec<_> = judged["identities"].as_array().unwrap().iter().map(of_each).collect();
    (found, each.join(" "))
}

/// Runs a group of cases and lists every failed case.
pub(super) fn run(cases: Vec<Case>) {
    let wrong: Vec<_> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
