"""What no editor would send, and more of it than any editor would: each must be answered once, or survived."""
import json
import os
import random

from wire import STATUS, Failure, Server, command, frame, key_of, notification, request

FILES = {"a.c": "int one;\nint two;\n"}
FUZZ_ROUNDS = 12
MIB = 1 << 20


def settled(server, identifiers, what):
    """Every id has come back exactly once."""
    for identifier in identifiers:
        server.answer(identifier)
    server.must_live(what)  # and so nothing more is on its way
    for identifier in identifiers:
        if server.count(identifier) != 1:
            raise Failure(f"{what}: {key_of(identifier)[:80]} was answered {server.count(identifier)} times")


# -- Bytes ---------------------------------------------------------------------------------------------------

FILLER = b"x" * 300 + b"\r\n\r\n"  # more than a wrong length in `rubbish` can swallow


def rubbish(dice):
    """One piece that is no message. Lengths are small: what they take of the bytes behind is filler."""
    length = dice.randrange(200)
    bodies = [b"", b"{", b'{"jsonrpc":"2.0",', b"[]", b"[[1]]", b"null", b"7", b'"text"', b"\xff\xfe\x00", b"\x00" * 20,
              b'{"jsonrpc":"2.0","id":{},"method":"x"}', b'{"jsonrpc":"2.0","id":null}', b'{"jsonrpc":"1.0","id":"old","method":"x"}',
              b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":"\xff"}', b'{"id":1e999,"jsonrpc":"2.0","method":"x"}',
              b"[" * 190, b'{"a":' * 30, bytes(dice.randrange(256) for _ in range(length))]
    pieces = [
        lambda: frame(dice.choice(bodies)),
        lambda: b"Content-Length: %d\r\n\r\n" % length + FILLER,
        lambda: b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (length, length + 1) + FILLER,
        lambda: b"Content-Length: -%d\r\n\r\n" % length + FILLER,
        lambda: b"Content-Length: 99999999999999999999\r\n\r\n" + FILLER,
        lambda: b"Content-Length: 0x10\r\n\r\n" + FILLER,
        lambda: b"Content-Length:\r\n\r\n" + FILLER,
        lambda: b"Content-Type: utf-16\r\n\r\n" + FILLER,
        lambda: b"\r\n" * dice.randrange(1, 9),
        lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + FILLER,
        lambda: bytes(dice.randrange(256) for _ in range(length)) + FILLER,
        lambda: b"Content-Length: " + b"9" * 9000 + FILLER,
        lambda: b"X: " + b"y" * dice.randrange(20000) + b"\r\n" + FILLER,
        lambda: b"\x00" * length + FILLER,
    ]
    return dice.choice(pieces)()


def torn(dice, data):
    """The same bytes in pieces of all sizes."""
    at = 0
    while at < len(data):
        size = dice.choice((1, 2, 7, 143, 4096, 65536))
        yield data[at:at + size]
        at += size


def headers(place, seed):
    """Messages between rubbish, torn anywhere: each message is answered, the rubbish costs nothing but itself."""
    dice = random.Random(seed)
    server = Server(place)
    server.initialize()
    wanted = []
    for number in range(FUZZ_ROUNDS):
        data = b"".join(rubbish(dice) for _ in range(dice.randrange(1, 4)))
        for _ in range(dice.randrange(1, 4)):
            wanted.append(dice.choice((f"id {len(wanted)}", 5000 + len(wanted))))
            data += frame(request(wanted[-1], *dice.choice((STATUS, ("no/such", {}), ("textDocument/codeLens", {})))))
        for piece in torn(dice, data):
            server.write(piece)
    settled(server, wanted, f"seed {seed}")
    server.stop()


