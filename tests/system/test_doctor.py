"""sambarctl doctor: each of its lines as right, as wrong and as what cannot be told; and how little its process may do."""
import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import threading
from os import EX_DATAERR, EX_USAGE

import pytest

import sambar
from internet import SERVER
from test_disk_full import small_disk

SPF = {     # name: (record, verdict)
    "s1": ("v=spf1 ip4:192.0.2.0/24 -all", "right"),
    "s2": ("v=spf1 ip4:198.51.100.0/24 -all", "wrong"),
    "s3": ("v=spf1 include:s1.test ~all", "right"),
    "s4": ("v=spf1 include:s2.test ~all", "wrong"),
    "s5": ("v=spf1 redirect=s1.test", "right"),
    "s6": ("v=spf1 a:mail.good.test/32 -all", "right"),
    "s7": ("v=spf1 a:h10.test/24//64 -all", "right"),
    "s8": ("v=spf1 mx:good.test -all", "right"),
    "s9": ("v=spf1 ?all", "wrong"),
    "s10": ("v=spf1 include:nosuch.test all", "wrong"),
    "s11": ("v=spf1 exists:%{i}.test -all", "cannot tell from here"),
    "s12": ("v=spf1 include:s12.test all", "wrong"),            # more than 10 look-ups
    "s13": ("v=spf1 a:broken.test -all", "cannot tell from here"),
    "s14": ("v=spf1 ip4:* all", "wrong"),
    "s15": ("v=spf1 nonsense all", "wrong"),
    "s16": ("v=spf1 -ip4:192.0.2.1 all", "wrong"),
    "s17": ("V=SPF1 IP6:2001:db8::/32 +MX:good.test exp=x.test x=y:z", "right"),
    "s18": ("v=spf10 all", "wrong"),
    "s19": ("v=spf1 a:h10.test/40 all", "wrong"),
    "s20": ("v=spf1 a/ all", "wrong"),
    "s21": ("v=spf1 a:h10.test/24/ all", "wrong"),
}
ZONE = """
good MX 10 mail.good
good TXT "v=spf1 " "mx -all"
good TXT "something else"
mail.good A 192.0.2.1
mail.good TXT "v=spf1 a -all"
_submissions._tcp.good SRV 0 1 465 mail.good
_submission._tcp.good SRV 10 1 587 mail.good
_pop3s._tcp.good SRV 0 1 995 mail.good
_pop3._tcp.good SRV 10 1 110 mail.good
_autodiscover._tcp.good SRV 0 1 443 mail.good
autoconfig.good CNAME mail.good
autodiscover.good A 192.0.2.1
own.good A 192.0.2.1
implicit A 192.0.2.1
other MX 10 own.good
bad MX 10 h10
bad TXT "v=spf1 ip4:192.0.2.10 -all"
bad TXT "\\027[31m"
mail.bad A 192.0.2.77
_submissions._tcp.bad SRV 0 1 466 mail.bad
_submission._tcp.bad SRV 0 1 587 h10
_pop3s._tcp.bad SRV 0 0 0 .
autoconfig.bad CNAME h10
nullmx MX 0 .
late MX 10 mx.broken
""" + "".join(f'{name} TXT "{record}"\n' for name, (record, _) in SPF.items())
REVERSE = "1 PTR mail.good.test.\n77 PTR mail.bad.test.\n"
CONFIG = {"DNS Primary": SERVER, "DNS Reply": "5"}
USERS = ("kim",)
RIGHT, WRONG, UNCLEAR = "right", "wrong", "cannot tell from here"


def doctor(one, *words):
    """{about: finding}, and the exit status."""
    done = one.ctl("doctor", *words, "--json", check=False)
    assert done.returncode in (0, 1), done
    found = sambar.json.loads(done.stdout)["findings"]
    assert (done.returncode == 1) == any(f["verdict"] == WRONG for f in found)
    assert len({f["about"] for f in found if f["about"] != "configuration"}) == len([f for f in found if f["about"] != "configuration"])
    for f in found:
        assert f["text"] and f["verdict"] in (RIGHT, WRONG, UNCLEAR) and (f["question"] is None) == (f["answer"] is None), f
        assert f["verdict"] != WRONG or f["mend"], f
    return {f["about"]: f for f in found}


def verdicts(found, *starts):
    return {about: f["verdict"] for about, f in found.items() if about.startswith(starts)}


@pytest.fixture(scope="module")
def good(online, internet):
    """An instance as the world wants it, on the usual ports."""
    online.world = internet
    online.configure("Trusted Roots", internet.path("ca.crt"))
    use_certificate(online, internet.certificate("mail.good.test"))
    online.ctl("setup", "good.test", "--host", "mail.good.test", "--public", "--user", "kim")
    online.configure("Local Domains", "good.test")      # what it was made for, example.test, is not in this world
    return online


