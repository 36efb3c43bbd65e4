"""Hosts that break off, lie and never end, and our own programs killed at each step: nothing is lost, little is sent twice."""
import collections
import random
import re
import threading

import pytest

import relay
from clients import text_message
from relay import bounce_of, sent, submit, tokens
from sambar import SANITIZED

CONFIG = {**relay.CONFIG, "Outgoing Connect": "5s"}
STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]


def once(act):
    """Does it at the first call; everything is as usual afterwards."""
    calls = []

    def script(talk):
        calls.append(talk)
        return act(talk) if len(calls) == 1 else ...
    return script


def bye(talk):
    talk.send("421 4.3.2 shutting down")


def drop(_):
    return None


def half_a_line(talk):
    talk.send(b"250 2.0")


# ---- what the other side does ----

@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("act", [bye, drop, half_a_line, lambda _: "421 4.3.2 but still here", lambda _: "451 4.3.0 try later", lambda _: "nonsense",
                                 lambda _: b"\xff\x00\xfe\r\n", lambda _: "999 what", lambda _: b"250-a\r\n450 b\r\n"],
                         ids=["421", "drop", "half", "421-stays", "451", "nonsense", "binary", "999", "mixed"])
def test_deferred_and_then_sent_once(online, internet, step, act):
    n = 10 + STEPS.index(step)
    with internet.host(n, script={step: once(act)}) as host:
        submit(online, f"{step}", f"x@d{n}.test")
        host.wait_taken(1)
        online.wait_spool_empty()
        assert tokens(host) == [step]
        assert len(host.messages) <= (2 if step == "end" else 1)


def test_a_reply_lost_after_the_final_dot(online, internet):
    """Nobody can know whether it was taken: it is sent once more, and the log says so."""
    with internet.host(20, script={"end": once(drop)}) as host:
        queue_id = submit(online, "perhaps", "x@d20.test")
        host.wait_taken(1)
        assert sent(online, queue_id, "deferred")
        online.wait_spool_empty()
        assert len(host.messages) == 2 and tokens(host) == ["perhaps"]


@pytest.mark.parametrize("step", STEPS)
def test_endless_replies(make_instance, internet, step):
    one = make_instance(config=CONFIG)

    def endless(talk):
        while True:
            talk.send(f"{'220' if step == 'greeting' else '354' if step == 'DATA' else '250'}-more and more".encode() + b"\r\n")

    n = 21 + STEPS.index(step)
    with internet.host(n, script={step: once(endless)}) as host:
        queue_id = submit(one, "patient", f"x@d{n}.test")
        host.wait_taken(1)
        one.wait_spool_empty()
        assert len(one.log("deliver")) < 20000 and queue_id in one.log("deliver")


def test_an_endless_line(make_instance, internet):
    one = make_instance(config=CONFIG)

    def endless(talk):
        while True:
            talk.send(b"550 5.1.1 " + b"x" * 60000)

    with internet.host(28, script={"RCPT": once(endless)}) as host:
        submit(one, "patient", "x@d28.test")
        host.wait_taken(1)
        one.wait_spool_empty()


@pytest.mark.parametrize("reply", [
    b"550 5.1.1 no\rX-Evil: 1\x00\x1b[31m\xff\r\n", b"550-5.1.1 no\r\n550-\r\n550-X-Evil: 1\r\n550 5.1.1 no\r\n",
    b"550 5.1.1 no reply=250 taken delay=0.0\r\n"])
def test_replies_cannot_forge_lines(make_instance, internet, reply):
    one = make_instance(config=CONFIG)
    with internet.host(29, script={"RCPT": reply}):
        queue_id = submit(one, "forged", "x@d29.test")
        text = bounce_of(one)
        assert not re.search(r"(?m)^[\t ]*X-Evil", text.replace("\r\n ", "\r\n")) or b"550-X-Evil" in reply
        assert "5.1.1" in text and re.search(r"(?m)^X-Evil", text) is None
        for line in one.log("deliver").splitlines():
            assert re.match(r"\d{4}-\d\d-\d\d\S* deliver\[\d+\]: ", line), line
            assert line.isprintable() and line.isascii(), line
        assert len(re.findall(rf"{queue_id} failed to=<x@d29.test>", one.log("deliver"))) == 1
        one.wait_spool_empty()


