"""Folders of a mailbox over their own sessions: threads and words as indexer finds them, the same Maildir in Dovecot's hands, crashes, garbage."""
import imaplib
import os
import random

import pytest

from folders import (AND, ANSWERED, CREATE, DATE, DOCUMENT, EXPUNGE, FLAGGED, IN_BODY, IN_FROM, IN_SUBJECT, IN_TEXT, IN_TO, KEYWORD, MOVE, NOT, OR, REMOVE, RENAME, SEEN,
                     THREAD, VIEW, Folders, Refused, node)
from ipc import hung_up, message, send, text
from mailservers import Dovecot
from session import FOLDERS, log_in


@pytest.fixture
def box(instance):
    """A user of the test's own."""
    name = f"u{random.randrange(10 ** 9)}"
    instance.add_user(name)
    return name


def letter(subject, body="", sender="Bob Builder <bob@example.test>", to="ann@example.test", ident=None, answers=None, date="Thu, 26 Nov 2026 10:00:00 +0000"):
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\n"
    if ident:
        head += f"Message-ID: <{ident}@x.test>\r\n"
    if answers:
        head += f"In-Reply-To: <{answers}@x.test>\r\n"
    return (head + "\r\n" + body + "\r\n").encode()


def read_all(folders, folder):
    """Waits until indexer has looked into all messages."""
    while True:
        rows, total = folders.view(folder, limit=500)
        if all(row["is_read"] for row in rows):
            return rows


# ---- what is in messages ----

def test_rows_tell_what_is_in_a_message(instance, box):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        uid = f.append(inbox, letter("=?utf-8?q?H=C3=A4user?=", "Dear Ann,\r\n\r\nsee you.", to=f"{box}@example.test", ident="a"), flags=SEEN, arrival=1800000000)
        row, = read_all(f, inbox)
        assert row["uid"] == uid and row["flags"] == SEEN and row["arrival"] == 1800000000
        assert row["subject"] == "Häuser" and row["preview"] == "Dear Ann, see you." and row["message_id"] == "a@x.test"
        assert row["from"] == "Bob Builder <bob@example.test>" and row["to"] == f"{box}@example.test"
        assert row["date"] == 1795687200 and row["attachments"] == 0


def test_a_conversation_is_one_thread(instance, box):
    with Folders(instance, box) as f:
        inbox, sent = f.id("INBOX"), f.id("Sent")
        f.append(inbox, letter("Plan", ident="1"))
        f.append(sent, letter("Re: Plan", ident="2", answers="1"), flags=SEEN)
        f.append(inbox, letter("Other", ident="9"))
        f.append(inbox, letter("AW: Plan", ident="3", answers="2"))
        f.append(inbox, letter("Re: other"))                # no reference, but the subject
        f.append(inbox, letter("Re: nothing before"))
        f.append(inbox, letter("Other"))                    # no answer: another thread
        for folder in (inbox, sent):
            read_all(f, folder)
        threads = {row["uid"]: row["thread"] for row in f.view(inbox)[0]}
        assert threads[1] == threads[3] and threads[2] == threads[4]
        assert len(set(threads.values())) == 4
        rows, total = f.view(inbox, threads=True)
        assert total == len(rows) == 4
        tops = {row["uid"]: (row["thread_total"], row["thread_unread"]) for row in rows}
        assert tops[3] == (3, 2) and tops[4] == (2, 2) and tops[6] == (1, 1)
        assert [row["folder"] for row in f.ask(THREAD, threads[1])["rows"]].count(sent) == 1
        f.ask(EXPUNGE, inbox, 3)
        tops = {row["uid"]: row["thread_total"] for row in f.view(inbox, threads=True)[0]}
        assert tops[1] == 2 and 3 not in tops


def test_a_late_link_joins_two_threads(instance, box):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        f.append(inbox, letter("A", ident="a"))
        f.append(inbox, letter("C", ident="c", answers="b"))
        read_all(f, inbox)
        assert f.view(inbox, threads=True)[1] == 2
        f.append(inbox, letter("B", ident="b", answers="a"))
        read_all(f, inbox)
        rows, total = f.view(inbox, threads=True)
        assert total == 1 and rows[0]["thread_total"] == 3


