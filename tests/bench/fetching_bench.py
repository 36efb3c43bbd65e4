"""What make bench says of collecting from another host: Dovecot on loopback, with TLS; and other collectors beside ours."""
import glob
import os
import pwd
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from mailservers import OWNER, Dovecot
from peers import unpacked

PROGRAMS = ("fetcher", "fetch", "queue", "router", "store")


class Source(Dovecot):
    """Its LMTP at a local socket is for fetchmail, which has no Maildir of its own."""

    packages = (*Dovecot.packages, "dovecot-lmtpd")

    def script(self):
        script = super().script()
        with open(self.path("dovecot.conf"), "a") as f:
            f.write("protocols = imap pop3 lmtp\nservice lmtp {\n unix_listener lmtp {\n  mode = 0666\n }\n}\nprotocol lmtp {\n auth_username_format = %Ln\n}\n")
        return script

    def stock(self, user, sizes):
        """Messages of these sizes, named as a delivery agent names them, so that no file must be read to know its size."""
        home = self.path("mail", user)
        for part in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(home, part))
        for i, size in enumerate(sizes):
            head = f"Return-Path: <s@client.test>\nFrom: <s@client.test>\nTo: <u0@example.test>\nSubject: message {i}\nMessage-Id: <{i}@client.test>\n\n".encode()
            text = head + (b"x" * 70 + b"\n") * ((size - len(head)) // 72)
            with open(os.path.join(home, "new", f"{1700000000 + i}.M{i}P1.bench,S={len(text)},W={len(text) + text.count(10)}"), "wb") as f:
                f.write(text)
        subprocess.run(["chown", "-R", f"{OWNER}:{OWNER}", home], check=True)

    def section(self, protocol, user):
        return (f"\n[fetch work]\nProtocol = {protocol}\nServer = 127.0.0.1:{self.ports[protocol + 's']}\nTLS = implicit\nUser = {user}\nPassword = secret\n"
                f"Certificate Fingerprint = {self.fingerprint}\nRouting = mailbox u0\nInterval = manual\nMaximum Message Size = 200M\n")


# ---- ours ----

class Watch(threading.Thread):
    """The most memory that the programs below master take at a time, in KB: PSS, so that what they share counts once."""

    def __init__(self, one, pss_kb):
        super().__init__(daemon=True)
        self.one, self.pss_kb, self.over = one, pss_kb, threading.Event()
        self.peak = {name: 0 for name in (*PROGRAMS, "all")}

    def look(self):
        now = dict.fromkeys(self.peak, 0)
        for pid in self.one.children():
            try:
                name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                if name in PROGRAMS:
                    kb = self.pss_kb(pid)
                    now[name] += kb
                    now["all"] += kb
            except (OSError, StopIteration):
                pass                        # it has ended
        self.peak = {name: max(kb, now[name]) for name, kb in self.peak.items()}

    def run(self):
        while not self.over.wait(0.05):
            self.look()

    def end(self):
        self.over.set()
        self.join()
        return self.peak


def cpu_seconds(pids, with_ended):
    """with_ended: this one's time includes that of its children that have ended."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ticks += sum(int(n) for n in fields[11:15 if pid == with_ended else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_of(one):
    return cpu_seconds([one.master_pid, *one.children()], one.master_pid)


def collect(one, pss_kb, n):
    before, watch, start = cpu_of(one), Watch(one, pss_kb), time.monotonic()
    watch.start()
    one.ctl("fetch", "now", "work")
    seconds = time.monotonic() - start
    one.wait_spool_empty()
    cpu, peak = cpu_of(one) - before, watch.end()
    if len(one.mailbox("u0")) != n:
        sys.exit(f"{len(one.mailbox('u0'))} of {n} messages were collected")
    return seconds, cpu, peak


def ours(make, pss_kb, source, protocol, user, n):
    """(seconds until all is durable here, CPU seconds until all is delivered, peak memory)"""
    one = make()
    try:
        with open(one.path("config", "mail.ini"), "a") as f:
            f.write(source.section(protocol, user))
        one.ctl("reload")
        return collect(one, pss_kb, n)
    finally:
        one.end()


# ---- the server alone ----

def dialogue(protocol, user, n):
    """(what is said, what each message in the answers has once)"""
    if protocol == "pop3":
        return f"USER {user}\r\nPASS secret\r\n" + "".join(f"RETR {i + 1}\r\n" for i in range(n)) + "QUIT\r\n", b"\r\n.\r\n"
    return f"a LOGIN {user} secret\r\nb EXAMINE INBOX\r\nc UID FETCH 1:* (UID BODY.PEEK[])\r\nd LOGOUT\r\n", b" FETCH (UID "


def read_only(source, protocol, user, n):
    """The least that anybody needs: all is asked for at once, decrypted, counted and thrown away. No collector can be faster than this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said, mark = dialogue(protocol, user, n)
    cpu, start = time.process_time(), time.monotonic()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", source.ports[protocol + "s"]))) as there:
        speaker = threading.Thread(target=there.sendall, args=(said.encode(),))
        speaker.start()
        seen, end = 0, b""
        while part := there.recv(1 << 20):
            seen += (end + part).count(mark)
            end = (end + part)[-len(mark) + 1:]
        speaker.join()
    if seen != n:
        sys.exit(f"{seen} of {n} messages were given by {protocol}")
    return time.monotonic() - start, time.process_time() - cpu, {"all": 0}


# ---- others ----

class Collector:
    """Collects into a Maildir below its folder. configure() says the command."""

    protocols = ("pop3", "imap")
    account = None      # root

    def __init__(self, source, protocol, user, folder):
        self.source, self.protocol, self.user, self.folder = source, protocol, user, folder
        self.port = source.ports[protocol + "s"]
        self.maildir = os.path.join(folder, "mail")
        for part in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(self.maildir, part))

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def collected(self):
        return len(os.listdir(os.path.join(self.maildir, "new")))


