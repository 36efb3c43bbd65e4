"""The children of router: master starts, counts, replaces and ends them; router's part is played by the test."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from clients import text_message
from events import wait_process_end, wait_until
from ipc import connect, hung_up, message, send
from sambar import BUILD
from sink import Sink

CONFIG = {"Debug": "true", "Maximum MTA Routers": "2"}      # starts on demand are told
JOB, RESULT, DONE, RETIRE = 1, 100, 101, 102
MX, HOST = 0, 1
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def number(queue_id):
    value = 0
    for digit in queue_id:
        value = value * 62 + DIGITS.index(digit)
    return value


def spool_one(instance):
    """(id, path): a copy of the spool file of a message to ann and bob, made before router has it."""
    router, = instance.pids("router")
    path = os.path.join(instance.folder, "spooled")
    with instance.smtp() as smtp:
        smtp.envelope("ann@example.test", "bob@example.test")
        os.kill(router, signal.SIGSTOP)
        try:
            assert smtp.data(text_message("spooled")).code == 250
            queue_id = instance.wait_log("smtpd", r": (\w{9}) accepted ").group(1)
            held, = instance.incoming()
            shutil.copyfile(held, path)
        finally:
            os.kill(router, signal.SIGCONT)
        smtp.quit()
    instance.wait_spool_empty()
    return queue_id, path


@pytest.fixture(scope="module")
def spooled(instance):
    return spool_one(instance)


class Child:
    """router's end of a connection to a child."""

    def __init__(self, instance, spooled):
        self.instance, (self.queue_id, self.path) = instance, spooled
        self.log_at = len(instance.log("master"))
        self.sock = connect(instance, "deliver", "router")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def started(self):
        """Its pid, when it is there."""
        return int(self.instance.wait_log("master", r"debug: deliver\[(\d+)\] runs", after=self.log_at).group(1))

    def job(self, port, recipients=(0, 1), name="127.0.0.1", kind=HOST):
        with open(self.path, "rb") as f:
            return send(self.sock, message(JOB, number(self.queue_id), 0, kind, name, port, 0, 0, 0, "", "", "", 0, "", *recipients, tag=0),
                        [f.fileno()])

    def hear(self):
        """The next message: (kind, fields as they are)."""
        data = self.sock.recv(65536)
        return (struct.unpack("=I", data[:4])[0], data[12:]) if data else None

    def results(self):
        """{recipient: (end, reply)} and DONE's (kept open, end)."""
        found = {}
        while True:
            kind, fields = self.hear()
            assert kind in (RESULT, DONE)
            done = None
            if kind == DONE:
                queue_id, *done, length = struct.unpack("=QQQI", fields[:28])
                assert queue_id == number(self.queue_id)
                fields = fields[28 + length:]
            while fields:
                recipient, end, _, length = struct.unpack("=QQQI", fields[:28])
                reply, fields = fields[28:28 + length], fields[28 + length:]
                found[recipient] = (end, reply.decode())
                fields = fields[4 + struct.unpack("=I", fields[:4])[0]:]
            if done is not None:
                return found, tuple(done)


def deliver_state(instance):
    return [p["state"] for p in instance.status()["programs"] if p["name"] == "deliver"]


def ended(instance, pid):
    wait_process_end(pid)
    return instance.wait_log("master", rf"deliver\[{pid}\] ended with status (\d+)").group(1)


# ---- on demand ----

def test_started_on_demand(instance, spooled):
    assert deliver_state(instance) == ["on demand"]
    with Sink() as sink, Child(instance, spooled) as child:
        child.job(sink.port)
        assert child.results() == ({0: (0, "250 2.0.0 taken"), 1: (0, "250 2.0.0 taken")}, (1, 0))
        pid = child.started()
        assert instance.pids("deliver") == [pid] and deliver_state(instance) == ["running"]
        child.job(sink.port, [1])
        assert child.results() == ({1: (0, "250 2.0.0 taken")}, (1, 0))
        child.sock.close()
        assert ended(instance, pid) == "0"
        assert sink.connections == 1 and len(sink.messages) == 2 and sink.lines[-1] == "QUIT"
        assert b"X-Token: spooled\r\n" in sink.messages[0]
    assert deliver_state(instance) == ["on demand"]
    line = instance.wait_log("deliver", rf"{spooled[0]} sent to=<ann@example.test> .*").group(0)
    assert f"host=127.0.0.1 address=127.0.0.1:{sink.port} tls=none cipher=none verified=no reply=250 2.0.0 taken delay=" in line
    assert line in instance.ctl("trace", spooled[0]).stdout
    assert "KEEPS DYING" not in instance.log("master")