def test_search(instance, box):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        f.append(inbox, letter("Zebra crossing", "the quick brown fox", ident="1"))
        f.append(inbox, letter("Other", "Lazy dogs, naïve", sender="Zoë <zoe@x.test>", to="team@x.test"), flags=FLAGGED)
        f.append(inbox, letter("Third", "brown sugar\r\n\r\nquick-step"))
        read_all(f, inbox)
        f.flag(inbox, [3], add=SEEN, keywords=["work"])
        for expression, uids in [
                (node(IN_TEXT, "brown"), [1, 3]), (node(IN_TEXT, "bro"), [1, 3]), (node(IN_TEXT, "rown"), []), (node(IN_TEXT, "quick brown"), [1]),
                (node(IN_BODY, "zebra"), []), (node(IN_SUBJECT, "zebra"), [1]), (node(IN_FROM, "zoe"), [2]), (node(IN_FROM, "ZOË"), [2]), (node(IN_TO, "team"), [2]),
                (node(IN_BODY, "naive"), [2]), (node(AND, children=2) + node(IN_TEXT, "brown") + node(IN_TEXT, "sugar"), [3]),
                (node(OR, children=2) + node(IN_TEXT, "sugar") + node(IN_FROM, "zoe"), [2, 3]), (node(NOT) + node(IN_TEXT, "brown"), [2]),
                (node(AND, children=2) + node(IN_TEXT, "brown") + node(3, SEEN), [3]), (node(AND, children=0), [1, 2, 3]), (node(KEYWORD, "WORK"), [3]), (b"", [1, 2, 3]),
                (node(KEYWORD, "none"), []), (node(IN_TEXT, '"'), []), (node(IN_TEXT, 'brown" OR "lazy'), []), (node(IN_TEXT, "*"), []), (node(IN_TEXT, "body : x"), []),
                (node(IN_TEXT, "(((("), []), (node(IN_TEXT, "x' OR 1=1 --"), []), (node(18, "1@x.test"), [1]), (node(18, "<1@x.test>"), [1]), (node(18, "x"), [])]:
            assert f.find(inbox, expression) == uids, expression
            rows, total = f.view(inbox, find=expression)
            assert sorted(row["uid"] for row in rows) == uids and total == len(uids)
        trash = f.id("Trash")
        f.move(inbox, trash, [1])
        assert f.find(0, node(IN_TEXT, "brown")) == [3] and f.find(trash, node(IN_TEXT, "brown")) == [1]
        f.ask(EXPUNGE, trash, 1)
        assert f.find(trash, node(IN_TEXT, "brown")) == []


def test_expressions_that_are_none(instance, box):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        deep = node(NOT) * 21 + node(IN_TEXT, "x")
        for bad in (node(AND, children=2) + node(IN_TEXT, "x"), node(NOT), deep, node(IN_TEXT, "x") * 2, node(AND, children=200) + node(IN_TEXT, "x") * 200,
                    node(IN_TEXT, "x", children=1) + node(IN_TEXT, "x"), node(99, "x")):
            with pytest.raises(Refused, match="bad request"):
                f.ask(VIEW, inbox, DATE, 1, 0, 0, 50, bad)
        for bad in ((inbox, 9, 1, 0, 0, 50), (inbox, DATE, 1, 0, 0, 501)):
            with pytest.raises(Refused, match="bad request"):
                f.ask(VIEW, *bad)
        assert f.find(inbox, node(AND, children=199) + node(IN_TEXT, "x") * 199) == []


def test_mail_that_arrives_is_looked_into(instance, box):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        instance.send(letter("Fresh", "walrus"), f"{box}@example.test")
        while f.list()["INBOX"]["total"] == 0:
            pass
        row, = read_all(f, inbox)
        assert row["subject"] == "Fresh" and f.find(inbox, node(IN_TEXT, "walrus")) == [1]
        with instance.pop(box) as pop:
            assert b"walrus" in pop.message("RETR 1")
            pop.ok("DELE 1")
            pop.quit()
        while f.list()["INBOX"]["total"] == 1:
            pass


# ---- Dovecot in the same Maildir ----

@pytest.fixture
def imap(instance, box):
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can show a server a file system of its own")
    mailboxes = os.path.dirname(instance.mailbox_path(box))
    with Dovecot(mailboxes=mailboxes) as dovecot:
        for path in (os.path.dirname(os.path.dirname(mailboxes)), os.path.dirname(mailboxes), mailboxes):
            os.chmod(path, 0o711)
        client = imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"], timeout=60)
        client.login(box, "secret")
        yield client
        client.logout()


