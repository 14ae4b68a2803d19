#!/usr/bin/env python3
"""Makes SIP calls over WebSocket (RFC 7118) with the `websockets` package. Shares no code with Attesta.

Prints `N calls` if every call succeeded. Otherwise prints the fault and exits 1. With --hangs-up callee the callee sends
the BYE, which must arrive on the caller's own connection.
"""

import argparse
import asyncio
import re
import ssl
import sys

import websockets

INVITE = (
    "INVITE sip:{called}@{host} SIP/2.0\r\nVia: SIP/2.0/{transport} {me};branch=z9hG4bK{id}i\r\nMax-Forwards: 70\r\n"
    "From: <sip:+12155550111@example.com;user=phone>;tag=f{id}\r\nTo: <sip:{called}@{host};user=phone>\r\n"
    "Call-ID: {id}@{me}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{me};transport=ws>\r\n"
    "Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
)
REQUEST = (
    "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{transport} {me};branch=z9hG4bK{id}{method}\r\nMax-Forwards: 70\r\n"
    "From: <sip:+12155550111@example.com;user=phone>;tag=f{id}\r\nTo: {to}\r\nCall-ID: {id}@{me}\r\n"
    "CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def field(message, name):
    found = re.search(rf"^{name}:[ \t]*(.*?)\r$", message, re.IGNORECASE | re.MULTILINE)
    return found.group(1) if found else ""


class Client:
    """One WebSocket and its calls."""

    def __init__(self, socket, number, arguments):
        self.socket = socket
        # Like a browser, the client uses a host name that does not resolve (RFC 7118 appendix B.1).
        self.me = f"ws{number}.invalid"
        self.arguments = arguments
        self.transport = "WSS" if arguments.url.startswith("wss") else "WS"
        self.calls = {}

    async def reads(self):
        async for message in self.socket:
            text = message if isinstance(message, str) else message.decode()
            queue = self.calls.get(field(text, "Call-ID"))
            if queue is None:
                sys.exit(f"a message of no call: {text}")
            queue.put_nowait(text)

    async def expects(self, queue, what, matches):
        while True:
            message = await asyncio.wait_for(queue.get(), 30)
            if matches(message):
                return message
            if not re.match(r"SIP/2\.0 1\d\d ", message):
                sys.exit(f"{what} expected, and this came: {message}")

    async def call(self, identity):
        queue = asyncio.Queue()
        self.calls[f"{identity}@{self.me}"] = queue
        common = {"id": identity, "me": self.me, "transport": self.transport}
        host = "edge.example"
        invite = INVITE.format(called=self.arguments.called, host=host, length=len(SDP), sdp=SDP, **common)
        # The edge must accept text and binary messages (RFC 7118 section 4.2).
        await self.socket.send(invite if identity % 2 else invite.encode())
        answer = await self.expects(queue, "200", lambda m: m.startswith("SIP/2.0 200 "))
        to, target = field(answer, "To"), re.search("<(.*?)>", field(answer, "Contact")).group(1)
        ack = REQUEST.format(method="ACK", number=1, target=target, to=to, **common)
        await self.socket.send(ack)
        if self.arguments.hangs_up == "caller":
            bye = REQUEST.format(method="BYE", number=2, target=target, to=to, **common)
            await self.socket.send(bye)
            await self.expects(queue, "200 of BYE", lambda m: m.startswith("SIP/2.0 200 ") and "BYE" in field(m, "CSeq"))
        else:
            bye = await self.expects(queue, "BYE", lambda m: m.startswith("BYE "))
            copied = "".join(f"{name}: {field(bye, name)}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq"))
            await self.socket.send(f"SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n")
        del self.calls[f"{identity}@{self.me}"]


async def connection(number, arguments, context):
    options = {"subprotocols": ["sip"], "ssl": context, "compression": None}
    async with websockets.connect(arguments.url, **options) as socket:
        if socket.subprotocol != "sip":
            sys.exit(f"the subprotocol is {socket.subprotocol}")
        client = Client(socket, number, arguments)
        reader = asyncio.ensure_future(client.reads())
        share = range(number, arguments.calls, arguments.connections)
        room = asyncio.Semaphore(arguments.at_once)

        async def one(identity):
            async with room:
                await client.call(identity)

        calls = asyncio.gather(*(one(identity) for identity in share))
        done, _ = await asyncio.wait({reader, calls}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if not calls.done():
            sys.exit("the connection was closed under its calls")
        # The last ACK or 200 may still be under way. The pong shows that the edge has read it.
        await (await socket.ping())
        reader.cancel()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--root")
    parser.add_argument("--called", default="+12025550143")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--hangs-up", choices=["caller", "callee"], default="caller")
    arguments = parser.parse_args()
    context = ssl.create_default_context(cafile=arguments.root) if arguments.url.startswith("wss") else None
    await asyncio.gather(*(connection(n, arguments, context) for n in range(arguments.connections)))
    print(f"{arguments.calls} calls")


asyncio.run(main())
