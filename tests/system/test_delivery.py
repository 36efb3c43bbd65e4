"""Where accepted mail goes: mailboxes, aliases, forwards, null, unknown and full mailboxes, remote recipients."""
import os
import re

import pytest

from clients import enhanced, is_root, text_message
from events import wait_until
from sambar import split_trace

USERS = ("ann", "bob", "carl", "dora")


@pytest.fixture
def fresh(make_instance):
    """An instance for tests that change settings."""
    def make(config=(), users=USERS, **options):
        return make_instance(users=users, config=config, **options)
    return make


def tokens(instance, user):
    return sorted(re.search(rb"X-Token: (\S+)", m).group(1).decode() for m in instance.messages(user))


def rcpt(instance, address, sender="s@client.test"):
    with instance.smtp() as smtp:
        smtp.envelope(sender=sender)
        return smtp.cmd(f"RCPT TO:<{address}>")


# ---- one message, one file ----

def test_return_path_and_trace(instance):
    message = text_message("trace")
    instance.send(message, "ann@example.test", sender="Sender@Client.Test")
    got = instance.wait_mailbox("ann", 1)[0]
    trace, body = split_trace(got)
    assert trace.startswith(b"Return-Path: <Sender@client.test>\r\nReceived: from client.test")
    assert body == message
    assert re.search(rb"id [0-9A-Za-z]{9}", trace)
    assert b"for <ann@example.test>" in trace


def test_maildir_names_say_the_size(instance):
    before = len(instance.mailbox("dora"))
    instance.send(text_message("size", 5000), "dora@example.test")
    instance.wait_mailbox("dora", before + 1)
    path = instance.mailbox("dora")[-1]
    name = os.path.basename(path)
    size = int(re.search(r",S=(\d+)", name).group(1))
    assert size == os.path.getsize(path)
    assert os.path.basename(os.path.dirname(path)) == "new"
    assert os.listdir(os.path.join(instance.mailbox_path("dora"), "tmp")) == []


def test_one_copy_on_disk_for_many_mailboxes(instance):
    instance.send(text_message("linked", 20000), "bob@example.test", "carl@example.test", "dora@example.test")
    instance.wait_spool_empty()
    inodes = {os.stat(path).st_ino for user in ("bob", "carl", "dora") for path in instance.mailbox(user)
              if b"linked" in open(path, "rb").read()}
    assert len(inodes) == 1
    # No recipient is named to the others.
    assert all(b"for <" not in split_trace(m)[0] for m in instance.messages("bob") if b"linked" in m)


def test_duplicate_recipients_get_one_copy(instance):
    before = len(instance.mailbox("carl"))
    instance.send(text_message("twice"), "carl@example.test", "CARL@example.test", '"carl"@example.test', "carl@example.test")
    instance.wait_spool_empty()
    assert tokens(instance, "carl").count("twice") == 1 and len(instance.mailbox("carl")) == before + 1


def test_plus_tag_goes_to_the_user(instance):
    instance.send(text_message("tag"), "bob+lists.a@example.test")
    instance.wait_spool_empty()
    assert "tag" in tokens(instance, "bob")


def test_files_belong_to_the_store(instance):
    instance.send(text_message("mode"), "ann@example.test")
    instance.wait_spool_empty()
    for path in instance.mailbox("ann"):
        assert os.stat(path).st_mode & 0o077 == 0


def test_log_tells_each_delivery(instance):
    with instance.smtp() as smtp:
        reply = smtp.deliver(text_message("logged"), "ann@example.test", "bob@example.test")
        smtp.quit()
    queue_id = re.search(r"\b([0-9A-Za-z]{9})\b", reply.lines[0]).group(1)
    instance.wait_spool_empty()
    for user in ("ann", "bob"):
        assert re.search(rf"{queue_id} delivered .*{user}", instance.log("router") + instance.log("store")), user
    told = instance.ctl("trace", queue_id).stdout
    assert "ann" in told and "bob" in told and "client.test" in told


# ---- aliases and forwards ----

