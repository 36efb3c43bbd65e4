"""webd through its API: who is let in, what a request may look like, reading, sending, taking back."""
import concurrent.futures
import contextlib
import io
import json
import re
import socket
import struct
import zipfile

import pytest

from clients import text_message
from events import wait_until
from session import Session
from web import Web, raw

HOST = b"Host: mail.example.test\r\n"


USERS = ("ann", "bob", "boss")
CONFIG = {"Maximum Login Delay": "0", "Maximum Content-Length": "100K", "Metrics Key": "prometheus-secret-key"}


@pytest.fixture(scope="module")
def boss(instance):
    instance.ctl("user", "admin", "boss", "on")
    return Web(instance, "boss")


def arrived(web, folder, subject):
    rows = []

    def look():
        rows[:] = [row for row in web.rows(folder) if row["subject"] == subject]
        return rows
    # Its summary is made after it has come.
    wait_until(look, web.instance.path("mail", "mbox", web.user), web.instance.path("log", "router.log"))
    return rows[0]


# ---- pages and headers ----

def test_pages(instance):
    web = Web(instance)
    for path in ("/", "/admin", "/setup"):
        status, data, headers = web.ask("GET", path)
        assert status == 200 and b"<!DOCTYPE html>" in data and headers["Content-Type"].startswith("text/html")
    status, data, headers = web.ask("GET", "/app.js", headers={"Accept-Encoding": "gzip"})
    assert status == 200 and headers["Content-Encoding"] == "gzip" and data[:2] == b"\x1f\x8b"
    assert web.ask("GET", "/app.js", headers={"Accept-Encoding": "gzip", "If-None-Match": headers["ETag"]})[0] == 304
    status, data, _ = web.ask("HEAD", "/app.js")
    assert status == 200 and data == b""
    for path in ("/nothing", "/../app.js", "/%2e%2e/app.js", "//app.js", "/api/nothing", "/app.js%00"):
        assert web.ask("GET", path)[0] in (400, 404), path


