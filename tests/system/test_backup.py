"""Backups: made while mail comes and goes, whole or not at all, for a week, and harmless whatever lies in a mailbox."""
import glob
import json
import os
import re
import shutil
import subprocess

import pytest

from clients import text_message
from events import wait_until
from folders import ANSWERED, CREATE, EXPUNGE, FLAGGED, MOVE, REMOVE, SEEN, Folders
from sambar import read
from test_disk_full import small_disk


USERS = ("ann", "bob", "carl")


def backup_path(one, *parts):
    return one.path("backup", *parts)


def days(one):
    return [b["day"] for b in one.json("backup", "list")["backups"]]


def tree(path):
    """All files below a directory: {relative path: bytes}."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            found[os.path.relpath(full, path)] = os.readlink(full) if os.path.islink(full) else read(full)
    return found


def messages_of(found):
    return {path: text for path, text in found.items() if re.search(r"(^|/)(new|cur)/", path)}


def test_a_backup_is_a_maildir_of_links(instance):
    for token in ("one", "two"):
        instance.send(text_message(token), "ann@example.test", "bob@example.test")
    instance.wait_mailbox("ann", 2)
    instance.wait_mailbox("bob", 2)
    made = instance.json("backup", "now")
    assert (made["mailboxes"], made["messages"], made["copied"], made["skipped"], made["verified"]) == (3, 4, 0, 0, True), made
    day = backup_path(instance, made["day"])
    for user in ("ann", "bob", "carl"):
        live, kept = tree(instance.mailbox_path(user)), tree(os.path.join(day, user))
        assert messages_of(kept) == messages_of(live)
        assert "inbox.fld" in kept and not any("index.db" in path for path in kept)
        for path in messages_of(kept):
            assert os.stat(os.path.join(day, user, path)).st_ino == os.stat(os.path.join(instance.mailbox_path(user), path)).st_ino
    summary = json.loads(read(os.path.join(day, "summary.json")))
    assert summary == made
    assert instance.json("backup", "list") == {"backups": [made]}
    assert re.search(rf"{made['day']} .* 3 +4 .* yes", instance.ctl("backup", "list").stdout)
    counters = instance.counters("store")
    assert (counters["backups"], counters["backup_made_s"], counters["backup_failed"]) == (1, made["made"], 0)
    instance.wait_log("store", rf"backup day={made['day']} mailboxes=3 messages=4 ")


def letter(subject, ident, body="text"):
    return (f"From: Bob <bob@example.test>\r\nTo: ann@example.test\r\nSubject: {subject}\r\nMessage-ID: <{ident}@x.test>\r\n"
            f"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\n{body}\r\n").encode()


@pytest.fixture
def box(instance):
    """A user of the test's own."""
    name = f"u{os.urandom(4).hex()}"
    instance.add_user(name)
    return name


def rows(one, user, folder):
    with Folders(one, user) as f:
        info = {i["name"]: i for i in f.list()}
        if folder not in info:
            return None
        return f.view(info[folder]["id"], limit=500)[0]


def messages_in(one, user, folder="INBOX"):
    """{file's base: (bytes, flags)} as a session sees them."""
    with Folders(one, user) as f:
        found = f.view(f.id(folder), limit=500)[0]
        return sorted((f.get(f.id(folder), row["uid"]), row["flags"], row["keywords"]) for row in found)


def fill(one, user):
    """INBOX with three messages, and a folder with two."""
    with Folders(one, user) as f:
        inbox, work = f.id("INBOX"), f.ask(CREATE, "Work/Häuser")["number"]
        for i in range(3):
            f.append(inbox, letter(f"in {i}", f"in{i}"), flags=SEEN if i == 0 else 0, arrival=1800000000 + i)
        uid = f.append(work, letter("kept", "work0"), flags=FLAGGED | SEEN, arrival=1800000100)
        f.flag(work, [uid], add=ANSWERED, keywords=["urgent"])
        f.append(work, letter("other", "work1"), arrival=1800000101)


