"""Mail collected from other hosts: our own POP3 server of another instance, and servers as the tests want them."""
import collections
import glob
import http.server
import imaplib
import json
import os
import re
import select
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from authority import Authority, context, fingerprint
from clients import text_message
from conftest import finish
from events import wait_until
from fetching import Fetching, read_ini
from imapserver import ImapServer, in_set
from ipc import connect, hung_up, message, send
from mailservers import OWNER, Dovecot
from popserver import PopServer
from sambar import Instance, split_trace

EX_TEMPFAIL = 75
TOKEN = re.compile(rb"^X-Token: (\S+)\r$", re.M)


def mail(token, to="ann@example.test", size=0, **fields):
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{head}From: s@far.test\r\nTo: {to}\r\nSubject: {token}\r\nX-Token: {token}\r\n\r\n{'x' * 70 + chr(13) + chr(10) if size else ''}".encode() \
        + b"y" * max(0, size - 200) + b"\r\n"


def tokens(one, user="ann"):
    return collections.Counter(TOKEN.search(m).group(1).decode() for m in one.messages(user))


@pytest.fixture
def here():
    one = Instance(users=("ann", "bob", "lost"))
    yield Fetching(one)
    finish([one])


@pytest.fixture(scope="module")
def there():
    """Our own server at another host."""
    one = Instance(users=("src", "other"))
    yield one
    finish([one])


def empty(one, user):
    with one.pop(user) as pop:
        for number in range(1, len(one.mailbox(user)) + 1):
            pop.ok(f"DELE {number}")
        pop.quit()


# ---- our own server ----

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


@pytest.mark.parametrize("tls, listener", [("starttls", "POP3"), ("implicit", "POP3S")])
def test_certificates(here, there, tls, listener):
    """A self-signed one is believed only when it is pinned; else nobody logs in."""
    address = f"127.0.0.1:{there.port(listener)}"
    here.section(Server=address, User="other", Password="other-secret", TLS=tls)
    assert here.now(code=EX_TEMPFAIL)["end"] == "permanent"
    shown = json.loads(here.one.ctl("fetch", "test", "work", "--json", check=False).stdout)
    assert "login" not in shown["server"] or shown["server"]["login"] == ""
    fingerprint = shown["server"]["fingerprint"]
    here.section(Server=address, User="other", Password="other-secret", TLS=tls, Certificate_Fingerprint=fingerprint)
    assert here.now()["end"] == "ok"
    other = ("00" if fingerprint[:2] != "00" else "11") + fingerprint[2:]
    here.section(Server=address, User="other", Password="other-secret", TLS=tls, Certificate_Fingerprint=other)
    assert here.now(code=EX_TEMPFAIL)["end"] == "permanent"


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("kind, pinned, believed", [
    ("good", None, True), ("good", "good", True), ("good", "self", False), ("self", None, False), ("self", "self", True), ("self", "good", False),
    ("expired", None, False), ("expired", "expired", True), ("other", None, False), ("other", "other", True)])
def test_certificates_of_others(here, authority, protocol, kind, pinned, believed):
    """Valid, for this host and by an issuer that is trusted, or pinned, whatever else it is: else no name and no password is said."""
    here.one.configure("Trusted Roots", authority.roots)
    tls = context(authority.path(kind))
    with (PopServer([b"1", mail("a")], tls=tls) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}}, tls=tls)) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS="implicit",
                     Certificate_Fingerprint=fingerprint(authority.path(pinned)) if pinned else None)
        if believed:
            assert here.taken() == (1, 0)
            return
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "permanent" and section["counts"]["listed"] == 0
        assert "at the TLS handshake" in section["why"]
        assert (server.seen if protocol == "pop3" else server.heard) == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    for path in (folder, *folder.parents[:2]):
        os.chmod(path, 0o755)
    made = Authority(str(folder))
    for kind in ("good", "self", "expired", "other"):
        made.certificate(kind)
    return made


