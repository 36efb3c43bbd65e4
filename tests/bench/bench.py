#!/usr/bin/python3
"""make bench: loads our own suite, and with PEERS=1 other servers beside it. See tests/bench/README.md."""
import glob
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("B", "build"))
BENCH = os.path.join(BUILD, "bench")
os.environ["SAMBAR_BUILD"] = BUILD
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
sys.dont_write_bytecode = True
os.environ.setdefault("SAMBAR_PEERS", os.path.join(BUILD, "peers"))
import fetching_bench  # noqa: E402
import sambar  # noqa: E402
from events import wait_until  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
SCALE = int(os.environ.get("SCALE", "100"))
# smtp-source -r 10 -t u@... writes to 1u@... 10u@...
USERS = [f"u{i}" for i in range(10)] + ["u"] + [f"{i}u" for i in range(1, 11)]

# scenario: processes, sessions of each, messages in all, bytes, recipients, connections kept
SCENARIOS = {
    "a": (1, 1, 2000, 4096, 1, True),           # one connection, one after the other
    "b": (10, 5, 10000, 4096, 1, False),        # a connection for each message
    "c": (10, 5, 20000, 4096, 1, True),         # connections kept
    "d": (10, 2, 2000, 102400, 1, False),       # large messages
    "e": (1, 50, 2000, 4096, 10, False),        # ten recipients each
}


# ---- smtp-source, unpacked and not installed ----