def test_a_reply_with_a_bare_line_feed(make_instance, internet):
    """It is garbage: the mail waits, and the log has no line of the host's."""
    one = make_instance(config=CONFIG)
    with internet.host(29, script={"RCPT": b"550 5.1.1 no\nX-Evil: 1\n550 5.1.1 no\r\n"}):
        queue_id = submit(one, "forged", "x@d29.test")
        one.wait_log("deliver", rf"{queue_id} (deferred|failed) to=<x@d29\.test>")
        assert not re.search(r"(?m)^X-Evil", one.log("deliver"))
        one.ctl("queue", "remove", "--all", check=False)


def test_dots_go_as_they_came(make_instance, internet):
    """Look-alikes of the end of data within a message end it nowhere."""
    one = make_instance(config=CONFIG)
    body = text_message("dots") + b".\r\n..\r\n.x\r\n. \r\n" + b"\r\n.hidden\r\nend\r\n"
    with internet.host(30) as host:
        submit(one, "dots", "x@d30.test", message=body)
        taken, = host.wait_taken(1)
        assert taken.message.endswith(body)
        one.wait_spool_empty()
        assert len(host.messages) == 1


# ---- what happens to our own programs ----

class Stall:
    """A step at which the host waits for the test, once."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _):
        if not self.reached.is_set():
            self.reached.set()
            self.go_on.wait()
        return ...


@pytest.mark.parametrize("program", ["deliver", "router", "queue"])
@pytest.mark.parametrize("step", [*STEPS, "QUIT"])
def test_killed_at_each_step(make_instance, internet, program, step):
    one = make_instance(config=CONFIG)
    stall = Stall()
    with internet.host(31, script={step: stall}) as host:
        queue_id = submit(one, "survivor", "x@d31.test", "bob@example.test")
        stall.reached.wait()
        one.kill(program)
        stall.go_on.set()
        host.wait_taken(1)
        one.wait_spool_empty()
        copies = len(host.messages)
        assert copies <= 2, host.lines
        if program == "deliver" and step not in ("end", "QUIT") or step == "QUIT":
            assert copies == 1, (program, step)
        assert len(one.messages("bob")) == 1
        one.wait_log("deliver", f"{queue_id} sent to=<x@d31.test>")


@pytest.mark.parametrize("program", ["deliver", "router", "queue", "master"])
def test_killed_under_load(make_instance, internet, program):
    """A ledger of what was accepted against what the hosts got."""
    one = make_instance(config=CONFIG)
    one.expect_alarm("KEEPS DYING")
    count, rounds = 100 if SANITIZED else 300, 3
    draw = random.Random(len(program))
    pause = threading.Event()

    def slowly(_):
        pause.wait(0.002 * draw.random())
        return ...

    hosts = [internet.host(n, script={"RCPT": slowly, "end": slowly}) for n in (32, 33, 34, 35)]
    accepted = []

    def sender():
        with one.smtp() as smtp:
            for i in range(count):
                while smtp.deliver(text_message(f"t{i}"), f"x@d{32 + i % 4}.test", sender="ann@example.test").code != 250:
                    pass        # queue is away
                accepted.append(f"t{i}")

    if program == "master":
        sender()
    else:
        thread = threading.Thread(target=sender)
        thread.start()
    for i in range(rounds):
        goal = (i + 1) * count // (2 * rounds)
        watched = hosts[i % 4]
        watched.wait(lambda: sum(len(host.messages) for host in hosts) >= goal or len(watched.messages) >= goal / 4)
        if program == "master":
            one.kill_all()
            one.start()
        elif program == "deliver":
            one.kill("deliver", choose=lambda pids: draw.sample(pids, min(1, len(pids))))
        else:
            one.kill(program)
    if program != "master":
        thread.join()
    assert len(accepted) == count
    one.wait_spool_empty()
    got = collections.Counter(token for host in hosts for token in tokens(host))
    assert set(got) == set(accepted)
    assert sum(got.values()) - count <= rounds * 210, got.most_common(5)
    print(f"{program}: {sum(got.values()) - count} sent twice of {count}")
    for host in hosts:
        host.close()