def test_wrong_password(here, there):
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="not-his-secret", Interval="1h")
    section = here.now(code=EX_TEMPFAIL)
    assert section["end"] == "login refused" and section["failures"] >= 1
    listed, = here.one.json("fetch", "list")["sections"]
    assert listed["state"] == "planned" and listed["next"] > listed["last"]
    assert "not-his-secret" not in here.one.log("fetch") + here.one.log("fetcher")


# ---- routing ----

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
        here.section(Server=f"127.0.0.1:{server.port}", Routing="mailbox nobody", At_Server="delete")
        assert here.now()["counts"]["left"] == 1 and len(server.messages) == 1


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


# ---- what is new ----

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


# ---- at the server ----

def test_delete_after(here):
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete after 1s")
        assert here.taken() == (2, 0) and len(server.messages) == 2
        while server.messages:
            here.now()
        here.one.wait_mailbox("ann", 2)
        assert tokens(here.one) == {"a": 1, "b": 1}


def test_drop_at_quit(here):
    """Nothing was deleted then: it is, the next time, and is not taken again."""
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete")
        server.drop = {"QUIT": 1}
        assert here.now(code=EX_TEMPFAIL)["counts"]["new"] == 2 and len(server.messages) == 2
        server.drop = {}
        assert here.taken() == (0, 2) and server.messages == []
        here.one.wait_mailbox("ann", 2)


@pytest.mark.parametrize("verb, number", [("CAPA", 1), ("USER", 1), ("PASS", 1), ("STAT", 1), ("UIDL", 1), ("LIST", 1), ("RETR", 1), ("RETR", 3),
                                          ("RETR", 5), ("DELE", 1), ("DELE", 3), ("QUIT", 1)])
def test_drop_at_each_step(here, verb, number):
    with PopServer(*([b"%d" % i, mail(f"m{i}", size=3000)] for i in range(5))) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete")
        server.drop = {verb: number}
        here.one.ctl("fetch", "now", check=False)
        server.drop = {}
        here.now()
        assert server.messages == []
        here.one.wait_spool_empty()
        assert tokens(here.one) == {f"m{i}": 1 for i in range(5)}


# ---- hostile servers ----

@pytest.mark.parametrize("verb, said", [
    ("PASS", b"-ERR no\x1b[2J\x00\xff\rid=7 accepted\r\n"), ("CAPA", b"+OK\r\nIMPLEMENTATION a\x1b]0;b\x07\xff\r\nUSER\r\n.\r\n"),
    ("UIDL", b"+OK\r\n1 a\x1b[2J\r\n.\r\n"), ("UIDL", b"+OK\r\n1 \xff\xfe\r\n.\r\n"), ("RETR", b"-ERR \x1bc\x85\r\n")])
def test_what_a_server_says_in_our_logs(here, verb, said):
    """Printable, and on a line that is ours."""
    here.trace()
    with PopServer([b"1", mail("a")]) as server:
        server.rules[verb] = said
        here.section(Server=f"127.0.0.1:{server.port}")
        here.one.ctl("fetch", "now", check=False)
        shown = here.one.ctl("fetch", "test", "work", check=False)
        here.one.ctl("fetch", "list")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown.stdout + shown.stderr)
        for name, suffix in (("fetch", "log"), ("fetcher", "log"), ("fetch", "trace")):
            for line in here.one.log(name, suffix).splitlines():
                assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z fetch(er)?\[\d+\]: ", line) and line.isprintable(), line


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_no_tls_where_it_is_demanded(here, protocol, tls):
    """Nobody logs in."""
    with (PopServer([b"1", mail("a")]) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}})) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS=tls)
        assert here.now(code=EX_TEMPFAIL)["counts"]["listed"] == 0
        heard = b" ".join(server.seen) if protocol == "pop3" else " ".join(command for _, command in server.heard).encode("utf-8", "surrogateescape")
        assert not re.search(b"secret|LOGIN|AUTH|USER|PASS", heard)


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_old_version_of_tls(here, authority, protocol):
    here.one.configure("Trusted Roots", authority.roots)
    here.one.configure("Minimum Version", "TLSv1.3")
    old = context(authority.path("good"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (PopServer([b"1", mail("a")], tls=old) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}}, tls=old)) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS="implicit")
        assert "at the TLS handshake" in here.now(code=EX_TEMPFAIL)["why"]
        here.one.configure("Minimum Version", "TLSv1.2")
        assert here.taken() == (1, 0)


