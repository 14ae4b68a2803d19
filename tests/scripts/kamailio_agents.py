#!/usr/bin/env python3
"""Calls through an edge and Kamailio, which records its route and forks in parallel, on the callee's side and on the caller's side.

`just kamailio` runs it. It needs the package pjsua2-python from PyPI, and Kamailio. Prints one line for each check that holds, and
exits with 1 at the first check that does not hold.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import pjsua2 as pj

from pjsua2_agents import HOSTS, NUMBERS, Carol, Phones, Stage, address, start_edge

PROXY = address(5)


def free_port():
    """A UDP port of the proxy's address that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((PROXY, 0))
        return probe.getsockname()[1]


class Forking(Stage):
    """An edge and Kamailio. Bob rings and never answers. Carol answers each call."""

    def __init__(self, binary, folder):
        self.carol = Carol("udp", folder)
        Phones.__init__(self, "udp", ["alice", "bob"], folder)
        self.phones[1].answers = [180]
        self.proxy_port = free_port()
        trunks = [
            ("alice", address(HOSTS["alice"]), self.ports["alice"], "+12155550001"),
            ("carol", address(HOSTS["carol"]), self.carol.port, NUMBERS["carol"]),
            ("kamailio", PROXY, self.proxy_port, NUMBERS["bob"]),
        ]
        self.edge, self.port, self.admin = start_edge(binary, "udp", trunks, folder)
        self.kamailio = self.starts_kamailio(folder)

    def starts_kamailio(self, folder):
        bob = f"sip:{NUMBERS['bob']}@{address(HOSTS['bob'])}:{self.ports['bob']}"
        carol = f"sip:{NUMBERS['carol']}@{address(HOSTS['carol'])}:{self.carol.port}"
        edge = f"sip:{NUMBERS['carol']}@{address(1)}:{self.port}"
        modules = "\n".join(f'loadmodule "{name}.so"' for name in ("tm", "sl", "rr", "pv", "siputils", "textops", "corex"))
        (folder / "kamailio.cfg").write_text(
            f"""#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:{PROXY}:{self.proxy_port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
{modules}
request_route {{
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            t_relay();
        }} else if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
        }} else {{
            sl_send_reply("404", "Not Here");
        }}
        exit;
    }}
    record_route();
    if ($si == "{address(1)}") {{
        $ru = "{bob}";
        append_branch("{carol}");
    }} else {{
        $ru = "{edge}";
        append_branch("{bob}");
    }}
    t_relay();
}}
"""
        )
        log = open(folder / "kamailio.log", "w")
        words = ["kamailio", "-DD", "-E", "-f", folder / "kamailio.cfg", "-Y", folder, "-w", folder]
        kamailio = subprocess.Popen(words, stdout=log, stderr=log)
        self.waits_for_kamailio()
        return kamailio

    def waits_for_kamailio(self):
        """Asks until Kamailio answers 404 to a request in an unknown dialog."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.bind((PROXY, 0))
            asker.settimeout(0.2)
            port = asker.getsockname()[1]
            request = (
                f"OPTIONS sip:{PROXY} SIP/2.0\r\nVia: SIP/2.0/UDP {PROXY}:{port};branch=z9hG4bKready\r\n"
                f"From: <sip:ready@{PROXY}>;tag=1\r\nTo: <sip:{PROXY}>;tag=2\r\nCall-ID: ready\r\n"
                "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            for _ in range(50):
                try:
                    asker.sendto(request.encode(), (PROXY, self.proxy_port))
                    if asker.recv(4096).startswith(b"SIP/2.0 404"):
                        return
                except (TimeoutError, ConnectionRefusedError):
                    continue
        raise SystemExit("Kamailio does not start")

    def fails(self):
        self.kamailio.terminate()
        super().fails()

    def ends(self):
        self.kamailio.terminate()
        self.kamailio.wait()
        super().ends()


def forked(stage, side, uri):
    """Alice calls. Carol answers, Bob gets a CANCEL, and all requests of the call use the route of Kamailio."""
    alice, bob = stage.phones
    call = alice.dials_uri(uri)
    stage.until(f"{side}: Bob rings and Carol answers", lambda: bob.calls and call.is_up() and stage.carol.asks()[0] == 1)
    stage.until(f"{side}: Bob is cancelled", lambda: bob.calls[-1].done)
    stage.talk(call)
    for what, act in (("hold", call.setHold), ("resume", lambda prm: call.reinvite(unhold()))):
        call.heard.clear()
        act(pj.CallOpParam(True))
        stage.until(f"{side}: {what}", lambda: ("INVITE", 200) in call.heard)
    stage.talk(call)
    call.hangup(pj.CallOpParam(True))
    stage.until(f"{side}: the call is over", lambda: call.done and stage.carol.asks()[0] == 0 and stage.is_idle())


def unhold():
    prm = pj.CallOpParam(True)
    prm.opt.flag = pj.PJSUA_CALL_UNHOLD
    return prm


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="attesta-kamailio-"))
    stage = Forking(sys.argv[1], folder)
    forked(stage, "the callee's side", f"sip:{NUMBERS['bob']}@{address(1)}:{stage.port}")
    forked(stage, "the caller's side", f"sip:{NUMBERS['carol']}@{PROXY}:{stage.proxy_port}")
    stage.ends()
    print("kamailio: all holds", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
