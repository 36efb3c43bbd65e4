"""POP3 and IMAP servers from Debian's packages, for whoever collects from them: unpacked, not installed, each in a view of
the file system of its own, as in peers.py; at ports of 127.0.0.1 that the kernel has chosen.

The password is always "secret". fill() puts messages into an inbox, at a server's own way, and says which of them it takes.
"""
import contextlib
import glob
import hashlib
import imaplib
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

from events import wait_until
from peers import unpacked, with_lines
from sambar import read

USERS = [f"user{i:02}" for i in range(40)]      # who can log in; a test takes the next one
LISTENERS = ("pop3", "pop3s", "imap", "imaps")
OWNER = 7108                                    # of the mail


def hold_port():
    """A socket at a port of the kernel's choice: it does not listen, so a server may take the port, and others are not given it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def maildir_put(box, name, message):
    for part in ("", "tmp", "new", "cur"):
        os.makedirs(os.path.join(box, part), exist_ok=True)
        os.chown(os.path.join(box, part), OWNER, OWNER)
    tmp = os.path.join(box, "tmp", name)
    with open(tmp, "wb") as f:
        f.write(message.replace(b"\r\n", b"\n"))
    os.chown(tmp, OWNER, OWNER)
    os.rename(tmp, os.path.join(box, "new", name))


class MailServer:
    packages = ()
    accounts, groups = (), ()
    writable = None     # the folder of /etc that it may write to

    def __init__(self, certificate=None):
        """certificate: (chain, key) files; else it makes its own."""
        self.folder = tempfile.mkdtemp(prefix="server-")
        os.chmod(self.folder, 0o755)
        self.roots = [unpacked(package) for package in self.packages]
        self.users, self.numbers = iter(USERS), itertools.count(1700000000)
        self.held = {name: hold_port() for name in LISTENERS}
        self.ports = {name: sock.getsockname()[1] for name, sock in self.held.items()}
        for name in ("etc", "mail", "run"):
            os.mkdir(self.path(name))
        mailbox = f"mailbox:x:{OWNER}:"
        self.write("etc/passwd", with_lines("/etc/passwd", (*self.accounts, f"{mailbox}{OWNER}::/:/bin/false")))
        self.write("etc/group", with_lines("/etc/group", (*self.groups, mailbox)))
        chain, key = certificate or self.certificate()
        self.write("both.pem", read(chain).decode() + read(key).decode())      # for whichever of its accounts
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(read(chain).decode())).hexdigest()
        self.process = None

    def certificate(self):
        chain, key = self.path("chain.pem"), self.path("key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server.test", "-keyout", key, "-out", chain],
                       check=True, capture_output=True)
        return chain, key

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    # ---- its life ----

    def script(self):
        """Starts it, and does not end; /run/ready is there when all ports are listened at."""
        raise NotImplementedError

    def setting(self):
        """What it finds: its packages over /usr, its accounts and settings in /etc."""
        usr = ":".join(os.path.join(root, "usr") for root in self.roots)
        writable = f"mount --bind {self.path('etc', self.writable)} /etc/{self.writable}\n" if self.writable else ""
        return (f"set -e\nmount -t overlay overlay -o lowerdir={self.path('etc')}:/etc /etc\nmount -t overlay overlay -o lowerdir={usr}:/usr /usr\n"
                f"{writable}mount --bind {self.path('run')} /run\n")

    def __enter__(self):
        self.write("run.sh", self.setting() + self.script())
        with open(self.path("out"), "wb") as out:
            self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", self.path("run.sh")],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: os.path.exists(self.path("run", "ready")) or self.process.poll() is not None, self.path("run"), self.path("out"))
            assert self.process.poll() is None, read(self.path("out")).decode(errors="replace")[-3000:]
        except BaseException:
            self.__exit__()
            raise
        self.release_ports()
        return self

    def __exit__(self, *_):
        # The first process of its own takes the others with it, and is gone when they are.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            child, = read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()
            os.kill(int(child), signal.SIGKILL)
        self.process.wait()
        self.release_ports()
        if not os.environ.get("SAMBAR_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def release_ports(self):
        for sock in self.held.values():
            sock.close()

    @staticmethod
    def gives(protocol, message):
        """What it gives out for a message that it has taken: none without a line, by POP3."""
        return message or (b"\r\n" if protocol == "pop3" else b"")

    def folders(self, _user):
        """Where a change of his inbox can be seen."""
        return [self.path("mail")]

    # ---- as one of its users ----

    @contextlib.contextmanager
    def imap(self, user, folder="INBOX"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=context) as client:
            client.login(user, "secret")
            assert client.select(folder)[0] == "OK", folder
            yield client

    def flags(self, user, folder="INBOX"):
        """Of each message in a folder."""
        with self.imap(user, folder) as client:
            _, found = client.uid("FETCH", "1:*", "(FLAGS)")
            return [imaplib.ParseFlags(line) for line in found if line]


class Dovecot(MailServer):
    """Any user is one. mailboxes: somebody else's folder with a Maildir for each user."""

    packages = ("dovecot-core", "dovecot-imapd", "dovecot-pop3d")
    accounts = ("dovecot:x:7110:7110::/:/bin/false", "dovenull:x:7111:7111::/:/bin/false")
    groups = ("dovecot:x:7110:", "dovenull:x:7111:")
    done = "Done"       # a folder that can be made

    def __init__(self, certificate=None, mailboxes=None):
        super().__init__(certificate)
        self.mailboxes = mailboxes

    def script(self):
        mailboxes = self.mailboxes or self.path("mail")
        owner = os.stat(mailboxes)
        uid, gid = (owner.st_uid, owner.st_gid) if self.mailboxes else (OWNER, OWNER)
        # As a mailbox of ours has it; else as Dovecot has it, which is a dot.
        namespace = "namespace inbox {\n inbox = yes\n separator = /\n}\n" if self.mailboxes else ""
        services = "".join(
            f"service {kind}-login {{\n inet_listener {kind} {{\n  port = {self.ports[kind]}\n }}\n inet_listener {kind}s {{\n  port = {self.ports[kind + 's']}\n"
            f"  ssl = yes\n }}\n}}\n" for kind in ("imap", "pop3"))
        self.write("dovecot.conf", f"""protocols = imap pop3
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = {self.path("log")}
mail_location = maildir:{mailboxes}/%u
disable_plaintext_auth = no
mail_max_userip_connections = 100
auth_mechanisms = plain login
first_valid_uid = 1
first_valid_gid = 1
ssl = yes
ssl_cert = <{self.path("both.pem")}
ssl_key = <{self.path("both.pem")}
{services}passdb {{
 driver = static
 args = password=secret
}}
{namespace}userdb {{
 driver = static
 args = uid={uid} gid={gid} home={self.path("mail")}/%u
}}
""")
        # It goes into the background when it listens.
        return f"chown {OWNER}:{OWNER} {self.path('mail')}\ndovecot -c {self.path('dovecot.conf')}\n: >/run/ready\nexec sleep infinity\n"

    def fill(self, user, messages):
        for message in messages:
            self.put(user, f"{next(self.numbers)}.M1P1.test", message)
        return messages

    def put(self, user, name, message, folder=""):
        """folder: ".Work" and the like; empty is the inbox."""
        home = self.path("mail", user)
        os.makedirs(home, exist_ok=True)
        os.chown(home, OWNER, OWNER)
        maildir_put(os.path.join(home, folder), name, message)

    def names(self, user, folder=""):
        """The messages in a folder: their file names, with flags."""
        return sorted(os.path.basename(p) for part in ("new", "cur") for p in glob.glob(os.path.join(self.path("mail", user, folder), part, "*")))

    @staticmethod
    def gives(protocol, message):
        message = MailServer.gives(protocol, message)
        return message.replace(b"\0", b"\x80") if protocol == "imap" else message      # IMAP's literals have no NUL