def test_hundred_thousand_messages_are_listed(here):
    n = 10 ** 5
    with PopServer() as server:
        server.rules["LIST"] = b"+OK\r\n" + b"".join(b"%d 1000\r\n" % i for i in range(1, n + 1)) + b".\r\n"
        server.rules["UIDL"] = b"+OK\r\n" + b"".join(b"%d u%d\r\n" % (i, i) for i in range(1, n + 1)) + b".\r\n"
        server.rules["STAT"] = b"+OK %d %d\r\n" % (n, 1000 * n)
        here.section(Server=f"127.0.0.1:{server.port}")
        shown = json.loads(here.one.ctl("fetch", "test", "work", "--json").stdout)
        assert shown["end"] == "ok" and shown["counts"]["listed"] == n and shown["counts"]["fresh"] == n
        assert not any(line.startswith(b"RETR") for line in server.seen)


# ---- over a restart ----

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


STEPS = [("CAPABILITY", 1), ("LOGIN", 1), ("LIST", 1), ("SELECT", 1), ("SEARCH", 1), ("FETCH", 1), ("FETCH", 2), ("LOGOUT", 1)]


@pytest.mark.parametrize("part", [0, 0.5, 0.97, 1])
@pytest.mark.parametrize("verb, number, action", [
    *((verb, number, "delete") for verb, number in STEPS), ("STORE", 1, "delete"), ("EXPUNGE", 1, "delete"), ("MOVE", 1, "move Done"),
    ("STORE", 1, "seen")])
def test_imap_drop_at_each_step(here, verb, number, action, part):
    """Before the answer, within it and behind it: each message is there once, and nothing that is not here has gone there."""
    box = {uid: mail(f"m{uid}", size=3000) for uid in range(1, 6)}
    with ImapServer({"INBOX": box}, makes_folders=True) as server:
        here.section(Protocol="imap", Server=f"127.0.0.1:{server.port}", At_Server=action)
        server.drop = {verb: (number, part)}
        here.one.ctl("fetch", "now", check=False)
        here.one.wait_spool_empty()
        assert {f"m{uid}" for uid in range(1, 6) if uid not in box} <= set(tokens(here.one))
        server.drop = {}
        here.now()
        assert len(box) == (5 if action == "seen" else 0)
        here.one.wait_spool_empty()
        assert tokens(here.one) == {f"m{uid}": 1 for uid in range(1, 6)}


# ---- our side dies ----

@pytest.mark.parametrize("name", ["fetch", "fetcher", "queue"])
@pytest.mark.parametrize("after", [1, 30, 200])
def test_kills_lose_nothing(here, name, after):
    """Killed when so many messages were accepted: each is there, few twice, and the server has none in the end."""
    n = 300
    with PopServer(*([b"%d" % i, mail(f"k{i}", size=2000)] for i in range(n))) as server:
        here.section(Server=f"127.0.0.1:{server.port}", At_Server="delete", Interval="1s")
        wait_until(lambda: len(re.findall(r" accepted ", here.one.log("fetcher"))) >= after, here.one.path("log", "fetcher.log"))
        here.one.kill(name)
        here.one.expect_alarm("killed by signal 9")
        wait_until(lambda: not server.messages, here.one.path("log", "fetcher.log"))
        here.one.wait_spool_empty()
        found = tokens(here.one)
        assert set(found) == {f"k{i}" for i in range(n)}
        assert max(found.values()) <= 2, found.most_common(3)


