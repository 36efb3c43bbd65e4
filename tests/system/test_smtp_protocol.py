"""SMTP on a raw connection: order, paths, parameters, limits, the end of data (RFC 5321 and extensions)."""
import itertools

import pytest

from clients import Closed, Smtp, enhanced, stuffed, text_message
from sambar import split_trace

USERS = ("ann", "bob", "limit", "ledger")
MAX_SIZE = 65536
CONFIG = {"Maximum Message Size": "64K", "Maximum Recipients": "150", "Maximum Received Hops": "5",
          "SMTP Workers": "2"}


@pytest.fixture
def smtp(instance):
    with instance.smtp() as client:
        yield client


def collect(instance, user):
    """All that a user got until now; the mailbox is emptied for the next test."""
    import os
    instance.wait_spool_empty()
    messages = instance.messages(user)
    for path in instance.mailbox(user):
        os.unlink(path)
    return messages


# ---- greeting and order ----

def test_banner_and_extensions(instance):
    with instance.smtp(hello=None) as smtp:
        assert smtp.banner.code == 220 and smtp.banner.lines[0].startswith("220 example.test ")
        assert "ESMTP" in smtp.banner.lines[0]
        extensions = smtp.ehlo()
        for name in ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING", "STARTTLS"):
            assert name in extensions, name
        assert extensions["SIZE"] == [str(MAX_SIZE)]
        smtp.quit()


def test_helo_has_no_extensions(instance):
    with instance.smtp(hello=None) as smtp:
        reply = smtp.cmd("HELO client.test")
        assert reply.code == 250 and len(reply.lines) == 1
        assert smtp.deliver(text_message("helo"), "ann@example.test").code == 250
        smtp.quit()
    message, = collect(instance, "ann")
    assert b" with SMTP " in split_trace(message)[0]


@pytest.mark.parametrize("command, codes", [
    ("EHLO", {501}),
    ("EHLO a b", {250, 501}),
    ("EHLO [127.0.0.1]", {250}),
    ("EHLO [IPv6:::1]", {250}),
    ("HELO", {501}),
    ("NOOP", {250}),
    ("NOOP with words", {250}),
    ("noop", {250}),
    ("RSET", {250}),
    ("RSET now", {501}),
    ("VRFY ann", {252}),
    ("EXPN all", {502, 550, 252}),
    ("HELP", {214}),
    ("TURN", {500, 502}),
    ("", {500}),
    (" NOOP", {500}),
    ("MAILFROM:<a@client.test>", {500, 501}),
    ("MAIL", {501}),
    ("MAIL FROM", {501}),
    ("MAIL TO:<a@client.test>", {501}),
    ("MAIL FROM:a@client.test", {501, 553}),
    ("RCPT TO:<ann@example.test>", {503}),
    ("DATA", {503}),
    ("BDAT 0 LAST", {503}),
    ("STARTTLS now", {501}),
])
def test_replies_between_transactions(smtp, command, codes):
    assert smtp.cmd(command).code in codes
    assert smtp.cmd("NOOP").code == 250


def test_a_browser_is_hung_up_on(smtp):
    smtp.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\nMAIL FROM:<a@client.test>\r\n")
    assert smtp.reply().code == 554
    assert smtp.at_end()


def test_order_is_enforced(instance):
    with instance.smtp(hello=None) as smtp:
        assert smtp.cmd("MAIL FROM:<a@client.test>").code == 503
        smtp.ehlo()
        assert smtp.cmd("MAIL FROM:<a@client.test>").code == 250
        reply = smtp.cmd("MAIL FROM:<b@client.test>")
        assert reply.code == 503 and enhanced(reply) == "5.5.1"
        assert smtp.cmd("DATA").code in (503, 554)
        assert smtp.cmd("RCPT TO:<ann@example.test>").code == 250
        smtp.ehlo()         # resets, as RSET does (RFC 5321 4.1.4)
        assert smtp.cmd("RCPT TO:<ann@example.test>").code == 503
        smtp.envelope("ann@example.test")
        assert smtp.cmd("RSET").code == 250
        assert smtp.cmd("DATA").code == 503
        smtp.quit()


