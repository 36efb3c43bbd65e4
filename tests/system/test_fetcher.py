"""Mail collected from other hosts: our own POP3 server of another instance, routing, and what is new at a server."""
import json
import re
import socket

import pytest

from clients import text_message
from fetching import EX_TEMPFAIL, empty, mail, read_ini, tokens
from imapserver import ImapServer
from popserver import PopServer
from sambar import split_trace

EX_DATAERR, EX_CONFIG = 65, 78


def test_from_our_own_server(here, there):
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="src-secret")
    for i in range(20):
        there.send(text_message(f"own{i}", 2000), "src@example.test")
    sent = [split_trace(m) for m in there.wait_mailbox("src", 20)]
    assert here.taken() == (20, 0)
    got = here.one.wait_mailbox("ann", 20)
    assert sorted(split_trace(m)[1] for m in got) == sorted(a + b for a, b in sent)
    assert all(m.startswith(b"Return-Path: <>\r\nReceived: from 127.0.0.1 ([127.0.0.1])") for m in got)
    assert here.taken() == (0, 0)
    at = len(here.one.log("master"))
    here.one.kill("fetcher")
    here.one.expect_alarm("killed by signal 9")
    here.one.wait_log("master", r"fetcher\[\d+\] runs", after=at)
    assert here.taken() == (0, 0)
    here.one.stop()
    here.one.start()
    assert here.taken() == (0, 0)
    with here.one.pop("ann") as pop:
        assert pop.ok("STAT").startswith("+OK 20 ")
        assert len(pop.multi("UIDL")) == 20
        pop.quit()
    empty(there, "src")


def test_deleted_at_the_server(here, there):
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="src-secret", At_Server="delete")
    for i in range(7):
        there.send(text_message(f"del{i}"), "src@example.test")
    there.wait_mailbox("src", 7)
    assert here.taken() == (7, 0)
    here.one.wait_mailbox("ann", 7)
    assert there.mailbox("src") == []


def test_wrong_password(here, there):
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="not-his-secret", Interval="1h")
    section = here.now(code=EX_TEMPFAIL)
    assert section["end"] == "login refused" and section["failures"] >= 1
    listed, = here.one.json("fetch", "list")["sections"]
    assert listed["state"] == "planned" and listed["next"] > listed["last"]
    assert "not-his-secret" not in here.one.log("fetch") + here.one.log("fetcher")


@pytest.mark.parametrize("routing, header, boxes", [
    ("local", {"to": "bob@example.test"}, ["bob"]),
    ("local", {"to": "Bob <bob@example.test>, \"x, y\" <ann@example.test>, far@far.test"}, ["ann", "bob"]),
    ("local", {"to": "ann@example.test", "Delivered_To": "bob@example.test"}, ["bob"]),
    ("local", {"to": "ann@example.test", "Delivered_To": "x@far.test"}, ["ann"]),
    ("all", {"to": "ann@example.test", "Delivered_To": "bob@example.test"}, ["ann", "bob"]),
    ("local", {"to": "bob@isp.test"}, ["bob"]),
    ("local", {"to": "nobody@isp.test"}, ["lost"]),
    ("local", {"to": "bob@elsewhere.test"}, ["lost"]),
    ("all", {"to": "undisclosed-recipients:;"}, ["lost"]),
    ("local", {"to": "x@far.test", "Cc": "(bob@example.test) ann@example.test (c)"}, ["ann"]),
    ("local", {"to": "x@far.test", "Resent_To": "bob@example.test", "Cc": "ann@example.test"}, ["bob"]),
    ("local", {"to": "group: ann@example.test, bob@example.test;"}, ["ann", "bob"]),
    ("local", {"to": "away@example.test"}, ["lost"]),        # leads to another host: never sent out
])
def test_routing(here, routing, header, boxes):
    here.one.ctl("forward", "set", "away", "away@far.test")
    here.base = read_ini(here.one)
    with PopServer([b"1", mail("r", **header)]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Routing=routing, Local_Domains="isp.test", Unknown_Mailbox="lost")
        preview = json.loads(here.one.ctl("fetch", "dry-run", "work", "--json").stdout)
        assert sorted(r["to"] for r in preview["messages"][0]["recipients"]) == [f"{box}@example.test" for box in boxes]
        assert all(not here.one.mailbox(user) for user in ("ann", "bob", "lost"))
        assert here.taken() == (1, 0)
        here.one.wait_spool_empty()
        assert sorted(user for user in ("ann", "bob", "lost") if tokens(here.one, user)) == boxes


