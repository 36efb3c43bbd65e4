"""Smart hosts with a login, TLS policies and DANE, against hosts with good, self-signed, expired and other people's certificates."""
import base64
import ssl

import pytest

import relay
from internet import RESOLVER as VALIDATING
from relay import sent, submit, tokens

ZONE = "bogus MX 10 h99\npair MX 10 h87\npair MX 20 h88\nshop MX 10 mx.shop\nmx.shop A 192.0.2.79\n"
SIGNED = """h80 TLSA-OF h80.signed.test
h81 TLSA-OF another.signed.test
h82 TLSA-OF h82.signed.test
h83 TLSA-OF h83.signed.test
_25._tcp.h84 TLSA 9 9 9 abcd
"""
RESOLVER = True
PASSWORD = "open-sesame"


def settings(internet, **more):
    return {**relay.CONFIG, "Trusted Roots": internet.path("ca.crt"), **more}


def smart(internet, n, tls="required", port=587, **more):
    return settings(internet, **{"Use MTA": "false", "SMTP Server": f"h{n}.test:{port}", "SMTP Server TLS": tls,
                                 "SMTP Server User": "tod@isp.test", "SMTP Server Password": PASSWORD, **more})


def no_secret(one, host):
    """The password is nowhere in what can be read."""
    forms = [PASSWORD, base64.b64encode(PASSWORD.encode()).decode(), base64.b64encode(f"\0tod@isp.test\0{PASSWORD}".encode()).decode()]
    for text in [one.log("deliver"), one.log("router"), one.log("deliver", "trace"), one.log("router", "trace"), one.log("master")]:
        assert not any(form in text for form in forms)


# ---- smart host ----

@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "PLAIN LOGIN CRAM-MD5"])
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_login_at_the_smart_host(make_instance, internet, mechanism, implicit):
    one = make_instance(config=smart(internet, 60, "implicit" if implicit else "required", 465 if implicit else 587, **{"Trace Router": "true"}))
    certificate = internet.certificate("h60.test")
    with internet.host(60, port=465 if implicit else 587, certificate=certificate, implicit=implicit, auth=mechanism,
                       users={"tod@isp.test": PASSWORD}) as host:
        queue_id = submit(one, "by-isp", "x@far.test", "y@elsewhere.test")
        taken, = host.wait_taken(1)
        assert taken.recipients == ("x@far.test", "y@elsewhere.test") and taken.tls.startswith("TLS")
        line = sent(one, queue_id)
        assert line["host"] == "h60.test" and line["tls"] == taken.tls and line["verified"] != "no"
        one.wait_spool_empty()
        assert sum(line.startswith("AUTH") for line in host.lines) == 1
        no_secret(one, host)


def test_wrong_password_is_later(make_instance, internet):
    one = make_instance(config=smart(internet, 61, **{"Trace Router": "true"}))
    with internet.host(61, port=587, certificate=internet.certificate("h61.test"), auth="PLAIN LOGIN", users={"tod@isp.test": "other"}) as host:
        queue_id = submit(one, "locked-out", "x@far.test")
        assert "535 5.7.8 who are you" in sent(one, queue_id, "deferred")["reply"]
        assert not any(line.startswith("MAIL") for line in host.lines)
        no_secret(one, host)
        host.users["tod@isp.test"] = PASSWORD
        host.wait_taken(1)
        one.wait_spool_empty()


@pytest.mark.parametrize("tls", ["none", "opportunistic", "required"])
def test_a_password_is_never_said_in_clear(make_instance, internet, tls):
    one = make_instance(config=smart(internet, 62, tls))
    with internet.host(62, port=587, auth="PLAIN LOGIN CRAM-MD5", users={"tod@isp.test": PASSWORD}) as host:
        sent(one, submit(one, "in-clear", "x@far.test"), "deferred")
        assert not any(line.startswith(("AUTH", "MAIL")) for line in host.lines)
        no_secret(one, host)
        if tls != "required":
            one.configure("SMTP Server AUTH Without TLS", "true")
            one.ctl("reload")
            host.wait_taken(1)
            one.wait_spool_empty()


