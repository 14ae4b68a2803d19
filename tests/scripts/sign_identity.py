#!/usr/bin/env python3
"""Signs calls that SIPp sends. Shares no code with Attesta.

    sign_identity.py --key KEY.pem --x5u URL --orig TN --dest TN --count N [--backend cryptography|openssl] FIELDS.csv

Writes the file for SIPp's -inf: a line for each call with the PASSporT (RFC 8225, RFC 8588) and URL. Python's cryptography and
the openssl command sign alternate calls. If cryptography is not installed, openssl signs all calls.
"""

import argparse
import base64
import json
import os
import subprocess
import tempfile
import time
import uuid


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def raw_signature(der):
    """Returns r || s, 32 octets each, from SEQUENCE { INTEGER r, INTEGER s } with lengths below 128."""
    assert der[0] == 0x30 and der[1] == len(der) - 2 and der[2] == 2, "no signature in DER"
    middle = 4 + der[3]
    numbers = der[4:middle], der[middle + 2:]
    return b"".join(int.from_bytes(number, "big").to_bytes(32, "big") for number in numbers)


def with_cryptography(key):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    with open(key, "rb") as file:
        private = serialization.load_pem_private_key(file.read(), None)
    return lambda data: private.sign(data, ec.ECDSA(hashes.SHA256()))


def with_openssl(key):
    def sign(data):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "data")
            with open(path, "wb") as file:
                file.write(data)
            run = ["openssl", "dgst", "-sha256", "-sign", key, path]
            return subprocess.run(run, check=True, capture_output=True).stdout

    return sign


def signers(arguments):
    if arguments.backend == "openssl":
        return [with_openssl(arguments.key)]
    try:
        python = with_cryptography(arguments.key)
    except ImportError:
        if arguments.backend:
            raise
        return [with_openssl(arguments.key)]
    return [python] if arguments.backend else [python, with_openssl(arguments.key)]


def main():
    parser = argparse.ArgumentParser(description="Signs calls that SIPp sends.")
    parser.add_argument("fields")
    for option in ["--key", "--x5u", "--orig", "--dest"]:
        parser.add_argument(option, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--backend", choices=["cryptography", "openssl"])
    arguments = parser.parse_args()
    sign = signers(arguments)
    header = encode(canonical({"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": arguments.x5u}))
    number = lambda text: "".join(digit for digit in text if digit.isdigit())
    lines = ["SEQUENTIAL"]
    for call in range(arguments.count):
        payload = encode(canonical({
            "attest": "A",
            "dest": {"tn": [number(arguments.dest)]},
            "iat": int(time.time()),
            "orig": {"tn": number(arguments.orig)},
            "origid": str(uuid.uuid4()),
        }))
        signed = f"{header}.{payload}"
        signature = raw_signature(sign[call % len(sign)](signed.encode()))
        lines.append(f"{signed}.{encode(signature)};{arguments.x5u}")
    with open(arguments.fields, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
