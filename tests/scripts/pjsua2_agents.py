#!/usr/bin/env python3
"""Calls between three PJSIP user agents through an edge: attended transfer, session timers and 100rel, over UDP, TCP and TLS.

`just pjsua2` runs it. It needs the package pjsua2-python from PyPI, and openssl. Prints one line for each check that holds, and
exits with 1 at the first check that does not hold. Carol runs in a process of her own, because this build of PJSIP has at most
four calls in a process.
"""

import argparse
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time
import urllib.request

import pjsua2 as pj

NUMBERS = {"alice": "+12155550001", "bob": "+12155550002", "carol": "+12155550003"}
PATIENCE = 30.0
# A session interval for which the refresh is due after half the time (RFC 4028 section 10).
SESSION = 90


def address(host):
    return f"127.44.1.{host}"


HOSTS = {"edge": 1, "alice": 2, "bob": 3, "carol": 4}


class Phone(pj.Account):
    """A user agent with an account and a transport of its own."""

    def __init__(self, stage, name, transport):
        super().__init__()
        self.stage, self.name, self.calls, self.answers = stage, name, [], [200]
        config = pj.AccountConfig()
        config.idUri = f"sip:{NUMBERS[name]}@{address(HOSTS[name])}"
        config.sipConfig.transportId = transport
        config.mediaConfig.transportConfig.boundAddress = address(HOSTS[name])
        config.callConfig.timerMinSESec = SESSION
        config.callConfig.timerSessExpiresSec = SESSION
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        self.config = config
        self.create(config)

    def supports(self, reliable, timers):
        self.config.callConfig.prackUse = reliable
        self.config.callConfig.timerUse = timers
        self.modify(self.config)

    def dials(self, name):
        port, transport = self.stage.port, self.stage.transport
        return self.dials_uri(f"sip:{NUMBERS[name]}@{address(1)}:{port};transport={transport}")

    def dials_uri(self, uri):
        call = Call(self)
        call.makeCall(uri, pj.CallOpParam(True))
        return call

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        for status in self.answers:
            reply = pj.CallOpParam(True)
            reply.statusCode = status
            call.answer(reply)


class Call(pj.Call):
    """A call of a phone, with the final responses of its transactions."""

    def __init__(self, phone, number=pj.PJSUA_INVALID_ID):
        super().__init__(phone, number)
        self.phone, self.done, self.heard = phone, False, []
        phone.calls.append(self)

    def onCallState(self, prm):
        self.done = self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallTsxState(self, prm):
        transaction = prm.e.body.tsxState.tsx
        if transaction.statusCode >= 200:
            self.heard.append((transaction.method, transaction.statusCode))

    def onCallTransferRequest(self, prm):
        self.next = Call(self.phone)
        prm.newCall = self.next

    def onCallTransferStatus(self, prm):
        if prm.finalNotify and prm.statusCode == 200:
            prm.cont = False
            self.hangup(pj.CallOpParam(True))

    def is_up(self):
        return not self.done and self.isActive() and self.getInfo().state == pj.PJSIP_INV_STATE_CONFIRMED

    def packets(self):
        if not self.is_up() or not self.getInfo().media:
            return 0
        return self.getStreamStat(0).rtcp.rxStat.pkt


class Phones:
    """Phones in this process, each with a transport of its own."""

    def __init__(self, transport, names, folder):
        self.transport, self.port = transport, None
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.logConfig.level, config.logConfig.consoleLevel = 5, 0
        config.logConfig.filename = str(folder / f"{'-'.join(names)}.log")
        config.medConfig.noVad = True
        # The clock of the audio runs on between two calls.
        config.medConfig.sndAutoCloseTime = -1
        self.endpoint.libInit(config)
        self.ports, transports = {}, {}
        for name in names:
            transports[name], self.ports[name] = self.listens(name, folder)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        # Other codecs send nothing during silence.
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU/") else 0)
        self.phones = [Phone(self, name, transports[name]) for name in names]

    def listens(self, name, folder):
        config = pj.TransportConfig()
        config.boundAddress = address(HOSTS[name])
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
        if self.transport == "tls":
            config.tlsConfig.certFile = str(folder / f"{name}.pem")
            config.tlsConfig.privKeyFile = str(folder / f"{name}.key")
            config.tlsConfig.CaListFile = str(folder / "ca.pem")
            config.tlsConfig.verifyServer = True
        number = self.endpoint.transportCreate(kind[self.transport], config)
        return number, self.endpoint.transportGetInfo(number).localName.rsplit(":", 1)[1]