def one_byte(place, _):
    """A whole session, a byte a write."""
    server = Server(place)
    data = b"".join(map(frame, (
        request(1, "initialize", {"processId": None, "rootUri": place.uri(), "capabilities": {}}), notification("initialized", {}),
        notification("textDocument/didOpen", {"textDocument": {"uri": place.uri("a.c"), "languageId": "c", "version": 1, "text": "é😀"}}),
        request(2, *STATUS), request(3, "shutdown"))))
    for at in range(len(data)):
        server.write(data[at:at + 1])
    for identifier in (1, 2, 3):
        server.answer(identifier)
    server.send(notification("exit"))
    server.must_end(0, "a byte a write")


def pipelined(place, _):
    """All of a session in one write, before anything is read; the answers come in order."""
    server = Server(place, reading=False)
    messages = [request(1, "initialize", {"processId": None, "rootUri": place.uri(), "capabilities": {}}),
                notification("initialized", {}),
                notification("textDocument/didOpen", {"textDocument": {"uri": place.uri("a.c"), "languageId": "c", "version": 1, "text": ""}})]
    for version in range(2, 102):
        change = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "x"}
        messages.append(notification("textDocument/didChange", {
            "textDocument": {"uri": place.uri("a.c"), "version": version}, "contentChanges": [change]}))
        messages.append(request(version, "textDocument/codeAction", {
            "textDocument": {"uri": place.uri("a.c")}, "context": {"diagnostics": []},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": version - 1}}}))
    messages += [request(200, "shutdown"), request(201, *STATUS), notification("exit")]
    server.write(b"".join(map(frame, messages)))
    server.reader.start()
    server.must_end(0, "a session in one write")
    order = [message["id"] for message in server.messages if "method" not in message]
    if order != [1, *range(2, 102), 200, 201]:
        raise Failure(f"the answers to one write come in the order {order}")
    missing = [m["id"] for m in server.messages if 2 <= m.get("id", 0) < 102 and "method" not in m and len(m.get("result") or []) != 3]
    if missing:
        raise Failure(f"the changes before it were not seen by {missing}")


# -- Numbers -------------------------------------------------------------------------------------------------

def in_flight(place, seed):
    """1,000 requests of all kinds, none of whose answers is read before the last is sent: nobody waits for the other."""
    dice = random.Random(seed)
    server = Server(place, reading=False)
    server.send(request(1, "initialize", {"processId": None, "rootUri": place.uri(), "capabilities": {}}))
    server.send(notification("initialized", {}))
    server.open("a.c")
    here = {"textDocument": {"uri": place.uri("a.c")}, "position": {"line": 0, "character": 0}, "context": {"triggerKind": 1}}
    kinds = [STATUS, ("no/such", {}), ("lanebridge/thread/list", {}), ("textDocument/codeLens", here), ("textDocument/inlineCompletion", here),
             ("workspace/executeCommand", {"command": "lanebridge.undoTurn"}), ("workspace/executeCommand", {"command": "none"}),
             ("lanebridge/thread/read", {"threadId": "none"}), ("lanebridge/turn/start", {"threadId": "none", "input": []})]
    wanted = list(range(10, 1010))
    server.write(b"".join(frame(request(identifier, *dice.choice(kinds))) for identifier in wanted))
    server.reader.start()
    settled(server, wanted, "1,000 in flight")
    server.stop()


def waiting(place, seed):
    """More open requests than are kept: each is answered once all the same, whatever is cancelled."""
    dice = random.Random(seed)
    url = place.start_endpoint([{"fault": {"kind": "stall", "after_event": 0, "times": 1000}, "emit": [{"type": "message", "text": "x"}]}])
    server = Server(place)
    server.initialize({"trusted": True, "endpoint.url": url, "inlineCompletion.enabled": True})
    server.open("a.c")
    wanted = list(range(10, 5010))
    pieces = []
    for identifier in wanted:
        pieces.append(frame(request(identifier, "textDocument/inlineCompletion", {
            "textDocument": {"uri": place.uri("a.c")}, "position": {"line": 0, "character": dice.randrange(8)}, "context": {"triggerKind": 1}})))
        if dice.random() < 0.3:
            pieces.append(frame(notification("$/cancelRequest", {"id": dice.randrange(10, identifier + 5)})))
    pieces += [frame(notification("$/cancelRequest", {"id": identifier})) for identifier in wanted]
    server.write(b"".join(pieces))
    settled(server, wanted, "5,000 that wait")
    server.must_live("after 5,000 that wait")
    server.stop()


def cancels(place, seed):
    """A storm of cancels: before, after and twice, of ids that are none."""
    dice = random.Random(seed)
    server = Server(place)
    server.initialize()
    wanted, pieces = list(range(10, 1010)), []
    odd = [None, {}, [], 1.5, True, "", "x" * 2000, -1, 1 << 70, {"id": {"id": 1}}]
    for identifier in wanted:
        before, after = (frame(notification("$/cancelRequest", {"id": identifier})) * dice.randrange(3) for _ in range(2))
        pieces += [before, frame(request(identifier, *dice.choice((STATUS, ("no/such", {}))))), after,
                   frame(notification("$/cancelRequest", dice.choice([{"id": dice.choice(odd)}, {}, [], {"id": identifier - 1}]))),
                   frame(notification("window/workDoneProgress/cancel", {"token": dice.choice(odd)}))]
    server.write(b"".join(pieces))
    settled(server, wanted, "a storm of cancels")
    server.stop()


# -- Ids -----------------------------------------------------------------------------------------------------

def ids(place, _):
    """Answers to nobody, answers of the wrong kind, twice the same id, ids of a MiB."""
    url = place.start_endpoint([{"emit": [{"type": "function_call", "call": "c", "name": "exec_command", "arguments": {
        "cmd": "echo ran >> ran.txt", "escalate": True, "justification": "to see"}}]}, {"emit": [{"type": "message", "text": "done"}]}])
    server = Server(place)
    server.initialize({"trusted": True, "endpoint.url": url})
    for identifier in (0, 1, -7, "1", "", None, 1 << 60, "never"):
        server.send({"jsonrpc": "2.0", "id": identifier, "result": {"applied": True}})
        server.send({"jsonrpc": "2.0", "id": identifier, "error": {"code": 7, "message": "no"}})
    server.send(command(50, "ask", "go"))
    question = server.asked("window/showMessageRequest")
    yes = next(action for action in question["params"]["actions"] if "nce" in action["title"])
    for identifier in (str(question["id"]), float(question["id"]) + 0.5, question["id"] + 1000, [question["id"]], None):
        server.send({"jsonrpc": "2.0", "id": identifier, "result": yes})
    server.must_live("after answers to nobody")
    if os.path.exists(place.root + "/ran.txt"):
        raise Failure("an answer to another question was taken for this one's")
    for _ in range(2):
        server.send({"jsonrpc": "2.0", "id": question["id"], "result": yes})
    server.wait_for(lambda m: m.get("method") == "$/progress" and m["params"]["value"].get("message") == "completed", "the turn")
    with open(place.root + "/ran.txt", encoding="utf-8") as file:
        if file.read() != "ran\n":
            raise Failure("a question that was answered twice ran twice")
    for identifier in ("y" * 100, "é😀\"\\", "0"):
        server.send(request(identifier, "no/such"))
        server.answer(identifier)
    server.send(request("y" * MIB, "no/such"))  # not to be carried around for an answer
    server.wait_for(lambda m: m.get("id", 0) is None and "short string" in m["error"]["message"], "the answer to a MiB of id")
    server.stop()


def same_id(place, _):
    """An id that is used again while its request waits: each of the two is answered, nothing else is."""
    url = place.start_endpoint([{"fault": {"kind": "stall", "after_event": 0, "times": 99}, "emit": [{"type": "message", "text": "x"}]}])
    server = Server(place)
    server.initialize({"trusted": True, "endpoint.url": url, "inlineCompletion.enabled": True})
    server.open("a.c")
    for _ in range(3):
        server.send(request(7, "textDocument/inlineCompletion", {
            "textDocument": {"uri": place.uri("a.c")}, "position": {"line": 0, "character": 3}, "context": {"triggerKind": 1}}))
    for _ in range(3):
        server.send(notification("$/cancelRequest", {"id": 7}))
    server.wait_until(lambda: len(server.answered.get("7", [])) >= 3, "the answers to one id thrice")
    server.must_live("after one id thrice")
    if server.count(7) != 3:
        raise Failure(f"three requests of one id were answered {server.count(7)} times")
    server.stop()


# -- Sizes ---------------------------------------------------------------------------------------------------

def memory_mib(server, name):
    with open(f"/proc/{server.child.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith(name))


def huge(place, _):
    """Bodies up to the cap and over it, in one piece: the server goes on, and gives the memory back."""
    server = Server(place)
    server.initialize()
    for text in ("x" * 10 * MIB, "\n" * 5 * MIB, "😀" * MIB):
        server.send(notification("textDocument/didOpen", {
            "textDocument": {"uri": place.uri("a.c"), "languageId": "c", "version": 1, "text": text}}))
        server.send(notification("textDocument/didClose", {"textDocument": {"uri": place.uri("a.c")}}))
    server.send(request("deep", "no/such", []) | {"params": json.loads("[" * 400 + "]" * 400)})
    for body in (b"[" * 20 * MIB, b"{\"id\":1,\"x\":\"" + b"\xff" * 20 * MIB + b"\"}", b" " * 70 * MIB, b"\x00" * 30 * MIB):
        server.write(frame(body))
        server.must_live("after a huge body")
    is_sanitized = memory_mib(server, "VmSize") > MIB  # its shadow is terabytes
    if not is_sanitized and memory_mib(server, "VmRSS") > 150:
        raise Failure(f"after huge bodies the server keeps {memory_mib(server, 'VmRSS')} MiB")
    server.stop()


def foreign_bytes(place, _):
    """Bytes that are no UTF-8, halves of surrogate pairs, zeros: what the server sends is UTF-8 whatever comes in."""
    server = Server(place)
    server.initialize()
    texts = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\\ud83d", b"\\udc00\\ud800", b"\\u0000", b"\xc0\x80", b"a\xe2\x82"]
    for number, text in enumerate(texts):
        server.write(frame(b'{"jsonrpc":"2.0","id":"s%d","method":"' % number + text + b'"}'))
        server.write(frame(b'{"jsonrpc":"2.0","id":"' + text + b'","method":"no/such"}'))
        server.write(frame(b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///' + text +
                           b'","languageId":"' + text + b'","version":1,"text":"' + text + b'"}}}'))
        server.write(frame(b'{"jsonrpc":"2.0","id":"c%d","method":"workspace/executeCommand","params":{"command":"' % number + text + b'"}}'))
        server.write(frame(b'{"jsonrpc":"2.0","id":"r%d","method":"lanebridge/thread/read","params":{"threadId":"' % number + text + b'"}}'))
    server.must_live("after bytes that are no text")
    server.stop()


def deaf(place, _):
    """An editor that asks and never reads: the server ends, and does not grow for ever."""
    server = Server(place, reading=False)
    server.write(frame(request(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})))
    data = frame(request(2, *STATUS)) * 100
    try:
        for _ in range(4000):
            server.write(data)
    except BrokenPipeError:
        pass
    else:
        raise Failure("400,000 answers wait for an editor that does not read, and the server runs on")
    server.child.wait(30)
    if server.child.returncode == 0:
        raise Failure("an editor that does not read ended the server with 0")
    server.close()


# name: the case, how many seeds a plain run tries, and --full
CASES = {
    "headers": (headers, 8, 200), "one-byte": (one_byte, 1, 1), "pipelined": (pipelined, 1, 1), "in-flight": (in_flight, 1, 20),
    "waiting": (waiting, 1, 10), "cancels": (cancels, 1, 20), "ids": (ids, 1, 1), "same-id": (same_id, 1, 1), "huge": (huge, 1, 1),
    "foreign-bytes": (foreign_bytes, 1, 1), "deaf": (deaf, 1, 1),
}
