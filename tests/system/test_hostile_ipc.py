"""Garbage, oversized and ill-ordered messages on each of our own UNIX sockets, sent as each account."""
import contextlib
import os
import random
import socket
import struct

import pytest

from clients import text_message
from ipc import ACCOUNTS, GREETING, acting_as, connect, hung_up, message, send

SOCKETS = ("queue", "router", "store", "auth")


@pytest.fixture(autouse=True)
def still_alive(instance):
    """Whatever was sent: the same processes run, and mail flows."""
    pids = {name: instance.pids(name) for name in ACCOUNTS}
    before = len(instance.mailbox("ann"))
    yield
    instance.send(text_message("alive"), "ann@example.test")
    instance.wait_spool_empty()
    assert len(instance.mailbox("ann")) == before + 1
    with instance.pop("ann") as pop:
        pop.quit()
    assert {name: instance.pids(name) for name in ACCOUNTS} == pids


@pytest.mark.parametrize("name", SOCKETS)
@pytest.mark.parametrize("data", [
    b"x", b"\0" * 11, b"\0" * 12, b"\xff" * 12, b"\xff" * 65536, random.Random(1).randbytes(1000), message(1, 2, 3), message(GREETING, "nonsense", tag=0),
    message(GREETING, tag=0), message(GREETING, "smtpd" * 100, tag=0), message(GREETING, "sm\0tpd", tag=0),
    message(GREETING, "smtpd", 5, tag=0), struct.pack("=IQI", GREETING, 0, 2 ** 32 - 1) + b"x"], ids=lambda d: f"{len(d)}-{d[:4].hex()}")
def test_bad_greetings_are_hung_up_on(instance, name, data):
    with connect(instance, name) as sock:
        send(sock, data)
        assert hung_up(sock)


@pytest.mark.parametrize("name", SOCKETS)
def test_oversized_messages(instance, name):
    for size in (65536, 65537, 100000, 150000):
        with connect(instance, name, "smtpd") as sock:
            send(sock, message(1, tag=1) + b"\0" * (size - 12))
            assert hung_up(sock)


@pytest.mark.parametrize("name", SOCKETS)
def test_connections_that_say_nothing(instance, name):
    """Hundreds that wait, and as many that come and go."""
    held = [connect(instance, name) for _ in range(300)]
    for _ in range(500):
        connect(instance, name).close()
    for sock in held:
        sock.close()


def test_roles_are_checked_against_accounts(instance):
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can try as other accounts")
    for name in SOCKETS:
        for account, claimed in (("pop3d", "router"), ("smtpd", "auth"), ("smtpd", "store"), ("router", "smtpd"), ("webd", "master")):
            with connect(instance, name) as sock:       # as root, which is master
                send(sock, message(GREETING, claimed, tag=0))
                assert claimed == "master" or hung_up(sock)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with acting_as(instance, account), sock:
                sock.connect(instance.path("run", f"{name}.sock"))
                send(sock, message(GREETING, claimed, tag=0))
                assert hung_up(sock)


# Who may say what (the doors' own comments); everybody else is hung up on.
RIGHTS = {
    "queue": {"smtpd": {1, 2, 3, 4}, "router": {1, 2, 3, 4, 5, 6, 7}},
    "router": {"smtpd": {1}},
    "store": {"router": {1, 2}, "auth": {2, 3, 4, 5, 6}},
    "auth": {"smtpd": {1}, "pop3d": {1}},
}


@pytest.mark.parametrize("name", SOCKETS)
def test_messages_of_others_are_refused(instance, name):
    for role in ("smtpd", "pop3d", "router", "auth", "store"):
        if role == name:
            continue
        for kind in [*range(1, 12), 100, 101, 2 ** 31, 2 ** 32 - 1]:
            if kind in RIGHTS[name].get(role, ()):
                continue
            with connect(instance, name, role) as sock:
                send(sock, message(kind, 1, "x", "y"))
                assert hung_up(sock), (role, kind)


@pytest.mark.parametrize("name", SOCKETS)
def test_random_fields(instance, name, seed=1):
    """Every message that a role may send, with fields that are cut, doubled, out of range, of another kind."""
    generator = random.Random(seed)
    numbers = [0, 1, 2, 255, 65535, 2 ** 31, 2 ** 32 - 1, 2 ** 63, 2 ** 64 - 1]
    texts = ["", "x", "ann", "../bob", "/etc/passwd", "a\0b", "x" * 5000, "\xff" * 70, "ann@example.test", "." * 300]
    for role, kinds in RIGHTS[name].items():
        for kind in sorted(kinds):
            if name == "auth":
                continue        # a login costs a hash; see below
            for _ in range(60):
                with connect(instance, name, role) as sock:
                    fields = [generator.choice(numbers) if generator.random() < 0.5 else generator.choice(texts)
                              for _ in range(generator.randrange(9))]
                    if (name, kind) == ("store", 5) and "ann" in fields:
                        continue        # REMOVE ann would be obeyed
                    data = bytearray(message(kind, *fields, tag=generator.choice([0, 1, 2 ** 64 - 1])))
                    for _ in range(generator.randrange(3)):
                        data[generator.randrange(4, len(data))] = generator.randrange(256)
                    data = data[:generator.randrange(12, len(data) + 1)]
                    fds = [os.open("/dev/null", os.O_RDWR) for _ in range(generator.randrange(4))]
                    send(sock, bytes(data), fds)
                    for fd in fds:
                        os.close(fd)