def test_null_reverse_path(instance, smtp):
    assert smtp.deliver(text_message("bounce"), "ann@example.test", sender="").code == 250
    message, = collect(instance, "ann")
    assert message.startswith(b"Return-Path: <>\r\n")


# ---- paths ----

LONG_DOMAIN = ".".join(["d" * 63, "d" * 63, "d" * 63, "d" * 61, "x"])[:255]


@pytest.mark.parametrize("path, accepted", [
    ("<a@client.test>", True),
    ("<a.b+c@client.test>", True),
    ('<"a b"@client.test>', True),
    ('<"a\\"b"@client.test>', True),
    ("<@relay.test,@other.test:a@client.test>", True),
    ("<a@[192.0.2.1]>", True),
    ("<a@[IPv6:2001:db8::1]>", True),
    (f"<{'l' * 64}@client.test>", True),
    (f"<{'l' * 65}@client.test>", False),
    (f"<a@{'d' * 63}.test>", True),
    (f"<a@{'.'.join(['d' * 62] * 4)}>", True),                      # 251 bytes
    (f"<a@{'.'.join(['d' * 63] * 3)}.{'d' * 60}>", True),           # 252; the path is 256
    (f"<a@{'.'.join(['d' * 63] * 3)}.{'d' * 61}>", False),          # the path is 257
    (f"<a@{'.'.join(['d' * 63] * 4)}.d>", False),                   # the domain is 257
    ("<a\\>", False),
    ("<a@>", False),
    ("<@client.test>", False),
    ("<a b@client.test>", False),
    ("<a@client.test", False),
    ("a@client.test>", False),
    ("<a@client..test>", False),
    ("<a@-client.test>", False),
    ("<.a@client.test>", False),
    ("<a@b@client.test>", False),
    ("<a@[300.1.1.1]>", False),
    ("<a@[nonsense]>", False),
    ("<<a@client.test>>", False),
    ("<a@client.test>garbage", False),
    ("<a@cli\0ent.test>", False),
    ("<a\0@client.test>", False),
    ("<a\r@client.test>", False),
    ("<a\xff@client.test>", False),
    ("<\xe4@client.test>", False),
])
def test_reverse_paths(smtp, path, accepted):
    reply = smtp.cmd(b"MAIL FROM:" + path.encode("latin-1") + b"\r\n")
    if accepted:
        assert reply.code == 250, reply
    else:
        assert reply.code in (501, 553, 500), reply
        assert enhanced(reply).startswith("5.")
    assert smtp.cmd("NOOP").code == 250


@pytest.mark.parametrize("path, accepted", [
    ("<ann@example.test>", True),
    ("<ANN@EXAMPLE.TEST>", True),
    ('<"ann"@example.test>', True),
    ("<@relay.test:ann@example.test>", True),
    ("<ann+tag@example.test>", True),
    ("<nobody@example.test>", False),
    ("<>", False),
    ('<""@example.test>', False),
    ("<ann%client.test@example.test>", False),
    ("<client.test!ann@example.test>", False),
    ('<"|prog"@example.test>', False),
    ("<|prog@example.test>", False),
    ("</etc/passwd@example.test>", False),
    ('<"/etc/passwd"@example.test>', False),
    ("<../../x@example.test>", False),
    ('<"../bob"@example.test>', False),
    ("<.@example.test>", False),
    ("<ann/new@example.test>", False),
    ("<ann@example.test.>", None),
    ("<a\\>", False),
    ("<null@example.test>", None),
])
def test_recipient_paths(smtp, path, accepted):
    assert smtp.cmd("MAIL FROM:<s@client.test>").code == 250
    reply = smtp.cmd(f"RCPT TO:{path}")
    if accepted is True:
        assert reply.code == 250, reply
    elif accepted is False:
        assert 500 <= reply.code < 600, reply
    assert smtp.cmd("NOOP").code == 250


