"""A browser without a page: HTTP requests to webd, with its cookie and token."""
import http.client
import json
import socket
import ssl


class Web:
    def __init__(self, instance, user=None, tls=False):
        self.instance, self.user = instance, user
        self.port = instance.port("HTTPS" if tls else "HTTP")
        self.tls, self.cookie, self.csrf = tls, None, None
        if user:
            status, self.session = self.login(user, f"{user}-secret")
            assert status == 200, self.session

    def connect(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)

    def ask(self, method, path, body=None, headers=()):
        """(status, JSON or bytes, headers)"""
        headers = dict(headers)
        if self.cookie:
            headers.setdefault("Cookie", self.cookie)
        if method == "POST" and self.csrf:
            headers.setdefault("X-CSRF-Token", self.csrf)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.getheader("Content-Type", "").startswith("application/json"):
            data = json.loads(data)
        return answer.status, data, answer.headers

    def get(self, path, **parameters):
        status, data, _ = self.ask("GET", path)
        assert status == 200, (path, status, data)
        return data

    def post(self, path, body, status=200):
        got, data, _ = self.ask("POST", path, body)
        assert got == status, (path, got, data)
        return data

    def login(self, user, password):
        status, data, headers = self.ask("POST", "/api/login", {"user": user, "password": password})
        if status == 200:
            self.cookie = headers["Set-Cookie"].split(";")[0]
            self.csrf = data["csrf"]
        return status, data

    def folders(self):
        return {folder["name"]: folder for folder in self.get("/api/folders")["folders"]}

    def rows(self, folder, more=""):
        return self.get(f"/api/messages?folder={self.folders()[folder]['id']}{more}")["messages"]


def raw(instance, data, listener="HTTP"):
    """All that comes back for these bytes, until webd closes."""
    with socket.create_connection(("127.0.0.1", instance.port(listener)), timeout=60) as sock:
        sock.sendall(data)
        answer = b""
        while True:
            try:
                piece = sock.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return answer
            answer += piece
