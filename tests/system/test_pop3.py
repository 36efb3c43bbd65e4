"""POP3 (RFC 1939, 2449, 2595, 5034): every command, foreign files, sessions side by side, real clients."""
import base64
import os
import poplib
import re
import socket
import subprocess
import zlib

import pytest

from clients import Closed, Pop, text_message, tls_context
from sambar import read, split_trace

USERS = ("ann", "bob", "carl", "empty", "foreign", "many", "mpop")
CONFIG = {"Maximum Login Delay": "0", "Maximum Login Failures": "3", "Maximum POP3 Errors": "30"}


@pytest.fixture(scope="module", autouse=True)
def mail(instance):
    """Three messages for ann."""
    for i in range(3):
        instance.send(text_message(f"m{i}", 500 + 1000 * i), "ann@example.test")
        instance.wait_spool_empty()


@pytest.fixture
def ann(instance):
    with instance.pop("ann") as pop:
        yield pop


def put(instance, user, name, data, folder="new"):
    """A file that another Maildir tool put there."""
    path = os.path.join(instance.mailbox_path(user), folder, name)
    for part in ("new", "cur", "tmp"):
        directory = os.path.join(instance.mailbox_path(user), part)
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o700)
            owner = os.stat(instance.mailbox_path(user))
            os.chown(directory, owner.st_uid, owner.st_gid)
    with open(path, "wb") as f:
        f.write(data)
    owner = os.stat(instance.mailbox_path(user))
    os.chown(path, owner.st_uid, owner.st_gid)
    return path


# ---- before the login ----

def test_banner_and_capabilities(instance):
    with instance.pop() as pop:
        assert pop.banner[1].startswith("+OK")
        capabilities = {line.split()[0] for line in pop.multi("CAPA")}
        assert {"USER", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "STLS", "SASL"} <= capabilities
        pop.quit()


@pytest.mark.parametrize("command", ["STAT", "LIST", "RETR 1", "DELE 1", "TOP 1 0", "UIDL", "LAST", "RSET", "PASS x", "NONSENSE", "",
                                     "USER", "APOP ann 0123456789abcdef0123456789abcdef", "AUTH NOSUCH", "USER " + "u" * 600])
def test_refused_before_the_login(instance, command):
    with instance.pop() as pop:
        pop.err(command)
        pop.ok("CAPA")
        pop.body()
        pop.quit()


@pytest.mark.parametrize("user, password, good", [
    ("ann", "ann-secret", True), ("ANN", "ann-secret", True), ("ann@example.test", "ann-secret", True),
    ("ann*example.test", "ann-secret", True), ("ann", "wrong", False), ("ann", "", False), ("ann", "ann-secret x", False),
    ("nobody", "ann-secret", False), ("ann@other.test", "ann-secret", False), ("../ann", "ann-secret", False),
    ("ann\0", "ann-secret", False)])
def test_login(instance, user, password, good):
    with instance.pop() as pop:
        first, _ = pop.cmd(f"USER {user}")
        if not first:
            assert not good
            return
        answer = pop.cmd(f"PASS {password}")
        assert answer[0] == good, answer
        if not good:
            assert "[AUTH]" in answer[1] or password == ""


def test_sasl(instance):
    token = base64.b64encode(b"\0ann\0ann-secret").decode()
    with instance.pop() as pop:
        pop.ok(f"AUTH PLAIN {token}")
        pop.ok("STAT")
    with instance.pop() as pop:
        pop.send("AUTH PLAIN\r\n")
        assert pop.line().rstrip() == "+"
        pop.ok(token)
    with instance.pop() as pop:
        pop.send("AUTH PLAIN\r\n")
        pop.line()
        pop.err("*")
        pop.err("AUTH PLAIN !!!")
        pop.ok("USER ann")
        pop.ok("PASS ann-secret")


def test_user_without_a_mailbox(instance):
    instance.ctl("user", "add", "nobox", "--no-mailbox", text="nobox-secret\n")
    with instance.pop() as pop:
        pop.ok("USER nobox")
        assert "[AUTH]" in pop.err("PASS nobox-secret")


def test_failures_end_the_connection(instance):
    with instance.pop() as pop:
        answers = []
        try:
            for _ in range(10):
                pop.cmd("USER ann")
                answers.append(pop.cmd("PASS wrong")[0])
        except Closed:
            pass
        assert answers == [False] * 3


def test_too_many_errors_end_the_connection(instance):
    with instance.pop() as pop:
        pop.send("NONSENSE\r\n" * 200)
        lines = pop.end()
        assert 29 <= len(lines) <= 32 and all(line.startswith("-ERR") for line in lines)


