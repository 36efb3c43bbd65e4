"""Messages on our own UNIX sockets, each byte of them the test's own, sent as the account that a test wants."""
import array
import contextlib
import os
import socket
import struct
import time
import zlib

ACCOUNTS = ("auth", "store", "queue", "router", "smtpd", "pop3d", "deliver", "fetcher", "fetch", "indexer", "webd")      # in the order of --uid-base
GREETING = 0
TAKE, COMMIT, TAKEN, DURABLE = 1, 3, 100, 101               # of queue


def u64(n):
    return struct.pack("=Q", n & (2 ** 64 - 1))


def text(value, length=None):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("=I", len(raw) if length is None else length) + raw


def message(kind, *fields, tag=1):
    return struct.pack("=IQ", kind, tag) + b"".join(u64(f) if isinstance(f, int) else text(f) for f in fields)


@contextlib.contextmanager
def acting_as(instance, role):
    """What is connected inside is connected by the role's account."""
    if os.geteuid() != 0:
        yield
        return
    uid, gid = instance.account(role)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def connect(instance, name, role=None):
    """With a role: as its account, and greeting as it unless the socket is that of a child, which takes its parent's only."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with acting_as(instance, role) if role else contextlib.nullcontext():
        sock.connect(instance.path("run", f"{name}.sock"))
    if role and name not in ("deliver", "fetch", "indexer"):
        send(sock, message(GREETING, role, tag=0))
    return sock


def send(sock, data, fds=()):
    """False when the other side has closed."""
    try:
        if fds:
            sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        else:
            sock.send(data)
        return True
    except OSError:
        return False


def hung_up(sock):
    """Reads until the other side closes."""
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
    return True


def envelope(queue_id, body, recipient, sender, release_s):
    """What stands before a message in its spool file, as sambar-spool(5) has it."""
    fields = struct.pack("=II", 0, 0) + b"".join(text(t) for t in (sender, "", "smtpd", "127.0.0.1", "client.test", "ESMTP", "", recipient, ""))
    fields += struct.pack("=I", 0)
    head = b"SambarQ1" + struct.pack("=QQQIIQQI", queue_id, 64 + 1 + len(fields), len(body), 1, zlib.crc32(body), time.time_ns() // 1000, release_s,
                                     zlib.crc32(fields))
    return head + struct.pack("=I", zlib.crc32(head)) + b"p" + fields


def hand_in_later(instance, body, recipient, sender, release_s):
    """A message that is not to be sent before release_s, as a program of ours hands it in. Returns when it is in the spool."""
    with connect(instance, "queue", "smtpd") as sock:
        send(sock, message(TAKE))
        data, (fd,), _, _ = socket.recv_fds(sock, 65536, 1)
        kind, _, queue_id = struct.unpack("=IQQ", data[:20])
        assert kind == TAKEN
        before = envelope(queue_id, body, recipient, sender, release_s)
        os.pwrite(fd, body, len(before))
        os.close(fd)
        send(sock, message(COMMIT, queue_id, len(body), zlib.crc32(body), before, tag=2))
        assert struct.unpack("=IQ", sock.recv(65536)[:12]) == (DURABLE, 2)
