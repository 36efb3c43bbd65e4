"""STARTTLS, SMTPS and AUTH: what is offered where, injection, failures, and real clients."""
import base64
import re
import socket
import ssl
import subprocess

import pytest

from clients import Closed, Smtp, enhanced, text_message, tls_context
from sambar import split_trace

USERS = ("ann", "bob")
CONFIG = {"Maximum Login Delay": "0", "Maximum Login Failures": "3", "TLS Handshake": "1h"}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


PLAIN = b64("\0ann\0ann-secret")


@pytest.fixture
def submission(instance):
    """Past STARTTLS on the submission port."""
    with instance.smtp("Submission") as client:
        client.starttls()
        yield client


# ---- STARTTLS ----

def test_starttls_forgets_what_was_said(instance):
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("STARTTLS").code in (220, 503)
    with instance.smtp() as smtp:
        assert smtp.cmd("STARTTLS").code == 220
        smtp.start_tls()
        assert smtp.cmd("MAIL FROM:<s@client.test>").code == 503        # EHLO again, RFC 3207 4.2
        extensions = smtp.ehlo()
        assert "STARTTLS" not in extensions and "AUTH" in extensions
        assert smtp.cmd("STARTTLS").code in (502, 503, 500)
        assert smtp.deliver(text_message("tls"), "ann@example.test").code == 250
        smtp.quit()
    instance.wait_spool_empty()
    assert b"with ESMTPS" in instance.messages("ann")[-1] and b"TLSv1.3" in split_trace(instance.messages("ann")[-1])[0]


@pytest.mark.parametrize("injected", [b"NOOP\r\n", b"RSET\r\nEHLO evil\r\nMAIL FROM:<evil@client.test>\r\n", b"x"])
def test_starttls_injection_is_not_answered_inside_tls(instance, injected):
    with instance.smtp() as smtp:
        smtp.send(b"STARTTLS\r\n" + injected)
        try:
            reply = smtp.reply()
        except Closed:
            return
        if reply.code != 220:
            assert 400 <= reply.code < 600
            return
        smtp.start_tls()        # as if they had come before; nothing may answer them
        smtp.send("VRFY x\r\n")
        assert smtp.reply().code in (252, 503)


def test_starttls_twice_in_a_packet(instance):
    with instance.smtp() as smtp:
        smtp.send(b"STARTTLS\r\nSTARTTLS\r\n")
        lines = smtp.end() if smtp.reply().code != 220 else []
        assert all(line[:1] in "45" for line in lines)


def test_smtps_is_tls_from_the_start(instance):
    with instance.smtp("SMTPS") as smtp:
        assert "STARTTLS" not in smtp.extensions and "AUTH" in smtp.extensions
        smtp.quit()


@pytest.mark.parametrize("listener", ["SMTPS", "POP3S"])
def test_plain_text_on_a_tls_port(instance, listener):
    with socket.create_connection(("127.0.0.1", instance.port(listener))) as sock:
        sock.sendall(b"EHLO client.test\r\n" * 10)
        data = b""
        try:
            while more := sock.recv(4096):
                data += more
        except ConnectionResetError:
            pass
        assert b"250" not in data and b"+OK" not in data


def test_handshake_on_a_plain_port(instance):
    with socket.create_connection(("127.0.0.1", instance.port("SMTP"))) as sock:
        with pytest.raises(ssl.SSLError):
            tls_context().wrap_socket(sock)
    with instance.smtp() as smtp:
        smtp.quit()


@pytest.mark.parametrize("version, works", [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
@pytest.mark.parametrize("where", [("SMTPS", []), ("Submission", ["-starttls", "smtp"]), ("POP3", ["-starttls", "pop3"])],
                         ids=lambda w: w[0])
def test_tls_versions_with_openssl(instance, where, version, works):
    listener, options = where
    # Seclevel 0 lets the client offer the old versions at all.
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.port(listener)}", "-quiet", "-verify_quiet", version,
         "-cipher", "DEFAULT@SECLEVEL=0", *options], input="QUIT\r\n", capture_output=True, text=True)
    answered = "221" in done.stdout if listener != "POP3" else "+OK" in done.stdout
    assert answered == works, done