def test_aliases(fresh):
    one = fresh()
    one.ctl("alias", "set", "Ann.Example", "ann")
    one.ctl("alias", "set", "all", "ann", "bob", "carl")
    one.ctl("alias", "set", "chain", "all", "dora")
    one.ctl("alias", "set", "support@other.test", "bob")
    one.ctl("alias", "set", "void", "null")
    one.ctl("alias", "set", "mixed", "null", "dora")
    one.ctl("reload")
    for address, users in (("ann.example@example.test", ["ann"]), ("ALL@example.test", ["ann", "bob", "carl"]),
                           ("chain@example.test", ["ann", "bob", "carl", "dora"]), ("void@example.test", []),
                           ("mixed@example.test", ["dora"]), ("all+tag@example.test", ["ann", "bob", "carl"])):
        token = "to-" + address.replace("@", ".").replace("+", ".")
        one.send(text_message(token), address)
        one.wait_spool_empty()
        assert [u for u in USERS if token in tokens(one, u)] == users, address
    assert all(tokens(one, u) == sorted(set(tokens(one, u))) for u in USERS)
    # A whole address as alias is known although its domain is not ours.
    one.send(text_message("whole"), "support@other.test")
    one.wait_spool_empty()
    assert "whole" in tokens(one, "bob")
    # The same mailbox by several ways gets one copy.
    one.send(text_message("once"), "all@example.test", "chain@example.test", "ann@example.test")
    one.wait_spool_empty()
    assert [tokens(one, u).count("once") for u in USERS] == [1, 1, 1, 1]


def test_alias_loops_are_refused_at_rcpt(fresh):
    one = fresh()
    one.ctl("alias", "set", "self", "self")
    one.ctl("alias", "set", "ping", "pong")
    one.ctl("alias", "set", "pong", "ping")
    for i in range(15):
        one.ctl("alias", "set", f"deep{i}", f"deep{i + 1}" if i < 14 else "ann")
    one.ctl("reload")
    for address in ("ping@example.test", "deep0@example.test"):
        reply = rcpt(one, address)
        assert (reply.code, enhanced(reply)) == (550, "5.4.6"), (address, reply)
    assert rcpt(one, "deep10@example.test").code == 250
    assert rcpt(one, "self@example.test").code in (250, 550)
    assert one.pids("router")


def test_forwards(fresh):
    one = fresh()
    one.ctl("forward", "set", "chuck", "ann", "bob+x@example.test")
    one.ctl("forward", "set", "carl", "dora")
    one.ctl("forward", "set", "away", "someone@remote.test", "ann")
    one.ctl("forward", "set", "gone", "null")
    one.ctl("reload")
    for address, users in (("chuck", ["ann", "bob"]), ("carl", ["dora"]), ("gone", [])):
        one.send(text_message(f"fw-{address}"), f"{address}@example.test")
        one.wait_spool_empty()
        assert [u for u in USERS if f"fw-{address}" in tokens(one, u)] == users, address
    # A remote target waits in the queue; the local one has its copy.
    one.send(text_message("fw-away"), "away@example.test")
    one.wait_mailbox("ann", 2)
    one.wait_settled()
    queued, = one.json("queue", "list")["messages"]
    assert [r["to"] for r in queued["recipients"] if r["status"] not in ("done", "expanded", "d", "x")] == ["someone@remote.test"]


def test_maximum_recipients_counts_expansion(fresh):
    one = fresh(config={"Maximum Recipients": "5"})
    one.ctl("alias", "set", "four", "ann", "bob", "carl", "dora")
    one.ctl("reload")
    with one.smtp() as smtp:
        smtp.envelope("four@example.test")
        assert smtp.cmd("RCPT TO:<ann@example.test>").code == 250
        reply = smtp.cmd("RCPT TO:<bob@example.test>")
        assert (reply.code, enhanced(reply)) == (452, "4.5.3")
        assert smtp.data(text_message("five")).code == 250
    one.ctl("alias", "set", "six", "ann", "bob", "carl", "dora", "ann+1@example.test", "ann+2@example.test")
    one.ctl("reload")
    assert rcpt(one, "six@example.test").code in (250, 452, 550)


# ---- domains ----

