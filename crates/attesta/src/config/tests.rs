//! Tests of the exact text of each fault.

use std::time::Duration;

use attesta::StreamLimits;
use attesta_b2bua::Consequence;

use super::service::AdminSettings;
use super::source::Source;
use super::{Configuration, DEFAULT, Settings};
use crate::fault::Fault;

/// Returns the faults of `text`, one per line: `line:column text | help`.
fn faults(text: &str) -> Vec<String> {
    let faults = Configuration::read(Source::new("f", text, "")).map(drop).unwrap_err();
    let shown = |fault: Fault| {
        let place = fault.position.map_or(String::new(), |place| format!("{}:{} ", place.line, place.column));
        format!("{place}{} | {}", fault.text, fault.help.unwrap_or_default())
    };
    faults.into_iter().map(shown).collect()
}

fn settings(text: &str) -> Settings {
    Configuration::read(Source::new("f", text, "")).unwrap().settings
}

#[test]
fn the_default_is_well_formed() {
    let settings = Configuration::open(None).unwrap().settings;
    let transports: Vec<_> = settings.listeners.iter().map(|listen| listen.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "TCP"]);
    assert_eq!(settings.signers.len(), 1);
    assert_eq!((settings.trunks.len(), settings.routes.len()), (1, 1));
    assert_eq!(settings.callee.len(), 1);
    assert_eq!(settings.admin.unwrap().listen, AdminSettings::default().listen);
}

#[test]
fn the_default_file_shows_the_default_values() {
    let (shown, empty) = (settings(DEFAULT), settings(""));
    let listens = |settings: &Settings| {
        let all = settings.listeners.iter().map(|listen| (listen.transport, listen.address));
        all.collect::<Vec<_>>()
    };
    assert_eq!(listens(&shown), listens(&empty));
    assert_eq!(shown.verify.freshness, empty.verify.freshness);
    assert_eq!(shown.verify.budget, empty.verify.budget);
    assert_eq!(shown.verify.verstat_profile, empty.verify.verstat_profile);
    assert_eq!(shown.verify.outcomes, empty.verify.outcomes);
    assert_eq!(shown.fetch.ports, empty.fetch.ports);
    assert_eq!(shown.emergency, empty.emergency);
    assert_eq!(shown.admin.unwrap().listen, empty.admin.unwrap().listen);
    assert_eq!((shown.log.level, shown.log.format), (empty.log.level, empty.log.format));
}

#[test]
fn the_default_file_shows_the_default_stream_limits() {
    let section = DEFAULT.lines().skip_while(|line| !line.starts_with("# [streams]"));
    let section: Vec<_> = section.map_while(|line| line.strip_prefix("# ")).collect();
    assert_eq!(settings(&section.join("\n")).streams, StreamLimits::default());
    assert_eq!(
        settings("[streams]\nidle = \"1m\"\nper_peer = 7\nkeep_alive = \"off\"\n").streams,
        StreamLimits::default().idle(Duration::from_secs(60)).per_peer(7).keep_alive(None)
    );
    assert_eq!(section.len(), 13, "every key is shown");
}

#[test]
fn every_commented_key_of_the_default_is_known() {
    let mut uncommented = String::new();
    for line in DEFAULT.lines() {
        let key = line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = "));
        uncommented.push_str(key.filter(|rest| !rest.contains("--")).unwrap_or(line));
        uncommented.push('\n');
    }
    let mut faults = faults(&uncommented);
    // The default shows both forms, but a file may contain only one of them.
    faults.retain(|fault| !fault.contains("`on_failure` and `on.failed`"));
    assert_eq!(faults, [""; 0]);
}

#[test]
fn a_listener_on_all_addresses_needs_advertise() {
    assert_eq!(
        faults("[[listen]]\naddress = \"0.0.0.0:5060\"\n"),
        [
            "1:1 this listens on all addresses and has no `advertise` | add advertise = \"203.0.113.5:5060\": the address by \
             which peers reach it"
        ]
    );
}

