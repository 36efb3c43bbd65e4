"""TLS with the servers that mail is collected from: certificates that are believed and those that are not."""
import json
import os
import re
import ssl

import pytest

from authority import Authority, context, fingerprint
from fetching import EX_TEMPFAIL, mail
from imapserver import ImapServer
from popserver import PopServer


@pytest.mark.parametrize("tls, listener", [("starttls", "POP3"), ("implicit", "POP3S")])
def test_certificates(here, there, tls, listener):
    """A self-signed one is believed only when it is pinned; else nobody logs in."""
    address = f"127.0.0.1:{there.port(listener)}"
    here.section(Server=address, User="other", Password="other-secret", TLS=tls)
    assert here.now(code=EX_TEMPFAIL)["end"] == "to be mended"
    shown = json.loads(here.one.ctl("fetch", "test", "work", "--json", check=False).stdout)
    assert "login" not in shown["server"] or shown["server"]["login"] == ""
    fingerprint = shown["server"]["fingerprint"]
    assert f"sambarctl config set '[fetch work] Certificate Fingerprint' {fingerprint}\n" in here.one.ctl("fetch", "test", "work", check=False).stderr
    here.section(Server=address, User="other", Password="other-secret", TLS=tls, Certificate_Fingerprint=fingerprint)
    assert here.now()["end"] == "ok"
    other = ("00" if fingerprint[:2] != "00" else "11") + fingerprint[2:]
    here.section(Server=address, User="other", Password="other-secret", TLS=tls, Certificate_Fingerprint=other)
    assert here.now(code=EX_TEMPFAIL)["end"] == "to be mended"


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("kind, pinned, believed", [
    ("good", None, True), ("good", "good", True), ("good", "self", False), ("self", None, False), ("self", "self", True), ("self", "good", False),
    ("expired", None, False), ("expired", "expired", True), ("other", None, False), ("other", "other", True)])
def test_certificates_of_others(here, authority, protocol, kind, pinned, believed):
    """Valid, for this host and by an issuer that is trusted, or pinned, whatever else it is: else no name and no password is said."""
    here.one.configure("Trusted Roots", authority.roots)
    tls = context(authority.path(kind))
    with (PopServer([b"1", mail("a")], tls=tls) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}}, tls=tls)) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS="implicit",
                     Certificate_Fingerprint=fingerprint(authority.path(pinned)) if pinned else None)
        if believed:
            assert here.taken() == (1, 0)
            return
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "to be mended" and section["counts"]["listed"] == 0
        assert "at the TLS handshake" in section["why"]
        if pinned:
            shown, wanted = (hex_pairs(fingerprint(authority.path(which))) for which in (kind, pinned))
            assert f"the certificate has the fingerprint {shown}, Certificate Fingerprint is {wanted}" in section["why"]
        assert (server.seen if protocol == "pop3" else server.heard) == []


def hex_pairs(digest):
    digits = digest.replace(":", "").upper()
    return ":".join(digits[i:i + 2] for i in range(0, len(digits), 2))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    for path in (folder, *folder.parents[:2]):
        os.chmod(path, 0o755)
    made = Authority(str(folder))
    for kind in ("good", "self", "expired", "other"):
        made.certificate(kind)
    return made


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_no_tls_where_it_is_demanded(here, protocol, tls):
    """Nobody logs in."""
    with (PopServer([b"1", mail("a")]) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}})) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS=tls)
        section = here.now(code=EX_TEMPFAIL)
        assert section["counts"]["listed"] == 0
        if tls == "implicit":
            assert "perhaps no TLS is spoken at that port: another port, or TLS = starttls, may be needed" in section["why"]
        heard = b" ".join(server.seen) if protocol == "pop3" else " ".join(command for _, command in server.heard).encode("utf-8", "surrogateescape")
        assert not re.search(b"secret|LOGIN|AUTH|USER|PASS", heard)


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_old_version_of_tls(here, authority, protocol):
    here.one.configure("Trusted Roots", authority.roots)
    here.one.configure("Minimum Version", "TLSv1.3")
    old = context(authority.path("good"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (PopServer([b"1", mail("a")], tls=old) if protocol == "pop3" else ImapServer({"INBOX": {1: mail("a")}}, tls=old)) as server:
        here.section(Protocol=protocol, Server=f"127.0.0.1:{server.port}", TLS="implicit")
        assert "at the TLS handshake" in here.now(code=EX_TEMPFAIL)["why"]
        here.one.configure("Minimum Version", "TLSv1.2")
        assert here.taken() == (1, 0)