def test_local_domains_and_patterns(fresh):
    one = fresh(config={"Local Domains": "second.test *wild.test"})
    for address, code in (("ann@second.test", 250), ("ann@SECOND.TEST", 250), ("ann@wild.test", 250), ("ann@a.b.wild.test", 250),
                          ("ann@otherwild.test", 250), ("no@second.test", 550), ("no@x.wild.test", 550)):
        assert rcpt(one, address).code == code, address
    assert rcpt(one, "ann@example.test").code == 250
    one.send(text_message("second"), "ann@second.test", "ann@wild.test", "ann@example.test")
    one.wait_spool_empty()
    assert tokens(one, "ann") == ["second"]


def test_remote_mail_needs_a_right_to_relay(elsewhere, make_instance):
    """Loopback has it for our users' mail; who comes from elsewhere has not, but peers' domains are open to all."""
    one = make_instance(start=False, config={"Relay Domains": "peer.test"})
    one.configure("SMTP", f"0.0.0.0:{one.port('SMTP')}")
    one.start()
    assert rcpt(one, "x@remote.test").code == 550
    with one.smtp() as smtp:
        smtp.envelope("x@remote.test", sender="ann@example.test")
    with one.smtp(host=elsewhere) as smtp:
        smtp.envelope("ann@example.test", "x@peer.test")
        reply = smtp.cmd("RCPT TO:<x@remote.test>")
        assert reply.code == 550 and enhanced(reply) == "5.7.1", reply


def test_remote_mail_waits_in_the_queue(fresh):
    one = fresh(config={"Relay Domains": "peer.test"})
    with one.smtp() as smtp:
        assert smtp.deliver(text_message("relayed"), "x@peer.test", "ann@example.test").code == 250
    one.wait_mailbox("ann", 1)
    one.wait_settled()
    with one.smtp("Submission") as smtp:
        smtp.starttls()
        assert smtp.auth_plain("ann", "ann-secret").code == 235
        reply = smtp.deliver(text_message("remote"), "y@remote.test", sender="ann@example.test")
        assert reply.code == 250, reply
    one.wait_settled()
    listed = one.json("queue", "list")["messages"]
    assert sorted(r["to"] for m in listed for r in m["recipients"] if r["to"] != "ann@example.test") == \
        ["x@peer.test", "y@remote.test"]
    assert all(m["attempts"] >= 1 for m in listed)
    # It is there after a restart, too.
    one.stop()
    one.start()
    assert len(one.json("queue", "list")["messages"]) == 2
    assert len(one.mailbox("ann")) == 1


# ---- mailboxes ----

def test_unknown_mailbox(fresh):
    one = fresh(config={"Unknown Mailbox": "dora"})
    one.send(text_message("unknown"), "nobody@example.test")
    one.send(text_message("known"), "ann@example.test")
    one.wait_spool_empty()
    assert (tokens(one, "dora"), tokens(one, "ann")) == (["unknown"], ["known"])


def test_handmade_mailbox(instance):
    """As the manual says: a directory with an empty inbox.fld makes the mailbox."""
    assert rcpt(instance, "billy-bob@example.test").code == 550
    box = instance.mailbox_path("billy-bob")
    os.mkdir(box)
    open(os.path.join(box, "inbox.fld"), "w").close()
    log_at = len(instance.log("router"))
    # The guardian notices the file; nobody has to reload anything.
    wait_for_code(instance, "billy-bob@example.test", 250, log_at)
    instance.send(text_message("handmade"), "billy-bob@example.test")
    instance.wait_spool_empty()
    assert tokens(instance, "billy-bob") == ["handmade"]
    for path in instance.mailbox("billy-bob"):
        os.unlink(path)
    os.unlink(os.path.join(box, "inbox.fld"))
    wait_for_code(instance, "billy-bob@example.test", 550, log_at)


def wait_for_code(instance, address, code, _log_at):
    """Asks again after each question: the notice of a changed directory travels beside ours."""
    while rcpt(instance, address).code != code:
        pass


def test_user_without_a_mailbox(fresh):
    one = fresh()
    one.ctl("user", "mailbox", "carl", "off")
    wait_for_code(one, "carl@example.test", 550, 0)
    assert not os.path.exists(os.path.join(one.mailbox_path("carl"), "inbox.fld"))
    one.ctl("user", "mailbox", "carl", "on")
    wait_for_code(one, "carl@example.test", 250, 0)


