"""What sambarctl says while a program hangs or does not stay up: always something true, and soon."""
import contextlib
import os
import signal

import pytest

from clients import text_message
from events import wait_until


@contextlib.contextmanager
def stopped(one, name):
    pids = one.pids(name)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("hangs, words, text", [
    ("queue", ("queue", "list"), None),
    ("queue", ("queue", "flush"), None),
    ("auth", ("user", "list"), None),
    ("store", ("user", "add", "carl"), "carl-secret\n"),        # auth waits for it
    ("smtpd", ("explain", "--from", "a@far.test", "--to", "ann@example.test", "--ip", "192.0.2.1"), None),
    ("router", ("explain", "--from", "a@far.test", "--to", "ann@example.test", "--ip", "192.0.2.1"), None),
    ("router", ("reload",), None),
])
def test_who_does_not_answer_is_named(instance, hangs, words, text):
    with stopped(instance, hangs):
        done = instance.ctl(*words, text=text, check=False)
    assert done.returncode in (69, 70), done
    assert hangs in done.stderr and "does not answer" in done.stderr, done.stderr
    assert instance.ctl("reload").returncode == 0


def test_status_of_a_program_that_hangs(instance):
    with stopped(instance, "store"):
        programs = instance.status()["programs"]
        silent = {p["name"] for p in programs if p.get("answers") is False}
        assert silent == {"store"}
        assert {p["name"] for p in programs if p.get("counters")} >= {"auth", "queue", "router", "smtpd", "pop3d"}
        line, = (line for line in instance.ctl("status").stdout.splitlines() if line.startswith("store"))
        assert "NO ANSWER" in line
    assert all(p.get("answers") is not False for p in instance.status()["programs"])
    assert "NO ANSWER" not in instance.ctl("status").stdout


def test_a_change_while_a_program_does_not_stay_up(make_instance):
    """The others have taken it over: neither is the file unchanged nor the new alias without effect."""
    one = make_instance()
    one.expect_alarm("queue|KEEPS DYING")
    kept = one.path("spool", "kept")
    os.rename(one.path("spool", "incoming"), kept)
    with open(one.path("spool", "incoming"), "w"):      # no directory: the next queue cannot start
        pass
    one.kill("queue")
    wait_until(lambda: any(p["name"] == "queue" and p["state"] == "backoff" for p in one.status()["programs"]), one.path("log"))
    done = one.ctl("alias", "set", "team", "ann", check=False)
    assert done.returncode == 70
    assert "queue does not run" in done.stderr and "the other programs have the new settings" in done.stderr, done.stderr
    assert "not in effect" not in done.stderr and "the file was changed" in done.stderr
    with one.smtp() as smtp:
        smtp.envelope("team@example.test")
    done = one.ctl("restart", "queue", check=False)
    assert done.returncode == 70 and "queue does not run" in done.stderr, done.stderr
    os.unlink(one.path("spool", "incoming"))
    os.rename(kept, one.path("spool", "incoming"))
    one.ctl("restart", "queue")
    one.send(text_message("again"), "team@example.test")
    one.wait_mailbox("ann", 1)
