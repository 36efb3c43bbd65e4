"""Logs: shown, followed and rotated; what a trace finds in them, and what may not stand there."""
import os
import re
import subprocess
from os import EX_NOINPUT, EX_USAGE

from clients import text_message
from sambar import BUILD, read

USERS = ("ann", "bob")


def test_log_rotate_and_show(instance):
    instance.send(text_message("rotate-before"), "ann@example.test", sender="rotate-before@client.test")
    instance.wait_log("smtpd", r"rotate-before@client\.test")
    instance.ctl("log", "rotate")
    assert "rotate-before" in read(instance.path("log", "smtpd.log.1")).decode()
    instance.send(text_message("rotate-after"), "ann@example.test", sender="rotate-after@client.test")
    instance.wait_log("smtpd", r"rotate-after@client\.test")
    assert "rotate-before" not in instance.log("smtpd")
    assert "rotate-after" in instance.ctl("log").stdout
    assert instance.ctl("log", "smtpd").returncode == 0


def test_log_of_nobody_and_of_silence(make_instance):
    """An unknown name is told at once, with the known ones; a log that a rotation took away is silence."""
    one = make_instance(users=())
    for words in (["nosuch"], ["-f", "nosuch"], [""], ["-f", ""], ["smtpd.log"], ["../log/smtpd"]):
        done = one.ctl("log", *words, check=False)
        assert done.returncode == EX_NOINPUT and done.stdout == "", done
        assert all(name in done.stderr for name in ("master", "smtpd", "pop3d", "auth", "store", "queue", "router"))
    for words in (["-x"], ["smtpd", "pop3d"], ["rotate", "-f"], ["rotate", "smtpd"]):
        assert one.ctl("log", *words, check=False).returncode == EX_USAGE, words
    one.ctl("log", "rotate")
    for words in ([], ["smtpd"], ["pop3d"]):
        done = one.ctl("log", *words)
        assert (done.stdout, done.stderr) == ("", ""), done
    first = read(one.path("log", "master.log.1"))
    one.ctl("log", "rotate")
    assert read(one.path("log", "master.log.1")) == first
    with subprocess.Popen([os.path.join(BUILD, "sambarctl"), "-d", one.root, "log", "-f", "smtpd"], stdout=subprocess.PIPE, text=True) as following:
        one.ctl("reload")
        assert "smtpd[" in following.stdout.readline()
        following.kill()


def test_log_follow(instance):
    following = subprocess.Popen([os.path.join(BUILD, "sambarctl"), "-d", instance.root, "log", "-f"], stdout=subprocess.PIPE, text=True)
    try:
        for line in following.stdout:       # the lines that are there already
            break
        instance.send(text_message("followed"), "ann@example.test", sender="followed@client.test")
        for line in following.stdout:
            if "followed@client.test" in line:
                break
    finally:
        following.kill()
        following.wait()


def test_trace(instance):
    with instance.smtp() as smtp:
        reply = smtp.deliver(text_message("traced"), "ann@example.test", "bob@example.test", sender="traced@client.test")
    queue_id = re.search(r"\b([0-9A-Za-z]{9})\b", reply.lines[0]).group(1)
    instance.wait_spool_empty()
    by_id = instance.ctl("trace", queue_id).stdout
    by_sender = instance.ctl("trace", "traced@client.test").stdout
    assert queue_id in by_id and "smtpd" in by_id and "delivered" in by_id
    assert all(line in by_sender for line in by_id.splitlines() if queue_id in line)
    assert "ann" in by_id and "bob" in by_id


