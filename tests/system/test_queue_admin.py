"""sambarctl queue: hold, release, retry, flush, remove, bounce, reroute, and lists with filters."""
import os
import pwd
import re
import time

import pytest

from clients import text_message
from events import wait_until

USERS = ("ann", "bob", "carl")
EX_USAGE, EX_DATAERR, EX_NOINPUT = 64, 65, 66


@pytest.fixture
def one(make_instance):
    """carl's mailbox is full: what comes for him waits."""
    made = make_instance(users=USERS, config={"Maximum Mailbox Size": "20K", "Retry Intervals": "1h"})
    made.send(text_message("filler", 15000), "carl@example.test")
    made.wait_spool_empty()
    return made


def put(one, token, sender="ann@example.test", size=9000):
    """A message that waits for room. Its queue id."""
    with one.smtp() as smtp:
        reply = smtp.deliver(text_message(token, size), "carl@example.test", sender=sender)
        assert reply.code == 250, reply
    queue_id = re.search(r"\b[0-9A-Za-z]{9}\b", reply.lines[-1]).group(0)
    one.wait_log("queue", rf"{queue_id} deferred attempts=1")
    return queue_id


def make_room(one):
    with one.pop("carl") as pop:
        for i in range(1, int(pop.ok("STAT").split()[1]) + 1):
            pop.ok(f"DELE {i}")
        pop.quit()


def listed(one, *options):
    return [m["id"] for m in one.json("queue", "list", *options)["messages"]]


def shown(one, queue_id):
    return one.json("queue", "show", queue_id)


def login_name():
    return os.environ.get("SUDO_USER") if os.geteuid() == 0 and os.environ.get("SUDO_USER") else pwd.getpwuid(os.geteuid()).pw_name


def test_list_is_by_arrival(one):
    """Whatever their ids say, which were given to the files before."""
    order = [put(one, f"in-order{i}") for i in range(5)]
    assert listed(one) == order
    assert listed(one, "--recipient", "carl@*") == order
    assert sorted(listed(one, "--limit", "2")) == sorted(order)[:2]     # pages are by id


def test_show_as_text(one):
    """Each recipient with where it goes and why it waits."""
    queue_id = put(one, "shown")
    message = shown(one, queue_id)
    recipient, = message["recipients"]
    lines = [line.strip() for line in one.ctl("queue", "show", queue_id).stdout.splitlines()]
    at = lines.index("pending <carl@example.test>")
    assert lines[at + 1] == f"route: {recipient['route'] or 'none yet'}"
    assert lines[at + 2] == f"reason: {recipient['reply']}" and "4.2.2" in lines[at + 2]
    assert "from: <ann@example.test>" in lines and "returned in a bounce: not asked for" in lines
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message["arrival"]))
    assert f"arrival: {when}" in lines and when in one.ctl("queue", "list").stdout
    assert not [line for line in lines if re.fullmatch(r"\w+:", line) and line != "recipients:"], lines
    one.ctl("queue", "hold", queue_id, "--by", "carl")
    one.ctl("queue", "reroute", "127.0.0.1:1", queue_id)
    lines = one.ctl("queue", "show", queue_id).stdout.splitlines()
    assert {"state: held", "held by: carl", "rerouted to: 127.0.0.1:1"} <= set(lines), lines


def test_hold_and_release(one):
    queue_id = put(one, "held")
    assert one.json("queue", "hold", queue_id, "--why", "looks odd") == {
        "done": 1, "waiting": 0, "skipped": 0, "held": 0, "failed": 0, "unknown": 0}
    message = shown(one, queue_id)
    assert message["held"] is True and message["hold"] == f"{login_name()}: looks odd" and message["state"] == "held"
    assert f"held by {login_name()}: looks odd" in one.ctl("queue", "list").stdout
    one.ctl("queue", "hold", queue_id, "--by", "carl", "--why", "asked to")
    assert shown(one, queue_id)["hold"] == "carl: asked to"
    make_room(one)
    done = one.json("queue", "retry", queue_id)
    assert done["skipped"] == done["held"] == 1
    for words in (["retry", queue_id], ["flush"]):
        assert one.ctl("queue", *words).stdout == "1 message(s) held: sambarctl queue release comes first\n"
    one.ctl("restart", "queue")
    assert listed(one, "--held") == [queue_id]
    assert shown(one, queue_id)["hold"] == "carl: asked to"
    assert one.json("queue", "release", queue_id)["done"] == 1
    one.wait_mailbox("carl", 1)
    one.wait_spool_empty()


