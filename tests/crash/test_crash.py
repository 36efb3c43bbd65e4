"""SIGKILL of every program, one or all, at random moments under load: no acknowledged message is ever lost."""
import collections
import os
import random
import re
import threading

import pytest

import sambar
from clients import Closed, Smtp, stuffed, text_message
from events import wait_process_end, wait_until
from sambar import split_trace

USERS = ("u0", "u1", "u2", "u3")
ROUNDS = 1 if sambar.SANITIZED else 2


class Ledger:
    """What was acknowledged: every token with its bytes and its recipients."""

    def __init__(self):
        self.lock = threading.Condition()
        self.acknowledged = {}
        self.tried = 0

    def attempt(self):
        with self.lock:
            self.tried += 1
            return f"t{self.tried:06d}"

    def acknowledge(self, token, message, users):
        with self.lock:
            self.acknowledged[token] = (message, users)
            self.lock.notify_all()

    def wait_for(self, n):
        with self.lock:
            while len(self.acknowledged) < n:
                self.lock.wait()

    def compare(self, instance):
        """Returns what is missing, what differs, and how many copies were too many."""
        found = collections.defaultdict(list)
        for user in USERS:
            for message in instance.messages(user):
                token = re.search(rb"\r\nX-Token: (\S+)\r\n", message).group(1).decode()
                found[token, user].append(message)
        missing, different, duplicates = [], [], 0
        for token, (message, users) in self.acknowledged.items():
            for user in users:
                copies = found[token, user]
                if not copies:
                    missing.append((token, user))
                different += [(token, user) for copy in copies if split_trace(copy)[1] != message]
                duplicates += max(0, len(copies) - 1)
        wrong = [(token, user) for token, user in found
                 if token in self.acknowledged and user not in self.acknowledged[token][1]]
        return missing, different, wrong, duplicates


class Sender(threading.Thread):
    """Sends until told to stop; a broken connection is opened again, its message counts as not acknowledged."""

    def __init__(self, instance, ledger, seed):
        super().__init__()
        self.instance, self.ledger, self.random, self.stopping = instance, ledger, random.Random(seed), False
        self.refusals = collections.Counter()

    def one(self, smtp):
        token = self.ledger.attempt()
        users = self.random.sample(USERS, self.random.randint(1, len(USERS)))
        message = text_message(token, self.random.choice([500, 4000, 30000]))
        smtp.envelope(*(f"{user}@example.test" for user in users))
        reply = smtp.cmd("DATA")
        if reply.code == 354:
            smtp.send(stuffed(message) + b".\r\n")
            reply = smtp.reply()
        if reply.code == 250:
            self.ledger.acknowledge(token, message, users)
        else:
            self.refusals[reply.code] += 1
            assert 400 <= reply.code < 500, reply       # never a refusal for good
            smtp.cmd("RSET")

    def run(self):
        while not self.stopping:
            try:
                with Smtp(self.instance.port("SMTP")) as smtp:
                    for _ in range(self.random.randint(1, 20)):
                        if self.stopping:
                            break
                        self.one(smtp)
            except (OSError, Closed):
                self.refusals["connection"] += 1
                if self.instance.master_pid is None:
                    self.instance.started.wait()
            except AssertionError as error:             # 4xx to MAIL or RCPT while a guardian is away
                if not re.search(r"code=4\d\d", str(error)):
                    self.failure = error
                    raise
                self.refusals["assertion"] += 1


@pytest.fixture
def loaded(make_instance):
    one = make_instance(users=USERS, config={"Retry Intervals": "1s"})
    one.started = threading.Event()
    one.started.set()
    ledger = Ledger()
    senders = [Sender(one, ledger, seed) for seed in range(6)]
    for sender in senders:
        sender.start()
    yield one, ledger, senders
    for sender in senders:
        sender.stopping = True
    one.started.set()
    for sender in senders:
        sender.join()


def settle(one, ledger, senders):
    """Ends the load, waits for the queue to run empty and compares."""
    for sender in senders:
        sender.stopping = True
    for sender in senders:
        sender.join()
        assert not hasattr(sender, "failure"), sender.failure
    one.wait_spool_empty()
    missing, different, wrong, duplicates = ledger.compare(one)
    refusals = sum((sender.refusals for sender in senders), collections.Counter())
    print(f"{len(ledger.acknowledged)} acknowledged of {ledger.tried}, {duplicates} duplicates, refused: {dict(refusals)}")
    assert not missing, f"LOST {len(missing)}: {missing[:5]}"
    assert not different, different[:5]
    assert not wrong, wrong[:5]
    for user in USERS:
        assert os.listdir(os.path.join(one.mailbox_path(user), "tmp")) == []
    return duplicates


