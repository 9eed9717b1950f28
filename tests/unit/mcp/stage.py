#!/usr/bin/env python3
"""A server of the Model Context Protocol that does what a test wants, well or badly.
usage: stage.py [stdio|http] [KEY=VALUE ...]

  torn=N       writes its output in pieces of N bytes
  banner=N     writes N lines that are no messages first
  version=X    answers initialize with this revision; "echo" with the one asked for
  init=no      does not answer initialize; init=refuse refuses it; init=exit ends before it
  pages=N      one tool a page, N pages; pages=circle the same page for ever
  names=A,B    tools with these names instead
  listing=no   does not answer tools/list
  noisy=yes    says with every list that it has changed
  starts=FILE  appends a line for each start
  calls=FILE   appends a line for each call of a tool
  heard=FILE   appends every message
  port=FILE    http: where its port is written
  session=no   http: no sessions;   session=once  http: each lasts for one call
  json=yes     http: answers with bodies, not events
  token=X      http: refuses others with 401
  status=N     http: answers every POST so
  strict=yes   http: refuses tools/list before notifications/initialized has been answered
  stream=no    http: no GET"""
import json
import os
import signal
import sys
import threading
import time

options = dict(word.split("=", 1) for word in sys.argv[2:])
changed = threading.Event()


def note(key, text):
    if key in options:
        with open(options[key], "a", encoding="utf-8") as file:
            file.write(text + "\n")


def tool(name, schema=None, **more):
    return {"name": name, "description": "Does " + name, "inputSchema": schema or {"type": "object"}, **more}


def tools():
    if "names" in options:
        return [tool(name) for name in options["names"].split(",")]
    names = ["slow", "echo", "die", "big", "oversize", "media", "fails", "refuses", "asks", "progress", "env",
             "structured", "nul", "garbage", "change", "cancelled"]
    if changed.is_set():
        names.append("later")
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return [tool(name, text if name == "echo" else None) for name in names]


def listed(params):
    everything = tools()
    pages = options.get("pages", "")
    if not pages:
        return {"tools": everything}
    page = int(params.get("cursor", "0"))
    if pages == "circle":
        return {"tools": [], "nextCursor": "0"}
    result = {"tools": [everything[page]]}
    if page + 1 < int(pages):
        result["nextCursor"] = str(page + 1)
    return result


def text(*parts, **more):
    return {"content": [{"type": "text", "text": part} for part in parts], **more}


waiting = {}        # ids of what we asked: the answer
answers = threading.Condition()
cancelled = set()
last_id = [0]


def ask(send, method, params=None):
    with answers:
        last_id[0] += 1
        number = last_id[0]
    key = f"of-server-{number}"
    send({"jsonrpc": "2.0", "id": key, "method": method, "params": params or {}})
    with answers:
        answers.wait_for(lambda: key in waiting, 5)
        return waiting.pop(key, None)


def run_tool(name, arguments, meta, number, send):
    note("calls", name)
    if name == "echo":
        return text(arguments.get("text", ""))
    if name == "slow":
        time.sleep(float(arguments.get("seconds", 600)))
        return text("slept")
    if name == "die":
        sys.stderr.write("out of cheese\n")
        sys.stderr.flush()
        os._exit(7)
    if name == "big":
        return text("x" * int(arguments.get("bytes", 1 << 20)))
    if name == "oversize":
        return text("x" * (17 << 20))
    if name == "media":
        return {"content": [
            {"type": "text", "text": "first"},
            {"type": "image", "data": "QUJD" * 100, "mimeType": "image/png"},
            {"type": "audio", "data": "QUJD", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "https://example.com/x", "name": "x", "mimeType": "text/html"},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "QUJDRA=="}},
            {"type": "hologram"}]}
    if name == "structured":
        return {"content": [], "structuredContent": {"b": 1, "a": [2]}}
    if name == "nul":
        return text("a\0b", "c\\u0000d")
    if name == "fails":
        return text("the disk is full", isError=True)
    if name == "env":
        return text("\n".join(sorted(f"{k}={v}" for k, v in os.environ.items())) + "\ncwd=" + os.getcwd())
    if name == "asks":
        told = [ask(send, "ping"), ask(send, "roots/list"), ask(send, "sampling/createMessage"),
                ask(send, "elicitation/create")]
        return text(json.dumps(told))
    if name == "progress":
        token = meta.get("progressToken")
        send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hm"}})
        for i in (1, 2):
            send({"jsonrpc": "2.0", "method": "notifications/progress",
                  "params": {"progressToken": token, "progress": i, "total": 2, "message": f"step {i}"}})
        return text("done")
    if name == "garbage":
        send("{\"jsonrpc\":\"2.0\",\"id\":\"nobody\",\"result\":{}}")
        send("[]")
        send("{\"id\":[1],\"method\":\"x\"}")
        send("{\"jsonrpc\":\"2.0\",\"id\":999999,\"result\":{\"content\":[]}}")
        return text("still here")
    if name == "change":
        changed.set()
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        return text("changed")
    if name == "cancelled":
        return text(str(len(cancelled)))
    raise ValueError("no such tool: " + name)


def initialized(params):
    version = options.get("version", "2025-06-18")
    return {"protocolVersion": params["protocolVersion"] if version == "echo" else version,
            "capabilities": {} if options.get("tools") == "no" else {"tools": {"listChanged": True}},
            "serverInfo": {"name": "stage", "version": "1\x1b[31m"}}