def test_unknown_user_is_refused_at_rcpt(smtp):
    smtp.envelope("ann@example.test")
    reply = smtp.cmd("RCPT TO:<nobody@example.test>")
    assert (reply.code, enhanced(reply)) == (550, "5.1.1")


def test_tags_cannot_leave_the_mailbox(instance, smtp):
    smtp.cmd("MAIL FROM:<s@client.test>")
    replies = [smtp.cmd(f"RCPT TO:<{path}>").code
               for path in ("ann+../../x@example.test", '"ann+../bob"@example.test', "ann+/tmp/x@example.test")]
    if 250 in replies:
        assert smtp.data(text_message("tag")).code == 250
    assert len(collect(instance, "ann")) == (1 if 250 in replies else 0)
    assert collect(instance, "bob") == []


# ---- parameters ----

@pytest.mark.parametrize("parameters, codes", [
    ("", {250}),
    (" SIZE=1000", {250}),
    (f" SIZE={MAX_SIZE - 1}", {250}),
    (f" SIZE={MAX_SIZE}", {250}),
    (f" SIZE={MAX_SIZE + 1}", {552}),
    (" SIZE=18446744073709551616", {501, 552}),
    (" SIZE=99999999999999999999", {501, 552}),
    (" SIZE=999999999999999999999999999", {501, 552}),
    (" SIZE=-1", {501}),
    (" SIZE=", {501}),
    (" SIZE=1 SIZE=2", {501}),
    (" SIZE=1x", {501}),
    (" BODY=8BITMIME", {250}),
    (" BODY=7BIT", {250}),
    (" BODY=BINARYMIME", {501, 504, 555}),
    (" BODY=nonsense", {501, 504}),
    (" SMTPUTF8", {250}),
    (" SMTPUTF8=1", {501}),
    (" RET=FULL ENVID=abc", {250}),
    (" RET=HDRS", {250}),
    (" ret=hdrs envid=a+2Bb", {250}),
    (" RET=SOME", {501}),
    (" RET=FULL RET=FULL", {501}),
    (" ENVID=a+2", {501}),
    (" ENVID=a+zz", {501}),
    (" ENVID=" + "e" * 100, {250}),
    (" ENVID=" + "e" * 101, {501}),
    (" AUTH=<>", {250}),
    (" NOSUCH=1", {555, 501}),
    (" SIZE=1000  BODY=8BITMIME", {250, 501}),
    (" =", {501, 555}),
])
def test_mail_parameters(smtp, parameters, codes):
    assert smtp.cmd(f"MAIL FROM:<s@client.test>{parameters}").code in codes
    assert smtp.cmd("NOOP").code == 250


@pytest.mark.parametrize("parameters, codes", [
    (" NOTIFY=NEVER", {250}),
    (" NOTIFY=SUCCESS,FAILURE,DELAY", {250}),
    (" notify=failure", {250}),
    (" NOTIFY=NEVER,SUCCESS", {501}),
    (" NOTIFY=", {501}),
    (" NOTIFY=SOMETIMES", {501}),
    (" NOTIFY=SUCCESS NOTIFY=FAILURE", {501}),
    (" ORCPT=rfc822;ann+40example.test", {250}),
    (" ORCPT=rfc822", {501}),
    (" ORCPT=rfc822;a+4", {501}),
    (" ORCPT=rfc822;" + "o" * 500, {501}),
    (" SIZE=1", {555, 501}),
    (" NOSUCH", {555, 501}),
])
def test_rcpt_parameters(smtp, parameters, codes):
    smtp.envelope()
    assert smtp.cmd(f"RCPT TO:<ann@example.test>{parameters}").code in codes
    assert smtp.cmd("NOOP").code == 250


def test_dsn_parameters_are_kept(instance):
    with instance.smtp() as smtp:
        assert smtp.cmd("MAIL FROM:<s@client.test> RET=HDRS ENVID=QQ314159").code == 250
        assert smtp.cmd("RCPT TO:<ann@example.test> NOTIFY=NEVER ORCPT=rfc822;x+2By@client.test").code == 250
        assert smtp.data(text_message("dsn")).code == 250
        smtp.quit()
    assert len(collect(instance, "ann")) == 1


