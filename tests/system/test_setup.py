"""sambarctl setup and dns; what mail clients are told of the servers."""
import contextlib
import fcntl
import json
import os
import poplib
import pty
import smtplib
import ssl
import subprocess
import termios
import xml.etree.ElementTree as ElementTree
from os import EX_CONFIG, EX_DATAERR, EX_USAGE

import pytest

import sambar
from clients import text_message
from sambar import BUILD, read
from web import Web

AUTOCONFIG = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
AUTODISCOVER = ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml")
SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/"
SETTINGS = SCHEMAS + "outlook/responseschema/2006a"


@pytest.fixture(scope="module")
def house():
    """An instance that was made and set up for house.test, and what setup said."""
    one = sambar.Instance(users=(), start=False)
    one.shipped = {name: read(one.path("config", name)).decode().splitlines() for name in ("config.ini", "mail.ini")}
    one.said = one.ctl("setup", "house.test", "--host", "mail.house.test", "--user", "kim", "--admin", "--password-stdin",
                       text="kim-secret\n").stdout
    one.start()
    yield one
    alarms = one.end()
    assert not alarms, "\n".join(alarms)


# ---- setup ----

def test_from_nothing_to_a_message_read(house):
    for sentence in ("changed:   [mail] Mail Server = mail.house.test", "changed:   [smtpd] Local Domains = house.test example.test\n",
                     "changed:   user kim has an account", "changed:   user kim is an administrator",
                     "changed:   mail for postmaster goes to kim"):
        assert sentence in house.said
    house.send(text_message("Welcome"), "kim@house.test", "postmaster@house.test")
    house.wait_mailbox("kim", 1)
    with house.pop("kim") as pop:
        assert b"Subject: Welcome\r\n" in pop.message("RETR 1")


def test_what_the_files_had_stays(house):
    for name, before in house.shipped.items():
        now = read(house.path("config", name)).decode().splitlines()
        assert [line for line in now if line in before] == [line for line in before if not line.startswith("Mail Server = ")], name


def test_a_second_time_nothing_changes(house):
    before = {name: read(house.path("config", name)) for name in ("config.ini", "mail.ini", "tls.crt", "users/passwd", "history")}
    done = house.ctl("setup", "house.test", "--host", "mail.house.test", "--user", "kim", "--admin", "--password-stdin", text="other\n")
    assert "changed:" not in done.stdout and done.stdout.count("as it was:") == 5
    answer = json.loads(house.ctl("setup", "HOUSE.test", "--user", "kim", "--json").stdout)
    assert not any(step["changed"] for step in answer["steps"])
    assert before == {name: read(house.path("config", name)) for name in before}
    with house.pop("kim"):
        pass


def test_the_last_line_fits(house):
    assert house.ctl("setup", "house.test", "--user", "kim").stdout.endswith("Then: sambarctl doctor\n")


def test_another_domain_and_another_user(house):
    said = house.ctl("setup", "second.test", "--user", "lou", "--password-stdin", "--webmail", "off", text="lou-secret\n").stdout
    assert "[smtpd] Local Domains = house.test example.test second.test\n" in said and "[mail] Enable WebMail = false\n" in said
    assert "as it was: mail for postmaster goes to kim\n" in said and "lou is an administrator" not in said
    assert house.ctl("config", "get", "Mail Server").stdout == "mail.house.test\n"
    house.ctl("config", "unset", "Enable WebMail")
    house.send(text_message("To the second"), "lou@second.test")
    house.wait_mailbox("lou", 1)
    house.ctl("config", "set", "Local Domains", "house.test")


@pytest.mark.parametrize("words, code, says", [
    ([], EX_USAGE, "an argument is missing"),
    (["nodots"], EX_DATAERR, '"nodots" is not a domain'),
    (["a b.test"], EX_DATAERR, "is not a domain"),
    (["a.test", "--host", "-x.test"], EX_DATAERR, "is not a host's name"),
    (["a.test", "--user", "Bad.Name"], EX_DATAERR, "is not a user name"),
    (["a.test", "--webmail", "perhaps"], EX_USAGE, "is neither on nor off"),
    (["a.test", "--admin"], EX_USAGE, "--user NAME is missing"),
    (["a.test", "--frob"], EX_USAGE, '"--frob" is no option here'),
    (["a.test", "b.test"], EX_USAGE, '"b.test" is one argument too many'),
])
def test_misuse(house, words, code, says):
    before = read(house.path("config", "mail.ini"))
    done = house.ctl("setup", *words, check=False)
    assert done.returncode == code and says in done.stderr, done
    assert read(house.path("config", "mail.ini")) == before