def test_dry_run_without_headers(here):
    """Of a message whose header cannot be had alone nothing is said, least of all where it would go."""
    with PopServer([b"1", mail("r", to="bob@example.test")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Routing="local", Unknown_Mailbox="lost")
        server.rules = {"TOP": b"-ERR what?\r\n"}
        preview = json.loads(here.one.ctl("fetch", "dry-run", "work", "--json").stdout)
        assert preview["messages"] == [] and preview["counts"]["fresh"] == 1 and preview["counts"]["left"] == 1
        here.one.wait_log("fetch", "left section=work id=1 reason=.*what\\?")


def test_without_a_recipient_it_stays(here):
    with PopServer([b"1", mail("n", to="x@far.test")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Routing="local", At_Server="delete")
        assert here.now()["counts"]["left"] == 1 and len(server.messages) == 1
        assert here.one.json("fetch", "list")["sections"][0]["left_why"] == "nobody here is named, and there is no Unknown Mailbox"
        here.section(Server=f"127.0.0.1:{server.port}", Routing="mailbox nobody", At_Server="delete")
        why = "Routing is mailbox nobody, and there is no such mailbox"
        assert f"stays: {why}" in here.one.ctl("fetch", "dry-run", "work").stdout
        shown = here.one.ctl("fetch", "now", "work")
        assert f"work: 1 message(s) stayed there: {why}\n" in shown.stdout and len(server.messages) == 1


def test_many_recipients_move_the_message(here):
    """The envelope is larger than the room that the child has left for it."""
    for i in range(60):
        here.one.ctl("alias", "set", f"a-rather-long-name-of-an-alias-{i:02}", "bob")
    here.base = read_ini(here.one)
    to = ",\r\n ".join(f"a-rather-long-name-of-an-alias-{i:02}@example.test" for i in range(60))
    message = mail("many", to=to, size=200000)
    with PopServer([b"1", message]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Routing="local", Unknown_Mailbox="lost")
        assert here.taken() == (1, 0)
        assert split_trace(here.one.wait_mailbox("bob", 1)[0])[1] == message


def test_ids_that_start_again(here):
    """Other ids for the same bytes: nothing is taken twice. The same id for other bytes: nothing is lost."""
    a, b, c = mail("a"), mail("b"), mail("c")
    with PopServer([b"1", a], [b"2", b]) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        server.messages = [[b"x1", a], [b"x2", b]]
        assert here.taken() == (0, 2)
        assert here.taken() == (0, 0)
        server.messages = [[b"x1", c]]      # of the same size: only who has it can tell
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete")
        assert here.taken() == (1, 0) and server.messages == []
        here.one.wait_mailbox("ann", 3)
        assert tokens(here.one) == {"a": 1, "b": 1, "c": 1}


def test_equal_messages_are_as_many_as_there(here):
    a = mail("a")
    with PopServer([b"1", a], [b"2", a]) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        assert here.taken() == (0, 0)
        server.messages.append([b"3", a])
        assert here.taken() == (1, 0)
        assert here.taken() == (0, 0)


def test_one_id_for_two(here):
    with PopServer([b"same", mail("a")], [b"same", mail("bb")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        assert here.taken() == (0, 2) or here.taken() == (0, 0)
        here.one.wait_mailbox("ann", 2)


def test_server_without_ids(here):
    with PopServer([b"", mail("a")], [b"", mail("b")], uidl=False) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        server.messages.append([b"", mail("c")])
        assert here.taken() == (1, 2)
        assert here.taken() == (0, 3)


def test_status_fields_do_not_make_it_new(here):
    with PopServer([b"1", mail("a")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (1, 0)
        server.messages = [[b"2", b"Status: RO\r\nX-UIDL: 2\r\n" + mail("a")]]
        assert here.taken() == (0, 1)


def test_forget(here):
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        assert json.loads(here.one.ctl("fetch", "forget", "work", "--json").stdout) == {"forgotten": 2}
        assert here.taken() == (2, 0)


def test_too_large_stays_and_is_reported_once(here):
    with PopServer([b"1", mail("small")], [b"2", mail("large", size=50000)]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Maximum_Message_Size="10K", At_Server="delete")
        for _ in range(2):
            section = here.now()
            assert section["counts"]["too_large"] == 1 and [m[0] for m in server.messages] == [b"2"]
        assert len(re.findall("larger than the Maximum Message Size", here.one.log("fetcher"))) == 1
        here.section(Server=f"127.0.0.1:{server.port}", Maximum_Message_Size="1M", At_Server="delete")
        assert here.taken() == (1, 0) and server.messages == []


@pytest.mark.parametrize("size", [50000, 3000000])
def test_larger_than_listed_is_had_once(here, size):
    """Also when it is so large that the conversation is broken off: the others are had at the next collection."""
    with PopServer([b"1", mail("large", size=size)], [b"2", mail("small")]) as server:
        server.rules["LIST"] = b"+OK\r\n1 100\r\n2 100\r\n.\r\n"
        here.section(Server=f"127.0.0.1:{server.port}", Maximum_Message_Size="10K", At_Server="delete")
        here.one.ctl("fetch", "now", check=False)
        section = here.now()
        assert section["counts"]["too_large"] == 1 and [m[0] for m in server.messages] == [b"1"]
        assert here.now()["counts"]["too_large"] == 1
        assert server.seen.count(b"RETR 1") == 1
        assert len(re.findall("than it says", here.one.log("fetch"))) == 1
        here.one.wait_mailbox("ann", 1)
        here.section(Server=f"127.0.0.1:{server.port}", Maximum_Message_Size="10M", At_Server="delete")
        assert here.taken() == (1, 0) and server.messages == []


def test_lines_without_cr(here):
    """Each grows by a byte here, which is no reason to leave what the server lists as small enough."""
    with PopServer([b"1", mail("a") + b"\n" * 150000 + b"\r\n"], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Maximum_Message_Size="200K")
        assert here.taken() == (2, 0)
        assert max(len(m) for m in here.one.wait_mailbox("ann", 2)) > 300000


def test_loop_is_cut(here):
    message = b"Received: from x by y; z\r\n" * 31 + mail("loop")
    with PopServer([b"1", message]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete")
        assert here.now()["counts"]["left"] == 1
        assert here.now()["counts"]["listed"] == 1 and len(server.messages) == 1
        assert server.seen.count(b"RETR 1") == 1


def test_delete_after(here):
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete after 1s")
        assert here.taken() == (2, 0) and len(server.messages) == 2
        while server.messages:
            here.now()
        here.one.wait_mailbox("ann", 2)
        assert tokens(here.one) == {"a": 1, "b": 1}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_state_stays(here, how):
    """What the list tells of a section is the same after a restart, and the interval is not begun anew."""
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", Interval="10m", Password="wrong")
        here.one.wait_log("fetcher", "end=login-refused")
        here.section(Server=f"127.0.0.1:{server.port}", Interval="10m")
        here.one.wait_log("fetcher", "end=ok")
        before, = here.one.json("fetch", "list")["sections"]
        assert (before["state"], before["counts"]["new"], before["end"]) == ("planned", 2, "ok")
        if how == "stop":
            here.one.stop()
            here.one.start()
        else:
            here.one.expect_alarm("killed by signal 9")
            at = len(here.one.log("master"))
            here.one.kill("fetcher")
            here.one.wait_log("master", r"fetcher\[\d+\] runs", after=at)
        after, = here.one.json("fetch", "list")["sections"]
        assert abs(after.pop("next") - before.pop("next")) <= 1
        assert after == before
        assert server.sessions == 2
        here.section(Server=f"127.0.0.1:{server.port}", Interval="manual")   # other settings are no other mailbox
        changed, = here.one.json("fetch", "list")["sections"]
        assert changed["state"] == "manual" and all(changed[key] == before[key] for key in ("last", "end", "counts"))
        here.one.ctl("restart", "fetcher")
        assert here.one.json("fetch", "list")["sections"] == [changed]


@pytest.mark.parametrize("protocol, other", [("imap", "POP3"), ("pop3", "IMAP")])
def test_other_protocol(here, protocol, other):
    with (PopServer() if protocol == "imap" else ImapServer({"INBOX": {}})) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}")
        assert here.now(code=EX_TEMPFAIL)["why"].endswith(f"at the greeting: it speaks {other}, and Protocol is {protocol}")


def test_silent_port(here):
    """A server that waits for TLS is waited for no longer than the limit says, and the reason is guessed at."""
    here.one.configure("Outgoing Reply", "1s")
    here.base = read_ini(here.one)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        here.section(Server=f"127.0.0.1:{silent.getsockname()[1]}", TLS="starttls")
        shown = here.one.ctl("fetch", "test", "work", check=False)
        assert shown.returncode == EX_TEMPFAIL and "at the greeting: timed out: no greeting; perhaps TLS = implicit is needed there" in shown.stderr


def test_sections_that_are_not_collected(here):
    here.section(Server="127.0.0.1:1", User=None)
    for name, code, why in (("work", EX_CONFIG, "[fetch work] is not collected: it has no User"), ("wrok", EX_DATAERR, "there is no [fetch wrok]")):
        refused = here.one.ctl("fetch", "test", name, check=False)
        assert refused.returncode == code and why in refused.stderr
    refused = here.one.ctl("fetch", "forget", "wrok", check=False)
    assert refused.returncode == EX_DATAERR and "there is no [fetch wrok], and nothing is kept of one" in refused.stderr