@pytest.mark.parametrize("path", ["/", "/app.js", "/nothing", "/api/session", "/api/login"])
@pytest.mark.parametrize("tls", [False, True])
def test_every_answer_is_armoured(instance, path, tls):
    status, _, headers = Web(instance, tls=tls).ask("GET", path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin" and "Permissions-Policy" in headers
    assert ("Strict-Transport-Security" in headers) == tls
    if path == "/api/login":
        assert status == 405 and headers["Allow"] == "POST"


# ---- what is no request ----

@pytest.mark.parametrize("head, status", [
    (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n 2\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"POST /api/login HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /api/login HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (b"POST /api/login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /api/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n", 400),
    (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
])
def test_what_could_be_smuggled_is_refused_and_the_connection_closed(instance, head, status):
    answer = raw(instance, head + b"GET /api/session HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
    assert answer.count(b"\r\nDate: ") == 1 and b"Connection: close" in answer


def test_requests_in_a_row_are_answered_in_order(instance):
    ask = b"GET /api/session HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /nothing HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answers = re.findall(rb"HTTP/1.1 (\d+) ", raw(instance, ask * 3 + last))
    assert answers == [b"401"] * 3 + [b"404"]


def test_a_body_in_chunks_byte_by_byte(instance):
    body = json.dumps({"user": "ann", "password": "wrong"}).encode()
    data = b"POST /api/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with socket.create_connection(("127.0.0.1", instance.port("HTTP")), timeout=60) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
        assert sock.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_sizes(instance):
    web = Web(instance, "ann")
    head = b"POST /api/upload HTTP/1.1\r\n" + HOST + f"Cookie: {web.cookie}\r\nX-CSRF-Token: {web.csrf}\r\n".encode()
    # What is said to be too large is refused before any of it was sent.
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as sock:
        sock.sendall(head + b"Content-Length: 1000000\r\n\r\n")
        answer = sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413 ") and b"limit for uploads" in answer
    status, data, _ = web.ask("POST", "/api/upload?name=a&type=text/plain", b"x" * 102400)
    assert status == 200 and data["size"] == 102400
    assert web.ask("POST", "/api/upload?name=a", b"x" * 102401)[0] == 413
    assert raw(instance, head + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n10000\r\n" + b"x" * 65536
               ).startswith(b"HTTP/1.1 413 ")
    assert web.ask("POST", "/api/contacts/save", {"contact": {"name": "x" * 20000}})[0] == 413


# ---- sessions ----

def test_login(instance):
    web = Web(instance)
    assert web.ask("GET", "/api/session")[0] == 401
    for user, password in (("ann", "wrong"), ("nobody", "wrong"), ("ann", "")):
        status, data = web.login(user, password)
        assert status == 401 and data["error"] == "User name or password is wrong."
    status, data, headers = web.ask("POST", "/api/login", {"user": "ann", "password": "ann-secret"})
    assert status == 200 and data["user"] == "ann" and data["mail"] and not data["admin"]
    assert re.fullmatch(r"session=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict", headers["Set-Cookie"])
    _, _, headers = Web(instance, tls=True).ask("POST", "/api/login", {"user": "ann", "password": "ann-secret"})
    assert re.fullmatch(r"__Host-session=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Secure", headers["Set-Cookie"])


def test_a_session_id_is_not_fixed_and_ends(instance):
    web = Web(instance)
    web.cookie = "session=" + "a" * 64
    web.login("ann", "ann-secret")
    first = web.cookie
    assert first != "session=" + "a" * 64
    web.login("ann", "ann-secret")
    assert web.cookie != first
    second, web.cookie = web.cookie, first
    assert web.ask("GET", "/api/session")[0] == 401
    web.cookie = second
    web.post("/api/logout", {})
    web.cookie = second
    assert web.ask("GET", "/api/session")[0] == 401


def test_other_sites_change_nothing(instance):
    web = Web(instance, "ann")
    change = {"theme": "dark"}
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert web.ask("POST", "/api/settings", change, headers)[0] == 403, headers
    assert web.ask("POST", "/api/settings", b"theme=dark", {"Content-Type": "application/x-www-form-urlencoded"})[0] == 415
    assert web.get("/api/settings")["theme"] == "auto"
    own = {"Origin": f"http://127.0.0.1:{web.port}", "Sec-Fetch-Site": "same-origin"}
    assert web.ask("POST", "/api/settings", change, own)[0] == 200
    assert web.get("/api/settings")["theme"] == "dark"
    login = {"user": "ann", "password": "ann-secret"}
    assert Web(instance).ask("POST", "/api/login", login, {"Origin": "https://evil.example"})[0] == 403


def test_nobody_administers_by_guessing(instance, boss):
    ann = Web(instance, "ann")
    assert ann.ask("POST", "/api/admin", {"words": ["user", "list"]})[0] == 403
    assert ann.ask("GET", "/api/admin/follow")[0] == 403
    assert Web(instance).ask("POST", "/api/admin", {"words": ["user", "list"]})[0] == 401
    assert boss.session["admin"]
    users = boss.post("/api/admin", {"words": ["user", "list"]})["users"]
    assert {user["name"] for user in users} >= {"ann", "bob", "boss"}
    refused = boss.post("/api/admin", {"words": ["user", "passwd"]}, 400)
    assert refused["exit"] != 0 and refused["error"]


def test_password(instance):
    instance.add_user("carl")
    web, other = Web(instance, "carl"), Web(instance, "carl")
    assert web.ask("POST", "/api/password", {"old": "wrong", "new": "another-secret"})[0] == 403
    web.post("/api/password", {"old": "carl-secret", "new": "another-secret"})
    assert web.ask("GET", "/api/session")[0] == 200 and other.ask("GET", "/api/session")[0] == 401
    assert other.login("carl", "carl-secret")[0] == 401 and other.login("carl", "another-secret")[0] == 200


@pytest.mark.parametrize("words", [("passwd", "eve"), ("del", "eve", "--purge"), ("mailbox", "eve", "off")], ids=lambda w: w[0])
def test_what_takes_rights_away_ends_all_sessions(instance, words):
    instance.add_user("eve")
    try:
        browsers = [Web(instance, "eve") for _ in range(2)]
        assert all(browser.ask("GET", "/api/session")[0] == 200 for browser in browsers)
        instance.ctl("user", *words, text="eve-secret\n")
        assert [browser.ask("GET", "/api/session")[0] for browser in browsers] == [401, 401]
    finally:
        instance.ctl("user", "del", "eve", "--purge", check=False)


def test_nobody_is_let_in_whose_session_could_not_be_ended(instance):
    instance.add_user("dora")
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(Session(instance, "dora"))
        assert Web(instance).login("dora", "dora-secret")[0] == 503
    assert Web(instance, "dora").session["mail"]


def test_metrics(instance):
    web = Web(instance)
    for key in ("", "Bearer wrong", "Basic prometheus-secret-key"):
        assert web.ask("GET", "/metrics", headers={"Authorization": key})[0] == 401
    status, data, _ = web.ask("GET", "/metrics", headers={"Authorization": "Bearer prometheus-secret-key"})
    assert status == 200 and re.search(rb'^sambar_logins\{program="webd",worker="0"\} \d+$', data, re.M)
    assert b'sambar_up{program="queue",worker="0"} 1' in data
    assert re.search(rb'^# TYPE sambar_refused_relaying_total counter\nsambar_refused_relaying_total\{program="smtpd"\} \d+$', data, re.M)
    assert b"sambar_connections_now_total" not in data
    totals = re.findall(rb"^(?:# TYPE )?(\w+_total)\b", data, re.M)     # each has one TYPE, and its lines in one place
    assert totals.count(b"sambar_logins_total") > 2 and totals == sorted(totals, key=totals.index)
    types = re.findall(rb"^# TYPE (\w+)", data, re.M)
    assert sorted(types) == sorted(set(totals))


# ---- reading ----

def test_reading(instance):
    instance.send(text_message("to be read"), "ann@example.test")
    web = Web(instance, "ann")
    row = arrived(web, "INBOX", "to be read")
    at = f"folder={row['folder']}&uid={row['uid']}"
    message = web.get(f"/api/message?{at}")
    assert message["subject"] == "to be read" and message["problem"] is None and message["reply"]["subject"] == "Re: to be read"
    status, page, headers = web.ask("GET", f"/api/message/html?{at}")
    assert status == 200 and headers["Content-Security-Policy"] != Web(instance).ask("GET", "/")[2]["Content-Security-Policy"]
    source = web.get(f"/api/message/source?{at}")
    assert b"Subject: to be read\r\n" in source
    _, _, headers = web.ask("GET", f"/api/message/source?{at}&download=1")
    assert headers["Content-Disposition"].startswith("attachment;")
    items = [{"folder": row["folder"], "uids": [row["uid"]]}]
    web.post("/api/flags", {"items": items, "add": ["seen", "label:work"]})
    assert [r["uid"] for r in web.rows("INBOX", "&q=label:work+is:read")] == [row["uid"]]
    assert web.get("/api/labels") == {"labels": [{"name": "work", "total": 1, "unread": 0}]}
    web.post("/api/flags", {"items": items, "remove": ["label:work"]})
    moved = web.post("/api/move", {"items": items, "to": web.folders()["Trash"]["id"]})["moved"]
    assert moved[0]["from"] == {"folder": row["folder"], "uid": row["uid"]}
    assert web.ask("GET", f"/api/message?{at}")[0] == 404
    assert web.post("/api/folders/empty", {"id": web.folders()["Trash"]["id"]})["n"] >= 1
    web.post("/api/folders/empty", {"id": web.folders()["INBOX"]["id"]}, 400)


def test_a_session_ends_while_its_message_is_read(instance):
    """What a thread of webd's is at work on is waited for by nobody any more."""
    html = b"\r\n".join(b"<p style=\"color:red;margin:%dpx\" class=\"c%d\">x</p>" % (i, i) for i in range(10000))
    instance.send(b"Subject: long work\r\nContent-Type: text/html\r\n\r\n" + html + b"\r\n", "bob@example.test")
    row = arrived(Web(instance, "bob"), "INBOX", "long work")
    for _ in range(3):
        bob = Web(instance, "bob")
        ask = f"GET /api/message?folder={row['folder']}&uid={row['uid']} HTTP/1.1\r\nHost: x\r\nCookie: {bob.cookie}\r\n\r\n".encode()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(socket.create_connection(("127.0.0.1", bob.port), timeout=60)) for _ in range(4)]
            for sock in socks:
                sock.sendall(ask)
            assert socks[0].recv(12) == b"HTTP/1.1 200"     # the others wait for their turn
            bob.post("/api/logout", {})
            assert {sock.recv(12) for sock in socks[1:]} <= {b"HTTP/1.1 200", b"HTTP/1.1 401"}
    assert Web(instance, "bob").get(f"/api/message?folder={row['folder']}&uid={row['uid']}")["html"]


def test_nobody_reads_anothers(instance):
    instance.send(text_message("for bob only"), "bob@example.test")
    bob, ann = Web(instance, "bob"), Web(instance, "ann")
    row = arrived(bob, "INBOX", "for bob only")
    for path in ("message", "message/html", "message/source", "part"):
        assert ann.ask("GET", f"/api/{path}?folder={row['folder']}&uid={row['uid']}&part=1")[0] == 404, path
    assert "for bob only" not in [r["subject"] for r in ann.rows("INBOX")]


def test_events(instance):
    web = Web(instance, "bob")
    connection = web.connect()
    connection.request("GET", "/api/events", headers={"Cookie": web.cookie})
    stream = connection.getresponse()
    assert stream.status == 200 and stream.getheader("Content-Type") == "text/event-stream"
    assert stream.readline() == b"retry: 3000\n"
    instance.send(text_message("news"), "bob@example.test")
    while stream.readline() != b"event: folder\n":
        pass
    folder = json.loads(stream.readline()[6:])
    assert folder["name"] == "INBOX" and folder["unread"] >= 1
    while stream.readline() != b"event: arrived\n":
        pass
    message = json.loads(stream.readline()[6:])
    assert message["folder"] == folder["id"] and message["subject"] == "news" and message["uid"] > 0
    web.post("/api/logout", {})
    while stream.readline() != b"event: bye\n":
        pass
    assert json.loads(stream.readline()[6:]) == {"why": "logout"}
    connection.close()


def test_an_export_whose_client_goes_while_store_is_asked(instance):
    web = Web(instance, "bob")
    instance.send(text_message("exported"), "bob@example.test")
    row = arrived(web, "INBOX", "exported")
    uids = ",".join([str(row["uid"])] * 1500)
    request = f"GET /api/export?folder={row['folder']}&uids={uids} HTTP/1.1\r\nHost: x\r\nCookie: {web.cookie}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", web.port), timeout=60) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request.encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert web.folders()["INBOX"]["total"] >= 1  # its sessions are in memory: it is the same webd


# ---- writing ----

def letter(**more):
    return {"to": ["Bob <bob@example.test>"], "subject": "hello", "text": "Hello Bob\n", "undo": 0, **more}


def test_sending(instance):
    ann, bob = Web(instance, "ann"), Web(instance, "bob")
    upload = ann.ask("POST", "/api/upload?name=../../a%20b.txt&type=text/plain", b"attached")[1]
    assert upload["name"] == "a b.txt"
    sent = ann.post("/api/send", letter(subject="Grüße", bcc=["boss@example.test"], attachments=[{"upload": upload["id"]}]))
    row = arrived(bob, "INBOX", "Grüße")
    message = bob.get(f"/api/message?folder={row['folder']}&uid={row['uid']}")
    source = bob.get(f"/api/message/source?folder={row['folder']}&uid={row['uid']}")
    assert message["text"].strip() == "Hello Bob" and message["headers"]["bcc"] == [] and b"boss" not in source
    assert source.startswith(b"Return-Path: <ann@example.test>\r\nReceived: by ")
    part = message["attachments"][0]
    assert part["name"] == "a b.txt"
    status, data, headers = bob.ask("GET", f"/api/part?folder={row['folder']}&uid={row['uid']}&part={part['part']}")
    assert data == b"attached" and headers["Content-Type"] == "application/octet-stream" and "sandbox" in headers["Content-Security-Policy"]
    archive = zipfile.ZipFile(io.BytesIO(bob.get(f"/api/message/zip?folder={row['folder']}&uid={row['uid']}")))
    assert {name: archive.read(name) for name in archive.namelist()} == {"a b.txt": b"attached"}
    archive = zipfile.ZipFile(io.BytesIO(bob.get(f"/api/export?folder={row['folder']}&uids={row['uid']},99999")))
    assert {name: archive.read(name) for name in archive.namelist()} == {f"{row['uid']}.eml": source}
    copy = ann.get(f"/api/message?folder={sent['sent']['folder']}&uid={sent['sent']['uid']}")
    assert copy["headers"]["bcc"][0]["address"] == "boss@example.test"
    assert {"name": "Bob", "address": "bob@example.test"} in ann.get("/api/complete?q=bo")


@pytest.mark.parametrize("more, status", [
    ({"to": []}, 400), ({"to": ["nobody-here@example.test"]}, 400), ({"to": ["no address"]}, 400),
    ({"from": "boss@example.test"}, 403), ({"from": "ann@elsewhere.test"}, 403), ({"to": "x"}, 400),
    ({"attachments": [{"upload": 99}]}, 404), ({"attachments": [{}]}, 400), ({"at": 99999999999}, 400),
])
def test_what_cannot_be_sent_is_said_before(instance, more, status):
    web = Web(instance, "ann")
    before = web.folders()["Sent"]["total"]
    assert web.post("/api/send", letter(**more), status)["error"]
    assert web.folders()["Sent"]["total"] == before


def test_what_is_attached_and_answered_is_read(instance):
    """Messages of one's own: a part of one, a whole one, and what is answered; all of them parsed beside the loop."""
    instance.send(b"From: bob@example.test\r\nTo: ann@example.test\r\nSubject: a/source\r\nMessage-ID: <source@example.test>\r\nReferences: <older@example.test>\r\n"
                  b"Disposition-Notification-To: bob@example.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                  b"Content-Type: application/x-thing; name=thing.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n", "ann@example.test")
    ann, bob = Web(instance, "ann"), Web(instance, "bob")
    row = arrived(ann, "INBOX", "a/source")
    place = {"folder": row["folder"], "uid": row["uid"]}
    ann.post("/api/send", letter(subject="with both", reply=place, attachments=[{**place, "part": "2"}, place]))
    got = arrived(bob, "INBOX", "with both")
    message = bob.get(f"/api/message?folder={got['folder']}&uid={got['uid']}")
    assert [(part["name"], part["type"]) for part in message["attachments"]] == [("thing.bin", "application/x-thing"), ("a_source.eml", "message/rfc822")]
    assert bob.get(f"/api/part?folder={got['folder']}&uid={got['uid']}&part={message['attachments'][0]['part']}") == b"\0\1\2"
    assert message["headers"]["in_reply_to"] == "<source@example.test>"
    assert message["headers"]["references"] == "<older@example.test> <source@example.test>"
    for gone, said in ({**place, "part": "7"}, "cannot be read"), ({**place, "uid": 99999}, "not there any more"), ({**place, "uid": 99999, "part": "2"}, "not there any more"):
        assert said in ann.post("/api/send", letter(attachments=[gone]), 404)["error"]
    # What is answered may be gone.
    ann.post("/api/send", letter(subject="late", reply={**place, "uid": 99999}))
    assert arrived(bob, "INBOX", "late")
    ann.post("/api/receipt", place)
    receipt = arrived(bob, "INBOX", "Read: a/source")
    assert b"Original-Message-ID: <source@example.test>" in bob.get(f"/api/message/source?folder={receipt['folder']}&uid={receipt['uid']}")
    assert ann.post("/api/receipt", place, 409)["code"] == "conflict"
    plain = {"folder": got["folder"], "uid": got["uid"]}
    assert "does not ask" in bob.post("/api/receipt", plain, 400)["error"]


def test_a_session_ends_while_a_letter_is_made_ready(instance):
    html = b"<p>x</p>" * 90000
    instance.send(b"Subject: to be forwarded\r\nContent-Type: text/html\r\n\r\n" + b"\r\n".join(html[i:i + 800] for i in range(0, len(html), 800)) + b"\r\n", "bob@example.test")
    row = arrived(Web(instance, "bob"), "INBOX", "to be forwarded")
    place = {"folder": row["folder"], "uid": row["uid"]}
    for _ in range(5):
        bob = Web(instance, "bob")
        body = json.dumps(letter(to=["bob@example.test"], attachments=[place, {**place, "part": "1"}] * 5)).encode()
        head = f"POST /api/draft HTTP/1.1\r\nHost: x\r\nCookie: {bob.cookie}\r\nX-CSRF-Token: {bob.csrf}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", bob.port), timeout=60) as sock:
            sock.sendall(head.encode() + body)
            bob.post("/api/logout", {})
            assert sock.recv(100).startswith(b"HTTP/1.1 ")
    assert Web(instance, "bob").get("/api/folders")["folders"]