def test_stls(instance):
    with instance.pop() as pop:
        pop.ok("STLS")
        pop.start_tls()
        assert "STLS" not in {line.split()[0] for line in pop.multi("CAPA")}
        pop.err("STLS")
        pop.ok("USER ann")
        pop.ok("PASS ann-secret")
        pop.quit()


@pytest.mark.parametrize("injected", [b"CAPA\r\n", b"USER ann\r\nPASS ann-secret\r\n"])
def test_stls_injection(instance, injected):
    with instance.pop() as pop:
        pop.send(b"STLS\r\n" + injected)
        try:
            good, _ = pop.status()
        except Closed:
            return
        if not good:
            return
        pop.start_tls()
        pop.err("STAT")


def test_pop3s(instance):
    with instance.pop("ann", "POP3S") as pop:
        assert len(pop.multi("LIST")) == 3
        pop.quit()


# ---- a session ----

def test_stat_list_uidl_last(instance, ann):
    sizes = [os.path.getsize(path) for path in instance.mailbox("ann")]
    assert ann.ok("STAT").split()[:3] == ["+OK", "3", str(sum(sizes))]
    assert ann.multi("LIST") == [f"{i + 1} {size}" for i, size in enumerate(sizes)]
    assert ann.ok("LIST 2").split()[1:3] == ["2", str(sizes[1])]
    uidl = dict(line.split() for line in ann.multi("UIDL"))
    assert len(set(uidl.values())) == 3 and all(re.fullmatch(r"[!-~]{1,70}", u) for u in uidl.values())
    assert ann.ok("UIDL 3").split()[1:3] == ["3", uidl["3"]]
    assert ann.ok("LAST").split()[1] == "0"
    ann.multi("RETR 2")
    assert ann.ok("LAST").split()[1] == "2"
    ann.ok("RSET")
    assert ann.ok("LAST").split()[1] == "0"
    ann.ok("NOOP")


def test_retr_and_top(instance, ann):
    for i, path in enumerate(instance.mailbox("ann"), 1):
        message = read(path)
        assert ann.message(f"RETR {i}") == message
        head, body = message.split(b"\r\n\r\n", 1)
        lines = body.split(b"\r\n")[:-1]
        for n in (0, 1, 3, len(lines), len(lines) + 1, 4294967295):
            expected = head + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines[:n])
            assert ann.message(f"TOP {i} {n}") == expected, n


@pytest.mark.parametrize("command", ["RETR", "RETR 0", "RETR -1", "RETR 4", "RETR 4294967296", "RETR 4294967297", "RETR 18446744073709551617",
                                     "RETR x", "RETR 1 2", "RETR  ", "LIST 0", "LIST -1", "LIST 99", "UIDL 0", "UIDL 99", "DELE 0", "DELE",
                                     "DELE -1", "DELE 4294967297", "TOP 1", "TOP 1 -1", "TOP 0 1", "TOP 1 x", "TOP", "TOP 1 1 1", "USER ann",
                                     "PASS x", "STLS", "NONSENSE", "STAT 1", "LIST 1 2", "RETR +1", "RETR 0x1"])
def test_refused_in_a_session(ann, command):
    ann.err(command)
    ann.ok("NOOP")


@pytest.mark.parametrize("command", ["stat", "Noop", "list 1", "uidl 1"])
def test_case_does_not_matter(ann, command):
    ann.ok(command)


def test_pipelined(ann):
    ann.send("STAT\r\nLIST\r\nRETR 1\r\nUIDL 2\r\nDELE 9\r\nNOOP\r\n")
    assert ann.status()[0]
    assert ann.status()[0] and len(ann.body()) == 3
    assert ann.status()[0] and ann.body()
    assert [ann.status()[0] for _ in range(3)] == [True, False, True]


def test_bytewise(instance):
    with instance.pop() as pop:
        pop.send_bytewise(b"USER ann\r\nPASS ann-secret\r\nSTAT\r\nQUIT\r\n")
        assert [pop.status()[0] for _ in range(4)] == [True] * 4


