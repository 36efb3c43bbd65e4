"""Postfix, Exim and OpenSMTPD as next hops and as senders, through TLS; and killed among many messages."""
import random
import re
import smtplib
import threading

import pytest

import relay
from clients import text_message
from events import wait_until
from peers import Exim, OpenSmtpd, Postfix, unpacked
from relay import bounce_of, sent, submit, token_of

PEERS = [(Postfix, 110), (Exim, 120), (OpenSmtpd, 130)]
IDS = [peer.__name__ for peer, _ in PEERS]


@pytest.fixture(scope="module", autouse=True)
def packages():
    """Fetched while there is a network."""
    for peer, _ in PEERS:
        unpacked(peer.package)


@pytest.mark.parametrize("peer, n", PEERS, ids=IDS)
def test_as_next_hop(make_instance, internet, peer, n):
    """It may start after the mail came: that is deferred then. What it refuses comes back."""
    one = make_instance(config={**relay.CONFIG, "Trusted Roots": internet.path("ca.crt")})
    if peer.tls_works:
        one.ctl("config", "set", f"[tls policy] d{n}.test", f"verify h{n}.test")
        one.ctl("reload")
    with peer(internet, n) as host:
        big = text_message("big", size=500000) + b".\r\n..\r\n.dots\r\n" + "Grüße\r\n".encode()
        queue_id = submit(one, "hello", f"good@d{n}.test")
        submit(one, "big", f"big@d{n}.test", message=big, options=" BODY=8BITMIME")
        mails = host.wait_mail(2)
        assert {token_of(mail) for mail in mails} == {"hello", "big"}
        whole = next(mail for mail in mails if token_of(mail) == "big").replace(b"\r\n", b"\n")
        assert whole.endswith(big.replace(b"\r\n", b"\n")) or whole.rstrip(b"\n").endswith(big.replace(b"\r\n", b"\n").rstrip(b"\n"))
        line = sent(one, queue_id)
        assert line["host"] == f"h{n}.test"
        assert not peer.tls_works or line["tls"].startswith("TLSv1.") and line["verified"] == "name"
        submit(one, "nobody", f"nobody@d{n}.test")
        text = bounce_of(one)
        assert f"nobody@d{n}.test" in text and "Action: failed" in text
        one.wait_spool_empty()


@pytest.mark.parametrize("peer, n", PEERS, ids=IDS)
def test_as_sender(make_instance, internet, peer, n):
    """It gets mail from the test and sends it on to us, through STARTTLS."""
    one = make_instance(config=relay.CONFIG)
    port = one.port("SMTP")
    with peer(internet, n + 1, smart=("127.0.0.1", port)) as host:
        # It is there when a message that we send it has come.
        submit(one, "ready", f"good@d{n + 1}.test")
        host.wait_mail(1)
        with smtplib.SMTP(host.address, 25) as client:
            client.sendmail("s@d111.test", ["ann@example.test", "bob@example.test"], text_message("hello"))
        message, = one.wait_mailbox("ann", 1)
        one.wait_mailbox("bob", 1)
        assert token_of(message) == "hello" and b"with ESMTPS" in message.split(b"Received:", 2)[1], message[:400]


# ---- it is killed, or we are ----

def feed(one, to, ids, count):
    """Hands in more messages: ids gets their tokens and queue ids."""
    with one.smtp() as smtp:
        for i in range(len(ids), len(ids) + count):
            reply = smtp.deliver(text_message(f"t{i}"), to, sender="ann@example.test")
            ids[f"t{i}"] = re.search(r"queued as (\w+)", reply.text).group(1)
        smtp.quit()


def sent_lines(one):
    return one.log("deliver").count(" sent to=")


def wait_sent(one, count):
    wait_until(lambda: sent_lines(one) >= count, one.path("log", "deliver.log"))


def admitted(one, queue_id):
    """How many lines say that the host has a message, or may have it."""
    return (len(re.findall(rf"{queue_id} (?:sent to=|deferred to=.*\(it may have taken the message\)|router has gone)", one.log("deliver")))
            + len(re.findall(rf"{queue_id} deferred to=.* the conversation was broken off here", one.log("router"))))


def settle_accounts(one, host, ids):
    one.wait_spool_empty()
    host.wait_idle()
    copies = host.copies()
    assert set(copies) == set(ids)
    print(f"{sum(copies.values()) - len(ids)} of {len(ids)} were sent twice")
    known = {token: admitted(one, queue_id) for token, queue_id in ids.items()}
    assert {token: (copies[token], known[token]) for token in ids if copies[token] > known[token]} == {}


@pytest.mark.parametrize("peer, n", PEERS, ids=IDS)
def test_a_next_hop_that_is_killed(make_instance, internet, peer, n):
    """All comes; twice comes only what it may have taken when it died, as the log says."""
    one = make_instance(config={**relay.CONFIG, "Trusted Roots": internet.path("ca.crt")})
    ids, draw, hits = {}, random.Random(n), 0
    with peer(internet, n + 2, start=False) as host:
        while hits < 3:
            before = sent_lines(one)
            feed(one, f"good@{host.domain}", ids, 30)       # these wait for it
            host.start()
            wait_sent(one, before + 1)
            feeding = threading.Thread(target=feed, args=(one, f"good@{host.domain}", ids, 40))
            feeding.start()
            wait_sent(one, before + draw.randrange(2, 60))
            host.kill()
            hits += bool(one.spool())                       # not if it was too fast
            feeding.join()
        host.start()
        settle_accounts(one, host, ids)


def test_we_are_killed_before_a_next_hop(make_instance, internet):
    """All comes; twice comes only what was under way, as a line of the log says of each."""
    one = make_instance(config=relay.CONFIG)
    ids, draw = {}, random.Random(1)
    programs = ["deliver", "router", "queue"] * 2
    draw.shuffle(programs)
    with Postfix(internet, 113, start=False) as host:
        feed(one, f"good@{host.domain}", ids, 200)
        host.start()
        for i, program in enumerate(programs):
            wait_sent(one, 1 + 30 * i)
            one.kill(program, choose=lambda pids: draw.sample(pids, min(1, len(pids))))
        settle_accounts(one, host, ids)
