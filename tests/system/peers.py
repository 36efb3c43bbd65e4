"""Other mail servers, from Debian's packages: unpacked, not installed, each in a view of the file system of its own.

unshare gives a peer its own mounts, in which its package lies over /usr and its accounts are in /etc/passwd, and its
own processes, which end with it.
"""
import collections
import contextlib
import fcntl
import glob
import os
import re
import signal
import stat
import subprocess

from events import wait_until
from sambar import read

CACHE = os.environ.get("SAMBAR_PEERS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "peers")
ACCOUNTS = ("postfix:x:7101:7101::/:/bin/false", "Debian-exim:x:7102:7102::/:/bin/false", "opensmtpd:x:7103:7103::/var/lib/opensmtpd/empty:/bin/false",
            "opensmtpq:x:7104:7104::/:/bin/false", "peer:x:7105:7105::/tmp:/bin/false")
GROUPS = ("postfix:x:7101:", "Debian-exim:x:7102:", "opensmtpd:x:7103:", "opensmtpq:x:7104:", "peer:x:7105:", "postdrop:x:7106:")


def unpacked(package):
    """The root of a package's files, fetched once, though tests that run in parallel may want it."""
    root = os.path.abspath(os.path.join(CACHE, package))
    debs = root + ".deb"
    os.makedirs(debs, mode=0o755, exist_ok=True)
    with open(os.path.join(debs, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(os.path.join(root, "usr")):
            subprocess.run(["apt-get", "download", "-qq", package], cwd=debs, check=True, stderr=subprocess.DEVNULL)
            deb, = glob.glob(os.path.join(debs, f"{package}_*.deb"))
            subprocess.run(["dpkg", "-x", deb, root + ".new"], check=True)
            os.rename(root + ".new", root)
    return root


def with_lines(path, lines):
    """The file's lines, those of the same name replaced."""
    names = {line.split(":")[0] for line in lines}
    kept = [line for line in read(path).decode().splitlines() if line.split(":")[0] not in names]
    return "\n".join([*kept, *lines]) + "\n"


class Peer:
    """A server at one address, port 25; its mail lies in Maildirs or goes to the test by SMTP."""

    package = None
    tls_works = True

    def __init__(self, internet, n, name=None, smart=None, start=True):
        """smart: (host, port) that gets all mail for domains other than its own."""
        self.internet, self.n, self.address = internet, n, f"192.0.2.{n}"
        self.domain, self.name, self.smart = f"d{n}.test", name or f"h{n}.test", smart
        self.folder = internet.path(f"peer{n}")
        os.makedirs(os.path.join(self.folder, "mail"), exist_ok=True)
        os.chmod(self.folder, 0o755)
        os.chown(os.path.join(self.folder, "mail"), 7105, 7105)
        certificate = internet.certificate(self.name, rsa=True)      # OpenSMTPD knows no other key
        self.certificate, self.key = (internet.path(certificate + end) for end in (".crt", ".key"))
        os.makedirs(self.path("etc", "exim4"))
        self.write("etc/passwd", with_lines("/etc/passwd", ACCOUNTS))
        self.write("etc/group", with_lines("/etc/group", GROUPS))
        script = self.prepare()
        over = f"mount -t overlay overlay -o lowerdir={unpacked(self.package)}/usr:/usr /usr\n" if self.package else ""
        self.write("run.sh", f"""set -e
mount -t overlay overlay -o lowerdir={self.folder}/etc:/etc /etc
{over}{script}""")
        self.process = None
        if start:
            self.start()

    def start(self):
        with open(self.path("out"), "ab") as out:
            self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", f"{self.folder}/run.sh"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def kill(self):
        """All its processes at once: the first of its own takes the others with it, and is gone when they are. Its queue stays."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):    # it had ended by itself
            child, = read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()
            os.kill(int(child), signal.SIGKILL)
        self.process.wait()
        self.process = None
        for path in glob.glob(self.path("mail", "tmp", "*")):
            os.unlink(path)         # the next one's processes have the same ids, and would take the same names

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def mail(self):
        return [read(path) for path in glob.glob(self.path("mail", "new", "*"))]

    def wait_idle(self):
        """Until all that it has taken lies in its mailboxes."""
        wait_until(lambda: not any(self.is_taken(path) for folder in self.queue() for path in glob.glob(os.path.join(folder, "*"))), *self.queue())

    def copies(self):
        """{token: how often it was taken}. What it has delivered twice itself has the same id of its own in both.

        What was on its way into the mailbox when it was killed may lie there in part, and comes again.
        """
        taken = re.compile(rb"(?s)\nReceived: [^:]*?\bby %s\b.*?\bid ([\w-]+).*\nX-Token: (\w+)\r?\n.*\nend of \2\r?\n" % self.name.encode())
        found = {match.groups() for match in (taken.search(b"\n" + mail) for mail in self.mail()) if match}
        return collections.Counter(token.decode() for _, token in found)

    def wait_mail(self, count):
        wait_until(lambda: len(self.mail()) >= count, self.path("mail"), self.path("mail", "new"))
        return self.mail()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The end of unshare does not do it: a server that changes its user loses the signal that --kill-child has set.
        if self.process:
            self.kill()


class Postfix(Peer):
    package = "postfix"

    def queue(self):
        return [self.path("spool", name) for name in ("incoming", "active", "deferred")]

    def is_taken(self, path):
        with contextlib.suppress(FileNotFoundError):
            return os.stat(path).st_mode & stat.S_IXUSR     # what is not yet whole has not
        return False

    def prepare(self):
        for name in ("spool", "data", "log"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chown(self.path("data"), 7101, 7101)
        relay = f"relayhost = [{self.smart[0]}]:{self.smart[1]}\nsmtp_host_lookup = native\nsmtp_dns_support_level = disabled\n" if self.smart else ""
        self.write("main.cf", f"""compatibility_level = 3.6
queue_directory = {self.path('spool')}
data_directory = {self.path('data')}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {self.path()}
maillog_file = /dev/stdout
mail_owner = postfix
setgid_group = postdrop
myhostname = {self.name}
mydestination =
mynetworks = 192.0.2.0/24 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {self.domain}
virtual_mailbox_base = {self.folder}
virtual_mailbox_maps = inline:{{ good@{self.domain}=mail/, big@{self.domain}=mail/ }}
virtual_uid_maps = static:7105
virtual_gid_maps = static:7105
smtpd_tls_security_level = may
smtpd_tls_chain_files = {self.key} {self.certificate}
smtp_tls_security_level = encrypt
{relay}""")
        text = read(os.path.join(unpacked("postfix"), "usr/share/postfix/master.cf.dist")).decode()
        lines = []
        for line in text.splitlines():
            if line and not line[0] in "# \t":
                words = line.split()
                words[4] = "n"
                words[0] = f"{self.address}:25" if words[:2] == ["smtp", "inet"] else words[0]
                line = " ".join(words)
            lines.append(line)
        self.write("master.cf", "\n".join(lines) + "\npostlog unix-dgram n - n - 1 postlogd\n")
        for file in ("main.cf", "master.cf"):
            os.chmod(self.path(file), 0o644)
        return (f"export LD_LIBRARY_PATH=/usr/lib/postfix MAIL_CONFIG={self.folder}\n"
                f"mkdir -p {self.path('spool')}/pid\n"
                f"for d in active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public; do mkdir -p {self.path('spool')}/$d; "
                f"chown postfix {self.path('spool')}/$d; done\nchgrp postdrop {self.path('spool')}/public {self.path('spool')}/maildrop\n"
                f"chmod 730 {self.path('spool')}/maildrop\nchmod 710 {self.path('spool')}/public\n"
                f"exec /usr/lib/postfix/sbin/master -i -c {self.folder}")


class Exim(Peer):
    package = "exim4-daemon-light"

    def queue(self):
        return [self.path("spool", "input")]

    def is_taken(self, path):
        return path.endswith("-H") and os.path.exists(path[:-1] + "D")     # which is written first, and removed first

    def prepare(self):
        for name in ("spool", "log"):
            os.makedirs(self.path(name), exist_ok=True)
            os.chown(self.path(name), 7102, 7102)
        route = (f"  driver = manualroute\n  route_list = * {self.smart[0]}::{self.smart[1]} byname\n  self = send\n  transport = smtp\n"
                 if self.smart else "  driver = redirect\n  data = :fail: no such user\n")
        self.write("exim.conf", f"""exim_path = /usr/sbin/exim4
spool_directory = {self.path('spool')}
log_file_path = {self.path('log')}/%slog
pid_file_path = {self.path('exim.pid')}
local_interfaces = {self.address}
daemon_smtp_ports = 25
smtp_accept_queue_per_connection = 0
primary_hostname = {self.name}
qualify_domain = {self.domain}
acl_smtp_rcpt = check_rcpt
never_users =
host_lookup =
dns_ipv4_lookup = *
disable_ipv6 = true
tls_advertise_hosts = *
tls_certificate = {self.certificate}
tls_privatekey = {self.key}
begin acl
check_rcpt:
  accept domains = {self.domain}
         local_parts = good : big
  deny domains = {self.domain}
       message = no such user
  accept hosts = 192.0.2.0/24 : 127.0.0.0/8
  deny
begin routers
local:
  driver = accept
  domains = {self.domain}
  local_parts = good : big
  transport = maildir
away:
{route}
begin transports
maildir:
  driver = appendfile
  directory = {self.path('mail')}
  maildir_format
  user = peer
smtp:
  driver = smtp
  allow_localhost
  hosts_require_tls = *
  tls_verify_certificates = {self.internet.path('ca.crt')}
  tls_try_verify_hosts = *
begin retry
* * F,2h,1s
""")
        os.chmod(self.path("exim.conf"), 0o644)
        keys = self.path("key.pem")
        self.write("key.pem", read(self.key).decode())
        os.chown(keys, 7102, 7102)
        with open(self.path("exim.conf")) as f:
            text = f.read().replace(self.key, keys)
        self.write("exim.conf", text)
        self.write("etc/exim4/trusted_configs", self.path("exim.conf") + "\n")
        return f"exec /usr/sbin/exim4 -C {self.path('exim.conf')} -bdf -q30m"


class OpenSmtpd(Peer):
    package = "opensmtpd"
    tls_works = False           # of this version as a server: each handshake fails within it, and mail goes in clear

    def queue(self):
        return [self.path("spool", "smtpd", "queue", f"{i:02x}") for i in range(256)]

    def is_taken(self, path):
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(path) not in ([], ["message"])    # recipients are removed first
        return False

    def prepare(self):
        away = f'action "away" relay host smtp+tls://{self.smart[0]}:{self.smart[1]} tls no-verify\nmatch from any for any action "away"\n' if self.smart else ""
        self.write("smtpd.conf", f"""pki p cert "{self.certificate}"
pki p key "{self.key}"
listen on {self.address} port 25 tls pki p hostname {self.name}
table users {{ "good" = "7105:7105:{self.path('mail')}", "big" = "7105:7105:{self.path('mail')}" }}
action "deliver" maildir "{self.path('mail')}" userbase <users>
match from any for domain {self.domain} action "deliver"
{away}""")
        os.chmod(self.path("smtpd.conf"), 0o600)
        self.write("etc/resolv.conf", "lookup file\n")
        return (f"mkdir -p {self.path('spool')}\nmount --bind {self.path('spool')} /var/spool\nmkdir -p -m 711 /var/spool/smtpd\nmount -t tmpfs tmpfs /var/lib\nmkdir -p /var/lib/opensmtpd/empty\n"
                f"chmod 755 /var/lib /var/lib/opensmtpd\n"
                f"mount -t overlay overlay -o lowerdir={self.path('libexec')}:/usr/libexec /usr/libexec\n"
                f"exec /usr/sbin/smtpd -d -f {self.path('smtpd.conf')}") if self._libexec() else ""

    def _libexec(self):
        """Its helpers' path is compiled in."""
        root = unpacked(self.package)
        found = next(path for path in (os.path.join(root, "usr/libexec/opensmtpd"), os.path.join(root, "usr/lib/x86_64-linux-gnu/opensmtpd")) if os.path.isdir(path))
        os.makedirs(self.path("libexec"), exist_ok=True)
        subprocess.run(["cp", "-a", found, self.path("libexec", "opensmtpd")], check=True)
        return True