def test_logins_with_nonsense(instance):
    for role in ("smtpd", "pop3d"):
        for fields in (("smtp",), ("smtp", "ann"), ("smtp", "ann", "x", "127.0.0.1"), ("smtp", "ann", "x", "127.0.0.1", 7),
                       ("smtp", "a" * 60000, "x", "127.0.0.1", 0), ("smtp", "ann", "x\0y", "127.0.0.1", 0),
                       ("smtp", "ann", "x", "no address", 0), ("smtp", "ann", "x", "y" * 1000, 0)):
            with connect(instance, "auth", role) as sock:
                send(sock, message(1, *fields))


def test_smtpd_gets_no_session(instance):
    """Even with the right password smtpd is not handed a mailbox."""
    with connect(instance, "auth", "smtpd") as sock:
        send(sock, message(1, "smtp", "ann", "ann-secret", "127.0.0.1", 1))
        try:
            data, fds, _, _ = socket.recv_fds(sock, 65536, 4)
        except OSError:
            return
        assert fds == []


def test_descriptors_of_every_kind(instance):
    """Descriptors that nobody asked for, or that are not what is expected."""
    kinds = [os.open("/dev/zero", os.O_RDWR), os.open("/", os.O_PATH), os.open("/tmp", os.O_RDONLY), os.memfd_create("x"),
             os.open("/proc/self/mem", os.O_RDONLY), *os.pipe(), os.eventfd(0), *(s.detach() for s in socket.socketpair())]
    for name in SOCKETS:
        for role, allowed in RIGHTS[name].items():
            for kind in sorted(allowed):
                for fd in kinds:
                    with connect(instance, name, role) as sock:
                        send(sock, message(kind, 1, 0, 100, "Return-Path: <>\r\n", "nobody-here"), [fd])
                with connect(instance, name, role) as sock:
                    send(sock, message(kind, 1, 0, 100, "x"), kinds * 20)
    for fd in kinds:
        os.close(fd)


def test_store_delivers_only_what_is_there(instance):
    """DELIVER of a size that the file does not have, from a file that shrinks, to names that are paths."""
    fd = os.memfd_create("spool")
    os.write(fd, b"Subject: x\r\n\r\n" * 10)
    for offset, size in ((0, 10 ** 6), (10 ** 9, 10), (2 ** 64 - 1, 2 ** 64 - 1), (0, 2 ** 63)):
        for mailbox in ("bob", "../../etc", "bob/../ann", ".", "", "b" * 65, "bob\0x"):
            with connect(instance, "store", "router") as sock:
                send(sock, message(1, 4711, offset, size, "Return-Path: <>\r\n", mailbox), [fd])
                with contextlib.suppress(OSError):
                    sock.settimeout(None)
                    sock.recv(65536)
    os.close(fd)
    assert instance.mailbox("bob") == []
    assert not os.path.exists(instance.path("mail", "etc"))


def test_queue_out_of_order(instance):
    take, part, commit, abandon, window, results, expand = range(1, 8)
    sequences = [
        [message(commit, 12345, 100, 0, "x")],
        [message(abandon, 12345)] * 3,
        [message(part, 12345, "x" * 60000)] * 50,
        [message(take)] * 1000,
        [message(take), message(take), message(abandon, 0), message(commit, 0, 0, 0, "")],
    ]
    for sequence in sequences:
        with connect(instance, "queue", "smtpd") as sock:
            for data in sequence:
                if not send(sock, data):
                    break
    # Spares of a connection that went are given back, and files of it are removed.
    with connect(instance, "queue", "smtpd") as sock:
        send(sock, message(take))
        data, fds, _, _ = socket.recv_fds(sock, 65536, 4)
        kind, _, queue_id = struct.unpack("=IQQ", data[:20])
        assert kind == 100 and len(fds) == 1
        os.write(fds[0], b"not an envelope at all" * 1000)
        send(sock, message(commit, queue_id, 22000, 0, b"nor is this", tag=2))
        with contextlib.suppress(OSError):
            answer = sock.recv(65536)
            assert not answer or struct.unpack("=I", answer[:4])[0] == 102
        os.close(fds[0])


def test_a_second_router_cannot_do_harm(instance):
    """Windows without bounds and results for messages that it does not have."""
    with connect(instance, "queue", "router") as sock:
        for data in (message(6, 99, 1, 1, 0, 0, "250 ok", "store", tag=0), message(7, 99, 0, 0, "x@example.test", tag=0),
                     message(6, 2 ** 64 - 1, 7, 7, tag=0)):
            if not send(sock, data):
                break


def test_readers_that_do_not_read(instance):
    """Requests without end, answers unread: the guardian lets go of this one only."""
    for name, role, data in (("queue", "smtpd", message(1)), ("router", "smtpd", message(1, "s@client.test", "ann@example.test", 0)),
                             ("store", "router", message(2, "ann"))):
        with connect(instance, name, role) as sock:
            sock.setblocking(False)
            for _ in range(20000):
                if not send(sock, data):
                    break


def test_control_socket(instance):
    for data in (b"x", b"\0" * 12, message(1, tag=1), message(1, "nonsense"), message(1, "status", "x" * 60000), message(1, *["w"] * 5000),
                 message(1, 5, 5), message(1, "user", "add"), message(1, "queue", "show", "\0" * 100), message(2 ** 32 - 1, "status")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(instance.path("run", "control.sock"))
            send(sock, data)
    for _ in range(300):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(instance.path("run", "control.sock"))
        send(sock, message(1, "status"))
        sock.close()
    assert instance.status()["master"]["pid"] == instance.master_pid
