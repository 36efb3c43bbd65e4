"""Roots to install packages in: a Debian 12 with systemd and a kernel as debootstrap makes it, kept in build/, and
overlays over it that are thrown away.

Needs root and, when a root is made, the network. Everything else works without.
"""
import hashlib
import os
import re
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"

# What a Debian server has, and what speaks to its MTA. No MTA is among them.
BASE = "systemd systemd-sysv dbus ca-certificates"
USERS = ("cron at s-nail mutt php-cli git git-email libmailtools-perl swaks python3 python3-aiosmtpd mpop bash-completion"
         " zsh man-db logrotate procps iproute2 openssl curl netcat-openbsd")
# What a machine with a kernel of its own has besides. In a container they rest.
KERNEL = "linux-image-cloud-amd64 apparmor mdadm"
# Kept as files in apt's cache, each row by itself, so that apt can install them without a network.
OTHER_MTAS = ("exim4-daemon-light", "postfix")


def build_packages():
    """Those that INSTALL names."""
    with open(os.path.join(TOP, "INSTALL")) as f:
        found = re.search(r"needed to build:\n\n((?:    .*\n)+)", f.read())
    assert found, "INSTALL names the packages to build with"
    return found[1].split()


def recipe(depends):
    return [MIRROR, SUITE, BASE, USERS, KERNEL, *OTHER_MTAS, " ".join(build_packages()), " ".join(depends)]


def unit_options():
    """Where systemd runs this machine it makes a scope for a container; else there is no unit to leave."""
    return [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]


def in_root(root, *command):
    """In a root that is not booted, with the network of this machine."""
    subprocess.run(["systemd-nspawn", "--quiet", "--register=no", *unit_options(), "--console=pipe",
                    "--setenv=DEBIAN_FRONTEND=noninteractive", f"--directory={root}", *command],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def make(root, depends):
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Options::=--force-unsafe-io"]
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={BASE.replace(' ', ',')}", SUITE, root, MIRROR],
                   stdout=subprocess.DEVNULL, check=True)
    in_root(root, "apt-get", "update", "-q")
    in_root(root, *install, *USERS.split(), *KERNEL.split())
    in_root(root, "apt-get", "clean")
    for row in (depends, build_packages(), *([mta] for mta in OTHER_MTAS)):
        in_root(root, *install, "--download-only", *row)


def depends_of(package):
    """Names of what a package file needs."""
    text = subprocess.run(["dpkg-deb", "--field", package, "Pre-Depends", "Depends"], check=True, capture_output=True,
                          text=True).stdout
    return sorted({word.split()[0] for line in text.splitlines() for word in line.split(":", 1)[1].split(",")})


def base_for(package, folder):
    """The directory with a root in which apt can install this package; made when there is none."""
    depends = depends_of(package)
    name = hashlib.sha256("\n".join(recipe(depends)).encode()).hexdigest()[:12]
    root = os.path.join(folder, f"package-root-{name}")
    if os.path.isdir(root):
        return root
    for old in os.listdir(folder):
        if old.startswith("package-root-"):
            shutil.rmtree(os.path.join(folder, old))
    print("making a Debian root (once; some minutes)", flush=True)
    make(root + ".new", depends)
    os.rename(root + ".new", root)
    return root


class Overlay:
    """A root that starts as base and takes all changes with it when it ends. Only in a mount namespace of ours."""

    def __init__(self, base, folder):
        self.folder = folder
        self.path = os.path.join(folder, "root")
        for name in ("upper", "work", "root"):
            os.makedirs(os.path.join(folder, name))
        options = f"lowerdir={base},upperdir={folder}/upper,workdir={folder}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "package-root", self.path], check=True)

    def end(self):
        subprocess.run(["umount", self.path], check=True)
        shutil.rmtree(self.folder)