def test_dots_are_stuffed(instance):
    instance.send(b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n", "bob@example.test")
    instance.wait_spool_empty()
    with instance.pop("bob") as pop:
        pop.ok("RETR 1")
        raw = []
        while (line := pop.line()) != ".":
            raw.append(line)
        assert raw[-3:] == ["..", "...", "..x"]
        size = int(pop.ok("LIST 1").split()[2])
        assert size == os.path.getsize(instance.mailbox("bob")[0])


def test_long_line_is_answered_and_in_step(ann):
    ann.err("NOOP " + "n" * 600)
    ann.err("N" * 100000)
    ann.ok("NOOP")


# ---- deleting ----

def fill(instance, user, n):
    before = len(instance.mailbox(user))
    for i in range(n):
        instance.send(text_message(f"{user}-{i}"), f"{user}@example.test")
    instance.wait_spool_empty()
    assert len(instance.mailbox(user)) == before + n


def test_delete_only_on_quit(instance):
    fill(instance, "carl", 4)
    with instance.pop("carl") as pop:
        pop.ok("DELE 1")
        for command in ("RETR 1", "LIST 1", "UIDL 1", "DELE 1", "TOP 1 0"):
            pop.err(command)
        assert pop.ok("STAT").split()[1] == "3"
        assert [line.split()[0] for line in pop.multi("LIST")] == ["2", "3", "4"]
        pop.ok("RSET")
        assert pop.ok("STAT").split()[1] == "4"
        pop.ok("DELE 2")
        pop.close()                                 # no QUIT
    with instance.pop("carl") as pop:
        assert pop.ok("STAT").split()[1] == "4"
        pop.ok("DELE 2")
        pop.ok("DELE 3")
        pop.abort()
    with instance.pop("carl") as pop:
        uidl = [line.split()[1] for line in pop.multi("UIDL")]
        assert len(uidl) == 4
        pop.ok("DELE 2")
        pop.ok("DELE 4")
        pop.quit()
    assert len(instance.mailbox("carl")) == 2       # gone when QUIT was answered
    with instance.pop("carl") as pop:
        assert [line.split()[1] for line in pop.multi("UIDL")] == [uidl[0], uidl[2]]
        for i in (1, 2):
            pop.ok(f"DELE {i}")
        pop.quit()
    assert instance.mailbox("carl") == []


def test_two_sessions_side_by_side(instance):
    fill(instance, "carl", 3)
    one, two = instance.pop("carl"), instance.pop("carl")
    both = [pop.multi("UIDL") for pop in (one, two)]
    assert both[0] == both[1] and len(both[0]) == 3
    two.ok("DELE 2")
    one.ok("DELE 2")
    one.ok("DELE 3")
    message = one.message("RETR 1")
    one.quit()
    assert two.message("RETR 1") == message
    good, line = two.cmd("RETR 3")                  # deleted by the other session
    if good:
        two.body()
    two.quit()
    assert len(instance.mailbox("carl")) == 1
    with instance.pop("carl") as pop:
        pop.ok("DELE 1")
        pop.quit()


def test_new_mail_shows_in_the_next_session(instance):
    with instance.pop("carl") as pop:
        assert pop.ok("STAT").split()[1] == "0"
        fill(instance, "carl", 1)
        assert pop.ok("STAT").split()[1] == "0"
        with instance.pop("carl") as other:
            assert other.ok("STAT").split()[1] == "1"
            other.ok("DELE 1")
            other.quit()


def test_uidl_is_stable_over_restarts(instance):
    with instance.pop("ann") as pop:
        before = pop.multi("UIDL")
    instance.ctl("restart")
    with instance.pop("ann") as pop:
        assert pop.multi("UIDL") == before
    instance.stop()
    instance.start()
    with instance.pop("ann") as pop:
        assert pop.multi("UIDL") == before
    # Seen by another tool: cur/ and a flag; it is the same message.
    path = instance.mailbox("ann")[0]
    moved = os.path.join(instance.mailbox_path("ann"), "cur", os.path.basename(path) + ":2,S")
    os.rename(path, moved)
    with instance.pop("ann") as pop:
        assert sorted(line.split()[1] for line in pop.multi("UIDL")) == sorted(line.split()[1] for line in before)
    os.rename(moved, path)


def test_empty_mailbox(instance):
    with instance.pop("empty") as pop:
        assert pop.ok("STAT").split()[1:3] == ["0", "0"]
        assert pop.multi("LIST") == [] and pop.multi("UIDL") == []
        pop.err("RETR 1")
        pop.quit()


# ---- foreign files ----

@pytest.mark.parametrize("data, expected", [
    (b"Subject: lf\n\nline\n.dot\n", b"Subject: lf\r\n\r\nline\r\n.dot\r\n"),
    (b"Subject: crlf\r\n\r\nline\r\n", b"Subject: crlf\r\n\r\nline\r\n"),
    (b"Subject: mixed\r\n\nline\nmore\r\n", b"Subject: mixed\r\n\r\nline\r\nmore\r\n"),
    (b"Subject: no end\n\nline", b"Subject: no end\r\n\r\nline\r\n"),
    (b"Subject: 8bit\n\n\xff\xfe\n", b"Subject: 8bit\r\n\r\n\xff\xfe\r\n"),
    (b".\n..\n", b".\r\n..\r\n"),
    (b"x" * 200000 + b"\n", b"x" * 200000 + b"\r\n"),
])
def test_foreign_messages(instance, data, expected):
    path = put(instance, "foreign", f"1600000000.M{zlib.crc32(data)}P1.elsewhere", data)     # a name is never used twice
    with instance.pop("foreign") as pop:
        assert pop.message("RETR 1") == expected
        assert int(pop.ok("LIST 1").split()[2]) == len(expected)
        assert int(pop.ok("STAT").split()[2]) == len(expected)
        pop.quit()
    os.unlink(path)


def test_foreign_names(instance):
    names = ["1600000000.M1P1.host", "1600000001.M1P1.host:2,S", "1600000002.M1P1.host,S=999999:2,RS", "no-pattern", "a b", "x" * 200,
             "\u00fc\u00f1\u00ef", "%41", "1600000003.M1P1.h\\057st", "same", ".hidden"]
    paths = [put(instance, "foreign", name, f"Subject: {i}\n\nx\n".encode(), "cur" if ":2," in name else "new")
             for i, name in enumerate(names)]
    with instance.pop("foreign") as pop:
        uidl = [line.split(" ", 1)[1] for line in pop.multi("UIDL")]
        assert len(uidl) == len(names) - 1          # all but .hidden
        assert len(set(uidl)) == len(uidl) and all(re.fullmatch(r"[!-~]{1,70}", u) for u in uidl)
        subjects = {pop.multi(f"RETR {i + 1}")[0] for i in range(len(uidl))}
        assert len(subjects) == len(uidl)
        assert pop.multi("UIDL") == [f"{i + 1} {u}" for i, u in enumerate(uidl)]
    with instance.pop("foreign") as pop:
        assert [line.split(" ", 1)[1] for line in pop.multi("UIDL")] == uidl
    for path in paths:
        os.unlink(path)


def test_symlinks_fifos_and_the_like(instance):
    put(instance, "foreign", "1600000000.M1P1.good", b"Subject: good\n\nx\n")
    new = os.path.join(instance.mailbox_path("foreign"), "new")
    os.symlink("/etc/passwd", os.path.join(new, "1600000001.M1P1.link"))
    os.symlink(instance.mailbox("ann")[0], os.path.join(new, "1600000001.M2P1.link"))
    os.mkfifo(os.path.join(new, "1600000002.M1P1.fifo"))
    os.mkdir(os.path.join(new, "1600000003.M1P1.dir"))
    unreadable = put(instance, "foreign", "1600000004.M1P1.unreadable", b"Subject: unreadable\n\nx\n")
    os.chmod(unreadable, 0)
    with instance.pop("foreign") as pop:
        seen = []
        for line in pop.multi("LIST"):
            good, _ = pop.cmd(f"RETR {line.split()[0]}")
            if good:
                seen.append(pop.body())
        text = str(seen)
        assert "root:" not in text and "X-Token" not in text and "Subject: good" in text
        pop.quit()
    for name in os.listdir(new):
        path = os.path.join(new, name)
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def test_files_that_change_meanwhile(instance):
    paths = [put(instance, "foreign", f"160000000{i}.M1P1.x", b"Subject: x\n\n" + b"line\n" * 1000) for i in range(4)]
    with instance.pop("foreign") as pop:
        pop.multi("LIST")
        os.unlink(paths[0])                                             # gone
        with open(paths[1], "ab") as f:
            f.write(b"grown\n" * 1000)
        with open(paths[2], "r+b") as f:
            f.truncate(20)
        os.rename(paths[3], os.path.join(instance.mailbox_path("foreign"), "cur", "1600000003.M1P1.x:2,S"))
        pop.err("RETR 1")
        for i in (2, 3, 4):
            good, _ = pop.cmd(f"RETR {i}")
            if good:
                pop.body()
        pop.ok("NOOP")
        pop.ok("DELE 4")
        pop.quit()
    assert len(instance.mailbox("foreign")) == 2
    for path in instance.mailbox("foreign"):
        os.unlink(path)


def test_very_many_messages(instance):
    n = 20000
    box = os.path.join(instance.mailbox_path("many"), "new")
    first = put(instance, "many", "1600000000.M0P1.x,S=14", b"Subject: m\n\nx\n")
    for i in range(1, n):
        os.link(first, os.path.join(box, f"{1600000000 + i}.M0P1.x,S=14"))
    with instance.pop("many") as pop:
        assert pop.ok("STAT").split()[1] == str(n)
        uidl = [line.split()[1] for line in pop.multi("UIDL")]
        assert len(set(uidl)) == n
        pop.send("".join(f"RETR {i}\r\n" for i in range(1, n + 1, 100)))
        for _ in range(1, n + 1, 100):
            assert pop.status()[0] and pop.body()[0] == "Subject: m"
        pop.send("".join(f"DELE {i}\r\n" for i in range(1, n + 1)))
        for _ in range(n):
            assert pop.status()[0]
        pop.quit()
    assert instance.mailbox("many") == []


def test_client_that_does_not_read(instance):
    """A long answer stops when the client does not read; others are served; it goes on when read."""
    put(instance, "foreign", "1600000000.M1P1.big", b"Subject: big\n\n" + b"x" * 70 + b"\n")
    with open(os.path.join(instance.mailbox_path("foreign"), "new", "1600000000.M1P1.big"), "ab") as f:
        f.write((b"y" * 70 + b"\n") * 400000)
    with instance.pop("foreign") as slow:
        slow.send("RETR 1\r\nRETR 1\r\n")
        with instance.pop("ann") as pop:
            assert len(pop.multi("LIST")) == 3
            pop.quit()
        for _ in range(2):
            assert slow.status()[0]
            assert len(slow.body()) == 400003
        slow.quit()
    for path in instance.mailbox("foreign"):
        os.unlink(path)


# ---- real clients ----

def test_poplib(instance):
    for secure in (False, True):
        if secure:
            pop = poplib.POP3_SSL("127.0.0.1", instance.port("POP3S"), context=tls_context())
        else:
            pop = poplib.POP3("127.0.0.1", instance.port("POP3"))
            pop.stls(tls_context())
        pop.user("ann")
        pop.pass_("ann-secret")
        assert pop.stat()[0] == 3
        assert b"Subject: m1" in pop.retr(2)[1]
        assert len(pop.uidl()[1]) == 3
        pop.quit()


def test_curl(instance):
    def curl(url):
        return subprocess.run(["curl", "-sSk", "-u", "ann:ann-secret", url], capture_output=True, check=True).stdout

    assert len(curl(f"pop3://127.0.0.1:{instance.port('POP3')}/").splitlines()) == 3
    got = curl(f"pop3s://127.0.0.1:{instance.port('POP3S')}/2")
    assert split_trace(got)[1] == text_message("m1", 1500)


@pytest.mark.parametrize("tls", [["tls off"], ["tls on", "tls_starttls on", "tls_certcheck off"],
                                 ["tls on", "tls_starttls off", "tls_certcheck off"]], ids=("clear", "stls", "pop3s"))
def test_mpop(instance, tmp_path, tls):
    instance.send(text_message("by-mpop", 4000), "mpop@example.test")
    instance.wait_spool_empty()
    for part in ("", "new", "cur", "tmp"):
        (tmp_path / "box" / part).mkdir(exist_ok=True)
    listener = "POP3S" if "tls_starttls off" in tls else "POP3"
    config = tmp_path / "mpoprc"
    config.write_text("\n".join([
        "defaults", *tls, "account a", "host 127.0.0.1", f"port {instance.port(listener)}", "user mpop",
        "password mpop-secret", "auth user" if tls == ["tls off"] else "auth plain", f"delivery maildir {tmp_path}/box",
        f"uidls_file {tmp_path}/uidls", "keep off", ""]))
    config.chmod(0o600)
    done = subprocess.run(["mpop", "-C", str(config), "a"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    got, = [p.read_bytes() for p in (tmp_path / "box" / "new").iterdir()]
    assert b"end of by-mpop" in got
    assert instance.mailbox("mpop") == []


def test_quota_of_users(make_instance):
    """Maximum Users: who reads mail at one time."""
    one = make_instance(users=("ann", "bob"), config={"Maximum Users": "1"})
    with one.pop("ann") as pop:
        with one.pop() as other:
            other.ok("USER bob")
            assert "[SYS/TEMP]" in other.err("PASS bob-secret")
        pop.quit()
    taken = False
    while not taken:        # the place is free when store has seen the session end, a moment after QUIT was answered
        with one.pop() as pop:
            pop.ok("USER bob")
            taken = pop.cmd("PASS bob-secret")[0]


def test_slow_login_of_strangers_does_not_hold_others(instance):
    waiting = [socket.create_connection(("127.0.0.1", instance.port("POP3"))) for _ in range(50)]
    with Pop(instance.port("POP3"), "ann", "ann-secret") as pop:
        pop.quit()
    for sock in waiting:
        sock.close()
