"""Reloads and restarts: they refuse nobody, name the ports that cannot be had, and bring back programs that died."""
import os
import signal
import socket
import threading
from os import EX_CONFIG, EX_OSERR, EX_UNAVAILABLE

import pytest

from clients import Closed, Smtp, text_message
from events import wait_process_end
from sambar import read


def test_reload_with_errors_changes_nothing(make_instance):
    one = make_instance()
    pids = sorted(p["pid"] for p in one.status()["programs"] if p["pid"])
    good = read(one.path("config", "mail.ini"))
    with open(one.path("config", "mail.ini"), "ab") as f:
        f.write(b"\n[smtpd]\nMaximum Message Size = huge\n")
    done = one.ctl("reload", check=False)
    assert done.returncode == EX_CONFIG and "mail.ini:" in done.stdout + done.stderr
    with one.smtp() as smtp:
        assert smtp.deliver(text_message("still"), "ann@example.test").code == 250
    with open(one.path("config", "mail.ini"), "wb") as f:
        f.write(good)
    one.configure("Maximum Message Size", "100K")
    one.ctl("reload")
    assert sorted(p["pid"] for p in one.status()["programs"] if p["pid"]) == pids
    with one.smtp() as smtp:
        assert smtp.extensions["SIZE"] == [str(100 * 1024)]


def test_restart_with_errors_says_which_settings(make_instance):
    one = make_instance()
    assert one.ctl("restart", "smtpd").stderr == ""
    with open(one.path("config", "mail.ini"), "a", encoding="ascii") as f:
        f.write("nonsense\n")
    for words in (["restart", "smtpd"], ["restart"]):
        done = one.ctl(*words)
        assert "the configuration has 1 error(s) (sambarctl check): the programs go on with the settings of the last start or reload" in done.stderr
        assert "restarted" in done.stdout


def test_port_of_another_program(make_instance):
    """The file may say so, but nobody is left in doubt: set, reload and start name the port."""
    one = make_instance(users=())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "127.0.0.1:%d" % other.getsockname()[1]
        says = f"cannot listen on {address} for POP3: Address already in use"
        done = one.ctl("config", "set", "POP3", address, check=False)
        assert done.returncode == EX_OSERR and says in done.stderr and "is not in effect" in done.stderr
        done = one.ctl("reload", check=False)
        assert done.returncode == EX_OSERR and says in done.stderr
        with one.pop() as pop:
            pop.quit()
        one.stop()
        for words in (["start"], ["start", "--foreground"]):
            done = one.ctl(*words, check=False)
            assert done.returncode == EX_OSERR and done.stdout == "", done
            assert f"sambarctl: {says}: another program listens there\n" in done.stderr, done
    one.start()


def test_port_of_the_instance_itself(make_instance):
    """A listener that stands in the way of its successor is not called another program, and what is advised works."""
    one = make_instance(users=())
    port = one.port("POP3")
    for key, value in (("POP3", f"0.0.0.0:{port}"), ("POP3", f"127.0.0.1:{port}")):
        old = one.ctl("config", "get", key).stdout.strip()
        done = one.ctl("config", "set", key, value, check=False)
        assert done.returncode == EX_OSERR and "another program" not in done.stderr
        assert f"this instance itself listens on {old} for POP3; set POP3 to none first" in done.stderr, done.stderr
        one.configure("POP3", "none")
        one.configure("POP3", value)
        with one.pop() as pop:
            pop.quit()


class Knocking(threading.Thread):
    """Connects again and again, does one small thing, and notes what went wrong."""

    def __init__(self, instance):
        super().__init__()
        self.instance, self.failures, self.count, self.stopping = instance, [], 0, False
        self.first = threading.Event()

    def run(self):
        while not self.stopping:
            try:
                with self.instance.smtp() as smtp:
                    assert smtp.cmd("MAIL FROM:<s@client.test>").code == 250
                    reply = smtp.cmd("RCPT TO:<ann@example.test>")
                    assert reply.code == 250, reply
                    smtp.quit()
                with self.instance.pop() as pop:
                    pop.quit()
                self.count += 1
            except (OSError, Closed, AssertionError) as error:
                self.failures.append(repr(error))
            self.first.set()

    def end(self):
        self.stopping = True
        self.join()
        return self.failures


def test_reload_and_restart_refuse_nobody(make_instance):
    """New connections are always accepted and answered while everything is reloaded and restarted."""
    one = make_instance()
    knocking = [Knocking(one) for _ in range(3)]
    for thread in knocking:
        thread.start()
        thread.first.wait()
    for i in range(5):
        one.configure("Maximum Recipients", str(100 + i))
        one.ctl("reload")
    for name in ("store", "auth", "queue", "router"):
        one.ctl("restart", name)
    failures = [f for thread in knocking for f in thread.end()]
    assert failures == [], failures[:5]
    assert sum(thread.count for thread in knocking) > 10


