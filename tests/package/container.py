"""A root booted by its own systemd, in namespaces of its own, with a loopback network and no other."""
import os
import signal
import socket
import subprocess
import threading

from machine import Machine
from root import Overlay, unit_options

# A machine of its own has it; what nspawn allows by itself does not.
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def remove_control_groups():
    """Those that nspawn has made below ours; one that is still in use stays."""
    with open("/proc/self/cgroup") as f:
        ours = [line.rstrip("\n").split(":", 2)[1:] for line in f]
    for name, path in ours:
        for mount in ((name.removeprefix("name="),) if name else ("", "unified")):
            for group in ("payload", "supervisor"):
                for folder, _, _ in os.walk(f"/sys/fs/cgroup/{mount}{path}/{group}", topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        pass


class Container(Machine):
    def __init__(self, base, folder, package):
        self.overlay = Overlay(base, folder)
        self.process = self.leader = None
        super().__init__(self.overlay.path, folder, package)

    def boot(self):
        """Returns when systemd says that the machine is up."""
        path = os.path.join(self.folder, "ready")
        told = {}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(path)
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--private-network", "--register=no",
                 *unit_options(), "--notify-ready=yes", "--console=pipe", "--machine=sambar-package", f"--system-call-filter={LANDLOCK}",
                 f"--directory={self.root}"],
                env={**os.environ, "NOTIFY_SOCKET": path}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=True)
            threading.Thread(target=self.tell_end, args=(path,), daemon=True).start()
            while told.get("READY") != "1":
                told.update(line.split("=", 1) for line in ready.recv(4096).decode().splitlines() if "=" in line)
                assert "ENDED" not in told, "the container did not boot"
        os.unlink(path)
        self.leader = int(told["X_NSPAWN_LEADER_PID"])
        self.enter = ("nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                      "--root", "--wd")
        self.follow_journal()

    def tell_end(self, path):
        self.process.wait()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.sendto(b"ENDED=1\n", path)
        except OSError:
            pass                    # it was ready long ago

    def end(self):
        """The power goes: the machine is thrown away."""
        if self.process is not None:
            if self.process.poll() is None:
                os.kill(self.leader or self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.journal is not None:
            self.journal.wait()
        remove_control_groups()
        self.overlay.end()
