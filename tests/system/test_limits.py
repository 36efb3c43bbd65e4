"""Every limit: connections in all and from one address, silent and slow clients, descriptors, memory."""
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time

import pytest

from clients import Closed, Pop, Smtp, enhanced, stuffed, text_message, tls_context


def when_free(connect):
    """A connection that is counted; one that has just ended is until the server has seen its end."""
    while True:
        try:
            return connect()
        except (AssertionError, Closed):
            os.sched_yield()


def test_connections_from_one_address(make_instance):
    one = make_instance(config={"Maximum SMTP Connections Per Address": "5", "Maximum POP3 Connections Per Address": "4",
                                "Unlimited Addresses": "192.0.2.1"})
    held = [Smtp(one.port("SMTP")) for _ in range(5)]
    with one.smtp(hello=None) as sixth:
        assert sixth.banner.code == 421 and sixth.at_end()
    with one.smtp("Submission", hello=None) as other_port:      # counted together
        assert other_port.banner.code == 421
    with one.smtp(source="127.0.0.2") as other:                 # somebody else is served
        assert other.deliver(text_message("other"), "ann@example.test").code == 250
        other.quit()
    held.pop().quit()
    one.wait_log("smtpd", r"refused|limit")
    when_free(one.smtp).quit()
    for client in held:
        client.close()
    pops = [Pop(one.port("POP3")) for _ in range(4)]
    with socket.create_connection(("127.0.0.1", one.port("POP3"))) as fifth:
        assert fifth.recv(100).startswith(b"-ERR")
    with Pop(one.port("POP3"), source="127.0.0.3") as other:
        other.quit()
    for client in pops:
        client.close()


def test_connections_reset_at_once_are_not_counted_for_ever(make_instance):
    one = make_instance(config={"Maximum SMTP Connections Per Address": "5", "Maximum POP3 Connections Per Address": "5",
                                "Unlimited Addresses": "192.0.2.1"})
    for listener in ("SMTP", "POP3"):
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", one.port(listener))) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    for kind in (one.smtp, one.pop):
        held = [when_free(kind) for _ in range(5)]
        for client in held:
            client.quit()


def test_connections_in_all(make_instance):
    one = make_instance(config={"Maximum SMTP Connections": "8", "Maximum POP3 Connections": "6"})
    held = [Smtp(one.port("SMTP")) for _ in range(8)]
    with one.smtp(hello=None) as ninth:
        assert ninth.banner.lines[0].startswith("421 4.3.2") and ninth.at_end()
    held.pop().quit()
    when_free(one.smtp).quit()
    pops = [Pop(one.port("POP3")) for _ in range(6)]
    with socket.create_connection(("127.0.0.1", one.port("POP3"))) as seventh:
        assert seventh.recv(100).startswith(b"-ERR [SYS/TEMP]")
    for client in held + pops:
        client.close()


def test_counts_survive_a_killed_worker(make_instance):
    """A worker that dies with its connections leaves no count behind."""
    one = make_instance(config={"Maximum SMTP Connections": "8"})
    for _ in range(2):
        held = [Smtp(one.port("SMTP")) for _ in range(8)]
        log_at = len(one.log("master"))
        n = len(one.pids("smtpd"))
        one.kill("smtpd")
        one.wait_log("master", r"(?s)" + r".*smtpd\[\d+\] runs" * n, after=log_at)
        for client in held:
            client.close()
    held = [Smtp(one.port("SMTP")) for _ in range(8)]
    for client in held:
        client.quit()


# ---- silent and slow clients ----

TIMEOUTS = {"SMTP Command": "1s", "SMTP Data": "1s", "SMTP Transaction": "2s", "POP3 Login": "1s", "POP3 Idle": "1s",
            "TLS Handshake": "1s"}


@pytest.fixture(scope="module")
def hasty():
    """An instance without patience."""
    import sambar
    from conftest import finish
    one = sambar.Instance(users=("ann",), config=TIMEOUTS)
    yield one
    finish([one])


@pytest.mark.parametrize("sent", [b"", b"NO", b"EHLO c.test\r\n", b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\n",
                                  b"EHLO c.test\r\nAUTH LOGIN\r\n"])
def test_silent_smtp_client(hasty, sent):
    with socket.create_connection(("127.0.0.1", hasty.port("SMTP"))) as sock:
        sock.sendall(sent)
        said = read_all(sock)
    assert said.split(b"\r\n")[-2].startswith(b"421 4.4.2"), said


@pytest.mark.parametrize("sent", [b"", b"Subject: x\r\n\r\nhalf a"])
def test_silent_in_the_message(hasty, sent):
    with hasty.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        smtp.send(sent)
        assert smtp.end()[-1].startswith("421 4.4.2")
    assert hasty.mailbox("ann") == []


