"""The endpoint as a child, and two bare clients of it: a WebSocket and a kept-alive HTTP connection."""
import glob
import http.client
import json
import os
import socket
import struct
import subprocess
import tempfile
import time

STEP = {"emit": [{"type": "function_call", "call": "a", "name": "tool_1", "arguments": {"path": "server/main.c"}}],
        "repeat": 100000}
ENDINGS = (b'{"type":"response.completed"', b'{"type":"response.done"', b'{"type":"response.failed"', b'{"type":"error"')


class Endpoint:
    def __init__(self, lanebridge, vocab, extra):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".jsonl")
        self.script.write(json.dumps(STEP) + "\n")
        self.script.flush()
        command = [lanebridge, "endpoint", "--listen", "127.0.0.1:0", "--engine", f"replay:{self.script.name}",
                   "--exit-with-stdin", "--vocab", vocab, *extra]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.child.stdout.readline().decode()
        if not line:
            raise SystemExit(f"the endpoint did not start: {' '.join(command)}")
        self.port = int(line.split(":")[2].split("/")[0])

    def cpu_ms(self):
        total = 0
        for path in glob.glob(f"/proc/{self.child.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e6

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()
        self.script.close()


def is_delta(event):
    return event.find(b".delta\"", 0, 80) > 0


def check(event):
    value = json.loads(event)
    if value["type"] not in ("response.completed", "response.done"):
        raise SystemExit(f"the endpoint refused a step: {event[:600]}")
    return value["response"]


class Socket:
    def __init__(self, endpoint):
        self.socket = socket.create_connection(("127.0.0.1", endpoint.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        self.socket.sendall(b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: bGFuZWJyaWRnZS1iZW5jaA==\r\n\r\n")
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        self.bytes = self.bytes.split(b"\r\n\r\n", 1)[1]

    def more(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise SystemExit("the endpoint closed the socket")
        self.bytes += got

    def need(self, count):
        while len(self.bytes) < count:
            self.more()

    def receive(self):
        text = b""
        while True:
            self.need(2)
            head, length, at = self.bytes[0], self.bytes[1] & 127, 2
            if length == 126:
                self.need(4)
                length, at = struct.unpack(">H", self.bytes[2:4])[0], 4
            elif length == 127:
                self.need(10)
                length, at = struct.unpack(">Q", self.bytes[2:10])[0], 10
            self.need(at + length)
            piece, self.bytes = self.bytes[at:at + length], self.bytes[at + length:]
            if head & 8:
                continue
            text += piece
            if head & 128:
                return text

    def send(self, text):
        length = len(text)
        head = (struct.pack(">BB", 0x81, 0x80 | length) if length < 126 else
                struct.pack(">BBH", 0x81, 0xFE, length) if length < 65536 else struct.pack(">BBQ", 0x81, 0xFF, length))
        self.socket.sendall(head + b"\0\0\0\0" + text)  # a mask of zeros is a mask

    def ask(self, request):
        first, begun = None, time.perf_counter()
        self.send(request)
        while True:
            event = self.receive()
            if first is None and is_delta(event):
                first = time.perf_counter() - begun
            if event.startswith(ENDINGS):
                total = time.perf_counter() - begun
                return (first or total) * 1000, total * 1000, check(event)

    def close(self):
        self.socket.close()


class Http:
    def __init__(self, endpoint):
        self.http = http.client.HTTPConnection("127.0.0.1", endpoint.port)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        first, begun = None, time.perf_counter()
        self.http.request("POST", "/v1/responses", request, {"content-type": "application/json"})
        answer, last = self.http.getresponse(), None
        while line := answer.readline():
            if not line.startswith(b"data: {"):
                continue
            if first is None and is_delta(line[6:]):
                first = time.perf_counter() - begun
            if line[6:].startswith(ENDINGS):
                last, total = line[6:], time.perf_counter() - begun
        if last is None:
            raise SystemExit("the endpoint refused a step over HTTP")
        return (first or total) * 1000, total * 1000, check(last)

    def close(self):
        self.http.close()