#[test]
fn an_unknown_key_gets_its_place_and_a_suggestion() {
    assert_eq!(
        faults("[[listen]]\nadress = \"127.0.0.1:5060\"\n"),
        ["2:1 unknown key `adress` in [[listen]] | did you mean `address`?"]
    );
    assert_eq!(faults("[verfy]\n"), ["1:2 unknown key `verfy` in the file | did you mean `verify`?"]);
    assert_eq!(
        faults("[callee]\nzebra = 1\n"),
        ["2:1 unknown key `zebra` in [callee] | known keys: numbers"]
    );
}

#[test]
fn keys_of_later_versions_are_refused() {
    assert_eq!(
        faults("[cdr]\npath = \"x\"\n"),
        ["1:2 `cdr` in the file is not supported yet | remove the key: this version does not support it"]
    );
    assert_eq!(
        faults("[[trunk]]\nname = \"a\"\ndigest = { username = \"u\", password = \"hunter2\" }\n"),
        ["3:1 `digest` in [[trunk]] is not supported yet | remove the key: this version does not support it"]
    );
    assert_eq!(
        faults("[verify]\non_failure = \"mask\"\n"),
        ["2:14 `on_failure = \"mask\"` is not supported yet | use continue, reject or reject:CODE"]
    );
}

#[test]
fn wrong_values_get_the_expected_form() {
    assert_eq!(
        faults("[verify]\nbudget = 300\n"),
        ["2:10 this must be a string, but it is an integer | put it in quotes"]
    );
    assert_eq!(
        faults("[verify]\nbudget = \"300\"\n"),
        [
            "2:10 `300` is not a valid value here | write a duration with its unit, such as \"300ms\", \"60s\" or \"24h\""
        ]
    );
    assert_eq!(faults("[verify]\nbudget = \"1h\"\n"), ["2:10 `budget` is out of range | from 0ns to 10s"]);
    assert_eq!(
        faults("[verify]\nverstat_profile = \"ts24.229\"\n"),
        ["2:19 `ts24.229` is not a value of `verstat_profile` | did you mean \"ts24229\"?"]
    );
    assert_eq!(faults("[fetch]\nports = [443, 70000]\n"), ["2:15 `ports` is out of range | from 1 to 65535"]);
    assert_eq!(
        faults("[verify.on]\nmissing = \"reject:200\"\n"),
        [
            "2:11 `reject:200` is not a valid value here | write \"continue\", \"reject\" or \"reject:CODE\" with a code from 400 to 699"
        ]
    );
    assert_eq!(faults("listen = 1\n"), ["1:10 this must be written as [[listen]], but it is an integer | "]);
}

#[test]
fn referenced_names_must_exist() {
    let text = "[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:10.0.0.1\"]\noutbound_identity = \"pass\"\n\
                [[route]]\nto = \"carier\"\n[[route]]\nfrom = \"zebra\"\nto = [\"carrier\"]\n";
    assert_eq!(
        faults(text),
        [
            "6:6 there is no trunk named `carier` | did you mean \"carrier\"?",
            "8:8 there is no trunk named `zebra` | known names: carrier",
        ]
    );
    assert_eq!(
        faults("[[trunk]]\nname = \"a\"\n[[trunk]]\nname = \"a\"\n"),
        ["4:8 the name `a` is given twice | use each name once"]
    );
    assert_eq!(
        faults("[[trunk]]\nsources = [\"10.0.0.1\"]\ninbound_identity = \"pass\"\n"),
        ["1:1 [[trunk]] needs `name` | add `name = \"...\"`"]
    );
}

