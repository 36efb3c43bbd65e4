"""The part "web" of make bench: a mailbox of 100,000 messages in webd, and with PEERS=1 in Dovecot's IMAP beside it."""
import http.client
import json
import os
import random
import re
import socket
import statistics
import time

import bench
from events import wait_until
from mailservers import Dovecot

USERS = 100
ROUNDS = 21
RARE = "zanzibar"           # in one message of a thousand
COMMON = "meeting"          # in each
OTHER = 20                  # one message of so many lies in another folder


# ---- the mailbox ----

class Words:
    def __init__(self, seed):
        self.random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.random.choices(letters, k=self.random.randint(3, 10))) for _ in range(20000)]
        self.weights = [0.0]
        for rank in range(len(self.words)):
            self.weights.append(self.weights[-1] + 1 / (rank + 5))
        self.senders = [f"{a.title()} {b.title()} <{a}.{b}@{c}.example>" for a, b, c in
                        (self.random.choices(self.words, k=3) for _ in range(500))]

    def pick(self, n):
        return " ".join(self.random.choices(self.words, cum_weights=self.weights[1:], k=n))


def message(words, n, ids):
    number = words.random
    answers = ids and number.random() < 0.4
    subject, parent, references = ids[number.randrange(max(0, len(ids) - 2000), len(ids))] if answers else (words.pick(5), None, "")
    own = f"{n}.{number.randrange(1 << 30)}@bench.example"
    references = f"{references} <{parent}>".strip() if parent else ""
    ids.append((subject, own, references if len(references) < 700 else ""))
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1700000000 + n * 300))
    head = f"From: {number.choice(words.senders)}\r\nTo: Big <big@example.test>\r\nSubject: {'Re: ' if parent else ''}{subject}\r\nDate: {when}\r\n" \
        f"Message-ID: <{own}>\r\n" + (f"References: {references}\r\nIn-Reply-To: <{parent}>\r\n" if parent else "") + "MIME-Version: 1.0\r\n"
    lines = [words.pick(11) for _ in range(number.randint(8, 28))]
    lines[0] += " " + COMMON
    if n % 1000 == 501:
        lines[-1] += " " + RARE
    body = "\r\n".join(lines)
    if n % 3:
        return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    html = "<p>" + body.replace("\r\n", "</p>\r\n<p>") + "</p>"
    return f"{head}Content-Type: multipart/alternative; boundary=\"b{n}\"\r\n\r\n--b{n}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n" \
        f"--b{n}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n--b{n}--\r\n"


def make_mailbox(one, user, count):
    """Returns the bytes of all messages."""
    box, words, ids, total = one.mailbox_path(user), Words(1), [], 0
    owner = os.stat(box)
    for folder in ("", ".Work"):
        for place in ("", "new", "cur", "tmp"):
            path = os.path.join(box, folder, place)
            os.makedirs(path, mode=0o700, exist_ok=True)
            os.chown(path, owner.st_uid, owner.st_gid)
    for n in range(count):
        text = message(words, n, ids).encode()
        path = os.path.join(box, "" if n % OTHER else ".Work", "cur", f"{1700000000 + n * 300}.M{n}P1.bench,S={len(text)}:2,{'S' if n % 10 else ''}")
        with open(path, "wb") as f:
            f.write(text)
        os.chown(path, owner.st_uid, owner.st_gid)
        total += len(text)
    return total


# ---- a browser ----

class Browser:
    """A session with webd over a connection that is kept."""

    def __init__(self, one, user, password):
        self.http = http.client.HTTPConnection("127.0.0.1", one.port("HTTP"), timeout=600)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.http.request("POST", "/api/login", json.dumps({"user": user, "password": password}), {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"login: {answer.status} {body}")
        self.headers = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        self.events = None

    def get(self, path):
        self.http.request("GET", "/api/" + path, headers=self.headers)
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body}")
        return json.loads(body)

    def timed(self, path):
        """Milliseconds, median, and the answer."""
        runs = []
        for _ in range(ROUNDS):
            start = time.monotonic()
            answer = self.get(path)
            runs.append((time.monotonic() - start) * 1000)
        return statistics.median(runs), max(runs), answer

    def listen(self, one):
        """Opens an event stream, and keeps it."""
        self.events = socket.create_connection(("127.0.0.1", one.port("HTTP")))
        self.events.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nCookie: {self.headers['Cookie']}\r\n\r\n".encode())
        got = b""
        while b"retry" not in got:
            got += self.events.recv(4096)


