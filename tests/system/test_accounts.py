"""The accounts that the programs run under: by name, by number, missing, changed while they run."""
import os
import shutil
import stat
import subprocess

import pytest

from accounts import private_accounts
from clients import text_message
from ipc import ACCOUNTS as PROGRAMS     # in the order of --uid-base
from sambar import BUILD

GID = 58000
NAMED = {f"sambar-{name}": GID + 1 + at for at, name in enumerate(PROGRAMS)}

if os.geteuid() != 0:
    pytestmark = pytest.mark.skip(reason="this machine cannot: only root can separate accounts")


@pytest.fixture
def database():
    """The accounts that INSTALL makes."""
    with private_accounts(NAMED, ("sambar", GID)) as can:
        if not can:
            pytest.skip("this machine cannot: no mount namespace")
        yield


def ids(pid):
    with open(f"/proc/{pid}/status") as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return lines["Uid"].split(), lines["Gid"].split(), lines["Groups"].split()


@pytest.mark.parametrize("uid_base", [0, 61000])
def test_named_accounts(database, make_instance, uid_base):
    """They win over numbers; each program has its own, and the guardians' directories belong to them."""
    one = make_instance(uid_base=uid_base)
    one.send(text_message("named"), "ann@example.test")
    assert b"named" in one.wait_mailbox("ann", 1)[0]
    for p in one.status()["programs"]:
        if p["pid"] is not None:
            assert ids(p["pid"]) == ([str(NAMED[f"sambar-{p['name']}"])] * 4, [str(GID)] * 4, []), p
            assert os.readlink(f"/proc/{p['pid']}/root") == one.path("run"), p
            assert {"account", "chroot"} <= set(p["protections"].split()), p
    for name, directory in {"auth": "config/users", "store": "mail/mbox", "queue": "spool"}.items():
        found = os.stat(one.path(directory))
        assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o077) == (NAMED[f"sambar-{name}"], 0), directory


@pytest.mark.parametrize("uid_base", [0, 61000])
@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_missing_account_is_named(make_instance, missing, uid_base):
    """Nothing runs as root in its place."""
    some = {name: uid for name, uid in NAMED.items() if name != f"sambar-{missing}"}
    one = make_instance(uid_base=uid_base, start=False, users=())
    with private_accounts(some, ("sambar", GID)) as can:
        if not can:
            pytest.skip("this machine cannot: no mount namespace")
        for words in (("start",), ("user", "list")):
            done = one.ctl(*words, check=False)
            assert done.returncode == 78
            assert f"there is no account sambar-{missing}" in done.stderr, done.stderr
        assert f"warning: there is no account sambar-{missing}: root cannot start the programs" in one.ctl("check").stdout
    assert not os.path.exists(one.path("run", "control.sock"))


def test_all_as_root_is_said(make_instance):
    """By start and check, and not only in a log that nobody has read yet."""
    one = make_instance(uid_base=0, start=False, users=())
    says = "config/config.ini: warning: Uid Base: is 0, and there are no accounts sambar-<program>: started by root, all programs run as root\n"
    assert says in one.ctl("check").stdout
    assert [p for p in one.json("check")["problems"] if p["text"] in says and p["warning"]]
    one.ctl("config", "set", "Act As Mail Server", "false")
    done = one.ctl("start", check=False)     # it is not run as root here
    assert done.returncode == 78 and says in done.stderr
    one.ctl("config", "set", "Uid Base", "61000")
    assert "as root" not in one.ctl("check").stdout


def test_uid_base_of_a_running_instance(make_instance):
    """A new one waits for the next start; what is restarted before goes on as it was."""
    one = make_instance()
    done = one.ctl("config", "set", "Uid Base", "62000")
    assert "next stop and start" in done.stderr
    for words in (("restart", "queue"), ("restart", "store"), ("restart",)):
        one.ctl(*words)
    one.send(text_message("between"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    assert {int(ids(p["pid"])[0][0]) // 1000 for p in one.status()["programs"] if p["pid"]} == {61}
    assert "next stop and start" in one.ctl("reload").stderr
    assert "next stop" not in one.ctl("config", "set", "Uid Base", "61000").stderr
    one.configure("Uid Base", "62000")
    one.stop()
    one.start()
    one.send(text_message("after"), "ann@example.test")
    one.wait_mailbox("ann", 2)
    assert {int(ids(p["pid"])[0][0]) // 1000 for p in one.status()["programs"] if p["pid"]} == {62}


# ---- an instance whose owner is not root ----

OWNER = 58900


class Owner:
    """A user with an instance of his own, and a copy of sambarctl that he may run."""

    def __init__(self, one):
        self.one = one
        for folder, names, _ in os.walk(one.root):
            for path in [folder, *(os.path.join(folder, name) for name in names)]:
                os.chown(path, OWNER, OWNER)
        for folder, _, names in os.walk(one.path("config")):
            for name in names:
                os.chown(os.path.join(folder, name), OWNER, OWNER)

    def ctl(self, *words):
        return subprocess.run([os.path.join(BUILD, "sambarctl"), "-d", self.one.root, *words], capture_output=True, text=True,
                              user=OWNER, group=OWNER, extra_groups=[], stdin=subprocess.DEVNULL)


@pytest.fixture
def owner(make_instance):
    one = make_instance(uid_base=0, start=False, users=())
    if subprocess.run([os.path.join(BUILD, "sambarctl"), "--version"], user=OWNER, group=OWNER, extra_groups=[], check=False).returncode != 0:
        pytest.skip("this machine cannot: the programs are in a directory of root's")
    return Owner(one)


def test_what_root_started_is_not_the_owners_until_it_stops(owner):
    one = owner.one
    one.start()
    done = owner.ctl("status")
    assert (done.returncode, "was started by root: only root may" in done.stderr) == (77, True), done
    one.stop()
    assert os.listdir(one.path("run")) == []
    done = owner.ctl("status")
    assert (done.returncode, "does not run" in done.stderr) == (69, True), done


def test_what_a_killed_master_left_is_replaced(owner):
    one = owner.one
    one.start()
    one.kill_all()
    assert "control.sock" in os.listdir(one.path("run"))
    done = owner.ctl("status")
    assert (done.returncode, "does not run" in done.stderr) == (69, True), done
    for folder in ("spool", "fetcher"):     # root's files are another matter
        shutil.rmtree(one.path(folder))
    for folder in ("spool", "fetcher", "failures", "mail/mbox", "config/users"):
        os.makedirs(one.path(folder), exist_ok=True)
        os.chown(one.path(folder), OWNER, OWNER)
    for name in os.listdir(one.path("log")):
        os.chown(one.path("log", name), OWNER, OWNER)
    done = owner.ctl("start")
    assert done.returncode == 0, done
    try:
        assert owner.ctl("status").returncode == 0
        assert one.ctl("status").returncode == 0        # root's own, too
        assert os.stat(one.path("run", "master.pid")).st_uid == OWNER
    finally:
        assert owner.ctl("stop").returncode == 0
    assert os.listdir(one.path("run")) == []
