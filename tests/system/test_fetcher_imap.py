"""Mail collected from Dovecot, by IMAP above all: folders, flags, moves, and news that is waited for."""
import glob
import imaplib
import json
import os
import subprocess

import pytest

from events import wait_until
from fetching import EX_TEMPFAIL, mail, tokens
from imapserver import ImapServer, in_set
from mailservers import OWNER, Dovecot
from sambar import split_trace


@pytest.fixture(scope="module")
def dovecot(there):
    """Its certificate is self-signed, for example.test."""
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can show a server a file system of its own")
    with Dovecot((there.path("config", "tls.crt"), there.path("config", "tls.key"))) as server:
        yield server


def pin(there):
    done = subprocess.run(["openssl", "x509", "-in", there.path("config", "tls.crt"), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True)
    return done.stdout.strip().partition("=")[2]


WAYS = [("pop3", "starttls", "pop3"), ("pop3", "implicit", "pop3s"), ("imap", "starttls", "imap"), ("imap", "implicit", "imaps")]


@pytest.mark.parametrize("protocol, tls, listener", WAYS)
@pytest.mark.parametrize("action", ["leave", "delete"])
def test_dovecot(here, there, dovecot, protocol, tls, listener, action):
    user = f"{protocol}{tls}{action}"
    for i in range(30):
        dovecot.put(user, f"{i:03}.x.y", mail(f"d{i}", size=500 * i))
    here.section(Protocol=protocol, Server=f"127.0.0.1:{dovecot.ports[listener]}", TLS=tls, User=user, Certificate_Fingerprint=pin(there), At_Server=action)
    assert here.taken() == (30, 0)
    got = here.one.wait_mailbox("ann", 30)
    assert sorted(split_trace(m)[1] for m in got) == sorted(mail(f"d{i}", size=500 * i) for i in range(30))
    assert len(dovecot.names(user)) == (30 if action == "leave" else 0)
    assert here.taken() == (0, 0)
    dovecot.put(user, "100.x.y", mail("late"))
    assert here.taken() == (1, 0)


@pytest.mark.parametrize("action", ["seen", "move Done", 'move "In the past"', "move Entwürfe"])
def test_imap_seen_and_move(here, there, dovecot, action):
    user = "act" + "".join(c for c in action.lower() if c.isalpha() and c.isascii())
    for i in range(5):
        dovecot.put(user, f"{i:03}.x.y", mail(f"s{i}"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User=user, Certificate_Fingerprint=pin(there), At_Server=action)
    assert here.taken() == (5, 0)
    if action == "seen":
        assert all(name.endswith("S") for name in dovecot.names(user)), dovecot.names(user)
    else:
        assert dovecot.names(user) == []
        assert len(dovecot.names(user, "." + action[5:].strip('"').replace("ü", "&APw-"))) == 5
    assert here.taken() == (0, 0)
    here.one.wait_mailbox("ann", 5)


def test_no_folder_to_move_to(here):
    """All is collected though nothing can be moved, and nothing is asked of one folder that is another's message."""
    first, second = range(1, 151), range(1001, 1004)
    folders = {"INBOX": {uid: mail(f"i{uid}") for uid in first}, "Other": {uid: mail(f"o{uid}") for uid in second}}
    with ImapServer(folders) as server:
        here.section(Protocol="imap", Server=f"127.0.0.1:{server.port}", Folders="*", At_Server="move Done")
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "no folder" and "Done" in section["why"] and section["counts"]["new"] == 153
        moved = [(folder, command.split()[1]) for folder, command in server.heard if command.startswith("MOVE")]
        assert {folder for folder, _ in moved} == {"INBOX", "Other"}
        assert not any(in_set(uids, uid) for folder, uids in moved for uid in (second if folder == "INBOX" else first)), moved
        server.makes_folders = True
        assert here.taken() == (0, 153) and folders == {"INBOX": {}, "Other": {}}
        here.one.wait_mailbox("ann", 153)


def test_imap_folders(here, there, dovecot):
    dovecot.put("folders", "1.x.y", mail("inbox"))
    for n, folder in enumerate((".Work", ".Work.Deep", ".Two words", ".Other", ".Entw&APw-rfe")):
        dovecot.put("folders", f"{n}.x.y", mail(f"f{n}"), folder)
    keys = dict(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="folders", Certificate_Fingerprint=pin(there))
    here.section(**keys, Folders='INBOX Work* "Two words" Entwürfe')
    shown = json.loads(here.one.ctl("fetch", "test", "work", "--json").stdout)
    assert sorted(f["name"] for f in shown["folders"]) == sorted(["INBOX", "Work", "Work.Deep", "Two words", "Entwürfe"])
    assert here.taken() == (5, 0)
    here.one.wait_mailbox("ann", 5)
    assert tokens(here.one) == {"inbox": 1, "f0": 1, "f1": 1, "f2": 1, "f4": 1}
    here.section(**keys, Folders="Nosuch")
    section = here.now(code=EX_TEMPFAIL)
    assert section["end"] == "no folder" and section["why"].startswith("Folders names none that is there; there are: ")
    assert all(name in section["why"] for name in ("INBOX", "Work.Deep", "Two words", "Entw"))


def test_imap_idle(here, there, dovecot):
    """New mail is there at once, though the next collection is an hour away; a stop does not wait for it."""
    dovecot.put("idle", "1.x.y", mail("first"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="idle", Certificate_Fingerprint=pin(there),
                 Interval="1h", At_Server="delete")
    here.one.wait_mailbox("ann", 1)
    wait_until(lambda: here.one.json("fetch", "list")["sections"][0]["state"] == "waiting for news", here.one.path("log", "fetcher.log"))
    dovecot.put("idle", "2.x.y", mail("second"))
    here.one.wait_mailbox("ann", 2)
    wait_until(lambda: dovecot.names("idle") == [], dovecot.path("mail", "idle", "cur"), dovecot.path("mail", "idle", "new"))
    assert here.taken() == (0, 0)
    dovecot.put("idle", "3.x.y", mail("third"))
    here.one.wait_mailbox("ann", 3)
    here.one.kill("fetch")
    here.one.expect_alarm("killed by signal 9")
    dovecot.put("idle", "4.x.y", mail("fourth"))
    here.now()
    here.one.wait_mailbox("ann", 4)


def append(dovecot, user, folder, message):
    """As who delivers by the server itself, which then knows of it."""
    with imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"]) as imap:
        imap.login(user, "secret")
        assert imap.append(folder, None, None, message)[0] == "OK"


def test_imap_idle_in_all_folders(here, there, dovecot):
    """Dovecot tells of each by NOTIFY: but for names that are not ASCII, which it forgets."""
    folders = {"INBOX": "", "Work": ".Work", '"Two words"': ".Two words"}
    for name, folder in folders.items():
        dovecot.put("idleall", "1.x.y", mail("first" + name.strip('"')), folder)
    here.trace()
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="idleall", Certificate_Fingerprint=pin(there),
                 Interval="1h", Folders="*", At_Server="delete")
    for i, name in enumerate(reversed(folders)):
        here.one.wait_mailbox("ann", len(folders) + i)
        wait_until(lambda: here.one.json("fetch", "list")["sections"][0]["state"] == "waiting for news", here.one.path("log", "fetcher.log"))
        append(dovecot, "idleall", name, mail(f"late{i}"))
    here.one.wait_mailbox("ann", 2 * len(folders))
    assert "NOTIFY SET" in here.one.log("fetch", "trace")
    assert here.taken() == (0, 0)


def test_imap_uidvalidity_starts_again(here, there, dovecot):
    for i in range(5):
        dovecot.put("validity", f"{i}.x.y", mail(f"v{i}"))
    here.section(Protocol="imap", Server=f"127.0.0.1:{dovecot.ports['imaps']}", TLS="implicit", User="validity", Certificate_Fingerprint=pin(there))
    assert here.taken() == (5, 0)
    for path in glob.glob(dovecot.path("mail", "validity", "dovecot*")):
        os.unlink(path)
    uidlist = dovecot.path("mail", "validity", "dovecot-uidlist")
    with open(uidlist, "w") as f:
        f.write("3 V77 N100 G0123456789abcdef0123456789abcdef\n")
    os.chown(uidlist, OWNER, OWNER)
    assert here.taken() == (0, 5)
    assert here.taken() == (0, 0)
