"""Several windows on one history: two that want the same thread, one of an older version, one whose history cannot be opened."""
import json
import os
import signal
import sqlite3

from wire import WAIT_S, Failure, Server, notification

FILES = {"a.c": "int one;\n"}
LONG = "and on and on " * 40
ANSWER = {"emit": [{"type": "message", "text": "done"}]}
RUN = {"emit": [{"type": "function_call", "call": "c", "name": "exec_command", "arguments": {"cmd": "echo once >> count.txt"}}]}
SLOW = {"pace": {"delta_ms": 20, "chunk": 4}, "emit": [{"type": "message", "text": LONG}]}
ROLLOUTS = {"work": [RUN, SLOW, ANSWER], "quick": [ANSWER, ANSWER, ANSWER], "stream": [SLOW, ANSWER, ANSWER]}


def expect(good, what, answer):
    if not good:
        raise Failure(f"{what}: {json.dumps(answer)[:400]}")
    return answer


def endpoint(place):
    rows = [row for word, steps in ROLLOUTS.items() for row in [{"rollout": word, "match": {"text": word}}, *steps]]
    return place.start_endpoint(rows)


def window(place, url):
    server = Server(place)
    server.initialize({"trusted": True, "endpoint.url": url, "warm": "never"}, rich=True)
    return server


def result(server, method, params):
    answer = server.ask("lanebridge/" + method, params)
    return expect("result" in answer, method, answer)["result"]


def refusal(server, method, params, words):
    """What it says when it refuses."""
    answer = server.ask("lanebridge/" + method, params)
    expect(words in answer.get("error", {}).get("message", ""), f'{method} should say "{words}"', answer)