def test_nobody_is_asked_without_a_terminal(house):
    done = house.ctl("setup", "house.test", "--user", "new", check=False)
    assert done.returncode == EX_USAGE and "--password-stdin" in done.stderr, done


def answer_on_a_terminal(one, words, answers):
    """What is said on a terminal where each question, a piece of text, gets its answer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([os.path.join(BUILD, "sambarctl"), "-d", one.root, *words], stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    said, at = "", 0
    with contextlib.suppress(OSError):      # its end
        for question, answer in answers:
            while question not in said[at:]:
                said += os.read(ours, 4096).decode()
            at = len(said)
            os.write(ours, answer.encode() + b"\n")
        while piece := os.read(ours, 4096):
            said += piece.decode()
    os.close(ours)
    return process.wait(), said


def test_questions_and_what_a_package_leaves(make_instance):
    """On a terminal; with postmaster's mail for root, who has no account, no certificate, and a name that only this machine knows."""
    one = make_instance(users=(), start=False)
    one.configure("Mail Server", "box.localdomain")
    one.ctl("alias", "set", "postmaster", "root")
    for name in ("tls.crt", "tls.key"):
        os.remove(one.path("config", name))
    code, said = answer_on_a_terminal(one, ["setup", "asked.test"], [
        ("other hosts call this one [mail.asked.test]", ""), ("usual ports", "yes"), ("A first user", "kim"), ("in the browser", "no"),
        ("Password:", "kim-secret"), ("Once more:", "other")])
    assert code == EX_DATAERR and "the two passwords differ" in said and "password of the new user kim" in said and "changed:" not in said
    code, said = answer_on_a_terminal(one, ["setup", "asked.test"], [
        ("other hosts call this one [mail.asked.test]", ""), ("usual ports", "short"), ("Right is yes or no.", "yes"), ("A first user", "none")])
    assert code == 0 and "is not for" not in said, said
    code, said = answer_on_a_terminal(one, ["setup", "asked.test", "--host", "smtp.asked.test"], [("A first user", "none")])
    assert code == 0, said
    assert "changed:   [mail] Mail Server = smtp.asked.test" in said
    assert f"warning: {one.path('config', 'tls.crt')} is not for smtp.asked.test" in said
    assert said.rstrip().endswith("Then: sambarctl start, and sambarctl doctor")
    assert one.ctl("config", "get", "Local Domains").stdout == "example.test asked.test box.localdomain mail.asked.test\n"
    assert "localdomain" not in one.ctl("dns").stdout
    code, said = answer_on_a_terminal(one, ["setup", "asked.test"], [("other hosts call this one [smtp.asked.test]", ""), ("A first user", "kim"),
        ("in the browser", "no"), ("Password:", "kim-secret"), ("Once more:", "kim-secret")])
    assert code == 0 and "changed:   mail for root goes to kim" in said, said
    assert "root = kim\n" in read(one.path("config", "mail.ini")).decode()
    assert one.json("user", "list")["users"][0] == {**one.json("user", "list")["users"][0], "name": "kim", "admin": False}
    shown = subprocess.run(["openssl", "x509", "-in", one.path("config", "tls.crt"), "-noout", "-ext", "subjectAltName"], capture_output=True, text=True)
    assert "DNS:mail.asked.test" in shown.stdout and os.stat(one.path("config", "tls.key")).st_mode & 0o777 == 0o600
    assert one.ctl("config", "get", "SMTP").stdout == "0.0.0.0:25 [::]:25\n"


# ---- the records ----

def records(house, *words):
    return {(r["name"], r["type"]): r["value"] for r in house.json("dns", *words)["records"]}


def test_records_are_of_the_listeners_there_are(house):
    port = house.port
    expected = {
        ("house.test", "MX"): "10 mail.house.test.",
        ("house.test", "TXT"): '"v=spf1 mx -all"',
        ("mail.house.test", "TXT"): '"v=spf1 a -all"',
        ("_submissions._tcp.house.test", "SRV"): f"0 1 {port('SMTPS')} mail.house.test.",
        ("_submission._tcp.house.test", "SRV"): f"10 1 {port('Submission')} mail.house.test.",
        ("_pop3s._tcp.house.test", "SRV"): f"0 1 {port('POP3S')} mail.house.test.",
        ("_pop3._tcp.house.test", "SRV"): f"10 1 {port('POP3')} mail.house.test.",
        ("autoconfig.house.test", "CNAME"): "mail.house.test.",
        ("autodiscover.house.test", "CNAME"): "mail.house.test.",
        ("_autodiscover._tcp.house.test", "SRV"): f"0 1 {port('HTTPS')} mail.house.test.",
    }
    got = records(house)
    assert {key: value for key, value in got.items() if key[1] not in ("A", "AAAA")} == expected
    assert any(key[1] in ("A", "AAAA") for key in got)
    text = house.ctl("dns").stdout
    assert "DKIM" not in text.upper() and "only this host reaches it" in text
    assert f"_pop3s._tcp.house.test." in text