def smtp_source():
    """(path, environment) of smtp-source, from Debian's postfix package below the build folder."""
    root = os.path.join(BENCH, "postfix")
    path = os.path.join(root, "usr", "sbin", "smtp-source")
    if not os.path.exists(path):
        debs = os.path.join(BENCH, "deb")
        os.makedirs(debs, mode=0o755, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", "postfix"], cwd=debs, check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["dpkg", "-x", glob.glob(os.path.join(debs, "postfix_*.deb"))[0], root], check=True)
    return path, dict(os.environ, LD_LIBRARY_PATH=os.path.join(root, "usr", "lib", "postfix"))


def send(port, processes, sessions, messages, size, recipients, keep, domain="example.test"):
    path, environment = smtp_source()
    children = []
    for i in range(processes):
        to = f"u{i}@{domain}" if recipients == 1 else f"u@{domain}"
        children.append(subprocess.Popen(
            [path, "-4", *(["-d"] if keep else []), "-s", str(sessions), "-m", str(messages // processes), "-l", str(size),
             "-r", str(recipients), "-f", "s@client.test", "-t", to, f"127.0.0.1:{port}"], env=environment))
    if any([child.wait() != 0 for child in children]):
        raise RuntimeError("smtp-source failed")


# ---- the instance ----

class Measured(sambar.Instance):
    """An instance on the build folder's file system: a memory file system would promise too much."""

    def __init__(self, users=USERS, **options):
        import tempfile
        os.makedirs(BENCH, mode=0o755, exist_ok=True)
        tempfile.tempdir = BENCH
        super().__init__(users=users, **options)

    def delivered(self):
        return sum(len(self.mailbox(user)) for user in USERS)

    def wait_delivered(self, count):
        self.wait_spool_empty()
        folders = [folder for user in USERS for folder in self.mailbox_folders(user)]
        wait_until(lambda: self.delivered() >= count, *folders)

    def cpu_seconds(self):
        ticks = 0
        for pid in [self.master_pid, *self.children()]:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks += sum(int(n) for n in fields[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_kb(self):
        return sum(pss_kb(pid) for pid in [self.master_pid, *self.children()])


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def table(title, head, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  " + "  ".join(str(cell).rjust(width) for cell, width in zip(row, widths)))
    sys.stdout.flush()


def median(rows, i):
    return statistics.median(row[i] for row in rows)


# ---- what is measured ----

def throughput():
    lines = []
    for name, (processes, sessions, messages, size, recipients, keep) in SCENARIOS.items():
        messages = messages * SCALE // 100
        runs = []
        for _ in range(RUNS):
            one = Measured()
            cpu, start = one.cpu_seconds(), time.monotonic()
            send(one.port("SMTP"), processes, sessions, messages, size, recipients, keep)
            accepted = time.monotonic() - start
            one.wait_delivered(messages * recipients)
            done = time.monotonic() - start
            runs.append((messages / accepted, messages * recipients / done, (one.cpu_seconds() - cpu) / messages * 1000))
            one.end()
        lines.append((name, messages, *(f"{median(runs, i):.0f}" for i in (0, 1)), f"{median(runs, 2):.2f}"))
    table(f"Throughput, medians of {RUNS}", ("load", "messages", "accepted/s", "delivered/s", "cpu ms/msg"), lines)


def latency():
    runs = []
    for _ in range(RUNS):
        one = Measured()
        done = subprocess.run([os.path.join(BENCH, "smtplat"), "127.0.0.1", str(one.port("SMTP")), "50", str(20000 * SCALE // 100),
                               "4096", *(f"u{i}@example.test" for i in range(10))], stdout=subprocess.PIPE, text=True, check=True)
        runs.append([float(n) for n in done.stdout.split()])
        one.wait_spool_empty()
        one.end()
    table(f"From the end of data to 250, 50 connections, 4 KB, medians of {RUNS}", ("messages/s", "p50 ms", "p90 ms", "p99 ms", "max ms"),
          [(f"{median([(r[1] / r[0],) for r in runs], 0):.0f}", *(f"{median(runs, i):.2f}" for i in (3, 4, 5, 6)))])


def steady():
    """The rate of each tenth of 100,000 messages: it must not fall while they are delivered."""
    one = Measured()
    rows = []
    for part in range(10):
        n, start = 10000 * SCALE // 100, time.monotonic()
        send(one.port("SMTP"), 10, 5, n, 4096, 1, True)
        rows.append((part + 1, f"{n / (time.monotonic() - start):.0f}", len(one.spool())))
    start = time.monotonic()
    one.wait_spool_empty()
    table("Steady load, connections kept", ("tenth", "accepted/s", "waiting"), rows)
    print(f"  the rest was delivered in {time.monotonic() - start:.1f} s")
    one.end()


def idle():
    n = 5000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = []
    for listener in ("SMTP", "POP3"):
        one = Measured(config={"Maximum POP3 Connections": "10000"})
        before, held, start = one.pss_kb(), [], time.monotonic()
        for _ in range(n):
            sock = socket.create_connection(("127.0.0.1", one.port(listener)))
            sock.recv(512)
            held.append(sock)
        seconds = time.monotonic() - start
        per = (one.pss_kb() - before) / n
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", one.port(listener))) as sock:
            sock.recv(512)
            banner = time.monotonic() - start
        rows.append((listener, n, f"{seconds:.2f}", f"{per:.2f}", f"{banner * 1000:.2f}"))
        for sock in held:
            sock.close()
        one.end()
    table("Idle connections", ("port", "connections", "seconds", "PSS KB each", "next banner ms"), rows)


def pop3():
    one = Measured()
    for user in USERS[:10]:
        folder = os.path.join(one.mailbox_path(user), "new")
        os.makedirs(folder, exist_ok=True)
        owner = os.stat(one.mailbox_path(user))
        os.chown(folder, owner.st_uid, owner.st_gid)
        for n in range(1000):
            head = f"From: <s@client.test>\r\nTo: <{user}@example.test>\r\nSubject: message {n}\r\n\r\n"
            text = (head + ("x" * 70 + "\r\n") * 60)[:4094] + "\r\n"
            path = os.path.join(folder, f"{1700000000 + n}.M{n}P1.bench,S={len(text)}")
            with open(path, "w", newline="") as f:
                f.write(text)
            os.chown(path, owner.st_uid, owner.st_gid)
    for user in USERS[:10]:
        one.ctl("user", "passwd", user, text="pass\n")
    rows = []
    for load, sessions, retr in (("login", 2000 * SCALE // 100, 0), ("retr", 200 * SCALE // 100, 100)):
        runs = []
        for _ in range(RUNS):
            done = subprocess.run([os.path.join(BENCH, "popload"), "127.0.0.1", str(one.port("POP3")), "20", str(sessions), str(retr),
                                   "pass", *USERS[:10]], stdout=subprocess.PIPE, text=True)
            runs.append([float(n) for n in done.stdout.split()])
        seconds = median(runs, 0)
        rows.append((load, f"{sessions / seconds:.0f}", f"{median(runs, 2) / seconds:.0f}", f"{median(runs, 3) / seconds / 1e6:.1f}",
                     f"{median(runs, 5):.1f}", f"{median(runs, 6):.1f}", int(median(runs, 4))))
    table(f"POP3, 20 sessions at a time, medians of {RUNS}", ("load", "sessions/s", "messages/s", "MB/s", "p50 ms", "p99 ms", "failed"), rows)
    one.end()


# ---- mail for other hosts ----

class Sink:
    """Takes mail at a port, answering each command late; wait() returns when it has all messages."""

    def __init__(self, port, delay_ms, messages):
        self.process = subprocess.Popen([os.path.join(BENCH, "smtpsink"), str(port), str(delay_ms), str(messages)],
                                        stdout=subprocess.PIPE, text=True)

    def wait(self):
        """The most connections it had at one time."""
        return int(self.process.communicate()[0])


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def relay_run(port, sink, messages):
    """(messages a second, connections to the sink)"""
    start = time.monotonic()
    send(port, 10, 5, messages, 4096, 1, False, "remote.test")
    connections = sink.wait()
    return messages / (time.monotonic() - start), connections


def relay_ours(routers, delay_ms, messages):
    port = free_port()
    one = Measured(config={"Relay Domains": "remote.test", "Use MTA": "false", "SMTP Server": f"127.0.0.1:{port}",
                           "Maximum MTA Routers": str(routers)})
    result = relay_run(one.port("SMTP"), Sink(port, delay_ms, messages), messages)
    one.wait_spool_empty()
    one.end()
    return result


def relay_peer(name, delay_ms, messages):
    script = os.path.join(peer_scripts(), f"{name}.sh")
    sink = Sink(10525, delay_ms, messages)      # where the scripts send remote.test
    subprocess.run([script, "start"], check=True)
    port = int(subprocess.run([script, "port"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    result = relay_run(port, sink, messages)
    subprocess.run([script, "stop"], check=True)
    return result


def relay():
    """Through a smart host that answers at once, and through one that is far away."""
    peers = [(name, 0) for name in peer_names() if name != "sink"] if os.environ.get("PEERS") else []
    rows = []
    for delay_ms, messages in ((0, 5000), (50, 2000)):
        messages = messages * SCALE // 100
        ours = [("sambar", 20)] if delay_ms else [("sambar", 1), ("sambar", 20)]
        for name, routers in [*peers, *ours]:
            runs = [relay_peer(name, delay_ms, messages) if routers == 0 else relay_ours(routers, delay_ms, messages)
                    for _ in range(RUNS)]
            rows.append((delay_ms, name, routers or "", messages, f"{median(runs, 0):.0f}", f"{median(runs, 1):.0f}"))
    table(f"Relay to a smart host, medians of {RUNS}", ("delay ms", "server", "routers", "messages", "relayed/s", "connections"), rows)


def accept_rate(one):
    n, start = 20000 * SCALE // 100, time.monotonic()
    send(one.port("SMTP"), 10, 5, n, 4096, 1, True)
    rate = n / (time.monotonic() - start)
    one.wait_settled()
    return rate


def deferred():
    """200,000 messages that wait for a host that is down, and what they cost all else."""
    n = 200000 * SCALE // 100
    one = Measured(config={"Relay Domains": "remote.test", "Use MTA": "false", "SMTP Server": f"127.0.0.1:{free_port()}"})
    before = statistics.median(accept_rate(one) for _ in range(RUNS))
    send(one.port("SMTP"), 10, 5, n, 1024, 1, True, "remote.test")
    one.wait_settled()
    memory = pss_kb(one.pids("queue")[0]) / 1024
    after = statistics.median(accept_rate(one) for _ in range(RUNS))
    one.ctl("queue", "flush")                   # all of them are due at once: who comes now?
    start = time.monotonic()
    send(one.port("SMTP"), 1, 1, 1, 4096, 1, False)
    wait_until(lambda: one.delivered() > RUNS * 2 * (20000 * SCALE // 100), *one.mailbox_folders("u0"))
    fresh = time.monotonic() - start
    one.stop()
    start = time.monotonic()
    one.start()
    one.json("queue", "list")
    started = time.monotonic() - start
    start = time.monotonic()
    one.ctl("queue", "list")
    listed = time.monotonic() - start
    table("Messages that wait", ("messages", "queue MB", "start s", "first page s", "accepted/s", "without them", "ratio", "new one s"),
          [(n, f"{memory:.1f}", f"{started:.2f}", f"{listed:.3f}", f"{after:.0f}", f"{before:.0f}", f"{after / before:.2f}", f"{fresh:.2f}")])
    one.end()


# ---- mail from other hosts ----

def fetch():
    """10,000 messages of 4 KB, until the last one is durable here; the others into a Maildir. One after the other, RUNS times."""
    n = 10000 * SCALE // 100
    chosen = os.environ.get("COLLECTORS", "fetchmail getmail6 mpop").split() if os.environ.get("PEERS") else []
    rows = []
    with fetching_bench.Source() as source:
        source.stock("full", [4096] * n)
        for protocol in ("pop3", "imap"):
            kinds = [kind for kind in fetching_bench.OTHERS if kind.name in chosen and protocol in kind.protocols]
            runs = {name: [] for name in ("nothing kept", *(kind.name for kind in kinds), "sambar")}
            fetching_bench.ours(Measured, pss_kb, source, protocol, "full", n)      # Dovecot makes its indexes
            for _ in range(RUNS):
                runs["nothing kept"].append(fetching_bench.read_only(source, protocol, "full", n))
                for kind in kinds:
                    runs[kind.name].append(fetching_bench.other(kind, source, protocol, "full", n))
                runs["sambar"].append(fetching_bench.ours(Measured, pss_kb, source, protocol, "full", n))
            ours = median(runs["sambar"], 0)
            for name, each in runs.items():
                each = [run for run in each if run]
                if not each:
                    rows.append((protocol, name, n, *["failed"] * 5))
                    continue
                seconds, cpu, peak = median(each, 0), median(each, 1), statistics.median(run[2]["all"] for run in each)
                rows.append((protocol, name, n, f"{seconds:.2f}", f"{n / seconds:.0f}", f"{seconds / ours:.1f}", f"{cpu / n * 1000:.3f}", f"{peak / 1024:.1f}"))
    table(f"Collected from Dovecot with TLS, 4 KB, medians of {RUNS}",
          ("protocol", "by", "messages", "seconds", "messages/s", "ours/its", "cpu ms/msg", "peak MB"), rows)


def fetchmem():
    """Memory of ours when messages are large, and when they are many."""
    rows = []
    with fetching_bench.Source() as source:
        for user, sizes in (("few", [4096] * 1000), ("many", [1024] * (100000 * SCALE // 100)), ("large", [100 << 20] * 3)):
            source.stock(user, sizes)
            for protocol in ("pop3", "imap"):
                seconds, _, peak = fetching_bench.ours(Measured, pss_kb, source, protocol, user, len(sizes))
                rows.append((protocol, len(sizes), sizes[0], f"{seconds:.1f}", *(f"{peak[name] / 1024:.1f}" for name in (*fetching_bench.PROGRAMS, "all"))))
    table("Memory while collecting, peak PSS in MB", ("protocol", "messages", "bytes", "seconds", *fetching_bench.PROGRAMS, "all"), rows)


# ---- peers ----

def peer_names():
    return os.environ.get("PEER_NAMES", "sink postfix opensmtpd exim").split()


def peer_scripts():
    scripts = os.environ.get("PEER_SCRIPTS")
    if not scripts:
        sys.exit("PEERS=1 needs PEER_SCRIPTS=DIR, the folder of the peer scripts")
    return scripts


def peers():
    """Runs the peer scripts' own loads with our adapter among them, and prints what we are to each."""
    scripts = peer_scripts()
    out = os.path.join(BENCH, "peers.tsv")
    if os.path.exists(out):
        os.unlink(out)
    environment = dict(os.environ, OUT=out, RUNS=str(RUNS), SCALE=str(SCALE), SAMBAR_BUILD=BUILD,
                       SCENARIOS=os.environ.get("SCENARIOS", "a b c d e relay"))
    subprocess.run([os.path.join(scripts, "bench-smtp.sh"), *peer_names(), "sambar"], env=environment, check=True)
    runs = {}
    with open(out) as f:
        for line in f:
            peer, scenario, messages, deliveries, status, accepted, done = line.rstrip("\n").split("\t")[:7]
            runs.setdefault(scenario, {}).setdefault(peer, []).append((int(messages) / float(accepted), int(deliveries) / float(done)))
    rows = []
    for scenario, by_peer in runs.items():
        if "sambar" not in by_peer:
            continue
        for peer, values in by_peer.items():
            ours = by_peer["sambar"]
            rows.append((scenario, peer, f"{median(values, 0):.0f}", f"{median(values, 1):.0f}",
                         f"{median(ours, 0) / median(values, 0):.2f}", f"{median(ours, 1) / median(values, 1):.2f}"))
    table(f"Beside other servers, medians of {RUNS}", ("load", "server", "accepted/s", "delivered/s", "ours/its acc.", "ours/its dlv."), rows)


def web():
    import webmail
    webmail.measure()


PARTS = {"throughput": throughput, "latency": latency, "steady": steady, "idle": idle, "pop3": pop3, "relay": relay,
         "fetch": fetch, "fetchmem": fetchmem, "deferred": deferred, "web": web, "peers": peers}


def main(words):
    unknown = [word for word in words if word not in PARTS]
    if unknown:
        sys.exit(f"no measurement {unknown[0]}: {' '.join(PARTS)}")
    words = words or ["throughput", "latency", "idle", "pop3", "relay", "fetch"] + (["steady", "deferred", "fetchmem"] if os.environ.get("STEADY") else []) \
        + (["peers"] if os.environ.get("PEERS") else [])
    if shutil.disk_usage(BUILD).free < 5 << 30:
        print("warning: less than 5 GB are free", file=sys.stderr)
    for word in words:
        PARTS[word]()


if __name__ == "__main__":
    sys.modules["bench"] = sys.modules["__main__"]      # as webmail.py imports it
    main(os.environ.get("PARTS", "").split() + sys.argv[1:])