def test_no_more_than_allowed(instance, spooled):
    with Sink() as sink, Child(instance, spooled) as first, Child(instance, spooled) as second, Child(instance, spooled) as third:
        for child in (first, second):
            child.job(sink.port)
            child.results()
        third.job(sink.port)
        pids = instance.pids("deliver")
        assert len(pids) == 2
        second.sock.close()
        assert third.results()[1] == (1, 0)
        assert len(set(instance.pids("deliver")) - set(pids)) == 1
    wait_until(lambda: deliver_state(instance) == ["on demand"], instance.path("log"))


def test_a_killed_one(instance, spooled):
    """Its connection is closed, the next one is served at once."""
    stalled, go_on = threading.Event(), threading.Event()

    def stall(_):
        stalled.set()
        go_on.wait()

    with Sink(script={"MAIL": stall}) as sink, Child(instance, spooled) as child:
        child.job(sink.port)
        stalled.wait()
        pid = child.started()
        os.kill(pid, signal.SIGKILL)
        assert hung_up(child.sock)
        wait_process_end(pid)
        go_on.set()
    assert instance.wait_log("master", rf"warn: deliver\[{pid}\] was killed by signal 9")
    with Sink() as sink, Child(instance, spooled) as child:
        child.job(sink.port)
        assert child.results()[1] == (1, 0)


