#!/usr/bin/env python3
"""Checks the Identity header field of every INVITE that SIPp received. Shares no code with Attesta.

    check_identity.py (--certificate CHAIN.pem --x5u URL | --fetch) [--attest A] [--backend cryptography|openssl] [--every N] MESSAGES.log

MESSAGES.log is SIPp's message log (-trace_msg). Each INVITE must have:

* one Identity header field in full form with info, alg and ppt
* a JWS header and payload in the canonical order of RFC 8225 section 9, without white space
* canonical telephone numbers (RFC 8224 section 8.3) equal to those of From and To
* an iat equal to Date
* an origid that no other INVITE has
* a signature of 64 octets, r || s, that verifies under the key of the first certificate in CHAIN.pem

--fetch takes URL from the first INVITE and fetches the chain from this URL, without checking the server's certificate. The
openssl backend starts a process for each signature. With --every N it checks the signature of every Nth INVITE only, and
all other rules for each INVITE.

Exit status: 0 if there was at least one INVITE and all passed, 1 if an INVITE failed, 2 for wrong usage.
"""

import argparse
import base64
import email.utils
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.request

ENTRY = re.compile(rb"^-{20,} \d{4}-\d\d-\d\d[ \t][^\n]*\nUDP message (received|sent) [\[(](\d+)(?:\] bytes :|\s*bytes\):)\n\n", re.M)
IDENTITY = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86});info=<([^<>]+)>;alg=ES256;ppt=shaken")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Wrong(Exception):
    """The fault of one message."""


def hold(condition, text):
    if not condition:
        raise Wrong(text)


def received_invites(log):
    """Returns the received INVITEs without retransmissions."""
    entries = (entry for entry in ENTRY.finditer(log) if entry.group(1) == b"received")
    messages = (log[entry.end():entry.end() + int(entry.group(2))] for entry in entries)
    invites = dict.fromkeys(message for message in messages if message.startswith(b"INVITE "))
    return [invite.decode("utf-8") for invite in invites]


def header_values(message, name):
    head = message.split("\r\n\r\n", 1)[0]
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return [value.strip() for field, _, value in fields if field.strip().lower() == name]


def one(message, name):
    values = header_values(message, name)
    hold(len(values) == 1, f"{len(values)} {name} header fields")
    return values[0]


def decode(part):
    octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    hold(base64.urlsafe_b64encode(octets).rstrip(b"=").decode() == part, "base64url with stray bits")
    return octets


def canonical_object(part, members):
    octets = decode(part)

    def without_duplicates(pairs):
        hold(len({name for name, _ in pairs}) == len(pairs), "duplicate members")
        return dict(pairs)

    value = json.loads(octets, object_pairs_hook=without_duplicates)
    hold(list(value) == members, f"members {list(value)}, not {members}")
    printed = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    hold(printed == octets, f"not canonical: {octets!r}")
    return value


def number_of(address):
    user = re.search(r"(?:sips?|tel):([^@;>]+)", address)
    hold(user, f"no number in {address}")
    return re.sub(r"[^0-9*#]", "", user.group(1))


def der_signature(raw):
    def integer(octets):
        octets = octets.lstrip(b"\0") or b"\0"
        if octets[0] & 0x80:
            octets = b"\0" + octets
        return b"\x02" + bytes([len(octets)]) + octets

    body = integer(raw[:32]) + integer(raw[32:])
    return b"\x30" + bytes([len(body)]) + body


class Cryptography:
    name = "Python's cryptography"

    def __init__(self, chain):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        with open(chain, "rb") as file:
            self.key = x509.load_pem_x509_certificate(file.read()).public_key()
        hold(isinstance(self.key.curve, ec.SECP256R1), "the leaf's key is not on P-256")
        self.algorithm = ec.ECDSA(hashes.SHA256())

    def verifies(self, data, signature):
        from cryptography.exceptions import InvalidSignature

        try:
            self.key.verify(signature, data, self.algorithm)
        except InvalidSignature:
            return False
        return True


