"""A user's session with master, as webd has it: auth is asked for one, and its descriptor spoken to."""
import array
import json
import socket
import struct

from ipc import ACCOUNTS, GREETING, acting_as, connect, message, send

LOGIN, PASSWD, VALID, SETUP, OK, REFUSED = 1, 2, 3, 4, 100, 101        # of auth
NONE, MAILDROP, FOLDERS, CONTROL = range(4)     # what a login is to open
REQUEST, REPLY = 1, 100                 # of a session
REFUSALS = ("granted", "credentials", "no mailbox", "too many users", "trouble", "new password", "name")


class Reader:
    """The fields of a message."""

    def __init__(self, data):
        self.kind, self.tag = struct.unpack_from("=IQ", data)
        self.rest = data[12:]

    def u64(self):
        value, = struct.unpack_from("=Q", self.rest)
        self.rest = self.rest[8:]
        return value

    def text(self):
        length, = struct.unpack_from("=I", self.rest)
        value, self.rest = self.rest[4:4 + length], self.rest[4 + length:]
        return value


def receive(sock):
    """A message and the descriptors that came along."""
    data, ancillary, _, _ = sock.recvmsg(70000, socket.CMSG_SPACE(16))
    fds = array.array("i")
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(raw)
    return data, list(fds)


def auth_as_webd(instance):
    if "webd" in ACCOUNTS:
        return connect(instance, "auth", "webd")
    sock = connect(instance, "auth")
    send(sock, message(GREETING, "webd", tag=0))
    return sock


def log_in(instance, user, password=None, client="192.0.2.1", want=CONTROL):
    """(refusal, user, administrator, socket or None)"""
    return ask_auth(instance, LOGIN, "http", user, password or f"{user}-secret", client, want)


def ask_auth(instance, kind, *fields):
    with auth_as_webd(instance) as sock:
        send(sock, message(kind, *fields))
        data, fds = receive(sock)
    r = Reader(data)
    if r.kind == REFUSED:
        assert not fds
        return REFUSALS[r.u64()], None, False, None
    assert r.kind == OK
    name, admin = r.text().decode(), r.u64() == 1
    return "granted", name, admin, socket.socket(fileno=fds[0]) if fds else None


class Session:
    """with Session(instance, "ann") as s: code, doc = s.ask("own", "identities")"""

    def __init__(self, instance, user, password=None, client="192.0.2.1"):
        refusal, self.user, self.admin, self.sock = log_in(instance, user, password, client)
        assert refusal == "granted", refusal
        self.sock.settimeout(60)        # nobody answers: the test ends
        self.tag = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def begin(self, *words):
        self.tag += 1
        send(self.sock, message(REQUEST, *words, tag=self.tag))
        return self.tag

    def part(self, tag=None):
        """The next part of an answer: code, more, text."""
        data, fds = receive(self.sock)
        assert data, "the session has ended"
        assert not fds
        r = Reader(data)
        assert r.kind == REPLY and r.tag == (tag or self.tag)
        return r.u64(), r.u64(), r.text()

    def ask(self, *words):
        tag, whole, more = self.begin(*words), b"", 1
        while more:
            code, more, text = self.part(tag)
            whole += text
        return code, json.loads(whole)

    def get(self, *words):
        code, doc = self.ask(*words)
        assert code == 0, doc
        return doc

    def refused(self, *words):
        """The sentence of a failure."""
        code, doc = self.ask(*words)
        assert code != 0, doc
        return code, doc["error"]

    def ended(self):
        """Reads until the other side closes."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


class Owner(Session):
    """The same on control.sock, where its owner asks."""

    def __init__(self, instance):
        self.user, self.admin, self.tag = None, True, 0
        self.sock = connect(instance, "control")
        self.sock.settimeout(60)