def test_one_that_keeps_dying(make_instance):
    one = make_instance(start=False, users=(), config={"Debug": "true"})
    programs = os.path.join(one.folder, "programs")
    os.mkdir(programs)
    for program in os.listdir(BUILD):
        path = os.path.join(BUILD, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            shutil.copy2("/bin/false" if program == "deliver" else path, os.path.join(programs, program))
    one.programs = programs
    one.expect_alarm("deliver.*(ended with status|KEEPS DYING)")
    one.start()
    with connect(one, "deliver", "router"):
        one.wait_log("master", "deliver KEEPS DYING: 3 times")
        assert deliver_state(one) == ["backoff"]
        assert all(p["state"] == "running" for p in one.status()["programs"] if p["name"] not in ("deliver", "fetch", "indexer"))
        shutil.copy2(os.path.join(BUILD, "deliver"), os.path.join(programs, "deliver.new"))
        os.rename(os.path.join(programs, "deliver.new"), os.path.join(programs, "deliver"))
        at = len(one.log("master"))
        one.ctl("restart", "deliver")       # does not wait
        one.wait_log("master", r"deliver\[\d+\] runs", after=at)
        assert deliver_state(one) == ["running"]


class Nameserver:
    """Says for each name that its mail goes to mx.NAME, and that each host is 127.0.0.1."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            query, client = self.sock.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            kind = struct.unpack(">H", query[end - 4:end - 2])[0]
            data = {15: b"\0\x0a\2mx\xc0\x0c", 1: b"\x7f\0\0\1"}.get(kind)
            answer = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data if data else b""
            self.sock.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, bool(data), 0, 0) + query[12:end] + answer, client)


def test_dns_servers_of_the_configuration(make_instance, spooled):
    dns = Nameserver()
    one = make_instance(users=(), config={"DNS Primary": f"127.0.0.1:{dns.port}"})
    with Sink() as sink:
        with Child(one, spooled) as child:      # by default no MX can mean this host
            child.job(sink.port, [0], name="remote.test", kind=MX)
            results, done = child.results()
            assert results[0][0] == 2 and results[0][1].startswith("550 5.4.4 ") and done == (0, 2)
        one.configure("Unusable Addresses", "none")
        one.ctl("reload")
        with Child(one, spooled) as child:
            child.job(sink.port, [0], name="remote.test", kind=MX)
            assert child.results() == ({0: (0, "250 2.0.0 taken")}, (1, 0))
    one.wait_log("deliver", r" sent to=<ann@example.test> host=mx.remote.test address=127.0.0.1:")


# ---- reload, restart, stop ----

class Busy:
    """A child in a conversation that goes on when the test says so."""

    def __init__(self, instance, spooled):
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self.sink = Sink(script={"end": self._stall})
        self.child = Child(instance, spooled)
        self.child.job(self.sink.port)
        self.stalled.wait()
        self.pid = self.child.started()

    def _stall(self, _):
        self.stalled.set()
        self.go_on.wait()
        return "250 2.0.0 at last"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.child.sock.close()
        self.sink.close()


@pytest.mark.parametrize("words", [["reload"], ["restart", "deliver"], ["restart"]], ids=" ".join)
def test_a_busy_one_holds_nobody_up(instance, spooled, words):
    """It finishes what it has in hand, and then asks to be let go."""
    with Busy(instance, spooled) as busy:
        assert deliver_state(instance) == ["running"]
        instance.ctl(*words)
        assert instance.status()["master"]["pid"] == instance.master_pid
        busy.go_on.set()
        results, done = busy.child.results()
        assert results[0] == (0, "250 2.0.0 at last") and done == (1, 0)
        assert busy.child.hear() == (RETIRE, b"")
        busy.child.sock.close()
        assert ended(instance, busy.pid) == "0"


def test_a_stop_waits_for_it(make_instance):
    one = make_instance(config=CONFIG)
    with Busy(one, spool_one(one)) as busy:
        stopping = subprocess.Popen([os.path.join(one.programs, "sambarctl"), "-d", one.root, "stop"], stdout=subprocess.DEVNULL)
        one.wait_log("master", r"router\[\d+\] ended with status 0")
        busy.go_on.set()
        assert busy.child.results()[0][0] == (0, "250 2.0.0 at last")
        assert busy.child.hear() == (RETIRE, b"")
        busy.child.sock.close()
        assert stopping.wait() == 0
    wait_process_end(one.master_pid)
    one.master_pid = None
    assert re.search(rf"(?s)deliver\[{busy.pid}\] ended with status 0.*queue\[\d+\] ended with status 0", one.log("master"))


# ---- whom it hears ----

def test_strangers_are_refused(instance, spooled):
    if os.geteuid() != 0:
        pytest.skip("this machine cannot: only root can try as other accounts")
    for account in ("smtpd", "pop3d", "queue", None):
        log_at = len(instance.log("deliver"))
        with connect(instance, "deliver", account) as sock:
            assert hung_up(sock)
        instance.wait_log("deliver", r"refused: account \d+ is not router", after=log_at)
    # One that waits behind a stranger is served by the same process.
    with Sink() as sink, connect(instance, "deliver", "smtpd"), Child(instance, spooled) as child:
        child.job(sink.port)
        assert child.results()[1] == (1, 0)


@pytest.mark.parametrize("data", [
    b"x", b"\0" * 12, b"\xff" * 12, b"\xff" * 65536, message(JOB), message(JOB, 1, 0, 0, "x", 25, 0, 0, 0, "", "", "", 0, "", 0),
    message(RESULT, 0, 0, 0, "x", "y"), message(0, "router", tag=0), message(2 ** 32 - 1)], ids=lambda d: f"{len(d)}-{d[:4].hex()}")
def test_malformed_messages(instance, spooled, data):
    """Without a spool file, or no message at all: hung up on, and the next connection is served."""
    with connect(instance, "deliver", "router") as sock:
        send(sock, data)
        assert hung_up(sock)
    with Sink() as sink, Child(instance, spooled) as child:
        child.job(sink.port)
        assert child.results()[1] == (1, 0)
    assert "FORBIDDEN" not in instance.log("master")


def test_trace(make_instance, spooled):
    one = make_instance(users=(), config={"Trace Router": "true"})
    with Sink() as sink, Child(one, spooled) as child:
        child.job(sink.port)
        child.results()
    trace = one.wait_log("deliver", r"(?s)>>> MAIL FROM:<s@client.test>.*<<< 250 2.0.0 taken", suffix="trace")
    assert trace and f"127.0.0.1[127.0.0.1:{sink.port}] <<< 220 sink.test ESMTP" in one.log("deliver", "trace")
    assert "X-Token" not in one.log("deliver", "trace")