def test_trace_finds_every_recipient(make_instance):
    """Whom a message was for, and whom it reached: behind aliases, forwards and many others."""
    one = make_instance(users=("ann", "bob", "carl"), config={"Local Domains": "second.test", "Relay Domains": "peer.test"})
    crowd = [f"user-{i:02}" for i in range(60)]
    one.ctl("alias", "set", "all", "ann", "bob")
    one.ctl("alias", "set", "crowd", *crowd)
    one.ctl("forward", "set", "chuck", "far@remote.test", "carl")
    for name in crowd:
        os.makedirs(os.path.join(one.mailbox_path(name)), exist_ok=True)
        with open(os.path.join(one.mailbox_path(name), "inbox.fld"), "w"):
            pass
    one.ctl("restart")

    def send(*recipients):
        with one.smtp() as smtp:
            reply = smtp.deliver(text_message("x"), *recipients)
            assert reply.code == 250, reply
            return re.search(r"queued as (\w+)", reply.lines[0]).group(1)

    many = [f"r{i:03}@peer.test" for i in range(100)]
    ids = {"all": send("all@example.test"), "chuck": send("Chuck@second.test"), "many": send(*many), "two": send("bob+tag@second.test", "carl@example.test"),
           "crowd": send("crowd@example.test")}
    one.wait_settled()

    def traced(address):
        out = one.ctl("trace", address).stdout
        return {name for name, queue_id in ids.items() if re.search(rf"smtpd.* {queue_id} accepted ", out)}

    assert traced("all@example.test") == traced("ann@example.test") == traced("ann@second.test") == traced("<ANN@Example.Test>") == {"all"}
    assert traced("bob@example.test") == traced("bob") == {"all", "two"}
    assert traced("bob+tag@second.test") == {"two"}
    assert traced("carl") == {"chuck", "two"}
    assert traced("chuck@second.test") == traced("far@remote.test") == {"chuck"}
    assert traced(many[0]) == traced(many[1]) == traced(many[50]) == traced(many[99]) == {"many"}
    assert traced(crowd[0]) == traced(crowd[59] + "@example.test") == {"crowd"}
    for nobody in ("ann@remote.test", "an@example.test", "ll@example.test", "user-6", "nn"):
        assert one.ctl("trace", nobody, check=False).returncode == EX_NOINPUT, nobody
    # smtpd alone knows every recipient, whatever router has done, in lines of a limited length
    lines = [line for line in one.log("smtpd").splitlines() if ids["many"] in line]
    assert len(lines) > 1 and max(map(len, lines)) < 1000
    assert re.findall(r"to=<(.*?)>", "".join(lines)) == many


def test_trace_of_router_has_words(make_instance):
    one = make_instance(config={"Trace Router": "true", "Allow Any FROM": "false"})
    one.send(text_message("traced"), "ann@example.test")
    one.ctl("explain", "--from", "ann@example.test", "--to", "bob@example.test", "--ip", "127.0.0.1", "--user", "ann")
    for words in (r"verdict=local targets=1", r"user=ann standing=own"):
        one.wait_log("router", words, suffix="trace")


def test_dialogue_traces_mask_passwords(make_instance):
    import base64
    one = make_instance(config={"Trace SMTP": "true", "Trace POP3": "true", "Maximum Login Delay": "0"})
    token = base64.b64encode(b"\0ann\0ann-secret").decode()
    with one.smtp("SMTPS") as smtp:
        smtp.cmd(f"AUTH PLAIN {token}")
        smtp.quit()
    with one.smtp("SMTPS") as smtp:
        assert smtp.cmd("AUTH LOGIN").code == 334
        assert smtp.cmd(base64.b64encode(b"ann").decode()).code == 334
        assert smtp.cmd(base64.b64encode(b"ann-secret").decode()).code == 235
        smtp.quit()
    with one.smtp("SMTPS") as smtp:     # a client that goes on after a refusal
        smtp.cmd("AUTH LOGIN !!!")
        smtp.cmd(base64.b64encode(b"ann-secret").decode())
        smtp.quit()
    with one.pop("ann") as pop:
        pop.quit()
    with one.pop() as pop:
        pop.ok(f"AUTH PLAIN {token}")
        pop.quit()
    one.wait_log("smtpd", r"(?s)221.*221.*221", suffix="trace")
    one.wait_log("pop3d", r"(?s)QUIT.*QUIT", suffix="trace")
    for name in ("smtpd", "pop3d"):
        text = one.log(name, "trace")
        assert "EHLO client.test" in text if name == "smtpd" else "USER ann" in text
        for secret in ("ann-secret", token, base64.b64encode(b"ann-secret").decode()):
            assert secret not in text


def test_strangers_text_cannot_forge_log_lines(instance):
    nasty = "a\\n2026-01-01 smtpd[1]: 000000000 delivered"
    with instance.smtp() as smtp:
        smtp.cmd(f"MAIL FROM:<\"{nasty}\x1b[31m\"@client.test>")
        smtp.cmd("RSET")
        smtp.send(b"EHLO \x1b[2J\xff\r\n")
        smtp.reply()
        smtp.quit()
    text = instance.log("smtpd")
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \w+\[\d+\]: ", line) for line in text.splitlines())
    assert "\x1b" not in text