@pytest.mark.parametrize("declared, path, codes", [
    (True, "jos\u00e9@client.test", {250}),
    (True, "a@b\u00fccher.test", {250}),
    (True, b"a\xff\xfe@client.test", {501, 553}),
    (True, b"a\xc0\xaf@client.test", {501, 553}),
    (False, "jos\u00e9@client.test", {501, 550, 553}),
])
def test_smtputf8(smtp, declared, path, codes):
    raw = path if isinstance(path, bytes) else path.encode()
    assert smtp.cmd(b"MAIL FROM:<" + raw + b">" + (b" SMTPUTF8" if declared else b"") + b"\r\n").code in codes
    assert smtp.cmd("NOOP").code == 250


def test_smtputf8_message_arrives(instance):
    message = "Subject: gr\u00fc\u00dfe\r\n\r\n\u4f60\u597d\r\n".encode()
    with instance.smtp() as smtp:
        assert smtp.deliver(message, "ann@example.test", sender="jos\u00e9@client.test", options=" SMTPUTF8").code == 250
        smtp.quit()
    got, = collect(instance, "ann")
    trace, body = split_trace(got)
    assert body.endswith(message[message.index(b"\r\n\r\n"):])
    assert "Return-Path: <jos\u00e9@client.test>".encode() in trace and b"with UTF8SMTP" in trace


# ---- the message ----

@pytest.mark.parametrize("body", [
    b"", b".", b"..", b".a", b"..a", b"a.", b"...\r\n.\r\n..", b"\r\n\r\n\r\n", b"\xff\x80\xfe 8-bit", b"\t tabs \t",
    b"From me", b"x" * 998, b"line\r\n" * 3000])
def test_content_arrives_as_it_was_sent(instance, smtp, body):
    message = b"Subject: content\r\nFrom: <s@client.test>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\n" + body + b"\r\n"
    assert smtp.deliver(message, "ann@example.test").code == 250
    got, = collect(instance, "ann")
    trace, rest = split_trace(got)
    assert rest == message
    assert b"from client.test" in trace and b"127.0.0.1" in trace and b"by example.test" in trace


def test_message_of_nothing(instance, smtp):
    smtp.envelope("ann@example.test")
    assert smtp.data(b"").code in (250, 550, 554)
    collect(instance, "ann")