#[test]
fn listeners_do_not_share_a_port() {
    let help = "give each [[listen]] its own address and port";
    let two = |one: &str, other: &str| {
        let listen =
            |transport| format!("[[listen]]\naddress = \"127.0.0.1:5060\"\ntransport = {transport}\n");
        listen(one) + &listen(other)
    };
    assert_eq!(
        faults(&two("\"udp\"", "\"udp\"")),
        [format!("4:1 udp 127.0.0.1:5060 is already in use by another [[listen]] | {help}")]
    );
    assert_eq!(
        faults(&two("[\"udp\", \"tcp\"]", "\"ws\"")),
        [format!("4:1 ws 127.0.0.1:5060 is already in use by another [[listen]] | {help}")]
    );
    settings(&two("\"udp\"", "\"tcp\""));
    settings(&two("\"tcp\"", "\"tcp\"").replace(":5060", ":0"));
}

#[test]
fn a_source_belongs_to_one_trunk() {
    let two = |source: &str, more: &str| {
        format!(
            "[[trunk]]\nname = \"a\"\nsources = [\"10.0.0.1\", \"10.1.0.0/16\"]\ninbound_identity = \"pass\"\n\
             [[trunk]]\nname = \"b\"\nsources = [\"10.2.0.1\", \"{source}\"]\ninbound_identity = \"pass\"\n{more}"
        )
    };
    let help =
        "an address can belong to one trunk only: remove the address from one trunk, or write address:port";
    for source in ["10.0.0.1", "::ffff:10.0.0.1", "10.1.2.3/16"] {
        assert_eq!(
            faults(&two(source, "")),
            [format!("7:24 `{source}` is already a source of trunk `a` | {help}")]
        );
    }
    for source in ["10.0.0.1:5070", "10.0.0.0/24", "10.1.0.0/17"] {
        settings(&two(source, ""));
    }
    settings(&two("10.0.0.1", "tls_names = [\"b.example\"]\n"));
}

#[test]
fn a_word_other_than_a_level_is_refused() {
    let help = "write error, warn, info, debug or trace, or \"info,attesta_net=debug\"";
    for level in ["loud", "warning", "attesta_net", "info,attesta_net", "info,,debug"] {
        let found = faults(&format!("[log]\nlevel = \"{level}\"\n"));
        assert_eq!(found, [format!("2:9 `{level}` is not a valid value here | {help}")]);
    }
    for level in ["info", "WARN", "off", "info,attesta_net=debug,attesta_b2bua::call=warn"] {
        assert_eq!(settings(&format!("[log]\nlevel = \"{level}\"\n")).log.level, level);
    }
}

#[test]
fn a_trunk_needs_anchors_to_verify_and_a_signer_to_sign() {
    assert_eq!(
        faults("[[trunk]]\nname = \"a\"\nsources = [\"10.0.0.1\"]\ntargets = [\"sip:10.0.0.1\"]\n"),
        [
            "1:1 this trunk verifies, but the file has no trust domain | \
             add [verify] anchors = \"roots.pem\", or set inbound_identity = \"pass\" here",
            "1:1 calls to this trunk are signed, but the file has no signer | \
             add a [[signer]], or set outbound_identity = \"pass\" here",
        ]
    );
}

#[test]
fn a_route_leads_to_a_trunk_with_targets() {
    let text = "[[trunk]]\nname = \"a\"\n[[route]]\nto = \"a\"\n";
    assert_eq!(faults(text), ["4:6 trunk `a` has no targets | add targets = [\"sip:...\"] to that trunk"]);
}

#[test]
fn a_trunk_names_one_of_several_trust_domains() {
    let domains = "[[trust]]\nname = \"us\"\nanchors = \"a\"\n[[trust]]\nname = \"ca\"\nanchors = \"b\"\n";
    let trunk = "[[trunk]]\nname = \"a\"\nsources = [\"10.0.0.1\"]\n";
    assert_eq!(
        faults(&format!("{domains}{trunk}")),
        [
            "7:1 this trunk verifies, but it does not name one of the trust domains | add trust = one of: us, ca"
        ]
    );
    settings(&format!("{domains}{trunk}trust = \"us\"\n"));
}

