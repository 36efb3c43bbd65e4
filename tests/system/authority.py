"""Certificates for servers at 127.0.0.1: by an authority of the test's own, by nobody, too old, for another address."""
import os
import ssl
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.roots = self.path("ca.crt")
        self._run("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=Authority of the test", "-keyout", "ca.key", "-out", "ca.crt")
        with open(self.path("ca.conf"), "w") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.path('index')}\nnew_certs_dir={folder}\nserial={self.path('serial')}\n"
                    "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def _run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def certificate(self, kind):
        """good, expired, other (for another address) or self (signed by itself). The base name of NAME.crt and NAME.key."""
        address = "127.0.0.9" if kind == "other" else "127.0.0.1"
        extension = f"subjectAltName=IP:{address}"
        if kind == "self":
            self._run("req", "-x509", *KEY, "-days", "2", "-subj", f"/CN={address}", "-addext", extension, "-keyout", "self.key", "-out", "self.crt")
            return self.path(kind)
        dates = ("20200101000000Z", "20200201000000Z") if kind == "expired" else ("20200101000000Z", "20491231000000Z")
        for name, text in (("index", ""), (f"{kind}.ext", extension + "\n")):
            with open(self.path(name), "w") as f:
                f.write(text)
        self._run("req", *KEY, "-subj", f"/CN={address}", "-keyout", f"{kind}.key", "-out", f"{kind}.csr")
        self._run("ca", "-batch", "-rand_serial", "-config", "ca.conf", "-in", f"{kind}.csr", "-cert", "ca.crt", "-keyfile", "ca.key", "-startdate", dates[0],
                  "-enddate", dates[1], "-extfile", f"{kind}.ext", "-out", f"{kind}.crt", "-notext")
        return self.path(kind)


def context(base):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(base + ".crt", base + ".key")
    return made


def fingerprint(base):
    done = subprocess.run(["openssl", "x509", "-in", base + ".crt", "-noout", "-fingerprint", "-sha256"], check=True, capture_output=True, text=True)
    return done.stdout.strip().partition("=")[2]