def test_size_limit(instance, smtp):
    """Exactly Maximum Message Size is accepted, one byte more is not (RFC 1870 counts CRLF but no stuffing)."""
    head = b"Subject: limit\r\n\r\n"

    def of_size(n):
        message = head + (b"l" * 98 + b"\r\n") * ((n - len(head)) // 100)
        return message[:-2] + b"x" * (n - len(message)) + b"\r\n"

    for size, code in ((MAX_SIZE - 1, 250), (MAX_SIZE, 250), (MAX_SIZE + 1, 552), (MAX_SIZE * 3, 552)):
        message = of_size(size)
        assert len(message) == size
        reply = smtp.deliver(message, "limit@example.test")
        assert reply.code == code, (size, reply)
        if code == 552:
            assert enhanced(reply) == "5.3.4"
            assert smtp.cmd("RCPT TO:<limit@example.test>").code == 503
    assert len(collect(instance, "limit")) == 2


def test_size_may_lie(instance, smtp):
    for size in (1, 60000):
        assert smtp.deliver(text_message("lie", 5000), "ann@example.test", options=f" SIZE={size}").code == 250
    assert len(collect(instance, "ann")) == 2


@pytest.mark.parametrize("length, accepted", [(998, True), (999, True), (8190, True), (8191, False), (9000, False)])
def test_text_line_limit(instance, smtp, length, accepted):
    reply = smtp.deliver(b"Subject: line\r\n\r\n" + b"t" * length + b"\r\n", "ann@example.test")
    assert (reply.code == 250) == accepted, reply
    assert reply.code == 250 or 500 <= reply.code < 600
    assert smtp.cmd("RCPT TO:<ann@example.test>").code == 503
    assert len(collect(instance, "ann")) == accepted


def test_endless_line_is_read_over(instance):
    memory = max(p["memory_kb"] for p in instance.status()["programs"] if p["name"] == "smtpd")
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        for _ in range(100):
            smtp.send(b"e" * (1 << 20))
        smtp.send(b"\r\n.\r\n")
        assert 500 <= smtp.reply().code < 600
        assert smtp.cmd("NOOP").code == 250
        smtp.quit()
    after = max(p["memory_kb"] for p in instance.status()["programs"] if p["name"] == "smtpd")
    assert after < memory + 40000
    assert collect(instance, "ann") == []


def test_received_hops(instance, smtp):
    def message(hops):
        return b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * hops + b"Subject: hops\r\n\r\nReceived: no\r\n"

    assert smtp.deliver(message(4), "ann@example.test").code == 250
    reply = smtp.deliver(message(6), "ann@example.test")
    assert reply.code == 554 and enhanced(reply) == "5.4.6"
    assert smtp.cmd("RCPT TO:<ann@example.test>").code == 503
    assert len(collect(instance, "ann")) == 1


# ---- limits of commands ----

def test_command_line_limits(smtp):
    for length, ok in ((510, True), (511, False), (5000, False), (200000, False)):
        reply = smtp.cmd("NOOP " + "n" * (length - 5))
        assert (reply.code == 250) == ok, (length, reply)
        assert ok or reply.code == 500
    assert smtp.cmd("NOOP").code == 250


def test_recipient_limit(instance):
    with instance.smtp() as smtp:
        smtp.envelope()
        codes = [smtp.cmd(f"RCPT TO:<ann+{i}@example.test>") for i in range(160)]
        assert [c.code for c in codes[:150]] == [250] * 150
        assert {c.code for c in codes[150:]} == {452} and enhanced(codes[150]) == "4.5.3"
        assert smtp.data(text_message("many")).code == 250
        smtp.quit()
    assert 1 <= len(collect(instance, "ann")) <= 150


def test_flood_of_recipients(instance):
    """50,000 RCPTs in one go: an answer to each that was read, or an end with 421."""
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        import threading
        flood = threading.Thread(target=send_or_give_up, args=(smtp, b"RCPT TO:<bob@example.test>\r\n" * 50000 + b"QUIT\r\n"))
        flood.start()
        lines = smtp.end()
        smtp.close()
        flood.join()
    assert {line[:3] for line in lines} <= {"250", "452", "421", "221"}, lines[-1]
    assert lines[-1][:3] in ("421", "221")


def send_or_give_up(client, data):
    try:
        client.send(data)
    except OSError:
        pass


def test_too_many_errors_end_the_connection(instance):
    with instance.smtp() as smtp:
        smtp.send("NONSENSE\r\n" * 50)
        lines = smtp.end()
    assert [line[:3] for line in lines[:19]] == ["500"] * 19
    assert lines[-1].startswith("421 4.7.0")
    assert len(lines) <= 22


# ---- pipelining ----

def test_whole_transaction_in_one_packet(instance):
    message = stuffed(text_message("pipelined", 3000))
    with instance.smtp(hello=None) as smtp:
        smtp.send(b"EHLO client.test\r\nMAIL FROM:<s@client.test>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<no@example.test>\r\n"
                  b"RCPT TO:<bob@example.test>\r\nDATA\r\n" + message + b".\r\n"
                  b"MAIL FROM:<t@client.test>\r\nRSET\r\nNOOP\r\nQUIT\r\nNOOP\r\n")
        codes = [smtp.reply().code for _ in range(11)]
        assert codes == [250, 250, 250, 550, 250, 354, 250, 250, 250, 250, 221]
        assert smtp.at_end()
    assert len(collect(instance, "ann")) == 1 and len(collect(instance, "bob")) == 1


def test_commands_before_the_banner_stay_in_step(instance):
    import socket
    sock = socket.create_connection(("127.0.0.1", instance.port("SMTP")))
    sock.sendall(b"EHLO client.test\r\nNOOP\r\nQUIT\r\n")
    data = b""
    while more := sock.recv(4096):
        data += more
    codes = [line[:3] for line in data.decode().split("\r\n") if line[3:4] == " "]
    assert codes in (["220", "250", "250", "221"], ["554"], ["421"])
    sock.close()


def test_bytewise(instance):
    with instance.smtp(hello=None) as smtp:
        smtp.send_bytewise(b"EHLO client.test\r\nMAIL FROM:<s@client.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"
                           + stuffed(text_message("bytewise")) + b".\r\nQUIT\r\n")
        assert [smtp.reply().code for _ in range(6)] == [250, 250, 250, 354, 250, 221]
    assert len(collect(instance, "ann")) == 1


def test_many_transactions_on_one_connection(instance, smtp):
    for i in range(300):
        assert smtp.deliver(text_message(f"m{i}"), "ledger@example.test").code == 250
    messages = collect(instance, "ledger")
    assert sorted(split_trace(m)[1] for m in messages) == sorted(text_message(f"m{i}") for i in range(300))


# ---- the end of data and its look-alikes ----

LOOKALIKES = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
              b"\n.\r", b"\r.\n", b"\r\r\n.\r\r\n", b"\n\r\n.\n", b"\r\n.\n\r\n", b"\r\n \r\n.\n", b"\r\0\n.\r\0\n",
              b"\n\n.\n\n", b"\r\n..\n", b"\0\r\n.\n"]