def test_full_mailbox(fresh):
    one = fresh(config={"Maximum Mailbox Size": "20K"})
    for _ in range(2):
        one.send(text_message("filler", 9000), "ann@example.test")
        one.wait_spool_empty()
    with one.smtp() as smtp:
        smtp.envelope(options=" SIZE=9000")
        reply = smtp.cmd("RCPT TO:<ann@example.test>")
        assert (reply.code, enhanced(reply)) == (452, "4.2.2"), reply
        assert smtp.cmd("RCPT TO:<bob@example.test>").code == 250
        assert smtp.cmd("RSET").code == 250
        smtp.envelope(options=" SIZE=30000")
        reply = smtp.cmd("RCPT TO:<bob@example.test>")
        assert (reply.code, enhanced(reply)) == (552, "5.2.2"), reply
    # Room again: accepted again.
    with one.pop("ann") as pop:
        pop.ok("DELE 1")
        pop.quit()
    one.send(text_message("again", 5000), "ann@example.test")
    one.wait_spool_empty()
    assert tokens(one, "ann") == ["again", "filler"]


@pytest.mark.parametrize("chunks", [False, True])
def test_larger_than_every_mailbox(fresh, chunks):
    """Who does not say SIZE hears at the end that no recipient's mailbox can ever take it; nothing is kept."""
    one = fresh(config={"Maximum Mailbox Size": "20K"})
    one.ctl("user", "quota", "carl", "100K")
    message = text_message("huge", 30000)

    def send(smtp, *to):
        smtp.envelope(*to)
        if not chunks:
            return smtp.data(message)
        smtp.send(b"BDAT %d LAST\r\n" % len(message) + message)
        return smtp.reply()

    with one.smtp() as smtp:
        for to in (("ann@example.test",), ("ann@example.test", "bob@example.test")):
            reply = send(smtp, *to)
            assert (reply.code, enhanced(reply)) == (552, "5.2.2"), reply
        assert send(smtp, "ann@example.test", "carl@example.test").code == 250
        smtp.quit()
    one.wait_mailbox("carl", 1)
    assert one.mailbox("ann") == one.mailbox("bob") == []


def test_mailbox_that_fills_meanwhile_defers(fresh):
    """Accepted while there was room, deferred when there is none, delivered when there is again."""
    one = fresh(config={"Maximum Mailbox Size": "20K", "Retry Intervals": "1s"})
    with one.smtp() as smtp:
        for i in range(3):      # sizes are not said, so all three look small at RCPT
            assert smtp.deliver(text_message(f"big{i}", 9000), "ann@example.test").code in (250, 452)
    one.wait_settled()
    one.wait_mailbox("ann", 2)
    if one.spool():
        with one.pop("ann") as pop:
            pop.ok("DELE 1")
            pop.quit()
        one.wait_spool_empty()
        assert len(one.mailbox("ann")) == 2


def test_own_quota_overrides(fresh):
    one = fresh(config={"Maximum Mailbox Size": "20K"})
    one.ctl("user", "quota", "ann", "100K")
    for _ in range(5):
        one.send(text_message("room", 9000), "ann@example.test")
    one.wait_spool_empty()
    assert len(one.mailbox("ann")) == 5


# ---- what lies in a mailbox or the spool that is not ours ----