class Courier(MailServer):
    packages = ("courier-pop", "courier-imap", "courier-base", "courier-authlib", "courier-authdaemon", "courier-authlib-userdb")
    accounts, groups = ("courier:x:7107:7107::/:/bin/false",), ("courier:x:7107:",)
    writable = "courier"
    done = "INBOX.Done"

    def settings(self):
        os.mkdir(self.path("etc", "courier"))
        for path in itertools.chain(*(glob.glob(os.path.join(root, "etc", "courier", "*")) for root in self.roots)):
            if os.path.isfile(path):
                shutil.copy(path, self.path("etc", "courier"))
        tls = f"TLS_CERTFILE={self.path('both.pem')}\nTLS_DHPARAMS=\nTLS_CACHEFILE=\n"
        for name, text in (("authdaemonrc", 'authmodulelist="authuserdb"\n'), ("pop3d-ssl", tls), ("imapd-ssl", tls + "IMAP_STARTTLS=YES\n"), ("imapd", "IMAP_IDLE_TIMEOUT=1\n")):
            with open(self.path("etc", "courier", name), "a") as f:
                f.write(text)

    def script(self):
        self.settings()
        home = f"{self.path('mail')}/%s"
        lines = [f"mkdir -p /run/courier/authdaemon\npassword=$(echo secret | userdbpw -md5)\nfor u in {' '.join(USERS)}; do",
                 f"printf '%s\\tuid={OWNER}|gid={OWNER}|home={home}|mail={home}/Maildir|systempw=%s\\n' $u $u $u \"$password\"",
                 "done >/etc/courier/userdb\nchmod 600 /etc/courier/userdb\nmakeuserdb",
                 "/usr/lib/courier/courier-authlib/authdaemond &\nset -a"]
        for kind, login, server in (("pop3", "courierpop3login", "/usr/lib/courier/courier/courierpop3d"), ("imap", "imaplogin", "/usr/bin/imapd")):
            # It goes into the background when it listens.
            for name, tls in ((kind, ""), (kind + "s", "/usr/bin/couriertls -server -tcpd ")):
                lines.append(f"(. /etc/courier/{kind}d; . /etc/courier/{kind}d-ssl; couriertcpd -pid=/run/{name}.pid -address=127.0.0.1 -maxprocs=40 -maxperip=40"
                             f" -nodnslookup -noidentlookup {self.ports[name]} {tls}/usr/lib/courier/courier/{login} {server} Maildir)")
        # authdaemond, which says nothing when it is there, or has ended.
        return "\n".join(lines) + "\nuntil authtest user00 >/dev/null 2>&1; do kill -0 $!; done\n: >/run/ready\nwait\n"

    def folders(self, user):
        return [self.path("mail", user, "Maildir", part) for part in ("new", "cur")]

    def fill(self, user, messages):
        home = self.path("mail", user)
        os.makedirs(home, exist_ok=True)
        os.chown(home, OWNER, OWNER)
        for message in messages:
            maildir_put(os.path.join(home, "Maildir"), f"{next(self.numbers)}.M1P1.test", message)
        return messages


