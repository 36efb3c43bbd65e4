"""On Debian's kernel: AppArmor holds each program, the whole life goes on within that, and a broken array is told."""
import json
import os
import re
import socket

from popserver import PopServer
from web import Web

import steps_install
import steps_programs
import steps_service
import steps_upgrade
from steps_programs import PASSWORD, messages, wait_message

PROFILE = "sambar"
ALWAYS = {"auth", "store", "queue", "router", "smtpd", "pop3d", "fetcher", "webd"}
PROGRAMS = {*ALWAYS, "deliver", "fetch", "indexer"}
PORTS = {"HTTP": 8025, "POP3": 110, "SMTP": 25, "Submission": 587}
LETSENCRYPT = "/etc/letsencrypt"
TODAY = "date +%F"


class Here:
    """What Web wants of an instance."""

    port = staticmethod(PORTS.__getitem__)


def log_in(user):
    web = Web(Here)
    status, web.session = web.login(user, PASSWORD)
    assert status == 200, web.session
    return web


def labels(m):
    """Of each program of the service that runs now: its name and what AppArmor says of it."""
    found = set()
    for pid in m.sh("cat /sys/fs/cgroup/system.slice/sambar.service/cgroup.procs").split():
        try:
            with open(f"/proc/{pid}/attr/apparmor/current") as f:
                found.add((os.path.basename(os.readlink(f"/proc/{pid}/exe")), f.read().strip()))
        except FileNotFoundError:
            pass                    # it has ended
    return found


def held(name):
    return (name, f"{PROFILE}//&{PROFILE}//{name} (enforce)")


def programs_are_held(m):
    """Each program that runs has its own profile on top of the supervisor's, in enforce mode."""
    assert labels(m) == {("master", f"{PROFILE} (enforce)"), *map(held, ALWAYS)}, labels(m)
    status = json.loads(m.run("aa-status", "--json"))
    ours = {name: mode for name, mode in status["profiles"].items() if name.split("//")[0] == PROFILE}
    assert set(ours) == {PROFILE, *(f"{PROFILE}//{name}" for name in PROGRAMS)}, ours
    assert set(ours.values()) == {"enforce"}, ours


def mail_comes_and_goes(m):
    """A stranger's message by SMTP with TLS; one for another host by a deliver that is held, too."""
    m.run("swaks", "--server", "127.0.0.1", "--from", "friend@elsewhere.example", "--to", "ann@localhost", "--tls",
          "--body", "said by a stranger")
    wait_message(m, "ann", "said by a stranger")
    with socket.create_server(("127.0.0.3", 25)) as server:
        m.run("sambarctl", "config", "set", "SMTP Server", "127.0.0.3:25")
        m.run("sambarctl", "config", "set", "Use MTA", "false")
        m.run("sendmail", "friend@elsewhere.example", stdin="Subject: x\n\nx\n")
        connection, _ = server.accept()
        with connection:
            assert held("deliver") in labels(m), labels(m)
    m.wait_journal(steps_service.event("deferred"))
    m.run("sambarctl", "queue", "remove", "--all")


def certificate_is_renewed(m):
    """A pair in /etc/letsencrypt is used, and so is the next one that its links lead to."""
    def issue(number):
        archive, live = f"{LETSENCRYPT}/archive/mail", f"{LETSENCRYPT}/live/mail"
        m.sh(f"""mkdir -p {archive} {live}
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=mail{number} \
                -keyout {archive}/privkey{number}.pem -out {archive}/fullchain{number}.pem
            for name in privkey fullchain; do ln -sfn ../../archive/mail/${{name}}{number}.pem {live}/$name.pem; done""")

    def subject():
        return m.sh("openssl s_client -connect 127.0.0.1:587 -starttls smtp </dev/null 2>/dev/null | openssl x509 -noout -subject")

    issue(1)
    m.run("sambarctl", "config", "set", "Certificate", f"{LETSENCRYPT}/live/mail/fullchain.pem")
    m.run("sambarctl", "config", "set", "Private Key", f"{LETSENCRYPT}/live/mail/privkey.pem")
    assert "mail1" in subject()
    m.begin()
    issue(2)
    m.wait_journal(lambda e: e.get("MESSAGE", "").startswith("certificates were renewed"))
    assert "mail2" in subject()


def webmail_is_used(m):
    """A user logs in, reads, searches, attaches a file and sends."""
    web = log_in("ann")
    row = web.rows("INBOX")[0]
    assert web.get(f"/api/message?folder={row['folder']}&uid={row['uid']}")["text"]
    upload = web.ask("POST", "/api/upload?name=a.txt&type=text/plain", b"attached to it")[1]
    web.post("/api/send", {"to": ["root@localhost"], "subject": "by the web", "text": "said by the web\n", "undo": 0,
                           "attachments": [{"upload": upload["id"]}]})
    assert "multipart/mixed" in wait_message(m, "root", "said by the web")
    web.post("/api/draft", {"to": ["root@localhost"], "subject": "later", "text": "later\n"})
    folder = web.folders()["INBOX"]["id"]
    web.get(f"/api/messages?folder={folder}&q=stranger")


