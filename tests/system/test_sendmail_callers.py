"""Programs that hand in mail by a sendmail: each as its users set it up, and what it is told when the system is down."""
import email
import email.policy
import os
import subprocess

import pytest

from sambar import BUILD, Instance, split_trace

SENDMAIL = os.path.join(BUILD, "sendmail")


@pytest.fixture(scope="module")
def one():
    instance = Instance(users=("ann", "bob"))
    yield instance
    instance.end()


@pytest.fixture
def call(one, tmp_path):
    """Runs a program in an empty home."""
    def run(*words, text=b"", check=True, **env):
        return subprocess.run(words, input=text, capture_output=True, check=check, cwd=tmp_path, env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "dumb", "SAMBAR_DIR": one.root, **env})
    return run


@pytest.fixture
def arrives(one):
    """The message that comes next, parsed."""
    have = {user: len(one.messages(user)) for user in ("ann", "bob")}

    def get(user):
        have[user] += 1
        return email.message_from_bytes(split_trace(one.wait_mailbox(user, have[user])[-1])[1], policy=email.policy.default)
    return get


def down(tmp_path):
    return {"SAMBAR_DIR": str(tmp_path / "nothing"), "check": False}


def write(path, text):
    path.write_text(text)
    return str(path)


def test_s_nail(call, arrives, tmp_path):
    attached = write(tmp_path / "a.txt", "attached\n")
    words = ("s-nail", "-n", "-S", f"mta={SENDMAIL}", "-S", "v15-compat")
    call(*words, "-s", "Grüße", "-a", attached, "-b", "bob@example.test", "ann@example.test", text="Hallo\n.\nü\n".encode())
    message = arrives("ann")
    text, file = message.iter_parts()
    assert message["Subject"] == "Grüße" and message["Bcc"] is None and text.get_content().splitlines() == ["Hallo", ".", "ü"] and file.get_filename() == "a.txt"
    assert arrives("bob")["Message-ID"] == message["Message-ID"]
    call(*words, "-r", "boss@example.test", "-s", "from another", "bob@example.test", text=b"x\n")
    assert arrives("bob")["From"] == "boss@example.test"
    assert call(*words, "-S", "sendwait", "-s", "s", "ann@example.test", text=b"x\n", **down(tmp_path)).returncode != 0


def test_mutt(call, arrives, tmp_path):
    attached = write(tmp_path / "b.bin", "attached\n")
    settings = write(tmp_path / "muttrc", f'set sendmail="{SENDMAIL} -oem -oi"\nset use_envelope_from=yes\nset from="boss@example.test"\nset copy=no\n'
                                          f'set dsn_notify="never"\nset dsn_return="hdrs"\nset use_8bitmime=yes\nset charset=utf-8\nset send_charset=utf-8\n')
    call("mutt", "-n", "-F", settings, "-s", "Grüße", "-b", "bob@example.test", "-a", attached, "--", "ann@example.test", text="Hallo\n.\nü\n".encode())
    message = arrives("ann")
    text, file = message.iter_parts()
    assert message["Subject"] == "Grüße" and message["Bcc"] is None and message["From"].addresses[0].addr_spec == "boss@example.test" and file.get_filename() == "b.bin"
    assert text.get_content().splitlines() == ["Hallo", ".", "ü"] and text["Content-Transfer-Encoding"] == "8bit"
    assert arrives("bob")["Message-ID"] == message["Message-ID"]
    call("mutt", "-n", "-F", settings, "-s", "nobody is named", "-b", "ann@example.test", text=b"x\n")
    message = arrives("ann")
    assert message["Subject"] == "nobody is named" and message["Bcc"] is None
    assert call("mutt", "-n", "-F", settings, "-s", "s", "ann@example.test", text=b"x\n", **down(tmp_path)).returncode != 0


def test_php(call, arrives, tmp_path):
    php = ("php", "-n", "-d", f"sendmail_path={SENDMAIL} -t -i", "-r")
    code = ("exit(mail('ann@example.test', 'by PHP', \"line\\n.\\nend\", ['Bcc' => 'Bob <bob@example.test>', 'X-Odd' => 'y'], '-fboss@example.test')"
            " ? 0 : 1);")
    call(*php, code)
    for user in ("ann", "bob"):
        message = arrives(user)
        assert message["Subject"] == "by PHP" and message["Bcc"] is None and message["X-Odd"] == "y" and message.get_content().splitlines() == ["line", ".", "end"]
        assert message["From"].addresses[0].addr_spec == "boss@example.test" and message["Date"] and message["Message-ID"]
    assert call(*php, code, **down(tmp_path)).returncode == 1
    assert call(*php, code.replace("ann@", "nobody@"), check=False).returncode == 1


@pytest.mark.parametrize("option", ["--sendmail-cmd", "--smtp-server"])
def test_git(call, arrives, tmp_path, option):
    patch = write(tmp_path / "0001-x.patch", "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\nFrom: Änne <boss@example.test>\n"
                                             "Date: Thu, 26 Nov 2026 10:00:00 +0000\nSubject: [PATCH] dots\n\nFrom the start\n---\n a | 1 +\n\n.\n")
    words = ("git", "-c", "user.name=B", "-c", "user.email=boss@example.test", "send-email", f"{option}={SENDMAIL}", "--quiet", "--confirm=never",
             "--8bit-encoding=UTF-8", "--suppress-cc=all", "--envelope-sender=auto", "--to=Ann X. <ann@example.test>", "--cc=bob@example.test", patch)
    call(*words)
    message = arrives("ann")
    assert message["Subject"] == "[PATCH] dots" and message["X-Mailer"].startswith("git-send-email") and message.get_content().splitlines()[-1] == "."
    assert arrives("bob")["Message-ID"] == message["Message-ID"]
    assert call(*words, **down(tmp_path)).returncode != 0


def test_swaks_by_a_pipe(call, arrives):
    """A client of SMTP that speaks to -bs, as pine, fetchmail and others do."""
    done = call("swaks", "--pipe", f"{SENDMAIL} -bs", "--from", "x@far.test", "--to", "ann@example.test", "--header", "Subject: by a pipe", "--body", "one\\n.\\ntwo")
    assert b"<-  250 " in done.stdout and arrives("ann")["Subject"] == "by a pipe"