def test_no_renegotiation(instance):
    """A client that asks for a new handshake in TLS 1.2 gets none: the command after it is not answered."""
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.port('SMTPS')}", "-tls1_2", "-legacy_renegotiation"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        said = b""
        while b"220 " not in said:
            said += client.stdout.readline()
        client.stdin.write(b"R\nVRFY again\n")
        client.stdin.close()
        said = client.stdout.read()
    assert b"\n252 " not in said


def test_half_open_handshakes_do_not_disturb(instance):
    """Clients that stop in the middle of a handshake, and one that closes."""
    idle = []
    for listener in ("SMTPS", "POP3S"):
        for sent in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff" + b"x" * 100):
            sock = socket.create_connection(("127.0.0.1", instance.port(listener)))
            sock.sendall(sent)
            idle.append(sock)
    with instance.smtp("SMTPS") as smtp:
        smtp.quit()
    for sock in idle:
        sock.close()
    with instance.pop("ann", "POP3S") as pop:
        pop.quit()


# ---- where AUTH is offered ----

def test_auth_offer(instance):
    with instance.smtp("Submission") as smtp:
        smtp.starttls()
        assert set(smtp.extensions["AUTH"][0].split()) == {"PLAIN", "LOGIN"}
    with instance.smtp("Submission") as smtp:      # from loopback in clear, too
        assert "AUTH" in smtp.extensions


def test_auth_in_clear_from_elsewhere(elsewhere, make_instance):
    address = elsewhere
    one = make_instance(users=("ann",), start=False)
    for listener in ("SMTP", "Submission", "POP3"):
        one.configure(listener, f"0.0.0.0:{one.port(listener)}")
    one.start()
    for listener in ("SMTP", "Submission"):
        with Smtp(one.port(listener), host=address) as smtp:
            assert "AUTH" not in smtp.extensions and "STARTTLS" in smtp.extensions
            reply = smtp.cmd(f"AUTH PLAIN {PLAIN}")
            assert reply.code in (502, 503, 538, 530, 504, 500), reply
            smtp.starttls()
            assert "AUTH" in smtp.extensions
            assert smtp.auth_plain("ann", "ann-secret").code == 235
    from clients import Pop
    with Pop(one.port("POP3"), host=address) as pop:
        assert "USER" not in pop.multi("CAPA")
        pop.err("USER ann")


# ---- AUTH ----

@pytest.mark.parametrize("name, password, code", [
    ("ann", "ann-secret", 235),
    ("ANN", "ann-secret", 235),
    ("ann@example.test", "ann-secret", 235),
    ("ann*example.test", "ann-secret", 235),
    ("ann@other.test", "ann-secret", 535),
    ("ann", "wrong", 535),
    ("ann", "ann-secret ", 535),
    ("ann", "", 535),
    ("nobody", "ann-secret", 535),
    ("bob", "ann-secret", 535),
    ("../ann", "ann-secret", 535),
    ("ann:x", "ann-secret", 535),
    ("a" * 300, "x", 535),
    ("ann", "x" * 400, 535),
])
@pytest.mark.parametrize("mechanism", ["plain", "plain-prompt", "login", "login-initial"])
def test_auth(submission, mechanism, name, password, code):
    if mechanism == "plain":
        reply = submission.auth_plain(name, password)
    elif mechanism == "plain-prompt":
        reply = submission.cmd("AUTH PLAIN")
        assert reply.code == 334 and reply.lines[0].rstrip() == "334"
        reply = submission.cmd(b64(f"\0{name}\0{password}"))
    else:
        reply = submission.cmd("AUTH LOGIN" + (" " + b64(name) if "initial" in mechanism else ""))
        if "initial" not in mechanism:
            assert reply.lines[0] == "334 VXNlcm5hbWU6"
            reply = submission.cmd(b64(name))
        assert reply.lines[0] == "334 UGFzc3dvcmQ6"
        reply = submission.cmd(b64(password) or "=")
    if not password and reply.code == 501:
        return
    assert reply.code == code, reply
    assert enhanced(reply) == {235: "2.7.0", 535: "5.7.8"}[code]