def test_no_spool_file_is_told_soon(make_instance):
    """queue hangs: who has no file in hand hears so at DATA, and mail flows again when it goes on."""
    one = make_instance(users=("ann",), config={"Inner Answer": "1s", "Spare Spool Files": "1", "SMTP Workers": "1"})
    queue, = one.pids("queue")
    one.send(text_message("first"), "ann@example.test")
    os.kill(queue, signal.SIGSTOP)
    try:
        held, replies = [], []
        while not replies or replies[-1].code == 354:       # until none is in hand
            held.append(one.smtp())
            held[-1].envelope("ann@example.test")
            replies.append(held[-1].cmd("DATA"))
        assert (replies[-1].code, enhanced(replies[-1])) == (451, "4.3.0"), replies
        with held.pop() as smtp:
            assert smtp.cmd("NOOP").code == 250
            os.kill(queue, signal.SIGCONT)
            smtp.envelope("ann@example.test")
            assert smtp.cmd("DATA").code == 354
            smtp.send(b"Subject: again\r\n\r\nx\r\n.\r\n")
            assert smtp.reply().code == 250
    finally:
        os.kill(queue, signal.SIGCONT)
    for smtp in held:
        smtp.close()
    one.wait_mailbox("ann", 2)


def test_dripping_client_meets_the_transaction_limit(hasty):
    """A byte now and then never lets the short timer run out; the long one does."""
    with hasty.smtp() as smtp:
        smtp.envelope("ann@example.test")
        assert smtp.cmd("DATA").code == 354
        readable = []
        while not readable:
            try:
                smtp.send(b"x")
            except OSError:
                break
            readable, _, _ = select.select([smtp.sock], [], [], 0.2)
        lines = smtp.end()
        assert not lines or lines[-1].startswith("421 4.4.2")
    assert hasty.mailbox("ann") == []


def test_dripping_command_does_not_start_the_timer_anew(hasty):
    with hasty.smtp() as smtp:
        readable = []
        while not readable:
            try:
                smtp.send(b"N")
            except OSError:
                break
            readable, _, _ = select.select([smtp.sock], [], [], 0.2)
        smtp.end()


@pytest.mark.parametrize("sent", [b"", b"US", b"USER ann\r\n"])
def test_silent_pop3_client(hasty, sent):
    with socket.create_connection(("127.0.0.1", hasty.port("POP3"))) as sock:
        sock.sendall(sent)
        said = read_all(sock)
    assert said.startswith(b"+OK")


def test_silent_pop3_session_deletes_nothing(hasty):
    hasty.send(text_message("kept"), "ann@example.test")
    hasty.wait_mailbox("ann", 1)
    with hasty.pop("ann") as pop:
        pop.ok("DELE 1")
        pop.end()
    assert len(hasty.mailbox("ann")) == 1
    os.unlink(hasty.mailbox("ann")[0])


@pytest.mark.parametrize("listener, opening", [("SMTPS", b""), ("POP3S", b""), ("SMTPS", b"\x16\x03\x01\x02\x00")])
def test_silent_handshake(hasty, listener, opening):
    with socket.create_connection(("127.0.0.1", hasty.port(listener))) as sock:
        sock.sendall(opening)
        read_all(sock)


def test_silent_after_starttls(hasty):
    with hasty.smtp() as smtp:
        assert smtp.cmd("STARTTLS").code == 220
        read_all(smtp.sock)


def read_all(sock):
    said = b""
    try:
        while more := sock.recv(65536):
            said += more
    except ConnectionResetError:
        pass
    return said


# ---- a client that never reads ----

def test_replies_nobody_reads_stop_the_reading(instance):
    """Commands without end, answers unread: the server stops reading; memory stays; others are served; in step afterwards."""
    before = max_memory(instance, "smtpd")
    with instance.smtp() as smtp:
        smtp.sock.setblocking(False)
        sent, chunk = 0, b"VRFY nobody-at-all-with-a-rather-long-name\r\n" * 1000
        pending = b""
        while True:
            pending = pending or chunk
            try:
                n = smtp.sock.send(pending)
            except BlockingIOError:
                if not select.select([], [smtp.sock], [], 1)[1]:
                    break
                continue
            except OSError:
                break
            sent += n
            pending = pending[n:]
            if sent > 200 * 1024 * 1024:
                pytest.fail("the server reads on and on")
        with instance.smtp() as other:
            other.quit()
        assert max_memory(instance, "smtpd") < before + 30000
        smtp.sock.setblocking(True)
        seen = 0
        while seen < 100:
            assert smtp.line()[:3] in ("252", "421")
            seen += 1


def max_memory(instance, name):
    return max(p["memory_kb"] for p in instance.status()["programs"] if p["name"] == name)


def test_resets_everywhere(instance):
    phases = [b"", b"EHLO c.test\r\n", b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n",
              b"EHLO c.test\r\nSTARTTLS\r\n", b"EHLO c.test\r\nMAIL FROM:<s@c.test>\r\nRCPT TO:<ann@example.test>\r\nBDAT 100 LAST\r\nx"]
    for _ in range(40):
        for phase in phases:
            client = Smtp(instance.port("SMTP"), hello=None)
            client.send(phase)
            client.abort()
        client = Pop(instance.port("POP3"))
        client.send(b"USER ann\r\nPASS ann-secret\r\nRETR 1\r\n")
        client.abort()
    instance.send(text_message("after-resets"), "ann@example.test")
    with instance.pop("ann") as pop:
        pop.quit()


