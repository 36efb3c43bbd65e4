"""Mail collected from other people's servers, in all the shapes that mail has: each byte is there, and what is to be done at the server is."""
import os
import random

import pytest

from conftest import finish
from events import wait_until
from fetching import Fetching
from mailservers import Courier, Cyrus, Dovecot
from sambar import Instance, split_trace

N = 200
WAYS = [("pop3", "none", "pop3"), ("pop3", "starttls", "pop3"), ("pop3", "implicit", "pop3s"),
        ("imap", "none", "imap"), ("imap", "starttls", "imap"), ("imap", "implicit", "imaps")]


def odd_shapes():
    """Bodies and headers that are not what one expects, with CRLFs.

    None starts with a dot: Dovecot's POP3 and Courier's do not double that one, so what follows cannot be told from replies.
    """
    head = b"From: s@far.test\r\nTo: ann@example.test\r\nSubject: %s\r\n\r\n"
    yield b""
    yield b"\r\n"
    yield b"\r\n\r\n"
    yield b"no header at all\r\n"
    yield b"From: s@far.test\r\n"                               # nothing but a header, and no line behind it
    yield b"Subject: \xff\xfe\x80 8-bit\r\nFrom: \"\xe9\" <s@far.test>\r\n\r\n\xc3\xbc\xf6\xa0\r\n"
    yield b"Subject: =?utf-8?q?=c3=bc?=\r\n folded\r\n\tand again\r\n\r\nx\r\n"
    yield b"X: " + b"y" * 5000 + b"\r\n\r\nx\r\n"
    yield b"From x@y Thu Nov 26 00:00:00 2026\r\nSubject: mbox\r\n\r\n>From x\r\nFrom y\r\n"
    yield head % b"dots" + b".\r\n..\r\n...\r\n.x\r\n..x\r\nx.\r\n\r\n.\r\n"
    yield head % b"dots at the end" + b"x\r\n.\r\n.\r\n"
    yield head % b"dots only" + b".\r\n" * 3000
    yield head % b"empty lines" + b"\r\n" * 5000
    yield head % b"NUL" + b"a\0b\0\0\r\n\0\r\n.\0\r\n"
    yield head % b"controls" + bytes(c for c in range(1, 32) if c not in b"\r\n") + b"\x7f\r\n"
    yield head % b"all above" + bytes(range(128, 256)) * 20 + b"\r\n"
    yield head % b"literal" + b"* 1 FETCH (UID 1 BODY[] {10}\r\na1 OK done\r\n+OK\r\n-ERR\r\n)\r\n"
    for size in (998, 999, 1000, 8190, 8191, 8192, 16383, 16384, 16385, 100000):
        yield head % b"long line" + b"l" * size + b"\r\n"
        yield head % b"long line of dots" + b"." * size + b"\r\n.\r\n"
    for size in (4096, 8192, 16384, 32768):                     # a dot, and a line's end, at each edge of a block
        for more in range(-4, 5):
            text = head % b"edge"
            yield text + b"e" * (size + more - len(text) - 2) + b"\r\n.\r\n.e\r\n"
    text = head % b"a megabyte"
    yield text + b"".join(b"%08d .\r\n.%s\r\n" % (i, b"m" * (i % 90)) for i in range(17500))


def shapes(n):
    """n of them, all different."""
    chosen = list(odd_shapes())
    dice = random.Random(4)
    while len(chosen) < n:
        body = b"".join(bytes(dice.choices(b".. \t-=<>azAZ\xc3\xbc(){}\"*", k=dice.randrange(120))) + b"\r\n" for _ in range(dice.randrange(60)))
        chosen.append(b"From: s@far.test\r\nTo: ann@example.test\r\nSubject: random %d\r\n\r\n" % len(chosen) + body)
    return chosen[:n]


def in_box(one, user="ann"):
    return sorted(split_trace(message)[1] for message in one.messages(user))


@pytest.fixture
def here():
    one = Instance(users=("ann",))
    yield Fetching(one)
    finish([one])


@pytest.fixture(scope="module", params=[Dovecot, Courier, Cyrus])
def server(request):
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can show a server a file system of its own")
    with request.param() as running:
        yield running


def fill(server):
    """(a user, his messages)"""
    user = next(server.users)
    messages = server.fill(user, shapes(N))
    assert len(messages) > N * 0.9
    return user, messages


@pytest.fixture(scope="module")
def kept(server):
    """A mailbox that nothing is taken from."""
    return fill(server)


def keys(server, user, protocol, tls, listener, **more):
    pinned = {} if tls == "none" else {"Certificate_Fingerprint": server.fingerprint}
    return {"Protocol": protocol, "Server": f"127.0.0.1:{server.ports[listener]}", "TLS": tls, "User": user, **pinned, **more}


def collect(here, server, protocol, messages):
    assert here.taken() == (len(messages), 0)
    here.one.wait_mailbox("ann", len(messages))
    assert in_box(here.one) == sorted(server.gives(protocol, message) for message in messages)


@pytest.mark.parametrize("protocol, tls, listener", WAYS, ids=[f"{protocol}-{tls}" for protocol, tls, _ in WAYS])
def test_all_shapes(here, server, kept, protocol, tls, listener):
    user, messages = kept
    here.section(**keys(server, user, protocol, tls, listener))
    collect(here, server, protocol, messages)
    assert len(server.flags(user)) == len(messages)
    assert here.taken() == (0, 0)


def wait_for_flags(server, user, n):
    """Of so many messages: Courier's POP3 says that it has deleted them before it does."""
    found = []

    def are_there():
        found[:] = server.flags(user)
        return len(found) == n
    wait_until(are_there, *server.folders(user))
    return found


@pytest.mark.parametrize("protocol, action", [("pop3", "delete"), ("imap", "delete"), ("imap", "seen"), ("imap", "move")])
def test_at_the_server(here, server, protocol, action):
    user, messages = fill(server)
    here.section(**keys(server, user, protocol, "implicit", f"{protocol}s", At_Server=f"move {server.done}" if action == "move" else action))
    collect(here, server, protocol, messages)
    flags = wait_for_flags(server, user, len(messages) if action == "seen" else 0)
    assert all(b"\\Seen" in each for each in flags)
    if action == "move":
        assert len(server.flags(user, server.done)) == len(messages)
    late, = server.fill(user, [b"Subject: one more\r\n\r\nx\r\n"])
    assert here.taken() == (1, 0)
    assert here.taken() == (0, 0)
    assert late in in_box(here.one)


def test_new_mail_while_it_waits(here, server):
    """IDLE, as this server does it: the next collection is an hour away."""
    user = next(server.users)
    server.fill(user, [b"Subject: first\r\n\r\nx\r\n"])
    here.section(**keys(server, user, "imap", "implicit", "imaps", At_Server="delete", Interval="1h"))
    here.one.wait_mailbox("ann", 1)
    here.wait_state("waiting for news")
    server.fill(user, [b"Subject: second\r\n\r\nx\r\n"])
    here.one.wait_mailbox("ann", 2)
