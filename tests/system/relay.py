"""Sending mail to other hosts: what the tests of outgoing mail share."""
import re

from clients import text_message

CONFIG = {"DNS Primary": "127.0.0.1:5300", "Retry Intervals": "1s", "Dead Destination": "0s", "Maximum MTA Routers": "10"}


def submit(instance, token, *recipients, sender="ann@example.test", message=None, **options):
    """Hands in one message of a local user; returns its queue id."""
    with instance.smtp() as smtp:
        reply = smtp.deliver(message or text_message(token, sender=sender), *recipients, sender=sender, **options)
        assert reply.code == 250, reply
        smtp.quit()
    return re.search(r"queued as (\w+)", reply.text).group(1)


def sent(instance, queue_id, end="sent", to=""):
    """Waits for deliver's line about a recipient of a message; its fields."""
    line = instance.wait_log("deliver", rf"{queue_id} {end} to=<{re.escape(to)}.*").group(0)
    fields = dict(re.findall(r"(to|host|address|tls|cipher|verified)=(\S*)", line))
    fields["reply"] = re.search(r"reply=(.*) delay=", line).group(1)
    return fields


def token_of(message):
    return re.search(rb"X-Token: (\S+)", message).group(1).decode()


def tokens(sink):
    return [token_of(taken.message) for taken in sink.taken]


def bounce_of(instance, user="ann", count=1):
    """The newest notification in a user's mailbox, as he reads it by POP3."""
    instance.wait_mailbox(user, count)
    with instance.pop(user) as pop:
        message = pop.message(f"RETR {count}")
        pop.quit()
    assert b"Content-Type: multipart/report" in message
    return message.decode()