def test_what_is_switched_off_is_not_published(house):
    with house.settings({"POP3": "none", "SMTPS": "none", "HTTPS": "none", "HTTP": "none", "Use MTA": "false", "SMTP Server": "smtp.isp.test"}):
        got = records(house, "house.test")
        assert {name for name, kind in got if kind == "SRV"} == {"_submission._tcp.house.test", "_pop3s._tcp.house.test"}
        assert not any(kind == "CNAME" for _, kind in got) and got["house.test", "TXT"] is None
        assert "provider of smtp.isp.test" in house.ctl("dns").stdout
    assert house.ctl("dns", "other.test", check=False).returncode == EX_DATAERR
    assert house.ctl("dns", "a", "b", check=False).returncode == EX_USAGE


def test_one_name_has_one_spf(make_instance):
    one = make_instance(users=(), start=False)
    got = [r for r in one.json("dns")["records"] if r["type"] == "TXT"]
    assert [(r["name"], r["value"]) for r in got] == [("example.test", '"v=spf1 mx -all"')]
    with open(one.path("config", "mail.ini"), "a") as f:
        f.write("nonsense\n")
    for words in (["dns"], ["setup", "a.test"]):
        assert one.ctl(*words, check=False).returncode == EX_CONFIG


# ---- what mail clients are told ----

def try_server(house, kind, port, tls, user):
    """Logs in as a client with these settings would."""
    context = ssl.create_default_context(cafile=house.path("config", "tls.crt"))
    context.check_hostname = False          # the name is in no DNS
    if kind == "pop3":
        client = poplib.POP3_SSL("127.0.0.1", port, context=context) if tls == "SSL" else poplib.POP3("127.0.0.1", port)
        if tls == "STARTTLS":
            client.stls(context)
        client.user(user)
        client.pass_("kim-secret")
    else:
        client = smtplib.SMTP_SSL("127.0.0.1", port, context=context) if tls == "SSL" else smtplib.SMTP("127.0.0.1", port)
        if tls == "STARTTLS":
            client.starttls(context=context)
        client.login(user, "kim-secret")
    client.quit()


@pytest.mark.parametrize("path", AUTOCONFIG)
@pytest.mark.parametrize("tls", [False, True])
def test_autoconfig(house, path, tls):
    status, data, headers = Web(house, tls=tls).ask("GET", path + "?emailaddress=kim%40House.test")
    assert status == 200 and headers["Content-Type"].startswith("application/xml")
    provider = ElementTree.fromstring(data).find("emailProvider")
    assert provider.get("id") == provider.findtext("domain") == "house.test"
    servers = provider.findall("incomingServer") + provider.findall("outgoingServer")
    assert [(s.get("type"), s.findtext("socketType")) for s in servers] == [
        ("pop3", "SSL"), ("pop3", "STARTTLS"), ("smtp", "SSL"), ("smtp", "STARTTLS")]
    for s in servers:
        assert s.findtext("hostname") == "mail.house.test" and s.findtext("authentication") == "password-cleartext"
        user = s.findtext("username").replace("%EMAILADDRESS%", "kim@house.test")
        try_server(house, s.get("type"), int(s.findtext("port")), s.findtext("socketType"), user)


def test_autoconfig_by_the_name_of_the_host(house):
    for host in ("autoconfig.house.test", "house.test:8080"):
        status, data, _ = Web(house).ask("GET", AUTOCONFIG[0], headers={"Host": host})
        assert status == 200 and ElementTree.fromstring(data).find("emailProvider").get("id") == "house.test"
    status, data, _ = Web(house).ask("GET", AUTOCONFIG[0] + "?emailaddress=house.test")
    assert status == 200


@pytest.mark.parametrize("query", ["", "?emailaddress=", "?emailaddress=a@other.test", "?emailaddress=a@house.test@other.test", "?emailaddress=%00",
                                   "?emailaddress=" + "a" * 900 + "@house.test", "?emailaddress=a@autoconfig.other.test", "?emailaddress=a%40%3Cx%3E"])