@pytest.mark.parametrize("field", ["subject", "from_name", "to", "cc", "message_id", "priority"])
def test_line_ends_make_no_header_field(instance, field):
    ann, bob = Web(instance, "ann"), Web(instance, "bob")
    evil = "x\r\nX-Evil: yes\r\n\r\nevil body"
    value = [f"\"{evil}\" <bob@example.test>"] if field in ("to", "cc") else evil
    body = letter(**{field: value})
    status, _, _ = ann.ask("POST", "/api/send", body)
    assert status in (200, 400)
    if status == 200:
        instance.wait_spool_empty()
    for row in bob.rows("INBOX"):
        head = bob.get(f"/api/message/source?folder={row['folder']}&uid={row['uid']}").split(b"\r\n\r\n")[0]
        assert b"\r\nX-Evil" not in head


@pytest.mark.parametrize("path", ["/api/send", "/api/draft"])
def test_what_is_attached_is_measured_before_it_is_written(make_instance, path):
    one = make_instance(users=("ann",), config={"Maximum Message Size": "64K", "Maximum Login Delay": "0"})
    web = Web(one, "ann")
    upload = web.ask("POST", "/api/upload?name=a&type=text/plain", b"x" * 40000)[1]["id"]
    body = letter(to=["ann@example.test"], attachments=[{"upload": upload}])
    assert web.post("/api/draft", body)["uid"]
    assert web.post(path, {**body, "attachments": [{"upload": upload}] * 2}, 413)["code"] == "large"


