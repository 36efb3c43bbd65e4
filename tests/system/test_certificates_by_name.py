"""Several certificates: the name that a client asks for decides, on every port; each is renewed on its own."""
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from sambar import Instance

NAMES = {"shop": "DNS:shop.test,DNS:*.shop.test", "club": "DNS:club.test"}
PORTS = ("SMTPS", "POP3S", "HTTPS", "Submission", "POP3")
STARTS = {"Submission": "smtp", "POP3": "pop3"}


def make(one, name, common=None, days=90, alternative=None):
    """A pair in config/: (certificate, key)."""
    pair = [one.path("config", f"{name}.{kind}") for kind in ("crt", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common or name}",
                    "-days", str(days), *(["-addext", f"subjectAltName={alternative}"] if alternative else []), "-keyout", pair[1], "-out", pair[0]],
                   check=True, capture_output=True)
    return pair


@pytest.fixture(scope="module")
def one():
    instance = Instance(users=(), start=False)
    for name, alternative in NAMES.items():
        pair = make(instance, name, alternative=alternative)
        instance.configure(f"[certificate {name}] Certificate", os.path.join("config", os.path.basename(pair[0])))
        instance.configure(f"[certificate {name}] Private Key", os.path.join("config", os.path.basename(pair[1])))
    instance.start()
    yield instance
    instance.end()


def common_name(pem):
    return subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"], input=pem, capture_output=True, text=True,
                          check=True).stdout.partition("commonName")[2].strip(" =\n")


