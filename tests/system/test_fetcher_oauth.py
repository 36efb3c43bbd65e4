"""Tokens of OAuth2 for collecting: from an endpoint, and from a command."""
import glob
import http.server
import json
import os
import re
import select
import ssl
import subprocess
import threading
import urllib.parse

import pytest


from fetching import EX_TEMPFAIL, mail
from popserver import PopServer


class TokenEndpoint:
    """Gives out access tokens for the refresh tokens in `good`; each use of one puts `next` in its place, if there is one."""

    def __init__(self, folder):
        self.good, self.next, self.access, self.asked = {"refresh-1"}, None, "access-1", []
        self.certificate = os.path.join(folder, "endpoint.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.certificate + ".key", "-out", self.certificate],
                       check=True, capture_output=True)
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                endpoint.asked.append(form)
                code, answer = endpoint.answer(form["refresh_token"][0])
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.certificate + ".key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, refresh):
        if refresh not in self.good:
            return 400, {"error": "invalid_grant"}
        answer = {"access_token": self.access, "token_type": "Bearer", "expires_in": 3600}
        if self.next:
            self.good, answer["refresh_token"] = {self.next}, self.next
            self.next = None
        return 200, answer

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint(here):
    server = TokenEndpoint(here.one.folder)
    here.one.configure("Trusted Roots", server.certificate)
    yield server
    server.end()


def test_oauth(here, endpoint):
    """A token lets in; a refresh token that the endpoint replaces is kept, also over a restart; one that is of no more use is told."""
    with PopServer([b"1", mail("a")], token="access-1") as server:
        keys = dict(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Endpoint=endpoint.url, OAuth_Client_ID="me", OAuth_Refresh_Token="refresh-1")
        here.section(**keys)
        endpoint.next = "refresh-2"
        assert here.taken() == (1, 0)
        assert endpoint.asked[0]["client_id"] == ["me"] and endpoint.asked[0]["refresh_token"] == ["refresh-1"]
        assert here.taken() == (0, 0)
        assert endpoint.asked[-1]["refresh_token"] == ["refresh-2"]
        here.one.stop()
        here.one.start()
        assert here.taken() == (0, 0)
        assert endpoint.asked[-1]["refresh_token"] == ["refresh-2"]
        here.section(**{**keys, "OAuth_Refresh_Token": "other"})
        assert here.now(code=EX_TEMPFAIL)["end"] == "login refused"
        assert endpoint.asked[-1]["refresh_token"] == ["other"]
        assert "refresh-" not in here.one.log("fetch") + here.one.log("fetcher").replace("refresh-token", "")


def test_oauth_endpoint_that_is_not_believed(here, endpoint):
    here.one.configure("Trusted Roots", "/etc/ssl/certs/ca-certificates.crt")
    with PopServer([b"1", mail("a")], token="access-1") as server:
        here.section(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Endpoint=endpoint.url, OAuth_Client_ID="me", OAuth_Refresh_Token="refresh-1")
        assert here.now(code=EX_TEMPFAIL)["end"] in ("to be mended", "failed for now")
        assert endpoint.asked == []


def by_command(server, command, **keys):
    return dict(Server=f"127.0.0.1:{server.port}", Password=None, OAuth_Token_Command=command, **keys)


def test_token_command(here):
    """What a command prints lets in; nobody reads it in a log."""
    here.trace()
    with PopServer([b"1", mail("a")], token="access-7") as server:
        here.section(**by_command(server, "/bin/sh -c 'echo of the command >&2; printf \"access-%s\\\\n\" 7'"))
        shown = json.loads(here.one.ctl("fetch", "test", "work", "--json").stdout)
        assert shown["end"] == "ok" and shown["server"]["login"] in ("XOAUTH2", "OAUTHBEARER")
        assert here.taken() == (1, 0)
        here.one.wait_log("fetcher", "of the command")
        here.one.wait_mailbox("ann", 1)
        for path in glob.glob(here.one.path("log", "*")):
            with open(path, "rb") as f:
                assert b"access-7" not in f.read(), path


@pytest.mark.parametrize("command, why", [
    ("/bin/false", "has ended with status 1"), ("/bin/echo two words", "no token"), ("/bin/true", "no token"), ("/usr/bin/yes", "too much"),
    ("/bin/sh -c 'kill -9 $$'", "killed by signal 9")])
def test_token_command_fails(here, command, why):
    """Nobody logs in, and it is tried again."""
    here.one.expect_alarm("OAuth Token Command")
    with PopServer([b"1", mail("a")], token="access-7") as server:
        here.section(**by_command(server, command))
        section = here.now(code=EX_TEMPFAIL)
        assert section["end"] == "failed for now" and why in section["why"], section
        assert server.sessions == 0


def test_token_command_account(here):
    """It has no right that master has, and none of the programs'."""
    here.one.expect_alarm("OAuth Token Command")
    with PopServer([b"1", mail("a")], token="none") as server:
        here.section(**by_command(server, f"/bin/sh -c 'id -un >&2; cat {here.one.path('config', 'mail.ini')} >/dev/null && echo READ >&2; "
                                          "grep ^Cap /proc/self/status >&2; exit 1'"))
        here.now(code=EX_TEMPFAIL)
        here.one.wait_log("fetcher", "CapBnd")
        if os.geteuid() == 0:
            assert "READ" not in here.one.log("fetcher")
            assert re.search(r"CapEff:\s+0+$", here.one.log("fetcher"), re.M)


def test_token_command_ends_with_fetcher(here):
    """A stop does not wait for it, and it does not stay behind."""
    with PopServer([b"1", mail("a")], token="none") as server:
        here.section(**by_command(server, "/bin/sh -c 'echo pid=$$ >&2; exec sleep 1000'", Interval="1h"))
        started = here.one.wait_log("fetcher", r"pid=(\d+)")
        command = os.pidfd_open(int(started.group(1)))
        here.one.stop()
        select.select([command], [], [])
        os.close(command)


@pytest.mark.parametrize("command, why", [
    ("token", "absolute path"), ("/bin/echo 'a", "absolute path"), ("/nonexistent/token", "No such file"), ("/etc/passwd", "cannot be executed"),
    ("/etc", "cannot be executed")])
def test_token_command_is_checked(here, command, why):
    with open(here.one.path("config", "mail.ini"), "a") as f:
        f.write(f"\n[fetch work]\nServer = localhost\nUser = ann\nRouting = mailbox ann\nOAuth Token Command = {command}\n")
    done = here.one.ctl("check", check=False)
    assert done.returncode == 78 and why in done.stdout + done.stderr, done
