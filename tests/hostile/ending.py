"""Every state a session can be in, ended in every way an editor ends: no process is left, and the state is whole."""
import ctypes
import hashlib
import json
import os
import signal
import socket
import sqlite3
import time

from wire import STATUS, WAIT_S, Failure, Server, command, frame, notification, request

FILES = {"a.c": "int one;\nint two;\n", "b.c": "int three;\n"}
PR_SET_CHILD_SUBREAPER = 36


def call(label, name, **arguments):
    return {"type": "function_call", "call": label, "name": name, "arguments": arguments}


def patch(name, old, new):
    return {"type": "custom_tool_call", "call": "p", "name": "apply_patch",
            "input": f"*** Begin Patch\n*** Update File: {name}\n@@\n-{old}\n+{new}\n*** End Patch\n"}


LONG = "and on and on " * 2000
DONE = {"emit": [{"type": "message", "text": "done"}]}
# What the model does when a prompt holds the word.
ROLLOUTS = {
    "stream": [{"pace": {"delta_ms": 5, "chunk": 4}, "emit": [{"type": "message", "text": LONG}]}],
    "stall": [{"fault": {"kind": "stall", "after_event": 0, "times": 99}, "emit": [{"type": "message", "text": "x"}]}],
    "run": [{"emit": [call("c", "exec_command", cmd="echo began > began; sleep 300 & sleep 300")]}, DONE],
    "job": [{"emit": [call("c", "exec_command", cmd="echo began > began; sleep 300", yield_time_ms=250)]}, DONE],
    "escalate": [{"emit": [call("c", "exec_command", cmd="echo ran > ran", escalate=True, justification="to see")]}, DONE],
    "edit": [{"emit": [patch("a.c", "int one;", "int uno;")]}, DONE],
    "ask": [{"emit": [call("q", "ask_user", questions=[{"question": "Which?", "options": [{"label": label, "description": None} for label in "AB"]}])]}, DONE],
}

# -- States: each leaves the server in the middle of something ---------------------------------------------------


def turn(server, word):
    """Its model does what the word says."""
    server.send(command(50, "ask", word))
    answer = server.answer(50)
    if "error" in answer:
        raise Failure(f"the turn did not begin: {json.dumps(answer)[:200]}")


def began(server):
    end = time.monotonic() + WAIT_S
    while not os.path.exists(server.place.root + "/began"):
        if time.monotonic() > end:
            raise Failure("the command did not begin")
        time.sleep(0.02)


def completed(server):
    server.wait_for(lambda m: m.get("method") == "$/progress" and m["params"]["value"]["kind"] == "end" and
                    "turn started" not in m["params"]["value"].get("message", ""), "the end of the turn")


def nothing(server):
    pass


def hello(server):
    server.send(request(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}}))


def idle(server):
    server.initialize()
    server.open("a.c")


def trust(server):
    server.initialize({"endpoint.url": server.place.url})
    server.send(command(50, "ask", "stream"))
    server.asked("window/showMessageRequest")


def connecting(server):
    server.initialize({"trusted": True, "endpoint.url": server.place.silent_url})
    turn(server, "stream")


def streaming(server):
    idle(server)
    turn(server, "stream")
    server.asked("window/showDocument")


def thinking(server):
    idle(server)
    turn(server, "stall")


def running(server):
    idle(server)
    turn(server, "run")
    began(server)


def in_background(server):
    idle(server)
    turn(server, "job")
    completed(server)


def approval(server):
    idle(server)
    turn(server, "escalate")
    server.asked("window/showMessageRequest")


def question(server):
    idle(server)
    turn(server, "ask")
    server.asked("window/showMessageRequest")


def editing(server):
    idle(server)
    turn(server, "edit")
    server.asked("workspace/applyEdit")


def edited(server):
    """The edit is answered, its turn done, the buffer not saved; the transcript is on its way to the disk."""
    idle(server)
    turn(server, "edit")
    edit = server.asked("workspace/applyEdit")
    server.send(notification("textDocument/didChange", {
        "textDocument": {"uri": server.place.uri("a.c"), "version": 2}, "contentChanges": [{"text": "int uno;\nint two;\n"}]}))
    server.send({"jsonrpc": "2.0", "id": edit["id"], "result": {"applied": True}})
    completed(server)