def web_administers(m):
    """An administrator changes the configuration, makes users and asks for the state of things in the browser."""
    m.run("sambarctl", "user", "admin", "ann", "on")
    web = log_in("ann")

    def ask(*words):
        return web.post("/api/admin", {"words": words})

    ask("config", "set", json.dumps([{"section": "smtpd", "key": "Maximum Message Size", "value": "20M"}]))
    assert m.run("sambarctl", "config", "get", "Maximum Message Size").strip().endswith("20M")
    ask("user", "add", "bob", PASSWORD, "mailbox")
    ask("status")
    assert log_in("bob").folders()["INBOX"]["total"] == 0
    ask("user", "del", "bob", "purge")
    m.run("sambarctl", "user", "passwd", "ann", stdin=f"{PASSWORD}\n")
    m.run("sambarctl", "reload")
    m.run("systemctl", "reload", steps_service.SERVICE)


def fetch_section(m, name, server, login):
    with open(m.path("/etc/sambar/mail.ini"), "a") as f:
        f.write(f"\n[fetch {name}]\nServer = 127.0.0.1:{server.port}\nTLS = none\nUser = ann\n{login}\n"
                "Routing = mailbox ann\nInterval = manual\n")
    m.run("sambarctl", "reload")
    m.run("sambarctl", "fetch", "now", name)


def letter(text):
    return [b"1", f"From: a@elsewhere.example\r\nTo: ann@localhost\r\nSubject: far\r\n\r\n{text}\r\n".encode()]


def mail_is_fetched(m):
    """From a POP3 server, by a fetch that is held, too."""
    seen = []
    with PopServer(letter("fetched from afar"), user="ann", password="secret") as server:
        server.hooks["LIST"] = server.hooks["UIDL"] = lambda: seen.append(labels(m))
        fetch_section(m, "far", server, "Password = secret")
    wait_message(m, "ann", "fetched from afar")
    assert seen and held("fetch") in seen[0], seen


def token_command_runs(m):
    """A command that the configuration names runs within the profile, when local/sambar has rules for it."""
    m.write("/usr/local/bin/token", "#!/bin/sh\necho t0k\n", mode=0o755)
    m.write("/etc/apparmor.d/local/sambar", "/usr/local/bin/token mrix,\n/usr/bin/dash mrix,\n")
    m.run("apparmor_parser", "-r", "/etc/apparmor.d/sambar")
    with PopServer(letter("fetched with a token"), user="ann", token="t0k") as server:
        fetch_section(m, "token", server, "OAuth Token Command = /usr/local/bin/token")
    wait_message(m, "ann", "fetched with a token")


def backup_is_restored(m):
    """What was removed comes back from the backup of today, by sambarctl and in the browser."""
    day = m.sh(TODAY).strip()
    m.run("sambarctl", "backup", "now")
    web = log_in("ann")
    rows = web.rows("INBOX")
    web.post("/api/remove", {"items": [{"folder": rows[0]["folder"], "uids": [row["uid"] for row in rows]}]})
    assert not web.rows("INBOX")
    m.run("sambarctl", "backup", "list")
    kept = web.post("/api/admin", {"words": ["backup", "contents", day, "ann", "INBOX"]})["messages"]
    assert len(kept) >= len(rows)
    assert web.post("/api/admin", {"words": ["backup", "restore", day, "ann", "INBOX", str(kept[0]["number"])]})["restored"] == 1
    m.run("sambarctl", "backup", "restore", "ann", "--from", day)
    assert "hello ann" in "".join(messages(m, "ann"))


def mail_is_imported(m):
    """From a file of another program's, in a place that no profile knows."""
    m.write("/home/ann/old", "From a@elsewhere.example Thu Jan  1 00:00:00 2026\nSubject: old\n\nkept for long\n\n")
    m.run("sambarctl", "import", "mbox", "/home/ann/old", "--user", "ann")
    assert "kept for long" in "".join(messages(m, "ann"))