def test_strange_things_in_the_maildir(instance):
    box = instance.mailbox_path("carl")
    new = os.path.join(box, "new")
    instance.send(text_message("before"), "carl@example.test")
    instance.wait_spool_empty()
    os.symlink("/etc/passwd", os.path.join(new, "1700000000.M1P1.link"))
    os.mkfifo(os.path.join(new, "1700000000.M2P1.fifo"))
    os.mkdir(os.path.join(new, "1700000000.M3P1.dir"))
    open(os.path.join(new, "1700000000.M4P1.none"), "w").close()
    os.chmod(os.path.join(new, "1700000000.M4P1.none"), 0)
    instance.send(text_message("after"), "carl@example.test")
    instance.wait_spool_empty()
    with instance.pop("carl") as pop:
        listing = pop.multi("LIST")
        text = "".join("".join(pop.multi(f"RETR {line.split()[0]}")) for line in listing
                       if int(line.split()[1]) > 0)
        assert "root:" not in text and "after" in text and "before" in text
        pop.quit()
    for name in os.listdir(new):
        if name.startswith("1700000000.M"):
            path = os.path.join(new, name)
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def test_symlinked_mailbox_is_not_followed(instance, tmp_path):
    os.chmod(tmp_path, 0o777)
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o777)
    (target / "inbox.fld").touch()
    os.symlink(target, instance.mailbox_path("linked"))
    assert rcpt(instance, "linked@example.test").code in (250, 550, 451)
    if rcpt(instance, "linked@example.test").code == 250:
        instance.send(text_message("linked-away"), "linked@example.test")
        instance.wait_settled()
    assert not any(files for _, _, files in os.walk(target) if files != ["inbox.fld"])
    os.unlink(instance.mailbox_path("linked"))


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "garbage"])
def test_damaged_spool_files_are_set_aside(make_instance, damage):
    one = make_instance(users=("ann",), config={"Relay Domains": "peer.test"})
    for i in range(3):
        one.send(text_message(f"m{i}", 5000), "x@peer.test")
    one.wait_settled()
    one.stop()
    victim = sorted(one.spool())[1]
    data = bytearray(open(victim, "rb").read())
    if damage == "cut":
        data = data[:len(data) // 2]
    elif damage == "empty":
        data = data[:0]
    elif damage == "flipped":
        data[10] ^= 0xff
    else:
        data = bytearray(os.urandom(len(data)))
    with open(victim, "r+b") as f:
        f.truncate(0)
        f.write(data)
    one.start()
    # The others are tried and listed; the damaged one is out of the way or at least not listed as sound.
    one.ctl("queue", "list")
    listed = [m["id"] for m in one.json("queue", "list")["messages"]]
    assert len(listed) in (2, 3)
    one.send(text_message("alive"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    one.stop()
    one.start()
    assert len(one.pids("queue")) == 1


def test_foreign_files_in_the_spool(make_instance):
    one = make_instance(users=("ann",))
    one.stop()
    for folder in ("incoming", "cur"):
        base = one.path("spool", folder)
        open(os.path.join(base, "garbage"), "w").write("x")
        os.symlink("/etc/passwd", os.path.join(base, "0000000aa,S=100"))
        os.mkfifo(os.path.join(base, "0000000ab,S=100"))
        os.mkdir(os.path.join(base, "0000000ac,S=100"))
    one.start()
    one.send(text_message("alive"), "ann@example.test")
    one.wait_mailbox("ann", 1)
    # All but the directories, which are not queue's to move, is out of the way.
    wait_until(lambda: all(os.path.isdir(path) for path in one.spool()), one.path("spool", "incoming"), one.path("spool", "cur"))
    assert sorted(set(name.split(".")[0] for name in os.listdir(one.path("spool", "bad")))) == ["0000000aa,S=100", "0000000ab,S=100", "garbage"]


def test_unreadable_mailbox_defers(make_instance):
    if is_root() is False:
        pytest.skip("this machine cannot: only root can make a directory that the store may not enter")
    one = make_instance(users=("ann", "bob"), config={"Retry Intervals": "1s"})
    new = os.path.join(one.mailbox_path("ann"), "new")
    one.send(text_message("first"), "ann@example.test")
    one.wait_spool_empty()
    owner = os.stat(new)
    os.chown(new, 0, 0)
    os.chmod(new, 0)
    one.send(text_message("second"), "ann@example.test", "bob@example.test")
    one.wait_mailbox("bob", 1)
    one.wait_settled()
    assert re.search(r" deferred to=<ann@example\.test> mailboxes=ann reason=4", one.log("router"))
    os.chmod(new, 0o700)
    os.chown(new, owner.st_uid, owner.st_gid)
    one.wait_spool_empty()
    wait_until(lambda: tokens(one, "ann") == ["first", "second"], new)
