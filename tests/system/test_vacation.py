"""Vacation replies: who gets one, what is in it, and that it is one a week."""
import base64
import email
import email.header
import email.policy
import json
import os
import re
import struct
import time

import pytest

from conftest import finish
from events import wait_until
from folders import Folders
from popserver import PopServer
from sambar import Instance
from sink import Sink

USERS = ("ann", "bob", "carl")
WEEK_S = 7 * 24 * 3600


class House:
    """An instance; mail for client.test goes to a sink."""

    def __init__(self, sink):
        self.one, self.sink = Instance(users=USERS, config={"Maximum MTA Routers": "5"}), sink
        self.one.configure("[routes] client.test", f"127.0.0.1:{sink.port}")
        self.one.ctl("alias", "set", "a.smith", "ann")
        self.one.ctl("alias", "set", "staff", "ann", "bob")
        self.one.ctl("alias", "set", "ann@isp.test", "ann")
        self.one.ctl("reload")

    def keep(self, user, name, **document):
        with Folders(self.one, user) as f:
            fd = os.memfd_create("document")
            os.write(fd, json.dumps(document).encode())
            f.put_document(name, fd)
            os.close(fd)

    def away(self, user, on=True, text="Away.\n", **more):
        self.keep(user, "vacation", **{"on": on, "from": None, "until": None, "subject": "", "text": text, **more})

    def send(self, *recipients, sender="s@client.test", to="ann@example.test", head="", token="question"):
        """Its queue id, once it was delivered."""
        message = f"{head}From: <{sender}>\r\nTo: {to}\r\nSubject: {token}\r\nMessage-ID: <{token}@client.test>\r\n\r\ntext\r\n"
        with self.one.smtp() as smtp:
            reply = smtp.deliver(message.encode(), *(recipients or ("ann@example.test",)), sender=sender)
            assert reply.code == 250, reply
            smtp.quit()
        queue_id = re.search(r"queued as (\w+)", reply.text).group(1)
        self.one.wait_log("router", rf"{queue_id} delivered to=")
        return queue_id

    def wait_reply(self, queue_id):
        self.one.wait_log("router", rf"{queue_id} vacation mailbox=")

    def wait_all_settled(self):
        """No reply is under way."""
        self.one.wait_spool_empty()

    def restart_store(self):
        at = len(self.one.log("master"))
        self.one.kill("store")
        self.one.expect_alarm("killed by signal 9")
        self.one.wait_log("master", r"store\[\d+\] runs", after=at)

    def replies(self):
        return [email.message_from_bytes(t.message, policy=email.policy.default) for t in self.sink.taken]


@pytest.fixture
def house():
    with Sink() as sink:
        house = House(sink)
        yield house
        finish([house.one])


def address(field):
    one, = field.addresses
    return one.addr_spec


def refused(house, *args, **kwargs):
    """Such a message gets no reply, and the next one, of another sender, does."""
    before = len(house.sink.taken)
    queue_id = house.send(*args, **kwargs)
    house.n = getattr(house, "n", 0) + 1
    probe = house.send(sender=f"probe{house.n}@client.test")
    house.sink.wait_taken(before + 1)
    house.wait_reply(probe)
    house.wait_all_settled()
    assert f"{queue_id} vacation " not in house.one.log("router")
    taken, = house.sink.taken[before:]
    assert taken.recipients == (f"probe{house.n}@client.test",)


def test_what_it_says(house):
    house.keep("ann", "settings", display_name='Ann "A" Smith')
    house.away("ann", text="I am away.\n.\nAnn\n")
    queue_id = house.send(head="References: <first@client.test>\r\n <second@client.test>\r\n")
    taken, = house.sink.wait_taken(1)
    assert (taken.sender, taken.recipients) == ("", ("s@client.test",))
    reply, = house.replies()
    assert address(reply["From"]) == "ann@example.test" and reply["From"].addresses[0].display_name == 'Ann "A" Smith'
    assert address(reply["To"]) == "s@client.test"
    assert reply["Subject"] == "Auto: question"
    assert reply["Auto-Submitted"] == "auto-replied"
    assert reply["In-Reply-To"] == "<question@client.test>"
    assert reply["References"].split() == ["<first@client.test>", "<second@client.test>", "<question@client.test>"]
    assert reply.get_content().replace("\r", "") == "I am away.\n.\nAnn\n"
    assert re.fullmatch(r"<\w+\.vacation@\S+>", reply["Message-ID"]) and reply["Date"].datetime
    house.wait_reply(queue_id)
    assert house.one.counters("router")["vacation_replies"] == 1


