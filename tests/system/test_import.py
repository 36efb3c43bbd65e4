"""Mail of other systems taken over: mbox as many write it, Maildirs of Dovecot's; nothing twice, nothing lost silently."""
import gzip
import imaplib
import os
import re
import signal
import subprocess

import pytest

from events import wait_until
from folders import ANSWERED, CREATE, DELETED, DRAFT, EXPUNGE, FLAGGED, FORWARDED, MOVE, SEEN, Folders
from mailservers import Dovecot

FROM = b"From bob@example.test Thu Nov 26 13:00:00 2026\n"


@pytest.fixture
def box(instance):
    """A user of the test's own."""
    name = f"u{os.urandom(4).hex()}"
    instance.add_user(name)
    return name


def mail(subject, body=b"text\n", extra=b""):
    return b"From: bob@example.test\nSubject: " + subject + b"\n" + extra + b"\n" + body


def crlf(text):
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def run(one, kind, source, user, *more, check=True):
    """Bytes are standard input."""
    command = [os.path.join(one.programs, "sambarctl"), "-d", one.root, "import", kind, "-" if isinstance(source, bytes) else str(source), "--user", user, *more, "--json"]
    done = subprocess.run(command, input=source if isinstance(source, bytes) else b"", capture_output=True, check=False)
    assert not check or done.returncode == 0, done
    counts = tuple(int(n) for n in re.findall(rb': (\d+)', done.stdout))
    return (counts, done) if not check else counts


def contents(one, user, folder="INBOX"):
    with Folders(one, user) as f:
        ident = f.id(folder)
        found = sorted(f.view(ident, limit=500)[0], key=lambda row: row["uid"])
        return [(f.get(ident, row["uid"]), row["flags"], row["keywords"], row["arrival"]) for row in found]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_mbox(instance, box, end):
    body = b">From the start\n>>From deeper\nFrom here it goes on\n\nFrom nobody\n\nStatus: of the text\n"
    first = mail(b"one", body, b"Status: RO\nX-Status: AF\nX-Keywords: work (odd) " + b"k" * 70000 + b" \n\t$Label1 \\Recent\nContent-Length: 3\n")
    second = mail(b"two", b"\n\nlast\n\n", b"X-Status: DT\n")
    third = mail(b"three", b"no end of its line", b"X-Mozilla-Status: 1003\n")
    source = (FROM + first + b"\n" + b"From MAILER-DAEMON Thu Nov 26 13:00:05 +0100 2026\n" + second + b"\nFrom x  Thu Nov  5 08:01 2026 +0000\n" + third).replace(b"\n", end)
    assert run(instance, "mbox", source, box) == (3, 0, 0)
    unquoted = body.replace(b">From the", b"From the").replace(b">>From", b">From")
    assert contents(instance, box) == [
        (crlf(mail(b"one", unquoted)), SEEN | ANSWERED | FLAGGED, "work $Label1", 1795698000),
        (crlf(mail(b"two", b"\n\nlast\n\n")), DELETED | DRAFT, "", 1795694405),
        (crlf(mail(b"three", b"no end of its line\n")), SEEN | ANSWERED | FORWARDED, "", 1793865660)]
    # Again, in the other form of lines, after one was moved: nothing comes twice.
    with Folders(instance, box) as f:
        inbox, other = f.id("INBOX"), f.ask(CREATE, "Other")["number"]
        f.ask(MOVE, inbox, other, f.view(inbox, limit=9)[0][0]["uid"])
    assert run(instance, "mbox", source.replace(end, b"\n"), box) == (0, 3, 0)
    # Nor when the old system has noted meanwhile what was read there.
    noted = source.replace(b"X-Status: DT", b"Status: RO" + end + b"X-UID: 5" + end + b"X-Status: F").replace(b"X-Mozilla-Status: 1003" + end, b"")
    assert noted != source and run(instance, "mbox", noted, box) == (0, 3, 0)
    # Another folder is another place.
    assert run(instance, "mbox", source, box, "--folder", "Old/Mail") == (3, 0, 0)
    assert len(contents(instance, box, "Old/Mail")) == 3


