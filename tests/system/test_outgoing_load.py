"""Retries, orders of an administrator, and a crowd of messages to healthy, slow, refusing and dead hosts."""
import collections
import datetime
import glob
import threading
import time

import ipc
import pytest

import relay
from clients import text_message
from events import wait_until
from relay import bounce_of, sent, submit, token_of, tokens
from sambar import SANITIZED

CONFIG = {**relay.CONFIG, "Retry Intervals": "1h", "Dead Destination": "1h"}
HEALTHY, SLOW, REFUSING, DEAD = range(10, 18), range(20, 24), range(30, 34), range(40, 44)


def attempts(instance, queue_id):
    return instance.json("queue", "show", queue_id)["attempts"]


# ---- retries and orders ----

def test_retries_until_it_goes(make_instance, internet):
    one = make_instance(config=relay.CONFIG)
    replies = iter(["451 4.3.0 first", "451 4.3.0 second", "451 4.3.0 third"])
    with internet.host(50, script={"MAIL": lambda _: next(replies, ...)}) as host:
        queue_id = submit(one, "patience", "x@d50.test")
        host.wait_taken(1)
        one.wait_spool_empty()
        assert tokens(host) == ["patience"]
        assert len([line for line in one.log("deliver").splitlines() if f"{queue_id} deferred" in line]) == 3


def test_gives_up(make_instance, internet):
    """Maximum Retry 0: the first deferral is the last; the sender reads what the host said."""
    one = make_instance(config={**relay.CONFIG, "Maximum Retry": "0"})
    with internet.host(51, script={"RCPT": "450 4.2.2 mailbox full"}):
        submit(one, "hopeless", "x@d51.test")
        text = bounce_of(one)
        assert "450 4.2.2 mailbox full" in text and "Action: failed" in text
        one.wait_spool_empty()


def moment(line):
    return datetime.datetime.fromisoformat(line.split()[0])


def test_delay_is_told_once(make_instance, internet):
    """Who wants to hear of it does, when the time has come; the message goes when its host is there."""
    one = make_instance(config={**relay.CONFIG, "Delay Notice": "3s"})
    late = submit(one, "late", "x@d59.test")
    silent = [submit(one, notify, "x@d59.test", sender="bob@example.test", rcpt_options=f" NOTIFY={notify}") for notify in ("NEVER", "FAILURE")]
    text = bounce_of(one)
    assert all(word in text for word in ("Action: delayed", "x@d59.test", "h59.test", "Status: 4.4.1", "X-Token: late")), text
    accepted = one.wait_log("smtpd", rf".*{late} accepted.*").group(0)
    notified = one.wait_log("queue", rf".*{late} notified .* delayed=1.*").group(0)
    assert moment(notified) - moment(accepted) >= datetime.timedelta(seconds=2)     # of whole seconds
    for _ in range(2):
        logged = len(one.log("queue"))
        for queue_id in (late, *silent):
            after = one.wait_log("queue", rf"{queue_id} deferred .*\n", logged).end()
            one.wait_log("queue", rf"{queue_id} deferred ", after)
        one.ctl("restart", "queue")
    with internet.host(59) as host:
        host.wait_taken(3)
        one.wait_spool_empty()
        assert sorted(tokens(host)) == ["FAILURE", "NEVER", "late"]
    assert len(one.messages("ann")) == 1 and one.messages("bob") == []
    assert one.log("queue").count(" notified ") == 1


def test_flush(make_instance, internet):
    one = make_instance(config=CONFIG)
    first, second = submit(one, "one", "x@d52.test"), submit(one, "two", "x@d53.test")
    sent(one, first, "deferred"), sent(one, second, "deferred")
    one.wait_settled()
    third = submit(one, "three", "x@d52.test")
    one.wait_log("router", f"{third} deferred|{third}.* deferred")       # the host is known to be dead
    one.wait_settled()
    with internet.host(52) as flushed, internet.host(53) as other:
        one.ctl("queue", "flush", "d52.test")
        flushed.wait_taken(2)
        assert sorted(tokens(flushed)) == ["one", "three"] and other.connections == 0
        wait_until(lambda: [message["id"] for message in one.json("queue", "list")["messages"]] == [second], one.path("spool", "cur"))
        one.ctl("queue", "flush")
        other.wait_taken(1)
        one.wait_spool_empty()


