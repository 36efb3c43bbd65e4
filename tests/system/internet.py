"""The world outside, within a network of a test's own: name servers, hosts with addresses of their own on port 25, certificates.

192.0.2.0/24 is this machine's in a private_network(); 192.0.2.1 is the one address that the suite can find.
The zone has hN.test with the address 192.0.2.N and dN.test with the MX hN.test, for N from 10 to 250, and what the
module adds; 2.0.192.in-addr.arpa has what the module gives. signed.test has the same names, signed. nsd serves both; unbound, which validates, stands before it.
"""
import os
import signal
import ssl
import subprocess
import tempfile

from events import wait_until
from sambar import read
from sink import Sink

SERVER, RESOLVER = "127.0.0.1:5300", "127.0.0.1:5301"


def address(n):
    return f"192.0.2.{n}"


class Internet:
    def __init__(self, zone="", signed="", resolver=False, reverse=""):
        self.folder = tempfile.mkdtemp(prefix="internet-")
        os.chmod(self.folder, 0o755)
        self.processes, self.hosts = [], []
        self._certificates()
        self._zones(zone, signed, reverse)
        self._nsd()
        if resolver:
            self._unbound()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def run(self, *command):
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        assert done.returncode == 0, (command, done.stdout)
        return done.stdout

    def spawn(self, *command, ready, log, **options):
        """Starts a program; it is there when its log says so."""
        with open(self.path(log), "ab") as f:
            self.processes.append(subprocess.Popen(command, stdout=f, stderr=f, stdin=subprocess.DEVNULL, cwd=self.folder, **options))
        wait_until(lambda: ready in read(self.path(log)).decode("utf-8", "replace"), self.path(log))
        return self.processes[-1]

    def end(self):
        for host in self.hosts:
            host.close()
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()
        subprocess.run(["rm", "-rf", self.folder])

    # ---- names ----

    def _zones(self, zone, signed, reverse):
        names = "".join(f"h{n} A {address(n)}\nd{n} MX 10 h{n}\n" for n in range(10, 251))
        head = "$ORIGIN %s\n$TTL 60\n@ SOA ns.test. root.test. 1 3600 600 86400 1\n@ NS ns.test.\n"
        self.write("test.zone", head % "test." + "ns A 127.0.0.1\nsigned NS ns\n" + names + zone)
        self.write("reverse.zone", head % "2.0.192.in-addr.arpa." + reverse)
        self.write("signed.zone", head % "signed.test." + names + "\n".join(self._tlsa(line) for line in signed.splitlines()) + "\n")
        key = self.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "signed.test").strip()
        with open(self.path(key + ".key")) as f:
            self.anchor = f.read()
        self.run("ldns-signzone", "-f", "signed.zone.signed", "signed.zone", key)

    def _tlsa(self, line):
        """3 1 1 of a certificate in place of its name."""
        name, _, certificate = line.partition(" TLSA-OF ")
        return f"_25._tcp.{name} TLSA 3 1 1 {self.key_digest(certificate)}" if certificate else line

    def _nsd(self):
        zones = "".join(f"zone:\n name: {name}\n zonefile: {self.path(file)}\n" for name, file in (
            ("test", "test.zone"), ("signed.test", "signed.zone.signed"), ("broken.test", "nosuch.zone"), ("2.0.192.in-addr.arpa", "reverse.zone")))
        self.write("nsd.conf", f"""server:
 ip-address: {SERVER.replace(":", "@")}
 server-count: 1
 database: ""
 username: ""
 zonesdir: "{self.folder}"
 pidfile: "{self.path('nsd.pid')}"
 xfrdfile: "{self.path('xfrd.state')}"
 xfrdir: "{self.folder}"
 zonelistfile: "{self.path('zone.list')}"
 logfile: "{self.path('nsd.log')}"
remote-control:
 control-enable: no
{zones}""")
        self.spawn("nsd", "-d", "-c", self.path("nsd.conf"), ready="nsd started", log="nsd.log")

    def _unbound(self):
        stubs = "".join(f"stub-zone:\n name: {name}\n stub-addr: {SERVER.replace(':', '@')}\n" for name in ("test", "signed.test"))
        self.write("anchor", self.anchor)
        self.write("unbound.conf", f"""server:
 interface: {RESOLVER.replace(":", "@")}
 do-not-query-localhost: no
 local-zone: "test." nodefault
 trust-anchor-file: "{self.path('anchor')}"
 trust-anchor: "bogus.test. DS 12345 13 2 {'ab' * 32}"
 domain-insecure: "test."
 username: ""
 chroot: ""
 directory: "{self.folder}"
 pidfile: "{self.path('unbound.pid')}"
 use-syslog: no
 logfile: "{self.path('unbound.log')}"
 verbosity: 1
 num-threads: 1
remote-control:
 control-enable: no
{stubs}""")
        self.spawn("unbound", "-d", "-c", self.path("unbound.conf"), ready="start of service", log="unbound.log")

    # ---- certificates ----

    def _certificates(self):
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                 "-out", "ca.crt", "-days", "30", "-subj", "/CN=Authority of the test")

    def certificate(self, name, signed=True, days=30, rsa=False):
        """The base name of files NAME.crt and NAME.key; days below 0: it has expired."""
        base = f"{name}-{'ca' if signed else 'self'}{'' if days > 0 else '-expired'}{'-rsa' if rsa else ''}"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        if os.path.exists(self.path(base + ".crt")):
            return base
        self.run("openssl", "req", "-newkey", *kind, "-nodes", "-keyout", base + ".key",
                 "-out", base + ".csr", "-subj", f"/CN={name}")
        self.write(base + ".ext", f"subjectAltName=DNS:{name}\n")
        dates = (["-days", str(days)] if days > 0 else ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"])
        if days > 0:
            issuer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"] if signed else ["-signkey", base + ".key"]
            self.run("openssl", "x509", "-req", "-in", base + ".csr", *issuer, *dates, "-extfile", base + ".ext", "-out", base + ".crt")
            return base
        self.write("index", "")
        self.write("ca.conf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.path('index')}\nnew_certs_dir={self.folder}\nserial={self.path('serial')}\n"
                   "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        self.run("openssl", "ca", "-batch", "-rand_serial", "-config", "ca.conf", "-in", base + ".csr", "-cert", "ca.crt", "-keyfile", "ca.key",
                 *dates, "-extfile", base + ".ext", "-out", base + ".crt", "-notext")
        return base

    def key_digest(self, name):
        """SHA-256 of the public key of the self-signed certificate for a name, as TLSA 3 1 1 has it."""
        base = self.certificate(name, signed=False)
        return self.run("sh", "-c", f"openssl x509 -in {base}.crt -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum").split()[0]

    def context(self, base):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(base + ".crt"), self.path(base + ".key"))
        return context

    # ---- hosts ----

    def host(self, n, **options):
        """A sink that is hN.test; certificate: the base name of its certificate's files."""
        certificate = options.pop("certificate", None)
        if certificate:
            options["tls"] = self.context(certificate)
        self.hosts.append(Sink(address(n), options.pop("port", 25), name=options.pop("name", f"h{n}.test"), **options))
        return self.hosts[-1]
