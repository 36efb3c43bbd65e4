"""INSTALL, followed word by word on a machine that has a compiler only."""
import os
import re
import subprocess

from root import TOP, build_packages
from steps_install import APT
from steps_programs import wait_message

SOURCE = "/root/sambar-mail"


def chapters():
    """Of the part about the source: each heading with its blocks of commands."""
    with open(os.path.join(TOP, "INSTALL")) as f:
        text = f.read()
    text = text[text.index("Installing from source\n"):]
    parts = re.split(r"^(.+)\n[-=]{4,}\n", text, flags=re.M)[1:]
    return {name: re.findall(r"(?:^    .*\n)+", body, re.M) for name, body in zip(parts[::2], parts[1::2])}


def follow(m, chapter, block, **options):
    return m.sh(f"cd {SOURCE}\n{chapters()[chapter][block]}", **options)


def source_is_built(m):
    """The packages that INSTALL names are enough for make and make install."""
    m.run(*APT, "install", *build_packages())
    tree = subprocess.run(["tar", "-C", TOP, "-c", "--exclude=./build*", "--exclude=./.git", "."], check=True,
                          stdout=subprocess.PIPE).stdout
    os.makedirs(m.path(SOURCE))
    subprocess.run(["tar", "-C", m.path(SOURCE), "-x"], input=tree, check=True)
    m.before = set(m.sh("find /usr/local").splitlines())
    follow(m, "Installing from source", 1, env={"MAKEFLAGS": f"-s -j{os.cpu_count()}"})
    m.run("sambarctl", "help")


def instance_is_made(m):
    """Accounts, an instance, a user: it runs and takes mail."""
    follow(m, "Accounts", 0)
    follow(m, "An instance", 0, stdin="correct horse\n")
    m.run("sendmail", "ann", stdin="Subject: by hand\n\nsaid before\n")
    wait_message(m, "ann", "said before")
    follow(m, "An instance", 1)
    assert "0.0.0.0:25 " in m.run("ss", "-tln")


def unit_is_used(m):
    """The unit that make install has put there runs it, confined, and a restart refuses nobody."""
    follow(m, "systemd", 0)
    show = m.run("systemctl", "show", "--property=ActiveState,Type", "sambar.service")
    assert "ActiveState=active" in show and "Type=notify" in show
    m.run("systemctl", "restart", "sambar.service")
    m.run("sendmail", "ann", stdin="Subject: by the unit\n\nsaid after\n")
    wait_message(m, "ann", "said after")
    cron = chapters()["Logs"][0].strip()
    m.sh(cron.split(" root ", 1)[1])
    assert os.path.exists(m.path("/var/lib/sambar/log/smtpd.log.1"))


def profiles_are_in_place(m):
    """The AppArmor profiles that make install has put there are for its places; only the kernel to load them is missing."""
    copy = chapters()["AppArmor"][0].splitlines()[0]
    m.sh(copy)
    names = m.run("apparmor_parser", "--names", "/etc/apparmor.d/sambar").split()
    assert "sambar" in names and "sambar//smtpd" in names, names
    assert "@{SAMBAR_PROGRAMS} = /usr/local/lib/sambar\n" in m.sh("cat /etc/apparmor.d/sambar")
    m.run("apparmor_parser", "--skip-kernel-load", "--skip-cache", "/etc/apparmor.d/sambar")
    m.sh(chapters()["AppArmor"][-1].splitlines()[-1])


def source_is_removed(m):
    """Nothing is left of it."""
    follow(m, "Removing it", 0)
    assert set(m.sh("find /usr/local").splitlines()) - m.before <= {
        line for line in m.sh("find /usr/local -type d").splitlines()}
    assert not os.path.exists(m.path("/var/lib/sambar"))
    assert "sambar" not in m.sh("cat /etc/passwd /etc/group; ps -eo user:20,args")


STEPS = [source_is_built, instance_is_made, unit_is_used, profiles_are_in_place, source_is_removed]