@pytest.mark.parametrize("name", ["fetch", "fetcher", "queue"])
@pytest.mark.parametrize("after", [1, 30, 200])
@pytest.mark.parametrize("action", ["delete", "move Done"])
def test_imap_kills_lose_nothing(here, name, after, action):
    """The same by IMAP."""
    n = 300
    box = {uid: mail(f"k{uid}", size=2000) for uid in range(1, n + 1)}
    with ImapServer({"INBOX": box}, makes_folders=True) as server:
        here.section(Protocol="imap", Server=f"127.0.0.1:{server.port}", At_Server=action, Interval="1s")
        wait_until(lambda: len(re.findall(r" accepted ", here.one.log("fetcher"))) >= after, here.one.path("log", "fetcher.log"))
        here.one.kill(name)
        here.one.expect_alarm("killed by signal 9")
        wait_until(lambda: not box, here.one.path("log", "fetcher.log"))
        here.one.wait_spool_empty()
        found = tokens(here.one)
        assert set(found) == {f"k{uid}" for uid in range(1, n + 1)}
        assert max(found.values()) <= 2, found.most_common(3)


POP_STEPS = ("CAPA", "USER", "PASS", "STAT", "UIDL", "LIST", "RETR", "DELE", "QUIT")
IMAP_STEPS = ("CAPABILITY", "LOGIN", "LIST", "SELECT", "SEARCH", "FETCH", "STORE", "EXPUNGE", "LOGOUT")


@pytest.mark.parametrize("name", ["fetch", "fetcher", "queue"])
@pytest.mark.parametrize("protocol, verb", [*(("pop3", verb) for verb in POP_STEPS), *(("imap", verb) for verb in IMAP_STEPS)])
def test_killed_at_each_step(here, name, protocol, verb):
    """Of ours, while the server is about to answer."""
    here.one.expect_alarm("killed by signal 9")
    box = {uid: mail(f"m{uid}", size=3000) for uid in range(1, 6)}
    with (PopServer(*([b"%d" % uid, text] for uid, text in box.items())) if protocol == "pop3" else ImapServer({"INBOX": box})) as server:
        server.hooks[verb] = lambda: here.one.kill(name)
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", At_Server="delete", Interval="1s")
        wait_until(lambda: verb not in server.hooks and not (server.messages if protocol == "pop3" else box), here.one.path("log", "fetcher.log"))
        here.one.wait_spool_empty()
        found = tokens(here.one)
        assert set(found) == {f"m{uid}" for uid in range(1, 6)} and max(found.values()) <= 2, found


def test_secrets_stay(here, there):
    """The password is in no log and no trace; others' settings are not sent to a child."""
    here.trace()
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="src-secret")
    here.now()
    here.one.wait_log("fetch", "CAPA", suffix="trace")
    here.one.wait_log("fetch", "QUIT", suffix="trace")
    for name in ("fetch", "fetcher", "master"):
        assert "src-secret" not in here.one.log(name) + here.one.log(name, "trace")


# ---- what fetcher does not say ----

JOB, SLOT, KNOWN, TAKEN, AGAIN, STOP, TOKEN_IS = range(1, 8)


def job(port, **changed):
    fields = dict(mode=0, section="work", protocol=0, host="127.0.0.1", port=port, tls=0, fingerprint="", user="ann", password="secret", endpoint="", client="",
                  secret="", refresh="", command=0, action=0, move="", largest=10 ** 6, idle=0, candidates=0, room=2048, folder="INBOX")
    assert set(changed) <= set(fields)
    return message(JOB, *{**fields, **changed}.values(), tag=0)


def test_fetch_is_for_fetcher_only(here):
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can try as other accounts")
    with PopServer([b"1", mail("a")]) as server:
        for account in ("smtpd", "deliver", "queue", "fetch", None):
            with connect(here.one, "fetch", account) as sock:
                send(sock, job(server.port))
                assert hung_up(sock)
        here.one.wait_log("fetch", r"refused: account \d+ is not fetcher")
        assert server.sessions == 0