class Cyrus(MailServer):
    """It refuses NULs, what is no header, and empty messages."""

    packages = ("cyrus-imapd", "cyrus-pop3d", "cyrus-common", "sasl2-bin")
    accounts = ("cyrus:x:7109:8::/:/bin/false",)
    done = "Done"

    def script(self):
        self.write("etc/imapd.conf", f"""configdirectory: /run/state
defaultpartition: default
partition-default: {self.path("mail")}
servername: server.test
altnamespace: yes
unixhierarchysep: yes
autocreate_quota: 0
popminpoll: 0
munge8bit: no
allowplaintext: yes
expunge_mode: immediate
sasl_pwcheck_method: auxprop
sasl_mech_list: PLAIN LOGIN
sasl_sasldb_path: /run/sasldb
tls_server_cert: {self.path("both.pem")}
tls_server_key: {self.path("both.pem")}
""")
        services = "".join(f'{name} cmd="{name[:4]}{"d -s" if name.endswith("s") else "d"}" listen="127.0.0.1:{self.ports[name]}" prefork=0 maxchild=40\n'
                           for name in LISTENERS)
        # What is planned runs first when the services are there.
        self.write("etc/cyrus.conf", f'START {{\nrecover cmd="ctl_cyrusdb -r"\nidled cmd="idled"\n}}\nSERVICES {{\n{services}}}\n'
                   'EVENTS {\nready cmd="/usr/bin/touch /run/ready" period=1440\n}\n')
        return f"""for u in {' '.join(USERS)}; do echo secret | saslpasswd2 -p -c -f /run/sasldb -u server.test $u; done
mkdir -p /run/state/socket
chown -R cyrus:mail {self.path("mail")} /run
exec /usr/lib/cyrus/bin/master
"""

    def fill(self, user, messages):
        with self.imap(user) as client:
            client.send(b"".join(b"p%d APPEND INBOX {%d+}\r\n%b\r\n" % (i, len(message), message) for i, message in enumerate(messages)))
            answers = {}
            while len(answers) < len(messages):
                tag, end, *_ = client.readline().split()
                if tag != b"*":
                    answers[tag] = end
            return [message for i, message in enumerate(messages) if answers[b"p%d" % i] == b"OK"]