@pytest.mark.parametrize("line, codes", [
    ("AUTH", {501}),
    ("AUTH NOSUCH", {504}),
    ("AUTH CRAM-MD5", {504}),
    ("AUTH PLAIN !!!", {501}),
    ("AUTH PLAIN =", {501, 535}),
    ("AUTH PLAIN " + b64("ann"), {501, 535}),
    ("AUTH PLAIN " + b64("\0\0"), {501, 535}),
    ("AUTH PLAIN " + b64("\0ann\0ann-secret\0more"), {501, 535}),
    ("AUTH PLAIN " + b64("\0ann\0ann-\0secret"), {501, 535}),
    ("AUTH PLAIN " + b64("bob\0ann\0ann-secret"), {501, 535}),
    ("AUTH PLAIN " + PLAIN + " x", {501}),
    ("AUTH PLAIN " + PLAIN[:-1], {501}),
    ("AUTH PLAIN " + b64(b"\0\xff\xfe\0\xff"), {501, 535}),
    ("AUTH PLAIN " + "A" * 16000, {500, 501, 535}),
])
def test_auth_nonsense(submission, line, codes):
    assert submission.cmd(line).code in codes
    assert submission.cmd("NOOP").code == 250


@pytest.mark.parametrize("answer, codes", [("*", {501}), ("", {501, 535}), ("!", {501}), ("=", {501, 535}),
                                           ("QUIT", {501, 535}), ("A" * (1 << 20), {500, 501})])
def test_auth_challenge_answers(instance, answer, codes):
    with instance.smtp("Submission") as smtp:
        smtp.starttls()
        assert smtp.cmd("AUTH PLAIN").code == 334
        assert smtp.cmd(answer).code in codes
        assert smtp.cmd("NOOP").code == 250


def test_hang_up_in_the_middle_of_auth(instance):
    for start in ("AUTH PLAIN\r\n", "AUTH LOGIN\r\n" + b64("ann") + "\r\n", f"AUTH PLAIN {PLAIN}\r\n"):
        with instance.smtp("Submission") as smtp:
            smtp.send(start)
            smtp.abort()
    with instance.smtp("Submission") as smtp:
        smtp.starttls()
        assert smtp.auth_plain("ann", "ann-secret").code == 235


def test_auth_only_once_and_not_in_a_transaction(submission):
    assert submission.auth_plain("ann", "ann-secret").code == 235
    assert submission.auth_plain("ann", "ann-secret").code == 503
    submission.envelope("bob@example.test", sender="ann@example.test")
    assert submission.auth_plain("ann", "ann-secret").code == 503
    assert submission.cmd("RSET").code == 250


def test_auth_in_a_transaction_is_refused(instance):
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.auth_plain("ann", "ann-secret").code == 503
        assert smtp.cmd("RCPT TO:<bob@example.test>").code == 250


def test_submission_requires_auth(instance):
    for listener in ("Submission", "SMTPS"):
        with instance.smtp(listener) as smtp:
            if listener == "Submission":
                smtp.starttls()
            reply = smtp.cmd("MAIL FROM:<ann@example.test>")
            if reply.code == 250:
                reply = smtp.cmd("RCPT TO:<x@remote.test>")
            assert reply.code in (530, 550, 554), reply
            assert enhanced(reply) in ("5.7.0", "5.7.1")


def test_failures_end_the_connection(instance):
    with instance.smtp("Submission") as smtp:
        smtp.starttls()
        codes = []
        try:
            for _ in range(10):
                codes.append(smtp.auth_plain("ann", "wrong").code)
        except Closed:
            pass
    assert codes[:2] == [535, 535] and codes[-1] in (421, 535) and len(codes) <= 4