def expect_deaths(one):
    one.expect_alarm(r"KEEPS DYING|killed by signal 9")


@pytest.mark.parametrize("name", ["smtpd", "queue", "router", "store", "auth", "pop3d"])
def test_kill_one_program_under_load(loaded, name):
    one, ledger, senders = loaded
    expect_deaths(one)
    chance = random.Random(name)
    for _ in range(3 * ROUNDS):
        ledger.wait_for(len(ledger.acknowledged) + chance.randint(20, 80))
        log_at = len(one.log("master"))
        for pid in one.pids(name):
            os.kill(pid, 9)
            wait_process_end(pid)
        one.wait_log("master", rf"{name}\[\d+\] runs", after=log_at)
    ledger.wait_for(len(ledger.acknowledged) + 20)
    settle(one, ledger, senders)


def test_kill_programs_at_random_under_load(loaded):
    one, ledger, senders = loaded
    expect_deaths(one)
    chance = random.Random(4711)
    for _ in range(10 * ROUNDS):
        ledger.wait_for(len(ledger.acknowledged) + chance.randint(1, 60))
        programs = [p for p in one.status()["programs"] if p["pid"]]
        for program in chance.sample(programs, chance.randint(1, 3)):
            try:
                os.kill(program["pid"], 9)
            except ProcessLookupError:
                pass
    ledger.wait_for(len(ledger.acknowledged) + 20)
    settle(one, ledger, senders)


def test_kill_everything_under_load(loaded):
    """All processes at once, master first, then a new start; three times."""
    one, ledger, senders = loaded
    for _ in range(2 * ROUNDS):
        ledger.wait_for(len(ledger.acknowledged) + 100)
        one.started.clear()
        one.kill_all()
        one.start()
        one.started.set()
    ledger.wait_for(len(ledger.acknowledged) + 20)
    settle(one, ledger, senders)


def test_kill_while_pop3_deletes(make_instance):
    """A store that dies in the middle of QUIT: what was not deleted is still there, nothing else is touched."""
    one = make_instance(users=("u0",))
    expect_deaths(one)
    for i in range(300):
        one.send(text_message(f"d{i}"), "u0@example.test")
    one.wait_spool_empty()
    names = {os.path.basename(path) for path in one.mailbox("u0")}
    for keep in (250, 150, 0):
        with one.pop("u0") as pop:
            total = int(pop.ok("STAT").split()[1])
            pop.send("".join(f"DELE {i}\r\n" for i in range(1, total - keep + 1)))
            for _ in range(total - keep):
                assert pop.status()[0]
            log_at = len(one.log("master"))
            pop.send("QUIT\r\n")
            one.kill("store")
            try:
                answer = pop.status()
            except Closed:
                answer = None
            one.wait_log("master", r"store\[\d+\] runs", after=log_at)
            left = {os.path.basename(path) for path in one.mailbox("u0")}
            assert left <= names and len(left) >= keep
            if answer and answer[0]:
                assert len(left) == keep
    with one.pop("u0") as pop:
        assert int(pop.ok("STAT").split()[1]) == len(one.mailbox("u0"))


def test_ledger_finds_a_loss(make_instance):
    """The measure itself: a message that is taken away, changed or doubled is noticed."""
    one = make_instance(users=USERS)
    ledger = Ledger()
    for i in range(3):
        token = ledger.attempt()
        message = text_message(token)
        one.send(message, "u0@example.test")
        ledger.acknowledge(token, message, ["u0"])
    wait_until(lambda: len(one.mailbox("u0")) == 3, *one.mailbox_folders("u0"))
    one.wait_spool_empty()
    assert ledger.compare(one) == ([], [], [], 0)
    first, second, third = one.mailbox("u0")
    os.unlink(first)
    with open(second, "ab") as f:
        f.write(b"x")
    os.link(third, third + "x")
    missing, different, wrong, duplicates = ledger.compare(one)
    assert (len(missing), len(different), len(wrong), duplicates) == (1, 1, 0, 1)
