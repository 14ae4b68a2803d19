#!/usr/bin/env python3
"""One SIP call over WebSocket (RFC 7118) by a client that loses its connection in mid-call and comes back on another.

After the ACK the client closes its WebSocket, opens a second one and sends INFO there. The far side then hangs up. The BYE
must arrive on the second WebSocket. Prints `hung up` if it does.
"""

import argparse
import asyncio
import re
import sys

import websockets

ME = "returns.invalid"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def field(message, name):
    found = re.search(rf"^{name}:[ \t]*(.*?)\r$", message, re.IGNORECASE | re.MULTILINE)
    return found.group(1) if found else ""


def request(method, uri, to, sequence, body=""):
    content = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS {ME};branch=z9hG4bK{method}{sequence}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:+12155550111@example.com>;tag=f\r\nTo: {to}\r\nCall-ID: call@{ME}\r\nCSeq: {sequence} {method}\r\n"
        f"Contact: <sip:caller@{ME};transport=ws>\r\n{content}Content-Length: {len(body)}\r\n\r\n{body}"
    )


async def expects(socket, start):
    while True:
        message = await asyncio.wait_for(socket.recv(), 30)
        message = message if isinstance(message, str) else message.decode()
        if message.startswith(start):
            return message
        if not message.startswith("SIP/2.0 1"):
            sys.exit(f"{start} expected, and this came: {message}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--called", default="+12025550143")
    arguments = parser.parse_args()
    options = {"subprotocols": ["sip"], "compression": None}
    to = f"<sip:{arguments.called}@edge.example>"
    async with websockets.connect(arguments.url, **options) as first:
        await first.send(request("INVITE", f"sip:{arguments.called}@edge.example", to, 1, SDP))
        answer = await expects(first, "SIP/2.0 200 ")
        to, target = field(answer, "To"), re.search("<(.*?)>", field(answer, "Contact")).group(1)
        await first.send(request("ACK", target, to, 1))
        # The pong says that the edge has read the ACK.
        await (await first.ping())
    async with websockets.connect(arguments.url, **options) as second:
        await second.send(request("INFO", target, to, 2))
        await expects(second, "SIP/2.0 200 ")
        bye = await expects(second, "BYE ")
        copied = "".join(f"{name}: {field(bye, name)}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        await second.send(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n")
        await (await second.ping())
    print("hung up")


asyncio.run(main())
