"""Dovecot from Debian's package, in a folder of its own: a POP3 and IMAP server for whoever collects from it."""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile

from events import wait_process_end, wait_until

PROGRAM = "/usr/sbin/dovecot"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Dovecot:
    """Any user, with the password "secret". Messages are put into its Maildirs by the test."""

    def __init__(self, certificate=None, mailboxes=None):
        """certificate: (chain, key) files; without it there is no TLS. mailboxes: somebody else's folder with a Maildir for each user."""
        self.folder = tempfile.mkdtemp(prefix="dovecot-")
        os.chmod(self.folder, 0o755)
        self.account = pwd.getpwnam("nobody")
        os.mkdir(self.path("mail"))
        os.chown(self.path("mail"), self.account.pw_uid, self.account.pw_gid)
        owner = os.stat(mailboxes or self.path("mail"))
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s")}
        tls = f"ssl = yes\nssl_cert = <{certificate[0]}\nssl_key = <{certificate[1]}\n" if certificate else "ssl = no\n"
        services = "".join(
            f"service {kind}-login {{\n inet_listener {kind} {{\n  port = {self.ports[kind]}\n }}\n inet_listener {kind}s {{\n  port = {self.ports[kind + 's']}\n"
            f"  ssl = yes\n }}\n}}\n" for kind in ("imap", "pop3"))
        with open(self.path("dovecot.conf"), "w") as f:
            f.write(f"protocols = imap pop3\nlisten = 127.0.0.1\nbase_dir = {self.path('run')}\nlog_path = {self.path('log')}\n"
                    f"mail_location = maildir:{mailboxes or self.path('mail')}/%u\ndisable_plaintext_auth = no\nmail_max_userip_connections = 100\n"
                    f"auth_mechanisms = plain login\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n{tls}{services}"
                    f"passdb {{\n driver = static\n args = password=secret\n}}\n"
                    f"namespace inbox {{\n inbox = yes\n separator = /\n}}\n"
                    f"userdb {{\n driver = static\n args = uid={owner.st_uid} gid={owner.st_gid} home={self.path('mail')}/%u\n}}\n")
        self.process = None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "-F", "-c", self.path("dovecot.conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path("log")) and "starting up" in open(self.path("log")).read(), self.folder)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        children = []
        for task in glob.glob(f"/proc/{self.process.pid}/task/*/children"):
            with open(task) as f:
                children += f.read().split()
        self.process.terminate()
        self.process.wait()
        for pid in children:
            wait_process_end(int(pid))
        if not os.environ.get("SAMBAR_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, user, name, message, folder=""):
        """folder: ".Work" and the like; empty is the inbox."""
        box = self.path("mail", user, folder)
        for part in ("", "tmp", "new", "cur"):
            os.makedirs(os.path.join(box, part), exist_ok=True)
        for path in {self.path("mail", user), box, *(os.path.join(box, part) for part in ("tmp", "new", "cur"))}:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        tmp = os.path.join(box, "tmp", name)
        with open(tmp, "wb") as f:
            f.write(message.replace(b"\r\n", b"\n"))
        os.chown(tmp, self.account.pw_uid, self.account.pw_gid)
        os.rename(tmp, os.path.join(box, "new", name))

    def names(self, user, folder=""):
        """The messages in a folder: their file names, with flags."""
        return sorted(os.path.basename(p) for part in ("new", "cur") for p in glob.glob(os.path.join(self.path("mail", user, folder), part, "*")))
