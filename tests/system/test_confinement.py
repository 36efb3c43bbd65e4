"""What an intruder in each program could reach: a probe in the program's place tries it, and /proc tells the rest."""
import contextlib
import os
import re
import shutil
import signal
import stat

import pytest

from clients import text_message
from events import wait_until
from ipc import ACCOUNTS as PROGRAMS, connect     # in the order of --uid-base
from sambar import BUILD, Instance, read
from conftest import finish

NETWORK = ("smtpd", "pop3d", "deliver", "fetch", "webd")
CHILDREN = {"deliver": "router", "fetch": "fetcher", "indexer": "store"}     # on demand: who asks for them
DIRECTORIES = {"auth": "config/users", "store": "mail/mbox", "queue": "spool", "fetcher": "fetcher"}
UID_BASE = 61000
CONFIG = {"Debug": "true"}      # starts on demand are told

if os.geteuid() != 0:
    pytestmark = pytest.mark.skip(reason="this machine cannot: only root can separate accounts")


@pytest.fixture(autouse=True, scope="module")
def children(instance):
    """A child of router and one of fetcher run, as if they had work."""
    at = len(instance.log("master"))
    with contextlib.ExitStack() as stack:
        for name, parent in CHILDREN.items():
            stack.enter_context(connect(instance, name, parent))
            instance.wait_log("master", rf"{name}\[\d+\] runs", after=at)
        yield


def limits_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


# ---- the programs themselves ----

def test_proc_tells_the_confinement(instance):
    for program in instance.status()["programs"]:
        name, pid = program["name"], program["pid"]
        limits = limits_of(pid)
        uid = str(UID_BASE + PROGRAMS.index(name))
        assert limits["Uid"].split() == [uid] * 4, name
        assert limits["Gid"].split() == [str(UID_BASE)] * 4
        assert limits["Groups"].split() == []
        assert limits["NoNewPrivs"] == "1" and limits["Seccomp"] == "2"
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(limits[capabilities], 16) == 0, (name, capabilities)
        assert os.readlink(f"/proc/{pid}/root") == instance.path("run")
        for word in ("account", "chroot", "no_new_privs", "seccomp"):
            assert word in program["protections"].split(), (name, program["protections"])
    accounts = {limits_of(p["pid"])["Uid"] for p in instance.status()["programs"]}
    assert len(accounts) == len(PROGRAMS)


def test_network_programs_hold_no_files(instance):
    """Sockets, pipes, anonymous memory, and spool files without a name to open others by: nothing else."""
    instance.send(text_message("warm"), "ann@example.test")
    for name in PROGRAMS:
        for pid in instance.pids(name):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                mode = os.stat(f"/proc/{pid}/fd/{fd}").st_mode
                if name in NETWORK or name == "router":
                    assert not stat.S_ISDIR(mode), (name, target)
                    if stat.S_ISREG(mode) and not target.startswith(("/memfd:", "/dev/zero", "anon_inode")):
                        assert name not in ("pop3d", *CHILDREN) and target.startswith(instance.path("spool")), (name, target)
                elif stat.S_ISDIR(mode):
                    own = [DIRECTORIES[name]] + {"queue": ["failures"], "store": ["backup"]}.get(name, [])
                    assert target.startswith(tuple(instance.path(d) for d in own)), (name, target)


def test_environment_is_bare(instance):
    for program in instance.status()["programs"]:
        names = {entry.split(b"=")[0] for entry in read(f"/proc/{program['pid']}/environ").split(b"\0") if entry}
        assert names <= {b"PATH", b"LC_ALL", b"ASAN_OPTIONS"}, names


def test_secrets_go_where_they_are_needed(instance):
    """The private key is readable for nobody's account; the users file for auth's only."""
    for path, owners in ((instance.path("config", "tls.key"), {0}), (instance.path("config", "users", "passwd"), {UID_BASE})):
        found = os.stat(path)
        assert found.st_uid in owners and found.st_mode & 0o077 == 0, (path, found)
    for name, directory in DIRECTORIES.items():
        found = os.stat(instance.path(directory))
        assert found.st_uid == UID_BASE + PROGRAMS.index(name) and found.st_mode & 0o077 == 0, directory


def test_nobody_can_attach(instance):
    """Programs are not dumpable: even the same account cannot read their memory."""
    for program in instance.status()["programs"]:
        assert os.stat(f"/proc/{program['pid']}/mem").st_uid == 0


# ---- the probe in a program's place ----

class Probing:
    def __init__(self, name):
        self.name = name
        self.one = Instance(start=False, users=())
        self.programs = os.path.join(self.one.folder, "programs")
        os.mkdir(self.programs)
        for program in ("sambarctl", "master", *PROGRAMS):
            source = "probe" if program == name else program
            shutil.copy2(os.path.join(BUILD, source), os.path.join(self.programs, program))
        self.one.programs = self.programs

    def run(self, attempts, check=True):
        """Starts the instance with the probe; returns {attempt: outcome}."""
        with open(os.path.join(self.programs, f"{self.name}.attempts"), "w") as f:
            f.write("".join(f"{attempt}\n" for attempt in attempts))
        log_at = len(self.one.log(self.name))
        if check or self.name in CHILDREN:     # whose death does not hinder a start
            self.one.start()
        else:
            self.one.ctl("start", check=False)
        with connect(self.one, self.name, CHILDREN[self.name]) if self.name in CHILDREN else contextlib.nullcontext():
            self._wait_for(attempts[-1], log_at)
        return dict(re.findall(r": attempt (.*): ([^:\n]+)$", self.one.log(self.name)[log_at:], re.M))

    def _wait_for(self, last, log_at):
        """Waits until the probe has tried all, or has died."""
        tried = rf": attempt {re.escape(last)}: "
        wait_until(lambda: re.search(tried, self.one.log(self.name)[log_at:]) or "FORBIDDEN" in self.one.log("master"), self.one.path("log"))


