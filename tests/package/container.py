"""A root booted by its own systemd, in namespaces of its own, with a loopback network and no other."""
import json
import os
import queue
import signal
import socket
import subprocess
import threading

from root import unit_options

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "TERM": "dumb"}

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


class Container:
    def __init__(self, root, folder):
        self.root = root
        self.events = queue.Queue()
        self.seen, self.first = [], 0
        self.process = self.journal = None
        self.leader = self.boot(os.path.join(folder, "ready"))
        self.follow_journal()

    def boot(self, path):
        """Returns when systemd says that the machine is up: the pid of its init."""
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
        return int(told["X_NSPAWN_LEADER_PID"])

    def tell_end(self, path):
        self.process.wait()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.sendto(b"ENDED=1\n", path)
        except OSError:
            pass                    # it was ready long ago

    # ---- commands ----

    def command(self, *words, user=None):
        enter = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root",
                 "--wd"]
        return [*enter, *(["runuser", "-u", user, "--"] if user else []), *words]

    def start(self, *words, user=None, **options):
        return subprocess.Popen(self.command(*words, user=user), env=ENVIRONMENT, text=True, **options)

    def run(self, *words, user=None, stdin="", check=True, env=None):
        """Runs to the end: what it printed, standard error too."""
        done = subprocess.run(self.command(*words, user=user), env={**ENVIRONMENT, **(env or {})}, input=stdin, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout if check else (done.returncode, done.stdout)

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    # ---- files ----

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    # ---- the journal ----

    def follow_journal(self):
        self.journal = self.start("journalctl", "--follow", "--output=json", "--all", "--lines=all",
                                  stdout=subprocess.PIPE)
        threading.Thread(target=self.read_journal, daemon=True).start()

    def read_journal(self):
        for line in self.journal.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def begin(self):
        """What the journal has told so far is of no interest to the next step."""
        while not self.events.empty():
            self.seen.append(self.events.get())
        self.first = len(self.seen)

    def wait_journal(self, wanted, after=None):
        """The first entry since begin(), or after another one, for which wanted() is true."""
        at = self.first if after is None else self.seen.index(after) + 1
        while True:
            if at == len(self.seen):
                self.seen.append(self.events.get())
            entry = self.seen[at]
            assert entry is not None, "the journal has ended"
            if wanted(entry):
                return entry
            at += 1

    def all_journal(self):
        return [json.loads(line) for line in self.run("journalctl", "--output=json", "--all").splitlines()]

    def end(self):
        """The power goes: the machine is thrown away."""
        if self.process.poll() is None:
            os.kill(self.leader, signal.SIGKILL)
        self.process.wait()
        self.journal.wait()
        remove_control_groups()