def use_certificate(one, base):
    for suffix in ("key", "crt"):
        shutil.copyfile(one.world.path(f"{base}.{suffix}"), one.path("config", f"tls.{suffix}"))
    one.ctl("reload")


# ---- all is well ----

def test_all_is_well(good):
    found = doctor(good)
    surroundings = ("clock", "disk of", "inodes of")    # this machine's
    assert {about: f for about, f in found.items() if f["verdict"] != RIGHT and not about.startswith(surroundings)}.keys() == {"outgoing mail"}
    assert found["outgoing mail"]["verdict"] == UNCLEAR and "--try" in found["outgoing mail"]["text"]
    assert found["MX of good.test"]["question"] == "MX good.test." and found["MX of good.test"]["answer"] == "10 mail.good.test."
    assert found["name of 192.0.2.1"]["question"] == "PTR 1.2.0.192.in-addr.arpa." and found["name of 192.0.2.1"]["answer"] == "mail.good.test."
    assert found["SPF of good.test"]["answer"] in ('"v=spf1 mx -all", "something else"', '"something else", "v=spf1 mx -all"')
    assert found["SMTP at 0.0.0.0:25"]["answer"].startswith("220 mail.good.test ")
    for about in ("instance", "configuration", "permissions", "address of mail.good.test", "SPF of good.test", "SPF of mail.good.test",
                  "address of autoconfig.good.test", "address of autodiscover.good.test", "certificate for mail.good.test: names",
                  "certificate for mail.good.test: issuer", "certificate for mail.good.test: time", "POP3S at [::]:995",
                  *(f"SRV of _{s}._tcp.good.test" for s in ("submissions", "submission", "pop3s", "pop3", "autodiscover"))):
        assert found[about]["verdict"] == RIGHT, found[about]


def test_for_people(good):
    done = good.ctl("doctor", check=False)
    assert "right: MX of good.test: its mail comes here\n" in done.stdout and re.search(r"\n\d+ right, \d+ wrong, \d+ cannot be told from here\n$", done.stdout)
    with good.settings({"Mail Server": "mail.bad.test", "Local Domains": "bad.test"}):
        done = good.ctl("doctor", check=False)
        assert done.returncode == 1
        assert ("wrong: MX of bad.test: its mail does not come here\n    asked: MX bad.test.\n    answer: 10 h10.test.\n"
                "    to mend: publish: bad.test. IN MX 10 mail.bad.test.\n") in done.stdout
        assert "\x1b" not in done.stdout and "\\x1b[31m" in done.stdout


# ---- the DNS ----

def test_wrong_in_the_dns(good):
    with good.settings({"Mail Server": "mail.bad.test", "Local Domains": "bad.test nullmx.test gone.test"}):
        found = doctor(good)
        kinds = ("MX of", "SPF of", "SRV of", "address of", "name of", "certificate for mail.bad.test: names")
        assert set(verdicts(found, *kinds).values()) == {WRONG}, {about: f for about, f in found.items() if f["verdict"] == UNCLEAR}
        assert "this one has 192.0.2.1" in found["address of mail.bad.test"]["text"]
        assert found["MX of gone.test"]["answer"] == "there is no such name (NXDOMAIN)"
        assert found["SPF of nullmx.test"]["answer"] == "the name has no such record"
        assert "mail.bad.test" in found["name of 192.0.2.1"]["mend"]
    with good.settings({"Own Addresses": "192.0.2.5", "Local Domains": "good.test"}):
        found = doctor(good)
        assert found["name of 192.0.2.5"]["verdict"] == WRONG and "NXDOMAIN" in found["name of 192.0.2.5"]["answer"]
    with good.settings({"Mail Server": "mail.bad.test", "Own Addresses": "192.0.2.77"}):
        assert verdicts(doctor(good), "address of mail", "name of 192.0.2.77") == {"address of mail.bad.test": RIGHT, "name of 192.0.2.77": RIGHT}


def test_other_ways_to_be_right(good):
    with good.settings({"Local Domains": "good.test implicit.test other.test *.wild.test"}):
        found = doctor(good)
        assert verdicts(found, "MX of") == {"MX of good.test": RIGHT, "MX of implicit.test": RIGHT, "MX of other.test": RIGHT}
        assert "by the address of the domain" in found["MX of implicit.test"]["text"]


