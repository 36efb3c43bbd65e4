"""An instance of the suite for tests: its own folder, ports, processes and users."""
import contextlib
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from clients import Pop, Smtp
from events import wait_process_end, wait_until
from ipc import ACCOUNTS

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SAMBAR_BUILD") or os.path.join(TOP, "build")
SANITIZED = bool(os.environ.get("SAMBAR_SANITIZED"))
OFFSETS = {"SMTP": 25, "POP3": 110, "SMTPS": 465, "Submission": 587, "POP3S": 995, "HTTP": 80, "HTTPS": 443}
PORTS = os.path.join(tempfile.gettempdir(), f"sambar-ports-{os.geteuid()}")
# What no log may hold, whatever a test does.
ALARMS = re.compile(r"AddressSanitizer|runtime error:|FORBIDDEN SYSTEM CALL|KEEPS DYING"
                    r"|killed by signal (?!9 )|ended with status (?!0)|fatal:|: assertion")

MADE_FOLDER = tempfile.TemporaryDirectory(prefix="sambar-made-")
MADE = {}           # what it was made of: (the folder of an instance that was never started, its port base)


class PortBase:
    """A number of which no other instance, here or in a parallel test, uses the ports.

    Bases lie in groups of 6, and groups 1100 apart, so that no two bases differ by what two of the offsets do
    (110 - 80, above all); all below the ports that the kernel gives to clients. The lock on a base's file goes with the process.
    """

    def __init__(self):
        os.makedirs(PORTS, exist_ok=True)
        for base in (11000 + group * 1100 + step for group in range(17) for step in (0, 10, 20, 60, 70, 80)):
            self.file = open(os.path.join(PORTS, str(base)), "w")
            if self._lock() and all(self._is_free(base + offset) for offset in OFFSETS.values()):
                self.base = base
                return
            self.file.close()
        raise RuntimeError("no free ports")

    def _lock(self):
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    @staticmethod
    def _is_free(port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
                return True
            except OSError:
                return False

    def release(self):
        self.file.close()


class Instance:
    def __init__(self, users=("ann", "bob"), config=(), start=True, uid_base=None, programs=BUILD):
        """config: {key: value} for sambarctl config set. Passwords are <user>-secret."""
        self.folder = tempfile.mkdtemp(prefix="sambar-")
        os.chmod(self.folder, 0o755)
        self.root = os.path.join(self.folder, "i")
        self.programs = programs
        self.port_base = PortBase()
        self.expected_alarms = []
        self.master_pid = None
        if uid_base is None and os.geteuid() == 0:
            uid_base = 61000
        # No test asks the world's name servers: nobody listens here, so what leaves the house waits.
        self.lay_out(tuple(users), {"DNS Primary": "127.0.0.1:1", **dict(config)}, uid_base)
        if start:
            self.start()

    def lay_out(self, users, config, uid_base):
        """Makes the folder by sambarctl; where one like it was made before, a copy of that with these ports."""
        like = json.dumps([users, config, uid_base, self.programs])
        if like in MADE:
            folder, base = MADE[like]
            subprocess.run(["cp", "-a", folder, self.root], check=True)
            path = self.path("config", "config.ini")
            with open(path, "r+b") as f:
                text = re.sub(rb":(\d{5})\b", lambda m: b":%d" % self.ours(int(m.group(1)), base), f.read())
                f.seek(0)
                f.truncate()
                f.write(text)
            return
        command = ["init", self.root, "--domain", "example.test", "--port-base", str(self.port_base.base)]
        command += ["--uid-base", str(uid_base)] if uid_base else []
        self.run([os.path.join(self.programs, "sambarctl"), *command])
        for key, value in config.items():
            self.configure(key, value)
        for user in users:
            self.add_user(user)
        folder = os.path.join(MADE_FOLDER.name, str(len(MADE)))
        subprocess.run(["cp", "-a", self.root, folder], check=True)
        MADE[like] = folder, self.port_base.base

    def ours(self, port, base):
        """The port of another instance with this base, as it is here."""
        return port - base + self.port_base.base if port - base in OFFSETS.values() else port

    # ---- sambarctl ----

    @staticmethod
    def run(command, text=None, check=True):
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace", **({} if text is not None else {"stdin": subprocess.DEVNULL}))
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def ctl(self, *words, text=None, check=True):
        return self.run([os.path.join(self.programs, "sambarctl"), "-d", self.root, *words], text, check)

    def configure(self, key, value):
        self.ctl("config", "set", key, str(value))

    @contextlib.contextmanager
    def settings(self, values):
        """Keys with other values for a while: {key: value}."""
        before = {key: self.ctl("config", "get", key).stdout.rstrip("\n") for key in values}
        for key, value in values.items():
            self.configure(key, value)
        try:
            yield
        finally:
            for key in reversed(values):
                self.configure(key, before[key]) if before[key] else self.ctl("config", "unset", key)

    def reconfigure(self, **_):
        self.ctl("reload")

    def add_user(self, name):
        self.ctl("user", "add", name, text=f"{name}-secret\n")

    def json(self, *words):
        return json.loads(self.ctl(*words, "--json").stdout)

    # ---- processes ----

    def start(self):
        self.ctl("start")
        with open(self.path("run", "master.pid")) as f:
            self.master_pid = int(f.read())

    def stop(self):
        pid = self.master_pid
        self.ctl("stop")
        wait_process_end(pid)
        self.master_pid = None

    def status(self):
        return self.json("status")

    def pids(self, name):
        """The pids of a program's running processes."""
        return [p["pid"] for p in self.status()["programs"] if p["name"] == name and p["state"] == "running"]

    def counters(self, name):
        """A program's counters, summed over its workers."""
        total = {}
        for program in self.status()["programs"]:
            if program["name"] == name:
                for key, value in (program.get("counters") or {}).items():
                    total[key] = total.get(key, 0) + value
        return total

    def children(self):
        """All processes below master, also those it does not speak of."""
        pids = []
        for path in glob.glob(f"/proc/{self.master_pid}/task/*/children"):
            with contextlib.suppress(OSError), open(path) as f:
                pids += [int(pid) for pid in f.read().split()]
        return pids

    def kill(self, name, number=signal.SIGKILL, choose=lambda pids: pids):
        """Kills every process of a program, or those that are chosen, and waits until each has ended."""
        for pid in choose(self.pids(name)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if number == signal.SIGKILL:
                wait_process_end(pid)

    def kill_all(self):
        """What a power cut does to the processes: all end at once, master first."""
        pids = [self.master_pid, *self.children()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait_process_end(pid)
        self.master_pid = None

    def end(self):
        """Ends everything that was started and removes the folder. Returns what was alarming."""
        fallen = []
        try:
            if self.master_pid is not None:
                children = self.children()
                if self.ctl("stop", check=False).returncode == 0:
                    wait_process_end(self.master_pid)
                else:
                    fallen = ["master could not be stopped: it had ended by itself, or did not answer"]
                    self.kill_all()
                for pid in children:
                    wait_process_end(pid)
            return fallen + self.alarms()
        finally:
            self.port_base.release()
            if not os.environ.get("SAMBAR_KEEP"):
                shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what can be connected to ----

    def port(self, listener):
        return self.port_base.base + OFFSETS[listener]

    def smtp(self, listener="SMTP", **options):
        return Smtp(self.port(listener), tls=listener == "SMTPS", **options)

    def pop(self, user=None, listener="POP3", **options):
        password = f"{user}-secret" if user else None
        return Pop(self.port(listener), user, password, tls=listener == "POP3S", **options)

    def send(self, message, *recipients, **options):
        """One message over a connection of its own; it was acknowledged when this returns."""
        with self.smtp() as smtp:
            reply = smtp.deliver(message, *(recipients or ("ann@example.test",)), **options)
            assert reply.code == 250, reply
            smtp.quit()

    # ---- what lies on disk ----

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def mailbox_path(self, user):
        return self.path("mail", "mbox", user)

    def account(self, role):
        """(uid, gid) of a program, where root has started it."""
        base = int(self.ctl("config", "get", "Uid Base").stdout)
        return base + ACCOUNTS.index(role), base

    def mailbox(self, user):
        """The paths of a mailbox's messages, by name."""
        box = self.mailbox_path(user)
        return sorted(path for folder in ("new", "cur") for path in glob.glob(os.path.join(box, folder, "*")))

    def messages(self, user):
        return [read(path) for path in self.mailbox(user)]

    def mailbox_folders(self, user):
        return [os.path.join(self.mailbox_path(user), folder) for folder in ("new", "cur")]

    def wait_mailbox(self, user, count):
        """Waits until the mailbox has so many messages; returns their bytes."""
        wait_until(lambda: len(self.mailbox(user)) >= count, *self.mailbox_folders(user))
        messages = self.messages(user)
        assert len(messages) == count, f"{len(messages)} messages in {user}, not {count}"
        return messages

    def incoming(self):
        """The files in spool/incoming that hold a message: the others wait for one, empty or with zeros in front."""
        def has_message(path):
            with contextlib.suppress(OSError), open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as f:
                return f.read(1) not in (b"", b"\0")
            return os.path.lexists(path)
        return [path for path in glob.glob(self.path("spool", "incoming", "*")) if has_message(path)]

    def spool(self):
        return self.incoming() + glob.glob(self.path("spool", "cur", "*"))

    def wait_spool_empty(self):
        wait_until(lambda: not self.spool(), self.path("spool", "incoming"), self.path("spool", "cur"))

    def wait_settled(self):
        """Waits until every message was tried: what is left of them is in spool/cur."""
        wait_until(lambda: not self.incoming(), self.path("spool", "incoming"))

    # ---- logs ----

    def log(self, name, suffix="log"):
        with contextlib.suppress(FileNotFoundError):
            return read(self.path("log", f"{name}.{suffix}")).decode("utf-8", "replace")
        return ""

    def wait_log(self, name, pattern, after=0, suffix="log"):
        """Waits for a line of a log, from an offset in its text; returns the match."""
        return wait_until(lambda: re.compile(pattern, re.M).search(self.log(name, suffix), after),
                          self.path("log", f"{name}.{suffix}"))

    def expect_alarm(self, pattern):
        """Says that a test provokes this line."""
        self.expected_alarms.append(pattern)

    def alarms(self):
        lines = []
        for path in sorted(glob.glob(self.path("log", "*.log*"))):
            for line in read(path).decode("utf-8", "replace").splitlines():
                if ALARMS.search(line) and not any(re.search(p, line) for p in self.expected_alarms):
                    lines.append(f"{os.path.basename(path)}: {line}")
        return lines


def read(path):
    with open(path, "rb") as f:
        return f.read()


def split_trace(message):
    """(the Return-Path and Received lines that we put in front, the message as it was sent)."""
    found = re.match(rb"(?s)(Return-Path: <[^>\r\n]*>\r\n)?(Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)", message)
    assert found, message[:300]
    return message[:found.end()], message[found.end():]
