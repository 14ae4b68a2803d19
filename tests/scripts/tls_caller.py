#!/usr/bin/env python3
"""One SIP call over TLS by a client that accepts no connections. Its Contact is --contact, or the local port of its connection.

The callee hangs up. The BYE must arrive on the client's own connection. Prints `hung up` if it does.
"""

import argparse
import re
import socket
import ssl
import sys

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def field(message, name):
    found = re.search(rf"^{name}:[ \t]*(.*?)\r$", message, re.IGNORECASE | re.MULTILINE)
    return found.group(1) if found else ""


class Reader:
    """Splits the stream into messages (RFC 3261 section 18.3)."""

    def __init__(self, stream):
        self.stream, self.rest = stream, b""

    def next(self):
        while b"\r\n\r\n" not in self.rest:
            self.fill()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        message = head.decode() + "\r\n"
        length = int(field(message, "Content-Length") or 0)
        while len(self.rest) < length:
            self.fill()
        self.rest = self.rest[length:]
        return message

    def fill(self):
        octets = self.stream.recv(65536)
        if not octets:
            sys.exit("the connection was closed")
        self.rest += octets


def request(method, uri, me, contact, to, sequence, body=""):
    content = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {me};branch=z9hG4bK{method}{sequence};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:+12155550111@example.com>;tag=f\r\nTo: {to}\r\nCall-ID: call@{me}\r\nCSeq: {sequence} {method}\r\n"
        f"Contact: <sip:caller@{contact};transport=tls>\r\n{content}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--root")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--contact")
    parser.add_argument("--called", default="+12025550143")
    arguments = parser.parse_args()
    host, port = arguments.address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=arguments.root)
    if arguments.certificate:
        context.load_cert_chain(arguments.certificate, arguments.key)
    raw = socket.create_connection((host, int(port)), timeout=30)
    stream = context.wrap_socket(raw, server_hostname=host)
    me = "{}:{}".format(*stream.getsockname())
    contact = arguments.contact or me
    reader, to = Reader(stream), f"<sip:{arguments.called}@{host}>"
    stream.sendall(request("INVITE", f"sip:{arguments.called}@{host}", me, contact, to, 1, SDP))
    answer = reader.next()
    while answer.startswith("SIP/2.0 1"):
        answer = reader.next()
    if not answer.startswith("SIP/2.0 200 "):
        sys.exit(answer)
    target = re.search("<(.*?)>", field(answer, "Contact")).group(1)
    stream.sendall(request("ACK", target, me, contact, field(answer, "To"), 1))
    bye = reader.next()
    if not bye.startswith("BYE "):
        sys.exit(bye)
    copied = "".join(f"{name}: {field(bye, name)}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq"))
    stream.sendall(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n".encode())
    print("hung up")
    # The edge reads the response before the connection ends.
    stream.unwrap()


main()