def test_none_of_many_recipients_is_left_out(make_instance):
    one = make_instance(users=("ann",), config={"Maximum Recipients": "3000"})
    web = Web(one, "ann")
    some = [[f"{name}{i}@example.test" for i in range(600)] for name in ("a", "b")]
    answer = web.post("/api/send", letter(to=some[0], bcc=some[1]), 400)
    assert answer["error"] == "A message may go to at most 1000 recipients."
    assert web.post("/api/send", letter(to=["ann@example.test"] * 600, cc=["ann@example.test"] * 600))["id"]


def test_uploads_under_way_count(make_instance):
    one = make_instance(users=("ann", "bob", "carl"), config={"Maximum Content-Length": "600M", "Maximum Login Delay": "0"})
    ann, again, bob, carl = (Web(one, user) for user in ("ann", "ann", "bob", "carl"))

    def begin(web, size=600000000):
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=60))
        sock.sendall((f"POST /api/upload?name=a&type=text/plain HTTP/1.1\r\nHost: x\r\nCookie: {web.cookie}\r\nX-CSRF-Token: {web.csrf}\r\n"
                      f"Expect: 100-continue\r\nContent-Length: {size}\r\n\r\n").encode())
        return sock.recv(4096)

    with contextlib.ExitStack() as stack:
        assert begin(ann) == b"HTTP/1.1 100 Continue\r\n\r\n"
        refused = begin(again)      # a user's share is that of all his sessions
        assert refused.startswith(b"HTTP/1.1 507 ") and b"\r\nConnection: close\r\n" in refused and b"600 MB together" in refused
        assert begin(bob).startswith(b"HTTP/1.1 503 ")      # all users' together
        assert carl.ask("POST", "/api/upload?name=a&type=text/plain", b"small")[0] == 200
        half = 20       # of 100
        for _ in range(half):
            assert bob.ask("POST", "/api/upload?name=a&type=text/plain", b"small")[0] == 200
        other = Web(one, "bob")
        for _ in range(100 - half):
            assert other.ask("POST", "/api/upload?name=a&type=text/plain", b"small")[0] == 200
        assert bob.post("/api/upload?name=a&type=text/plain", b"one more", 429)["code"] == "slow-down"
        assert carl.ask("POST", "/api/upload?name=a&type=text/plain", b"small")[0] == 200


