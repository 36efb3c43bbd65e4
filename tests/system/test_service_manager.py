"""What a service manager hears of an instance that it has started (sd_notify(3))."""
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
        return self.sock.recv(1000).decode()


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