#[test]
fn one_run_finds_every_fault_in_the_order_of_the_file() {
    let found = faults(
        "[log]\nlevel = \"loud,,=\"\n[fetch]\nallow_private = [\"ten\"]\n[admin]\nlisten = \"here\"\n",
    );
    let places: Vec<_> =
        found.iter().filter_map(|fault| fault.split_once(' ')).map(|(place, _)| place).collect();
    assert_eq!(places, ["2:9", "4:18", "6:10"]);
}

#[test]
fn a_toml_error_does_not_show_its_line() {
    let found = faults("[admin]\ntoken = \"hunter2\nlisten = 1\n");
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|fault| fault.contains("this is not TOML") && !fault.contains("hunter2")),
        "{found:?}"
    );
}

#[test]
fn the_last_trunk_takes_the_verify_table() {
    let text = "[verify]\nanchors = \"roots.pem\"\non_failure = \"reject\"\n[[trunk]]\nname = \"a\"\n\
                [trunk.verify]\nbudget = \"1s\"\non = { missing = \"reject:428\" }\n";
    let settings = settings(text);
    assert_eq!(settings.trunks.len(), 1);
    assert_eq!(settings.verify.outcomes.failed, Consequence::Reject);
}

#[test]
fn name_servers_have_an_optional_port() {
    assert_eq!(settings("").dns, None);
    assert_eq!(settings("[dns]\n").dns, None);
    let servers = settings("[dns]\nservers = [\"127.0.0.1:5353\", \"2001:db8::53\"]\n").dns.unwrap();
    assert_eq!(servers, ["127.0.0.1:5353".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()]);
    assert_eq!(
        faults("[dns]\nservers = [\"dns.example\"]\n"),
        ["2:12 `dns.example` is not a valid value here | write addresses of name servers, such as \
          [\"10.1.0.53\", \"127.0.0.1:5353\"]"]
    );
    assert_eq!(
        faults("[dns]\nservers = []\n"),
        ["1:1 `servers` names 0 name servers | name 1 to 8 servers, or remove the key"]
    );
}

#[test]
fn failover_and_health_of_a_trunk_are_read() {
    let trunk = |keys: &str| {
        format!(
            "[[trunk]]\nname = \"b\"\noutbound_identity = \"pass\"\ntargets = \"sip:a.example\"\n{keys}\n"
        )
    };
    settings(&trunk(
        "failover = { codes = [500, 502, 503, 504], retry_after = \"ignore\", exhausted = \"relay\" }\nhealth = { resume = \"30s\" }",
    ));
    assert_eq!(
        faults(&trunk("failover = { codes = [500, 486] }")),
        ["5:12 486 cannot make the edge try another target | use 400 to 599 except 401, 407, 486 and 487; \
          a busy or declining callee must not be tried at another target"]
    );
    assert_eq!(
        faults(&trunk("health = { resume = \"0s\" }")),
        ["5:21 `resume` is out of range | from 1s to 3600s"]
    );
}

#[test]
fn a_websocket_is_no_target() {
    let trunk = "[[trunk]]\nname = \"b\"\noutbound_identity = \"pass\"\ntargets = [\"sip:a\", \"sip:b;transport=ws\"]\n";
    assert_eq!(
        faults(trunk),
        [
            "4:21 no call can reach `sip:b;transport=ws` | only the peer can open a WebSocket (RFC 7118); use udp, tcp or tls"
        ]
    );
}

/// The edge sends by the transports of its listeners only.
#[test]
fn a_target_that_no_listener_reaches_is_refused() {
    let config = |target: &str| {
        format!(
            "[[listen]]\naddress = \"127.0.0.1:5060\"\n[[trunk]]\nname = \"b\"\noutbound_identity = \"pass\"\ntargets = [\"{target}\"]\n"
        )
    };
    for target in ["sip:a.example", "sip:192.0.2.1", "sip:a.example;transport=udp"] {
        settings(&config(target));
    }
    for (target, help) in [
        ("sips:a.example", "add a [[listen]] whose transport is tls"),
        ("sip:a.example;transport=tcp", "add a [[listen]] whose transport is tcp"),
        ("sip:192.0.2.1;transport=tls", "add a [[listen]] with an IPv4 address whose transport is tls"),
        ("sip:[2001:db8::1]", "add a [[listen]] with an IPv6 address whose transport is udp or tcp or tls"),
        (
            "sips:a.example;transport=udp",
            "sips requires TLS, which does not run over UDP; remove transport=udp",
        ),
    ] {
        assert_eq!(faults(&config(target)), [format!("6:12 no call can reach `{target}` | {help}")]);
    }
}

