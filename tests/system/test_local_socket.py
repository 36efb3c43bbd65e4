"""submit.sock, by which programs of this machine hand in mail: who they are, and what is marked."""
import os
import pwd
import re
import socket
import stat
import subprocess
import sys

import pytest

from clients import Smtp, enhanced, is_root, text_message
from sambar import Instance, split_trace

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def one():
    instance = Instance(users=("ann", "bob"))
    yield instance
    instance.end()


class Local(Smtp):
    """A client on the UNIX socket, as the caller."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.rest = b""
        self.banner = self.reply()
        self.extensions = self.ehlo("localhost")


@pytest.fixture
def local(one):
    with Local(one.path("run", "submit.sock")) as client:
        yield client


def as_user(uid, one, sender, recipient="ann@example.test"):
    """Hands in a message as another account; the reply to its end."""
    script = """
import os, socket, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2]); f = s.makefile("rw", newline="")
def cmd(text):
    if text: f.write(text + "\\r\\n"); f.flush()
    while True:
        line = f.readline()
        if line[3:4] != "-": return line
cmd(""); cmd("EHLO localhost"); cmd(f"MAIL FROM:<{sys.argv[3]}>"); cmd(f"RCPT TO:<{sys.argv[4]}>"); cmd("DATA")
print(cmd("Subject: from another\\r\\n\\r\\nhello\\r\\n."))
"""
    return subprocess.run([sys.executable, "-c", script, str(uid), one.path("run", "submit.sock"), sender, recipient],
                          capture_output=True, text=True, check=True).stdout


def test_it_is_gone_after_a_stop():
    instance = Instance(users=())
    path = instance.path("run", "submit.sock")
    assert os.path.exists(path)
    instance.stop()
    assert not os.path.exists(path)
    instance.end()


def test_everybody_may_connect(one):
    mode = os.stat(one.path("run", "submit.sock")).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o666
    assert os.stat(one.path("run")).st_mode & 0o001


def test_mail_is_taken_and_names_its_user(one, local):
    one.wait_mailbox("ann", 0)
    assert local.deliver(text_message("local-1"), "ann@example.test", sender=f"{ME}@example.test").code == 250
    trace, _ = split_trace(one.wait_mailbox("ann", 1)[0])
    assert b"(userid-%d)" % os.geteuid() in trace
    one.wait_log("smtpd", rf"client=userid-{os.geteuid()}\b")


def test_missing_fields_are_added(one, local):
    have = len(one.messages("bob"))
    assert local.deliver(b"Subject: bare\r\n\r\nhello\r\n", "bob@example.test", sender="").code == 250
    message = one.wait_mailbox("bob", have + 1)[-1]
    assert re.search(rb"^Date: ", message, re.M) and re.search(rb"^Message-ID: <", message, re.M)


def test_programs_may_send_to_everybody(local):
    assert local.cmd("MAIL FROM:<nobody@nowhere.test>").code == 250
    assert local.cmd("RCPT TO:<x@elsewhere.test>").code == 250
    assert enhanced(local.cmd("RCPT TO:<unknown@example.test>")) == "5.1.1"


def test_no_tls_there(local):
    assert "STARTTLS" not in local.ehlo("localhost")
    assert local.cmd("STARTTLS").code >= 500


@pytest.mark.skipif(not is_root(), reason="this machine cannot: only root can be another user")
def test_mail_under_another_name_is_marked(one):
    have = len(one.messages("ann"))
    assert as_user(1, one, "daemon@example.test").startswith("250")
    own = one.wait_mailbox("ann", have + 1)[-1]
    assert b"X-Authentication-Warning" not in own and b"(userid-1)" in own
    assert as_user(1, one, "boss@example.test").startswith("250")
    marked = one.wait_mailbox("ann", have + 2)[-1]
    assert b"X-Authentication-Warning: " in marked and b"daemon set sender to\r\n\t<boss@example.test>" in marked
    assert as_user(54321, one, "daemon@example.test").startswith("250")
    assert b"userid 54321 set sender to" in one.wait_mailbox("ann", have + 3)[-1]
    one.configure("Trusted Users", "bin daemon")
    one.ctl("reload")
    assert as_user(1, one, "boss@example.test").startswith("250")
    assert b"X-Authentication-Warning" not in one.wait_mailbox("ann", have + 4)[-1]


@pytest.mark.skipif(not is_root(), reason="this machine cannot: only root can be another user")
def test_one_user_leaves_room_for_others(one):
    one.configure("Maximum SMTP Connections Per Address", "3")
    one.ctl("reload")
    path = one.path("run", "submit.sock")
    clients = []
    try:
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            clients.append(sock)
            if sock.recv(1000).startswith(b"421 4.7.0"):
                break
            assert len(clients) < 100
        assert as_user(1, one, "daemon@example.test").startswith("250")
    finally:
        for sock in clients:
            sock.close()
        one.configure("Maximum SMTP Connections Per Address", "50")
        one.ctl("reload")