def test_restart_keeps_sessions_that_work(make_instance):
    """A transaction under way survives a restart of smtpd, whose old process finishes it."""
    one = make_instance()
    with one.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        smtp.send(b"Subject: long\r\n\r\nfirst\r\n")
        old = one.pids("smtpd")
        one.ctl("restart", "smtpd")
        assert not set(old) & set(one.pids("smtpd"))
        smtp.send(b"second\r\n.\r\n")
        assert smtp.reply().code == 250
        smtp.send("QUIT\r\n")
        assert smtp.end()[-1][:3] in ("221", "421")
    for pid in old:
        wait_process_end(pid)
    one.wait_mailbox("ann", 1)
    assert one.ctl("restart", "nonsense", check=False).returncode != 0


def test_guardians_restart_below_a_transaction(make_instance):
    """queue, router, store and auth are each restarted between the commands of one transaction."""
    one = make_instance()
    with one.smtp() as smtp:
        one.ctl("restart", "router")
        smtp.envelope("ann@example.test")
        one.ctl("restart", "store")
        assert smtp.cmd("RCPT TO:<bob@example.test>").code == 250
        assert smtp.cmd("DATA").code == 354
        smtp.send(b"Subject: restarts\r\n\r\nfirst\r\n")
        one.ctl("restart", "queue")
        smtp.send(b"second\r\n.\r\n")
        assert smtp.reply().code in (250, 451)
        one.ctl("restart", "auth")
        assert smtp.deliver(text_message("after"), "ann@example.test").code == 250
        smtp.quit()
    one.wait_spool_empty()
    assert len(one.mailbox("ann")) in (1, 2)


def test_dead_programs_are_restarted(make_instance):
    one = make_instance()
    for name in ("smtpd", "pop3d", "auth", "store", "queue", "router"):
        before = one.pids(name)
        log_at = len(one.log("master"))
        os.kill(before[0], signal.SIGKILL)
        wait_process_end(before[0])
        one.wait_log("master", rf"{name}\[\d+\] runs", after=log_at)
        assert len(one.pids(name)) == len(before)
    assert all(p["state"] == "running" for p in one.status()["programs"] if p["name"] not in ("deliver", "fetch", "indexer"))
    one.send(text_message("alive"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    with one.pop("ann") as pop:
        pop.quit()


def test_run_smtpd_false(make_instance):
    one = make_instance(config={"Run SMTPD": "false"})
    assert {p["name"] for p in one.status()["programs"]} == {"auth", "store", "queue", "router", "pop3d", "deliver", "fetcher", "fetch", "indexer", "webd"}
    with pytest.raises(ConnectionRefusedError):
        one.smtp()
    with one.pop("ann") as pop:
        pop.quit()
    done = one.ctl("restart", "smtpd", check=False)
    assert done.returncode == EX_UNAVAILABLE and "does not run" in done.stderr
    one.configure("Run SMTPD", "true")
    one.ctl("reload")
    one.send(text_message("now"), "ann@example.test")
    one.wait_mailbox("ann", 1)


def test_listeners_move_with_a_reload(make_instance):
    one = make_instance()
    other = one.port_base.base + 26
    one.configure("SMTP", f"127.0.0.1:{other}")
    one.ctl("reload")
    with Smtp(other) as smtp:
        smtp.quit()
    one.wait_log("smtpd", "")       # whatever it says: the old port is closed by now or soon
    one.configure("SMTP", f"127.0.0.1:{one.port('SMTP')} 127.0.0.1:{other}")
    one.ctl("reload")
    for port in (one.port("SMTP"), other):
        with Smtp(port) as smtp:
            smtp.quit()


def test_stop_finishes_what_is_under_way(make_instance):
    one = make_instance()
    for i in range(50):
        one.send(text_message(f"s{i}"), "ann@example.test")
    one.stop()
    assert all(not os.path.exists(f"/proc/{pid}") for pid in one.children() if one.master_pid)
    assert not os.path.exists(one.path("run", "control.sock")) or one.ctl("status", check=False).returncode != 0
    one.start()
    one.wait_spool_empty()
    assert len(one.mailbox("ann")) == 50


def test_master_on_signals(make_instance):
    one = make_instance()
    pid = one.master_pid
    os.kill(pid, signal.SIGHUP)
    one.wait_log("master", r"logs reopened")
    children = one.children()
    os.kill(pid, signal.SIGTERM)
    wait_process_end(pid)
    for child in children:
        wait_process_end(child)
    one.master_pid = None


def test_programs_do_not_outlive_a_killed_master(make_instance):
    one = make_instance()
    children = one.children()
    assert len(children) >= 6
    os.kill(one.master_pid, signal.SIGKILL)
    for child in children:
        wait_process_end(child)
    one.master_pid = None
    one.start()
    one.send(text_message("again"), "ann@example.test")
    one.wait_mailbox("ann", 1)
