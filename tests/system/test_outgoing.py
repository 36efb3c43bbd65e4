"""Mail for other hosts: by MX, with real name servers and hosts on port 25."""
import glob
import socket
import threading

import pytest

import relay
from clients import text_message
from events import wait_until
from relay import bounce_of, sent, submit, token_of, tokens

CONFIG = {**relay.CONFIG, "Own Names": "*.ours.test", "DNS Reply": "1s"}
ZONE = """
pref MX 20 h21
pref MX 10 h20
null MX 0 .
alias CNAME d24
loop MX 10 mx.ours
mx.ours A 192.0.2.99
tail MX 20 mx.ours
tail MX 10 h26
ourself MX 10 h1
h1 A 192.0.2.1
local MX 10 here
here A 127.0.0.1
nothing TXT "no host"
dangling MX 10 nosuch
lame NS ns.lame
ns.lame A 192.0.2.9
two A 192.0.2.27
two A 192.0.2.28
all MX 10 h31
all MX 10 h32
all MX 10 h33
fall MX 10 h36
fall MX 20 h37
fall MX 30 h38
"""


def test_goes_to_the_mx(online, internet):
    with internet.host(10) as host:
        queue_id = submit(online, "plain", "x@d10.test")
        taken, = host.wait_taken(1)
        assert (taken.sender, taken.recipients, taken.tls) == ("ann@example.test", ("x@d10.test",), None)
        assert token_of(taken.message) == "plain" and taken.message.startswith(b"Received: ")
        line = sent(online, queue_id)
        assert line == {"to": "<x@d10.test>", "host": "h10.test", "address": "192.0.2.10", "tls": "none", "cipher": "none", "verified": "no",
                        "reply": "250 2.0.0 taken"}
        online.wait_spool_empty()
        assert f"{queue_id} sent to=<x@d10.test> host=h10.test address=192.0.2.10" in online.ctl("trace", queue_id).stdout


def test_preference(online, internet):
    with internet.host(20) as best, internet.host(21) as other:
        submit(online, "best", "x@pref.test")
        best.wait_taken(1)
        assert other.connections == 0


def test_next_mx_when_the_best_is_dead(online, internet):
    with internet.host(21) as other:
        queue_id = submit(online, "dead-first", "x@pref.test")
        other.wait_taken(1)
        assert sent(online, queue_id)["host"] == "h21.test"


@pytest.mark.parametrize("script", [
    {"greeting": "421 4.3.2 too busy"}, {"greeting": "450 later"}, {"greeting": None}, {"greeting": "garbage"}, {"EHLO": "421 go", "HELO": "421 go"},
    {"EHLO": None}, {"MAIL": "421 4.3.0 closing"}, {"MAIL": None}], ids=str)
def test_next_mx_when_the_best_is_no_good(make_instance, internet, script):
    one = make_instance(config=CONFIG)
    with internet.host(20, script=script) as best, internet.host(21) as other:
        queue_id = submit(one, "bad-first", "x@pref.test")
        other.wait_taken(1)
        assert sent(one, queue_id)["host"] == "h21.test"
        assert best.connections <= 2     # a slow machine may need a second attempt


def test_equals_share(online, internet):
    """Among equal hosts the order is drawn for each conversation."""
    hosts = [internet.host(n, script={"MAIL": None}) for n in (31, 32, 33)]
    submit(online, "drawn", "x@all.test")
    for host in hosts:
        host.wait(lambda host=host: host.connections > 0)
    for host in hosts:
        host.script = {}
    online.wait_spool_empty()
    assert sorted(sum((tokens(host) for host in hosts), [])) == ["drawn"]
    for host in hosts:
        host.close()


def test_next_address_of_one_host(online, internet):
    with internet.host(28) as host:
        submit(online, "second-address", "x@two.test")
        host.wait_taken(1)


def test_a_permanent_answer_is_the_last_word(online, internet):
    with internet.host(20, script={"RCPT": "550 5.1.1 nobody here"}) as best, internet.host(21) as other:
        queue_id = submit(online, "refused", "x@pref.test", sender="bob@example.test")
        sent(online, queue_id, "failed")
        assert best.connections == 1 and other.connections == 0
        text = bounce_of(online, "bob")
        assert "550 5.1.1 nobody here" in text and "x@pref.test" in text and "h20.test" in text


def test_implicit_mx_and_cname(online, internet):
    with internet.host(22) as implicit, internet.host(24) as behind:
        submit(online, "implicit", "x@h22.test")
        submit(online, "cname", "x@alias.test")
        assert implicit.wait_taken(1)[0].recipients == ("x@h22.test",)
        assert behind.wait_taken(1)[0].recipients == ("x@alias.test",)


def test_address_literal(online, internet):
    with internet.host(25) as host:
        submit(online, "literal", "x@[192.0.2.25]")
        assert host.wait_taken(1)[0].recipients == ("x@[192.0.2.25]",)