def test_a_thousand_idle_connections(instance):
    n = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n + 200:
        pytest.skip(f"this machine cannot: {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [Smtp(instance.port("SMTP"), hello=None) for _ in range(n)]
    with instance.smtp() as smtp:
        assert smtp.deliver(text_message("among-many"), "ann@example.test").code == 250
        smtp.quit()
    for client in held:
        assert client.cmd("NOOP").code == 250
        client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- the machine's limits ----

def limit_descriptors(pid, soft):
    """Sets the process's soft limit, as its own account may; returns the one before."""
    owner = os.stat(f"/proc/{pid}")
    program = f"import resource; r = resource.RLIMIT_NOFILE; s, h = resource.prlimit({pid}, r); " \
              f"resource.prlimit({pid}, r, ({soft}, h)); print(s)"
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return int(subprocess.run(["/usr/bin/python3", "-c", program], check=True, capture_output=True, cwd="/", **account).stdout)


def test_no_descriptors_left(make_instance):
    """Accepting pauses and does not spin; what is connected goes on; when descriptors are free, others are served."""
    one = make_instance(config={"SMTP Workers": "1"})
    pid, = one.pids("smtpd")
    with one.smtp() as first:
        used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
        before = limit_descriptors(pid, used + 4)
        waiting = [socket.create_connection(("127.0.0.1", one.port("SMTP"))) for _ in range(30)]
        served = []
        while True:
            ready = select.select(waiting, [], [], 1)[0]
            if not ready:
                break
            for sock in ready:
                if sock.recv(1000):
                    served.append(sock)
                waiting.remove(sock)
        assert waiting, "all were served: the limit did not bite"
        spent = cpu_seconds(pid)
        start = time.monotonic()
        select.select([], [], [], 1)
        assert cpu_seconds(pid) - spent < 0.5 * (time.monotonic() - start), "it spins"
        assert first.cmd("NOOP").code == 250
        limit_descriptors(pid, before)
        for sock in waiting:
            assert sock.recv(1000).startswith((b"220", b"421"))
        for sock in served + waiting:
            sock.close()
    one.send(text_message("free-again"), "ann@example.test")
    assert one.pids("smtpd") == [pid]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_queue_without_descriptors(make_instance):
    one = make_instance(config={"SMTP Workers": "1", "Spare Spool Files": "2"})
    pid, = one.pids("queue")
    used = len(os.listdir(f"/proc/{pid}/fd"))
    clients = [Smtp(one.port("SMTP")) for _ in range(20)]
    before = limit_descriptors(pid, used + 1)
    codes = []
    for client in clients:
        client.envelope("ann@example.test")
        client.send("DATA\r\n")
    for client in clients:
        if select.select([client.sock], [], [], 1)[0]:
            codes.append(client.reply().code)
    assert set(codes) <= {354, 451, 452, 421}
    limit_descriptors(pid, before)
    for client in clients:
        client.close()
    one.send(text_message("free-again"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    assert one.pids("queue") == [pid]


def test_errors_before_login_are_slowed_not_shared(make_instance):
    """Failed logins of one address are delayed; a user elsewhere is not."""
    one = make_instance(config={"Maximum Login Delay": "600", "Maximum Login Failures": "1000"})
    attackers = []
    for i in range(8):
        attacker = Pop(one.port("POP3"), source="127.0.0.9")
        attacker.send(f"USER nobody{i}\r\nPASS x\r\n")
        attackers.append(attacker)
    with one.pop("ann", source="127.0.0.10") as pop:
        pop.quit()
    for attacker in attackers:
        attacker.abort()


def test_large_messages_in_parallel(instance):
    """Twenty messages of 5 MB at once, a piece of each in turn: all arrive whole, in bounded memory."""
    before = max_memory(instance, "smtpd")
    clients, messages = [], []
    for i in range(20):
        client = Smtp(instance.port("SMTP"))
        client.envelope("bob@example.test")
        assert client.cmd("DATA").code == 354
        clients.append(client)
        messages.append(text_message(f"large-{i}", 5000000))
    parts = [stuffed(m) for m in messages]
    for at in range(0, max(map(len, parts)), 1 << 19):
        for client, part in zip(clients, parts):
            client.send(part[at:at + (1 << 19)])
    for client in clients:
        client.send(b".\r\n")
    for client in clients:
        assert client.reply().code == 250
        client.quit()
    instance.wait_spool_empty()
    got = sorted(re.sub(rb"(?s)\A.*?(?=From: <s@)", b"", m) for m in instance.messages("bob"))
    assert got == sorted(messages)
    assert max_memory(instance, "smtpd") < before + 60000


def test_tls_clients_that_hang_up_unread(instance):
    for listener in ("SMTPS", "POP3S"):
        for _ in range(30):
            sock = tls_context().wrap_socket(socket.create_connection(("127.0.0.1", instance.port(listener))))
            sock.sendall(b"NOOP\r\nCAPA\r\n" * 100)
            sock.close()
    try:
        with instance.smtp("SMTPS") as smtp:
            smtp.quit()
    except Closed as error:
        pytest.fail(repr(error))