@pytest.mark.parametrize("wrong", ["self", "expired", "name"])
def test_a_smart_host_with_a_bad_certificate(make_instance, internet, wrong):
    one = make_instance(config=smart(internet, 63))
    certificate = (internet.certificate("h63.test", signed=False) if wrong == "self" else internet.certificate("h63.test", days=-1)
                   if wrong == "expired" else internet.certificate("h60.test"))
    with internet.host(63, port=587, certificate=certificate, auth="PLAIN", users={"tod@isp.test": PASSWORD}) as host:
        line = sent(one, submit(one, "impostor", "x@far.test"), "deferred")
        assert "4.7.5" in line["reply"]
        assert not any(line.startswith(("AUTH", "MAIL")) for line in host.lines)
        one.configure("SMTP Server Verify", "false")
        one.ctl("reload")
        host.wait_taken(1)
        one.wait_spool_empty()


def test_relay_from_user(make_instance, internet):
    one = make_instance(config={**settings(internet), "Use MTA": "false", "SMTP Server": "h64.test", "Relay FROM User": "tod@isp.test"})
    one.ctl("config", "set", "[routes] direct.test", "192.0.2.65")
    one.ctl("reload")
    with internet.host(64) as host, internet.host(65) as direct:
        submit(one, "by-isp", "x@far.test", "x@direct.test")
        assert host.wait_taken(1)[0].sender == "tod@isp.test" and b"\r\nFrom: <ann@example.test>\r\n" in host.taken[0].message
        assert direct.wait_taken(1)[0].sender == "ann@example.test"
        submit(one, "nobody", "x@far.test", sender="")
        assert host.wait_taken(2)[1].sender == ""
        one.wait_spool_empty()


# ---- routes, and explain ----

def test_routes_and_explain_agree(make_instance, internet):
    one = make_instance(config={**settings(internet), "SMTP Server": "h66.test:2525"})
    for pattern, way in (("*.branch.test", "h67.test:2626"), ("mx.branch.test", "mx"), ("d68.test", "smart host"), ("safe.test", "h69.test:4650 implicit tls"),
                         ("d70.test", "192.0.2.71")):
        one.ctl("config", "set", f"[routes] {pattern}", way)
    one.ctl("reload")
    ways = {"x@a.branch.test": ("h67.test", 2626), "x@d68.test": ("h66.test", 2525), "x@safe.test": ("h69.test", 4650), "x@d70.test": ("192.0.2.71", 25),
            "x@d72.test": ("h72.test", 25)}
    hosts = {}
    for n, port in ((66, 2525), (67, 2626), (69, 4650), (71, 25), (72, 25)):
        implicit = n == 69
        hosts[n] = internet.host(n, port=port, implicit=implicit, certificate=internet.certificate("h69.test") if implicit else None)
    queue_id = submit(one, "ways", *ways)
    for to, (host, port) in ways.items():
        line = sent(one, queue_id, to=to)
        assert line["host"] == host and line["address"].endswith(f":{port}" if port != 25 else line["address"]), (to, line)
        explained = one.ctl("explain", "--from", "ann@example.test", "--to", to, "--ip", "127.0.0.1").stdout
        assert f"port {port}," in explained and ("MX of d72.test" if host == "h72.test" else host) in explained, explained
    one.wait_spool_empty()
    for host in hosts.values():
        assert len(host.taken) == 1
        host.close()


# ---- TLS policy ----

GOOD, SELF, EXPIRED, OTHER, NONE = "good", "self", "expired", "other", None


def certificate_of(internet, kind, name):
    if kind is NONE:
        return None
    return {GOOD: lambda: internet.certificate(name), SELF: lambda: internet.certificate(name, signed=False),
            EXPIRED: lambda: internet.certificate(name, days=-1), OTHER: lambda: internet.certificate("elsewhere.test")}[kind]()


@pytest.mark.parametrize("policy, kind, goes", [
    ("none", GOOD, "clear"), ("none", NONE, "clear"),
    ("may", NONE, "clear"), ("may", GOOD, "verified"), ("may", SELF, "tls"), ("may", EXPIRED, "tls"), ("may", OTHER, "tls"),
    ("encrypt", NONE, None), ("encrypt", GOOD, "verified"), ("encrypt", SELF, "tls"), ("encrypt", EXPIRED, "tls"), ("encrypt", OTHER, "tls"),
    ("verify", NONE, None), ("verify", GOOD, "verified"), ("verify", SELF, None), ("verify", EXPIRED, None), ("verify", OTHER, None),
    ("verify elsewhere.test", OTHER, "verified"), ("verify elsewhere.test", GOOD, None), ("verify .shop.test", GOOD, "verified")])