def test_retry_and_flush(one):
    first, second = put(one, "first"), put(one, "second")
    make_room(one)
    assert one.json("queue", "retry", first)["done"] == 1
    one.wait_log("queue", rf"{first} retried by=\S+")
    one.wait_mailbox("carl", 1)
    wait_until(lambda: len(one.spool()) == 1, one.path("spool", "cur"))
    assert listed(one) == [second]
    one.ctl("queue", "flush", "elsewhere.test")
    assert listed(one) == [second]
    one.ctl("queue", "flush", "example.test")
    one.wait_mailbox("carl", 2)
    one.wait_spool_empty()
    third = put(one, "third")
    make_room(one)
    assert one.json("queue", "flush")["done"] == 1
    one.wait_spool_empty()
    assert f"{third} " in one.log("router")


def test_remove_says_nothing(one):
    queue_id = put(one, "removed")
    assert one.json("queue", "remove", queue_id, "--why", "spam")["done"] == 1
    assert listed(one) == []
    one.wait_spool_empty()
    assert one.messages("ann") == [] and os.listdir(one.path("failures")) == []
    one.wait_log("queue", rf"{queue_id} removed by=\S+ reason=spam")


def test_bounce_tells_the_sender(one):
    queue_id = put(one, "bounced")
    one.ctl("queue", "hold", queue_id)
    assert one.json("queue", "bounce", queue_id, "--why", "carl has left")["done"] == 1
    message, = one.wait_mailbox("ann", 1)
    assert b"Action: failed" in message and b"carl has left" in message and b"X-Token: bounced" in message
    one.wait_spool_empty()


def test_reroute(one):
    queue_id = put(one, "rerouted")
    for host in ("relay.example", "relay.example:2525", "192.0.2.7:25", "[IPv6:2001:db8::1]:25",
                 "[2001:db8::1]:25", "2001:db8::1"):
        assert one.json("queue", "reroute", host, queue_id)["done"] == 1
        assert shown(one, queue_id)["reroute"] == host
    assert one.json("queue", "reroute", "none", queue_id)["done"] == 1
    assert shown(one, queue_id)["reroute"] == ""
    for wrong in ("relay example", "relay.example:0", "relay.example:99999", ":25", "a b",
                  "[192.0.2.1]:25", "300.1.1.1", "mx", "smart host"):  # what router would not heed
        assert one.ctl("queue", "reroute", wrong, queue_id, check=False).returncode == EX_DATAERR


def test_filters(one):
    a, b, c = put(one, "a", "ann@example.test"), put(one, "b", "bob@example.test"), put(one, "c", "")
    assert listed(one) == [a, b, c]
    assert listed(one, "--sender", "ann@*") == [a]
    assert listed(one, "--sender", "<>") == [c]
    assert listed(one, "--sender", "*@example.test", "--recipient", "CARL@*") == [a, b]
    assert listed(one, "--domain", "elsewhere.test") == []
    assert listed(one, "--reason", "no such thing") == []
    assert len(listed(one, "--reason", "4.2.2")) == 3
    assert listed(one, "--older", "1h") == []
    assert len(listed(one, "--younger", "1h")) == 3
    assert one.json("queue", "hold", "--sender", "bob@*")["done"] == 1
    assert listed(one, "--held") == [b]
    assert one.json("queue", "remove", "--sender", "*@example.test")["done"] == 2
    assert listed(one) == [c]
    assert one.json("queue", "remove", "--all")["done"] == 1
    assert listed(one) == []


def test_pages(one):
    arrived = [put(one, f"page{i}") for i in range(5)]
    ids = sorted(arrived)
    page = one.json("queue", "list", "--limit", "2")
    assert sorted(m["id"] for m in page["messages"]) == ids[:2]
    assert page["total"] == 5 and page["next"] == ids[1]
    assert listed(one, "--limit", "5") == listed(one, "--all") == arrived
    text = one.ctl("queue", "list", "--limit", "2").stdout
    assert text.count("carl@example.test") == 2 and "2 message(s) of 5" in text


def test_release_time_is_shown(one):
    """Nobody but WebMail sets one yet; the text says so when there is none."""
    queue_id = put(one, "now")
    assert shown(one, queue_id)["release"] == 0
    assert "release: at once" in one.ctl("queue", "show", queue_id).stdout


def test_misuse(one):
    queue_id = put(one, "kept")
    for verb in ("hold", "release", "retry", "remove", "bounce"):
        assert one.ctl("queue", verb, check=False).returncode == EX_USAGE
        assert one.ctl("queue", verb, "--why", "x", check=False).returncode in (EX_USAGE, EX_DATAERR)
        assert one.ctl("queue", verb, "--nonsense", queue_id, check=False).returncode == EX_USAGE
        assert one.ctl("queue", verb, "nonsense", check=False).returncode == EX_DATAERR
        assert one.ctl("queue", verb, "8DtcwmUiU", check=False).returncode == EX_NOINPUT
    assert one.ctl("queue", "list", "--older", "soon", check=False).returncode == EX_USAGE
    assert one.ctl("queue", "list", "--limit", "0", check=False).returncode == EX_USAGE
    assert one.ctl("queue", "reroute", "host.example", check=False).returncode == EX_USAGE
    assert listed(one) == [queue_id]