def test_drafts(instance):
    web = Web(instance, "ann")
    first = web.post("/api/draft", letter(subject="draft one"))
    second = web.post("/api/draft", letter(subject="draft two", draft=first["uid"], message_id=first["message_id"]))
    assert [r["subject"] for r in web.rows("Drafts")] == ["draft two"] and second["message_id"] == first["message_id"]
    back = web.get(f"/api/draft?folder={web.folders()['Drafts']['id']}&uid={second['uid']}")
    assert back["subject"] == "draft two" and back["to"] == ["Bob <bob@example.test>"] and back["text"].strip() == "Hello Bob"
    half = letter(subject="draft three", draft=second["uid"], to=["an", "Bob <bob@example.test>", "x@", ""], cc=["<"])
    third = web.post("/api/draft", half)
    back = web.get(f"/api/draft?folder={third['folder']}&uid={third['uid']}")
    assert back["to"] == ["Bob <bob@example.test>"] and back["cc"] == [] and len(web.rows("Drafts")) == 1
    web.post("/api/send", half, 400)
    web.post("/api/send", letter(draft=third["uid"]))
    assert web.rows("Drafts") == []


def header(web, row):
    return web.get(f"/api/message/source?folder={row['folder']}&uid={row['uid']}").split(b"\r\n\r\n")[0].decode()