@pytest.fixture
def probing():
    made = []

    def make(name):
        made.append(Probing(name))
        return made[-1]

    yield make
    for probe in made:
        probe.one.expect_alarm("FORBIDDEN SYSTEM CALL|ended with status|killed by signal 31|KEEPS DYING")
    finish([probe.one for probe in made])


@pytest.mark.parametrize("name", PROGRAMS)
def test_files_and_network_out_of_reach(probing, name):
    probe = probing(name)
    one = probe.one
    root = one.root
    paths = ["/etc/passwd", "/", "/proc/self/status", "/proc/1/status", f"{root}/config/config.ini", f"{root}/config/tls.key",
             f"{root}/config/users/passwd", f"{root}/log/master.log", f"{root}/spool", f"{root}/mail/mbox", "../config/config.ini",
             "../../../../../../../../etc/passwd", "/run/../config/config.ini", "/dev/null", "/tmp"]
    attempts = [f"read {path}" for path in paths]
    attempts += [f"create {path}" for path in ("/probe", "/tmp/probe", f"{root}/spool/probe", f"{root}/run/probe", "probe")]
    attempts += ["mkdir /probe", "unlink /queue.sock", "chmod /queue.sock", "setuid 0", f"setuid {UID_BASE + 7}", "chroot /",
                 f"tcp {one.port('SMTP')}", "udp -", "listen -", "listen6 -", "raw -", "packet -", "netlink -", "code -", "unix /control.sock", f"unix {root}/run/control.sock"]
    if name in DIRECTORIES:
        attempts += [f"below {path}" for path in ("..", "../..", "../config.ini", "../../config/config.ini", "../tls.key",
                                                  "../../config/users/passwd", "/etc/passwd", "../mail/mbox", "../spool", "../../spool")]
        attempts += ["create-below ../probe", "create-below ../../run/probe"]
        # From its other directory a guardian may go to its own.
        attempts = [a for a in attempts if a not in ("below ../" + DIRECTORIES[name], "below ../../" + DIRECTORIES[name])]
    outcomes = probe.run(attempts)
    assert set(outcomes) == set(attempts)
    reached = {a: o for a, o in outcomes.items() if o == "done"}
    if name in ("deliver", "fetch"):        # the network is what it is for; all but connections of its own is not
        for attempt in (f"tcp {one.port('SMTP')}", "udp -"):
            assert reached.pop(attempt, None), attempt
    assert reached == {}, reached


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_the_asked_guardians_answer(probing, name):
    """Whom it may ask, it can connect to; nobody reaches the control socket."""
    probe = probing(name)
    outcomes = probe.run([f"unix /{guardian}.sock" for guardian in ("queue", "router", "store", "auth", "control")])
    assert outcomes["unix /control.sock"] != "done"
    if name in CHILDREN:        # asks nobody
        assert "done" not in outcomes.values(), outcomes
    asks = {"smtpd": ("queue", "router", "auth"), "pop3d": ("auth",), "webd": ("auth", "queue", "router"), "router": ("queue", "store"), "fetcher": ("queue", "router"), "auth": ("store",)}
    for guardian in asks.get(name, ()):
        assert outcomes[f"unix /{guardian}.sock"] == "done", guardian


@pytest.mark.parametrize("name", sorted(DIRECTORIES))
def test_a_guardian_has_its_own_directory(probing, name):
    probe = probing(name)
    outcomes = probe.run(["below .", "create-below probe", "below probe"])
    assert set(outcomes.values()) == {"done"}, outcomes


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("attempt", ["exec /bin/sh", "exec /proc/self/exe", "fork -", "kill 1", "ptrace 1", "mount /"])
def test_what_ends_a_program(probing, name, attempt):
    """These calls kill at once, and master says so."""
    probe = probing(name)
    if attempt == "exec /bin/sh" or attempt.startswith(("exec", "kill", "ptrace", "mount")):
        outcomes = probe.run([attempt], check=False)
        assert outcomes == {}
        assert re.search(rf"{name}\[\d+\] was killed for a FORBIDDEN SYSTEM CALL", probe.one.log("master"))
    else:
        outcomes = probe.run([attempt], check=False)      # clone without a thread: refused or killed
        assert outcomes.get(attempt) != "done"
        if probe.one.ctl("status", check=False).returncode == 0:
            with open(probe.one.path("run", "master.pid")) as f:
                probe.one.master_pid = int(f.read())


def test_signals_of_one_do_not_reach_another(instance):
    """An account may signal its own processes only."""
    victim = instance.pids("queue")[0]
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(UID_BASE, UID_BASE, UID_BASE)
        os.setresuid(UID_BASE + 4, UID_BASE + 4, UID_BASE + 4)
        try:
            os.kill(victim, signal.SIGTERM)
            os._exit(0)
        except PermissionError:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
