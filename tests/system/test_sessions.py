"""Sessions of users and administrators with master, as webd uses them: what each may ask, and when they end."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import time

import pytest

from clients import text_message
from ipc import message, send
from session import PASSWD, REQUEST, SETUP, VALID, Owner, Reader, Session, ask_auth, log_in, receive

EX_USAGE, EX_DATAERR, EX_TEMPFAIL, EX_NOPERM = 64, 65, 75, 77
ADMINISTRATORS = [("status",), ("stop",), ("restart",), ("restart", "smtpd"), ("reload",), ("log", "rotate"), ("user", "list"), ("user", "admin", "ann", "on"),
                  ("user", "passwd", "bob", "x"), ("queue", "list"), ("queue", "remove", "all=true"), ("fetch", "list"), ("fetch", "sections"),
                  ("explain", "sender=ann@example.test"), ("config", "list"), ("config", "history"), ("config", "undo", "1"),
                  ("config", "set", '[{"key": "Full Name", "value": "x"}]'), ("entries", "aliases"), ("usage",), ("logs",), ("log", "all"), ("log", "follow", "all"),
                  ("stats",), ("user", "setup-link"), ("backup", "list"), ("backup", "contents", "2026-11-26"), ("backup", "restores"),
                  ("backup", "restore", "2026-11-26", "ann"), ("certificate", "sections")]


@pytest.fixture
def admin(instance):
    instance.ctl("user", "admin", "ann", "on")
    yield "ann"
    instance.ctl("user", "admin", "ann", "off")


@pytest.fixture
def kept(instance):
    """The configuration is as it was, whatever the test does to it."""
    files = {name: open(instance.path("config", name)).read() for name in ("config.ini", "mail.ini")}
    yield files
    for name, text in files.items():
        with open(instance.path("config", name), "w") as f:
            f.write(text)
    instance.ctl("reload")


def changes(*items):
    return json.dumps([{"section": section, "key": key, "value": value} for section, key, value in items])


# ---- who may ask what ----

@pytest.mark.parametrize("words", ADMINISTRATORS, ids=" ".join)
def test_a_user_may_ask_nothing_of_an_administrators(instance, words):
    with Session(instance, "ann") as s:
        assert not s.admin
        assert s.refused(*words)[0] == EX_NOPERM
        assert s.get("ping") == {}


def test_an_administrator_asks_what_sambarctl_asks(instance, admin):
    with Session(instance, "ann") as s:
        assert s.admin
        assert {p["name"] for p in s.get("status")["programs"]} >= {"auth", "store", "queue", "smtpd"}
        assert {u["name"] for u in s.get("user", "list")["users"]} >= {"ann", "bob"}
        assert s.get("queue", "list", "limit=10", "all=true")["messages"] == []
        assert s.refused("nonsense") == (EX_USAGE, "unknown request")


def test_an_administrator_cannot_stop_the_supervisor_whose_answer_nobody_would_hear(instance, admin):
    with Session(instance, "ann") as s:
        assert s.refused("stop")[0] == EX_NOPERM


def test_nobody_says_who_he_is(instance, admin):
    with Session(instance, "ann") as s:
        assert s.refused("queue", "hold", "who=bob", "all=true") == (EX_USAGE, "unknown request")


def test_system_administrator_ip(instance, admin, kept):
    instance.ctl("config", "set", "System Administrator IP", "127.0.0.* 10.0.0.0/8")
    for client, may in (("127.0.0.7", True), ("10.9.8.7", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("::1", False), ("nonsense", False), ("", False)):
        with Session(instance, "ann", client=client) as s:
            assert s.admin == may, client
            assert (s.ask("status")[0] == 0) == may
            assert s.get("ping") == {}
    instance.ctl("config", "unset", "System Administrator IP")
    with Session(instance, "ann", client="nonsense") as s:
        assert s.admin


def test_logins_that_fail_open_nothing(instance):
    assert log_in(instance, "ann", "wrong")[0] == "credentials"
    assert log_in(instance, "nobody")[0] == "credentials"


# ---- passwords and the first administrator ----

def test_a_user_changes_his_own_password(instance):
    with Session(instance, "bob") as s:
        try:
            assert ask_auth(instance, PASSWD, "http", "bob", "wrong", "a-new-secret", "192.0.2.5")[0] == "credentials"
            assert ask_auth(instance, PASSWD, "http", "bob", "bob-secret", "short", "192.0.2.6")[0] == "new password"
            assert ask_auth(instance, PASSWD, "http", "bob", "bob-secret", "a-new-secret", "192.0.2.6")[:3] == ("granted", "bob", False)
            assert s.get("ping") == {}
            assert log_in(instance, "bob", client="192.0.2.7")[0] == "credentials"
            with Session(instance, "bob", "a-new-secret", client="192.0.2.8"):
                pass
            assert "a-new-secret" not in instance.log("auth") + instance.log("master")
        finally:
            instance.ctl("user", "passwd", "bob", text="bob-secret\n")


def test_the_first_administrator_is_made_once(make_instance):
    one = make_instance(users=("bob",))
    with Owner(one) as owner:
        token = owner.get("user", "setup-link")["token"]
    assert token not in one.log("auth") + one.log("master")
    assert ask_auth(one, VALID, "x" * 43)[0] == "credentials"
    assert ask_auth(one, VALID, token)[0] == "granted"
    one.ctl("restart", "auth")
    assert ask_auth(one, SETUP, "x" * 43, "chief", "chief-secret", 1, "192.0.2.1")[0] == "credentials"
    assert ask_auth(one, SETUP, token, "chief", "chief-secret", 1, "192.0.2.1")[:3] == ("granted", "chief", True)
    assert ask_auth(one, SETUP, token, "other", "other-secret", 1, "192.0.2.1")[0] == "credentials"
    with Session(one, "chief") as s:
        assert s.admin
        assert {"name": "chief", "admin": True, "mailbox": True, "quota": None} in s.get("user", "list")["users"]
        assert "administrator already" in s.refused("user", "setup-link")[1]


def test_the_link_leads_to_webd(make_instance):
    one = make_instance()
    link = one.ctl("user", "setup-link").stdout.strip()
    assert re.fullmatch(f"http://127.0.0.1:{one.port('HTTP')}/setup#[A-Za-z0-9_-]{{43}}", link)
    one.stop()
    again = one.ctl("start").stdout
    with open(one.path("run", "master.pid")) as f:
        one.master_pid = int(f.read())
    assert f"http://127.0.0.1:{one.port('HTTP')}/setup#" in again
    assert ask_auth(one, VALID, link.rpartition("#")[2])[0] == "credentials"       # the newest only
    assert ask_auth(one, VALID, again.rpartition("#")[2].strip())[0] == "granted"
    one.ctl("config", "set", "[listen] HTTP", "none")
    assert one.ctl("user", "setup-link").stdout.startswith("https://")
    one.ctl("config", "set", "[listen] HTTPS", "none")
    assert one.ctl("user", "setup-link", check=False).returncode == 69


# ---- when sessions end ----

@pytest.mark.parametrize("words", [("admin", "eve", "off"), ("passwd", "eve"), ("del", "eve", "--purge")], ids=lambda w: w[0])
def test_sessions_end_with_what_was_granted(instance, words):
    instance.ctl("user", "add", "eve", text="eve-secret\n")
    instance.ctl("user", "admin", "eve", "on")
    try:
        with Session(instance, "eve") as s, Session(instance, "bob") as other:
            instance.ctl("user", *words, text="eve-secret\n")
            assert s.ended()
            assert other.get("ping") == {}
    finally:
        instance.ctl("user", "del", "eve", "--purge", check=False)


def test_the_answer_to_what_ends_the_session_still_comes(instance, admin):
    with Session(instance, "ann") as s:
        assert s.get("user", "passwd", "ann", "ann-secret") == {}
        assert s.ended()


def test_sessions_of_one_user_are_bounded(instance):
    sessions = []
    try:
        for _ in range(100):
            sessions.append(Session(instance, "bob"))
        assert log_in(instance, "bob")[0] == "trouble"
        with Session(instance, "ann") as s:
            assert s.get("ping") == {}
    finally:
        for s in sessions:
            s.__exit__()


# ---- garbage ----

@pytest.mark.parametrize("data", [b"x", b"\0" * 12, b"\xff" * 12, b"\xff" * 65536, random.Random(1).randbytes(1000), message(REQUEST), message(2, "ping"),
                                  message(100, 0, 0, "{}"), message(REQUEST, *["x"] * 65), message(REQUEST, "ping") + b"\0"],
                         ids=lambda d: f"{len(d)}-{d[:4].hex()}")
def test_garbage_ends_the_session_and_nothing_else(instance, data):
    with Session(instance, "ann") as s, Session(instance, "ann") as other:
        send(s.sock, data)
        assert s.ended()
        assert other.get("ping") == {}


def test_descriptors_that_nobody_wants_are_closed(instance):
    with Session(instance, "ann") as s:
        read, write = os.pipe()
        send(s.sock, message(REQUEST, "ping", tag=7), [write])
        assert s.part(7)[0] == 0
        os.close(write)
        assert os.read(read, 1) == b""
        os.close(read)


def test_requests_at_one_time_are_bounded(instance, admin):
    with Session(instance, "ann") as s:
        tags = [s.begin("user", "list") for _ in range(200)]
        codes = {}
        while len(codes) < len(tags):
            data = s.sock.recv(70000)
            tag = int.from_bytes(data[4:12], "little")
            code, more = int.from_bytes(data[12:20], "little"), int.from_bytes(data[20:28], "little")
            if not more:
                codes[tag] = code
        assert set(codes) == set(tags) and set(codes.values()) <= {0, 75}
        assert s.get("ping") == {}


# ---- backups ----

def test_an_administrator_looks_into_backups_and_takes_mail_back(instance, admin):
    instance.send(text_message("backed-up"), "bob@example.test")
    instance.wait_mailbox("bob", 1)
    with Session(instance, "ann") as s:
        day = s.get("backup", "now")["day"]
        listed = s.get("backup", "list")
        assert listed["making"] is None and listed["failed"] is None and day in [b["day"] for b in listed["backups"]]
        assert "bob" in s.get("backup", "contents", day)["users"]
        assert "INBOX" in [f["name"] for f in s.get("backup", "contents", day, "bob")["folders"]]
        found = s.get("backup", "contents", day, "bob", "INBOX", "find=BACKED")
        assert [m["subject"] for m in found["messages"]] == ["backed-up"] and found["next"] is None
        number = str(found["messages"][0]["number"])
        assert s.get("backup", "contents", day, "bob", "INBOX", f"before={number}", "find=backed-up")["messages"] == []
        done = s.get("backup", "restore", day, "bob", "INBOX", number)
        assert (done["restored"], done["there"], done["failed"]) == (0, 1, 0)
        last = s.get("backup", "restores")["last"]
        assert (last["by"], last["user"], last["folder"], last["message"], last["code"]) == ("ann", "bob", "INBOX", number, 0)
        instance.wait_log("master", rf"- restore-ended user=bob day={day} restored=0 code=0")


@pytest.mark.parametrize("words, text", [
    (("contents", "../.."), "a day is written"), (("contents", "1999-01-01"), "No such file"), (("contents", "--json"), "a day is written"),
    (("contents", "1999-01-01", "../x"), "a user"), (("contents", "1999-01-01", "--from=x"), "a user"), (("restore", "../..", "bob"), "a day is written"),
    (("restore", "1999-01-01", "bob\n- login user=root", "x"), "a user"), (("restore", "1999-01-01", "bob"), "no backup"), (("contents",), "does not know"),
    (("restore", "1999-01-01"), "does not know")], ids=lambda w: w[0])
def test_what_is_no_backup_is_not_looked_into(instance, admin, words, text):
    with Session(instance, "ann") as s:
        code, doc = s.ask("backup", *words)
        assert code in (EX_USAGE, 66) and text in doc["error"], doc


def test_a_folder_may_be_called_like_an_option(instance, admin):
    with Session(instance, "ann") as s:
        day = s.get("backup", "now")["day"]
        for words in (("contents", day, "bob", "--from=1999-01-01"), ("contents", day, "bob", "--limit"), ("restore", day, "bob", "--from=x", "1")):
            code, doc = s.ask("backup", *words)
            assert code == 66 and "no folder" in doc["error"], doc


# ---- the configuration ----

def test_all_keys_are_listed(instance, admin):
    with Session(instance, "ann") as s:
        doc = s.get("config", "list")
    keys = {(k["section"], k["key"]): k for k in doc["keys"]}
    assert len(keys) > 90
    server = keys["mail", "Mail Server"]
    assert server["file"] == "mail.ini" and server["type"] == "domain" and server["set"] and server["value"] == instance.ctl("config", "get", "Mail Server").stdout.strip()
    assert server["meaning"].endswith(".")
    tls = keys["common", "SMTP Server TLS"]
    assert tls["type"] == "choice" and tls["words"] == ["none", "opportunistic", "required", "implicit"] and tls["preset"] == "opportunistic" and not tls["set"]


def test_changes_are_made_together_and_are_in_effect(instance, admin, kept):
    with Session(instance, "ann") as s:
        doc = s.get("config", "set", changes(("smtpd", "Maximum Message Size", "3M"), ("aliases", "tod.sambar", "bob"), ("common", "SMTP Server TLS", "none")))
        assert doc["change"] > 0
        assert instance.ctl("config", "get", "Maximum Message Size").stdout == "3M\n"
        with instance.smtp() as smtp:
            assert smtp.ehlo()["SIZE"] == ["3145728"]
        assert {"name": "tod.sambar", "value": "bob"} in s.get("entries", "aliases")["entries"]
        text = open(instance.path("config", "mail.ini")).read()
        lines = [line for line in text.splitlines() if not re.match("Maximum Message Size|tod.sambar", line)]
        assert lines == [line for line in kept["mail.ini"].splitlines() if not line.startswith("Maximum Message Size")]       # comments and order stay


@pytest.mark.parametrize("bad, at", [(("smtpd", "Maximum Message Size", "huge"), "Maximum Message Size"), (("smtpd", "No Such Key", "1"), "No Such Key"),
                                     (("aliases", "x", "a@@b"), None), (("smtpd", "Maximum Message Size", "3M\nUse MTA = false"), "Maximum Message Size"),
                                     (("mail", "Mail Directory", "/no/such/place/mail"), "Mail Directory"), (("nonsense", "Use MTA", "true"), "Use MTA"),
                                     (("listen", "SMTP", "192.0.2.77:25"), None), (("common", "Act As Mail Server", "false"), None)],
                         ids=lambda b: b[1] if isinstance(b, tuple) else "")
def test_one_wrong_change_of_several_changes_nothing(instance, admin, kept, bad, at):
    with Session(instance, "ann") as s:
        code, doc = s.ask("config", "set", changes(("smtpd", "Use MTA", "false"), ("common", "SMTP Server", "192.0.2.9"), bad))
        assert code == EX_DATAERR and doc["error"] and doc["problems"]
        if at:
            assert [p["key"] for p in doc["problems"]] == [at]
        for name, text in kept.items():
            assert open(instance.path("config", name)).read() == text
        assert s.get("config", "history")["changes"] == [] or s.get("config", "history")["changes"][0]["what"][0]["key"] != "Use MTA"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[1]", '[{"key": 1}]', '[{"key": "Use MTA"}]', '[{"key": "Use MTA", "value": 1}]',
                                  '[{"section": 3, "key": "Use MTA", "value": null}]', "[" * 1000, '[{"key": "", "value": "x"}]'])
def test_malformed_changes(instance, admin, text):
    with Session(instance, "ann") as s:
        assert s.refused("config", "set", text)[0] == EX_DATAERR


def test_history_and_undo(instance, admin, kept):
    with Session(instance, "ann", client="192.0.2.44") as s:
        first = s.get("config", "set", changes(("smtpd", "Use MTA", "false"), ("common", "SMTP Server", "192.0.2.9"), ("forward", "bob", "bob@x.example bob")))["change"]
        second = s.get("config", "set", changes((None, "SMTP Server", "192.0.2.10")))["change"]
        assert second == first + 1
        newest, before = s.get("config", "history")["changes"][:2]
        assert (newest["id"], newest["who"], newest["client"]) == (second, "ann", "192.0.2.44")
        assert newest["what"] == [{"file": "config.ini", "section": "common", "key": "SMTP Server", "old": "192.0.2.9", "new": "192.0.2.10"}]
        assert [w["key"] for w in before["what"]] == ["Use MTA", "SMTP Server", "bob"]
        assert "changed again since" in s.refused("config", "undo", str(first))[1]
        assert s.get("config", "undo", str(second))["change"] == second + 1
        assert s.get("config", "undo", str(first))["change"] == second + 2
        for name, text in kept.items():
            assert open(instance.path("config", name)).read() == text
        assert s.get("config", "history")["changes"][0]["undo"] == first
        assert s.get("config", "history", f"after={second}")["changes"][0]["id"] == first
        assert s.refused("config", "undo", "99999")[0] == EX_DATAERR


def test_secrets_are_never_told(instance, admin, kept):
    with Session(instance, "ann") as s:
        s.get("config", "set", changes(("common", "SMTP Server", "192.0.2.9"), ("common", "SMTP Server User", "me"), ("common", "SMTP Server Password", "very-secret")))
        change = s.get("config", "set", changes(("common", "SMTP Server Password", "other-secret")))["change"]
        everything = json.dumps([s.get("config", "list"), s.get("config", "history")]) + open(instance.path("config", "history")).read()
        assert "********" in everything and "very-secret" not in everything and "other-secret" not in everything
        assert os.stat(instance.path("config", "history")).st_mode & 0o777 == 0o600
        assert "not kept" in s.refused("config", "undo", str(change))[1]
        s.get("config", "set", changes(("common", "SMTP Server Password", None)))


def test_sambarctl_writes_the_same_history(instance, kept):
    instance.ctl("config", "set", "Use MTA", "false")
    doc = instance.json("config", "history")
    assert doc["changes"][0]["what"][0]["new"] == "false"
    assert "[smtpd] Use MTA" in instance.ctl("config", "history").stdout
    instance.ctl("config", "undo", str(doc["changes"][0]["id"]))
    assert open(instance.path("config", "mail.ini")).read() == kept["mail.ini"]
    assert "[mail]" in instance.ctl("config", "list").stdout
    assert len(instance.json("config", "list")["keys"]) > 90


def test_sections_of_the_fetcher(instance, admin, kept):
    keys = [("Server", "pop.example.test"), ("User", "me"), ("Password", "fetch-secret"), ("Interval", "manual"), ("Routing", "mailbox ann")]
    with Session(instance, "ann") as s:
        none = s.get("fetch", "sections")
        assert none["sections"] == []
        assert [k["key"] for k in none["keys"] if k["key"] in ("Server", "Password") and not k["set"] and k["value"] == ""] == ["Server", "Password"]
        doc = json.dumps([{"key": k, "value": v} for k, v in keys])
        s.get("fetch", "add", "work", doc)
        assert s.refused("fetch", "add", "Work", doc)[0] == EX_DATAERR
        section, = s.get("fetch", "sections")["sections"]
        values = {k["key"]: k["value"] for k in section["keys"]}
        assert section["name"] == "work" and values["Server"] == "pop.example.test" and values["Password"] == "********"
        s.get("config", "set", changes(("fetch work", "User", "you")))
        for command in (changes(("fetch work", "OAuth Token Command", "/bin/true")), changes(("fetch work", "oauth token command", "/bin/true"))):
            assert s.refused("config", "set", command)[0] == EX_NOPERM
        assert s.refused("fetch", "add", "more", json.dumps([*json.loads(doc), {"key": "OAuth Token Command", "value": "/bin/true"}]))[0] == EX_NOPERM
        instance.ctl("config", "set", "[fetch work] OAuth Token Command", "/bin/true")
        s.get("config", "set", changes(("fetch work", "OAuth Token Command", None)))
        assert s.refused("config", "undo", str(s.get("config", "history")["changes"][0]["id"]))[0] == EX_NOPERM
        s.get("fetch", "del", "work")
        assert s.get("fetch", "sections")["sections"] == []
        assert open(instance.path("config", "mail.ini")).read() == kept["mail.ini"]
        assert s.refused("fetch", "del", "work")[0] == EX_DATAERR
        assert s.refused("fetch", "add", "../x", doc)[0] == EX_DATAERR


# ---- logs, counters and usage ----

def test_logs(instance, admin):
    instance.send(text_message("for the log"), "bob@example.test")
    instance.wait_spool_empty()
    queue_id = re.findall(r"\]: (\w{9}) accepted", instance.log("smtpd"))[-1]
    with Session(instance, "ann") as s:
        assert {"master", "auth", "smtpd", "router"} <= set(s.get("logs")["programs"])
        lines = s.get("log", "all", "lines=50", f"filter={queue_id}")["lines"]
        assert {line["program"] for line in lines} >= {"smtpd", "router"}
        assert lines == sorted(lines, key=lambda line: line["time"]) and all(queue_id in line["text"] for line in lines)
        assert abs(lines[-1]["time"] - time.time()) < 3600
        assert len(s.get("log", "master", "lines=2")["lines"]) == 2
        assert s.get("log", "pop3d", "lines=0")["lines"] == []
        for words in (("nonsense",), ("../../config/users/passwd",), ("all", "lines=x"), ("all", "lines=1001"), ("all", "nonsense"), (), ("",)):
            assert s.refused("log", *words)[0] == EX_USAGE


def test_logs_are_followed(instance, admin):
    with Session(instance, "ann") as s, Session(instance, "ann") as other:
        tag = s.begin("log", "follow", "all", "filter=needle")
        assert s.part(tag) == (0, 1, b'{"lines":[]}')
        for name in ("needle-one", "hay", "needle-two"):
            log_in(instance, name, "wrong", client="192.0.2.99")
        found = []
        while len(found) < 2:
            code, more, text = s.part(tag)
            assert (code, more) == (0, 1)
            found += json.loads(text)["lines"]
        assert [(line["program"], re.search("name=(.*)", line["text"])[1]) for line in found] == [("auth", "needle-one"), ("auth", "needle-two")]
        assert s.get("ping") == {}
        assert other.get("log", "unfollow", str(tag)) == {}     # not his
        assert s.get("log", "auth", "lines=2", "filter=needle")["lines"] == found
        stop = s.begin("log", "unfollow", str(tag))
        assert s.part(tag) == (0, 0, b'{"lines":[]}')
        assert s.part(stop) == (0, 0, b"{}")
        tags = [s.begin("log", "follow", "queue") for _ in range(9)]
        parts = []
        for _ in range(10):
            parts.append(Reader(receive(s.sock)[0]))
        assert [(r.tag, r.u64(), r.u64()) for r in parts] == [(t, 0, 1) for t in tags[:8]] + [(tags[0], 0, 0), (tags[8], 0, 1)]
    with Session(instance, "ann") as s:
        assert s.get("ping") == {}


def test_who_does_not_read_what_he_follows_delays_nobody(instance, admin):
    with Session(instance, "ann") as s:
        s.begin("log", "follow", "all")
        for _ in range(300):
            with contextlib.suppress(OSError), instance.smtp() as smtp:
                smtp.ehlo()
        with Session(instance, "ann") as other:
            assert other.get("ping") == {}


def test_usage(instance, admin):
    before = {u["name"]: u for u in instance.json("usage")["users"]}
    instance.send(text_message("x" * 1000), "bob@example.test")
    instance.wait_spool_empty()
    os.makedirs(instance.path("mail", "mbox", "bob", ".Old", "cur"), exist_ok=True)
    with open(instance.path("mail", "mbox", "bob", ".Old", "cur", "1.x:2,S"), "w") as f:
        f.write("y" * 77)
    instance.ctl("user", "quota", "bob", "5M")
    with Session(instance, "ann") as s:
        after = {u["name"]: u for u in s.get("usage")["users"]}
    assert set(after) == {"ann", "bob"}
    assert after["bob"]["messages"] == before["bob"]["messages"] + 2 and after["bob"]["bytes"] > before["bob"]["bytes"] + 1077
    assert after["bob"]["limit"] == 5 * 1024 * 1024 and after["ann"] == before["ann"]
    assert "bob" in instance.ctl("usage").stdout
    instance.ctl("user", "quota", "bob", "none")
    shutil.rmtree(instance.path("mail", "mbox", "bob", ".Old"))


def test_stats_outlive_a_restart(make_instance):
    one = make_instance()
    one.ctl("user", "admin", "ann", "on")
    one.send(text_message("counted"), "ann@example.test", "bob@example.test")
    one.wait_spool_empty()
    with Session(one, "ann") as s:
        doc = s.get("stats")
        assert len(doc["traffic"]) == 288 and all(b["time"] - a["time"] == 300 for a, b in zip(doc["traffic"], doc["traffic"][1:]))
        assert sum(row["received"] for row in doc["traffic"]) == 1 and sum(row["delivered"] for row in doc["traffic"]) == 2
        assert {d["what"] for d in doc["disk"]} == {"mail", "spool", "logs"} and all(0 < d["free"] <= d["total"] for d in doc["disk"])
        certificate, = doc["certificates"]
        assert certificate["names"] and certificate["until"] > time.time() and certificate["file"] == one.path("config", "tls.crt")
        assert {p["name"] for p in doc["programs"]} >= {"smtpd"}
    one.stop()
    one.start()
    doc = one.json("stats")
    assert sum(row["received"] for row in doc["traffic"]) == 1 and sum(row["delivered"] for row in doc["traffic"]) == 2
    assert "delivered" in one.ctl("stats").stdout
    one.stop()
    with open(one.path("log", "stats.json"), "w") as f:
        f.write("[[[[")
    one.start()
    assert sum(row["received"] for row in one.json("stats")["traffic"]) == 0


def test_totals_outlive_restarts(make_instance):
    """Refusals by their reason, in all, whichever process has counted them."""
    one = make_instance()

    def refuse():
        with one.smtp() as smtp:
            for line, code in (("NONSENSE", 500), ("MAIL FROM:<ann@far.test>", 250), ("RCPT TO:<nobody@example.test>", 550),
                               ("RCPT TO:<x@elsewhere.test>", 550), ("RSET", 250), ("MAIL FROM:<ann@far.test> SIZE=99999999999", 552)):
                assert smtp.cmd(line).code == code, line

    def totals():
        doc = one.json("stats")["totals"]["smtpd"]
        return {name: doc[f"refused_{name}"]["n"] for name in ("unknown_user", "relaying", "size", "quota")}, doc["refused_size"]["since"]

    refuse()
    first, since = totals()
    reasons = {name for p in one.json("status")["programs"] if p["name"] == "smtpd" for name in p["counters"] if name.startswith("refused_")}
    assert len(reasons) > 4 and reasons <= set(one.json("stats")["totals"]["smtpd"])
    assert first == {"unknown_user": 1, "relaying": 1, "size": 1, "quota": 0} and 0 < since <= time.time()
    refuse()
    one.ctl("restart", "smtpd")     # before anybody has asked
    refuse()
    one.stop()
    one.start()
    refuse()
    assert totals() == ({"unknown_user": 4, "relaying": 4, "size": 4, "quota": 0}, since)
    shown = one.ctl("stats").stdout
    assert re.search(r"^smtpd +refused_unknown_user +4 ", shown, re.M) and "refused_quota" not in shown


# ---- what is one's own ----

def test_own_identities(instance, kept):
    instance.ctl("alias", "set", "sales", "ann")
    instance.ctl("alias", "set", "all", "ann", "bob")
    with Session(instance, "ann") as s:
        assert s.get("own", "identities") == {"addresses": ["ann@example.test", "sales@example.test"]}
    with Session(instance, "bob") as s:
        assert s.get("own", "identities") == {"addresses": ["bob@example.test"]}


def test_own_forwarding(instance, kept):
    with Session(instance, "bob") as s:
        assert s.get("own", "forward", "get") == {"to": [], "keep": True}
        assert s.get("own", "forward", "set", "keep", "ann@example.test") == {}
        assert s.get("own", "forward", "get") == {"to": ["ann@example.test"], "keep": True}
        assert open(instance.path("config", "mail.ini")).read().count("\nbob = bob ann@example.test\n") == 1
        before = len(instance.mailbox("ann")), len(instance.mailbox("bob"))
        instance.send(text_message("forwarded"), "bob@example.test")
        instance.wait_spool_empty()
        assert (len(instance.mailbox("ann")), len(instance.mailbox("bob"))) == (before[0] + 1, before[1] + 1)
        assert s.refused("own", "forward", "set", "keep", "bob@example.test", "x@")[0] == EX_DATAERR
        assert s.refused("own", "forward", "set", "all", "null")[0] == EX_DATAERR
        assert s.refused("own", "forward", "set", "all", "a@x.example b@x.example\n[aliases]\nann = bob")[0] == EX_DATAERR
        assert s.refused("own", "forward", "set", "bob", "ann@example.test")[0] == EX_USAGE
        code, doc = s.ask("own", "forward", "set", "keep")
        while code == 75:       # not twice in a moment
            code, doc = s.ask("own", "forward", "set", "keep")
        assert (code, doc) == (0, {})
        assert s.get("own", "forward", "get") == {"to": [], "keep": True}
    assert instance.json("config", "history")["changes"][0]["who"] == "bob"


def test_a_user_looks_for_one_message_at_a_time(instance):
    with Session(instance, "ann") as s, Session(instance, "ann") as other, Session(instance, "bob") as bob:
        os.kill(instance.master_pid, signal.SIGSTOP)    # so that all of them have come before the first is answered
        try:
            asked = [(session, session.begin("own", "trace", "carl@example.test")) for session in (s, other, bob)]
        finally:
            os.kill(instance.master_pid, signal.SIGCONT)
        first, second, his = (session.part(tag) for session, tag in asked)
        assert sorted((first[0], second[0])) == [0, EX_TEMPFAIL] and his[0] == 0
        assert s.get("own", "trace", "carl@example.test") == {"story": []}


def test_own_trace(instance):
    with instance.smtp("Submission") as smtp:
        smtp.ehlo()
        smtp.starttls()
        assert smtp.auth_plain("ann", "ann-secret").code == 235
        smtp.deliver(text_message("traced"), "bob@example.test", sender="ann@example.test")
        smtp.quit()
    instance.wait_spool_empty()
    queue_id = re.findall(r"\]: (\w{9}) accepted .*user=ann ", instance.log("smtpd"))[-1]

    def told(user, what):
        with Session(instance, user) as s:
            return [line["text"] for line in s.get("own", "trace", what)["story"]]
    assert told("ann", "bob@example.test")[-2:] == ["Your message to bob@example.test was accepted.", "It was put into the mailbox of bob@example.test."]
    assert told("bob", "Ann@example.test")[-2:] == ["A message from ann@example.test for you has arrived.", "It was put into your mailbox."]
    assert told("ann", queue_id) == told("ann", "bob@example.test")[-2:]
    instance.ctl("user", "add", "eve", text="eve-secret\n")
    try:
        for what in (queue_id, "ann@example.test", "bob@example.test", "nobody@x.example"):
            assert told("eve", what) == []
        with Session(instance, "eve") as s:
            for what in ("", "ann", "@", "../../x", "*"):
                assert s.refused("own", "trace", what)[0] == EX_DATAERR
            for words in ((), ("forward",), ("forward", "set"), ("identities", "ann"), ("trace",), ("trace", "a@b.c", "ann"), ("nonsense",)):
                assert s.refused("own", *words)[0] == EX_USAGE
    finally:
        instance.ctl("user", "del", "eve", "--purge")