@pytest.mark.parametrize("moved", [False, True])
def test_a_draft_remembers_what_it_answers(instance, moved):
    ann, bob, token = Web(instance, "ann"), Web(instance, "bob"), f"asked {moved}"
    identifier, earlier = f"<asked{moved}@client.test>", "<earlier@client.test>"
    message = (f"From: <s@client.test>\r\nSubject: {token}\r\nMessage-Id: {identifier}\r\n"
               f"References: {earlier} <ü@client.test> <{'x' * 1200}@client.test>\r\n\r\nhello\r\n")
    instance.send(message.encode(), "ann@example.test")
    asked = arrived(ann, "INBOX", token)
    place = {"folder": asked["folder"], "uid": asked["uid"]}
    kept = ann.post("/api/draft", letter(subject=f"Re: {token}", reply=place))
    draft = ann.get(f"/api/draft?folder={kept['folder']}&uid={kept['uid']}")
    assert draft["reply"] == place and draft["forward"] is None
    if moved:
        ann.post("/api/move", {"items": [{"folder": place["folder"], "uids": [place["uid"]]}], "to": ann.folders()["Archive"]["id"]})
    ann.post("/api/send", {**draft, "draft": kept["uid"], "undo": 0})
    answer = header(bob, arrived(bob, "INBOX", f"Re: {token}"))
    assert f"\r\nIn-Reply-To: {identifier}\r\nReferences: {earlier} {identifier}\r\n" in answer
    assert "X-Sambar-Draft" not in answer
    assert moved or arrived(ann, "INBOX", token)["answered"]


def test_an_id_that_cannot_be_repeated_is_left_out(instance):
    ann, bob = Web(instance, "ann"), Web(instance, "bob")
    instance.send("From: <s@client.test>\r\nSubject: odd id\r\nMessage-Id: <ü@client.test>\r\n\r\nhello\r\n".encode(), "ann@example.test")
    asked = arrived(ann, "INBOX", "odd id")
    ann.post("/api/send", letter(subject="Re: odd id", reply={"folder": asked["folder"], "uid": asked["uid"]}))
    assert "In-Reply-To" not in header(bob, arrived(bob, "INBOX", "Re: odd id"))