@pytest.mark.parametrize("domain, code, says", [
    ("nosuch.test", "5.1.2", ""), ("null.test", "5.1.10", "takes no mail"), ("nothing.test", "5.1.2", ""), ("dangling.test", "5.4.4", ""),
    ("local.test", "5.4.4", ""), ("loop.test", "5.4.6", "")], ids=lambda v: v)
def test_what_dns_refuses(make_instance, internet, domain, code, says):
    one = make_instance(config=CONFIG)
    queue_id = submit(one, "refused", f"x@{domain}")
    line = sent(one, queue_id, "failed")
    assert code in line["reply"] and says in line["reply"]
    text = bounce_of(one)
    assert f"Status: {code}" in text and domain in text and "Action: failed" in text
    assert "Auto-Submitted: auto-replied" in text and "Return-Path: <>" in text
    one.wait_spool_empty()


def test_we_are_not_the_worst_of_several(online, internet):
    """Hosts better than ourselves are used, even below us."""
    with internet.host(26) as host:
        submit(online, "better", "x@tail.test")
        host.wait_taken(1)


def test_loop_by_address(make_instance, internet):
    """A wildcard listener on port 25 and our address in DNS: mail would come back."""
    one = make_instance(config=CONFIG, start=False)
    one.configure("[listen] SMTP", f"127.0.0.1:{one.port('SMTP')} 192.0.2.1:25")
    one.start()
    line = sent(one, submit(one, "ourselves", "x@ourself.test"), "failed")
    assert "5.4.6" in line["reply"]
    one.wait_spool_empty()


def test_loop_by_greeting(make_instance, internet):
    """Whoever greets with our name is us, whatever the DNS calls him."""
    one = make_instance(config=CONFIG)
    with internet.host(40, name="example.test") as host:
        line = sent(one, submit(one, "mirror", "x@d40.test"), "failed")
        assert "5.4.6" in line["reply"] and "calls itself example.test" in line["reply"]
        assert not host.messages


def test_no_answer_is_later(make_instance, internet):
    """SERVFAIL, refusal and silence of the name server: deferred, and sent when it answers."""
    one = make_instance(config=CONFIG)
    for domain in ("broken.test", "x.broken.test"):
        line = sent(one, submit(one, "servfail", f"x@{domain}"), "deferred")
        assert "4.4.3" in line["reply"]
    assert len(one.json("queue", "list")["messages"]) == 2
    one.ctl("queue", "remove", "--all")
    one.wait_spool_empty()


def test_a_silent_name_server(make_instance, internet):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, internet.host(41) as host:
        silent.bind(("127.0.0.1", 0))
        one = make_instance(config={**CONFIG, "DNS Primary": "127.0.0.1:%d" % silent.getsockname()[1]})
        queue_id = submit(one, "silence", "x@d41.test")
        assert "4.4.3" in sent(one, queue_id, "deferred")["reply"]
        one.configure("DNS Secondary", "127.0.0.1:5300")
        one.ctl("reload")
        host.wait_taken(1)
        one.wait_spool_empty()


def test_nobody_at_home_and_then_somebody(make_instance, internet):
    one = make_instance(config=CONFIG)
    queue_id = submit(one, "later", "x@d42.test")
    line = sent(one, queue_id, "deferred")
    assert line["host"] == "h42.test" and "4.4.1" in line["reply"]
    with internet.host(42) as host:
        host.wait_taken(1)
        one.wait_spool_empty()
        assert len(host.messages) == 1


# ---- several recipients ----

def by_recipient(answers):
    return lambda talk: next(reply for name, reply in answers.items() if name in talk.line)


def test_each_recipient_has_its_answer(make_instance, internet):
    one = make_instance(config=CONFIG)
    answers = {"gone": "550 5.1.1 no such user", "full": "450 4.2.2 mailbox full", "good": "250 2.1.5 ok"}
    with internet.host(50, script={"RCPT": by_recipient(answers)}) as host:
        queue_id = submit(one, "three", "gone@d50.test", "full@d50.test", "good@d50.test")
        assert host.wait_taken(1)[0].recipients == ("good@d50.test",)
        assert sent(one, queue_id, "failed", "gone")["reply"] == "550 5.1.1 no such user"
        assert sent(one, queue_id, "deferred", "full")["reply"] == "450 4.2.2 mailbox full"
        assert sent(one, queue_id, "sent", "good")["reply"] == "250 2.0.0 taken"
        text = bounce_of(one)
        assert "550 5.1.1 no such user" in text and "gone@d50.test" in text and "good@d50.test" not in text.split("X-Token")[0].split("message/rfc822")[0]
        host.script = {}
        assert host.wait_taken(2)[1].recipients == ("full@d50.test",)
        one.wait_spool_empty()
    trace = one.ctl("trace", queue_id).stdout
    for word in ("failed to=<gone@d50.test>", "deferred to=<full@d50.test>", "sent to=<good@d50.test>", "sent to=<full@d50.test>", "accepted"):
        assert word in trace, trace