SMUGGLED = b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"


def smuggle(instance, content, cut=None, bytewise=False):
    """Sends content, which has one true end at its end, then QUIT. Returns the code of the message."""
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        if bytewise:
            smtp.send_bytewise(content)
            smtp.send(b"QUIT\r\n")
        elif cut is not None:
            smtp.send(content[:cut])
            smtp.send(content[cut:] + b"QUIT\r\n")
        else:
            smtp.send(content + b"QUIT\r\n")
        lines = smtp.end()
    assert len(lines) == 2 and lines[1].startswith("221"), lines
    code = int(lines[0][:3])
    assert code == 250 or 500 <= code < 600, lines
    return code


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=repr)
def test_lookalikes_never_make_two_messages(instance, lookalike):
    accepted = 0
    for head in (b"Subject: outer\r\n\r\nfirst", b"Subject: outer\r\n\r\n", b""):
        content = head + lookalike + SMUGGLED
        accepted += smuggle(instance, content) == 250
        accepted += smuggle(instance, content, bytewise=True) == 250
        start = max(0, len(head) - 2)
        for cut in range(start, len(head) + len(lookalike) + 3):
            accepted += smuggle(instance, content, cut=cut) == 250
        accepted += smuggle(instance, content, cut=len(content) - 3) == 250
    assert len(collect(instance, "ann")) == accepted
    assert collect(instance, "bob") == []


def test_true_end_split_at_every_offset(instance):
    content = b"Subject: split\r\n\r\n..stuffed\r\n.\r\n"
    for cut in range(len(content) + 1):
        assert smuggle(instance, content, cut=cut) == 250
    messages = collect(instance, "ann")
    assert len(messages) == len(content) + 1
    assert all(split_trace(m)[1].endswith(b"\r\n\r\n.stuffed\r\n") for m in messages)


@pytest.mark.parametrize("byte", [b"\r", b"\n", b"\0"], ids=repr)
def test_bare_bytes_are_refused(smtp, byte):
    reply = smtp.deliver(b"Subject: bare\r\n\r\na" + byte + b"b\r\n", "ann@example.test")
    assert 500 <= reply.code < 600
    assert smtp.cmd("RCPT TO:<ann@example.test>").code == 503


# ---- BDAT (RFC 3030) ----

def bdat(smtp, chunk, last=False):
    return smtp.cmd(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode() + chunk)


