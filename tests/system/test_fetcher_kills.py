"""Connections that drop, and programs that die, at each step of collecting: nothing is lost, and hardly anything is there twice."""
import re

import pytest

from events import wait_until
from fetching import EX_TEMPFAIL, mail, tokens
from imapserver import ImapServer
from popserver import PopServer


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
