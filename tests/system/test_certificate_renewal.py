"""Certificates that are renewed while the programs run."""
import os
import shutil
import ssl
import subprocess

import pytest

from sambar import Instance


@pytest.fixture
def one():
    instance = Instance(users=())
    yield instance
    instance.end()


def make(one, name):
    """A new pair beside the configuration's: (certificate, key)."""
    pair = [one.path("config", f"{name}.{kind}") for kind in ("crt", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={name}", "-days", "90", "-keyout", pair[1], "-out", pair[0]], check=True, capture_output=True)
    return pair


def shown(one, listener):
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", one.port(listener)))


def text(path):
    with open(path) as f:
        return f.read()


def wait_renewed(one, count):
    one.wait_log("master", rf"(?s)(certificates were renewed.*){{{count}}}")


def wait_shown(one, certificate, *listeners):
    """The programs have it soon after the log says so: their answer to a reload is waited for, which changes nothing."""
    one.ctl("reload")
    for listener in listeners:
        assert shown(one, listener).strip() == text(certificate).strip(), listener


def test_replaced_by_rename(one):
    new = make(one, "renewed")
    with one.smtp("SMTPS") as open_before:
        os.rename(new[1], one.path("config", "tls.key"))
        assert "were renewed" not in one.log("master")
        os.rename(new[0], one.path("config", "tls.crt"))
        wait_renewed(one, 1)
        wait_shown(one, one.path("config", "tls.crt"), "SMTPS", "POP3S")
        open_before.quit()


def test_written_over(one):
    new = make(one, "over")
    shutil.copyfile(new[0], one.path("config", "tls.crt"))
    shutil.copyfile(new[1], one.path("config", "tls.key"))
    wait_renewed(one, 1)
    wait_shown(one, new[0], "SMTPS")


def test_linked_anew(one):
    """As certbot has it: live/ holds links into archive/."""
    live = one.path("config", "live")
    os.mkdir(live)
    first, second = make(one, "first"), make(one, "second")
    for path, name in zip(first, ("fullchain.pem", "privkey.pem")):
        os.symlink(path, os.path.join(live, name))
    one.ctl("config", "set", "Certificate", os.path.join(live, "fullchain.pem"), check=False)
    one.ctl("config", "set", "Private Key", os.path.join(live, "privkey.pem"))
    assert shown(one, "SMTPS").strip() == text(first[0]).strip()
    for path, name in zip(second, ("fullchain.pem", "privkey.pem")):
        os.symlink(path, os.path.join(live, name + ".new"))
        os.rename(os.path.join(live, name + ".new"), os.path.join(live, name))
    one.wait_log("master", "certificates were renewed")
    wait_shown(one, second[0], "SMTPS")


def test_half_a_renewal_is_waited_for(one):
    before = shown(one, "SMTPS")
    new = make(one, "half")
    os.rename(new[0], one.path("config", "tls.crt"))
    assert one.status()["programs"]     # answered behind the notice of the change
    assert "were renewed" not in one.log("master")
    assert shown(one, "SMTPS") == before
    os.rename(new[1], one.path("config", "tls.key"))
    wait_renewed(one, 1)


def test_log_tells_of_the_end(one):
    key, certificate = one.path("config", "tls.key"), one.path("config", "tls.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-days", "5", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    one.stop()
    one.start()
    one.wait_log("master", r"\[tls\] Certificate: ")
