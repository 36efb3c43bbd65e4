"""What Debian's programs do with an MTA, a user who reads mail, and a host that mail goes out to."""
import os
import re

from events import wait_until

MAILBOX = "/var/lib/sambar/mail/mbox/{}/{}"
PASSWORD = "correct horse"
# A host that takes mail: prints what it got.
PEER = '''
import asyncio, os
from aiosmtpd.controller import Controller

class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(envelope.mail_from, envelope.rcpt_tos, envelope.content.decode().replace("\\r\\n", "|"), flush=True)
        return "250 OK"

controller = Controller(Handler(), hostname="127.0.0.2", port=25)
controller.start()
print("ready", os.getpid(), flush=True)
asyncio.new_event_loop().run_forever()
'''


def folders(m, user):
    """Of what nobody has seen yet, and of the rest."""
    return [m.path(MAILBOX.format(user, name)) for name in ("new", "cur")]


def messages(m, user):
    texts = []
    for folder in folders(m, user):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            try:
                with open(os.path.join(folder, name), errors="replace", newline="") as f:
                    texts.append(f.read())
            except FileNotFoundError:
                pass                # it has just got another name
    return texts


def wait_message(m, user, text):
    """Waits until a message with this text lies in the user's mailbox."""
    return wait_until(lambda: next((t for t in messages(m, user) if text in t), None), *folders(m, user))


def user_is_made(m):
    """An account of the machine gets a mailbox and reads it by POP3."""
    m.run("useradd", "--create-home", "--shell", "/bin/bash", "ann")
    m.run("sambarctl", "user", "add", "ann", stdin=f"{PASSWORD}\n")
    m.run("sendmail", "ann", stdin="Subject: welcome\n\nhello ann\n")
    wait_message(m, "ann", "hello ann")
    m.write("/home/ann/.mpoprc", f"account default\nhost 127.0.0.1\nport 110\nuser ann\npassword {PASSWORD}\n"
            "tls off\nauth user\nkeep on\ndelivery mbox /home/ann/mbox\n", mode=0o600)
    m.run("chown", "ann:", "/home/ann/.mpoprc")
    m.run("mpop", user="ann")
    assert "hello ann" in m.sh("cat /home/ann/mbox")


def cron_mails(m):
    """What a job prints arrives, from the real cron."""
    m.write("/etc/cron.d/tell", "* * * * * root echo said by cron\n")
    assert "Cron <root@" in wait_message(m, "root", "said by cron")
    m.sh("rm /etc/cron.d/tell")


def at_mails(m):
    """What a job prints arrives, from at."""
    m.run("at", "now", stdin="echo said by at\n")
    assert "Output from your job" in wait_message(m, "root", "said by at")


def mailx_mails(m):
    """s-nail as mailx, by an ordinary user."""
    m.run("s-nail", "-s", "by mailx", "root", user="ann", stdin="said by mailx\n")
    text = wait_message(m, "root", "said by mailx")
    assert "Subject: by mailx" in text and re.search(r"^From: .*ann@", text, re.M)


def mutt_mails(m):
    """mutt, with an attachment."""
    m.run("mutt", "-s", "by mutt", "-a", "/etc/hostname", "--", "root", user="ann", stdin="said by mutt\n")
    assert "multipart/mixed" in wait_message(m, "root", "said by mutt")


def php_mails(m):
    """mail() of PHP, with a sender by -f."""
    m.run("php", "-r", 'exit(mail("root", "by php", "said by php", "X-Was: php", "-fann@example.org") ? 0 : 1);', user="ann")
    assert "X-Was: php" in wait_message(m, "root", "said by php")


def git_mails(m):
    """git send-email."""
    m.sh("cd; git init -q repo; cd repo; echo x >x; git add x;"
         " git -c user.name=Ann -c user.email=ann@example.org commit -q -m 'said by git'; git format-patch --root -q;"
         " git -c user.name=Ann -c user.email=ann@example.org send-email --quiet --confirm=never --suppress-cc=all --to=root 0001-*.patch",
         user="ann")
    assert "diff --git" in wait_message(m, "root", "[PATCH] said by git")