def test_one_message_to_several_destinations_and_home(make_instance, internet):
    one = make_instance(config=CONFIG)
    with internet.host(51) as first, internet.host(52) as second:
        submit(one, "many", "x@d51.test", "bob@example.test", "x@d52.test", "y@d51.test", "z@nosuch.test")
        assert first.wait_taken(1)[0].recipients == ("x@d51.test", "y@d51.test")
        assert second.wait_taken(1)[0].recipients == ("x@d52.test",)
        assert token_of(one.wait_mailbox("bob", 1)[0]) == "many"
        assert "z@nosuch.test" in bounce_of(one)
        one.wait_spool_empty()


def test_many_recipients(make_instance, internet):
    """More than one transaction takes: each gets it once."""
    one = make_instance(config={**CONFIG, "Maximum Recipients": "3000"})
    names = [f"u{i}@d53.test" for i in range(2300)]
    with internet.host(53, script={"RCPT": lambda talk: "250 ok" if len(talk.recipients) < 100 else "452 4.5.3 too many"}) as host:
        queue_id = submit(one, "crowd", *names)
        host.wait(lambda: len({r for taken in host.taken for r in taken.recipients}) == len(names))
        one.wait_spool_empty()
        assert sorted(r for taken in host.taken for r in taken.recipients) == sorted(names)
        wait_until(lambda: one.log("deliver").count(f"{queue_id} sent ") == len(names), one.path("log", "deliver.log"))


# ---- forwards ----

def test_forward_to_elsewhere(make_instance, internet):
    one = make_instance(config=CONFIG)
    one.ctl("forward", "set", "bob", "bob", "bob@d54.test")
    one.ctl("alias", "set", "team", "ann", "team@d55.test")
    one.ctl("reload")
    with internet.host(54) as away, internet.host(55) as team:
        one.send(text_message("forwarded"), "bob@example.test", sender="s@far.test")
        one.send(text_message("expanded"), "team@example.test", sender="s@far.test")
        assert away.wait_taken(1)[0][:2] == ("s@far.test", ("bob@d54.test",))
        assert team.wait_taken(1)[0][:2] == ("s@far.test", ("team@d55.test",))
        assert len(one.wait_mailbox("bob", 1)) == len(one.wait_mailbox("ann", 1)) == 1
        one.wait_spool_empty()


def test_forwards_in_a_circle_end(make_instance, internet):
    """Two hosts that forward to each other: the number of Received lines ends it."""
    one = make_instance(config={**CONFIG, "Maximum Received Hops": "10"})
    one.ctl("forward", "set", "bob", "bob@d56.test")
    one.ctl("reload")
    with internet.host(56) as host:
        submit(one, "circle", "bob@example.test")
        for rounds in range(1, 12):
            host.wait_taken(rounds)
            with one.smtp() as smtp:
                smtp.envelope("bob@example.test", sender="ann@example.test")
                reply = smtp.data(host.messages[-1])
            if reply.code != 250:
                break
        assert (reply.code, reply.text.split()[0]) == (554, "5.4.6"), reply
        assert rounds == 11
        one.wait_spool_empty()


# ---- bounces ----

def test_a_bounce_of_a_bounce(make_instance, internet):
    """Nobody to tell: it ends in failures/ with a text that says why."""
    one = make_instance(config={**CONFIG, "Local Domains": "away.test"})
    one.ctl("forward", "set", "bob", "bob@d57.test")
    one.ctl("reload")
    with internet.host(57, script={"RCPT": "550 5.7.1 not here"}):
        one.send(text_message("twice"), "bob@example.test", sender="")
        wait_until(lambda: glob.glob(one.path("failures", "*.txt")), one.path("failures"))
        one.wait_spool_empty()
        path, = glob.glob(one.path("failures", "*.txt"))
        with open(path) as f:
            text = f.read()
        assert "550 5.7.1 not here" in text and "bob@d57.test" in text
        one.send(text_message("once"), "bob@example.test", sender="gone@nosuch.test")
        wait_until(lambda: len(glob.glob(one.path("failures", "*.txt"))) == 2, one.path("failures"))
        one.wait_spool_empty()


def test_bounce_goes_to_another_host(make_instance, internet):
    one = make_instance(config=CONFIG)
    one.ctl("forward", "set", "bob", "bob@d57.test")
    one.ctl("reload")
    with internet.host(57, script={"RCPT": "550 5.7.1 not here"}), internet.host(58) as home:
        one.send(text_message("back"), "bob@example.test", sender="s@d58.test")
        taken, = home.wait_taken(1)
        assert taken.sender == "" and taken.recipients == ("s@d58.test",) and b"550 5.7.1 not here" in taken.message
        one.wait_spool_empty()
