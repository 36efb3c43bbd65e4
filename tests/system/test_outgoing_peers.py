"""Postfix, Exim and OpenSMTPD as next hops and as senders, through TLS."""
import smtplib

import pytest

import relay
from clients import text_message
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