def test_undo(instance):
    ann, bob = Web(instance, "ann"), Web(instance, "bob")
    sent = ann.post("/api/send", letter(subject="taken back", undo=120))
    waiting = [m for m in ann.get("/api/outbox")["messages"] if m["id"] == sent["id"]]
    assert waiting[0]["subject"] == "taken back" and waiting[0]["state"] == "waiting" and waiting[0]["release"] == sent["release"]
    assert bob.get("/api/outbox")["messages"] == []
    bob.post("/api/outbox/cancel", {"id": sent["id"]}, 409)
    draft = ann.post("/api/outbox/cancel", {"id": sent["id"]})["draft"]
    assert ann.get(f"/api/draft?folder={draft['folder']}&uid={draft['uid']}")["subject"] == "taken back"
    ann.post("/api/outbox/cancel", {"id": sent["id"]}, 409)
    assert ann.get("/api/outbox")["messages"] == [] and instance.json("queue", "list")["messages"] == []
    instance.send(text_message("after it"), "bob@example.test")
    arrived(bob, "INBOX", "after it")
    assert "taken back" not in [r["subject"] for r in bob.rows("INBOX")]
    assert "taken back" not in [r["subject"] for r in ann.rows("Sent")]


def test_a_message_without_a_copy_is_not_taken_back_unless_it_may_be_lost(make_instance):
    one = make_instance()
    one.ctl("user", "quota", "ann", "1K")
    ann = Web(one, "ann")
    sent = ann.post("/api/send", letter(subject="the only copy", text="x" * 2000, undo=120))
    assert sent["sent"] is None
    assert ann.post("/api/outbox/cancel", {"id": sent["id"]}, 409)["code"] == "no-copy"
    assert [m["id"] for m in ann.get("/api/outbox")["messages"]] == [sent["id"]] and len(one.spool()) == 1
    Web(one, "bob").post("/api/outbox/cancel", {"id": sent["id"], "discard": True}, 409)
    assert ann.post("/api/outbox/cancel", {"id": sent["id"], "discard": True}) == {"draft": None}
    assert ann.get("/api/outbox")["messages"] == []


def test_what_waits_survives_a_restart_of_queue(instance):
    ann = Web(instance, "ann")
    sent = ann.post("/api/send", letter(subject="patient", undo=120))
    instance.ctl("restart", "queue")
    assert [m["id"] for m in ann.get("/api/outbox")["messages"]] == [sent["id"]]
    ann.post("/api/outbox/cancel", {"id": sent["id"]})
    assert ann.get("/api/outbox")["messages"] == []


def test_what_fails_in_the_middle_says_what_was_done(make_instance):
    one = make_instance(users=("ann",))
    for i in range(4):
        one.send(b"Subject: some\r\n\r\n" + b"x" * 70 * 100 + b"\r\n")
    one.wait_mailbox("ann", 4)
    ann = Web(one, "ann")
    inbox, archive = ann.folders()["INBOX"]["id"], ann.folders()["Archive"]["id"]
    uids = sorted(row["uid"] for row in ann.rows("INBOX"))
    items = [{"folder": inbox, "uids": uids}]
    one.ctl("user", "quota", "ann", "40K")      # of which 28 are used
    ann = Web(one, "ann")
    failed = ann.post("/api/copy", {"items": items, "to": archive}, 507)
    assert failed["n"] == len(failed["moved"]) == 1 and failed["moved"][0]["from"] == {"folder": inbox, "uid": uids[0]}
    assert failed["error"].startswith("1 of 4 messages were copied. ") and ann.folders()["Archive"]["total"] == 1
    nowhere = {"folder": 9999, "uids": [1, 2]}
    failed = ann.post("/api/move", {"items": [{"folder": inbox, "uids": uids[:2]}, nowhere], "to": archive}, 404)
    assert failed["n"] == 2 and failed["error"].startswith("2 of 4 messages were moved. ")
    assert [m["to"]["folder"] for m in failed["moved"]] == [archive] * 2
    failed = ann.post("/api/remove", {"items": [{"folder": inbox, "uids": uids[2:]}, nowhere]}, 404)
    assert failed["n"] == 2 and failed["error"].startswith("2 of 4 messages were deleted. ") and ann.rows("INBOX") == []


