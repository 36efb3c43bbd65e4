"""sambarctl: every subcommand, and checks with all errors."""
import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import threading
from os import EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_NOUSER, EX_OSERR, EX_USAGE

import pytest

from clients import text_message
from events import wait_until
from sambar import BUILD, read

USERS = ("ann", "bob")


# ---- start, stop, status ----

def test_usage(instance):
    for words in ([], ["nonsense"], ["user"], ["user", "nonsense"], ["user", "add"], ["-x"], ["init"], ["init", "a", "b"],
                  ["queue"], ["queue", "show"], ["alias", "set", "x"], ["config", "get"], ["trace"], ["start", "x"]):
        done = instance.ctl(*words, check=False)
        assert done.returncode == EX_USAGE, (words, done)
        assert "sambarctl" in done.stderr and done.stdout == ""
    done = subprocess.run([os.path.join(BUILD, "sambarctl"), "status"], capture_output=True, text=True, cwd="/")
    assert done.returncode == EX_NOINPUT and "which instance" in done.stderr


@pytest.mark.parametrize("words, code, says", [
    (["user", "frob"], EX_USAGE, 'user: there is no command "frob"'),
    (["user", "add"], EX_USAGE, "user add: an argument is missing\nusage: sambarctl [-d DIR] user add NAME"),
    (["user", "add", "x", "y"], EX_USAGE, 'user add: "y" is one argument too many'),
    (["user", "add", "x", "--no-mailbox", "--admin", "--purge"], EX_USAGE, 'user add: "--purge" is no option here'),
    (["user", "admin", "ann", "perhaps"], EX_USAGE, 'user admin: "perhaps" is neither on nor off'),
    (["user", "del", "zz"], EX_NOUSER, "there is no user zz"),
    (["user", "quota", "ann", ""], EX_DATAERR, '"" is no size'),
    (["alias", "set", "", "ann"], EX_DATAERR, '"": address is empty'),
    (["alias", "del", "nosuch"], EX_DATAERR, 'there is no alias "nosuch"'),
    (["queue", "list", "x"], EX_USAGE, 'queue list: "x" is one argument too many'),
    (["queue", "show", "x"], EX_DATAERR, "queue id"),
    (["trace", "-x"], EX_USAGE, 'trace: "-x" is no option here'),
    (["trace", "<>"], EX_NOINPUT, "no line of the logs is about <>"),
    (["config", "get", "[mail]"], EX_DATAERR, '"[mail]" is no key'),
    (["config", "get", "Mail", "Server"], EX_USAGE, "one argument: 'Mail Server'"),
    (["config", "set", "Use", "MTA", "true"], EX_USAGE, "one argument: 'Use MTA'"),
    (["restart", "nosuch"], EX_USAGE, 'there is no program "nosuch"; right is auth, store, queue, router, smtpd, pop3d, deliver, fetcher, fetch, indexer, webd'),
    (["restart", "--all"], EX_USAGE, 'restart: "--all" is no option here'),
    (["stop", "x"], EX_USAGE, 'stop: "x" is one argument too many'),
    (["start", "--background"], EX_USAGE, 'start: "--background" is no option here'),
    (["status", "smtpd"], EX_USAGE, 'status: "smtpd" is one argument too many'),
    (["init", "", "--domain", "a.test"], EX_USAGE, "init: an argument is missing"),
    (["init", "x", "--domain", "a.test", "--port-base"], EX_USAGE, 'init: "--port-base" is no option here, or lacks its value'),
    (["log", "--json"], EX_USAGE, "knows no --json"),
    (["help", "--json"], EX_USAGE, "knows no --json"),
    (["help", "nosuch"], EX_USAGE, 'there is no command "nosuch"'),
    (["--json", "status"], EX_USAGE, '"--json" is no option in front of a command'),
    ([""], EX_USAGE, 'there is no command ""'),
    (["-d"], EX_USAGE, "-d: the directory is missing"),
    (["-d", "/nonexistent", "status"], EX_NOINPUT, '"/nonexistent" is no instance: '),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_misuse_says_what(instance, words, code, says):
    done = instance.ctl(*words, text="x\n", check=False)
    assert done.returncode == code and done.stdout == "" and says in done.stderr, done
    assert done.stderr.startswith("sambarctl: ")


def test_config_of_lines_with_names_of_their_own(instance):
    assert instance.ctl("config", "get", "[routes] far.test", check=False).returncode == EX_DATAERR
    instance.ctl("config", "set", "[routes] Far.test", "mx")
    instance.ctl("config", "set", "[Routes]", "*.far.test", "H.test:2525")
    instance.ctl("config", "set", "[tls policy] far.test", "Verify .far.test")
    assert instance.ctl("config", "get", "[routes] FAR.test.").stdout == "mx\n"
    assert instance.json("config", "get", "[routes] *.far.test") == {
        "file": "mail.ini", "section": "routes", "key": "*.far.test", "value": "H.test:2525", "normalized": "h.test:2525"}
    done = instance.ctl("config", "set", "[routes] a.test", "h.test implict tls", check=False)
    assert done.returncode == EX_DATAERR and '"implict" is not "implicit tls"' in done.stderr, done
    assert "a.test" not in read(instance.path("config", "mail.ini")).decode()
    for name in ("[routes] far.test", "[routes] *.far.test", "[tls policy] far.test"):
        assert "was removed from config/mail.ini" in instance.ctl("config", "unset", name).stdout
        assert "is not in config/mail.ini" in instance.ctl("config", "unset", name).stdout


def test_a_password_is_not_shown(instance):
    key = "SMTP Server Password"
    done = instance.ctl("config", "set", key, text="hunter 2\n")
    assert "hunter" not in done.stdout + done.stderr
    assert f"{key} = hunter 2\n" in read(instance.path("config", "config.ini")).decode()
    assert instance.ctl("config", "get", key).stdout == "********\n"
    assert "hunter" not in instance.ctl("config", "get", key, "--json").stdout
    assert "hunter" not in instance.ctl("check").stdout
    done = instance.ctl("config", "set", "Use MTA", text="x\n", check=False)
    assert done.returncode == EX_USAGE and "the value is missing" in done.stderr, done
    instance.ctl("config", "unset", key)
    assert instance.ctl("config", "get", key).stdout == "\n"
    assert "SMTP Server Password, which is missing" in instance.ctl("config", "set", "SMTP Server User", "tod").stderr
    assert "missing" not in instance.ctl("config", "set", key, "as argument").stderr
    instance.ctl("config", "unset", "SMTP Server User")
    instance.ctl("config", "unset", key)


def test_version_and_help_anywhere(instance):
    assert re.fullmatch(r"sambarctl \(Sambar Mail\) [\d.]+\n", instance.ctl("--version").stdout)
    assert "user add NAME" in instance.ctl("user", "add", "--help").stdout


def test_what_cannot_be_read(make_instance):
    """What is not permitted or not there is said so, and is never taken for a default."""
    one = make_instance(users=("ann",))
    stranger = {"user": 65534, "group": 65534, "extra_groups": []}
    if os.geteuid() == 0:
        def ask(*words):
            return subprocess.run([os.path.join(BUILD, "sambarctl"), "-d", one.root, *words], capture_output=True, text=True, input="x\n",
                                  **stranger)
        for words in (["status"], ["config", "set", "Maximum Recipients", "7"], ["config", "unset", "Mail Server"], ["alias", "set", "x", "ann"],
                      ["user", "add", "zz"], ["log"], ["log", "-f"], ["log", "smtpd"], ["trace", "ann"], ["stop"]):
            done = ask(*words)
            assert done.returncode == EX_NOPERM and done.stdout == "" and done.stderr.startswith("sambarctl: "), (words, done)
        done = ask("config", "get", "Mail Server")
        assert done.returncode == EX_CONFIG and done.stdout == "" and "Permission denied" in done.stderr
        os.chmod(one.path("config"), 0o700)
        done = ask("check")
        assert done.returncode == EX_NOPERM and "cannot be looked into" in done.stderr
        os.chmod(one.path("config"), 0o755)
    one.stop()
    shutil.rmtree(one.path("log"))
    assert one.ctl("log", check=False).returncode == EX_NOINPUT
    assert "ann" in one.ctl("user", "list").stdout
    assert one.ctl("log", "smtpd").stdout == ""
    os.unlink(one.path("config", "mail.ini"))
    for words, code in ((["config", "get", "Mail Server"], EX_CONFIG), (["config", "set", "Mail Server", "x.test"], EX_NOINPUT),
                        (["config", "unset", "Mail Server"], EX_NOINPUT), (["alias", "del", "x"], EX_NOINPUT), (["user", "list"], EX_CONFIG),
                        (["start"], EX_CONFIG)):
        done = one.ctl(*words, check=False)
        assert done.returncode == code and done.stdout == "", (words, done)


def test_help_knows_every_command(instance):
    names = re.findall(r"^  (\w+) ", instance.ctl("help").stdout, re.M)
    assert {"init", "start", "stop", "restart", "reload", "status", "check", "user", "alias", "forward", "queue", "log", "trace",
            "config"} <= set(names)
    for name in names:
        assert f"sambarctl [-d DIR] {name}" in instance.ctl("help", name).stdout


def test_status_of_nothing(make_instance):
    one = make_instance(start=False, users=())
    done = one.ctl("status", check=False)
    assert done.returncode != 0 and "run" in done.stderr + done.stdout
    assert "does not run" in one.ctl("stop").stdout


def test_init_does_not_overwrite(make_instance):
    one = make_instance(start=False, users=())
    before = read(one.path("config", "mail.ini"))
    done = subprocess.run([os.path.join(BUILD, "sambarctl"), "init", one.root, "--domain", "other.test"], capture_output=True)
    assert done.returncode != 0
    assert read(one.path("config", "mail.ini")) == before


def test_init_of_a_host_with_another_name(make_instance):
    one = make_instance(users=("ann",), start=False)
    root = os.path.join(one.folder, "j")
    base = int(one.ctl("config", "get", "SMTP").stdout.rsplit(":")[1]) - 25
    command = ["init", root, "--domain", "example.test", "--host", "mail.example.test", "--port-base", str(base)]
    command += ["--uid-base", "61000"] if os.geteuid() == 0 else []
    done = one.run([os.path.join(BUILD, "sambarctl"), *command])
    assert "alias set postmaster ann" in done.stdout and "swaks" in done.stdout and "ann@example.test" in done.stdout
    one.root = root
    one.add_user("ann")
    assert (one.ctl("config", "get", "Mail Server").stdout, one.ctl("config", "get", "Local Domains").stdout) == ("mail.example.test\n", "example.test\n")
    one.ctl("alias", "set", "postmaster", "ann")
    one.start()
    with one.smtp() as smtp:
        assert "mail.example.test" in smtp.cmd("EHLO client.test").lines[0]
    one.send(text_message("both"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    one.send(text_message("both"), "ann@mail.example.test")
    one.wait_mailbox("ann", 2)
    done = one.run([os.path.join(BUILD, "sambarctl"), "init", os.path.join(one.folder, "k"), "--domain", "a.test", "--host", "a b"], check=False)
    assert done.returncode == EX_USAGE and "--host a b: is not a domain" in done.stderr


def test_run_that_leads_to_what_is_gone(make_instance):
    """As in the package, whose sockets' directory goes with the service: the commands that need no service work without it."""
    one = make_instance(users=("ann",), start=False)
    elsewhere = os.path.join(one.folder, "runtime")
    shutil.rmtree(one.path("run"))
    os.symlink(elsewhere, one.path("run"))
    one.ctl("user", "add", "bob", text="bob-secret\n")
    assert os.stat(elsewhere).st_mode & 0o7777 == 0o711
    one.start()
    assert "bob" in one.ctl("user", "list").stdout


def test_start_twice(instance):
    assert "runs already" in instance.ctl("start").stdout
    assert instance.status()["master"]["pid"] == instance.master_pid


def test_status(instance):
    status = instance.status()
    assert status["master"]["pid"] == instance.master_pid
    programs = {p["name"] for p in status["programs"]}
    assert programs == {"auth", "store", "queue", "router", "smtpd", "pop3d", "deliver", "fetcher", "fetch", "indexer", "webd"}
    for program in status["programs"]:
        if program["name"] in ("deliver", "fetch", "indexer"):
            assert program["state"] == "on demand" and program["pid"] is None
            continue
        assert program["state"] == "running" and program["restarts"] == 0 and program["memory_kb"] > 0
        assert os.path.exists(f"/proc/{program['pid']}")
    assert {listener["name"] for listener in status["listeners"]} == {"Local", "SMTP", "Submission", "SMTPS", "POP3", "POP3S", "HTTP", "HTTPS"}
    text = instance.ctl("status").stdout
    assert all(name in text for name in programs)


def test_status_without_a_certificate(make_instance):
    """A port that only TLS is spoken on is open, but serves nobody, and status says why."""
    one = make_instance(users=())
    key, certificate = one.path("config", "tls.key"), one.path("config", "tls.crt")
    kept = read(key)

    def served():
        return {listener["name"]: (listener["served"], listener.get("why")) for listener in one.status()["listeners"]}

    assert set(served().values()) == {(True, None)}
    assert "NO:" not in one.ctl("status").stdout
    os.unlink(key)
    assert set(served().values()) == {(True, None)}     # it is the programs' still
    one.ctl("reload")
    for name, (good, why) in served().items():
        assert good == (name not in ("SMTPS", "POP3S", "HTTPS")), name
        assert good or f"{key}: No such file" in why
    assert len(re.findall(r"^(?:SMTPS|POP3S|HTTPS) .* NO: no TLS: .*tls\.key: No such file", one.ctl("status").stdout, re.M)) == 3
    with pytest.raises(OSError):
        one.smtp("SMTPS")
    with one.smtp() as smtp:
        assert "STARTTLS" not in smtp.extensions
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=short", "-keyout", key, "-out",
                    certificate + ".short"], check=True, capture_output=True)
    one.ctl("config", "set", "[tls] Certificate", certificate + ".short")
    good, why = served()["SMTPS"]
    assert not good and "key too small" in why
    with pytest.raises(OSError):
        one.smtp("SMTPS")
    with open(key, "wb") as f:
        f.write(kept)
    one.ctl("config", "set", "[tls] Certificate", certificate)
    assert set(served().values()) == {(True, None)}
    with one.smtp("SMTPS") as smtp:
        smtp.quit()


def test_counters_count(instance):
    before = instance.counters("smtpd")
    instance.send(text_message("counted"), "ann@example.test")
    after = instance.counters("smtpd")
    assert any(after[key] == before.get(key, 0) + 1 for key in after if "accepted" in key), after


# ---- users ----

def at_a_terminal(one, *words):
    """What sambarctl says when its standard input is a terminal at which nobody types: (exit status, all of it)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(os.path.join(one.programs, "sambarctl"), ["sambarctl", "-d", one.root, *words])
    said = b""
    with contextlib.suppress(OSError):          # EIO: it has ended
        while b"Password:" not in said and (more := os.read(terminal, 4096)):
            said += more
    os.close(terminal)                          # who asks for a password finds no terminal any more
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize("words, status, says", [
    (("user", "passwd", "nosuch"), 67, "no user"),
    (("user", "add", "ann"), EX_DATAERR, "there is a user ann already"),
    (("user", "add", "with.period"), EX_DATAERR, "a user name is"),
])
def test_no_password_is_asked_for_in_vain(instance, words, status, says):
    assert (at_a_terminal(instance, *words)[0], says in at_a_terminal(instance, *words)[1]) == (status, True)
    assert "Password:" in at_a_terminal(instance, "user", "passwd", "ann")[1]
    assert "Password:" in at_a_terminal(instance, "user", "add", "newcomer")[1]


def test_mailboxes_without_an_account(make_instance):
    one = make_instance()
    one.ctl("user", "del", "bob")
    listed = one.json("user", "list")
    assert [u["name"] for u in listed["users"]] == ["ann"] and listed["mailboxes_without_account"] == ["bob"]
    assert "Mailboxes without an account: bob" in one.ctl("user", "list").stdout
    one.ctl("user", "add", "bob", text="bob-secret\n")
    assert one.json("user", "list")["mailboxes_without_account"] == []
    assert "without" not in one.ctl("user", "list").stdout


@pytest.mark.parametrize("running", [True, False])
def test_what_stays_behind_in_another_directory(make_instance, running):
    one = make_instance(config={"Maximum Mailbox Size": "20K", "Retry Intervals": "1h"})
    for token in ("first", "second", "third"):
        one.send(text_message(token, 9000), "ann@example.test")
    one.wait_settled()
    one.wait_mailbox("ann", 2)
    if not running:
        one.stop()
    done = one.ctl("config", "set", "Spool Directory", "spool2")
    assert f"1 message(s) stay behind in {one.path('spool')}" in done.stderr, done.stderr
    done = one.ctl("config", "set", "Mail Directory", "mail2")
    assert f"2 mailbox(es) stay behind in {one.path('mail', 'mbox')}" in done.stderr, done.stderr
    for key, value in (("Spool Directory", "spool"), ("Mail Directory", "mail/mbox")):     # nothing came into those
        assert "stay behind" not in one.ctl("config", "set", key, value).stderr
    assert "stay behind" not in one.ctl("config", "set", "Maximum Users", "200").stderr
    if running:
        assert len(one.json("queue", "list")["messages"]) == 1


def test_a_directory_that_cannot_be_had(make_instance):
    """Every reload says that the old one stays in use, until the new one can be had."""
    one = make_instance()
    with open(one.path("file"), "wb"):
        pass
    pids = one.pids("queue")
    for key, new, old in (("Spool Directory", one.path("file", "s"), one.path("spool")), ("Mail Directory", one.path("file", "m"), one.path("mail", "mbox"))):
        says = f"sambarctl: {key}: {new}: Not a directory; {old} stays in use\n"
        for words in (("config", "set", key, new), ("reload",), ("config", "set", "Maximum Users", "200")):
            done = one.ctl(*words)
            assert says in done.stderr, (words, done.stderr)
    assert one.pids("queue") == pids
    one.send(text_message("still", 900), "ann@example.test")
    assert len(one.wait_mailbox("ann", 1)) == 1 and not os.listdir(one.path("mail", "mbox", "bob", "new"))
    os.unlink(one.path("file"))
    done = one.ctl("reload")
    assert "stays in use" not in done.stderr and "mailbox(es) stay behind" in done.stderr, done.stderr
    assert one.pids("queue") != pids and os.path.isdir(one.path("file", "s", "cur"))
    assert "stays in use" not in one.ctl("reload").stderr


def test_no_directories_are_made_above_one_elsewhere(make_instance):
    """What is missing may be a disk that is not mounted."""
    one = make_instance()
    away = os.path.join(one.folder, "disk")
    says = f"{away}/spool cannot be made: there is no {away}"
    for key in ("Spool Directory", "Failures Directory", "Mail Directory"):
        done = one.ctl("config", "set", key, f"{away}/spool", check=False)
        assert done.returncode == EX_DATAERR and f"{key}: {says}" in done.stderr and done.stdout == "", done
    text = read(one.path("config", "mail.ini")).decode()
    with open(one.path("config", "mail.ini"), "w", encoding="utf-8") as f:
        f.write(text.replace("[smtpd]\n", f"[smtpd]\nSpool Directory = {away}/spool\n", 1))
    assert f"Spool Directory: {says}; {one.path('spool')} stays in use" in one.ctl("reload").stderr
    one.stop()
    done = one.ctl("start", check=False)
    assert done.returncode == EX_OSERR and says in done.stderr, done
    assert not os.path.exists(away)
    os.mkdir(away)
    one.start()
    assert os.path.isdir(os.path.join(away, "spool"))
    one.ctl("config", "set", "Spool Directory", "deep/in/the/instance")
    assert os.path.isdir(one.path("deep", "in", "the", "instance"))


def test_signs_on_a_terminal(instance):
    """What comes from the supervisor reads as what sambarctl itself says; control bytes are shown as numbers."""
    with open(instance.path("config", "mail.ini"), encoding="utf-8") as f:
        text = f.read()
    try:
        with open(instance.path("config", "mail.ini"), "w", encoding="utf-8") as f:
            f.write(text.replace("\n[aliases]\n", "\n[aliases]\nring1 = ring2\nring2 = ring1\n"))
        for words in (("check",), ("reload",)):
            done = instance.ctl(*words)
            assert " -> " in done.stdout + done.stderr and "x3e" not in done.stdout + done.stderr
    finally:
        with open(instance.path("config", "mail.ini"), "w", encoding="utf-8") as f:
            f.write(text)
        instance.ctl("reload")
    done = instance.ctl("restart", "<no>\x1b[31m", check=False)
    assert "<no>\\x1b[31m" in done.stderr, done.stderr


def test_users(instance):
    instance.ctl("user", "add", "carl", text="carl-secret\n")
    assert os.path.exists(os.path.join(instance.mailbox_path("carl"), "inbox.fld"))
    listed = {u["name"]: u for u in instance.json("user", "list")["users"]}
    assert {"ann", "bob", "carl"} <= set(listed) and listed["carl"]["mailbox"] and not listed["carl"]["admin"]
    instance.ctl("user", "admin", "carl", "on")
    instance.ctl("user", "quota", "carl", "5M")
    listed = {u["name"]: u for u in instance.json("user", "list")["users"]}
    assert listed["carl"]["admin"] and listed["carl"]["quota"] == 5 * 1024 * 1024
    instance.ctl("user", "passwd", "carl", text="another-secret\n")
    with instance.pop() as pop:
        pop.ok("USER carl")
        pop.err("PASS carl-secret")
        pop.ok("USER carl")
        pop.ok("PASS another-secret")
    instance.ctl("user", "del", "carl")
    assert "carl" not in {u["name"] for u in instance.json("user", "list")["users"]}
    with instance.pop() as pop:
        pop.ok("USER carl")
        pop.err("PASS another-secret")


@pytest.mark.parametrize("running", [True, False])
def test_what_is_said_of_mailboxes_that_go(make_instance, running):
    one = make_instance(users=("ann", "bob", "carl"))
    one.ctl("user", "add", "dora", "--no-mailbox", text="x\n")
    for user in ("ann", "ann", "bob"):
        one.send(text_message("mail", 900), f"{user}@example.test")
    one.wait_mailbox("ann", 2)
    one.wait_mailbox("bob", 1)
    if not running:
        one.stop()
    assert one.ctl("user", "mailbox", "ann", "off").stdout == "user ann has no mailbox any more; 2 message(s) were deleted\n"
    assert one.ctl("user", "mailbox", "ann", "off").stdout == "user ann has no mailbox\n"
    assert one.ctl("user", "del", "ann").stdout == "user ann was removed; there was no mailbox\n"
    assert one.ctl("user", "del", "dora").stdout == "user dora was removed; there was no mailbox\n"
    assert one.ctl("user", "del", "bob", "--purge").stdout == "user bob was removed, with the mailbox: 1 message(s) were deleted\n"
    assert "the mailbox stays, and goes on receiving" in one.ctl("user", "del", "carl").stdout


@pytest.mark.parametrize("name", ["with.period", "Upper", "../x", "a/b", "a b", "", "null", "x" * 65, "-x", "a\nb", "\u00fc", "ann"])
def test_bad_user_names(instance, name):
    before = instance.ctl("user", "list").stdout
    done = instance.ctl("user", "add", name, text="secret\n", check=False)
    assert done.returncode in (EX_USAGE, EX_DATAERR), done
    assert instance.ctl("user", "list").stdout == before


def test_unknown_users(instance):
    for words in (["user", "del", "no"], ["user", "passwd", "no"], ["user", "quota", "no", "1M"], ["user", "mailbox", "no", "on"],
                  ["user", "admin", "no", "on"]):
        assert instance.ctl(*words, text="x\n", check=False).returncode != 0, words


def test_passwords_are_hashed(instance):
    for folder, _, files in os.walk(instance.path("config")):
        for name in files:
            assert b"ann-secret" not in read(os.path.join(folder, name))
    assert b"$y$" in read(instance.path("config", "users", "passwd"))


# ---- configuration ----

def test_config_get_and_set_keep_the_file(make_instance):
    one = make_instance(start=False, users=())
    before = read(one.path("config", "mail.ini")).decode()
    one.configure("Maximum Recipients", "77")
    assert one.ctl("config", "get", "Maximum Recipients").stdout.strip() == "77"
    after = read(one.path("config", "mail.ini")).decode()
    changed = set(after.splitlines()) ^ set(before.splitlines())
    assert 1 <= len(changed) <= 2 and "Maximum Recipients = 77" in changed
    assert [line for line in after.splitlines() if line not in changed] == [l for l in before.splitlines() if l not in changed]
    for key, value in (("Maximum Recipients", "many"), ("Maximum Recipients", "0"), ("Run SMTPD", "perhaps"), ("No Such Key", "1"),
                       ("Maximum Message Size", "-5"), ("SMTP", "nowhere:99999"), ("Mail Server", "a b"), ("Unknown Mailbox", "../x")):
        assert one.ctl("config", "set", key, value, check=False).returncode != 0, (key, value)
    assert read(one.path("config", "mail.ini")).decode() == after


def test_config_unset(make_instance):
    one = make_instance(users=())
    before = read(one.path("config", "mail.ini"))
    one.configure("Maximum Message Size", "100K")
    assert one.json("config", "get", "Maximum Message Size")["normalized"] == str(100 * 1024)
    assert "reloaded" in one.ctl("config", "unset", "[smtpd] maximum message size").stdout
    assert read(one.path("config", "mail.ini")) == before
    assert one.json("config", "get", "[smtpd]", "Maximum Message Size")["value"] == "25M"
    with one.smtp() as smtp:
        assert smtp.extensions["SIZE"] == [str(25 * 1024 * 1024)]
    assert "default already" in one.ctl("config", "unset", "[smtpd]", "Maximum Message Size").stdout
    one.ctl("config", "set", "[smtpd]", "Maximum Message Size", "100K")
    one.ctl("config", "unset", "Maximum Message Size", "--json")
    assert read(one.path("config", "mail.ini")) == before
    for words in ([], ["a", "b"], ["[smtpd]"], ["No Such Key"], ["[mail] Maximum Message Size"]):
        assert one.ctl("config", "unset", *words, check=False).returncode in (EX_USAGE, EX_DATAERR), words
    assert read(one.path("config", "mail.ini")) == before


def test_config_unset_removes_a_section(make_instance):
    one = make_instance(start=False, users=())
    before = read(one.path("config", "mail.ini"))
    for key, value in (("Server", "pop.example.org"), ("User", "ann"), ("Interval", "1h")):
        one.ctl("config", "set", f"[fetch work] {key}", value)
    for key in ("Server", "User", "Interval"):
        one.ctl("config", "unset", f"[fetch work] {key}")
    assert "[fetch work]" in one.ctl("check").stdout     # an empty section is one all the same
    one.ctl("config", "set", "[fetch Work] Server", "pop.example.org")
    assert one.ctl("config", "unset", "[fetch Work]").stdout == "the section [fetch Work] was removed\n"
    assert read(one.path("config", "mail.ini")) == before
    assert one.ctl("config", "unset", "[fetch work]").stdout == "there is no section [fetch work]\n"
    one.ctl("config", "undo", str(one.json("config", "history")["changes"][0]["id"]))
    assert one.ctl("config", "get", "[fetch work] Server").stdout == "pop.example.org\n"
    assert "[fetch NAME]" in one.ctl("config", "unset", "[fetch a b]", check=False).stderr


def test_check_tells_warnings_beside_errors(make_instance):
    one = make_instance(start=False, users=("ann",))
    with open(one.path("config", "mail.ini"), "a") as f:
        f.write("\n[fetch one]\nServer = pop.example.org\nUser = x\nPassword = y\nRouting = mailbox ghost\nTLS = none\n"
                "[fetch two]\nSever = pop.example.org\nRouting = mailbox ann\n")
    done = one.ctl("check", check=False)
    assert done.returncode == EX_CONFIG and '"Sever"' in done.stdout
    assert "warning: [fetch one] TLS: none: the password" in done.stdout
    assert "warning: [fetch one] Routing: there is no mailbox ghost: what would go there stays at the server" in done.stdout
    assert "[fetch two] has no" not in done.stdout      # its Server may be what is misspelled
    assert "1 error" in done.stderr


def test_check_reports_all_errors_at_once(make_instance):
    one = make_instance(start=False, users=())
    assert one.ctl("check").returncode == 0
    path = one.path("config", "mail.ini")
    with open(path, "a") as f:
        f.write("\n[smtpd]\nMaximum Recipients = lots\nUnheard Of = 1\nMaximum Retry = -1\n[nosuch]\nA = b\n[mail]\nnonsense without equals\n")
    lines = read(path).decode().splitlines()
    done = one.ctl("check", check=False)
    assert done.returncode == EX_CONFIG
    said = done.stdout + done.stderr
    for wanted in ("Maximum Recipients = lots", "Unheard Of = 1", "Maximum Retry = -1", "[nosuch]", "nonsense without equals"):
        number = lines.index(wanted) + 1
        assert re.search(rf"mail\.ini:{number}\b", said), (wanted, said)
    done = one.ctl("start", check=False)
    assert done.returncode != 0 and "mail.ini:" in done.stdout + done.stderr


@pytest.mark.parametrize("text", [b"\0" * 1000, b"[mail\n", b"=\n" * 1000, b"[mail]\nMail Server = " + b"x" * 100000 + b"\n",
                                  b"\xff\xfe[mail]\n", b"[aliases]\n" + b"a = a\n" * 3, b"[mail]\n[mail]\n", b"\xef\xbb\xbf[mail]\n"])
def test_check_survives_nonsense(make_instance, text):
    one = make_instance(start=False, users=())
    with open(one.path("config", "mail.ini"), "wb") as f:
        f.write(text)
    done = one.ctl("check", check=False)
    assert done.returncode in (0, EX_CONFIG)


def test_aliases_and_forwards(make_instance):
    one = make_instance(users=("ann",), start=False)
    one.ctl("alias", "set", "Ann.Example", "ann")
    one.ctl("alias", "set", "all", "ann", "x@remote.test")
    one.ctl("forward", "set", "chuck", "y@remote.test")
    text = read(one.path("config", "mail.ini")).decode()
    assert "Ann.Example = ann" in text and "chuck = y@remote.test" in text
    listed = one.ctl("alias", "list").stdout
    assert "all" in listed and "x@remote.test" in listed
    one.ctl("alias", "del", "all")
    assert "x@remote.test" not in read(one.path("config", "mail.ini")).decode()
    one.ctl("alias", "set", "Shop@Example.ORG", "ann")
    one.ctl("alias", "del", "shop@EXAMPLE.org.")
    assert "Shop@" not in read(one.path("config", "mail.ini")).decode()
    assert one.ctl("alias", "del", "chuck", check=False).returncode == EX_DATAERR     # of the other section
    for words in (["alias", "set", "bad", "a b@"], ["alias", "set", "a=b", "ann"], ["alias", "set", "x\ny", "ann"], ["alias", "set", "x"],
                  ["alias", "set", "[x]", "ann"], ["forward", "set", "", "ann"]):
        assert one.ctl(*words, check=False).returncode != 0, words
    assert one.ctl("check").returncode == 0


def test_an_alias_takes_a_mailbox_its_mail(make_instance):
    one = make_instance(start=False)
    says = "ann: ann is a mailbox, too, and gets no more mail"
    assert says in one.ctl("alias", "set", "ann", "bob").stderr
    assert says in one.ctl("check").stdout
    for targets in (["bob", "ann"], ["bob", "ann@example.test"], ["bob", "ann+copy"]):
        assert says not in one.ctl("alias", "set", "ann", *targets).stderr and says not in one.ctl("check").stdout
    one.ctl("alias", "set", "ann@example.test", "bob")     # for one address
    assert "gets no more mail" not in one.ctl("check").stdout
    # a forward is there to do it: said once
    assert "bob is a mailbox, which gets no more mail" in one.ctl("forward", "set", "bob", "b@far.test").stderr
    assert "gets no more mail" not in one.ctl("check").stdout
    assert "mailbox" not in one.ctl("forward", "set", "bob", "b@far.test", "bob").stderr


def test_files_with_errors_can_be_mended_one_by_one(make_instance):
    one = make_instance(config={"Maximum Message Size": "200K"})
    text = read(one.path("config", "mail.ini")).decode()
    with open(one.path("config", "mail.ini"), "w", encoding="utf-8") as f:
        f.write(text.replace("Maximum Message Size = 200K", "Maximum Message Size = huge\nMaximum Recipients = many"))
    left = "sambarctl: the files have {} other error(s): sambarctl check\n".format
    for words, n in ((["config", "set", "Delay Notice", "1h"], 2), (["alias", "set", "x", "ann"], 2), (["config", "set", "Maximum Message Size", "100K"], 1)):
        done = one.ctl(*words, check=False)
        assert done.returncode == EX_CONFIG and done.stderr.startswith(left(n)) and "not in effect" in done.stderr, done
        assert done.stderr.count("\n") == 2, done.stderr
    done = one.ctl("config", "set", "Delay Notice", "always", check=False)
    assert done.returncode == EX_DATAERR and "Delay Notice" in done.stderr and "Recipients" not in done.stderr, done
    done = one.ctl("config", "unset", "Maximum Recipients")
    assert "error" not in done.stderr and "reloaded" in done.stdout
    assert one.ctl("config", "get", "Delay Notice").stdout == "1h\n"
    with one.smtp() as smtp:
        assert smtp.extensions["SIZE"] == [str(100 * 1024)]
    one.stop()
    with open(one.path("config", "config.ini"), "a", encoding="ascii") as f:
        f.write("nonsense\n")
    done = one.ctl("config", "set", "Delay Notice", "2h")
    assert done.stderr == left(1) and "was set" in done.stdout


def test_two_listeners_on_one_port(make_instance):
    one = make_instance(start=False, users=())
    path = one.path("config", "config.ini")
    before = read(path)
    for value in (f"127.0.0.1:{one.port('POP3')}", f"0.0.0.0:{one.port('POP3')}", f"127.0.0.1:{one.port('SMTP')} 0.0.0.0:{one.port('SMTP')}"):
        done = one.ctl("config", "set", "SMTP", value, check=False)
        assert done.returncode == EX_DATAERR and re.search(r"config/config\.ini:\d+ .*(POP3|SMTP): .* meets ", done.stderr), done
        assert read(path) == before
    with open(path, "wb") as f:
        f.write(before.replace(f"POP3 = 127.0.0.1:{one.port('POP3')}".encode(), f"POP3 = 127.0.0.1:{one.port('SMTP')}".encode()))
    done = one.ctl("check", check=False)
    assert done.returncode == EX_CONFIG and re.search(r"config\.ini:\d+: POP3: .* meets .* of SMTP in line \d+", done.stdout), done


# ---- queue ----

def test_queue_commands(make_instance):
    one = make_instance(config={"Relay Domains": "peer.test"})
    with one.smtp() as smtp:
        reply = smtp.deliver(text_message("queued", 3000), "x@peer.test", sender="s@client.test", options=" ENVID=abc RET=HDRS")
        assert reply.code == 250
    one.wait_settled()
    message, = one.json("queue", "list")["messages"]
    assert message["from"] == "s@client.test" and message["recipients"][0]["to"] == "x@peer.test"
    assert message["id"] in reply.lines[0]
    shown = one.json("queue", "show", message["id"])
    assert "abc" in json.dumps(shown)
    assert message["id"] in one.ctl("queue", "list").stdout
    assert "x@peer.test" in one.ctl("queue", "show", message["id"]).stdout
    for wrong in ("nonsense", "000000000", "../../etc", message["id"] + "0"):
        assert one.ctl("queue", "show", wrong, check=False).returncode != 0


# ---- the control socket ----

def test_control_socket_is_for_the_owner_only(instance):
    mode = os.stat(instance.path("run", "control.sock")).st_mode
    assert mode & 0o077 == 0
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can try as somebody else")
    done = subprocess.run(
        [os.path.join(BUILD, "sambarctl"), "-d", instance.root, "status"], capture_output=True, text=True, user=65534, group=65534,
        extra_groups=[]) if os.access(BUILD, os.X_OK) else None
    assert done is None or done.returncode != 0


def test_many_control_clients_at_once(instance):
    threads = [threading.Thread(target=instance.status) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert instance.pids("queue")


def test_wait_until_sees_what_is_there_already(instance):
    """The harness itself."""
    assert wait_until(lambda: os.path.exists(instance.path("run", "master.pid")), instance.path("run"))


# ---- what one key means for another ----

def test_the_old_name_stays_local(make_instance):
    """Without Local Domains another Mail Server would cut the addresses off; whoever says which are local is obeyed."""
    one = make_instance(users=(), start=False)
    done = one.ctl("config", "set", "Mail Server", "mail.example.test")
    assert "Local Domains was set to example.test, too" in done.stderr
    assert one.ctl("config", "get", "[smtpd] Local Domains").stdout == "example.test\n"
    assert "Local Domains" not in one.ctl("config", "set", "Mail Server", "mx.example.test").stderr
    assert one.ctl("config", "get", "[smtpd] Local Domains").stdout == "example.test\n"
    assert "Local Domains" not in one.ctl("config", "set", "[fetch work] Local Domains", "work.test").stderr
    one.ctl("config", "unset", "[smtpd] Local Domains")
    assert "Local Domains" not in one.ctl("config", "set", "Mail Server", "MX.example.test").stderr


def test_a_running_instance_is_not_turned_off_by_its_files(make_instance):
    one = make_instance(users=())
    done = one.ctl("config", "set", "Act As Mail Server", "no", check=False)
    assert done.returncode == EX_OSERR and "nothing was changed" in done.stderr
    assert one.ctl("config", "get", "Act As Mail Server").stdout == "true\n"
    assert "fewer than 8 characters" in one.ctl("user", "add", "ann", text="short\n").stderr
    assert "fewer" not in one.ctl("user", "passwd", "ann", text="long-enough\n").stderr
    one.stop()
    assert "is false: sambarctl start starts nothing" in one.ctl("config", "set", "Act As Mail Server", "no").stderr
