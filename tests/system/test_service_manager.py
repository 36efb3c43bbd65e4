"""What a service manager hears of an instance that it has started (sd_notify(3))."""
import fcntl
import os
import signal
import socket
import subprocess

import pytest

from sambar import BUILD, Instance


@pytest.fixture
def one():
    instance = Instance(users=(), start=False)
    yield instance
    instance.end()


class Manager:
    def __init__(self, one, address, **env):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        name = address.replace("\0", "@", 1)
        self.process = subprocess.Popen([os.path.join(BUILD, "sambarctl"), "-d", one.root, "start", "--foreground"],
                                        env={**os.environ, "NOTIFY_SOCKET": name, **env}, stderr=subprocess.DEVNULL)

    def hear(self):
        """The next word that is not about a socket to be kept."""
        while (text := self.sock.recv(1000).decode()).startswith("FDSTORE=1"):
            pass
        return text


@pytest.mark.parametrize("abstract", [False, True])
def test_start_and_stop(one, abstract):
    manager = Manager(one, f"\0sambar-test-{os.getpid()}" if abstract else one.path("notify"))
    assert manager.hear() == "READY=1"
    assert one.status()["programs"]
    for pid in one.children():
        with open(f"/proc/{pid}/environ", "rb") as f:
            assert b"NOTIFY_SOCKET" not in f.read()
    manager.process.send_signal(signal.SIGTERM)
    assert manager.hear() == "STOPPING=1"
    assert manager.process.wait() == 0


def test_watchdog(one):
    manager = Manager(one, one.path("notify"), WATCHDOG_USEC="200000")
    heard = [manager.hear() for _ in range(20)]
    assert heard.count("READY=1") == 1
    assert heard.count("WATCHDOG=1") == 19
    one.ctl("stop")
    while manager.hear() != "STOPPING=1":
        pass
    assert manager.process.wait() == 0


def test_wrong_socket(one):
    manager = Manager(one, one.path("notify"), NOTIFY_SOCKET="relative/path")
    one.wait_log("master", "all programs run")
    assert "service manager cannot be told" in one.log("master")
    manager.process.terminate()
    assert manager.process.wait() == 0


class Keeper(Manager):
    """Holds the sockets that it is given, as systemd does (FDSTORE=1), and hands them to the next start."""

    def __init__(self, one, held):
        address = one.path(f"notify-{len(os.listdir(one.root))}-{os.urandom(4).hex()}")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.held = held
        # Names go in the order of the descriptors, which start at 3.
        script = ('i=3; for fd in $FDS; do eval "exec $i<&$fd"; i=$((i+1)); done; '
                  'LISTEN_PID=$$ exec "$0" -d "$1" start --foreground')
        fds = {fd: fd for fd in held.values()}
        env = {**os.environ, "NOTIFY_SOCKET": address}
        if held:
            env.update(LISTEN_FDS=str(len(held)), LISTEN_FDNAMES=":".join(held), FDS=" ".join(map(str, held.values())))
        self.process = subprocess.Popen(["bash", "-c", script, os.path.join(BUILD, "sambarctl"), one.root], env=env,
                                        pass_fds=list(fds), stderr=subprocess.DEVNULL)

    def hear(self):
        text, fds, _, _ = socket.recv_fds(self.sock, 1000, 1)
        text = text.decode()
        name = dict(line.split("=", 1) for line in text.splitlines()).get("FDNAME")
        if text.startswith("FDSTOREREMOVE=1"):
            os.close(self.held.pop(name))
        elif fds:
            assert name not in self.held and ":" not in name
            # Above those that a start puts in their places.
            self.held[name] = fcntl.fcntl(fds[0], fcntl.F_DUPFD_CLOEXEC, 100)
            os.close(fds[0])
        return text

    def hear_until(self, text):
        while self.hear() != text:
            pass

    def stop(self):
        self.process.terminate()
        self.hear_until("STOPPING=1")
        assert self.process.wait() == 0


def test_sockets_outlive_us(one):
    held = {}
    first = Keeper(one, held)
    first.hear_until("READY=1")
    smtp = one.port("SMTP")
    assert {"submit.sock", f"127.0.0.1_{smtp}", f"127.0.0.1_{one.port('POP3')}"} <= set(held)
    names = set(held)
    first.stop()
    with socket.create_connection(("127.0.0.1", smtp)) as waits, socket.socket(socket.AF_UNIX) as local:
        local.connect(one.path("run/submit.sock"))
        second = Keeper(one, held)
        second.hear_until("READY=1")
        assert waits.recv(100).startswith(b"220 ") and local.recv(100).startswith(b"220 ")
    assert set(held) == names

    # One that is not wanted any more is let go, and nobody can connect.
    one.ctl("config", "set", "POP3", "none")
    while f"127.0.0.1_{one.port('POP3')}" in held:
        second.hear()
    second.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", one.port("POP3")))

    # Nothing of use in what a start is given: it listens by itself.
    os.unlink(one.path("run/submit.sock"))
    third = Keeper(one, held)
    third.hear_until("READY=1")
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(one.path("run/submit.sock"))
        assert local.recv(100).startswith(b"220 ")
    third.stop()
    for fd in held.values():
        os.close(fd)