def test_contacts(instance):
    web = Web(instance, "bob")
    contact = {"id": None, "name": "Zoë", "emails": ["zoe@example.org"], "note": "a\nb", "evil": "x"}
    saved = web.post("/api/contacts/save", {"contact": contact})["id"]
    assert web.get("/api/contacts?q=zo")["contacts"][0]["emails"] == ["zoe@example.org"]
    assert "evil" not in web.get("/api/contacts")["contacts"][0]
    web.post("/api/contacts/save", {"contact": {"id": 999, "name": "x"}}, 404)
    cards = web.get("/api/contacts/export")
    assert b"BEGIN:VCARD\r\n" in cards and "Zoë".encode() in cards
    other = web.post("/api/contacts/save", {"contact": {"id": None, "name": "stays"}})["id"]
    web.post("/api/contacts/remove", {"ids": [saved + 100, saved, saved]})
    assert [contact["name"] for contact in web.get("/api/contacts")["contacts"]] == ["stays"]
    web.post("/api/contacts/remove", {"ids": list(range(10001))}, 400)
    web.post("/api/contacts/remove", {"ids": [other]})
    assert web.get("/api/contacts")["contacts"] == []
    assert web.ask("POST", "/api/contacts/import", cards, {"Content-Type": "text/vcard"})[1] == {"n": 1}
    assert web.get("/api/contacts")["contacts"][0]["name"] == "Zoë"
    assert web.ask("POST", "/api/contacts/import", b"nothing", {"Content-Type": "text/vcard"})[0] == 400


def test_no_change_of_two_sessions_at_one_moment_is_lost(instance):
    sessions = [Web(instance, "bob") for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        saved = list(pool.map(lambda i: sessions[i % 4].post("/api/contacts/save", {"contact": {"id": None, "name": f"at once {i}"}})["id"], range(24)))
    there = {contact["id"] for contact in sessions[0].get("/api/contacts?q=at%20once")["contacts"]}
    assert len(set(saved)) == 24 and there == set(saved)


def test_the_later_of_two_changes_hears_of_the_first(instance):
    one, other = Web(instance, "bob"), Web(instance, "bob")
    saved = one.post("/api/contacts/save", {"contact": {"id": None, "name": "Cid"}})["id"]
    seen = [contact for contact in one.get("/api/contacts")["contacts"] if contact["id"] == saved][0]
    other.post("/api/contacts/save", {"contact": {**seen, "note": "theirs"}})
    newer = one.post("/api/contacts/save", {"contact": {**seen, "note": "mine"}}, 409)
    assert newer["code"] == "conflict" and newer["contact"]["note"] == "theirs"
    one.post("/api/contacts/save", {"contact": {**newer["contact"], "note": "mine"}})
    for path, change in (("settings", {"signature": "mine"}), ("vacation", {"subject": "mine"})):
        version = one.get(f"/api/{path}")["version"]
        theirs = {key: "theirs" for key in change}
        assert other.post(f"/api/{path}", {**theirs, "version": version})["version"] == other.get(f"/api/{path}")["version"] != version
        newer = one.post(f"/api/{path}", {**change, "version": version}, 409)["newer"]
        assert theirs.items() <= newer.items() and one.get(f"/api/{path}") == newer
        one.post(f"/api/{path}", {**change, "version": newer["version"]})
        assert change.items() <= other.get(f"/api/{path}").items()
        other.post(f"/api/{path}", {"version": "x"}, 409)


# ---- settings ----

def test_webmail_switched_off(make_instance):
    one = make_instance(users=("ann", "boss"), config={"Enable WebMail": "false", "Maximum Login Delay": "0"})
    one.ctl("user", "admin", "boss", "on")
    assert Web(one).login("ann", "ann-secret")[0] == 403
    boss = Web(one, "boss")
    assert boss.session["admin"] and not boss.session["mail"]
    assert boss.ask("GET", "/api/folders")[0] == 403
    assert boss.post("/api/admin", {"words": ["user", "list"]})["users"]


def test_a_proxy_is_believed_when_it_is_trusted(make_instance):
    forwarded = {"X-Forwarded-For": "192.0.2.7, 198.51.100.9", "X-Forwarded-Proto": "https"}
    login = {"user": "ann", "password": "wrong"}
    one = make_instance(config={"Maximum Login Delay": "0"})
    Web(one).ask("POST", "/api/login", login, forwarded)
    one.wait_log("webd", r"auth-failed client=127\.0\.0\.1 ")
    one.configure("Trusted Proxies", "127.0.0.1")
    one.ctl("reload")
    assert Web(one).ask("POST", "/api/login", login, forwarded)[0] == 401
    one.wait_log("webd", r"auth-failed client=198\.51\.100\.9 ")
    # A proxy may add a field of its own behind the one that anybody has written.
    said = {**forwarded, "X-Forwarded-For": "127.0.0.1\r\nX-Forwarded-For: 198.51.100.10"}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    body = json.dumps(login)
    raw(one, f"POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
             f"Content-Length: {len(body)}\r\n{head}\r\n{body}".encode())
    one.wait_log("webd", r"auth-failed client=198\.51\.100\.10 ")
    # What came to the proxy in clear is sent to TLS, wherever its Host would lead.
    plain = {"X-Forwarded-For": "198.51.100.9", "Host": "evil.example"}
    assert Web(one).ask("POST", "/api/login", login, plain)[0] == 403
    status, _, headers = Web(one).ask("GET", "/", headers=plain)
    assert status == 308 and headers["Location"] == f"https://example.test:{one.port('HTTPS')}/"