def test_tls_policy(make_instance, internet, policy, kind, goes):
    one = make_instance(config=settings(internet))
    one.ctl("config", "set", "[tls policy] shop.test", policy)
    one.ctl("reload")
    with internet.host(79, certificate=certificate_of(internet, kind, "mx.shop.test")) as host:
        queue_id = submit(one, "secret", "x@shop.test")
        line = sent(one, queue_id, "sent" if goes else "deferred")
        if not goes:
            assert "4.7" in line["reply"], line
            assert not any(line.startswith("MAIL") for line in host.lines)
            one.ctl("queue", "remove", queue_id)
            one.wait_spool_empty()
            return
        taken, = host.wait_taken(1)
        assert (taken.tls is None) == (goes == "clear") and (line["verified"] != "no") == (goes == "verified"), line
        assert line["tls"] == (taken.tls or "none")


@pytest.mark.parametrize("policy", ["may", "encrypt"])
@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "220 go\r\n250 2.0.0 and more", "501 what", None], ids=str)
def test_starttls_that_does_not_work(make_instance, internet, policy, reply):
    """In clear where that is allowed; but whoever slips text in behind the 220 gets nothing."""
    goes = policy == "may" and not (reply and "more" in reply)
    one = make_instance(config=settings(internet))
    one.ctl("config", "set", "[tls policy] d75.test", policy)
    one.ctl("reload")
    with internet.host(75, certificate=internet.certificate("h75.test"), script={"STARTTLS": reply}) as host:
        queue_id = submit(one, "plain", "x@d75.test")
        # What came behind the reply is seen at once, or breaks the handshake: both are an end of this connection.
        either = "(?:sent|deferred)" if reply and "more" in reply else "sent"
        sent(one, queue_id, either if goes else "deferred")
        if either == "sent":
            assert (f"{queue_id} in-clear host=" in one.log("deliver")) == goes
        assert goes or not any(line.startswith("MAIL") for line in host.lines)
        assert all(taken.tls is None for taken in host.taken)
        one.ctl("queue", "remove", "--all", check=False)


def test_tls_that_is_garbage(make_instance, internet):
    """A handshake that fails: in clear where that is allowed, else later."""
    one = make_instance(config=settings(internet))
    one.ctl("config", "set", "[tls policy] d76.test", "encrypt")
    one.ctl("reload")

    def garbage(talk):
        talk.send("220 go")
        talk.send(b"this is no TLS\r\n" * 100)
        return None

    with internet.host(76, certificate=internet.certificate("h76.test"), script={"STARTTLS": garbage}) as strict, \
            internet.host(77, certificate=internet.certificate("h77.test"), script={"STARTTLS": garbage}) as lax:
        first, second = submit(one, "strict", "x@d76.test"), submit(one, "lax", "x@d77.test")
        assert "4.7" in sent(one, first, "deferred")["reply"]
        assert sent(one, second)["tls"] == "none" and tokens(lax) == ["lax"]
        assert f"{second} in-clear host=h77.test address=" in one.log("deliver")
        assert f"{first} in-clear " not in one.log("deliver")
        assert not strict.messages
        strict.script = {}
        assert strict.wait_taken(1)[0].tls
        one.wait_spool_empty()


def test_a_tls_failure_at_one_host_tries_the_next(make_instance, internet):
    one = make_instance(config=settings(internet))
    one.ctl("config", "set", "[tls policy] pair.test", "encrypt")
    one.ctl("reload")
    with internet.host(87) as best, internet.host(88, certificate=internet.certificate("h88.test")) as other:
        submit(one, "next", "x@pair.test")
        assert other.wait_taken(1)[0].tls and best.connections == 1 and not best.messages


# ---- our own certificate ----

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)


def demanding(internet, name, version):
    """A host's TLS with clients of the test's authority only; with TLS 1.3 its refusal comes after the handshake."""
    context = internet.context(internet.certificate(name))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(internet.path("ca.crt"))
    context.minimum_version = context.maximum_version = version
    return context