def queued(server):
    streaming(server)
    for identifier in range(60, 65):
        server.send(command(identifier, "ask", "stream"))


def completing(server):
    server.initialize({"trusted": True, "endpoint.url": server.place.url, "inlineCompletion.enabled": True})
    server.open("a.c")
    server.send(request(60, "textDocument/inlineCompletion", {
        "textDocument": {"uri": server.place.uri("a.c")}, "position": {"line": 0, "character": 3}, "context": {"triggerKind": 1}}))


def mcp(server):
    server.initialize({"trusted": True, "endpoint.url": server.place.url, "mcp.servers": {"slow": {"command": ["/bin/sleep", "300"]}}})
    turn(server, "stream")


def key(server):
    """The program that prints the key takes its time."""
    server.initialize({"trusted": True, "endpoint.url": server.place.url, "endpoint.apiKeyCommand": ["/bin/sleep", "300"]})
    turn(server, "stream")


def half_body(server):
    streaming(server)
    server.write(b"Content-Length: 1000\r\n\r\n{\"jsonrpc\"")


def flooded(server):
    streaming(server)
    server.write(b"".join(frame(request(number, *STATUS)) for number in range(100, 600)))


STATES = (nothing, hello, idle, trust, connecting, streaming, thinking, running, in_background, approval, question, editing, edited,
          queued, completing, mcp, key, half_body, flooded)

# -- Ends: each returns what the server must end with (None: whatever) ---------------------------------------------


def shutdown(server):
    if server.place.state_name == "half_body":
        server.write(b" " * 990)
    initialized = server.place.state_name != "nothing"
    server.send(request(9000, "shutdown"))
    server.answer(9000)
    server.send(notification("exit"))
    return 0 if initialized else 1


def exit_at_once(server):
    if server.place.state_name == "half_body":
        server.write(b" " * 990)
    server.send(notification("exit"))
    return 1


def end_of_input(server):
    server.child.stdin.close()
    return 1


def terminate(server):
    server.child.send_signal(signal.SIGTERM)
    return 1 if server.place.state_name not in ("nothing", "hello") else None  # -15 before it listens for it


def kill_server(server):
    server.child.send_signal(signal.SIGKILL)
    return -9  # a program that is no sandbox's and minds no end of input outlives that: PLAIN_PROGRAMS


def kill_editor(server):
    """Its pipes close with it."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_editor_alone(server):
    """Somebody else still has its pipes: only the process is gone."""
    socket.send_fds(server.place.pipes[0], [b"x"], [server.child.stdin.fileno(), server.child.stdout.fileno()])
    os.kill(os.getpid(), signal.SIGKILL)


ENDS = (shutdown, exit_at_once, end_of_input, terminate, kill_server, kill_editor, kill_editor_alone)

PLAIN_PROGRAMS = (mcp, key)

# -- One case -----------------------------------------------------------------------------------------------------


def digest(place):
    return {name: hashlib.sha256(open(f"{place.root}/{name}", "rb").read()).hexdigest() for name in place.files}


def editor(place, state, end, pipe):
    """The editor's own process: it tells the case what became of the server."""
    try:
        server = Server(place)
        server.process_id = os.getpid()
        plain = server.initialize
        server.initialize = lambda options=None, **more: plain(
            options or {"trusted": True, "endpoint.url": place.url}, process=os.getpid(), **more)
        state(server)
        os.write(pipe, json.dumps({"server": server.child.pid}).encode() + b"\n")
        wanted = end(server)
        server.child.wait(WAIT_S)
        server.reader.join(WAIT_S)
        said = {"wanted": wanted, "code": server.child.returncode, "broken": server.broken}
    except Failure as failure:
        said = {"failed": str(failure)}
    except Exception as error:
        said = {"failed": repr(error)}
    os.write(pipe, json.dumps(said).encode() + b"\n")
    os._exit(0)


def children():
    """Processes that are ours by now: those whose parents are gone come to us (subreaper)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(f"{pid} {words[:120]}")
    return found


def no_process_left(what, server_pid):
    """Reaps all that comes to us; the server's exit status, where it was ours."""
    end, code = time.monotonic() + WAIT_S, None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == server_pid:
            code = os.waitstatus_to_exitcode(status)
        if pid == 0:
            if time.monotonic() > end:
                raise Failure(f"{what}: processes are left: {children()}")
            time.sleep(0.01)