def restored(one, *words):
    done = one.json("backup", "restore", *words)
    return done["restored"], done["there"], done["failed"]


def test_mail_comes_back(instance, box):
    one = instance
    fill(one, box)
    before = {folder: messages_in(one, box, folder) for folder in ("INBOX", "Work/Häuser")}
    day = one.json("backup", "now")["day"]
    # All is there: nothing is doubled.
    assert restored(one, box, "--from", day) == (0, 5, 0)
    listed = one.json("backup", "list", box, "--from", day)["folders"]
    assert {(f["name"], f["messages"]) for f in listed} >= {("INBOX", 3), ("Work/Häuser", 2)}
    numbers = one.json("backup", "list", box, "INBOX", "--from", day)["messages"]
    assert [(m["number"], m["subject"], m["message_id"]) for m in numbers] == [(i + 1, f"in {i}", f"<in{i}@x.test>") for i in range(3)]
    assert "in 2" in one.ctl("backup", "list", box, "INBOX", "--from", day).stdout
    with Folders(one, box) as f:
        inbox, work = f.id("INBOX"), f.id("Work/Häuser")
        uids = sorted(row["uid"] for row in f.view(inbox, limit=9)[0])
        f.ask(EXPUNGE, inbox, *uids)
        f.ask(REMOVE, work)
    # One message by each of its names, then one folder, then the rest.
    assert restored(one, box, numbers[0]["file"], "--from", day) == (1, 0, 0)
    assert restored(one, box, "<in1@x.test>", "--from", day) == (1, 0, 0)
    assert restored(one, box, "INBOX", "3", "--from", day) == (1, 0, 0)
    assert restored(one, box, "in1@x.test", "--from", day) == (0, 1, 0)
    assert messages_in(one, box) == before["INBOX"]
    assert restored(one, box, "Work/Häuser", "--from", day) == (2, 0, 0)
    assert restored(one, box, "--from", day) == (0, 5, 0)
    assert {folder: messages_in(one, box, folder) for folder in before} == before
    used, = [u for u in one.json("usage")["users"] if u["name"] == box]
    assert (used["messages"], used["bytes"]) == (5, sum(len(m[0]) for folder in before.values() for m in folder))
    owner = os.stat(one.mailbox_path(box)).st_uid
    for path in tree(one.mailbox_path(box)):
        found = os.stat(os.path.join(one.mailbox_path(box), path))
        assert found.st_uid == owner and found.st_mode & 0o077 == 0, path


def test_restoring_knows_what_was_moved_and_keeps_what_is_new(instance, box):
    one = instance
    fill(one, box)
    day = one.json("backup", "now")["day"]
    with Folders(one, box) as f:
        inbox, work = f.id("INBOX"), f.id("Work/Häuser")
        uids = sorted(row["uid"] for row in f.view(inbox, limit=9)[0])
        f.ask(MOVE, inbox, work, uids[0])
        f.flag(inbox, [uids[1]], add=SEEN | FLAGGED)
        f.ask(EXPUNGE, inbox, uids[2])
        f.append(inbox, letter("new", "new"))
    assert restored(one, box, "--from", day) == (1, 4, 0)
    subjects = {folder: sorted(re.search(rb"Subject: (.*)\r\n", m[0])[1] for m in messages_in(one, box, folder)) for folder in ("INBOX", "Work/Häuser")}
    assert subjects == {"INBOX": [b"in 1", b"in 2", b"new"], "Work/Häuser": [b"in 0", b"kept", b"other"]}
    assert [m[1] for m in messages_in(one, box) if b"in 1" in m[0]] == [SEEN | FLAGGED]


def test_a_lost_mailbox_comes_back(instance, box):
    one = instance
    fill(one, box)
    day = one.json("backup", "now")["day"]
    one.ctl("user", "mailbox", box, "off")
    done = one.ctl("backup", "restore", box, "--from", day, check=False)
    assert done.returncode == 67 and "no mailbox" in done.stderr
    one.ctl("user", "mailbox", box, "on")
    assert restored(one, box, "--from", day) == (5, 0, 0)
    assert len(messages_in(one, box)) == 3