def test_fetch_is_told_nonsense(here):
    """Garbage, cut, doubled and ill-ordered messages: that child ends, and the next one collects."""
    with PopServer([b"1", mail("a")], [b"2", mail("b")]) as server:
        good = job(server.port)
        asked = job(server.port, command=1)
        first = [b"x", b"\0" * 12, b"\xff" * 12, b"\xff" * 65536, b"\0" * 65536, message(1, 2, 3), message(99), message(JOB), message(KNOWN, "+"),
                 message(TAKEN, 1, 1, 1, 0), message(SLOT, 1, 7), message(TOKEN_IS, "x", ""), good[:-1], good + b"x", good[:40],
                 job(server.port, mode=3), job(server.port, protocol=2), job(server.port, tls=3), job(2 ** 16), job(2 ** 64 - 1), job(server.port, action=4),
                 job(server.port, command=2), job(server.port, idle=2), job(server.port, candidates=2), job(server.port, fingerprint="0g" * 32),
                 job(server.port, fingerprint="00"), job(server.port, host="x" * 256), job(server.port, user="a\0b"), job(server.port, password="x" * 7000)]
        then = [(good, [good]), (good, [message(KNOWN, "+")] * 3), (good, [message(KNOWN, "+" * 600)]), (good, [message(TAKEN, 1, 1, 1, 0)]),
                (good, [message(SLOT, 1, 7)]), (good, [message(AGAIN, 1)]), (good, [message(STOP, "x")]), (good, [b"x"]),
                (asked, [message(TOKEN_IS, "x" * 7000, "")]), (asked, [message(TOKEN_IS, "x")])]
        for data, more in [(data, []) for data in first] + then:
            with connect(here.one, "fetch", "fetcher") as sock:
                if not send(sock, data):
                    continue
                for one in more:
                    send(sock, one)
                if not more or more[0] == good:
                    assert hung_up(sock), data
        here.section(Server=f"127.0.0.1:{server.port}")
        assert here.taken() == (2, 0)
        assert here.one.pids("fetcher")


# ---- Dovecot ----

@pytest.fixture(scope="module")
def dovecot(there):
    """Its certificate is self-signed, for example.test."""
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can show a server a file system of its own")
    with Dovecot((there.path("config", "tls.crt"), there.path("config", "tls.key"))) as server:
        yield server