class Carol:
    """A phone in another process, which answers each call."""

    def __init__(self, transport, folder):
        words = [sys.executable, __file__, "--callee", str(folder), "-", transport]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        self.port = self.reads()[0]

    def reads(self):
        # PJSIP itself writes to the output when it starts.
        return next(line.split()[1:] for line in self.process.stdout if line.startswith("carol: "))

    def asks(self):
        """The calls that are up, and the audio packets that they have received."""
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return [int(word) for word in self.reads()]


def callee(transport, folder):
    """Answers calls. Each line of the input asks how many calls are up."""
    carol = Phones(transport, ["carol"], folder)
    print("carol:", carol.ports["carol"], flush=True)
    while True:
        carol.endpoint.libHandleEvents(20)
        if select.select([sys.stdin], [], [], 0)[0]:
            if not sys.stdin.readline():
                return
            calls = [call for call in carol.phones[0].calls if call.is_up()]
            print("carol:", len(calls), sum(call.packets() for call in calls), flush=True)


class Stage(Phones):
    """An edge between three trunks. The phones of Alice and Bob are in this process."""

    def __init__(self, binary, transport, folder):
        if transport == "tls":
            for name in HOSTS:
                certificate(name, folder)
        self.carol = Carol(transport, folder)
        super().__init__(transport, ["alice", "bob"], folder)
        ports = self.ports | {"carol": self.carol.port}
        self.edge, self.port, self.admin = start(binary, transport, ports, folder)

    def until(self, what, holds):
        """Handles events until this holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                print(f"{self.transport}: waited in vain: {what}", flush=True)
                self.fails()
            self.endpoint.libHandleEvents(20)
        print(f"{self.transport}: {what}", flush=True)

    def fails(self):
        self.edge.terminate()
        self.carol.process.terminate()
        os._exit(1)

    def talk(self, *calls):
        # A re-INVITE begins a new count.
        least = {call: call.packets() for call in calls}

        def heard():
            for call in calls:
                least[call] = min(least[call], call.packets())
            return all(call.packets() >= least[call] + 20 for call in calls)

        self.until("audio both ways", heard)

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def is_idle(self):
        return self.metric("attesta_calls_live") == 0

    def ends(self):
        self.carol.process.stdin.close()
        self.carol.process.wait()
        self.edge.terminate()
        self.edge.wait()


def attended_transfer(stage):
    """Alice talks to Bob and to Carol, and connects them (RFC 5589 section 7)."""
    alice, bob = stage.phones
    first = alice.dials("bob")
    stage.until("Bob answers", lambda: first.is_up() and bob.calls and bob.calls[-1].is_up())
    second = alice.dials("carol")
    stage.until("Carol answers", lambda: second.is_up() and stage.carol.asks()[0] == 1)
    stage.talk(first, second)
    first.xferReplaces(second, pj.CallOpParam(True))
    stage.until("Alice has left both calls", lambda: first.done and second.done)
    taken = bob.calls[-1]
    stage.until("Bob has a new call", taken.is_up)
    before = stage.carol.asks()[1]
    stage.talk(taken)
    stage.until("Carol hears Bob", lambda: stage.carol.asks()[1] >= before + 20)
    if stage.metric("attesta_legs_replaced_total") != 1:
        raise SystemExit("the edge has replaced no leg")
    taken.hangup(pj.CallOpParam(True))
    stage.until("the calls are over", lambda: taken.done and stage.is_idle())


def reliable_responses(stage):
    """Bob requires 100rel for his 183 with early media (RFC 3262)."""
    alice, bob = stage.phones
    for phone in (alice, bob):
        phone.supports(pj.PJSUA_100REL_MANDATORY, pj.PJSUA_SIP_TIMER_INACTIVE)
    bob.answers = [183]
    call = alice.dials("bob")
    stage.until("the 183 has its PRACK", lambda: ("PRACK", 200) in call.heard)
    reply = pj.CallOpParam(True)
    reply.statusCode = 200
    bob.calls[-1].answer(reply)
    stage.until("Bob answers after the reliable 183", lambda: call.is_up() and bob.calls[-1].is_up())
    stage.talk(call, bob.calls[-1])
    call.hangup(pj.CallOpParam(True))
    stage.until("the call is over", lambda: call.done and stage.is_idle())
    bob.answers = [200]


def session_timers(stage, callee_has_timers):
    """Alice requires a session timer. Bob has one too, or the edge keeps it for him (RFC 4028)."""
    global PATIENCE
    alice, bob = stage.phones
    alice.supports(pj.PJSUA_100REL_NOT_USED, pj.PJSUA_SIP_TIMER_ALWAYS)
    bob.supports(
        pj.PJSUA_100REL_NOT_USED,
        pj.PJSUA_SIP_TIMER_ALWAYS if callee_has_timers else pj.PJSUA_SIP_TIMER_INACTIVE,
    )
    call = alice.dials("bob")
    stage.until("the call with a session timer is up", lambda: call.is_up() and bob.calls[-1].is_up())
    call.heard.clear()
    PATIENCE = 60.0
    methods = ("UPDATE", "INVITE")
    who = "both sides" if callee_has_timers else "Alice alone"
    refreshed = lambda: any(method in methods and status == 200 for method, status in call.heard)
    stage.until(f"the session of {who} is refreshed", refreshed)
    PATIENCE = 30.0
    stage.talk(call, bob.calls[-1])
    call.hangup(pj.CallOpParam(True))
    stage.until("the call is over", lambda: call.done and stage.is_idle())


def certificate(name, folder):
    """A certificate for an address of 127.44.1.0/24, under a CA of this run."""
    run = lambda *words: subprocess.run(("openssl", *words), check=True, cwd=folder, capture_output=True)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    if not (folder / "ca.pem").exists():
        run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=IP:{address(HOSTS[name])}\nbasicConstraints=CA:FALSE\n")
    run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-out", f"{name}.pem", "-extfile", "names")


def start(binary, transport, ports, folder):
    """Starts an edge with a trunk for each phone."""
    trunks = [(name, address(HOSTS[name]), ports[name], number) for name, number in NUMBERS.items()]
    return start_edge(binary, transport, trunks, folder)


def start_edge(binary, transport, trunks, folder):
    """Starts an edge with these trunks: name, host, port and number. Returns the process, its port and its admin address."""
    lines = [f'[[listen]]\naddress = "{address(1)}:0"\ntransport = "{transport}"']
    if transport == "tls":
        lines.append(f'certificate = "{folder}/edge.pem"\nkey = "{folder}/edge.key"\n[tls]\nroots = "{folder}/ca.pem"')
    for name, host, port, number in trunks:
        lines.append(
            f'[[trunk]]\nname = "{name}"\nsources = ["{host}"]\ninbound_identity = "pass"\n'
            f'outbound_identity = "pass"\ntargets = ["sip:{host}:{port};transport={transport}"]\n'
            f'[[route]]\nnumber = "{number}"\nto = "{name}"'
        )
    lines.append(f'[admin]\nlisten = "{address(1)}:0"\n')
    (folder / "edge.toml").write_text("\n".join(lines))
    log = open(folder / "edge.log", "w")
    words = [binary, "run", "--config", folder / "edge.toml"]
    edge = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    said = {}
    for line in edge.stdout:
        words = line.split()
        if words == ["ready"]:
            return edge, said[transport].rsplit(":", 1)[1], said["admin"]
        said[words[1]] = words[2]
    raise SystemExit(f"the edge does not start: {(folder / 'edge.log').read_text()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--callee", type=pathlib.Path, help="run only Carol, with the files of this folder")
    parser.add_argument("binary")
    parser.add_argument("transport", choices=("udp", "tcp", "tls"))
    args = parser.parse_args()
    if args.callee:
        callee(args.transport, args.callee)
        os._exit(0)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="attesta-pjsua2-"))
    stage = Stage(args.binary, args.transport, folder)
    attended_transfer(stage)
    reliable_responses(stage)
    session_timers(stage, callee_has_timers=True)
    session_timers(stage, callee_has_timers=False)
    stage.ends()
    print(f"{args.transport}: all holds", flush=True)
    # PJSIP's own clean-up depends on the order in which Python frees objects.
    os._exit(0)


if __name__ == "__main__":
    main()