def test_a_backup_is_looked_through(instance, box):
    one = instance
    fill(one, box)
    day = one.json("backup", "now")["day"]
    assert box in one.json("backup", "list", "--from", day)["users"]
    assert box in one.ctl("backup", "list", "--from", day).stdout.split()

    def numbers(*words):
        answer = one.json("backup", "list", box, "INBOX", "--from", day, *words)
        return [m["number"] for m in answer["messages"]], answer["next"]
    assert numbers() == ([1, 2, 3], None)
    assert numbers("--limit", "2") == ([2, 3], 2)
    assert numbers("--limit", "2", "--before", "2") == ([1], None)
    assert numbers("--find", "IN 1") == ([2], None)
    assert numbers("--find", "bob@example.test", "--limit", "1") == ([3], 3)
    assert numbers("--find", "nowhere") == ([], None) and numbers("--before", "0") == ([], None)
    text = one.ctl("backup", "list", box, "INBOX", "--from", day, "--limit", "1").stdout
    assert "in 2" in text and "in 1" not in text and "--before 3" in text


def test_restoring_honours_the_quota(instance, box):
    one = instance
    fill(one, box)
    day = one.json("backup", "now")["day"]
    with Folders(one, box) as f:
        f.ask(EXPUNGE, f.id("INBOX"), *[row["uid"] for row in f.view(f.id("INBOX"), limit=9)[0]])
    one.ctl("user", "quota", box, "500")
    done = one.ctl("backup", "restore", box, "--from", day, check=False)
    assert done.returncode == 73 and "full" in done.stderr, done
    one.ctl("user", "quota", box, "none")
    done = one.json("backup", "restore", box, "--from", day)
    assert done["restored"] + done["there"] == 5 and len(messages_in(one, box)) == 3


@pytest.mark.parametrize("words, code, text", [
    (("restore", "ann"), 64, "usage"),
    (("restore", "ann", "--from", "1999-01-01"), 66, "no backup"),
    (("restore", "ann", "--from", "../../x"), 64, "a day is written"),
    (("restore", "../ann", "--from", "1999-01-01"), 64, "a user"),
    (("restore", "ann", "no-such@x", "--from", "TODAY"), 66, "no message"),
    (("restore", "ann", "Nothing", "1", "--from", "TODAY"), 66, "no folder"),
    (("list", "ann", "Nothing", "--from", "TODAY"), 66, "no folder"),
    (("list", "ann"), 64, "usage"),
    (("list", "ann", "INBOX", "--from", "TODAY", "--limit", "0"), 64, "usage"),
    (("list", "ann", "INBOX", "--from", "TODAY", "--before", "x"), 64, "usage"),
    (("list", "--from", "../../x"), 64, "a day is written"),
    (("list", "--from", "1999-01-01"), 66, "No such file"),
])
def test_what_is_not_there_is_said(instance, words, code, text):
    if "TODAY" in words:
        day = (days(instance) or [instance.json("backup", "now")["day"]])[-1]
        words = [day if w == "TODAY" else w for w in words]
    done = instance.ctl("backup", *words, check=False)
    assert done.returncode == code and text in done.stderr, done


# ---- what lies in mailboxes ----

