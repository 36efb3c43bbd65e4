"""Who may send: one table, run by real SMTP sessions and by sambarctl explain, which must say the same."""

import pytest

import network
import sambar
from clients import Smtp

CONFIG = {"Relay Domains": "peer.test *.peers.test", "Local Domains": "second.test"}
USERS = ("ann", "bob", "carl")
ALIASES = {"Ann.Alias": "ann", "team": "ann bob", "desk": "desk ann", "drop": "null", "circle": "ring", "ring": "circle",
           "sales@second.test": "bob", "ann@isp.test": "ann", "carl": "carl", "many": " ".join(f"m{i}@far.test" for i in range(12))}
FORWARDS = {"gone": "ann", "chuck": "chuck@far.test", "half": "ann half@far.test", "topeer": "x@peer.test"}

OK = "250 2.1.5 Ok"
NO_LOGIN = "550 5.7.1 Relaying denied without a login"
DENIED = "550 5.7.1 Relaying denied"
SENDER = "550 5.7.1 Relaying denied to this sender"
ONLY_LOCAL = "550 5.7.1 Only local mail is accepted"
NOT_YOURS = "553 5.7.1 Sender address is not yours"
UNKNOWN = "550 5.1.1 Unknown mailbox"
LOGIN_FIRST = "530 5.7.0 Authentication required"

# The clients: this host, two hosts elsewhere, and their IPv6 address.
LOCAL, LOCAL2, LOCAL6 = "127.0.0.1", "127.0.0.2", "::1"
NEAR, FAR, NEAR6 = "192.0.2.1", "198.51.100.7", "2001:db8::7"

ANN, BOB, ALIAS = "ann@example.test", "bob@example.test", "ann.alias@example.test"
AWAY, PEER = "x@far.test", "x@peer.test"
ISP = "via smart host mail.isp.test, port 587, TLS dane, else may"

