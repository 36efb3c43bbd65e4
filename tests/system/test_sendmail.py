"""sendmail, mailq and newaliases, as programs of this machine call them."""
import os
import pwd
import re
import socket
import subprocess
import threading

import pytest

from sambar import BUILD, Instance, split_trace

ME = pwd.getpwuid(os.geteuid()).pw_name
SENDMAIL = os.path.join(BUILD, "sendmail")


@pytest.fixture(scope="module")
def one():
    instance = Instance(users=("ann", "bob", "cyd"))
    yield instance
    instance.end()


@pytest.fixture
def sendmail(one):
    def run(*words, text=b"", name=None, **env):
        return subprocess.run([name or SENDMAIL, *words], input=text, capture_output=True,
                              env={"PATH": os.environ["PATH"], "SAMBAR_DIR": one.root, **env})
    return run


@pytest.fixture
def arrives(one):
    """The message that comes next, without what we put in front."""
    have = {user: len(one.messages(user)) for user in ("ann", "bob", "cyd")}

    def get(user):
        have[user] += 1
        return split_trace(one.wait_mailbox(user, have[user])[-1])[1]
    return get


def ok(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return done


def test_a_message(sendmail, arrives):
    ok(sendmail("ann@example.test", text=b"Subject: hello\n\nline 1\n.line 2\n"))
    message = arrives("ann")
    assert message.startswith(b"Subject: hello\r\n")
    assert message.endswith(b"\r\n\r\nline 1\r\n.line 2\r\n")
    assert re.search(rb"\r\nFrom: .*<%s@[^>]+>\r\n" % ME.encode(), message)
    assert message.count(b"\r\nDate: ") == 1 and message.count(b"\r\nMessage-ID: <") == 1


def test_name_without_domain(sendmail, arrives):
    ok(sendmail("ann", "bob", text=b"Subject: both\n\n"))
    assert b"Subject: both" in arrives("ann")
    assert b"Subject: both" in arrives("bob")


def test_recipients_of_the_header(sendmail, arrives):
    text = (b"From: X <x@far.test>\nTo: \"A, n\" <ann@example.test>,\n bob@example.test\n"
            b"Bcc: cyd@example.test\nSubject: three\nBcc:\n ann@example.test\n\nbody\n")
    ok(sendmail("-t", "-oi", text=text))
    for user in ("ann", "bob", "cyd"):
        message = arrives(user)
        assert b"cyd" not in message and b"Bcc" not in message
        assert message.startswith(b"From: X <x@far.test>\r\nTo: \"A, n\" <ann@example.test>,\r\n bob@example.test\r\n")


@pytest.mark.parametrize("field", [
    b'To: "Doe, A. (not a comment)" <ann@example.test>', b"To: ann@example.test (the <bob@example.test> of, commas)", b"To: friends: ann@example.test, Cyd <cyd@example.test>;",
    b"To: undisclosed-recipients:;\nBcc: ann@example.test", b"To: Undisclosed recipients:;\nCc: (none)\nBcc: ann", b"To: ann\nCc:\nBcc:", b"To: \"ann\"@example.test",
    b"To: =?utf-8?Q?A=2C_n?= <ann@example.test>", b"To: A <ann@example.test>,\n\t,\n  ,", b"TO :ann@EXAMPLE.test", b"Bcc: A\n <ann@example.test>", b"To: <ann@example.test>",
    b"To: ann@example.test; cyd@example.test", b"To: ann@example.test cyd@example.test", b"To: <@relay.test:ann@example.test>"], ids=range(15))
def test_addresses_of_the_header(one, sendmail, arrives, field):
    cyd = len(one.messages("cyd"))
    ok(sendmail("-t", "-i", text=field + b"\nSubject: who\n\nx\n"))
    message = arrives("ann")
    assert b"Subject: who" in message and b"Bcc" not in message
    one.wait_settled()
    assert len(one.messages("cyd")) - cyd == (b"cyd@" in field)


def test_unfit_addresses_of_the_header(one, sendmail):
    have = len(one.messages("ann"))
    for field in (b"To: ann@example.test, bob@@example.test", b"To: ann@example.test, bob <bob@example.test", b"To: ann@example.test;bob@@x", b"To: <ann@example.test@x>",
                  b"To: Ann Smith, ann@example.test", b"To: undisclosed-recipients:;", b"To: (nobody)", b"To:", b"Cc: no one in particular at all", b"X: y"):
        done = sendmail("-t", text=field + b"\nSubject: s\n\n")
        assert done.returncode in (65, 67) and done.stderr.startswith(b"sendmail: "), field
    assert len(one.messages("ann")) == have


def test_resent_copies_are_blind(sendmail, arrives):
    ok(sendmail("-t", text=b"Resent-From: x@y.test\nResent-To: ann@example.test\nResent-Bcc: bob@example.test,\n nobody-else <bob@example.test>\nTo: cyd@example.test\n\nagain\n"))
    for user in ("ann", "bob"):
        message = arrives(user)
        assert b"bob" not in message and b"Resent-Bcc" not in message and b"To: cyd@example.test\r\n" in message


@pytest.mark.parametrize("words", [
    ("-oi", "-t"), ("-t", "-oi"), ("-it",), ("-ti",), ("-i", "-t", "-odb"), ("-oem", "-oi", "-t"), ("-om", "-oi", "-t", "-oep"), ("-O", "IgnoreDots=True", "-t"), ("-OIgnoreDots", "-t"),
    ("-B", "8BITMIME", "-it"), ("-B8BITMIME", "-it"), ("-B7BIT", "-it"), ("-bm", "-it"), ("-N", "delay,failure", "-it"), ("-Nnever", "-it"), ("-Rhdrs", "-it"), ("-R", "full", "-it"),
    ("-Vid", "-it"), ("-h5", "-it"), ("-n", "-U", "-it"), ("-X", "/nonexistent/x", "-it"), ("-C", "/nonexistent/x", "-it"), ("-L", "tag", "-it"), ("-G", "-it"), ("-A", "m", "-it"),
    ("-d0.1", "-it"), ("-oQ/nonexistent", "-it"), ("-Fname", "-it"), ("-f", "ann@example.test", "-it"), ("-rann", "-it"), ("-it", "--"), ("-x", "-it"), ("-p", "smtp", "-it")],
    ids=" ".join)
def test_options_of_other_sendmails(sendmail, arrives, words):
    ok(sendmail(*words, text=b"To: ann@example.test\nSubject: options\n\n.\nend\n"))
    assert arrives("ann").endswith(b"\r\n\r\n.\r\nend\r\n")


def test_unknown_options(sendmail):
    for words in (("-Z",), ("-k",), ("--help",), ("-N",), ("-f",), ("-bX", "ann"), ("-R", "some", "ann"), ("-V", "", "ann"), ("-N", "never,delay", "ann")):
        assert sendmail(*words, text=b"Subject: s\n\n").returncode == 64, words


def test_missing_fields_are_added_once(sendmail, arrives):
    ok(sendmail("ann", text=b"Subject: bare\n\nx\n"))
    message = arrives("ann").split(b"\r\n\r\n")[0]
    assert [len(re.findall(rb"(?mi)^%s:" % name, message)) for name in (b"From", b"Date", b"Message-ID")] == [1, 1, 1]
    ok(sendmail("ann", text=b"from: A <a@y.test>\nDATE: Thu, 26 Nov 2026 10:00:00 +0000\nmessage-id: <1@y.test>\n\nx\n"))
    message = arrives("ann").split(b"\r\n\r\n")[0]
    assert [len(re.findall(rb"(?mi)^%s:" % name, message)) for name in (b"From", b"Date", b"Message-ID")] == [1, 1, 1]
    assert b"from: A <a@y.test>\r\n" in message and b"message-id: <1@y.test>" in message


def test_resent(sendmail, arrives):
    ok(sendmail("-t", text=b"To: ann@example.test\nResent-To: bob@example.test\nResent-From: x@y.test\n\nagain\n"))
    assert b"again" in arrives("bob")
    ok(sendmail("ann", text=b"Subject: last\n\n"))
    assert b"Subject: last" in arrives("ann")


def test_header_stays_without_t(sendmail, arrives):
    ok(sendmail("ann", text=b"Bcc: bob@example.test\nSubject: s\n\n"))
    assert b"Bcc: bob@example.test\r\n" in arrives("ann")


def test_dots(sendmail, arrives):
    text = b"Subject: dots\n\none\n.\ntwo\n..\n"
    ok(sendmail("ann", text=text))
    assert arrives("ann").endswith(b"\r\n\r\none\r\n")
    ok(sendmail("-i", "ann", text=text))
    assert arrives("ann").endswith(b"\r\n\r\none\r\n.\r\ntwo\r\n..\r\n")
    ok(sendmail("-oi", "ann", text=b".\n.\nSubject: no header\n"))
    assert arrives("ann").endswith(b"\r\n\r\n.\r\n.\r\nSubject: no header\r\n")
    ok(sendmail("ann", text=b"Subject: s\n.\nnothing of this\n"))
    assert arrives("ann").endswith(b"\r\n\r\n")


def test_odd_text(sendmail, arrives):
    """What programs write is made fit, not refused."""
    ok(sendmail("ann", text=b"Subject: odd\r\n\r\n10%\r20%\r\nnul\0nul\n" + b"x" * 5000 + b"\nend without LF"))
    body = arrives("ann").split(b"\r\n\r\n", 1)[1]
    assert body.startswith(b"10%\r\n20%\r\nnul?nul\r\n")
    assert body.endswith(b"\r\nend without LF\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 998
    assert body.count(b"x") == 5000
    ok(sendmail("ann", text="Subject: é\n\n".encode() + "ü".encode() * 2000 + b"\n"))
    body = arrives("ann").split(b"\r\n\r\n", 1)[1]
    for line in body.split(b"\r\n"):
        line.decode()
    ok(sendmail("ann", text=b"just text, no header\nmore\n"))
    assert arrives("ann").endswith(b"\r\n\r\njust text, no header\r\nmore\r\n")
    ok(sendmail("ann", text=b"From ann Thu Nov 26 09:00:00 2026\nSubject: of a mailbox\n\nx\n"))
    assert arrives("ann").startswith(b"Subject: of a mailbox\r\n")
    ok(sendmail("ann", text=b""))
    assert b"From: " in arrives("ann")
    ok(sendmail("ann", text=b"Subject: " + b"word " * 1000 + b"\n\nx\n"))
    message = arrives("ann")
    assert max(map(len, message.split(b"\r\n"))) <= 998 and message.endswith(b"\r\n\r\nx\r\n")


def test_sender(one, sendmail, arrives):
    ok(sendmail("-f", "boss@example.test", "-F", 'The "Boss"', "ann", text=b"Subject: s\n\n"))
    message = arrives("ann")
    assert rb'From: "The \"Boss\"" <boss@example.test>' in message
    assert one.messages("ann")[-1].startswith(b"Return-Path: <boss@example.test>")
    ok(sendmail("-f", "<>", "ann", text=b"From: x@y.test\n\n"))
    arrives("ann")
    assert one.messages("ann")[-1].startswith(b"Return-Path: <>")
    ok(sendmail("-f", "", "-odi", "-oem", "-O", "DeliveryMode=b", "-G", "--", "ann", text=b"From: x@y.test\n\n"))
    arrives("ann")
    assert one.messages("ann")[-1].startswith(b"Return-Path: <>")
    assert sendmail("-f", "a@b.test c@d.test", "ann", text=b"\n").returncode in (64, 65)


def test_refusals(one, sendmail):
    have = len(one.messages("ann"))
    done = sendmail("ann", "nobody", text=b"Subject: s\n\n")
    assert done.returncode == 67 and b"nobody@" in done.stderr and b"550 5.1.1" in done.stderr
    assert sendmail(text=b"\n").returncode == 64
    assert sendmail("-t", text=b"Subject: s\n\n").returncode == 65
    assert sendmail("-bz", "ann").returncode == 64
    assert sendmail("-bd").returncode == 64
    assert sendmail("-N", "sometimes", "ann").returncode == 64
    assert sendmail("a@b@c", text=b"\n").returncode == 65
    assert sendmail("ann", text=b"X: " + b"y" * 1100000 + b"\n\n").returncode == 65
    assert len(one.messages("ann")) == have


def test_system_is_down(tmp_path):
    done = subprocess.run([SENDMAIL, "ann"], input=b"Subject: s\n\n", capture_output=True,
                          env={"SAMBAR_DIR": str(tmp_path)})
    assert done.returncode == 75 and b"does not run" in done.stderr


def test_broken_off_input_is_not_sent(one):
    """Whose program is killed while it writes has sent nothing? It has: an end is an end, as ever."""
    read_end, write_end = os.pipe()
    child = subprocess.Popen([SENDMAIL, "ann"], stdin=read_end, stderr=subprocess.PIPE,
                             env={"SAMBAR_DIR": one.root})
    os.close(read_end)
    os.write(write_end, b"Subject: s\n\nhalf")
    child.kill()
    child.communicate()
    os.close(write_end)
    one.wait_settled()
    assert not any(b"half" in message for message in one.messages("ann"))


def test_dsn(one, sendmail, arrives):
    ok(sendmail("-f", "bob@example.test", "-N", "success", "-R", "hdrs", "-V", "id+1 =x", "ann", text=b"Subject: told\n\nbody\n"))
    arrives("ann")
    report = arrives("bob")
    assert b"multipart/report" in report and b"Original-Envelope-Id: id+1 =x" in report
    assert b"Subject: told" in report and b"\r\nbody\r\n" not in report


def test_verify(sendmail):
    done = sendmail("-bv", "ann", "nobody@example.test")
    assert done.returncode == 67
    assert re.search(rb"^ann@\S+\.\.\. deliverable: 250", done.stdout, re.M)
    assert re.search(rb"^nobody@example.test\.\.\. not deliverable: 550", done.stdout, re.M)


def test_smtp(one, sendmail, arrives):
    done = ok(sendmail("-bs", text=b"EHLO localhost\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"
                                   b"Subject: by SMTP\r\n\r\nhello\r\n.\r\nQUIT\r\n"))
    assert done.stdout.startswith(b"220 ") and b"\r\n221 " in done.stdout
    assert arrives("ann").startswith(b"Subject: by SMTP\r\n")


def test_verbose(sendmail, arrives):
    done = sendmail("-v", "ann", text=b"Subject: s\n\n")
    assert b">>> MAIL FROM:<" in done.stdout and b"250 " in done.stdout
    arrives("ann")


def test_other_names(one, sendmail, tmp_path):
    for name in ("mailq", "newaliases"):
        os.symlink(SENDMAIL, tmp_path / name)
    one.wait_spool_empty()
    assert ok(sendmail(name=str(tmp_path / "mailq"))).stdout == one.ctl("queue", "list").stdout.encode()
    one.ctl("config", "set", "[aliases] shop", "ann")
    assert sendmail(name=str(tmp_path / "newaliases")).returncode == 0
    assert b"deliverable: " in ok(sendmail("-bv", "shop")).stdout


@pytest.mark.parametrize("first, connections", [("421 4.3.0 The service restarts; come back", 2), ("421 4.3.2 Too many connections", 1)])
def test_it_comes_back_only_to_one_that_restarts(sendmail, tmp_path, first, connections):
    """The second connection is refused for another reason, and not begun anew either."""
    (tmp_path / "run").mkdir()
    replies = [first, "421 4.3.2 Too many connections", "421 4.3.2 Too many connections"]
    came = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "run" / "submit.sock"))
        door.listen(10)

        def serve():
            while True:
                sock, _ = door.accept()
                with sock:
                    if len(came) >= len(replies):
                        return
                    sock.sendall(replies[len(came)].encode() + b"\r\n")
                    came.append(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = sendmail("ann@example.test", text=b"Subject: x\n\n", SAMBAR_DIR=str(tmp_path))
        assert done.returncode == os.EX_TEMPFAIL and b"Too many connections" in done.stderr
        assert len(came) == connections
        replies.clear()
        with socket.socket(socket.AF_UNIX) as last:     # ends the thread
            last.connect(str(tmp_path / "run" / "submit.sock"))
        thread.join()