def test_odd_things_in_a_mailbox_are_left_out(instance, box, tmp_path):
    """Symbolic links lead nowhere, a FIFO holds nothing up, and what is right is in the backup all the same."""
    one = instance
    fill(one, box)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "cur").mkdir()
    (secret / "cur" / "1.a").write_text("Subject: not mine\n\n")
    home = one.mailbox_path(box)
    os.symlink(secret, os.path.join(home, ".Linked"))
    os.symlink(secret / "cur" / "1.a", os.path.join(home, "cur", "1.link:2,S"))
    os.symlink("/etc/passwd", os.path.join(home, "subscriptions-of-mine"))
    os.mkfifo(os.path.join(home, "cur", "2.fifo"))
    os.mkdir(os.path.join(home, "cur", "3.directory"))
    os.mkdir(os.path.join(home, ".Bad"))
    os.symlink(secret / "cur", os.path.join(home, ".Bad", "cur"))
    made = one.json("backup", "now")
    assert made["skipped"] >= 3 and not made["verified"]
    kept = tree(backup_path(one, made["day"], box))
    assert len(messages_of(kept)) == 5 and not any("not mine" in str(text) for text in kept.values())
    assert not any(os.path.islink(os.path.join(folder, name)) for folder, dirs, names in os.walk(backup_path(one, made["day"])) for name in dirs + names)
    assert not {"Linked", ".Linked"} & set(os.listdir(backup_path(one, made["day"], box)))
    one.wait_log("store", rf"mailbox={box}$")
    shutil.rmtree(home)


@pytest.mark.parametrize("part", ["", "cur", ".Work.H&AOQ-user", ".Work.H&AOQ-user/cur"])
def test_what_cannot_be_read_is_not_verified(instance, box, part):
    """No backup is called whole that lacks a mailbox, or a folder of one."""
    one = instance
    fill(one, box)
    closed = os.path.join(one.mailbox_path(box), part)
    mode = os.stat(closed).st_mode & 0o777
    os.chmod(closed, 0)
    try:
        made = one.json("backup", "now")
        assert made["skipped"] >= 1 and not made["verified"], made
        one.wait_log("store", rf"mailbox={box}$")
    finally:
        os.chmod(closed, mode)
    assert one.json("backup", "now")["verified"]


def test_mail_that_moves_meanwhile_is_there_once(instance, box):
    """Messages are flagged, moved and added all the time: each of those that stay is in the backup, once."""
    one = instance
    with Folders(one, box) as f:
        inbox, other = f.id("INBOX"), f.ask(CREATE, "Other")["number"]
        for i in range(40):
            f.append(inbox, letter(f"m{i}", f"m{i}"))
        with subprocess.Popen([os.path.join(one.programs, "sambarctl"), "-d", one.root, "backup", "now", "--json"], stdout=subprocess.PIPE, text=True) as run:
            rounds = 0
            while run.poll() is None or rounds < 3:
                here = [row["uid"] for row in f.view(inbox, limit=500)[0]]
                f.flag(inbox, here, add=SEEN if rounds % 2 else 0, remove=0 if rounds % 2 else SEEN)
                moved = f.ask(MOVE, inbox, other, *here)["uids"]
                f.ask(MOVE, other, inbox, *moved)
                rounds += 1
            made = json.loads(run.stdout.read())
    kept = messages_of(tree(backup_path(one, made["day"], box)))
    subjects = sorted(re.search(rb"Subject: (.*)\r\n", text)[1] for text in kept.values())
    assert subjects == sorted(f"m{i}".encode() for i in range(40))


# ---- days ----

def make_up(one, day, serial):
    """A backup of another day, with nothing in it."""
    path = backup_path(one, day)
    os.mkdir(path)
    summary = {"day": day, "serial": serial, "made": 1, "seconds": 0, "mailboxes": 0, "messages": 0, "bytes": 0, "copied": 0, "skipped": 0, "verified": True}
    with open(os.path.join(path, "summary.json"), "w") as f:
        json.dump(summary, f)
    owner = os.stat(backup_path(one))
    for found in (path, os.path.join(path, "summary.json")):
        os.chown(found, owner.st_uid, owner.st_gid)


