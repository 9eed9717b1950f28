"""A language server on bare bytes, an endpoint beside it, a fresh place for both."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

WAIT_S = 40  # generous: nothing here is a measure of time


class Failure(Exception):
    pass


def frame(message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def request(identifier, method, params=None):
    message = {"jsonrpc": "2.0", "id": identifier, "method": method}
    return message if params is None else {**message, "params": params}


def notification(method, params=None):
    message = {"jsonrpc": "2.0", "method": method}
    return message if params is None else {**message, "params": params}


def command(identifier, name, *arguments):
    return request(identifier, "workspace/executeCommand", {"command": "lanebridge." + name, "arguments": list(arguments)})


STATUS = ("workspace/executeCommand", {"command": "lanebridge.status"})


def key_of(identifier):
    """Ids as JSON, so that 1 and "1" stay two."""
    return json.dumps(identifier)


class Place:
    """Folders of one case, removed at its end."""

    def __init__(self, program, files):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="lanebridge-hostile-")
        self.root, self.state = self.folder + "/work", self.folder + "/state"
        for one in (self.root, self.folder + "/home"):
            os.mkdir(one)
        os.mkdir(self.state, 0o700)
        self.files = files
        for name, text in files.items():
            with open(f"{self.root}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        self.env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": self.folder + "/home", "TMPDIR": "/tmp",
                    "LANEBRIDGE_STATE": self.state, "LANEBRIDGE_CONFIG": self.folder + "/config.json",
                    "XDG_CACHE_HOME": self.folder + "/cache"}
        self.env.update({name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS") if name in os.environ})
        self.endpoint = None

    def start_endpoint(self, steps):
        name = self.folder + "/replay.jsonl"
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(json.dumps(step) for step in steps))
        self.endpoint = subprocess.Popen([self.program, "endpoint", "--listen", "127.0.0.1:0", "--engine", "replay:" + name,
                                          "--exit-with-stdin"], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self.endpoint.stdout.readline().decode().strip()

    def uri(self, name=""):
        return "file://" + self.root + ("/" + name if name else "")

    def finish(self):
        if self.endpoint:
            self.endpoint.stdin.close()
            self.endpoint.wait(WAIT_S)
            self.endpoint.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Server:
    """`lanebridge lsp`. What it sends is read by a thread, so that it can be waited for from anywhere."""

    def __init__(self, place, reading=True, stdin=subprocess.PIPE):
        self.place, self.next_id = place, 1000000
        self.errors = open(place.folder + "/stderr", "ab")
        self.child = subprocess.Popen([place.program, "lsp"], env=place.env, cwd=place.root, stdin=stdin,
                                      stdout=subprocess.PIPE, stderr=self.errors)
        self.messages, self.answered = [], {}  # answered: by id, all answers to it
        self.news = threading.Condition()
        self.ended = False
        self.broken = None  # what it sent that is no message
        self.reader = threading.Thread(target=self.read, daemon=True)
        if reading:
            self.reader.start()

    def read(self):
        stream = self.child.stdout
        try:
            while True:
                length = None
                while (line := stream.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                if line == b"":
                    break
                message = json.loads(stream.read(length).decode("utf-8", "strict"))
                with self.news:
                    self.messages.append(message)
                    if "method" not in message:
                        self.answered.setdefault(key_of(message.get("id")), []).append(message)
                    self.news.notify_all()
        except (ValueError, TypeError, UnicodeDecodeError) as error:
            self.broken = f"the server sent what is no message: {error}"
        with self.news:
            self.ended = True
            self.news.notify_all()

    # -- Sending -------------------------------------------------------------------------------------------------

    def write(self, data):
        view = memoryview(data)
        while len(view):
            view = view[os.write(self.child.stdin.fileno(), view):]

    def send(self, message):
        self.write(frame(message))

    def ask(self, method, params=None):
        """A request and its answer."""
        self.next_id += 1
        self.send(request(self.next_id, method, params))
        return self.answer(self.next_id)

    def initialize(self, options=None, rich=False, process=None):
        capabilities = {"workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}, "workspaceFolders": True},
                        "window": {"workDoneProgress": True, "showDocument": {"support": True}},
                        "general": {"positionEncodings": ["utf-8"]}}
        if rich:
            capabilities["experimental"] = {"lanebridge": {"version": 1}}
        result = self.ask("initialize", {
            "processId": process, "rootUri": None, "capabilities": capabilities,
            "workspaceFolders": [{"uri": self.place.uri(), "name": "work"}], "initializationOptions": options or {"trusted": True}})
        self.send(notification("initialized", {}))
        return result

    def open(self, name):
        text = self.place.files[name]
        self.send(notification("textDocument/didOpen", {
            "textDocument": {"uri": self.place.uri(name), "languageId": "c", "version": 1, "text": text}}))

    # -- Waiting -------------------------------------------------------------------------------------------------

    def wait_until(self, look, what):
        """What `look` finds, looked for again with each message."""
        end = time.monotonic() + WAIT_S
        with self.news:
            while True:
                found = look()
                if found:
                    return found
                if self.broken or self.ended:
                    raise Failure(f"{what}: {self.broken or 'the server has ended'}{self.said()}")
                if not self.news.wait(max(0.0, end - time.monotonic())) and time.monotonic() > end:
                    raise Failure(f"{what}: it did not come; the last message is {json.dumps(self.messages[-1:])[:300]}")

    def wait_for(self, fits, what):
        """The first message that fits."""
        seen = 0

        def look():
            nonlocal seen
            new, seen = self.messages[seen:], len(self.messages)
            return next(filter(fits, new), None)
        return self.wait_until(look, what)

    def answer(self, identifier):
        key = key_of(identifier)
        return self.wait_until(lambda: self.answered.get(key), f"the answer to {key[:80]}")[0]

    def asked(self, method):
        """A request or notification of the server."""
        return self.wait_for(lambda m: m.get("method") == method, method)

    def count(self, identifier):
        """How often it was answered so far."""
        with self.news:
            return len(self.answered.get(key_of(identifier), []))

    def must_live(self, why):
        answer = self.ask(*STATUS)
        if "version" not in answer.get("result", {}):
            raise Failure(f"{why}: the status is {json.dumps(answer)[:200]}")

    # -- The end -------------------------------------------------------------------------------------------------

    def stop(self):
        """Shutdown and exit, which must end well."""
        self.ask("shutdown")
        self.send(notification("exit"))
        self.must_end(0, "after shutdown and exit")

    def must_end(self, code, why):
        try:
            got = self.child.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"{why}: the server runs on")
        if got != code:
            raise Failure(f"{why}: the server ended with {got}, not {code}{self.said()}")
        self.close()
        if self.broken:
            raise Failure(f"{why}: {self.broken}")

    def said(self):
        with open(self.place.folder + "/stderr", encoding="utf-8", errors="replace") as file:
            return "; stderr: " + file.read()[-3000:]

    def close(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
        if self.child.stdin:
            try:
                self.child.stdin.close()
            except BrokenPipeError:
                pass
        if self.reader.is_alive():
            self.reader.join(WAIT_S)
        self.child.stdout.close()
        self.errors.close()