def whole(place, what, before):
    """Files as they were, a journal that is one, and a next server that opens the same threads."""
    if digest(place) != before:
        raise Failure(f"{what}: files of the workspace have changed")
    journal = place.state + "/journal.db"
    if os.path.exists(journal):
        with sqlite3.connect(journal) as db:
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise Failure(f"{what}: the journal is broken")
        db.close()
    left = [name for folder, _, names in os.walk(place.state) for name in names if name.endswith(".new")]
    if left:
        raise Failure(f"{what}: half files are left: {left}")
    server = Server(place)
    server.initialize({"trusted": True}, rich=True)
    threads = server.ask("lanebridge/thread/list", {})["result"]["threads"]
    for thread in threads:
        answer = server.ask("lanebridge/thread/resume", {"threadId": thread["id"]})
        if "result" not in answer:
            raise Failure(f"{what}: a thread cannot be opened again: {json.dumps(answer)[:300]}")
        read = server.ask("lanebridge/thread/read", {"threadId": thread["id"]})["result"]
        if any(one["status"] == "running" for one in read["turns"]):
            raise Failure(f"{what}: a turn that nobody runs is said to run")
    server.stop()
    if place.state_name in ("streaming", "running", "approval", "editing", "edited", "in_background") and len(threads) != 1:
        raise Failure(f"{what}: {len(threads)} threads are left of one")


def case(state, end):
    def play(place, _):
        what = f"{state.__name__}, ended by {end.__name__}"
        place.state_name = state.__name__
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        steps = []
        for word, rollout in ROLLOUTS.items():
            steps += [{"rollout": word, "match": {"regex": f"(^|\n){word}$"}}, *rollout]
        steps += [{"rollout": "rest"}, *ROLLOUTS["stall"]]
        place.url = place.start_endpoint(steps)
        silent = socket.create_server(("127.0.0.1", 0))
        place.silent_url = f"ws://127.0.0.1:{silent.getsockname()[1]}/v1/responses"
        before = digest(place)
        place.pipes = socket.socketpair()
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            editor(place, state, end, writable)
        os.close(writable)
        follow(place, what, end, pid, os.fdopen(readable), before)
        silent.close()
        for one in place.pipes:
            one.close()
    return play


def follow(place, what, end, pid, pipe, before):
    with pipe:
        reports = [json.loads(line) for line in pipe]
    os.waitpid(pid, 0)
    held = socket.recv_fds(place.pipes[1], 1, 2)[1] if end is kill_editor_alone and "failed" not in reports[-1] else []
    place.endpoint.stdin.close()  # it is ours too, and no leftover
    place.endpoint.wait(WAIT_S)
    place.endpoint.stdout.close()
    place.endpoint = None
    failed = next((one["failed"] for one in reports if "failed" in one), None)
    if failed or not reports:
        no_process_left(what, 0)
        raise Failure(f"{what}: {failed or 'the editor said nothing'}")
    code = no_process_left(what, reports[0]["server"])
    for one in held:
        os.close(one)
    if len(reports) > 1:
        code, wanted = reports[1]["code"], reports[1]["wanted"]
        if reports[1]["broken"] and end not in (terminate, kill_server):  # which cut a message
            raise Failure(f"{what}: {reports[1]['broken']}")
    else:
        wanted = 1
    if wanted is not None and code != wanted:
        with open(place.folder + "/stderr", encoding="utf-8", errors="replace") as file:
            raise Failure(f"{what}: the server ended with {code}, not {wanted}; stderr: {file.read()[-2000:]}")
    whole(place, what, before)


def plan():
    """Each state in two ways in a plain run, which pairs change from state to state; all in a full one."""
    for at, state in enumerate(STATES):
        for number, end in enumerate(ENDS):
            unknown = state in (nothing, hello) and end is kill_editor_alone  # nobody has said who the editor is
            if unknown or state in PLAIN_PROGRAMS and end is kill_server:
                continue
            often = 1 if (number - 2 * at) % len(ENDS) < 2 else 0
            yield f"{state.__name__}/{end.__name__}", (case(state, end), often, 1)


CASES = dict(plan())
