"""A full disk, below the spool and below the mailboxes: a clear answer, nothing half-kept, and recovery."""
import contextlib
import glob
import os
import re
import subprocess

import pytest

from clients import enhanced, is_root, stuffed, text_message
from sambar import split_trace

CONFIG = {"Retry Intervals": "1s", "Spare Spool Files": "2", "SMTP Workers": "1"}


@contextlib.contextmanager
def small_disk(path, options):
    """Mounts a small file system of its own on a directory."""
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can mount")
    os.makedirs(path, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True).returncode != 0:
        pytest.skip("this machine cannot: mounting is not allowed")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Leaves no byte free; returns the file to remove."""
    filler = os.path.join(path, "filler")
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600)
    for piece in (65536, 512, 1):
        with contextlib.suppress(OSError):
            while os.write(fd, b"f" * piece):
                pass
    os.close(fd)
    return filler


@pytest.fixture
def prepared(make_instance):
    return make_instance(users=("ann", "bob"), config=CONFIG, start=False)


@pytest.mark.parametrize("size", [1, 100, 5000, 200000])
def test_spool_disk_full(prepared, size):
    one = prepared
    with small_disk(one.path("spool"), "size=2m,mode=0700"):
        one.start()
        filler = fill(one.path("spool"))
        for _ in range(3):
            with one.smtp() as smtp:
                smtp.envelope("ann@example.test")
                reply = smtp.cmd("DATA")
                if reply.code == 354:
                    smtp.send(stuffed(text_message("refused", size)) + b".\r\n")
                    reply = smtp.reply()
                assert (reply.code, enhanced(reply)) == (452, "4.3.1"), reply
                assert smtp.cmd("RCPT TO:<ann@example.test>").code in (503, 250)
                assert smtp.cmd("RSET").code == 250
        os.unlink(filler)
        one.send(text_message("after", size), "ann@example.test")
        one.wait_mailbox("ann", 1)
        one.wait_spool_empty()
        assert [split_trace(m)[1] for m in one.messages("ann")] == [text_message("after", size)]
        one.stop()


def test_spool_fills_in_the_middle_of_messages(prepared):
    """Many messages until it is full: what was acknowledged arrives, what was refused does not."""
    one = prepared
    one.configure("Relay Domains", "peer.test")
    with small_disk(one.path("spool"), "size=4m,mode=0700"):
        one.start()
        accepted, refused = [], 0
        with one.smtp() as smtp:
            for i in range(60):
                smtp.envelope("x@peer.test", "ann@example.test")
                reply = smtp.cmd("DATA")
                if reply.code == 354:
                    smtp.send(stuffed(text_message(f"m{i}", 150000)) + b".\r\n")
                    reply = smtp.reply()
                if reply.code == 250:
                    accepted.append(f"m{i}")
                else:
                    assert reply.code == 452, reply
                    refused += 1
                    assert smtp.cmd("RSET").code == 250
                    if refused == 5:
                        break
        assert accepted and refused
        one.wait_settled()
        # Messages that wait for a peer may keep the space; the local copies have all arrived.
        got = [split_trace(m)[1] for m in one.messages("ann")]
        assert sorted(got) == sorted(text_message(name, 150000) for name in accepted)
        assert len(one.json("queue", "list")["messages"]) == len(accepted)
        one.stop()
        one.start()
        assert len(one.json("queue", "list")["messages"]) == len(accepted)
        assert len(one.messages("ann")) == len(accepted)
        one.stop()


def test_no_inodes_left_in_the_spool(prepared):
    """Files that are in hand are used up first; messages for a peer keep theirs."""
    one = prepared
    one.configure("Relay Domains", "peer.test")
    with small_disk(one.path("spool"), "size=10m,nr_inodes=60,mode=0700"):
        fillers = [os.path.join(one.path("spool"), f"filler{i}") for i in range(20)]
        for path in fillers:
            open(path, "w").close()
        one.start()
        codes = []
        while len(codes) < 100 and codes[-2:] != [452, 452]:
            with one.smtp() as smtp:
                smtp.envelope("x@peer.test")
                reply = smtp.cmd("DATA")
                if reply.code == 354:
                    smtp.send(stuffed(text_message("tight")) + b".\r\n")
                    reply = smtp.reply()
                codes.append(reply.code)
        assert set(codes) == {250, 452}, codes
        for path in fillers:
            os.unlink(path)
        one.send(text_message("after"), "bob@example.test")
        one.wait_mailbox("bob", 1)
        one.stop()
        one.start()
        assert sum(r["to"] == "x@peer.test" for m in one.json("queue", "list")["messages"] for r in m["recipients"]) == codes.count(250)
        one.stop()


def test_mailbox_disk_full(prepared):
    """What is accepted waits in the spool and is delivered when there is room, once and whole."""
    one = prepared
    mail = one.path("mail", "mbox")
    with small_disk(mail, "size=2m,mode=0700"):
        one.start()
        for user in ("ann", "bob"):
            one.ctl("user", "mailbox", user, "on")
        one.send(text_message("before"), "ann@example.test")
        one.wait_mailbox("ann", 1)
        filler = fill(mail)
        with one.smtp() as smtp:
            replies = [smtp.deliver(text_message(f"wait{i}", 50000), "ann@example.test", "bob@example.test") for i in range(5)]
            assert {r.code for r in replies} <= {250, 452}
            accepted = [f"wait{i}" for i, r in enumerate(replies) if r.code == 250]
            smtp.quit()
        one.wait_settled()
        assert len(one.mailbox("ann")) == 1
        assert os.listdir(os.path.join(one.mailbox_path("ann"), "tmp")) == []
        os.unlink(filler)
        one.wait_spool_empty()
        for user, before in (("ann", [text_message("before")]), ("bob", [])):
            got = sorted(split_trace(m)[1] for m in one.messages(user))
            assert got == sorted(before + [text_message(name, 50000) for name in accepted])
        with one.pop("ann") as pop:
            pop.quit()
        one.stop()


@contextlib.contextmanager
def failing_calls(pid, calls, error):
    """The process's system calls fail; a tracer does it."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}",
                               "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_traced(tracer, pid)
        yield
    finally:
        tracer.terminate()
        tracer.wait()