def mailq_and_newaliases_run(m):
    """What scripts of other packages call."""
    m.run("mailq")
    m.run("newaliases")
    assert m.run("readlink", "-f", "/usr/lib/sendmail").strip() == "/usr/sbin/sendmail"
    status, _ = m.run("sendmail", "-bv", "nobody-of-that-name", check=False)
    assert status != 0


def mail_goes_out(m):
    """A message for another host leaves through a smart host's MTA."""
    m.write("/root/peer.py", PEER)
    peer = m.start("python3", "/root/peer.py", stdout=-1)
    try:
        ready, pid = peer.stdout.readline().split()
        assert ready == "ready"
        m.run("sambarctl", "config", "set", "SMTP Server", "127.0.0.2:25")
        m.run("sambarctl", "config", "set", "Use MTA", "false")
        m.run("sendmail", "-f", "ann@example.org", "friend@elsewhere.example", stdin="Subject: out\n\nfar away\n", user="ann")
        got = peer.stdout.readline()
        assert "friend@elsewhere.example" in got and "far away" in got, got
        m.wait_journal(lambda e: e.get("SAMBAR_EVENT") == "sent" and e.get("SAMBAR_TO") == "friend@elsewhere.example")
    finally:
        m.run("kill", pid)
        peer.wait()
    assert "friend@elsewhere.example" not in m.run("mailq")


def logs_rotate(m):
    """logrotate -f while mail comes: new files are written, and each line is in an old or a new one."""
    for i in range(20):
        m.run("sendmail", "root", stdin=f"Subject: before\n\nline {i}\n")
        if i == 10:
            m.run("logrotate", "--force", "/etc/logrotate.d/sambar-mail")
    wait_message(m, "root", "line 19")
    m.wait_journal(lambda e: e.get("MESSAGE") == "logs reopened")
    m.run("sendmail", "root", stdin="Subject: after\n\nafter rotation\n")
    wait_message(m, "root", "after rotation")
    wait_until(lambda: os.path.exists(m.path("/var/log/sambar/smtpd.log")), m.path("/var/log/sambar"))
    accepted = {e["SAMBAR_QUEUE_ID"] for e in m.all_journal()
                if e.get("SAMBAR_EVENT") == "accepted" and e["SYSLOG_IDENTIFIER"] == "sambar-smtpd"}
    written = m.sh("cat /var/log/sambar/smtpd.log /var/log/sambar/smtpd.log.1")
    assert accepted and not [i for i in accepted if f" {i} accepted " not in written]
    assert m.sh("stat -c '%a %G' /var/log/sambar/smtpd.log").split() == ["640", "adm"]


def pages_are_readable(m):
    """man finds every page, also by the names of other MTAs."""
    pages = m.sh("dpkg -L sambar-mail | grep '/man/man' | grep -v '^.*/man[0-9]$'").split()
    assert len(pages) >= 18
    for page in pages:
        assert len(m.run("man", "--pager=cat", page)) > 300, page


def shells_complete(m):
    """bash and zsh know the commands of sambarctl, from its own table."""
    bash = """. /usr/share/bash-completion/bash_completion
_completion_loader sambarctl
complete -p sambarctl
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _sambarctl; echo "= ${COMPREPLY[*]}"; }
try sambarctl que
try sambarctl -d /var sta
try sambarctl queue re
try sambarctl queue hold --old
try sambarctl help exp
"""
    told = m.run("bash", "-c", bash)
    assert "complete -F _sambarctl sambarctl" in told
    assert re.findall("^= (.*)", told, re.M) == ["queue", "start status stats", "release retry remove reroute", "--older",
                                                 "explain"], told
    zsh = """autoload -Uz compinit; compinit -u -D
compadd() { shift; print -r -- "= $@" }
words=(sambarctl queue ""); CURRENT=3
print -r -- $_comps[sambarctl]
_sambarctl
"""
    told = m.run("zsh", "-f", "-c", zsh)
    assert told.startswith("_sambarctl\n") and "= list show hold release" in told, told


STEPS = [shells_complete, user_is_made, at_mails, mailx_mails, mutt_mails, php_mails, git_mails, mailq_and_newaliases_run, mail_goes_out,
         logs_rotate, cron_mails, pages_are_readable]