def test_utf8(house):
    house.keep("ann", "settings", display_name="Änn Smíth " + "ü" * 60)
    house.away("ann", subject="Ich bin über die Feiertage weg " * 5, text="Grüße\n" + "ß" * 2000)
    house.send(to="a.smith@example.test, x@client.test", token="q")
    house.sink.wait_taken(1)
    assert all(len(line) < 80 and line.isascii() for line in house.sink.taken[0].message.split(b"\r\n"))
    reply, = house.replies()
    assert address(reply["From"]) == "a.smith@example.test"
    # Python's parser of addresses leaves the blanks between encoded words, against RFC 2047 6.2.
    name = email.message_from_bytes(house.sink.taken[0].message)["From"].partition("<")[0].strip()
    assert str(email.header.make_header(email.header.decode_header(name))) == "Änn Smíth " + "ü" * 60
    assert reply["Subject"] == ("Ich bin über die Feiertage weg " * 5).strip()
    assert reply.get_content().replace("\r", "") == "Grüße\n" + "ß" * 2000 + "\n"


AUTOMATIC = (
    "Auto-Submitted: auto-generated\r\n", "auto-submitted :\r\n auto-replied; x=y\r\n", "List-Id: <x.example>\r\n", "LIST-Unsubscribe: <mailto:x@y>\r\n",
    "Precedence: bulk\r\n", "Precedence: List\r\n", "precedence: junk\r\n", "Content-Type: multipart/report; report-type=delivery-status\r\n",
    "X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n", "X-Big: " + ("x " * 300 + "\r\n ") * 120 + "x\r\n",
)


def test_not_to_automatic_mail(house):
    house.away("ann")
    house.send(head="Auto-Submitted: no (x)\r\nPrecedence: normal\r\n", sender="human@client.test")
    house.sink.wait_taken(1)
    for head in AUTOMATIC:
        refused(house, head=head)


def test_not_to_these_senders(house):
    house.away("ann")
    for sender in ("", "MAILER-DAEMON@client.test", "noreply@client.test", "No-Reply+x@client.test", "owner-list@client.test", "list-request@client.test", "list-bounces@client.test",
                   "ann@example.test", "ann+x@example.test", "a.smith@example.test"):
        refused(house, sender=sender)


def test_only_when_written_to(house):
    house.away("ann")
    refused(house, to="undisclosed-recipients:;")
    refused(house, to="bob@example.test")
    refused(house, "staff@example.test", to="staff@example.test")     # not hers alone
    before = len(house.sink.taken)
    house.send(sender="t1@client.test", to="x@client.test", head="Resent-Cc: Ann <ANN@Example.test>\r\n")
    house.send("ann+tag@example.test", sender="t2@client.test", to='"Smith, (Ann" <ann+tag@example.test>')
    house.sink.wait_taken(before + 2)
    senders = {address(r["To"]): address(r["From"]) for r in house.replies()[before:]}
    assert senders == {"t1@client.test": "ANN@example.test", "t2@client.test": "ann+tag@example.test"}


def test_one_a_week(house):
    house.away("ann")
    house.wait_reply(house.send())
    house.sink.wait_taken(1)
    refused(house, sender="S@Client.test")
    house.restart_store()
    refused(house)
    told = os.path.join(house.one.mailbox_path("ann"), "vacation.told")
    with open(told, "r+b") as f:
        records = f.read()
        assert len(records) == 3 * 32
        at, = struct.unpack_from("Q", records)
        assert abs(at - time.time()) < 600
        f.seek(0)
        f.write(struct.pack("Q", at - WEEK_S - 1))
    house.wait_reply(house.send())
    assert os.path.getsize(told) == 3 * 32
    # A torn record at the end is written over.
    with open(told, "ab") as f:
        f.write(b"torn")
    house.wait_reply(house.send(sender="new@client.test"))
    assert os.path.getsize(told) == 4 * 32