def handle(message, send):
    """Answers one message; sends its answer, if it has one."""
    method, number, params = message.get("method"), message.get("id"), message.get("params", {})
    note("heard", json.dumps(message))
    if method is None:
        with answers:
            waiting[number] = message.get("result", message.get("error"))
            answers.notify_all()
        return
    if number is None:
        if method == "notifications/cancelled":
            cancelled.add(params.get("requestId"))
        return
    answer = {"result": {}}
    if method == "initialize":
        if options.get("init") == "no":
            return
        if options.get("init") == "refuse":
            answer = {"error": {"code": -32022, "message": "speak 2099-01-01"}}
        else:
            answer = {"result": initialized(params)}
    elif method == "tools/list":
        if options.get("listing") == "no":
            return
        answer = {"result": listed(params)}
    elif method == "tools/call":
        try:
            if params["name"] == "refuses":
                answer = {"error": {"code": -32602, "message": "not with me"}}
            else:
                answer = {"result": run_tool(params["name"], params.get("arguments", {}),
                                             params.get("_meta", {}), number, send)}
        except ValueError as problem:
            answer = {"error": {"code": -32602, "message": str(problem)}}
    send({"jsonrpc": "2.0", "id": number, **answer})
    if method == "tools/list" and options.get("noisy") == "yes":
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


# -- Standard streams

lock = threading.Lock()


def write(message):
    line = message if isinstance(message, str) else json.dumps(message)
    data = (line + "\n").encode()
    size = int(options.get("torn", 0)) or len(data)
    with lock:
        for start in range(0, len(data), size):
            os.write(1, data[start:start + size])


def serve_stdio():
    for i in range(int(options.get("banner", 0))):
        write(f"Welcome, this is line {i} of my banner")
    if options.get("init") == "exit":
        sys.stderr.write("no \x1b[1mlicence\x1b[0m found\n")
        sys.exit(3)
    for line in sys.stdin:
        message = json.loads(line)
        threading.Thread(target=handle, args=(message, write), daemon=True).start()
        if message.get("method") in ("initialize", "notifications/cancelled"):
            time.sleep(0.001)
    note("heard", "end of input")


# -- HTTP

def serve_http():
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    sessions, streams = {}, []
    opened = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def refuse(self, status, body=b""):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if status == 307:
                self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def begin(self, kind, session=None, length=None):
            self.send_response(200)
            self.send_header("content-type", kind)
            if session:
                self.send_header("mcp-session-id", session)
            if length is None:
                self.send_header("transfer-encoding", "chunked")
            else:
                self.send_header("content-length", str(length))
            self.end_headers()

        def chunk(self, data):
            size = int(options.get("torn", 0)) or max(1, len(data))
            for start in range(0, len(data), size):
                part = data[start:start + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()

        def event(self, message):
            line = message if isinstance(message, str) else json.dumps(message)
            self.chunk(b": a comment\r\nevent: message\r\ndata: " + line.encode() + b"\r\n\r\n")

        def session(self):
            return self.headers.get("mcp-session-id", "")

        def is_allowed(self, is_start=False):
            if "token" in options and self.headers.get("authorization") != "Bearer " + options["token"]:
                self.refuse(401)
            elif "status" in options:
                self.refuse(int(options["status"]))
            elif options.get("session") != "no" and not is_start and self.session() not in sessions:
                self.refuse(404)
            elif not is_start and "mcp-protocol-version" not in self.headers:
                self.refuse(400)
            else:
                return True
            return False

        def do_DELETE(self):
            note("heard", "DELETE " + self.session())
            sessions.pop(self.session(), None)
            self.refuse(200)

        def do_GET(self):
            if options.get("stream") == "no":
                self.refuse(405)
            elif self.is_allowed():
                self.begin("text/event-stream")
                streams.append(self)
                note("heard", "GET")
                while True:
                    time.sleep(3600)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            message = json.loads(body)
            is_start = message.get("method") == "initialize"
            if "text/event-stream" not in self.headers.get("accept", "") or not self.is_allowed(is_start):
                return
            if message.get("method") == "notifications/initialized":
                time.sleep(0.05)
                opened.set()
            if options.get("strict") == "yes" and message.get("method") == "tools/list" and not opened.is_set():
                self.refuse(400, json.dumps({"jsonrpc": "2.0", "id": message["id"],
                                             "error": {"code": -32600, "message": "too early"}}).encode())
                return
            if "id" not in message or "method" not in message:
                handle(message, lambda _: None)
                self.refuse(202)
                return
            session = None
            if is_start and options.get("session") != "no":
                session = f"session-{len(sessions)}-{os.getpid()}"
                sessions[session] = 0
            elif options.get("session") == "once" and message["method"] == "tools/call":
                sessions.pop(self.session())
            if options.get("json") == "yes":
                sent = []
                handle(message, sent.append)
                data = json.dumps(sent[-1]).encode()
                self.begin("application/json", session, len(data))
                self.wfile.write(data)
                return
            self.begin("text/event-stream", session)

            def send(out):
                if isinstance(out, dict) and out.get("method") == "notifications/tools/list_changed" and streams:
                    streams[-1].event(out)
                else:
                    self.event(out)
            handle(message, send)
            if message["method"] == "tools/call" and message["params"]["name"] == "fails":
                self.close_connection = True
                return  # the stream breaks off
            self.wfile.write(b"0\r\n\r\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(options["port"] + ".new", "w", encoding="utf-8") as file:
        file.write(str(server.server_address[1]))
    os.rename(options["port"] + ".new", options["port"])
    server.serve_forever()


note("starts", "start")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if sys.argv[1] == "http":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    serve_http()
else:
    serve_stdio()
