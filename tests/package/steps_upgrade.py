"""A newer version is installed while clients connect without a pause."""
import os
import re
import subprocess

from steps_install import APT
from steps_programs import messages, wait_message
from steps_service import main_pid

# Connects again and again, hands each message in, and says what became of it; ends with its standard input. A
# session that the server ends with 421 is none that was refused: the client asks again.
CLIENT = r'''
import smtplib, sys, threading, subprocess, socket

refused, taken, again = [], [], 0
ends = threading.Event()

def by_smtp(who):
    global again
    n = 0
    while not ends.is_set():
        text = f"{who}-{n}"
        try:
            with smtplib.SMTP("127.0.0.1", 25) as s:
                s.sendmail("a@example.org", [f"ann@{sys.argv[1]}"], f"Subject: load\r\n\r\nload {text}.\r\n")
        except ConnectionRefusedError as e:
            refused.append(f"smtp {e}")
            continue
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException, ConnectionResetError, BrokenPipeError) as e:
            if isinstance(e, smtplib.SMTPResponseException) and e.smtp_code != 421:
                refused.append(f"smtp {e}")
            again += 1
            continue
        taken.append(text)
        n += 1

def by_sendmail(who):
    n = 0
    while not ends.is_set():
        text = f"{who}-{n}"
        done = subprocess.run(["/usr/sbin/sendmail", "ann"], input=f"Subject: load\n\nload {text}.\n", text=True,
                              capture_output=True)
        if done.returncode != 0:
            refused.append(f"sendmail {done.returncode} {done.stderr}")
        else:
            taken.append(text)
            n += 1

def by_pop3(who):
    while not ends.is_set():
        try:
            with socket.create_connection(("127.0.0.1", 110)) as s:
                s.recv(100)
                s.sendall(b"QUIT\r\n")
                s.recv(100)
        except ConnectionRefusedError as e:
            refused.append(f"pop3 {e}")
        except ConnectionResetError:
            pass

threading.excepthook = lambda e: refused.append(f"{e.exc_type.__name__} {e.exc_value}")
threads = [threading.Thread(target=f, args=(f"{f.__name__}-{i}",)) for i in range(2) for f in (by_smtp, by_sendmail, by_pop3)]
for t in threads:
    t.start()
print("ready", flush=True)
sys.stdin.read()
ends.set()
for t in threads:
    t.join()
print("refused", len(refused), sorted(set(refused))[:5])
print("again", again)
print("taken", *taken)
'''


def next_version(m):
    """The same package with a higher version; returns its path in the machine."""
    tree, made = os.path.join(m.folder, "next"), m.path("/root/sambar-mail-next.deb")
    subprocess.run(["dpkg-deb", "--raw-extract", m.package, tree], check=True)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control) as f:
        text = f.read()
    with open(control, "w") as f:
        f.write(re.sub(r"^(Version: .*)$", r"\1+1", text, flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made], check=True, stdout=subprocess.DEVNULL)
    return "/root/sambar-mail-next.deb"


def upgrade_refuses_nobody(m):
    """Clients of SMTP, POP3 and sendmail are never refused, and what they handed in is in the mailbox."""
    package, pid = next_version(m), main_pid(m)
    m.write("/root/client.py", CLIENT)
    domain = m.run("sambarctl", "config", "get", "Mail Server").split()[-1]
    client = m.start("python3", "/root/client.py", domain, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == "ready\n"
    m.wait_journal(lambda e: e.get("SAMBAR_EVENT") == "delivered")
    m.run(*APT, "install", package)
    assert main_pid(m) != pid, "the new version runs"
    for _ in range(3):
        m.run("systemctl", "restart", "sambar.service")
    out = client.communicate("")[0].splitlines()
    assert out[0] == "refused 0 []", out[:2]
    taken = out[2].split()[1:]
    assert len(taken) > 20
    for text in taken[-1:]:
        wait_message(m, "ann", f"load {text}.")
    m.run("systemctl", "restart", "sambar.service")
    lost = set(taken) - set(re.findall(r"load (\S+)\.\r\n", "".join(messages(m, "ann"))))
    queued = m.run("mailq")
    assert not lost or "no mail" not in queued, f"lost: {sorted(lost)[:10]} of {len(taken)}"
    for text in lost:
        wait_message(m, "ann", f"load {text}.")


def configuration_is_kept(m):
    """The administrator's settings and the mail are what they were."""
    assert m.run("sambarctl", "config", "get", "SMTP Server").strip().endswith("127.0.0.2:25")
    assert any("hello ann" in t for t in messages(m, "ann"))
    assert "+1" in m.run("dpkg-query", "-W", "-f", "${Version}", "sambar-mail")


def ports_end_with_the_service(m):
    """systemctl stop: nothing holds the ports, and the next start binds them anew."""
    m.run("systemctl", "stop", "sambar.service")
    m.run("systemctl", "reset-failed", "sambar.service", check=False)
    assert ":25 " not in m.run("ss", "-tln")
    assert not os.path.exists(m.path("/run/sambar"))
    status, _ = m.run("sendmail", "root", stdin="Subject: x\n\nx\n", check=False)
    assert status == 75
    m.run("systemctl", "start", "sambar.service")
    assert ":25 " in m.run("ss", "-tln")


def removed_ports_close(m):
    """A port that the configuration drops is not held on for the next start."""
    m.run("systemctl", "reset-failed", "sambar.service")      # so many starts in so few seconds are our doing
    m.run("sambarctl", "config", "set", "Submission", "none")
    assert ":587 " not in m.run("ss", "-tln")
    m.run("systemctl", "restart", "sambar.service")
    assert ":587 " not in m.run("ss", "-tln")
    m.run("sambarctl", "config", "set", "Submission", "127.0.0.1:587")
    assert ":587 " in m.run("ss", "-tln")


STEPS = [upgrade_refuses_nobody, configuration_is_kept, ports_end_with_the_service, removed_ports_close]