def test_on_and_off_and_times(house):
    now = int(time.time())
    house.send()
    house.away("ann", on=False)
    house.send()
    house.away("ann", **{"from": now + 5000})
    house.send()
    house.away("ann", until=now - 5)
    house.send()
    house.away("ann", text="")
    house.send()
    house.wait_all_settled()
    assert house.sink.taken == [] and not os.path.exists(os.path.join(house.one.mailbox_path("ann"), "vacation.told"))
    house.away("ann", **{"from": now - 5, "until": now + 5000})
    house.wait_reply(house.send())
    house.sink.wait_taken(1)


def test_two_who_are_away(house):
    house.away("bob", text="Bob is away.\n")
    house.away("carl", text="Carl is away.\n")
    house.send("carl@example.test", sender="bob@example.test", to="carl@example.test")
    house.one.wait_mailbox("bob", 1)
    house.wait_all_settled()
    assert len(house.one.messages("bob")) == 1 and len(house.one.messages("carl")) == 1
    assert b"Carl is away." in house.one.messages("bob")[0]
    assert house.one.messages("bob")[0].startswith(b"Return-Path: <>\r\n")


def test_several_mailboxes_of_one_message(house):
    house.away("ann")
    house.away("carl", text="Carl.\n")
    house.send("ann@example.test", "bob@example.test", "carl@example.test", to="ann@example.test, bob@example.test, carl@example.test")
    house.sink.wait_taken(2)
    assert sorted(address(r["From"]) for r in house.replies()) == ["ann@example.test", "carl@example.test"]


def test_broken_documents(house):
    at = os.path.join(house.one.mailbox_path("ann"), "documents")
    house.away("ann", on=False)
    house.one.expect_alarm("vacation reply")
    for broken in (b"{", b"{\"on\": true, \"text\": \"%s\"}" % (b"x" * 30000)):
        house.away("bob")       # another mailbox goes on
        with open(os.path.join(at, "vacation"), "wb") as f:
            f.write(broken)
        house.restart_store()
        house.send(sender="broken@client.test")
    house.wait_reply(house.send("bob@example.test", to="bob@example.test"))
    assert b"mailbox=ann" not in b"\n".join(line.encode() for line in house.one.log("router").split("\n") if " vacation " in line)


def test_fetched(house):
    house.away("ann")
    now = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    head = "Return-Path: <%s@client.test>\r\nDate: %s\r\nTo: ann@isp.test\r\nSubject: %s\r\n\r\ntext\r\n"
    messages = [head % ("old", "Mon, 01 Jan 2024 00:00:00 +0000", "old"), head.replace("%s@client.test", "%s") % ("", now, "null"),
                head[head.index("Date:"):] % (now, "unknown"), head % ("fresh", now, "fresh")]
    server = PopServer(*([b"%d" % i, m.encode()] for i, m in enumerate(messages)))
    with server:
        with open(house.one.path("config", "mail.ini"), "a") as f:
            f.write(f"\n[fetch work]\nServer = 127.0.0.1:{server.port}\nTLS = none\nUser = ann\nPassword = secret\nRouting = mailbox ann\nInterval = manual\n")
        house.one.ctl("reload")
        house.one.ctl("fetch", "now", "work")
        house.one.wait_mailbox("ann", 4)
        taken, = house.sink.wait_taken(1)
        house.wait_all_settled()
    assert len(house.sink.taken) == 1 and taken.recipients == ("fresh@client.test",)
    reply, = house.replies()
    assert address(reply["From"]) == "ann@isp.test" and reply["Subject"] == "Auto: fresh" and "In-Reply-To" not in reply