# keys that differ from the default, then rows of: from, to, ip, user, listener, reply, rule that decides, route
S, U, T = "SMTP", "Submission", "SMTPS"
TABLE = [
    ({}, [
        # local mail is taken from everybody
        ("s@far.test", ANN, FAR, "", S, OK, "local", "mailbox ann"),
        ("", ANN, FAR, "", S, OK, "local", "mailbox ann"),
        (ANN, BOB, FAR, "", S, OK, "local", "mailbox bob"),
        ("s@far.test", "Ann+news@SECOND.test", NEAR6, "", S, OK, "local", "mailbox ann"),
        ("s@far.test", "postmaster", FAR, "", S, UNKNOWN, "recipient", None),
        ("s@far.test", "nobody@example.test", FAR, "", S, UNKNOWN, "recipient", None),
        ("s@far.test", "drop@example.test", FAR, "", S, OK, "local", "dropped"),
        ("s@far.test", "circle@example.test", FAR, "", S, "550 5.4.6 Aliases lead in a circle", "recipient", None),
        ("s@far.test", "team@example.test", FAR, "", S, OK, "local", "mailbox ann, mailbox bob"),
        ("s@far.test", "half@example.test", FAR, "", S, OK, "local", "mailbox ann, relay to MX of far.test, port 25, TLS dane, else may"),
        # so is mail for peers, and for addresses of ours that lead away
        ("s@far.test", PEER, FAR, "", S, OK, "Relay Domains", "relay to MX of peer.test, port 25, TLS dane, else may"),
        ("", "x@a.peers.test", FAR, "", S, OK, "Relay Domains", "relay to MX of a.peers.test, port 25, TLS dane, else may"),
        ("s@far.test", "x@peers.test", FAR, "", S, NO_LOGIN, "Require AUTH", None),
        ("s@far.test", "chuck@example.test", FAR, "", S, OK, "forward", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("s@far.test", "topeer@example.test", FAR, "", S, OK, "forward", "relay to MX of peer.test, port 25, TLS dane, else may"),
        # all other mail: from those who have logged in ...
        ("s@far.test", AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, AWAY, NEAR6, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, "x@[192.0.2.99]", FAR, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, "x%far.test@example.test", FAR, "", S, UNKNOWN, "recipient", None),
        (ANN, AWAY, FAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, AWAY, FAR, "ann", S, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, "x@[192.0.2.99]", FAR, "ann", T, OK, "login", "relay to [192.0.2.99], port 25, TLS may"),
        # ... under their own addresses
        ("ANN+x@Example.TEST", AWAY, NEAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("ann@second.test", AWAY, NEAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ALIAS, BOB, NEAR6, "ann", U, OK, "local", "mailbox bob"),
        ("team@example.test", AWAY, NEAR, "bob", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("team@example.test", AWAY, NEAR, "carl", U, NOT_YOURS, "sender", None),
        ("desk@example.test", AWAY, NEAR, "ann", U, NOT_YOURS, "sender", None),
        ("sales@second.test", AWAY, NEAR, "bob", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("ann@isp.test", AWAY, NEAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("ann@isp.test", AWAY, NEAR, "bob", U, NOT_YOURS, "sender", None),
        ("gone@example.test", AWAY, NEAR, "ann", U, NOT_YOURS, "sender", None),
        (BOB, ANN, LOCAL, "ann", U, NOT_YOURS, "sender", None),
        ("ann@far.test", ANN, NEAR, "ann", S, NOT_YOURS, "sender", None),
        ("nobody@example.test", ANN, NEAR, "ann", S, NOT_YOURS, "sender", None),
        ("carl@example.test", ANN, NEAR, "carl", U, OK, "local", "mailbox ann"),
        ("", AWAY, NEAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        # ports for users demand a login, from everybody
        (ANN, BOB, FAR, "", T, LOGIN_FIRST, "port", None),
        (ANN, BOB, LOCAL, "", U, LOGIN_FIRST, "port", None),
        # this host
        (ANN, AWAY, LOCAL, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, AWAY, LOCAL6, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ALIAS, AWAY, LOCAL, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("drop@example.test", AWAY, LOCAL, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("gone@example.test", AWAY, LOCAL, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("", AWAY, LOCAL, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("nobody@example.test", AWAY, LOCAL, "", S, SENDER, "sender", None),
        ("s@far.test", AWAY, LOCAL, "", S, SENDER, "sender", None),
        ("ann@isp.test", AWAY, LOCAL, "", S, SENDER, "sender", None),
        (ANN, AWAY, LOCAL2, "", S, NO_LOGIN, "Require AUTH", None),
        # not addresses at all
        ("a b@far.test", ANN, LOCAL, "", S, "501 5.1.7", None, None),
        (ANN, "nobody", LOCAL, "", S, "501 5.1.3", None, None),
    ]),
    ({"Restrict Relay IPs": "192.0.2.* 2001:db8::/64"}, [
        # a login is needed whatever the list says, and this host is not in it
        (ANN, AWAY, NEAR, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, AWAY, NEAR6, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, AWAY, LOCAL, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, AWAY, LOCAL, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
    ]),
    ({"Require AUTH": "false", "Restrict Relay IPs": "192.0.2.* 2001:db8::/64 127.0.0.2"}, [
        (ANN, AWAY, NEAR, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, AWAY, NEAR6, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, AWAY, FAR, "", S, DENIED, "Restrict Relay IPs", None),
        (ANN, AWAY, FAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, AWAY, LOCAL, "", S, DENIED, "Restrict Relay IPs", None),
        (ANN, AWAY, LOCAL2, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("s@far.test", AWAY, NEAR, "", S, SENDER, "sender", None),
        ("", AWAY, NEAR, "", S, SENDER, "sender", None),
        ("", AWAY, LOCAL2, "", S, OK, "sender", "relay to MX of far.test, port 25, TLS dane, else may"),
        (ANN, BOB, NEAR, "", U, LOGIN_FIRST, "port", None),
    ]),
    ({"Require AUTH": "false", "Restrict Relay": "false", "Restrict Relay IPs": "none"}, [
        ("s@far.test", AWAY, FAR, "", S, OK, "Restrict Relay", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("", AWAY, NEAR6, "", S, OK, "Restrict Relay", "relay to MX of far.test, port 25, TLS dane, else may"),
        (BOB, AWAY, FAR, "ann", S, NOT_YOURS, "sender", None),
    ]),
    ({"Restrict Relay": "false"}, [
        ("s@far.test", AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
        ("s@far.test", AWAY, LOCAL, "", S, OK, "Restrict Relay", "relay to MX of far.test, port 25, TLS dane, else may"),
    ]),
    ({"Allow Any FROM": "true"}, [
        (BOB, AWAY, FAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else may"),
        ("s@far.test", ANN, NEAR6, "ann", T, OK, "local", "mailbox ann"),
        ("s@far.test", AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
    ]),
    ({"Relay Delivery": "never"}, [
        ("s@far.test", ANN, FAR, "", S, OK, "local", "mailbox ann"),
        (ANN, AWAY, LOCAL, "", S, ONLY_LOCAL, "Relay Delivery", None),
        (ANN, AWAY, FAR, "ann", U, ONLY_LOCAL, "Relay Delivery", None),
        (ANN, PEER, FAR, "", S, ONLY_LOCAL, "Relay Delivery", None),
        ("s@far.test", "chuck@example.test", FAR, "", S, ONLY_LOCAL, "Relay Delivery", None),
        ("s@far.test", "half@example.test", FAR, "", S, OK, "local", "mailbox ann, nowhere: Relay Delivery is never"),
    ]),
    ({"Use MTA": "false"}, [
        ("s@far.test", ANN, FAR, "", S, OK, "local", "mailbox ann"),
        (ANN, AWAY, LOCAL, "", S, ONLY_LOCAL, "Use MTA", None),
        (ANN, AWAY, FAR, "ann", U, ONLY_LOCAL, "Use MTA", None),
        (ANN, PEER, FAR, "", S, ONLY_LOCAL, "Use MTA", None),
    ]),
    ({"Use MTA": "false", "SMTP Server": "mail.isp.test:587"}, [
        (ANN, AWAY, FAR, "ann", U, OK, "login", ISP),
        (ANN, PEER, FAR, "", S, OK, "Relay Domains", ISP),
        (ANN, "x@[192.0.2.99]", FAR, "ann", U, OK, "login", ISP),
        (ANN, AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
    ]),
    ({"Use MTA": "false", "SMTP Server": "mail.isp.test", "SMTP Server User": "tod", "SMTP Server Password": "hunter2",
      "SMTP Server TLS": "implicit"}, [
        (ANN, AWAY, FAR, "ann", U, OK, "login", "via smart host mail.isp.test, port 465, implicit TLS verify mail.isp.test, with a login"),
    ]),
    # [routes] wins over Use MTA and the SMTP Server; it gives nobody a right to send
    ({"Use MTA": "false", "[routes] far.test": "[2001:db8::25]:2525", "[routes] *.peers.test": "mx", "[routes] void.test": "smart host"}, [
        (ANN, AWAY, FAR, "ann", U, OK, "login", "relay to host 2001:db8::25, port 2525, TLS may"),
        (ANN, AWAY, FAR, "", S, NO_LOGIN, "Require AUTH", None),
        (ANN, "x@a.peers.test", FAR, "", S, OK, "Relay Domains", "relay to MX of a.peers.test, port 25, TLS dane, else may"),
        (ANN, PEER, FAR, "", S, ONLY_LOCAL, "Use MTA", None),
        (ANN, "x@void.test", FAR, "ann", U, ONLY_LOCAL, "Use MTA", None),
        ("s@far.test", "chuck@example.test", FAR, "", S, OK, "forward", "relay to host 2001:db8::25, port 2525, TLS may"),
        ("s@far.test", "topeer@example.test", FAR, "", S, ONLY_LOCAL, "Use MTA", None),
    ]),
    ({"[routes] peer.test": "relay.peer.test", "[tls policy] *": "encrypt", "[tls policy] peer.test": "verify .peer.test"}, [
        (ANN, PEER, FAR, "", S, OK, "Relay Domains", "relay to host relay.peer.test, port 25, TLS verify .peer.test"),
        (ANN, AWAY, FAR, "ann", U, OK, "login", "relay to MX of far.test, port 25, TLS dane, else encrypt"),
    ]),
    ({"Relay Delivery": "never", "[routes] far.test": "h.test"}, [
        (ANN, AWAY, FAR, "ann", U, ONLY_LOCAL, "Relay Delivery", None),
    ]),
    ({"Unknown Mailbox": "carl", "Maximum Recipients": "10"}, [
        ("s@far.test", "nobody@example.test", FAR, "", S, OK, "local", "mailbox carl"),
        ("nobody@example.test", AWAY, LOCAL, "", S, SENDER, "sender", None),
        ("nobody@example.test", AWAY, NEAR, "carl", U, NOT_YOURS, "sender", None),
        ("s@far.test", "many@example.test", FAR, "", S, "550 5.5.3 Expands to too many recipients", "Maximum Recipients", None),
    ]),
]
KEYS = sorted({key for keys, _ in TABLE for key in keys})


@pytest.fixture(scope="module")
def house():
    """An instance in a network of its own, in which clients have addresses of elsewhere; None: only loopback."""
    with network.private_network() as address:
        if address is not None:
            network.add_addresses(FAR, NEAR6)
        one = sambar.Instance(users=USERS, config=CONFIG, start=False)
        for listener in (S, U, T):
            one.configure(listener, f"0.0.0.0:{one.port(listener)} [::]:{one.port(listener)}")
        for kind, entries in (("alias", ALIASES), ("forward", FORWARDS)):
            for name, targets in entries.items():
                one.ctl(kind, "set", name, *targets.split())
        one.start()
        one.defaults = {key: one.ctl("config", "get", key).stdout.strip() for key in KEYS if key[0] != "["}
        one.elsewhere = address is not None
        yield one
        alarms = one.end()
    assert not alarms, "\n".join(alarms)


def connect(one, ip, user, listener):
    smtp = Smtp(one.port(listener), host=ip, source=ip, tls=listener == T)
    if user:
        if listener != T and ip not in (LOCAL, LOCAL6):
            smtp.starttls()
        reply = smtp.auth_plain(user, f"{user}-secret")
        assert reply.code == 235, reply
    return smtp


def by_smtp(one, sender, recipient, ip, user, listener):
    """The reply that a real client gets last, at MAIL or at RCPT."""
    with connect(one, ip, user, listener) as smtp:
        reply = smtp.cmd(f"MAIL FROM:<{sender}>")
        if reply.code == 250:
            reply = smtp.cmd(f"RCPT TO:<{recipient}>")
        return str(reply)


def explain(one, sender, recipient, ip, user, listener):
    words = ["--from", sender, "--to", recipient, "--ip", ip, "--listener", listener]
    return one.json("explain", *words, *(["--user", user] if user else []))


def set_keys(one, keys):
    """These, and the default of all others; lines of [routes] and the like are removed."""
    for key in KEYS:
        if key not in keys and key[0] == "[":
            one.ctl("config", "unset", key)
            continue
        wanted = keys.get(key, one.defaults.get(key))
        told = one.ctl("config", "get", key, check=False)
        if told.returncode != 0 or told.stdout.strip() != wanted:
            one.configure(key, wanted)


@pytest.mark.parametrize("keys, rows", TABLE, ids=[" ".join(f"{k}={v}" for k, v in keys.items()) or "default" for keys, _ in TABLE])
def test_table(house, keys, rows):
    set_keys(house, keys)
    wrong = []
    for sender, recipient, ip, user, listener, reply, rule, route in rows:
        told = explain(house, sender, recipient, ip, user, listener)
        row = f"{sender or '<>'} to {recipient} from {ip} as {user or 'nobody'} on {listener}"
        if not told["reply"].startswith(reply):
            wrong.append(f"{row}: explain says {told['reply']}, not {reply}")
        if told["accepted"] != (reply == OK) or (rule and told["rules"][-1]["rule"] != rule):
            wrong.append(f"{row}: accepted {told['accepted']} by {told['rules'][-1:]}, not {rule}")
        if ", ".join(told["routes"]) != (route or ""):
            wrong.append(f"{row}: goes to {told['routes']}, not {route}")
        if house.elsewhere or ip in (LOCAL, LOCAL2):
            said = by_smtp(house, sender, recipient, ip, user, listener)
            if said != told["reply"]:
                wrong.append(f"{row}: SMTP says {said}, explain {told['reply']}")
    assert not wrong, "\n".join(wrong)


def test_the_table_is_run_from_elsewhere(house):
    if not house.elsewhere:
        pytest.skip("this machine cannot: only root can make a network namespace")
    assert sum(len(rows) for _, rows in TABLE) >= 40


# ---- within one transaction ----

def test_pipelined_replies_keep_their_order(house):
    """Router is asked for the sender in the midst of it."""
    set_keys(house, {})
    with house.smtp() as smtp:
        smtp.send(f"MAIL FROM:<s@far.test>\r\nRCPT TO:<{ANN}>\r\nRCPT TO:<{AWAY}>\r\nRCPT TO:<{BOB}>\r\n"
                  f"RCPT TO:<y@far.test>\r\nRCPT TO:<{PEER}>\r\nRSET\r\nMAIL FROM:<{ANN}>\r\nRCPT TO:<{AWAY}>\r\n")
        assert [smtp.reply().code for _ in range(9)] == [250, 250, 550, 250, 550, 250, 250, 250, 250]
    with house.smtp() as smtp:
        assert smtp.auth_plain("ann", "ann-secret").code == 235
        smtp.send(f"MAIL FROM:<{BOB}>\r\nRCPT TO:<{ANN}>\r\nMAIL FROM:<{ALIAS}>\r\nRCPT TO:<{AWAY}>\r\nRCPT TO:<nobody@example.test>\r\n"
                  f"RSET\r\nNOOP\r\n")
        assert [smtp.reply().code for _ in range(7)] == [553, 503, 250, 250, 550, 250, 250]


def test_refusals_are_logged(house):
    with house.smtp() as smtp:
        smtp.auth_plain("bob", "bob-secret")
        smtp.cmd(f"MAIL FROM:<{ANN}>")
        house.wait_log("smtpd", rf"- mail-refused from=<{ANN}> client=127\.0\.0\.1 helo=client\.test user=bob reply=\"{NOT_YOURS}\"")


# ---- explain ----

def test_explain_in_words(house):
    told = house.ctl("explain", "--from", "team@example.test", "--to", "half@example.test", "--ip", FAR, "--user", "bob").stdout
    for line in (r"MAIL FROM:<team@example.test>", "Allow Any FROM  next", r"RCPT TO:<half@example.test>",
                 "half: forward", "  ann: mailbox, mailbox ann", "  half@far.test: remote, relay to MX of far.test, port 25, TLS dane, else may",
                 "Accepted: 250 2.1.5 Ok", "Route: mailbox ann", "Route: relay to MX of far.test, port 25, TLS dane, else may"):
        assert line in told, (line, told)
    told = house.ctl("explain", "--from=", f"--to={AWAY}", "--ip", NEAR6).stdout
    assert "MAIL FROM:<>" in told and f"Refused because: {NO_LOGIN}" in told and "Route" not in told


@pytest.mark.parametrize("words, status, says", [
    (("--from", ANN, "--to", BOB), 64, "--ip IP is missing"),
    (("--to", BOB, "--ip", "::1"), 64, "--from ADDRESS is missing"),
    (("--from", ANN, "--to", BOB), 64, "usage"),
    (("--from", ANN, "--to", BOB, "--ip", "127.0.0.1", "more"), 64, "one argument too many"),
    (("--from", ANN, "--to", BOB, "--ip", "127.0.0"), 65, "no IP address"),
    (("--from", ANN, "--to", BOB, "--ip", "::1", "--user", "A B"), 65, "user"),
    (("--from", ANN, "--to", BOB, "--ip", "::1", "--user", "nosuch"), 67, "no user"),
    (("--from", ANN, "--to", BOB, "--ip", "::1", "--listener", "POP3"), 64, "right is SMTP, Submission or SMTPS"),
])
def test_explain_refuses(house, words, status, says):
    done = house.ctl("explain", *words, check=False)
    assert done.returncode == status and says in done.stderr, done


def test_explain_knows_listeners_in_any_case(house):
    for word in ("submission", "Submission", "SUBMISSION"):
        assert explain(house, ANN, BOB, "127.0.0.1", "ann", word)["listener"] == "Submission"


@pytest.mark.parametrize("sender, recipient, code", [
    (f"<{ANN}>", f"<{BOB}>", "250 2.1.5"),
    ("<>", BOB, "250 2.1.5"),
    (f"<{ANN}> SIZE=1", BOB, "501 5.5.4"),
    (ANN, f"{BOB}> <x", "501 5.5.4"),
    (ANN + "\r\nX", BOB, "501 5.1.7"),
    ("é@far.test", BOB, "250 2.1.5"),
    ("a" * 5000, BOB, "501 5.1.7"),
    (ANN, "\x1b[31m@example.test", "501 5.1.3"),
])
def test_explain_takes_any_text(house, sender, recipient, code):
    told = house.ctl("explain", "--from", sender, "--to", recipient, "--ip", "local")
    assert code in told.stdout and "\x1b" not in told.stdout, told.stdout


@pytest.mark.parametrize("to", ["x y@far.test", "<x y@far.test>"])
def test_explain_of_what_is_no_address(house, to):
    """What is wrong fits what was written, which need not have brackets."""
    told = house.ctl("explain", "--from", ANN, "--to", to, "--ip", "local").stdout
    assert "501 5.1.3 Recipient: unexpected character in the address" in told, told


def test_explain_of_a_unix_socket(house):
    assert explain(house, ANN, AWAY, "local", "", S)["accepted"]
    assert not explain(house, "s@far.test", AWAY, "local", "", S)["accepted"]


def test_explain_needs_smtpd(make_instance):
    one = make_instance(users=(), config={"Run SMTPD": "false"})
    done = one.ctl("explain", "--from", ANN, "--to", BOB, "--ip", "::1", check=False)
    assert done.returncode == 69 and "does not run" in done.stderr, done


def test_explain_sends_and_counts_nothing(house):
    before = house.counters("smtpd"), house.counters("router")["asks"]
    explain(house, "s@far.test", ANN, FAR, "", S)
    explain(house, "s@far.test", AWAY, FAR, "", S)
    after = house.counters("smtpd"), house.counters("router")["asks"]
    assert before == after and not house.spool()


# ---- check ----

def test_check_names_an_open_relay(house):
    try:
        house.configure("Require AUTH", "false")
        house.configure("Restrict Relay", "false")
        assert "open relay" in house.ctl("check").stdout + house.ctl("check").stderr
    finally:
        for key in ("Require AUTH", "Restrict Relay"):
            house.configure(key, house.defaults[key])
    told = house.ctl("check")
    assert "relay" not in (told.stdout + told.stderr).lower()