def test_no_settings_for_others(house, query):
    assert Web(house).ask("GET", AUTOCONFIG[0] + query)[0] == 404


def discover(house, address, schema=SETTINGS, tls=False, path=AUTODISCOVER[0], headers=()):
    body = f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="{SCHEMAS}outlook/requestschema/2006"><Request><EMailAddress>{address}</EMailAddress>
<AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"""
    return Web(house, tls=tls).ask("POST", path, body.encode(), {"Content-Type": "text/xml", **dict(headers)})


@pytest.mark.parametrize("path", AUTODISCOVER)
@pytest.mark.parametrize("tls", [False, True])
def test_autodiscover(house, path, tls):
    status, data, _ = discover(house, "kim+a&amp;b@house.test", path=path, tls=tls)
    assert status == 200
    account = ElementTree.fromstring(data).find(f"{{{SETTINGS}}}Response/{{{SETTINGS}}}Account")
    assert account.findtext(f"{{{SETTINGS}}}Action") == "settings"
    seen = []
    for protocol in account.findall(f"{{{SETTINGS}}}Protocol"):
        say = {child.tag.partition("}")[2]: child.text for child in protocol}
        seen.append((say["Type"], say["Encryption"]))
        assert say["LoginName"] == "kim+a&b@house.test" and say["SSL"] == "on" and say["Server"] == "mail.house.test"
        try_server(house, say["Type"].lower(), int(say["Port"]), {"SSL": "SSL", "TLS": "STARTTLS"}[say["Encryption"]], "kim@house.test")
    assert seen == [("POP3", "SSL"), ("POP3", "TLS"), ("SMTP", "SSL"), ("SMTP", "TLS")]


def error_of(answer):
    status, data, _ = answer
    assert status == 200, (status, data)
    space = f"{{{SCHEMAS}responseschema/2006}}"
    return int(ElementTree.fromstring(data).findtext(f"{space}Response/{space}Error/{space}ErrorCode"))


def test_autodiscover_refuses(house):
    assert error_of(discover(house, "kim@other.test")) == error_of(discover(house, "kim")) == 500
    assert error_of(discover(house, "kim@house.test", schema=SCHEMAS + "mobilesync/responseschema/2006")) == 601
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    for body in (b"", b"\0", b"<a", b"<a/>", b"{}", b"<Autodiscover/>", b"<a>" * 4000,
                 f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l9;</a>'.encode(),
                 b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
                 f'<Autodiscover xmlns="{SCHEMAS}outlook/requestschema/2006"><Request/></Autodiscover>'.encode()):
        assert error_of(Web(house).ask("POST", AUTODISCOVER[0], body, {"Content-Type": "text/xml"})) == 600, body[:60]
    assert Web(house).ask("POST", AUTODISCOVER[0], b" " * 20000, {"Content-Type": "text/xml"})[0] == 413


def test_in_clear_from_elsewhere(house):
    """A proxy says where the client is."""
    far = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "Host": "autodiscover.house.test"}
    with house.settings({"Trusted Proxies": "127.0.0.1"}):
        assert Web(house).ask("GET", "/api/session", headers=far)[0] == 403
        assert Web(house).ask("GET", AUTOCONFIG[0] + "?emailaddress=a@house.test", headers=far)[0] == 200
        assert discover(house, "kim@house.test", headers=far)[0] == 200
        status, _, headers = Web(house).ask("GET", AUTODISCOVER[0], headers=far)
        assert (status, headers["Location"]) == (302, f"https://mail.house.test:{house.port('HTTPS')}/autodiscover/autodiscover.xml")
    assert error_of(Web(house, tls=True).ask("GET", AUTODISCOVER[0])) == 600


def test_only_listeners_that_are_there(house):
    with house.settings({"POP3": "none", "SMTPS": "none"}):
        provider = ElementTree.fromstring(Web(house).ask("GET", AUTOCONFIG[0] + "?emailaddress=a@house.test")[1]).find("emailProvider")
        assert [int(s.findtext("port")) for s in provider if s.tag.endswith("Server")] == [house.port("POP3S"), house.port("Submission")]
    with house.settings({"Client Autoconfiguration": "false"}):
        assert Web(house).ask("GET", AUTOCONFIG[0] + "?emailaddress=a@house.test")[0] == 404
        assert discover(house, "kim@house.test")[0] == Web(house).ask("GET", AUTODISCOVER[0])[0] == 404
