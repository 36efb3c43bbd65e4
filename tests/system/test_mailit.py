"""mailit, as scripts call it: what it makes of its arguments, and what it says of servers that do not take it."""
import email
import email.policy
import os
import socket
import subprocess

import pytest

from authority import Authority, context
from sambar import BUILD, split_trace
from sink import Sink

USERS = ("ann",)
MAILIT = os.path.join(BUILD, "mailit")


def mailit(*words, text=b"", **options):
    return subprocess.run([MAILIT, *words], input=text, capture_output=True, **options)


def ok(done):
    assert (done.returncode, done.stderr) == (0, b""), done
    return done


@pytest.fixture(scope="module")
def sink():
    with Sink() as one:
        yield one


@pytest.fixture
def sent(sink):
    """Runs mailit with that server: the message, parsed, and as it came."""
    def run(*words, text=b""):
        count = len(sink.taken) + 1
        ok(mailit(f"127.0.0.1:{sink.port}", *words, text=text))
        taken = sink.wait_taken(count)[-1]
        assert taken.message.isascii() and b"\n" not in taken.message.replace(b"\r\n", b"") and b"\r" not in taken.message.replace(b"\r\n", b"")
        assert max(map(len, taken.message.split(b"\r\n"))) <= 998
        return email.message_from_bytes(taken.message, policy=email.policy.default), taken
    return run


def lines(part):
    """A part's text, with LF."""
    return part.get_content().replace("\r\n", "\n")


def write(path, data):
    path.write_bytes(data)
    return str(path)


# ---- the message ----