def broken_array_is_told(m):
    """mdadm's watch over arrays mails root: that it works, and that a disk has failed."""
    m.sh("""cd /root
        truncate -s 16M disk0 disk1
        mdadm --create /dev/md0 --run --metadata=1.2 --level=1 --raid-devices=2 $(losetup --find --show disk0) $(losetup --find --show disk1)
        mdadm --wait /dev/md0 || true
        echo MAILADDR root >/etc/mdadm/mdadm.conf
        mdadm --detail --scan >>/etc/mdadm/mdadm.conf""")
    m.run("mdadm", "--monitor", "--scan", "--oneshot", "--test")
    assert "TestMessage event on" in wait_message(m, "root", "TestMessage")
    m.sh("mdadm /dev/md0 --fail $(mdadm --detail /dev/md0 | awk '$NF ~ /loop/ { print $NF; exit }')")
    m.run("mdadm", "--monitor", "--scan", "--oneshot")
    wait_message(m, "root", "DegradedArray event")
    m.sh("mdadm --stop /dev/md0; losetup --detach-all; rm /root/disk0 /root/disk1")


def upgraded_programs_are_held(m):
    """A newer package replaces profiles and programs."""
    before = steps_service.main_pid(m)
    m.run(*steps_install.APT, "install", steps_upgrade.next_version(m))
    assert steps_service.main_pid(m) != before
    programs_are_held(m)


def refusals(m):
    """What AppArmor has refused, or would."""
    return [e["MESSAGE"] for e in m.all_journal() if re.search(r'apparmor="(DENIED|ALLOWED)"', str(e.get("MESSAGE")))]


def nothing_was_refused(m):
    """In all that, no program has wanted what its profile does not have."""
    assert not refusals(m), "\n".join(dict.fromkeys(refusals(m)))


# ---- an intruder ----

# In a program's place but with root's rights, and without its system call filter and root directory: AppArmor alone.
INTRUDER = r'''
import ctypes, os, signal, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
profile, master, uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def read(path):
    with open(path, "rb") as f:
        f.read(1)

def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

def trace():
    if libc.ptrace(16, master, None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")

def mount():
    if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == -1:
        raise OSError(ctypes.get_errno(), "mount")

attempts = {
    "read shadow": lambda: read("/etc/shadow"),
    "read key": lambda: read("/etc/sambar/tls.key"),
    "read accounts": lambda: [read(f"/etc/sambar/users/{name}") for name in os.listdir("/etc/sambar/users")],
    "read mail": lambda: os.listdir("/var/lib/sambar/mail/mbox"),
    "list spool": lambda: os.listdir("/var/spool/sambar"),
    "write configuration": lambda: write("/etc/sambar/config.ini"),
    "write cron": lambda: write("/etc/cron.d/intruder"),
    "execute": lambda: os.execv("/bin/sh", ["sh", "-c", "exit 99"]),
    "execute master": lambda: os.execv("/usr/lib/sambar/master", ["master"]),
    "inet": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "signal": lambda: os.kill(master, signal.SIGCONT),
    "trace": trace,
    "mount": mount,
    "chown": lambda: os.chown("/run/sambar", 1, 1),
}
os.setresuid(uid, uid, uid)
with open("/proc/thread-self/attr/apparmor/current", "w") as f:
    f.write("changeprofile " + profile)
for name, attempt in attempts.items():
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except PermissionError:
            os._exit(13)
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(name, "=", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
'''
# Of what an intruder tries, what is a program's own work: with its account it reads what it guards.
NETWORK = {"smtpd", "pop3d", "webd", "deliver", "fetch"}
GUARDED = {"auth": "read accounts", "store": "read mail", "queue": "list spool"}


def intruder_is_held(m):
    """Whoever has taken over a program, even with root's rights, has no more than the program's work."""
    m.write("/root/intruder.py", INTRUDER)
    master = str(steps_service.main_pid(m))
    for name in PROGRAMS:
        for user in ("root", f"sambar-{name}"):
            own = ({"inet"} if name in NETWORK else set()) | ({GUARDED.get(name)} - {None} if user != "root" else set())
            told = m.run("python3", "/root/intruder.py", f"{PROFILE}//&{PROFILE}//{name}", master, m.run("id", "-u", user).strip())
            results = dict(line.split(" = ") for line in told.splitlines())
            assert len(results) == INTRUDER.count(": lambda") + 2, told
            assert {what for what, status in results.items() if status == "0"} == own, (name, user, told)
            assert {status for what, status in results.items() if what not in own} == {"13"}, (name, user, told)
    assert m.run("systemctl", "is-active", steps_service.SERVICE).strip() == "active"
    assert refusals(m)


STEPS = [
    steps_install.package_is_installed, steps_service.service_is_active, programs_are_held, steps_programs.user_is_made,
    mail_comes_and_goes, steps_programs.mail_goes_out, steps_programs.at_mails, webmail_is_used, web_administers, certificate_is_renewed,
    mail_is_fetched, token_command_runs, backup_is_restored, mail_is_imported, broken_array_is_told, steps_programs.logs_rotate,
    upgraded_programs_are_held, steps_programs.cron_mails, nothing_was_refused, intruder_is_held,
]