def shown(one, port, name):
    """By openssl s_client: the common name in the certificate that who asks for this name gets."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{one.port(port)}"]
    words += ["-servername", name] if name else ["-noservername"]
    words += ["-starttls", STARTS[port]] if port in STARTS else []
    done = subprocess.run(words, input="", capture_output=True, text=True, check=True)
    return common_name(re.search(r"-----BEGIN.*?END CERTIFICATE-----", done.stdout, re.S)[0])


def shown_to_python(one, port, name):
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", one.port(port))) as tcp, context.wrap_socket(tcp, server_hostname=name) as tls:
        return common_name(ssl.DER_cert_to_PEM_cert(tls.getpeercert(True)))


@pytest.mark.parametrize("port", PORTS)
def test_chosen_by_name(one, port):
    default = shown(one, port, None)
    for name, right in (("shop.test", "shop"), ("WWW.Shop.test", "shop"), ("a.b.shop.test", default), ("club.test", "club"), ("x.club.test", default),
                        ("nobody.test", default)):
        assert shown(one, port, name) == right, name


@pytest.mark.parametrize("port", PORTS[:3])
def test_garbage_for_a_name(one, port):
    """What is no name gets the default or an alert, and the next client is served."""
    default = shown_to_python(one, port, None)
    asked = b"shop.test"
    for name in (b"\0hop.test", b"shop\0test", b"\xff" * 9, b"shop\r\n.te", b"*********", b"........."):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl._create_unverified_context().wrap_bio(incoming, outgoing, server_hostname=asked.decode())
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        assert len(name) == len(asked)
        hello = outgoing.read()
        assert hello.count(asked) == 1
        with socket.create_connection(("127.0.0.1", one.port(port))) as tcp:
            tcp.sendall(hello.replace(asked, name))
            answer = tcp.recv(65536)
            assert answer[:1] in (b"\x15", b"\x16"), name     # an alert or a ServerHello
    assert shown_to_python(one, port, "shop.test") == "shop"
    assert shown_to_python(one, port, None) == default


def wait_renewed(one, after):
    one.wait_log("master", "certificates were renewed", after=after)
    one.ctl("reload")     # the programs have the new ones when they have answered


def test_renewed_each_on_its_own(one):
    """While connections go on, and while another pair is half renewed or of no use."""
    with one.smtp("SMTPS") as smtp, one.pop(listener="POP3S") as pop:
        size = len(one.log("master"))
        new = make(one, "new-shop", "shop-2", alternative=NAMES["shop"])
        half = make(one, "new-club", "club-2", alternative=NAMES["club"])
        default = shown_to_python(one, "SMTPS", None)
        os.rename(half[0], one.path("config", "club.crt"))
        shutil.copyfile(new[0], one.path("config", "shop.crt"))
        shutil.copyfile(new[1], one.path("config", "shop.key"))
        one.wait_log("master", "certificates were renewed", after=size)
        one.wait_log("smtpd", r'tls-kept section="certificate club"')
        one.status()     # answered behind the new settings
        for port in PORTS[:3]:
            assert [shown_to_python(one, port, name) for name in ("shop.test", "club.test", None)] == ["shop-2", "club", default], port
        size = len(one.log("master"))
        os.rename(half[1], one.path("config", "club.key"))
        wait_renewed(one, size)
        for port in PORTS[:3]:
            assert shown_to_python(one, port, "club.test") == "club-2", port
        assert smtp.cmd("NOOP").code == 250
        pop.quit()


def test_check_tells_each(one):
    """With the place in the file, and the log of those that are about to end."""
    config = one.path("config", "config.ini")
    with open(config) as f:
        before = f.read()
    make(one, "soon", days=5, alternative="DNS:soon.test")
    make(one, "twice", alternative="DNS:twice.test,DNS:shop.test")
    nameless = make(one, "nameless", alternative="IP:192.0.2.1")
    subprocess.run(["openssl", "req", "-x509", "-key", nameless[1], "-subj", "/O=nobody", "-out", nameless[0]], check=True, capture_output=True)
    lines = before.count("\n")
    sections = (("missing", "missing.crt", "shop.key"), ("mixed", "shop.crt", "club.key"), ("soon", "soon.crt", "soon.key"), ("nameless", "nameless.crt", "nameless.key"),
                ("twice", "twice.crt", "twice.key"), ("keyless", "shop.crt", "shop.crt"))
    size = len(one.log("master"))
    with open(config, "a") as f:
        for name, certificate, key in sections:
            f.write(f"[certificate {name}]\nCertificate = config/{certificate}\nPrivate Key = config/{key}\n")
        f.write("[certificate lonely]\nCertificate = config/shop.crt\n")
    said = one.ctl("check", check=False).stdout
    for i, (place, text) in enumerate(((2, r"\[certificate missing\] Certificate: .*missing\.crt: No such file or directory; it is not used"),
                                       (3, r"\[certificate mixed\] Private Key: .*club\.key: does not belong to the certificate .*shop\.crt; it is not used"),
                                       (2, r"\[certificate soon\] Certificate: .*soon\.crt: the certificate expires in [45] day"),
                                       (2, r"\[certificate nameless\] Certificate: .*names no host"),
                                       (2, r"\[certificate twice\] Certificate: shop\.test is also a name of the certificate of \[certificate shop\]"),
                                       (3, r"\[certificate keyless\] Private Key: .*is no private key"))):
        assert re.search(rf"config\.ini:{lines + 3 * i + place}: .*{text}", said), (text, said)
    assert re.search(rf"config\.ini:{lines + 3 * len(sections) + 1}: .*\[certificate lonely\]: has no Private Key", said), said
    one.ctl("reload")
    assert shown(one, "SMTPS", "soon.test") == "soon"
    one.stop()
    one.start()
    one.wait_log("master", r"\[certificate soon\] Certificate: .* expires in", after=size)
    problems = {c["section"]: c["problem"] for c in one.json("status")["certificates"] if c["key"] == "Certificate"}
    for section, text in (("missing", "No such file"), ("mixed", "does not belong to"), ("soon", "expires in"), ("nameless", "names no host"),
                          ("keyless", "no private key"), ("lonely", "has no key")):
        assert text in problems[f"certificate {section}"], problems
        assert re.search(rf"^\[certificate {section}\] Certificate: .*{text}", one.ctl("status").stdout, re.M)
    assert problems["certificate shop"] is None
    one.ctl("config", "set", "Mail Server", "elsewhere.test")
    problem, = (c["problem"] for c in one.json("status")["certificates"] if c["section"] == "tls")
    assert problem == "is not for elsewhere.test, nor is another one: clients refuse it"
    one.ctl("config", "set", "Mail Server", "club.test")
    problem, = (c["problem"] for c in one.json("status")["certificates"] if c["section"] == "tls")
    assert problem is None
    files = {os.path.basename(c["file"]) for c in one.json("stats")["certificates"]}
    assert {"tls.crt", "shop.crt", "club.crt", "soon.crt"} <= files
    with open(config, "w") as f:
        f.write(before)
    one.ctl("reload")
    assert shown(one, "SMTPS", "soon.test") == shown(one, "SMTPS", None)