def test_bdat_chunks_make_one_message(instance, smtp):
    message = text_message("chunks", 20000)
    for size in (1, 7, 4096, len(message)):
        smtp.envelope("ann@example.test")
        part = message if size > 1 else message[:300]
        pieces = [part[i:i + size] for i in range(0, len(part), size)]
        for piece in pieces[:-1]:
            assert bdat(smtp, piece).code == 250
        reply = bdat(smtp, pieces[-1], last=True)
        assert reply.code == 250
        body = split_trace(collect(instance, "ann")[0])[1]
        assert body in (part, part + b"\r\n")


def test_bdat_does_not_touch_dots(instance, smtp):
    message = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n"
    smtp.envelope("ann@example.test")
    assert bdat(smtp, message, last=True).code == 250
    got, = collect(instance, "ann")
    assert split_trace(got)[1].endswith(b"\r\n\r\n.\r\n..\r\n.a\r\n")


def test_bdat_pipelined(instance, smtp):
    message = text_message("bdat-pipelined", 2000)
    smtp.send(b"MAIL FROM:<s@client.test>\r\nRCPT TO:<ann@example.test>\r\n" +
              b"BDAT 100\r\n" + message[:100] + f"BDAT {len(message) - 100} LAST\r\n".encode() + message[100:] + b"NOOP\r\n")
    assert [smtp.reply().code for _ in range(5)] == [250, 250, 250, 250, 250]
    got, = collect(instance, "ann")
    assert split_trace(got)[1] == message


def test_bdat_zero_last_ends_a_message(instance, smtp):
    smtp.envelope("ann@example.test")
    message = text_message("zero-last")
    assert bdat(smtp, message).code == 250
    assert bdat(smtp, b"", last=True).code == 250
    got, = collect(instance, "ann")
    assert split_trace(got)[1] == message


@pytest.mark.parametrize("before, command, chunk, codes", [
    ("", "BDAT 12", b"NOOP\r\nNOOP\r\n", {503}),                            # no MAIL: swallowed all the same
    ("MAIL", "BDAT 12 LAST", b"NOOP\r\nNOOP\r\n", {503, 554}),             # no recipient
    ("REFUSED", "BDAT 12 LAST", b"NOOP\r\nNOOP\r\n", {503, 554}),
    ("MAIL", "BDAT 0", b"", {503, 554}),
    ("RCPT", "BDAT 65537", b"x" * 65537, {552}),
    ("RCPT", "BDAT 65537 LAST", b"x" * 65537, {552}),
    ("RCPT", "BDAT 3 LAST", b"a\nb", {250, 550, 554}),
])
def test_bdat_refused_chunks_are_swallowed(instance, smtp, before, command, chunk, codes):
    if before:
        smtp.envelope(*(("ann@example.test",) if before == "RCPT" else ()))
    if before == "REFUSED":
        assert smtp.cmd("RCPT TO:<no@example.test>").code == 550
    smtp.send(command.encode() + b"\r\n" + chunk + b"VRFY ann\r\n")
    assert smtp.reply().code in codes
    assert smtp.reply().code == 252
    collect(instance, "ann")


@pytest.mark.parametrize("argument", ["", "-1", "x", "1 LAS", "18446744073709551616", "99999999999999999999999", "1 LAST 2", "0x10"])
def test_bdat_sizes_that_are_none(instance, argument):
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert 500 <= smtp.cmd(f"BDAT {argument}").code < 600
    assert collect(instance, "ann") == []


def test_bdat_and_data_do_not_mix(instance, smtp):
    smtp.envelope("ann@example.test")
    assert bdat(smtp, b"Subject: a\r\n").code == 250
    assert smtp.cmd("DATA").code == 503
    assert smtp.cmd("RCPT TO:<bob@example.test>").code == 503
    assert smtp.cmd("RSET").code == 250
    assert smtp.deliver(text_message("after-mix"), "ann@example.test").code == 250
    got, = collect(instance, "ann")
    assert b"after-mix" in got