def pin(there):
    done = subprocess.run(["openssl", "x509", "-in", there.path("config", "tls.crt"), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True)
    return done.stdout.strip().partition("=")[2]


WAYS = [("pop3", "starttls", "pop3"), ("pop3", "implicit", "pop3s"), ("imap", "starttls", "imap"), ("imap", "implicit", "imaps")]


@pytest.mark.parametrize("protocol, tls, listener", WAYS)
@pytest.mark.parametrize("action", ["leave", "delete"])
def test_dovecot(here, there, dovecot, protocol, tls, listener, action):
    user = f"{protocol}{tls}{action}"
    for i in range(30):
        dovecot.put(user, f"{i:03}.x.y", mail(f"d{i}", size=500 * i))
    here.section(Protocol=protocol, Server=f"127.0.0.1:{dovecot.ports[listener]}", TLS=tls, User=user, Certificate_Fingerprint=pin(there), At_Server=action)
    assert here.taken() == (30, 0)
    got = here.one.wait_mailbox("ann", 30)
    assert sorted(split_trace(m)[1] for m in got) == sorted(mail(f"d{i}", size=500 * i) for i in range(30))
    assert len(dovecot.names(user)) == (30 if action == "leave" else 0)
    assert here.taken() == (0, 0)
    dovecot.put(user, "100.x.y", mail("late"))
    assert here.taken() == (1, 0)


@pytest.mark.parametrize("action", ["seen", "move Done", 'move "In the past"', "move Entwürfe"])
def test_imap_seen_and_move(here, there, dovecot, action):
    user = "act" + "".join(c for c in action.lower() if c.isalpha() and c.isascii())
    for i in range(5):
        dovecot.put(user, f"{i:03}.x.y", mail(f"s{i}"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User=user, Certificate_Fingerprint=pin(there), At_Server=action)
    assert here.taken() == (5, 0)
    if action == "seen":
        assert all(name.endswith("S") for name in dovecot.names(user)), dovecot.names(user)
    else:
        assert dovecot.names(user) == []
        assert len(dovecot.names(user, "." + action[5:].strip('"').replace("ü", "&APw-"))) == 5
    assert here.taken() == (0, 0)
    here.one.wait_mailbox("ann", 5)


def test_no_folder_to_move_to(here):
    """All is collected though nothing can be moved, and nothing is asked of one folder that is another's message."""
    first, second = range(1, 151), range(1001, 1004)
    folders = {"INBOX": {uid: mail(f"i{uid}") for uid in first}, "Other": {uid: mail(f"o{uid}") for uid in second}}
    with ImapServer(folders) as server:
        here.section(Protocol="imap", Server=f"127.0.0.1:{server.port}", Folders="*", At_Server="move Done")
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "no folder" and "Done" in section["why"] and section["counts"]["new"] == 153
        moved = [(folder, command.split()[1]) for folder, command in server.heard if command.startswith("MOVE")]
        assert {folder for folder, _ in moved} == {"INBOX", "Other"}
        assert not any(in_set(uids, uid) for folder, uids in moved for uid in (second if folder == "INBOX" else first)), moved
        server.makes_folders = True
        assert here.taken() == (0, 153) and folders == {"INBOX": {}, "Other": {}}
        here.one.wait_mailbox("ann", 153)


def test_imap_folders(here, there, dovecot):
    dovecot.put("folders", "1.x.y", mail("inbox"))
    for n, folder in enumerate((".Work", ".Work.Deep", ".Two words", ".Other", ".Entw&APw-rfe")):
        dovecot.put("folders", f"{n}.x.y", mail(f"f{n}"), folder)
    keys = dict(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="folders", Certificate_Fingerprint=pin(there))
    here.section(**keys, Folders='INBOX Work* "Two words" Entwürfe')
    shown = json.loads(here.one.ctl("fetch", "test", "work", "--json").stdout)
    assert sorted(f["name"] for f in shown["folders"]) == sorted(["INBOX", "Work", "Work.Deep", "Two words", "Entwürfe"])
    assert here.taken() == (5, 0)
    here.one.wait_mailbox("ann", 5)
    assert tokens(here.one) == {"inbox": 1, "f0": 1, "f1": 1, "f2": 1, "f4": 1}
    here.section(**keys, Folders="Nosuch")
    assert here.now(code=EX_TEMPFAIL)["end"] == "no folder"


def test_imap_idle(here, there, dovecot):
    """New mail is there at once, though the next collection is an hour away; a stop does not wait for it."""
    dovecot.put("idle", "1.x.y", mail("first"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="idle", Certificate_Fingerprint=pin(there),
                 Interval="1h", At_Server="delete")
    here.one.wait_mailbox("ann", 1)
    wait_until(lambda: here.one.json("fetch", "list")["sections"][0]["state"] == "waiting for news", here.one.path("log", "fetcher.log"))
    dovecot.put("idle", "2.x.y", mail("second"))
    here.one.wait_mailbox("ann", 2)
    wait_until(lambda: dovecot.names("idle") == [], dovecot.path("mail", "idle", "cur"), dovecot.path("mail", "idle", "new"))
    assert here.taken() == (0, 0)
    dovecot.put("idle", "3.x.y", mail("third"))
    here.one.wait_mailbox("ann", 3)
    here.one.kill("fetch")
    here.one.expect_alarm("killed by signal 9")
    dovecot.put("idle", "4.x.y", mail("fourth"))
    here.now()
    here.one.wait_mailbox("ann", 4)


def append(dovecot, user, folder, message):
    """As who delivers by the server itself, which then knows of it."""
    with imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"]) as imap:
        imap.login(user, "secret")
        assert imap.append(folder, None, None, message)[0] == "OK"


def test_imap_idle_in_all_folders(here, there, dovecot):
    """Dovecot tells of each by NOTIFY: but for names that are not ASCII, which it forgets."""
    folders = {"INBOX": "", "Work": ".Work", '"Two words"': ".Two words"}
    for name, folder in folders.items():
        dovecot.put("idleall", "1.x.y", mail("first" + name.strip('"')), folder)
    here.trace()
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="idleall", Certificate_Fingerprint=pin(there),
                 Interval="1h", Folders="*", At_Server="delete")
    for i, name in enumerate(reversed(folders)):
        here.one.wait_mailbox("ann", len(folders) + i)
        wait_until(lambda: here.one.json("fetch", "list")["sections"][0]["state"] == "waiting for news", here.one.path("log", "fetcher.log"))
        append(dovecot, "idleall", name, mail(f"late{i}"))
    here.one.wait_mailbox("ann", 2 * len(folders))
    assert "NOTIFY SET" in here.one.log("fetch", "trace")
    assert here.taken() == (0, 0)


def test_imap_uidvalidity_starts_again(here, there, dovecot):
    for i in range(5):
        dovecot.put("validity", f"{i}.x.y", mail(f"v{i}"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="validity", Certificate_Fingerprint=pin(there))
    assert here.taken() == (5, 0)
    for path in glob.glob(dovecot.path("mail", "validity", "dovecot*")):
        os.unlink(path)
    uidlist = dovecot.path("mail", "validity", "dovecot-uidlist")
    with open(uidlist, "w") as f:
        f.write("3 V77 N100 G0123456789abcdef0123456789abcdef\n")
    os.chown(uidlist, OWNER, OWNER)
    assert here.taken() == (0, 5)
    assert here.taken() == (0, 0)


# ---- OAuth2 ----

class TokenEndpoint:
    """Gives out access tokens for the refresh tokens in `good`; each use of one puts `next` in its place, if there is one."""

    def __init__(self, folder):
        self.good, self.next, self.access, self.asked = {"refresh-1"}, None, "access-1", []
        self.certificate = os.path.join(folder, "endpoint.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.certificate + ".key", "-out", self.certificate],
                       check=True, capture_output=True)
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                endpoint.asked.append(form)
                code, answer = endpoint.answer(form["refresh_token"][0])
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.certificate + ".key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, refresh):
        if refresh not in self.good:
            return 400, {"error": "invalid_grant"}
        answer = {"access_token": self.access, "token_type": "Bearer", "expires_in": 3600}
        if self.next:
            self.good, answer["refresh_token"] = {self.next}, self.next
            self.next = None
        return 200, answer

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint(here):
    server = TokenEndpoint(here.one.folder)
    here.one.configure("Trusted Roots", server.certificate)
    yield server
    server.end()


def test_oauth(here, endpoint):
    """A token lets in; a refresh token that the endpoint replaces is kept, also over a restart; one that is of no more use is told."""
    with PopServer([b"1", mail("a")], token="access-1") as server:
        keys = dict(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Endpoint=endpoint.url, OAuth_Client_ID="me", OAuth_Refresh_Token="refresh-1")
        here.section(**keys)
        endpoint.next = "refresh-2"
        assert here.taken() == (1, 0)
        assert endpoint.asked[0]["client_id"] == ["me"] and endpoint.asked[0]["refresh_token"] == ["refresh-1"]
        assert here.taken() == (0, 0)
        assert endpoint.asked[-1]["refresh_token"] == ["refresh-2"]
        here.one.stop()
        here.one.start()
        assert here.taken() == (0, 0)
        assert endpoint.asked[-1]["refresh_token"] == ["refresh-2"]
        here.section(**{**keys, "OAuth_Refresh_Token": "other"})
        assert here.now(code=EX_TEMPFAIL)["end"] == "login refused"
        assert endpoint.asked[-1]["refresh_token"] == ["other"]
        assert "refresh-" not in here.one.log("fetch") + here.one.log("fetcher").replace("refresh-token", "")


def test_oauth_endpoint_that_is_not_believed(here, endpoint):
    here.one.configure("Trusted Roots", "/etc/ssl/certs/ca-certificates.crt")
    with PopServer([b"1", mail("a")], token="access-1") as server:
        here.section(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Endpoint=endpoint.url, OAuth_Client_ID="me", OAuth_Refresh_Token="refresh-1")
        assert here.now(code=EX_TEMPFAIL)["end"] in ("permanent", "temporary")
        assert endpoint.asked == []


def by_command(server, command, **keys):
    return dict(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Command=command, **keys)


def test_token_command(here):
    """What a command prints lets in; nobody reads it in a log."""
    here.trace()
    with PopServer([b"1", mail("a")], token="access-7") as server:
        here.section(**by_command(server, "/bin/sh -c 'echo of the command >&2; printf \"access-%s\\\\n\" 7'"))
        shown = json.loads(here.one.ctl("fetch", "test", "work", "--json").stdout)
        assert shown["end"] == "ok" and shown["server"]["login"] in ("XOAUTH2", "OAUTHBEARER")
        assert here.taken() == (1, 0)
        here.one.wait_log("fetcher", "of the command")
        here.one.wait_mailbox("ann", 1)
        for path in glob.glob(here.one.path("log", "*")):
            with open(path, "rb") as f:
                assert b"access-7" not in f.read(), path


@pytest.mark.parametrize("command, why", [
    ("/bin/false", "has ended with status 1"), ("/bin/echo two words", "no token"), ("/bin/true", "no token"), ("/usr/bin/yes", "too much"),
    ("/bin/sh -c 'kill -9 $$'", "killed by signal 9")])
def test_token_command_fails(here, command, why):
    """Nobody logs in, and it is tried again."""
    here.one.expect_alarm("OAuth Token Command")
    with PopServer([b"1", mail("a")], token="access-7") as server:
        here.section(**by_command(server, command))
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "temporary" and why in section["why"], section
        assert server.sessions == 0


def test_token_command_account(here):
    """It has no right that master has, and none of the programs'."""
    here.one.expect_alarm("OAuth Token Command")
    with PopServer([b"1", mail("a")], token="none") as server:
        here.section(**by_command(server, f"/bin/sh -c 'id -un >&2; cat {here.one.path('config', 'mail.ini')} >/dev/null && echo READ >&2; "
                                          "grep ^Cap /proc/self/status >&2; exit 1'"))
        here.now(code=EX_TEMPFAIL)
        here.one.wait_log("fetcher", "CapBnd")
        if os.geteuid() == 0:
            assert "READ" not in here.one.log("fetcher")
            assert re.search(r"CapEff:\s+0+$", here.one.log("fetcher"), re.M)


def test_token_command_ends_with_fetcher(here):
    """A stop does not wait for it, and it does not stay behind."""
    with PopServer([b"1", mail("a")], token="none") as server:
        here.section(**by_command(server, "/bin/sh -c 'echo pid=$$ >&2; exec sleep 1000'", Interval="1h"))
        started = here.one.wait_log("fetcher", r"pid=(\d+)")
        command = os.pidfd_open(int(started.group(1)))
        here.one.stop()
        select.select([command], [], [])
        os.close(command)


@pytest.mark.parametrize("command, why", [
    ("token", "absolute path"), ("/bin/echo 'a", "absolute path"), ("/nonexistent/token", "No such file"), ("/etc/passwd", "cannot be executed"),
    ("/etc", "cannot be executed")])
def test_token_command_is_checked(here, command, why):
    with open(here.one.path("config", "mail.ini"), "a") as f:
        f.write(f"\n[fetch work]\nServer = localhost\nUser = ann\nRouting = mailbox ann\nOAuth Token Command = {command}\n")
    done = here.one.ctl("check", check=False)
    assert done.returncode == 78 and why in done.stdout + done.stderr, done