def test_dovecot_reads_and_writes_the_same_maildir(instance, box, imap):
    with Folders(instance, box) as f:
        inbox = f.id("INBOX")
        f.ask(CREATE, "Häuser/A & B")
        uid = f.append(inbox, letter("One", "first"), flags=SEEN | FLAGGED, arrival=1790000000)
        f.flag(inbox, [uid], keywords=["work"])
        names = {line.split(b' "/" ')[1].strip(b'"') for line in imap.list()[1]}
        assert names >= {b"INBOX", b"Sent", b"Trash", b"H&AOQ-user/A &- B"}
        assert b'"H&AOQ-user/A &- B"' in b" ".join(imap.lsub()[1])
        assert imap.select("INBOX")[1] == [b"1"]
        answer = imap.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT])")[1]
        assert b"\\Seen" in answer[0][0] + answer[-1] and b"\\Flagged" in answer[0][0] + answer[-1] and b"work" in answer[0][0] + answer[-1]
        assert answer[0][1] == b"first\r\n"
        # and the other way round
        imap.store("1", "+FLAGS", "(\\Answered home)")
        imap.store("1", "-FLAGS", "\\Flagged")
        while (row := f.view(inbox)[0][0])["flags"] != SEEN | ANSWERED or sorted(row["keywords"].split()) != ["home", "work"]:
            pass
        assert row["uid"] == uid
        imap.append("Sent", "(\\Seen)", None, letter("Two", "second"))
        while f.list()["Sent"]["total"] == 0:
            pass
        assert read_all(f, f.id("Sent"))[0]["subject"] == "Two"
        imap.copy("1", '"H&AOQ-user/A &- B"')
        imap.create("Neu")
        while f.list()["Häuser/A & B"]["total"] == 0 or "Neu" not in f.list():
            pass
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
        while f.list()["INBOX"]["total"] != 0:
            pass
        imap.delete("Neu")
        while "Neu" in f.list():
            pass


# ---- crashes ----

def test_a_killed_store_loses_nothing(make_instance):
    instance = make_instance()
    instance.expect_alarm("store KEEPS DYING")
    dice = random.Random(7)
    with Folders(instance, "ann") as f:
        inbox, uids = f.id("INBOX"), []
        for n in range(40):
            uids.append(f.append(inbox, letter(f"m{n}", ident=str(n))))
        read_all(f, inbox)
        known = {row["uid"]: row["subject"] for row in f.view(inbox, limit=500)[0]}
        validity = f.list()["INBOX"]["uid_validity"]
    for turn in range(4):
        with Folders(instance, "ann") as f:
            ids = {name: info["id"] for name, info in f.list().items()}
            for _ in range(20):         # sent and not waited for: the kill comes in between
                here = dice.choice(["INBOX", "Archive"])
                send(f.sock, message(MOVE, ids[here], ids["Archive" if here == "INBOX" else "INBOX"], *dice.sample(sorted(known), 5), tag=1000))
            instance.kill("store")
        with Folders(instance, "ann") as f:
            folders = f.list()
            assert folders["INBOX"]["uid_validity"] == validity
            rows = [row for name in ("INBOX", "Archive") for row in f.view(folders[name]["id"], limit=500)[0]]
            assert len(rows) == 40
            there = [row for name in ("INBOX", "Archive") for row in read_all(f, folders[name]["id"])]
            assert sorted(row["subject"] for row in there) == sorted(known.values())


# ---- garbage ----

@pytest.mark.parametrize("kind", range(0, 25))
def test_garbage_closes_one_session(instance, box, kind):
    instance.expect_alarm(f"(malformed|too many).* on a session.*mailbox={box}")
    for data in (b"", b"\0", b"\xff" * 8, b"\xff" * 200, random.Random(kind).randbytes(333), b"\0" * 60000):
        with Folders(instance, box) as good:
            _, _, _, sock = log_in(instance, box, want=FOLDERS)
            with sock:
                send(sock, message(kind, tag=5) + data)
                send(sock, message(98, tag=6))
                assert hung_up(sock)
            good.list()


def test_names_that_leave_the_mailbox(instance, box):
    with Folders(instance, box) as f:
        for name in ("../ann", "/etc", "a/../b", "..", ".", "a.b", "", "x\0y", "x\ny", b"\xff", "x" * 5000, "/".join("a" * 500)):
            with pytest.raises(Refused, match="bad name"):
                f.ask(CREATE, text(name))
            with pytest.raises(Refused, match="bad name|no folder"):
                f.ask(RENAME, f.id("Archive"), text(name))
            with pytest.raises(Refused, match="no message"):
                f.ask(DOCUMENT, text(name))
        for name in ("Sent", "INBOX", "Trash"):
            with pytest.raises(Refused, match="bad request"):
                f.ask(REMOVE, f.id(name))
        assert set(f.list()) == {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"}
