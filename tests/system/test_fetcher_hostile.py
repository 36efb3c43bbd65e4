"""Servers that mail is collected from and that mean harm, and what the programs that collect tell each other."""
import json
import os
import re

import pytest

from fetching import mail
from ipc import connect, hung_up, message, send
from popserver import PopServer


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


def test_secrets_stay(here, there):
    """The password is in no log and no trace; others' settings are not sent to a child."""
    here.trace()
    here.section(Server=f"127.0.0.1:{there.port('POP3')}", User="src", Password="src-secret")
    here.now()
    here.one.wait_log("fetch", "CAPA", suffix="trace")
    here.one.wait_log("fetch", "QUIT", suffix="trace")
    for name in ("fetch", "fetcher", "master"):
        assert "src-secret" not in here.one.log(name) + here.one.log(name, "trace")


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