class OpenSsl:
    name = "the openssl command"

    def __init__(self, chain):
        self.directory = tempfile.TemporaryDirectory()
        key = subprocess.run(["openssl", "x509", "-in", chain, "-noout", "-pubkey"], check=True, capture_output=True).stdout
        self.write("key.pem", key)

    def write(self, name, octets):
        path = os.path.join(self.directory.name, name)
        with open(path, "wb") as file:
            file.write(octets)
        return path

    def verifies(self, data, signature):
        run = ["openssl", "dgst", "-sha256", "-verify", os.path.join(self.directory.name, "key.pem"),
               "-signature", self.write("signature", signature), self.write("data", data)]
        return subprocess.run(run, capture_output=True).returncode == 0


def backend_for(wanted, chain):
    if wanted != "openssl":
        try:
            return Cryptography(chain)
        except ImportError:
            if wanted:
                raise
    return OpenSsl(chain)


def check(message, arguments, backend, origids, with_signature):
    match = IDENTITY.fullmatch(one(message, "identity"))
    hold(match, "not header.payload.signature;info=<...>;alg=ES256;ppt=shaken")
    head, payload, signature, info = match.groups()
    jws = canonical_object(head, ["alg", "ppt", "typ", "x5u"])
    hold(jws == {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": arguments.x5u}, f"header {jws}")
    hold(info == arguments.x5u, f"info {info}")
    claims = canonical_object(payload, ["attest", "dest", "iat", "orig", "origid"])
    hold(claims["attest"] == arguments.attest, f"attest {claims['attest']}")
    hold(claims["orig"] == {"tn": number_of(one(message, "from"))}, f"orig {claims['orig']}")
    hold(claims["dest"] == {"tn": [number_of(one(message, "to"))]}, f"dest {claims['dest']}")
    hold(re.fullmatch(r"[0-9*#]+", claims["orig"]["tn"]), "orig is not canonical")
    hold(type(claims["iat"]) is int, "iat is not an integer")
    date = email.utils.parsedate_to_datetime(one(message, "date")).timestamp()
    hold(abs(date - claims["iat"]) <= 1, f"iat {claims['iat']} beside Date {date}")
    hold(UUID4.fullmatch(claims["origid"]), f"origid {claims['origid']}")
    hold(claims["origid"] not in origids, "an origid of another call")
    origids.add(claims["origid"])
    raw = decode(signature)
    hold(len(raw) == 64, f"a signature of {len(raw)} octets")
    if with_signature:
        hold(backend.verifies(f"{head}.{payload}".encode(), der_signature(raw)), "the signature does not verify")


def fetch(arguments, log):
    first = next(iter(received_invites(log)), None)
    arguments.x5u = IDENTITY.fullmatch(one(first, "identity")).group(4) if first else None
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(arguments.x5u, context=trusting, timeout=10) as answer:
        hold(answer.status == 200, f"{arguments.x5u} answers {answer.status}")
        chain = answer.read()
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(chain)
    arguments.certificate = file.name


def main():
    parser = argparse.ArgumentParser(description="Checks the Identity of every INVITE in a SIPp message log.")
    parser.add_argument("log")
    parser.add_argument("--certificate")
    parser.add_argument("--x5u")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--attest", default="A")
    parser.add_argument("--backend", choices=["cryptography", "openssl"])
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    with open(arguments.log, "rb") as file:
        log = file.read()
    if arguments.fetch:
        fetch(arguments, log)
    elif not (arguments.certificate and arguments.x5u):
        parser.error("--certificate and --x5u, or --fetch")
    backend = backend_for(arguments.backend, arguments.certificate)
    if isinstance(backend, Cryptography):
        arguments.every = 1
    checked, signatures, wrong, origids = 0, 0, 0, set()
    for index, message in enumerate(received_invites(log)):
        with_signature = index % arguments.every == 0
        checked += 1
        signatures += with_signature
        try:
            check(message, arguments, backend, origids, with_signature)
        except (Wrong, ValueError) as error:
            wrong += 1
            if wrong <= 5:
                print(f"INVITE {index + 1}: {error}\n{message}", file=sys.stderr)
    print(f"{checked} INVITEs checked, {signatures} signatures with {backend.name}, {wrong} wrong")
    return 0 if checked and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