def test_unknown_user_and_wrong_password_look_the_same(instance):
    answers = set()
    for name in ("ann", "nobody"):
        with instance.smtp("Submission") as smtp:
            smtp.starttls()
            answers.add(str(smtp.auth_plain(name, "wrong")))
    assert len(answers) == 1


def test_passwords_are_in_no_log(instance):
    with instance.smtp("Submission") as smtp:
        smtp.starttls()
        smtp.auth_plain("ann", "ann-secret")
        smtp.quit()
    instance.wait_log("auth", r"ann")
    for name in ("auth", "smtpd", "pop3d", "master"):
        text = instance.log(name)
        assert "ann-secret" not in text and PLAIN not in text


def test_authenticated_mail_says_so(instance):
    with instance.smtp("SMTPS") as smtp:
        assert smtp.auth_plain("ann", "ann-secret").code == 235
        before = len(instance.mailbox("bob"))
        assert smtp.deliver(text_message("auth"), "bob@example.test", sender="ann@example.test").code == 250
        smtp.quit()
    instance.wait_spool_empty()
    messages = instance.wait_mailbox("bob", before + 1)
    assert re.search(rb"with ESMTPSA\b", split_trace(messages[-1])[0])


def test_submission_completes_the_header(instance):
    """A message without Date and Message-ID gets them on submission (RFC 6409 8)."""
    with instance.smtp("SMTPS") as smtp:
        assert smtp.auth_plain("ann", "ann-secret").code == 235
        before = len(instance.mailbox("bob"))
        assert smtp.deliver(b"From: <ann@example.test>\r\nSubject: bare\r\n\r\nx\r\n", "bob@example.test",
                            sender="ann@example.test").code == 250
        smtp.quit()
    body = split_trace(instance.wait_mailbox("bob", before + 1)[-1])[1]
    head = body.split(b"\r\n\r\n")[0]
    assert re.search(rb"(?mi)^Date: \w{3}, ", head) and re.search(rb"(?mi)^Message-ID: <[^@>]+@[^@>]+>", head)


# ---- real clients ----

def swaks(instance, listener, *options):
    return subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{instance.port(listener)}", "--from", "ann@example.test", "--to", "bob@example.test",
         "--ehlo", "client.test", "--header", "Subject: swaks", "--body", "by swaks", *options],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("listener, options", [
    ("SMTP", []), ("SMTP", ["--tls"]), ("SMTP", ["--pipeline"]),
    ("Submission", ["--tls", "--auth", "PLAIN"]), ("Submission", ["--tls", "--auth", "LOGIN"]),
    ("SMTPS", ["--tls-on-connect", "--auth", "PLAIN"])], ids=repr)
def test_swaks(instance, listener, options):
    before = len(instance.mailbox("bob"))
    credentials = ["--auth-user", "ann", "--auth-password", "ann-secret"] if "--auth" in options else []
    done = swaks(instance, listener, *options, *credentials)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"by swaks" in instance.wait_mailbox("bob", before + 1)[-1]


def test_swaks_with_a_wrong_password(instance):
    done = swaks(instance, "Submission", "--tls", "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", "wrong")
    assert done.returncode == 28, done.stdout       # no authentication worked


def test_curl_smtps(instance):
    before = len(instance.mailbox("bob"))
    done = subprocess.run(
        ["curl", "-sSk", f"smtps://127.0.0.1:{instance.port('SMTPS')}/client.test", "-u", "ann:ann-secret", "--mail-from",
         "ann@example.test", "--mail-rcpt", "bob@example.test", "--upload-file", "-"],
        input="Subject: curl\r\n\r\n.by curl\r\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert instance.wait_mailbox("bob", before + 1)[-1].endswith(b"\r\n\r\n.by curl\r\n")