def test_what_the_dns_does_not_say(good):
    with good.settings({"Mail Server": "mail.broken.test", "Local Domains": "broken.test late.test"}):
        found = doctor(good)
        seen = verdicts(found, "MX of", "SPF of broken", "SRV of _pop3._tcp.broken", "address of autoconfig.broken", "address of mail.broken")
        assert len(seen) == 6 and set(seen.values()) == {UNCLEAR}, seen
        assert found["MX of broken.test"]["answer"] == "the DNS server answered SERVFAIL"
    with good.settings({"DNS Primary": "127.0.0.1:1"}):
        found = doctor(good)
        assert {f["verdict"] for about, f in found.items() if about.split()[0] in ("MX", "SPF", "SRV", "name", "address")} == {UNCLEAR}
        assert found["SMTP at 0.0.0.0:25"]["verdict"] == RIGHT


def test_spf(good):
    with good.settings({"Local Domains": " ".join(f"{name}.test" for name in SPF)}):
        found = doctor(good)
        assert {name: found[f"SPF of {name}.test"]["verdict"] for name in SPF} == {name: verdict for name, (_, verdict) in SPF.items()}
    with good.settings({"Use MTA": "false", "SMTP Server": "127.0.0.1:25", "Local Domains": "good.test other.test"}):
        found = doctor(good)
        assert verdicts(found, "SPF of", "name of") == {"SPF of good.test": UNCLEAR, "SPF of other.test": WRONG}
        assert found["outgoing mail"]["verdict"] == RIGHT


# ---- ports and certificates ----