@pytest.mark.parametrize("source, added, offsets", [
    (b"", 0, []),
    (b"no mbox at all\n", 0, [0]),
    (b"garbage\n\n" + FROM + mail(b"a"), 1, [0]),
    (FROM, 0, [0]),
    (FROM + b"\n" + FROM + mail(b"a"), 1, [0]),
    (FROM + mail(b"a") + b"\n" + FROM + b"\0\xff garbage\nmore\n\n" + FROM + mail(b"b"), 2, [len(FROM + mail(b"a")) + 1]),
    (FROM + b"x" * 5000 + b"\n", 0, [0]),
    (FROM + mail(b"long", b"y" * 300000), 1, []),
    (FROM + mail(b"nul", b"a\0b\rc\n"), 1, []),
    (b"\n\n" + FROM + mail(b"a"), 1, []),
    (b"From bob with no date\n" + mail(b"a"), 0, [0]),
    (FROM + mail(b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA", b"x\n", b"X-IMAP: 1 2\n") + b"\n" + FROM + mail(b"a"), 1, []),
])
def test_odd_mboxes(instance, box, source, added, offsets):
    """What is damaged is named by where it is, and the rest comes."""
    counts, done = run(instance, "mbox", source, box, check=False)
    assert counts == (added, 0, len(offsets)), done
    assert done.returncode == (65 if offsets else 0)
    assert [int(n) for n in re.findall(rb"offset (\d+)", done.stderr)] == offsets


def test_large_message(instance, box):
    """One that does not stay in memory."""
    body = b"0123456789abcdef" * 4 + b"\n"
    large = mail(b"large", body * 200000)
    assert run(instance, "mbox", FROM + large, box) == (1, 0, 0)
    assert contents(instance, box)[0][0] == crlf(large)


def test_an_interrupted_import_is_finished_by_the_next(instance, box):
    count = 3000
    source = b"".join(FROM + mail(b"n%d" % i) + b"\n" for i in range(count))
    command = [os.path.join(instance.programs, "sambarctl"), "-d", instance.root, "import", "mbox", "-", "--user", box]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as first:
        first.stdin.write(source[:len(source) // 2])
        first.stdin.flush()
        cur = os.path.join(instance.mailbox_path(box), "cur")
        wait_until(lambda: len(os.listdir(cur)) > 100, cur)
        first.send_signal(signal.SIGKILL)
    added, there, failed = run(instance, "mbox", source, box)
    assert added + there == count and there > 100 and failed == 0
    assert len(os.listdir(cur)) == count
    assert {bytes(re.search(rb"Subject: (.*)\r\n", m[0])[1]) for m in contents(instance, box)} <= {b"n%d" % i for i in range(count)}


def test_a_store_that_dies_is_told_of(instance, box):
    source = b"".join(FROM + mail(b"n%d" % i) + b"\n" for i in range(20))
    command = [os.path.join(instance.programs, "sambarctl"), "-d", instance.root, "import", "mbox", "-", "--user", box]
    cur = os.path.join(instance.mailbox_path(box), "cur")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as first:
        first.stdin.write(source)
        first.stdin.write(FROM + b"Subject: goes on\n\n" + b"x\n" * 200000)
        first.stdin.flush()
        wait_until(lambda: len(os.listdir(cur)) >= 20, cur)
        instance.kill("store")
        first.stdin.write(b"\n" + FROM + mail(b"more"))
        first.stdin.close()
        assert b"ended the session" in first.stderr.read()
        assert first.wait() == 75
    added, there, _ = run(instance, "mbox", source, box)
    assert added + there == 20


def test_full(instance, box):
    instance.ctl("user", "quota", box, "300")
    source = b"".join(FROM + mail(b"n%d" % i) + b"\n" for i in range(20))
    counts, done = run(instance, "mbox", source, box, check=False)
    assert done.returncode == 73 and done.stderr.count(b"full") == 1 and 0 < counts[0] < 20, done
    instance.ctl("user", "quota", box, "none")
    added, there, _ = run(instance, "mbox", source, box)
    assert (added + there, there) == (20, counts[0])


@pytest.mark.parametrize("words, code, text", [
    (("mbox", "/nowhere", "--user", "ann"), 66, "/nowhere"),
    (("mbox", "-"), 64, "usage"),
    (("mbox", "-", "--user", "nobody"), 67, "no mailbox"),
    (("mbox", "-", "--user", "ann", "--folder", "a//b"), 65, "no folder can have"),
    (("maildir", "/etc", "--user", "ann"), 65, "no Maildir"),
    (("maildir", "/nowhere", "--user", "ann"), 66, "/nowhere"),
    (("tape", "x", "--user", "ann"), 64, "tape"),
])
def test_what_cannot_be_is_said(instance, words, code, text):
    done = instance.ctl("import", *words, check=False)
    assert done.returncode == code and text in done.stderr, done


def test_a_maildir_of_dovecot(instance, box):
    """A real one: folders, flags, keywords and order come along; links and pipes do not."""
    with Dovecot() as there:
        there.put("old", "1700000001.M1P1.test", mail(b"first"))
        with imaplib.IMAP4("127.0.0.1", there.ports["imap"], timeout=60) as client:
            client.login("old", "secret")
            client.select("INBOX")          # it numbers what is there
            client.create("Projects.H&AOQ-user")
            client.subscribe("Projects.H&AOQ-user")
            client.append("INBOX", r"(\Seen \Answered work)", '"26-Nov-2026 10:00:00 +0000"', crlf(mail(b"second")))
            client.append("INBOX", r"(\Draft home work)", '"25-Nov-2026 10:00:00 +0000"', crlf(mail(b"third")))
            client.append("Projects.H&AOQ-user", r"(\Flagged)", '"24-Nov-2026 10:00:00 +0000"', crlf(mail(b"fourth")))
            client.select("INBOX")
        source = there.path("mail", "old")
        os.symlink("/etc/passwd", os.path.join(source, "cur", "1.link:2,S"))
        os.mkfifo(os.path.join(source, "new", "1.fifo"))
        counts, done = run(instance, "maildir", source, box, check=False)
        assert (counts, done.returncode) == ((4, 0, 1), 65) and b"2 that are no regular files" in done.stderr, done
        os.unlink(os.path.join(source, "cur", "1.link:2,S"))
        os.unlink(os.path.join(source, "new", "1.fifo"))
        found = contents(instance, box)
        assert [m[0] for m in found] == [crlf(mail(s)) for s in (b"first", b"second", b"third")]
        assert [(m[1], sorted(m[2].split())) for m in found] == [(0, []), (SEEN | ANSWERED, ["work"]), (DRAFT, ["home", "work"])]
        assert [m[3] for m in found] == [1700000001, 1795687200, 1795600800]     # what IMAP calls the internal date
        assert [(m[0], m[1]) for m in contents(instance, box, "Projects/Häuser")] == [(crlf(mail(b"fourth")), FLAGGED)]
        assert run(instance, "maildir", source, box) == (0, 4, 0)
        assert run(instance, "maildir", source, box, "--folder", "Old") == (4, 0, 0)
        assert len(contents(instance, box, "Old")) == 3 and len(contents(instance, box, "Old/Projects/Häuser")) == 1


def test_what_would_come_wrong_is_told(instance, box, tmp_path):
    """Folders that are not read, and messages that are packed: nothing is left out silently, nothing taken over as rubbish."""
    def put(folder, name, text):
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "cur" / name).write_bytes(text)

    there, outside = tmp_path / "Maildir", tmp_path / "shared"
    put(there, "1700000001.M1.a:2,S", mail(b"plain"))
    put(there, "1700000002.M1.a:2,SZ", gzip.compress(mail(b"packed")))
    put(there, "1700000003.M1.a:2,S", b"CRYPTED\x03\x07secret")
    put(there / "Work" / "Deep", "1700000004.M1.a:2,S", mail(b"below"))
    put(outside, "1700000005.M1.a:2,S", mail(b"linked"))
    os.symlink(outside, there / ".Shared")
    (there / "courierimapkeywords").mkdir()
    counts, done = run(instance, "maildir", there, box, check=False)
    assert (counts, done.returncode) == ((1, 0, 2), 65), done
    for words in (b"1700000002.*compressed or encrypted", b"1700000003.*compressed or encrypted", b"folder Work: .*LAYOUT=fs", b"folder .Shared: .*symbolic link"):
        assert re.search(words, done.stderr), (words, done)
    assert b"courier" not in done.stderr
    assert [m[0] for m in contents(instance, box)] == [crlf(mail(b"plain"))]


def test_too_many_keywords_cost_no_mail(instance, box):
    source = b"".join(FROM + mail(b"n%d" % i, extra=b"X-Keywords: k%d\n" % i) + b"\n" for i in range(40))
    assert run(instance, "mbox", source, box) == (40, 0, 0)
    assert sum(bool(m[2]) for m in contents(instance, box)) == 26


def test_more_than_hundred_are_sent_at_once_and_read_with_pop(instance, box):
    source = b"".join(FROM + mail(b"n%d" % i) + b"\n" for i in range(150))
    assert run(instance, "mbox", source, box) == (150, 0, 0)
    with instance.pop(box) as pop:
        assert pop.cmd("STAT")[1].split()[-2:][0].endswith("150")
