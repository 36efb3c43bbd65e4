"""What senders are told of mail that was accepted: failures, delays, successes, and what cannot be told."""
import email
import email.policy
import glob
import os
import re

import pytest

from clients import text_message
from events import wait_until

USERS = ("ann", "bob", "carl")


@pytest.fixture
def one(make_instance):
    return make_instance(users=USERS, config={"Maximum Mailbox Size": "20K", "Retry Intervals": "1s"})


def fill(one, user="carl"):
    """The next message of 9000 bytes has no room, but is accepted when its size is not said."""
    one.send(text_message("filler", 15000), f"{user}@example.test")
    one.wait_spool_empty()


def vanish(one, sender="ann@example.test", options="", mail_options=""):
    """A message to carl, whose mailbox goes before the message has come. Its queue id."""
    with one.smtp() as smtp:
        assert smtp.cmd(f"MAIL FROM:<{sender}>{mail_options}").code == 250
        assert smtp.cmd(f"RCPT TO:<carl@example.test>{options}").code == 250
        one.ctl("user", "del", "carl", "--purge")
        reply = smtp.data(text_message("vanished"))
        assert reply.code == 250
    return re.search(r"\b[0-9A-Za-z]{9}\b", reply.lines[-1]).group(0)


def reports(one, user="ann"):
    """The notifications in a mailbox, read over POP3."""
    found = []
    with one.pop(user) as pop:
        count = int(pop.ok("STAT").split()[1])
        for i in range(1, count + 1):
            text = "\r\n".join(pop.multi(f"RETR {i}") or pop.body())
            message = email.message_from_string(text, policy=email.policy.default)
            if message.get_content_type() == "multipart/report":
                found.append(message)
        pop.quit()
    return found


def fields(report):
    """The fields about the recipients, one dictionary each."""
    part = next(p for p in report.walk() if p.get_content_type() == "message/delivery-status")
    return [dict(block.items()) for block in part.get_payload()[1:]]


def failures(one):
    return sorted(os.path.basename(path) for path in glob.glob(one.path("failures", "*")))


def test_mailbox_that_vanished(one):
    queue_id = vanish(one, mail_options=" ENVID=some-id RET=FULL")
    one.wait_mailbox("ann", 1)
    one.wait_spool_empty()
    report, = reports(one)
    assert report["From"].endswith("<MAILER-DAEMON@example.test>")
    assert report["To"] == "<ann@example.test>" or "ann@example.test" in report["To"]
    assert report["Auto-Submitted"] == "auto-replied"
    recipient, = fields(report)
    assert recipient["Action"] == "failed"
    assert recipient["Final-Recipient"] == "rfc822; carl@example.test"
    assert recipient["Status"].startswith("5.")
    text = report.as_string()
    assert "Original-Envelope-Id: some-id" in text
    assert "X-Token: vanished" in text and "end of vanished" in text
    assert failures(one) == []
    assert one.wait_log("queue", rf"{queue_id} notified id=(\S+) to=<ann@example.test> failed=1")


@pytest.mark.parametrize("notify,told", [("NEVER", False), ("SUCCESS", False), ("DELAY", False), ("FAILURE,DELAY", True)])
def test_notify_of_a_failure(one, notify, told):
    vanish(one, options=f" NOTIFY={notify}")
    one.wait_spool_empty()
    assert len(reports(one)) == told
    assert failures(one) == []


def test_notify_of_a_success(one):
    with one.smtp() as smtp:
        assert smtp.cmd("MAIL FROM:<ann@example.test>").code == 250
        assert smtp.cmd("RCPT TO:<bob@example.test> NOTIFY=SUCCESS ORCPT=rfc822;bob+2Bx@example.test").code == 250
        assert smtp.cmd("RCPT TO:<carl@example.test> NOTIFY=FAILURE").code == 250
        assert smtp.data(text_message("success")).code == 250
    one.wait_mailbox("ann", 1)
    one.wait_spool_empty()
    report, = reports(one)
    recipient, = fields(report)
    assert recipient["Action"] == "delivered"
    assert recipient["Original-Recipient"] == "rfc822; bob+x@example.test"
    assert len(one.mailbox("bob")) == len(one.mailbox("carl")) == 1


def test_null_sender_ends_in_the_directory(one):
    queue_id = vanish(one, sender="")
    one.wait_spool_empty()
    assert failures(one) == [f"{queue_id}.eml", f"{queue_id}.txt"]
    assert reports(one) == []


def test_sender_that_does_not_exist(one):
    """Its notification comes back to nobody."""
    queue_id = vanish(one, sender="nobody-here@example.test")
    one.wait_spool_empty()
    notice = one.wait_log("queue", rf"{queue_id} notified id=(\S+) ").group(1)
    assert failures(one) == [f"{notice}.eml", f"{notice}.txt"]
    with open(one.path("failures", f"{notice}.txt")) as f:
        assert "nobody-here@example.test" in f.read()


def test_limit_to_one_address(one):
    one.configure("Maximum Bounces", "1")
    one.reconfigure()
    for sender in ("ann@example.test", "ann@example.test"):
        last = vanish(one, sender=sender)
        one.wait_spool_empty()
        one.add_user("carl")
    assert len(reports(one)) == 1
    assert failures(one) == [f"{last}.eml", f"{last}.txt"]


def test_delay_is_told_once(one):
    one.configure("Delay Notice", "1s")
    one.reconfigure()
    fill(one)
    one.send(text_message("late", 9000), "carl@example.test", sender="ann@example.test")
    one.wait_mailbox("ann", 1)
    report, = reports(one)
    recipient, = fields(report)
    assert recipient["Action"] == "delayed" and recipient["Status"].startswith("4.")
    assert "Will-Retry-Until" in recipient
    one.ctl("restart", "queue")
    after = len(one.log("queue"))
    for _ in range(2):
        after = one.wait_log("queue", r"deferred attempts=.*\n", after).end()
    with one.pop("carl") as pop:
        pop.ok("DELE 1")
        pop.quit()
    one.wait_spool_empty()
    assert len(reports(one)) == 1


def test_given_up_for_its_age(make_instance):
    one = make_instance(users=USERS, config={"Maximum Mailbox Size": "20K", "Retry Intervals": "1s", "Maximum Retry": "0"})
    fill(one)
    one.send(text_message("old", 9000), "carl@example.test", sender="ann@example.test")
    one.wait_mailbox("ann", 1)
    recipient, = fields(reports(one)[0])
    assert recipient["Action"] == "failed"


def test_large_message_returns_its_header(one):
    one.configure("Maximum Bounce Size", "1K")
    one.reconfigure()
    with one.smtp() as smtp:
        smtp.envelope("carl@example.test", sender="ann@example.test")
        one.ctl("user", "del", "carl", "--purge")
        assert smtp.data(text_message("large", 5000)).code == 250
    one.wait_mailbox("ann", 1)
    text = reports(one)[0].as_string()
    assert "X-Token: large" in text and "end of large" not in text
    assert "text/rfc822-headers" in text


def test_queue_killed_while_it_tells(one):
    """Whatever is killed when: the sender hears of it, at most twice."""
    vanish(one)
    one.kill("queue")
    one.wait_log("queue", r"start messages|notified")
    wait_until(lambda: one.mailbox("ann"), *one.mailbox_folders("ann"))
    one.wait_spool_empty()
    assert 1 <= len(reports(one)) <= 2
    assert failures(one) == []