#[test]
fn session_timers_and_keep_alive_of_a_trunk_are_read() {
    let trunk = |keys: &str| format!("[[trunk]]\nname = \"b\"\n{keys}\n");
    for keys in [
        "timers = { session = \"1h\", min_session = \"2m\" }",
        "timers = { session = \"off\" }",
        "keep_alive = \"5m\"\nnat = true",
    ] {
        settings(&trunk(keys));
    }
    assert_eq!(
        faults(&trunk("timers = { session = \"30s\" }")),
        ["3:22 `session` is out of range | from 90s to 86400s"]
    );
    assert_eq!(
        faults(&trunk("keep_alive = \"1s\"")),
        ["3:14 `keep_alive` is out of range | from 30s to 86400s"]
    );
}

#[test]
fn the_contact_of_a_trunk_is_read() {
    let trunk = |keys: &str| format!("[[trunk]]\nname = \"b\"\n{keys}\n");
    settings(&trunk("contact_params = \"relay\""));
    assert_eq!(faults(&trunk("contact_params = \"both\"")).len(), 1);
}

#[test]
fn the_rule_for_reliable_responses_of_a_trunk_is_read() {
    let trunk = |keys: &str| format!("[[trunk]]\nname = \"b\"\n{keys}\n");
    for rule in ["relay", "local"] {
        settings(&trunk(&format!("reliable = \"{rule}\"")));
    }
    assert_eq!(
        faults(&trunk("reliable = \"both\"")),
        ["3:12 `both` is not a value of `reliable` | one of: relay, local"]
    );
}

#[test]
fn only_a_tls_listener_has_a_certificate() {
    let listen = |rest: &str| faults(&format!("[[listen]]\n{rest}"));
    assert_eq!(
        listen("transport = \"tls\"\n"),
        [
            "1:1 [[listen]] needs `certificate` | add `certificate = \"...\"`",
            "1:1 [[listen]] needs `key` | add `key = \"...\"`"
        ]
    );
    assert_eq!(
        listen("transport = \"tcp\"\nkey = \"k.pem\"\n"),
        [
            "3:7 this listener has no TLS, so it cannot have a certificate or a key | remove it, or add \"tls\" or \"wss\" to \
             transport"
        ]
    );
    assert_eq!(
        listen("transport = \"wss\"\ncertificate = [\"a.pem\", \"b.pem\"]\nkey = \"a.key.pem\"\n"),
        [
            "3:16 the numbers of certificates (2) and keys (1) differ | give one key for each certificate, in the same order"
        ]
    );
    assert_eq!(
        listen("transport = \"tls\"\ncertificate = \"a\"\nkey = \"b\"\nclient_auth = \"optional\"\n"),
        ["1:1 `client_auth` without `client_ca` | add client_ca = \"...\": the roots of client certificates"]
    );
}

#[test]
fn two_stream_transports_do_not_share_a_port() {
    assert_eq!(
        faults("[[listen]]\ntransport = [\"udp\", \"tcp\", \"ws\"]\n"),
        [
            "1:1 tcp, tls, ws and wss cannot share a port | give each transport its own [[listen]], or use port 0"
        ]
    );
    let settings =
        settings("[[listen]]\naddress = \"127.0.0.1:0\"\ntransport = [\"udp\", \"tcp\", \"ws\"]\n");
    assert_eq!(settings.listeners.len(), 3);
}
