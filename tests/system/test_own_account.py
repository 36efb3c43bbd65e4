"""A supervisor that is not root: an account of its own, and four capabilities, as the unit gives them to it."""
import json
import os
import re
import shutil
import signal
import ssl
import stat
import subprocess

import pytest

from accounts import private_accounts
from clients import text_message
from events import wait_until
from fetching import EX_TEMPFAIL, Fetching, mail
from ipc import ACCOUNTS as PROGRAMS
from popserver import PopServer
from sambar import BUILD, Instance
from session import Session

GID, MASTER = 58200, 58250
NAMED = {f"sambar-{name}": GID + 1 + at for at, name in enumerate(PROGRAMS)}
CAPABILITIES = ("net_bind_service", "setuid", "setgid", "sys_chroot")
MASK = 0x404c0

if os.geteuid() != 0:
    pytestmark = pytest.mark.skip(reason="this machine cannot: only root can separate accounts")


def capable(uid, gid, *words):
    """Words that run words as the unit does."""
    sets = "-all," + ",".join(f"+{name}" for name in CAPABILITIES)
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", f"--inh-caps={sets}", f"--ambient-caps={sets}",
            f"--bounding-set={sets}", "--no-new-privs", *words]


class Supervised(Instance):
    """An instance that root has made, and whose supervisor is no more root."""

    def start(self):
        self.ctl("owners")
        self.run(capable(MASTER, MASTER, os.path.join(BUILD, "sambarctl"), "-d", self.root, "start"))
        with open(self.path("run", "master.pid")) as f:
            self.master_pid = int(f.read())

    def account(self, role):
        return NAMED[f"sambar-{role}"], GID

    def ctl_as_master(self, *words):
        """What the supervisor's own account may do, without any capability."""
        return subprocess.run([os.path.join(BUILD, "sambarctl"), "-d", self.root, *words], capture_output=True, text=True,
                              user=MASTER, group=MASTER, extra_groups=[], stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def one():
    with private_accounts({**NAMED, "sambar-master": (MASTER, MASTER)}, ("sambar", GID)) as can:
        if not can:
            pytest.skip("this machine cannot: no mount namespace")
        if subprocess.run([os.path.join(BUILD, "sambarctl"), "--version"], user=MASTER, group=MASTER, extra_groups=[], check=False).returncode != 0:
            pytest.skip("this machine cannot: the programs are in a directory of root's")
        instance = Supervised(users=("ann",), uid_base=0)
        yield instance
        alarms = instance.end()
        assert not alarms, alarms


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def owner(path):
    return os.stat(path).st_uid


def test_rights(one):
    """The supervisor has what it needs and no more; the programs have nothing of it."""
    master = status_of(one.master_pid)
    assert master["Uid"].split() == [str(MASTER)] * 4 and int(master["CapEff"], 16) == MASK
    running = [p for p in one.status()["programs"] if p["pid"] is not None]
    assert len(running) >= 7
    for p in running:
        state = status_of(p["pid"])
        assert state["Uid"].split() == [str(NAMED[f"sambar-{p['name']}"])] * 4 and state["Gid"].split() == [str(GID)] * 4, p
        assert {state[f"Cap{name}"].strip("0") for name in ("Inh", "Prm", "Eff", "Amb")} == {""}, (p, state)
        assert {"account", "chroot"} <= set(p["protections"].split()), p


def test_files(one):
    """The supervisor's own are closed to the programs, whose group is another; the guardians have theirs."""
    for name in ("config/config.ini", "config/mail.ini", "config/tls.key", "log/master.log", "log/auth.log", "run/control.sock"):
        found = os.stat(one.path(name))
        assert found.st_uid == MASTER and found.st_gid != GID and found.st_mode & 0o007 == 0, name
    for name in ("config", "log", "run"):
        assert owner(one.path(name)) == MASTER and os.stat(one.path(name)).st_mode & 0o022 == 0, name
    found = os.stat(one.path("run", "queue.sock"))
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (MASTER, GID, 0o660)
    for name, directory in {"auth": "config/users", "store": "mail/mbox", "queue": "spool", "fetcher": "fetcher"}.items():
        found = os.stat(one.path(directory))
        assert (found.st_uid, found.st_mode & 0o077) == (NAMED[f"sambar-{name}"], 0), directory
    findings = json.loads(one.ctl("doctor", "--json", check=False).stdout)["findings"]
    permissions = [f for f in findings if f["about"].startswith("permissions")]
    assert [f["verdict"] for f in permissions] == ["right"], permissions


def test_mail(one):
    one.send(text_message("taken"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    with one.pop("ann") as pop:
        assert b"taken" in pop.message("RETR 1")
    one.ctl("user", "add", "eve", text="eve-secret\n")
    one.send(text_message("for eve"), "eve@example.test")
    one.wait_mailbox("eve", 1)
    one.ctl("log", "rotate")
    assert owner(one.path("log", "master.log.1")) == MASTER


def test_an_administrator_looks_into_backups(one):
    """The process that does it becomes store, and stays able to say what it takes back."""
    one.send(text_message("backed-up"), "ann@example.test")
    wait_until(lambda: any(b"backed-up" in text for text in one.messages("ann")), *one.mailbox_folders("ann"))
    one.ctl("user", "admin", "ann", "on")
    with Session(one, "ann") as s:
        day = s.get("backup", "now")["day"]
        assert "ann" in s.get("backup", "contents", day)["users"]
        assert "INBOX" in [f["name"] for f in s.get("backup", "contents", day, "ann")["folders"]]
        found = s.get("backup", "contents", day, "ann", "INBOX", "find=backed-up")["messages"]
        assert [m["subject"] for m in found] == ["backed-up"]
        done = s.get("backup", "restore", day, "ann", "INBOX", str(found[0]["number"]))
        assert (done["restored"], done["there"], done["failed"]) == (0, 1, 0)
    one.ctl("user", "admin", "ann", "off")


def test_a_key_that_only_root_can_read(one):
    """As certbot leaves it: in a directory of root's, renewed there."""
    private = os.path.join(one.folder, "private")
    os.mkdir(private, 0o700)
    for name in ("first", "second"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                        "-days", "90", "-keyout", os.path.join(private, f"{name}.key"), "-out", os.path.join(private, f"{name}.crt")],
                       check=True, capture_output=True)

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", one.port("SMTPS"))).strip()

    def text(name):
        with open(os.path.join(private, name)) as f:
            return f.read().strip()

    one.ctl("config", "set", "Certificate", os.path.join(private, "first.crt"), check=False)
    done = one.ctl("config", "set", "Private Key", os.path.join(private, "first.key"))
    assert "warning" not in done.stderr
    assert shown() == text("first.crt")
    second = text("second.crt")
    for kind in ("key", "crt"):
        os.rename(os.path.join(private, f"second.{kind}"), os.path.join(private, f"first.{kind}"))
    one.wait_log("master", "certificates were renewed")
    one.ctl_as_master("reload")
    assert shown() == second
    for key in ("Certificate", "Private Key"):
        one.ctl("config", "unset", key, check=False)


def test_changes_by_root_and_by_the_supervisor(one):
    """Whoever makes them, the files stay the supervisor's."""
    one.ctl("alias", "set", "by-root", "ann")
    one.ctl("config", "set", "Shutdown", "2")
    done = one.ctl_as_master("alias", "set", "by-master", "ann")
    assert done.returncode == 0, done
    one.send(text_message("aliased"), "by-root@example.test", "by-master@example.test")
    for name in ("config.ini", "mail.ini", "history"):
        assert owner(one.path("config", name)) == MASTER, name


def test_another_directory(one):
    """Root makes it and gives it away; the supervisor alone says that it cannot."""
    new, newer = one.path("bounced"), one.path("returned")
    one.ctl("config", "set", "Failures Directory", new)
    assert owner(new) == NAMED["sambar-queue"] and stat.S_IMODE(os.stat(new).st_mode) == 0o700
    done = one.ctl_as_master("config", "set", "Failures Directory", newer)
    assert done.returncode == 0 and "root makes such a directory" in done.stderr and f"{new} stays in use" in done.stderr, done
    one.ctl("reload")
    assert owner(newer) == NAMED["sambar-queue"]
    one.send(text_message("after that"), "ann@example.test")


def test_what_is_there_is_not_given_away(one):
    """The configuration may be the work of an administrator of the site, and what lies in an account's directory that of the account."""
    there = os.path.join(one.folder, "of-root")
    os.mkdir(there, 0o700)
    done = one.ctl("config", "set", "Failures Directory", there)
    assert "it is another account's" in done.stderr and f"chown {NAMED['sambar-queue']}" in done.stderr, done
    one.ctl("owners")
    assert owner(there) == 0
    os.symlink(one.folder, one.path("spool", "link"))
    missing = os.path.join(one.folder, "missing")
    for path, said in ((one.path("spool", "link", "of-root"), "Not a directory"), (one.path("spool", ".."), "another account's"),
                       (one.path("config"), "another account's"), (missing, f"install -d -m 700 -o {NAMED['sambar-queue']} -g {GID}")):
        one.ctl("config", "set", "Failures Directory", path)
        assert said in one.ctl("owners").stderr, path
    assert (owner(there), owner(one.root), owner(one.path("config"))) == (0, 0, MASTER) and not os.path.exists(missing)
    os.unlink(one.path("spool", "link"))
    one.ctl("config", "unset", "Failures Directory")
    one.stop()
    users, kept = one.path("config", "users"), one.path("config", "users.kept")
    os.rename(users, kept)
    os.symlink(there, users)
    try:
        assert users in one.ctl("owners").stderr
        assert owner(there) == 0
    finally:
        os.unlink(users)
        os.rename(kept, users)
    one.start()


def test_a_mailbox_made_by_hand(one):
    os.mkdir(one.mailbox_path("hand"), 0o755)
    with open(os.path.join(one.mailbox_path("hand"), "inbox.fld"), "w"):
        pass
    one.ctl("reload")
    assert owner(one.mailbox_path("hand")) == NAMED["sambar-store"]
    one.send(text_message("by hand"), "hand@example.test")
    one.wait_mailbox("hand", 1)


def test_a_program_that_hangs_is_killed(one):
    one.ctl("config", "set", "Shutdown", "1")
    pid, = one.pids("fetcher")
    os.kill(pid, signal.SIGSTOP)
    one.expect_alarm(r"fetcher\[\d+\] (does not finish|was killed by signal 9)")
    one.ctl("restart", "fetcher")
    assert re.search(rf"fetcher\[{pid}\] was killed by signal 9", one.log("master"))
    assert one.pids("fetcher") != [pid]


def test_a_command_gets_nothing(one):
    """Neither the capabilities, nor what lets it have others."""
    collects = Fetching(one)
    one.expect_alarm("OAuth Token Command")
    with PopServer([b"1", mail("a")], token="none") as server:
        collects.section(Server=f"127.0.0.1:{server.port}", Password=None,
                         OAuth_Token_Command="/bin/sh -c 'grep -e ^Cap -e ^Uid -e ^NoNew /proc/self/status >&2; exit 1'")
        collects.now(code=EX_TEMPFAIL)
        one.wait_log("fetcher", "NoNewPrivs")
    log = one.log("fetcher")
    assert re.search(rf"Uid:(\s+{NAMED['sambar-fetch']}){{4}}$", log, re.M)
    for name in ("Inh", "Prm", "Eff", "Amb"):
        assert re.search(rf"Cap{name}:\s+0+$", log, re.M), name


def test_restart(one):
    one.ctl("restart")
    one.stop()
    assert os.listdir(one.path("run")) == []
    one.start()
    one.send(text_message("again"), "ann@example.test")


@pytest.mark.parametrize("uid, gid, why", [(NAMED["sambar-queue"], MASTER, "the supervisor runs under the account of queue"),
                                           (MASTER, GID, "the supervisor runs in the programs' group")])
def test_an_account_of_the_programs_is_refused(one, uid, gid, why):
    folder = os.path.join(one.folder, f"copy-{uid}-{gid}")
    shutil.copytree(one.path("config"), os.path.join(folder, "config"))
    for where, folders, names in os.walk(folder):
        for path in [where, *(os.path.join(where, name) for name in folders + names)]:
            os.chown(path, uid, gid)
    done = subprocess.run(capable(uid, gid, os.path.join(BUILD, "sambarctl"), "-d", folder, "start"), capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 78 and why in done.stderr, done


def test_root_makes_the_files_its_owners(one):
    """Only where there is such an account, and only root."""
    done = one.ctl_as_master("owners")
    assert done.returncode == 77 and "only root" in done.stderr, done
    os.chown(one.path("config", "config.ini"), 0, 0)
    os.symlink("/etc/passwd", one.path("log", "stray.log"))
    one.ctl("owners")
    assert owner(one.path("config", "config.ini")) == MASTER and owner("/etc/passwd") == 0
    os.unlink(one.path("log", "stray.log"))