@pytest.mark.parametrize("order", ["retry", "release"])
def test_an_order_tries_a_dead_host(make_instance, internet, order):
    """retry and release do not repeat for ever that the host was dead, though one that has just been tried is spared."""
    one = make_instance(config=CONFIG)
    queue_id = submit(one, "again", "x@d61.test")
    sent(one, queue_id, "deferred")
    one.wait_log("router", "destination dead name=mx:d61.test")
    with internet.host(61) as host:
        while not host.connections:
            one.wait_settled()
            if order == "release":
                one.ctl("queue", "hold", queue_id, check=False)
            one.ctl("queue", order, queue_id, check=False)
        host.wait_taken(1)
        one.wait_spool_empty()


def test_reroute(make_instance, internet):
    one = make_instance(config=CONFIG)
    queue_id = submit(one, "lost", "x@d54.test", "y@d54.test")
    sent(one, queue_id, "deferred")
    one.wait_settled()
    with internet.host(55, port=2525) as host:
        one.ctl("queue", "reroute", "h55.test:2525", queue_id)
        one.ctl("queue", "flush")
        assert host.wait_taken(1)[0].recipients == ("x@d54.test", "y@d54.test")
        one.wait_spool_empty()
        assert sent(one, queue_id, to="x@d54.test")["host"] == "h55.test"


def test_bounce_by_order(make_instance, internet):
    one = make_instance(config=CONFIG)
    queue_id = submit(one, "unwanted", "x@d56.test")
    sent(one, queue_id, "deferred")
    one.wait_settled()
    one.ctl("queue", "bounce", queue_id, "--why", "not with us")
    text = bounce_of(one)
    assert "not with us" in text and "x@d56.test" in text
    one.wait_spool_empty()


def test_held_mail_stays(make_instance, internet):
    """Neither its time nor its host's coming sends it, only an administrator does; list and show say who held it, and why."""
    one = make_instance(config=CONFIG)
    held, other = submit(one, "held", "x@d62.test"), submit(one, "other", "x@d62.test")
    for queue_id in (held, other):
        one.wait_log("queue", f"{queue_id} deferred ")
    one.ctl("queue", "hold", held, "--by", "carl", "--why", "looks odd")
    with internet.host(62) as host:
        one.ctl("queue", "flush")
        host.wait_taken(1)
        one.ctl("restart", "queue")
        one.ctl("queue", "flush", "d62.test")
        submit(one, "last", "x@d62.test")
        host.wait_taken(2)
        assert tokens(host) == ["other", "last"]
        message, = one.json("queue", "list")["messages"]
        assert (message["id"], message["state"], message["hold"]) == (held, "held", "carl: looks odd")
        assert "held by carl: looks odd" in one.ctl("queue", "list").stdout and "carl: looks odd" in one.ctl("queue", "show", held).stdout
        one.ctl("queue", "release", held)
        host.wait_taken(3)
        one.wait_spool_empty()
        assert tokens(host) == ["other", "last", "held"]


def test_not_before_its_time(make_instance, internet):
    """What is to be sent later waits, whatever is flushed or restarted; a retry sends it at once."""
    one = make_instance(config=CONFIG)
    came = {}
    with internet.host(63, script={"end": lambda talk: came.update({token_of(talk.message): time.time()}) or ...}) as host:
        now = int(time.time())
        times = {"soon": now + 3, "far": now + 3600}
        for token, release_s in times.items():
            ipc.hand_in_later(one, text_message(token), "x@d63.test", "ann@example.test", release_s)
        submit(one, "now", "x@d63.test")
        host.wait_taken(1)
        one.ctl("restart", "queue")
        one.ctl("queue", "flush")
        waiting = {message["release"]: message["id"] for message in one.json("queue", "list")["messages"]}
        far = waiting[times["far"]]
        host.wait_taken(2)
        assert tokens(host) == ["now", "soon"] and came["soon"] >= times["soon"]
        assert one.json("queue", "show", far)["release"] == times["far"]
        one.ctl("queue", "retry", far)
        host.wait_taken(3)
        one.wait_spool_empty()
        assert tokens(host) == ["now", "soon", "far"]