@VERSIONS
def test_a_host_that_demands_a_certificate(make_instance, internet, version):
    """Without one, or with a stranger's, mail that must not go in clear waits."""
    one = make_instance(config=settings(internet))
    one.ctl("config", "set", "[tls policy] d89.test", "encrypt")
    one.ctl("reload")
    shown = []

    def look(talk):
        shown.append(talk.sock.getpeercert()["subject"])
        return ...

    def show(base):
        one.configure("Client Certificate", internet.path(base + ".crt"))
        one.configure("Client Key", internet.path(base + ".key"))

    with internet.host(89, tls=demanding(internet, "h89.test", version), script={"MAIL": look}) as host:
        queue_id = submit(one, "who-are-you", "x@d89.test")
        assert sent(one, queue_id, "deferred")["host"] == "h89.test"
        show(internet.certificate("example.test", signed=False))
        tried = len(one.log("deliver"))
        for _ in range(2):          # the first may have been under way
            tried = one.wait_log("deliver", rf"{queue_id} deferred .*\n", tried).end()
        assert not any(line.startswith("MAIL") for line in host.lines)
        show(internet.certificate("example.test"))
        assert host.wait_taken(1)[0].tls == version.name.replace("_", ".")
        assert shown == [((("commonName", "example.test"),),)]
        one.wait_spool_empty()
    assert "client-certificate unusable" not in one.log("deliver")


@VERSIONS
def test_no_certificate_and_no_demand_of_ours(make_instance, internet, version):
    """TLS that does not work is none: in clear where that is allowed."""
    one = make_instance(config=settings(internet))
    with internet.host(90, tls=demanding(internet, "h90.test", version)) as host:
        submit(one, "anybody", "x@d90.test")
        assert host.wait_taken(1)[0].tls is None
        one.wait_spool_empty()


# ---- DANE ----

def dane(make_instance, internet, **more):
    return make_instance(config=settings(internet, **{"DNS Primary": VALIDATING, "Trust DNSSEC": "true", **more}))


def test_dane(make_instance, internet):
    one = dane(make_instance, internet)
    with internet.host(80, certificate=internet.certificate("h80.signed.test", signed=False)) as host:
        queue_id = submit(one, "pinned", "x@d80.signed.test")
        assert host.wait_taken(1)[0].tls
        assert "dane" in sent(one, queue_id)["verified"].lower()
        one.wait_spool_empty()


@pytest.mark.parametrize("n, why", [(81, "another key"), (82, "no TLS"), (83, "STARTTLS refused")])
def test_dane_that_does_not_fit(make_instance, internet, n, why):
    one = dane(make_instance, internet)
    options = {81: {"certificate": internet.certificate("h81.signed.test", signed=False)}, 82: {},
               83: {"certificate": internet.certificate("h83.signed.test", signed=False), "script": {"STARTTLS": "454 no"}}}[n]
    with internet.host(n, **options) as host:
        queue_id = submit(one, "pinned", f"x@d{n}.signed.test")
        assert "4.7" in sent(one, queue_id, "deferred")["reply"]
        assert not any(line.startswith("MAIL") for line in host.lines)
        assert queue_id in one.ctl("queue", "list").stdout
        one.ctl("queue", "remove", queue_id)
        one.wait_spool_empty()


def test_unusable_tlsa_means_encrypt(make_instance, internet):
    one = dane(make_instance, internet)
    with internet.host(84) as host:
        queue_id = submit(one, "unusable", "x@d84.signed.test")
        assert "4.7" in sent(one, queue_id, "deferred")["reply"]
        host.close()
        with internet.host(84, certificate=internet.certificate("h84.signed.test", signed=False)) as better:
            assert better.wait_taken(1)[0].tls
            one.wait_spool_empty()


def test_no_tlsa_means_may(make_instance, internet):
    one = dane(make_instance, internet)
    with internet.host(85) as host, internet.host(86) as insecure:
        submit(one, "signed-without", "x@d85.signed.test")
        submit(one, "unsigned", "x@d86.test")
        assert host.wait_taken(1)[0].tls is None and insecure.wait_taken(1)[0].tls is None
        one.wait_spool_empty()


def test_what_does_not_validate_is_later(make_instance, internet):
    one = dane(make_instance, internet)
    with internet.host(99) as host:
        queue_id = submit(one, "forged", "x@bogus.test")
        assert "4.4.3" in sent(one, queue_id, "deferred")["reply"]
        assert host.connections == 0
        one.ctl("queue", "remove", queue_id)
        one.wait_spool_empty()