class Fetchmail(Collector):
    """By LMTP over a local socket: no process for each message, and no Nagle. One login, all messages."""

    name = "fetchmail"

    def __init__(self, *words):
        super().__init__(*words)
        self.target = f"lmtp{os.path.basename(self.folder)}".lower()

    def configure(self):
        path = self.write("rc", f'poll 127.0.0.1 service {self.port} protocol {self.protocol} timeout 300\n'
                          f' user "{self.user}" password "secret" is "{self.target}" here ssl no sslcertck lmtp smtphost "{self.source.path("run", "dovecot", "lmtp")}"'
                          f" smtpname {self.target} keep fetchall fetchsizelimit 0 batchlimit 0 expunge 0 no rewrite no forcecr\n")
        return [os.path.join(unpacked("fetchmail"), "usr", "bin", "fetchmail"), "-s", "-f", path, "--pidfile", os.path.join(self.folder, "pid"), "--nosyslog"], \
            {"HOME": self.folder, "FETCHMAILHOME": self.folder}

    def collected(self):
        return len(self.source.names(self.target))


class Getmail(Collector):
    """Into its Maildir, without fields of its own. It makes a process for each message, which will not be root."""

    name, account = "getmail6", "nobody"

    def configure(self):
        kind = {"pop3": "SimplePOP3SSLRetriever", "imap": "SimpleIMAPSSLRetriever"}[self.protocol]
        self.write("rc", f"[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {self.port}\nusername = {self.user}\npassword = secret\ntimeout = 300\n"
                   f"[destination]\ntype = Maildir\npath = {self.maildir}/\n[options]\nread_all = true\ndelete = false\nverbose = 0\nreceived = false\ndelivered_to = false\n")
        root = os.path.join(unpacked("getmail6"), "usr")
        return ["/usr/bin/python3", os.path.join(root, "bin", "getmail"), "--getmaildir", self.folder, "--rcfile", "rc", "--quiet"], \
            {"PYTHONPATH": os.path.join(root, "lib", "python3", "dist-packages"), "HOME": self.folder}


class Mpop(Collector):
    """Pipelined, into its Maildir."""

    name, protocols = "mpop", ("pop3",)

    def configure(self):
        fingerprint = self.source.fingerprint.upper()
        pairs = ":".join(fingerprint[i:i + 2] for i in range(0, 64, 2))
        path = self.write("rc", f"account a\nhost 127.0.0.1\nport {self.port}\nuser {self.user}\npassword secret\nauth user\ntls on\ntls_starttls off\ntls_fingerprint {pairs}\n"
                          f"pipelining on\nkeep on\nreceived_header off\nuidls_file {self.folder}/uidls\ndelivery maildir {self.maildir}\n")
        return [os.path.join(unpacked("mpop"), "usr", "bin", "mpop"), "-q", "-C", path, "a"], {"HOME": self.folder}


OTHERS = (Fetchmail, Getmail, Mpop)


def peak_rss(pid_of, over, found):
    """The most memory of a process, in KB."""
    while not over.wait(0.05):
        try:
            with open(f"/proc/{pid_of}/status") as f:
                found[0] = max(found[0], next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")))
        except (OSError, StopIteration):
            pass


def other(kind, source, protocol, user, n):
    """The same of another one: seconds, CPU seconds of its process, memory of its process. None: it did not collect them all."""
    collector = kind(source, protocol, user, tempfile.mkdtemp(prefix=kind.name))
    command, environment = collector.configure()
    if kind.account:
        owner = pwd.getpwnam(kind.account)
        for path in [collector.folder, *glob.glob(os.path.join(collector.folder, "**"), recursive=True)]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, user=kind.account, group=owner.pw_gid if kind.account else None, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace")
    over, found = threading.Event(), [0]
    watch = threading.Thread(target=peak_rss, args=(process.pid, over, found), daemon=True)
    watch.start()
    said = process.communicate()[0]
    seconds = time.monotonic() - start
    over.set()
    watch.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if collector.collected() != n:
        print(f"{kind.name}: {collector.collected()} of {n} messages by {protocol}: {said[-1000:]}", file=sys.stderr)
        shutil.rmtree(collector.folder)
        return None
    shutil.rmtree(collector.folder)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, {"all": found[0]}