@contextlib.contextmanager
def says(line):
    """A server that says one line to each who comes. Its address."""
    with socket.create_server((f"192.0.2.1", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(line)
        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_outgoing(good):
    with says(b"220 there\r\n") as there, says(b"554 \x1b go away\r\n") as refuses:
        assert doctor(good, "--try", there)["outgoing mail"]["verdict"] == RIGHT
        finding = doctor(good, "--try", refuses)["outgoing mail"]
        assert finding["verdict"] == WRONG and finding["answer"].startswith("554 \\x1b go away") and "Use MTA false" not in finding["mend"]
        with good.settings({"SMTP Server": refuses, "Use MTA": "false"}):
            assert doctor(good)["outgoing mail"]["verdict"] == WRONG
    assert doctor(good, "--try", "own.good.test:1")["outgoing mail"]["answer"] == "Connection refused"
    assert doctor(good, "--try", "nosuch.test")["outgoing mail"]["verdict"] == WRONG
    assert doctor(good, "--try", "mail.broken.test")["outgoing mail"]["verdict"] == UNCLEAR
    assert good.ctl("doctor", "--try", "a b", check=False).returncode == EX_DATAERR
    assert good.ctl("doctor", "x", check=False).returncode == EX_USAGE


def test_certificates(good):
    seen = []
    for base in (good.world.certificate("mail.good.test", signed=False), good.world.certificate("mail.good.test", days=-1),
                 good.world.certificate("mail.good.test", days=7, rsa=True), good.world.certificate("h10.test")):
        use_certificate(good, base)
        found = doctor(good)
        seen.append([f["verdict"] for about, f in found.items() if about.startswith("certificate for")])
        assert "CN" in found["certificate for mail.good.test: time"]["answer"]
    assert seen == [[RIGHT, WRONG, RIGHT], [RIGHT, RIGHT, WRONG], [RIGHT, RIGHT, WRONG], [WRONG, RIGHT, RIGHT]]
    use_certificate(good, good.world.certificate("mail.good.test"))
    with good.settings({"Own Names": "own.good.test *.good.test"}):
        assert verdicts(doctor(good), "certificate for own") == {
            "certificate for own.good.test: names": WRONG, "certificate for own.good.test: issuer": RIGHT, "certificate for own.good.test: time": RIGHT}
    with good.settings({"Trusted Roots": "/nonexistent"}):
        assert doctor(good)["certificate for mail.good.test: issuer"]["verdict"] == UNCLEAR


def test_ports(good):
    os.rename(good.path("config", "tls.key"), good.path("config", "kept.key"))
    good.ctl("reload", check=False)
    found = doctor(good)
    os.rename(good.path("config", "kept.key"), good.path("config", "tls.key"))
    good.ctl("reload")
    ports = ((25, "SMTP"), (587, "Submission"), (465, "SMTPS"), (110, "POP3"), (995, "POP3S"), (443, "HTTPS"))
    assert {about: f["verdict"] for about, f in found.items() if " at " in about} == {
        f"HTTP at 127.0.0.1:{good.port('HTTP')}": RIGHT, **{f"{key} at {host}:{port}": WRONG for port, key in ports for host in ("0.0.0.0", "[::]")}}
    assert found["SMTP at 0.0.0.0:25"]["text"] == "it offers no STARTTLS" and found["certificate"]["verdict"] == UNCLEAR
    good.stop()
    found = doctor(good)
    assert found["instance"]["verdict"] == WRONG and found["instance"]["mend"] == "sambarctl start"
    assert found["SMTP at 0.0.0.0:25"]["verdict"] == WRONG and found["SMTP at 0.0.0.0:25"]["answer"] == "Connection refused"
    assert found["SMTP at 0.0.0.0:25"]["question"] == "connect to 127.0.0.1:25, TLS for mail.good.test"
    good.start()


# ---- this machine ----

class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("rest", ctypes.c_long * 4), ("status", ctypes.c_int), ("more", ctypes.c_char * 512)]


def test_clock(good):
    timex, libc = Timex(), ctypes.CDLL(None)
    state = libc.adjtimex(ctypes.byref(timex))
    assert doctor(good)["clock"]["verdict"] == (UNCLEAR if state == -1 else WRONG if timex.status & 0x40 else RIGHT)


@pytest.fixture(scope="module")
def stopped():
    one = sambar.Instance(users=("ann",), start=False, config={"DNS Reply": "1"})
    yield one
    one.end()


def test_configuration(stopped):
    path = stopped.path("config", "mail.ini")
    text = sambar.read(path)
    assert "postmaster" in doctor(stopped)["configuration"]["text"]
    with open(path, "ab") as f:
        f.write(b"nonsense\n")
    found = doctor(stopped)
    with open(path, "wb") as f:
        f.write(text)
    assert found["configuration"]["verdict"] == WRONG and found["everything else"]["verdict"] == UNCLEAR
    assert found.keys() == {"instance", "configuration", "clock", "everything else"}


def test_disks(stopped):
    with small_disk(stopped.path("spool"), "size=2m,nr_inodes=50,mode=0700"):
        found = doctor(stopped)
    assert verdicts(found, "disk of the spool", "inodes of the spool") == {"disk of the spool": WRONG, "inodes of the spool": WRONG}
    os.rename(stopped.path("log"), stopped.path("away"))
    found = doctor(stopped)
    os.rename(stopped.path("away"), stopped.path("log"))
    assert found["disk of the logs"]["verdict"] == UNCLEAR and found["disk of the logs"]["answer"] == "No such file or directory"


def test_permissions(stopped):
    assert doctor(stopped)["permissions"]["verdict"] == RIGHT
    cases = {"spool": 0o750, "config/users": 0o705, "config/tls.key": 0o644, "config/config.ini": 0o644, "log": 0o755, "config": 0o777, "run": 0o733}
    for name, mode in cases.items():
        path, before = stopped.path(name), os.stat(stopped.path(name)).st_mode & 0o7777
        os.chmod(path, mode)
        finding = doctor(stopped)[f"permissions of {path}"]
        assert finding["verdict"] == WRONG and finding["answer"] == f"mode {mode:04o}"
        subprocess.run(finding["mend"].split(), check=True)
        os.chmod(path, before)
        assert doctor(stopped)["permissions"]["verdict"] == RIGHT, name
    if os.geteuid() == 0:
        os.chown(stopped.path("spool"), 12345, -1)
        finding = doctor(stopped)["permissions of " + stopped.path("spool")]
        os.chown(stopped.path("spool"), 0, -1)
        assert finding["verdict"] == WRONG and finding["answer"] == "owner 12345"


# ---- the process that reads what strangers answer ----

def test_who_asks_the_network_can_do_nothing_else(stopped):
    seen = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        stopped.configure("DNS Primary", "127.0.0.1:%d" % server.getsockname()[1])
        process = subprocess.Popen([os.path.join(sambar.BUILD, "sambarctl"), "-d", stopped.root, "doctor"], stdout=subprocess.PIPE, text=True)
        server.recvfrom(2000)
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
            child = f.read().split()[0]
        with open(f"/proc/{child}/status") as f:
            seen = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        files = os.listdir(f"/proc/{child}/fd") if os.geteuid() == 0 else []
        root = os.readlink(f"/proc/{child}/root") if os.geteuid() == 0 else None
    said, _ = process.communicate()     # nobody answers any more
    assert "cannot tell from here: MX of example.test" in said
    assert seen["NoNewPrivs"] == "1" and (sambar.SANITIZED or seen["Seccomp"] == "2")
    if os.geteuid() == 0:
        assert not {"0"} & set(seen["Uid"].split() + seen["Gid"].split()) and seen["Groups"].strip() == "" and int(seen["CapEff"], 16) == 0
        assert root == stopped.path("run") and len(files) <= 7, files     # the three, what it kept of the second, the parent, the server