def test_hourly(make_instance, internet):
    """Mail for the smart host waits for its time; local mail and routes do not; flush is a time, too."""
    one = make_instance(config={**CONFIG, "Use MTA": "false", "SMTP Server": "h57.test", "Relay Delivery": "hourly"})
    one.ctl("config", "set", "[routes] direct.test", "h58.test")
    one.ctl("reload")
    with internet.host(57) as smart, internet.host(58) as direct:
        submit(one, "waits", "x@far.test")
        submit(one, "mixed", "x@direct.test", "bob@example.test", "y@far.test")
        direct.wait_taken(1)
        one.wait_mailbox("bob", 1)
        assert smart.connections == 0
        wait_until(lambda: glob.glob(one.path("spool", "cur", "*,A=0,*")), one.path("spool", "cur"))
        one.kill("router")                          # what is parked is not forgotten
        one.kill("queue")
        submit(one, "after", "bob@example.test")
        one.wait_mailbox("bob", 2)
        assert smart.connections == 0
        one.ctl("queue", "flush")
        smart.wait_taken(2)
        one.wait_spool_empty()
        assert sorted(tokens(smart)) == ["mixed", "waits"] and len(direct.messages) == 1


# ---- a crowd ----

def feed(instance, plan):
    """Four sessions hand in messages: (token, recipient)."""
    def run(part):
        with instance.smtp() as smtp:
            for token, to in part:
                assert smtp.deliver(text_message(token), to, sender="ann@example.test").code == 250
            smtp.quit()
    threads = [threading.Thread(target=run, args=(plan[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nobody_waits_for_the_slow_and_the_dead(make_instance, internet):
    one = make_instance(config=CONFIG)
    count = 400 if SANITIZED else 10000
    gate = threading.Event()                    # slow hosts take 200 ms for each reply, and end when the test says so

    def slowly(talk):
        gate.wait(0.2)
        return ...

    hosts = {n: internet.host(n) for n in HEALTHY}
    hosts.update({n: internet.host(n, script=dict.fromkeys(("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"), slowly)) for n in SLOW})
    hosts.update({n: internet.host(n, script={"RCPT": "550 5.1.1 nobody here"}) for n in REFUSING})
    numbers = [*HEALTHY, *SLOW, *REFUSING, *DEAD]
    plan = [(f"t{i}", f"x@d{numbers[i % len(numbers)]}.test") for i in range(count)]
    expected = {n: sorted(token for token, to in plan if to == f"x@d{n}.test") for n in numbers}
    feed(one, plan)
    for n in HEALTHY:
        hosts[n].wait_taken(len(expected[n]))
    # The slow ones still have much of their mail to get: nobody has waited for them.
    slow_left = sum(len(expected[n]) - len(hosts[n].taken) for n in SLOW)
    assert slow_left > sum(len(expected[n]) for n in SLOW) / 4
    submit(one, "local", "bob@example.test")
    one.wait_mailbox("bob", 1)
    late = internet.host(60)
    submit(one, "late", "x@d60.test")
    late.wait_taken(1)
    assert sum(len(expected[n]) - len(hosts[n].taken) for n in SLOW) > 0
    gate.set()
    for n in SLOW:
        hosts[n].wait_taken(len(expected[n]))
    # What is dead comes to life; all of it was deferred, and nothing else is left.
    for n in DEAD:
        hosts[n] = internet.host(n)
    one.wait_settled()
    one.ctl("queue", "flush")
    for n in DEAD:
        hosts[n].wait_taken(len(expected[n]))
    one.wait_spool_empty()
    for n in (*HEALTHY, *SLOW, *DEAD):
        assert sorted(tokens(hosts[n])) == expected[n]
    assert all(not hosts[n].taken for n in REFUSING)
    refused = sum(len(expected[n]) for n in REFUSING)
    assert one.log("deliver").count("550 5.1.1 nobody here") == refused
    # At most Maximum MTA Routers at one time, and sessions are used again.
    ends = collections.Counter(host.connections for host in hosts.values())
    print(f"{slow_left} slow ones were left; connections {dict(ends)}")
    for host in (*hosts.values(), late):
        host.close()