def test_header(sent):
    message, taken = sent("Änne <ann@a.test>", "Bo \"B\" <bob@b.test>, \"c d\"@c.test", "Grüße: " + "ein langes Wort nach dem anderen " * 8 + "€")
    assert taken.sender == "ann@a.test" and taken.recipients == ("bob@b.test", '"c d"@c.test')
    assert message["From"].addresses[0].display_name == "Änne"
    assert [a.addr_spec for a in message["To"].addresses] == ["bob@b.test", '"c d"@c.test']
    assert message["Subject"] == "Grüße: " + "ein langes Wort nach dem anderen " * 8 + "€"
    assert message["Date"].datetime and message["Message-ID"].endswith("@a.test>") and message["MIME-Version"] == "1.0"
    assert max(map(len, taken.message.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    assert message["Message-ID"] != sent("ann@a.test", "bob@b.test", "")[0]["Message-ID"]


def test_no_field_comes_in_by_the_subject(sent):
    message, taken = sent("a@a.test", "b@b.test", "x\r\nBcc: evil@e.test\n\nbody\x01\xff")
    assert message["Bcc"] is None and taken.recipients == ("b@b.test",)
    assert message["Subject"].startswith("x  Bcc: evil@e.test") and message.get_content().strip() == ""
    message, _ = sent("a@a.test", "b@b.test", b"not UTF-8: \xe9\xff")
    assert message["Subject"].startswith("not UTF-8: ")


@pytest.mark.parametrize("given, right", [
    (b"", ""), (b"one", "one\n"), (b"one\ntwo\r\nthree\rfour\r\n", "one\ntwo\nthree\nfour\n"), (b".\n..\n.x\n", ".\n..\n.x\n"), (b"\r\n.\r\n\r\r\r\n", "\n.\n\n\n\n"),
    (b"nul\0nul\n", "nul?nul\n"), ("Grüße\n".encode(), "Grüße\n"), (b"caf\xe9\n", "café\n"), (b"From me\n", "From me\n"), (b"x" * 5000 + b"\ny \n", "x" * 5000 + "\ny \n"),
    (("ü" * 700 + "\n.\n").encode(), "ü" * 700 + "\n.\n"), (b"\n.\nQUIT\n", "\n.\nQUIT\n")], ids=range(12))
def test_body(sent, tmp_path, given, right):
    for words, text in ((("-",), given), ((write(tmp_path / "body", given),), b"")):
        message, _ = sent("a@a.test", "b@b.test", "s", *words, text=text)
        assert message.get_content_type() == "text/plain"
        assert lines(message) == right


@pytest.mark.parametrize("name, data, kind", [
    ("report.pdf", b"%PDF-1.4\n" + bytes(range(256)) * 40, "application/pdf"), ("Übung \"a\";b=c.bin", b"\xf5\0\xe1data" * 30000, "application/octet-stream"),
    ("leer", b"", "application/octet-stream"), ("notes.txt", "Grüße\r\nzwei\n".encode(), "text/plain"), ("mail.eml", b"From: a@b.test\nSubject: s\n\nx\n", None),
    ("n" * 180 + ".zip", b"PK\3\4" + b"\0" * 30, None)])
def test_attachment(sent, tmp_path, name, data, kind):
    message, taken = sent("a@a.test", "b@b.test", "s", write(tmp_path / "body", b"see there\n"), write(tmp_path / name, data))
    text, file = message.iter_parts()
    assert message.get_content_type() == "multipart/mixed" and lines(text) == "see there\n"
    assert file.get_filename() == name and file.get_content_disposition() == "attachment" and file["Content-Transfer-Encoding"] == "base64"
    assert file.get_payload(decode=True) == data
    assert file.get_content_maintype() not in ("message", "multipart") and kind in (None, file.get_content_type())
    assert max(map(len, taken.message.split(b"\r\n"))) <= 500


def test_attachment_without_a_text(sent, tmp_path):
    message, _ = sent("a@a.test", "b@b.test", "s", "", write(tmp_path / "a b", b"\0data"))
    text, file = message.iter_parts()
    assert text.get_content().strip() == "" and file.get_payload(decode=True) == b"\0data"


# ---- our own server ----

def test_to_smtpd(instance, tmp_path):
    server = f"localhost:{instance.port('SMTP')}"
    ok(mailit(server, "x@far.test", "ann@example.test", "by mailit", write(tmp_path / "body", b"hello\n.\n"), write(tmp_path / "a.bin", b"\xff\n" * 70000)))
    message = email.message_from_bytes(split_trace(instance.wait_mailbox("ann", 1)[0])[1], policy=email.policy.default)
    text, file = message.iter_parts()
    assert message["Subject"] == "by mailit" and lines(text) == "hello\n.\n" and file.get_payload(decode=True) == b"\xff\n" * 70000
    assert " tls=TLSv1.3" in instance.log("smtpd")
    done = mailit(server, "x@far.test", "nobody@example.test", "s")
    assert done.returncode == 69 and b"nobody@example.test: 550 5.1.1" in done.stderr
    done = mailit(server, "x@far.test", "y@far.test", "s")
    assert done.returncode == 69 and b"y@far.test: 55" in done.stderr
    done = mailit("-v", server, "x@far.test", "ann@example.test", "s")
    assert done.returncode == 0 and b"> MAIL FROM:<x@far.test>" in done.stdout and b"< 250 " in done.stdout


def test_tls(instance, tmp_path):
    """TLS is used where it is offered, whoever issued the certificate."""
    base = Authority(str(tmp_path / "ca")).certificate("self")
    with Sink(tls=context(base)) as one:
        ok(mailit(f"127.0.0.1:{one.port}", "a@a.test", "b@b.test", "s"))
        assert one.wait_taken(1)[0].tls


# ---- what goes wrong ----

@pytest.mark.parametrize("script, code, says", [
    ({"greeting": "554 5.7.1 go away"}, 75, "554 5.7.1 go away"), ({"greeting": "421 4.3.2 busy"}, 75, "421 4.3.2 busy"), ({"greeting": None}, 75, "closed"),
    ({"greeting": b"SSH-2.0-x\r\n"}, 75, "SSH-2.0-x"), ({"greeting": b"220 " + b"x" * 100000}, 75, "451 "), ({"greeting": b"220-x\r\n" * 500}, 75, "451 "),
    ({"MAIL": "550 5.7.1 not\x1b[31m you"}, 69, "550 5.7.1 not?[31m you"), ({"RCPT": "550 5.1.1 nobody"}, 69, "b@b.test: 550 5.1.1 nobody"),
    ({"RCPT": "450 4.2.1 later"}, 75, "b@b.test: 450 4.2.1 later"), ({"RCPT": None}, 75, "b@b.test: "), ({"DATA": "554 5.3.4 no"}, 69, "554 5.3.4 no"),
    ({"end": "552 5.3.4 too\x07big"}, 69, "552 5.3.4 too?big"), ({"end": "452 4.3.1 full"}, 75, "452 4.3.1 full"), ({"end": None}, 75, "b@b.test: "),
    ({"RCPT": b"250 ok\r\n250 ok\r\n250 ok\r\n"}, 75, "b@b.test: ")], ids=range(15))
def test_what_servers_say(script, code, says):
    with Sink(script=script) as one:
        done = mailit(f"127.0.0.1:{one.port}", "a@a.test", "b@b.test", "s")
        assert done.returncode == code and says in done.stderr.decode() and done.stderr.startswith(b"mailit: "), done
        assert len(done.stderr) < 2000 and one.taken == []


def test_each_recipient(sent, tmp_path):
    def judge(talk):
        return "550 5.1.1 nobody" if "nobody" in talk.line else ...
    with Sink(script={"RCPT": judge}) as one:
        done = mailit(f"127.0.0.1:{one.port}", "a@a.test", "b@b.test, nobody@b.test", "s")
        assert done.returncode == 69 and done.stderr == b"mailit: nobody@b.test: 550 5.1.1 nobody\n"
        assert one.wait_taken(1)[0].recipients == ("b@b.test",)


def test_no_server():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    done = mailit(f"127.0.0.1:{port}", "a@a.test", "b@b.test", "s")
    assert done.returncode == 75 and b"refused" in done.stderr
    done = mailit("nowhere.invalid", "a@a.test", "b@b.test", "s")
    assert done.returncode in (68, 75) and b"nowhere.invalid: " in done.stderr


def test_arguments(sink, tmp_path):
    server, missing = f"127.0.0.1:{sink.port}", str(tmp_path / "missing")
    before = sink.connections
    for words, code in (((), 64), ((server, "a@a.test", "b@b.test"), 64), ((server, "a@a.test", "b@b.test", "s", "-", "-", "x"), 64), (("-x", server), 64),
                        (("a:b:c", "a@a.test", "b@b.test", "s"), 64), (("x:99999", "a@a.test", "b@b.test", "s"), 64), ((server, "", "b@b.test", "s"), 65),
                        ((server, "a@a.test", "", "s"), 65), ((server, "a@a.test, c@a.test", "b@b.test", "s"), 65), ((server, "a", "b@b.test", "s"), 65),
                        ((server, "a@a.test", "b@b@c", "s"), 65), ((server, "a@a.test", "b@b.test>\r\nRCPT TO:<c@c.test", "s"), 65),
                        ((server, "a@a.test", "b@b.test", "s", missing), 66), ((server, "a@a.test", "b@b.test", "s", str(tmp_path)), 66),
                        ((server, "a@a.test", "b@b.test", "s", "-", missing), 66), ((server, "a@a.test", "b@b.test", "s", "-", str(tmp_path)), 66),
                        ((server, "a@a.test", "b@b.test", "s", "-", "/dev/null"), 66)):
        done = mailit(*words)
        assert done.returncode == code and done.stderr, words
    assert sink.connections == before