def test_a_week_is_kept_whatever_the_clock_says(make_instance):
    """Seven, in the order in which they were made: one of a clock that was wrong counts like another."""
    one = make_instance(users=("ann",))
    made_up = ["2026-01-05", "2099-12-31", "1999-01-01", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"]
    for serial, day in enumerate(made_up):
        make_up(one, day, serial + 1)
    os.mkdir(backup_path(one, "2026-01-10"))        # without a summary: none
    os.mkdir(backup_path(one, "by-hand"))
    assert days(one) == made_up
    today = one.json("backup", "now")["day"]
    assert days(one) == [*made_up[1:], today]
    again = one.json("backup", "now")
    assert days(one) == [*made_up[1:], today] and again["serial"] == 9
    one.wait_log("store", "backup removed day=2026-01-05")
    wait_until(lambda: not glob.glob(backup_path(one, ".*")), backup_path(one))
    assert set(os.listdir(backup_path(one))) == {*made_up[1:], today, "2026-01-10", "by-hand"}


def test_one_is_made_each_day_without_being_asked(make_instance):
    """Also after the system was off; not twice on a day, which a start looks at again."""
    one = make_instance(users=("ann",), config={"Backup Mailboxes": "true", "Debug": "true"})
    one.wait_log("store", r"backup day=\S+ mailboxes=1 ")
    day, = days(one)
    one.stop()
    shutil.move(backup_path(one, day), backup_path(one, "2026-01-05"))
    one.start()
    wait_until(lambda: len(days(one)) == 2, backup_path(one))
    before = one.json("backup", "list")["backups"]
    assert {b["day"] for b in before} == {day, "2026-01-05"}
    one.stop()
    size = len(one.log("store"))
    one.start()
    one.wait_log("store", rf"backup day={day} (is there|mailboxes=)", after=size)
    assert "mailboxes=" not in one.log("store")[size:] and one.json("backup", "list")["backups"] == before


# ---- other disks, full ones, and the end in the middle ----

def test_copies_on_another_disk(make_instance):
    one = make_instance(users=("ann", "bob"), start=False)
    with small_disk(backup_path(one), "size=4m,mode=0700"):
        one.start()
        one.send(text_message("copied", 50000), "ann@example.test", "bob@example.test")
        one.wait_mailbox("ann", 1)
        one.wait_mailbox("bob", 1)
        made = one.json("backup", "now")
        assert (made["messages"], made["copied"], made["verified"]) == (2, 2, True)
        day = backup_path(one, made["day"])
        first = tree(day)
        assert messages_of(first) == {f"{u}/{path}": text for u in ("ann", "bob") for path, text in messages_of(tree(one.mailbox_path(u))).items()}
        # It gets full in the middle: the one that is there stays, nothing else does.
        for i in range(60):
            one.send(text_message(f"n{i}", 100000), "ann@example.test")
        one.wait_mailbox("ann", 61)
        done = one.ctl("backup", "now", check=False)
        assert done.returncode == 73 and "No space left" in done.stderr, done
        assert tree(day) == first and one.counters("store")["backup_failed"] == 1
        wait_until(lambda: os.listdir(backup_path(one)) == [made["day"]], backup_path(one))
        one.wait_log("store", "no backup day=.*: cannot copy a message: No space left")
        one.stop()


def test_the_end_in_the_middle(make_instance):
    """Killed at any time: there is a whole one or none, those of other days stay, and nothing is left behind."""
    one = make_instance(users=("ann",))
    with Folders(one, "ann") as f:
        for i in range(200):
            f.append(f.id("INBOX"), letter(f"m{i}", f"m{i}"))
    make_up(one, "2026-01-05", 1)
    for names in (0, 30, 100, 190):
        command = [os.path.join(one.programs, "sambarctl"), "-d", one.root, "backup", "now"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            pattern = backup_path(one, ".making-*", "ann", "*", "*")
            while run.poll() is None and len(glob.glob(pattern)) < names:
                pass
            one.kill_all()
        one.start()
        for day in days(one):
            if day != "2026-01-05":
                assert len(messages_of(tree(backup_path(one, day, "ann")))) == 200
        assert "2026-01-05" in days(one)
    assert one.json("backup", "now")["messages"] == 200
    wait_until(lambda: not glob.glob(backup_path(one, ".*")), backup_path(one))