REQUESTS = [
    ("first screen, by date", "messages?folder={inbox}&threads=0"),
    ("first screen, by threads", "messages?folder={inbox}"),
    ("first screen, by sender", "messages?folder={inbox}&threads=0&sort=from&order=asc"),
    ("first screen, all folders", "messages?threads=0"),
    ("first screen, all, by threads", "messages?threads=1"),
    ("unread only", "messages?folder={inbox}&threads=0&filter=unread"),
    ("unread only, by threads", "messages?folder={inbox}&filter=unread"),
    ("50 in the middle, by date", "messages?folder={inbox}&threads=0&offset={half}"),
    ("50 at the end, by date", "messages?folder={inbox}&threads=0&offset={deep}"),
    ("50 in the middle, by threads", "messages?folder={inbox}&offset={quarter}"),
    ("a rare word", "messages?folder={inbox}&threads=0&q=" + RARE),
    ("a rare word, by threads", "messages?folder={inbox}&q=" + RARE),
    ("a word of each message", "messages?folder={inbox}&threads=0&q=" + COMMON),
    ("the same by threads", "messages?folder={inbox}&q=" + COMMON),
    ("the same by sender", "messages?folder={inbox}&threads=0&sort=from&q=" + COMMON),
    ("the same in all folders", "messages?threads=0&q=" + COMMON),
    ("the same, all, by threads", "messages?q=" + COMMON),
    ("the beginning of many words", "messages?folder={inbox}&threads=0&q=a"),
    ("two words", "messages?folder={inbox}&threads=0&q=" + COMMON + "%20{word}"),
    ("a phrase", "messages?folder={inbox}&threads=0&q=%22{phrase}%22"),
    ("from:", "messages?folder={inbox}&threads=0&q=from:{name}"),
    ("from:, all folders", "messages?threads=0&q=from:{name}"),
    ("is:unread and a word", "messages?folder={inbox}&threads=0&q=is:unread%20" + COMMON),
    ("-from: and a word", "messages?folder={inbox}&threads=0&q=-from:{name}%20" + COMMON),
    ("after: a date, and a word", "messages?folder={inbox}&threads=0&q=after:2024-02-01%20" + COMMON),
    ("larger:", "messages?folder={inbox}&threads=0&q=larger:2k"),
    ("list of folders", "folders"),
    ("a thread", "thread?thread={thread}"),
]


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(int(n) for n in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def indexing(one, total):
    """Seconds until all messages are looked into, and of CPU in store and indexer."""
    start, store = time.monotonic(), one.pids("store")[0]
    before, reader = cpu_seconds(store), 0
    while one.counters("store").get("messages_indexed", 0) < total:
        pids = one.pids("indexer")
        if pids:
            reader = max(reader, cpu_seconds(pids[0]))
        time.sleep(0.5)
    return time.monotonic() - start, cpu_seconds(store) - before, reader


def fill_in(browser, folders, count):
    """What the requests have in braces."""
    inbox = next(f for f in folders if f["role"] == "inbox")["id"]
    words, row = Words(1), browser.get(f"messages?folder={inbox}&threads=1&offset=100")["messages"][0]
    sender = words.senders[7].split()[0]
    return {"inbox": inbox, "half": count // 2, "quarter": count // 4, "deep": count - count // OTHER - 50, "name": sender,
            "word": words.words[300], "phrase": f"{words.words[0]}%20{words.words[1]}", "thread": row["thread"]}


def ours(count):
    one = bench.Measured(users=["big", *(f"w{i}" for i in range(USERS))])
    size = make_mailbox(one, "big", count)
    start = time.monotonic()
    browser = Browser(one, "big", "big-secret")
    logged_in = time.monotonic()
    folders = browser.get("folders")["folders"]
    opened = time.monotonic() - logged_in
    inbox = next(f for f in folders if f["role"] == "inbox")
    first = browser.timed(f"messages?folder={inbox['id']}&threads=0")
    seconds, store_cpu, reader_cpu = indexing(one, count)
    database = sum(os.path.getsize(one.path("mail", "mbox", "big", name)) for name in ("index.db", "index.db-wal") if
                   os.path.exists(one.path("mail", "mbox", "big", name)))
    bench.table(f"First opening of {count} messages, {size / 1e6:.0f} MB",
                ("login s", "folders s", "screen ms meanwhile", "most ms", "looked into s", "messages/s", "store cpu s", "indexer cpu s", "index.db MB"),
                [(f"{logged_in - start:.2f}", f"{opened:.2f}", f"{first[0]:.1f}", f"{first[1]:.1f}", f"{seconds:.1f}", f"{count / seconds:.0f}",
                  f"{store_cpu:.1f}", f"{reader_cpu:.1f}", f"{database / 1e6:.0f}")])
    values, rows = fill_in(browser, folders, count), []
    for name, path in REQUESTS:
        middle, most, answer = browser.timed(path.format(**values))
        rows.append((name, f"{middle:.1f}", f"{most:.1f}", answer.get("total", ""), len(answer.get("messages", answer.get("folders", ())))))
    bench.table(f"webd, {count} messages, medians of {ROUNDS} over a kept connection", ("request", "ms", "most ms", "total", "rows"), rows)
    return one, browser


def many_users(one):
    """Memory with 100 users who are logged in, each with an open event stream and a first screen."""
    webd, store = one.pids("webd"), one.pids("store")[0]
    before = sum(bench.pss_kb(pid) for pid in webd)
    sessions = []
    for i in range(USERS):
        browser = Browser(one, f"w{i}", f"w{i}-secret")
        browser.listen(one)
        browser.get("folders")
        browser.get("messages?threads=1")
        sessions.append(browser)
    after = sum(bench.pss_kb(pid) for pid in webd)
    bench.table(f"{USERS} users logged in, each with an event stream", ("webd before, PSS MB", "webd with them", "store PSS MB"),
                [(f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{bench.pss_kb(store) / 1024:.1f}")])
    for browser in sessions:
        browser.events.close()
        browser.http.close()


# ---- Dovecot ----

class Imap:
    def __init__(self, port, user):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=1200)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.ask(f"LOGIN {user} secret")

    def ask(self, command):
        """Milliseconds and the untagged lines."""
        start, lines = time.monotonic(), []
        self.sock.sendall(f"a {command}\r\n".encode())
        while True:
            line = self.file.readline()
            if not line:
                raise RuntimeError(f"{command}: closed")
            if line.startswith(b"a "):
                if not line.startswith(b"a OK"):
                    raise RuntimeError(f"{command}: {line}")
                return (time.monotonic() - start) * 1000, lines
            lines.append(line)


ENVELOPES = "ENVELOPE FLAGS RFC822.SIZE INTERNALDATE"


def dovecot(one, count):
    """Its first time, without what it keeps, and the median afterwards."""
    words, last = Words(1), count - count // OTHER
    rows = []
    with Dovecot(mailboxes=one.path("mail", "mbox")) as server:
        imap = Imap(server.ports["imap"], "big")
        rows.append(("SELECT INBOX", f"{imap.ask('SELECT INBOX')[0]:.1f}", ""))
        commands = [("FETCH the last 50", f"FETCH {last - 49}:{last} ({ENVELOPES})"),
                    ("FETCH 50 in the middle", f"FETCH {last // 2 - 49}:{last // 2} ({ENVELOPES})"),
                    ("SORT (REVERSE DATE) ALL", "SORT (REVERSE DATE) UTF-8 ALL"),
                    ("THREAD REFERENCES ALL", "THREAD REFERENCES UTF-8 ALL"),
                    ("SEARCH FROM", f"SEARCH FROM {words.senders[7].split()[0]}"),
                    ("SEARCH SUBJECT", f"SEARCH SUBJECT {words.words[300]}"),
                    ("SEARCH BODY, a rare word", f"SEARCH BODY {RARE}"),
                    ("SEARCH TEXT, a rare word", f"SEARCH TEXT {RARE}"),
                    ("SEARCH TEXT, a word of each", f"SEARCH TEXT {COMMON}")]
        for name, command in commands:
            first = imap.ask(command)[0]
            again = 5 if first < 2000 else 1
            rows.append((name, f"{first:.1f}", f"{statistics.median(imap.ask(command)[0] for _ in range(again)):.1f}"))
    bench.table(f"Dovecot's IMAP, the same {count} messages", ("command", "first time ms", "afterwards ms"), rows)


def measure():
    count = 100000 * bench.SCALE // 100
    one, browser = ours(count)
    many_users(one)
    browser.http.close()
    if os.environ.get("PEERS"):
        dovecot(one, count)
    one.end()