def test_bdat_rset_between_chunks(instance, smtp):
    for _ in range(3):
        smtp.envelope("ann@example.test")
        assert bdat(smtp, b"Subject: half\r\n").code == 250
        assert smtp.cmd("RSET").code == 250
    assert smtp.cmd("BDAT 0 LAST").code == 503
    assert collect(instance, "ann") == []


def test_data_after_a_refused_bdat(instance, smtp):
    smtp.envelope("ann@example.test")
    assert bdat(smtp, b"x" * (MAX_SIZE + 1)).code == 552
    assert smtp.cmd("DATA").code == 503
    assert smtp.cmd("RSET").code == 250
    assert smtp.deliver(text_message("again"), "ann@example.test").code == 250
    assert len(collect(instance, "ann")) == 1


def test_bdat_cut_short_leaves_nothing(instance):
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        smtp.send(b"BDAT 1000 LAST\r\nSubject: cut\r\n")
        smtp.abort()
    with instance.smtp() as smtp:
        smtp.quit()
    assert collect(instance, "ann") == []


def test_flood_of_tiny_chunks(instance, smtp):
    smtp.envelope("ann@example.test")
    message = (b"x" * 60 + b"\r\n") * 300
    import threading
    chunks = b"".join(b"BDAT 1\r\n" + message[i:i + 1] for i in range(len(message))) + b"BDAT 0 LAST\r\n"
    flood = threading.Thread(target=send_or_give_up, args=(smtp, chunks))
    flood.start()
    codes = [smtp.reply().code for _ in range(len(message) + 1)]
    flood.join()
    assert set(codes) == {250}
    got, = collect(instance, "ann")
    assert split_trace(got)[1] == message


# ---- endings ----

@pytest.mark.parametrize("sent", [b"", b"EHLO c.test\r\n", b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\n",
                                  b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\n",
                                  b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n",
                                  b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: x\r\n",
                                  b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nx\r\n."])
def test_hang_up_in_each_phase_leaves_nothing(instance, sent):
    for how in ("abort", "close"):
        client = Smtp(instance.port("SMTP"), hello=None)
        client.send(sent)
        getattr(client, how)()
    with instance.smtp() as smtp:
        smtp.quit()
    assert collect(instance, "ann") == []


def test_two_messages_at_once_do_not_mix(instance):
    """Two transactions, a piece of each in turn."""
    one, two = (Smtp(instance.port("SMTP")) for _ in range(2))
    for client, user in ((one, "ann"), (two, "bob")):
        client.envelope(f"{user}@example.test")
        assert client.cmd("DATA").code == 354
    parts = [stuffed(text_message(f"mixed-{n}", 5000)) for n in "ab"]
    for i in range(0, len(parts[0]), 100):
        for client, part in ((one, parts[0]), (two, parts[1])):
            client.send(part[i:i + 100])
    for client in (one, two):
        client.send(b".\r\n")
        assert client.reply().code == 250
        client.quit()
    for user, name in (("ann", "a"), ("bob", "b")):
        got, = collect(instance, user)
        assert split_trace(got)[1] == text_message(f"mixed-{name}", 5000)


def test_half_close_still_gets_the_answer(instance):
    import socket
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        smtp.send(stuffed(text_message("half-close")) + b".\r\n")
        smtp.sock.shutdown(socket.SHUT_WR)
        assert smtp.reply().code == 250
        try:
            smtp.line()
        except Closed:
            pass
    assert len(collect(instance, "ann")) == 1


def test_all_pairs_of_verbs_get_one_answer_each(instance):
    """No order of commands puts the answers out of step."""
    verbs = ["EHLO c.test", "HELO c.test", "MAIL FROM:<s@c.test>", "RCPT TO:<ann@example.test>", "RSET", "NOOP", "VRFY x",
             "BDAT 0", "AUTH PLAIN =", "STARTTLS x", "XX"]
    for pair in itertools.product(verbs, repeat=2):
        with instance.smtp() as smtp:
            smtp.send("".join(verb + "\r\n" for verb in pair) + "QUIT\r\n")
            replies = [smtp.reply() for _ in range(3)]
            assert replies[2].code == 221 and smtp.at_end(), (pair, replies)