def wait_traced(tracer, pid):
    """Until each thread of the process has its tracer."""
    def traced():
        assert tracer.poll() is None, tracer.stderr.read()
        for status in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(status) as f:
                if re.search(r"^TracerPid:\t0$", f.read(), re.M):
                    return False
        return True
    while not traced():
        os.sched_yield()


@pytest.mark.parametrize("calls, error", [("renameat,ftruncate,unlinkat,openat,pwrite64", "EROFS"), ("pwrite64", "EIO"), ("syncfs,fdatasync,fsync", "EIO"),
                                          ("pwrite64", "EDQUOT")])
def test_spool_that_cannot_be_written(prepared, calls, error):
    """A read-only file system, I/O errors: nothing is accepted, nothing kept, and service returns by itself."""
    one = prepared
    if not is_root():
        pytest.skip("this machine cannot: only root can trace a confined program")
    one.start()
    pid, = one.pids("queue")
    codes = set()
    one.expect_alarm("sync failed")
    with failing_calls(pid, calls, error), one.smtp() as smtp:
        for i in range(4):
            smtp.envelope("ann@example.test")
            reply = smtp.cmd("DATA")
            if reply.code == 354:
                smtp.send(stuffed(text_message(f"refused-{i}")) + b".\r\n")
                reply = smtp.reply()
            codes.add(reply.code)
            smtp.cmd("RSET")
    assert codes == {452 if error == "EDQUOT" else 451}, codes
    one.send(text_message("writable"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    assert one.pids("queue") == [pid]
    one.stop()
    one.start()
    assert len(one.mailbox("ann")) == 1
    one.stop()


def test_log_disk_full(prepared):
    """A full disk loses log lines, not mail."""
    one = prepared
    with small_disk(one.path("log"), "size=1m,mode=0755"):
        fill(one.path("log"))
        one.start()
        one.send(text_message("no-log"), "ann@example.test")
        one.wait_mailbox("ann", 1)
        with one.pop("ann") as pop:
            pop.quit()
        one.stop()