def start_turn(server, thread, text):
    return result(server, "turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}]})["turn"]["id"]


def turn_end(server, turn):
    message = server.wait_for(lambda m: m.get("method") == "lanebridge/turn/completed" and m["params"]["turnId"] == turn, f"the end of {turn}")
    return message["params"]


def a_turn(server, thread, text):
    turn = start_turn(server, thread, text)
    end = turn_end(server, turn)
    expect(end["status"] == "completed", text, end)


def items(server, thread):
    return sum(len(turn["items"]) for turn in result(server, "thread/read", {"threadId": thread})["turns"])


# -- Cases ---------------------------------------------------------------------------------------------------

def one_thread_in_two(place, _):
    """It is written in one window; the other reads it, and takes it over, also in the middle of a turn."""
    url = endpoint(place)
    first, second = window(place, url), window(place, url)
    thread = result(first, "thread/start", {})["thread"]["id"]
    a_turn(first, thread, "quick")
    listed = result(second, "thread/list", {})["threads"]
    expect([one["id"] for one in listed] == [thread] and listed[0]["leased"], "the list in the second window", listed)
    expect(items(second, thread) == 2, "what the second window reads", thread)
    for method, more in (("turn/start", {"input": [{"type": "text", "text": "quick"}]}), ("thread/resume", {}), ("thread/compact", {}),
                         ("thread/rename", {"title": "mine"}), ("thread/delete", {})):
        refusal(second, method, {"threadId": thread, **more}, "is open in another editor")
    fork = result(second, "thread/fork", {"threadId": thread})["thread"]["id"]
    a_turn(second, fork, "quick again")
    thread = result(first, "thread/start", {})["thread"]["id"]
    running = start_turn(first, thread, "stream")
    first.wait_for(lambda m: m.get("method") == "lanebridge/item/delta", "words of the turn")
    result(second, "thread/takeOver", {"threadId": thread})
    end = turn_end(first, running)
    expect(end["status"] == "failed" and "another editor" in json.dumps(end["error"]), "the turn whose thread was taken over", end)
    a_turn(second, thread, "quick")
    refusal(first, "turn/start", {"threadId": thread, "input": [{"type": "text", "text": "quick"}]}, "is open in another editor")
    count = items(first, thread)
    expect(count == items(second, thread), "what both windows read", count)
    first.must_live("after it lost a thread")
    second.stop()
    result(first, "thread/resume", {"threadId": thread})  # nobody has it now
    a_turn(first, thread, "quick")
    first.stop()


def rows(place):
    with sqlite3.connect(place.state + "/journal.db") as journal:
        return "\n".join(journal.iterdump())


def newer_history(place, _):
    """A newer version has written the journal: it is listed and read, nothing is written to it, and the reason is told."""
    url = endpoint(place)
    server = window(place, url)
    thread = result(server, "thread/start", {})["thread"]["id"]
    a_turn(server, thread, "quick")
    server.stop()
    journal = sqlite3.connect(place.state + "/journal.db")
    version = journal.execute("PRAGMA user_version").fetchone()[0]
    journal.execute(f"PRAGMA user_version = {version + 1}")
    journal.execute("ALTER TABLE thread ADD COLUMN of_the_future TEXT")
    journal.close()
    before = rows(place)
    server = window(place, url)
    listed = result(server, "thread/list", {})["threads"]
    expect([one["id"] for one in listed] == [thread], "the list of a newer history", listed)
    expect(items(server, thread) == 2, "a thread of a newer history", thread)
    expect("done" in result(server, "thread/export", {"threadId": thread, "format": "markdown"})["text"], "its export", thread)
    for method, params in (("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "quick"}]}), ("thread/start", {}),
                           ("thread/rename", {"threadId": thread, "title": "x"}), ("thread/delete", {"threadId": thread}),
                           ("thread/fork", {"threadId": thread}), ("thread/takeOver", {"threadId": thread})):
        refusal(server, method, params, "was written by a newer Lanebridge")
    server.must_live("with a newer history")
    server.stop()
    expect(rows(place) == before, "the newer history was changed", thread)


def start_without_history(place, _):
    """Starting and typing do not look at the history: a broken one is still as it was, and is set aside when it is wanted."""
    path, broken = place.state + "/journal.db", b"this is no journal" * 1000
    with open(path, "wb") as file:
        file.write(broken)
    server = window(place, "ws://127.0.0.1:1/")
    server.open("a.c")
    here = {"textDocument": {"uri": place.uri("a.c")}, "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}}}
    server.ask("textDocument/codeAction", {**here, "context": {"diagnostics": []}})
    server.send(notification("textDocument/didChange", {"textDocument": {"uri": place.uri("a.c"), "version": 2}, "contentChanges": [{"text": ""}]}))
    server.ask("textDocument/inlineCompletion", {**here, "position": {"line": 0, "character": 0}, "context": {"triggerKind": 1}})
    with open(path, "rb") as file:
        expect(file.read() == broken and os.listdir(place.state) == ["journal.db"], "start and typing opened the history", os.listdir(place.state))
    result(server, "thread/list", {})
    with open(path, "rb") as file:
        expect(file.read(15) == b"SQLite format 3", "the list did not open the history", os.listdir(place.state))
    server.stop()


def reload_window(server):
    server.stop()


def hang_up(server):
    server.child.send_signal(signal.SIGHUP)
    server.child.wait(WAIT_S)
    server.close()


def lose_the_link(server):
    server.child.stdin.close()
    server.child.wait(WAIT_S)
    server.close()


def crash(server):
    server.close()


WAYS_TO_END = (reload_window, hang_up, lose_the_link, crash)


def cut_off(place, seed):
    """However the window ends in the middle of a turn: the next one offers to continue, from what was saved."""
    url = endpoint(place)
    server = window(place, url)
    thread = result(server, "thread/start", {})["thread"]["id"]
    start_turn(server, thread, "work")
    server.wait_for(lambda m: m.get("method") == "lanebridge/item/delta", "words behind the command")
    WAYS_TO_END[seed - 1](server)
    server = window(place, url)
    listed = result(server, "thread/list", {})["threads"]
    expect([one["id"] for one in listed] == [thread] and listed[0].get("canContinue"), "what can be continued", listed)
    turn = result(server, "thread/resume", {"threadId": thread, "continue": True})["turn"]["id"]
    end = turn_end(server, turn)
    expect(end["status"] == "completed", "what was continued", end)
    with open(place.root + "/count.txt", encoding="utf-8") as file:
        expect(file.read() == "once\n", "the command of before ran again", thread)
    server.stop()


CASES = {"cut-off": (cut_off, 4, 4), "one-thread-in-two": (one_thread_in_two, 1, 1), "newer-history": (newer_history, 1, 1),
         "start-without-history": (start_without_history, 1, 1)}
