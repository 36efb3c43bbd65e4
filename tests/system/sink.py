"""An SMTP server of the test: it takes everything, or does what the test says at a verb."""
import base64
import collections
import contextlib
import hashlib
import hmac
import socket
import ssl
import threading

Taken = collections.namedtuple("Taken", "sender recipients message tls")


class Sink:
    """script: {verb: reply, or a function of the conversation that returns one}; "greeting" and "end" are verbs too.

    A reply of None closes the connection, ... is the usual one; bytes are sent as they are. Each connection has a thread.
    tls: a server's SSLContext; it offers STARTTLS, or with implicit speaks TLS from the start.
    users: {name: password} for AUTH, which is offered with the mechanisms in auth.
    messages: bytes of all whose end has come; taken: those that a 2xx reply was given to.
    """

    def __init__(self, host="127.0.0.1", port=0, script=None, tls=None, implicit=False, auth="", users=None,
                 features=("PIPELINING", "8BITMIME"), name="sink.test"):
        self.script, self.name, self.features = dict(script or {}), name, features
        self.tls, self.implicit, self.auth, self.users = tls, implicit, auth, dict(users or {})
        self.lines, self.messages, self.taken, self.talks, self.connections = [], [], [], [], 0
        self.changed = threading.Condition()
        self.listening = socket.create_server((host, port), backlog=200)
        self.port = self.listening.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for talk in self.talks:
            talk.close()

    def wait(self, predicate):
        """Returns predicate()'s value as soon as it is true; asks again after each line, message and connection."""
        with self.changed:
            return self.changed.wait_for(predicate)

    def wait_taken(self, count):
        self.wait(lambda: len(self.taken) >= count)
        return self.taken

    def tell(self, field, value):
        with self.changed:
            field.append(value)
            self.changed.notify_all()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listening.accept()
                with self.changed:
                    self.connections += 1
                    self.changed.notify_all()
                self.talks.append(Conversation(self, sock))
                self.threads.append(threading.Thread(target=self.talks[-1].run, daemon=True))
                self.threads[-1].start()


class Conversation:
    """One connection to a sink. line: the last that was heard."""

    def __init__(self, sink, sock):
        self.sink, self.sock, self.lines = sink, sock, None
        self.line, self.sender, self.recipients, self.secure = "", None, [], None

    def run(self):
        with contextlib.suppress(OSError, ssl.SSLError, ConnectionError):
            with self.sock:
                try:
                    self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self.sink.implicit:
                        self._start_tls()
                    self.lines = self.sock.makefile("rb")
                    self._serve()
                finally:
                    self.close()

    def close(self):
        with contextlib.suppress(OSError):      # the descriptor lives on where makefile() holds it
            self.sock.shutdown(socket.SHUT_RDWR)

    def _start_tls(self):
        self.sock = self.sink.tls.wrap_socket(self.sock, server_side=True)
        self.secure = self.sock.version()
        self.lines = self.sock.makefile("rb")

    def send(self, reply):
        self.sock.sendall(reply if isinstance(reply, bytes) else reply.encode() + b"\r\n")

    def hear(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError
        self.line = line.rstrip(b"\r\n").decode("utf-8", "replace")
        self.sink.tell(self.sink.lines, self.line)
        return self.line

    def _choose(self, verb, usual):
        reply = self.sink.script.get(verb, usual)
        reply = reply(self) if callable(reply) else reply
        return usual if reply is ... else reply

    def _reply(self, verb, usual):
        reply = self._choose(verb, usual)
        if reply is None:
            raise ConnectionError
        self.send(reply)
        return reply if isinstance(reply, str) else reply.decode("latin-1")

    def _hello(self):
        offers = [self.sink.name, *self.sink.features]
        if self.sink.tls and not self.secure:
            offers.append("STARTTLS")
        if self.sink.auth:
            offers.append("AUTH " + self.sink.auth)
        return "\r\n".join(f"250{'-' if i + 1 < len(offers) else ' '}{offer}" for i, offer in enumerate(offers))

    def _serve(self):
        self._reply("greeting", f"220 {self.sink.name} ESMTP")
        while True:
            verb = self.hear().split(" ")[0].split(":")[0].upper()
            if verb == "AUTH" and "AUTH" not in self.sink.script:
                self.send("235 2.7.0 welcome" if self._is_known() else "535 5.7.8 who are you")
                continue
            usual = {"EHLO": self._hello(), "QUIT": "221 bye", "DATA": "354 go" if self.recipients else "554 5.5.1 nobody to send it to"}
            if verb == "RCPT" and self.sender is None:
                usual["RCPT"] = "503 5.5.1 MAIL first"
            if self.sink.tls:
                usual["STARTTLS"] = "220 go"
            reply = self._reply(verb, usual.get(verb, "250 2.0.0 ok"))
            self._after(verb, reply)
            if verb == "QUIT":
                return

    def _after(self, verb, reply):
        if verb == "STARTTLS" and reply.startswith("220"):
            self._start_tls()
        elif verb == "RSET":
            self.sender, self.recipients = None, []
        elif verb == "MAIL" and reply.startswith("2"):
            self.sender, self.recipients = self._path(), []
        elif verb == "RCPT" and reply.startswith("2"):
            self.recipients.append(self._path())
        elif verb == "DATA" and reply.startswith("354"):
            self._message()

    def _path(self):
        return self.line.split("<", 1)[1].split(">")[0]

    def _message(self):
        message = b""
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError
            if line == b".\r\n":
                break
            message += line[1:] if line.startswith(b".") else line
        self.sink.tell(self.sink.messages, message)
        self.message = message
        taken = Taken(self.sender, tuple(self.recipients), message, self.secure)
        reply = self._choose("end", "250 2.0.0 taken")
        self.sender, self.recipients = None, []
        if reply is None:
            raise ConnectionError
        try:
            self.send(reply)
        finally:                                # not before: who waits for it may close the sink
            if isinstance(reply, str) and reply.startswith("2"):
                self.sink.tell(self.sink.taken, taken)

    # ---- AUTH ----

    def _ask(self, challenge):
        self.send("334 " + base64.b64encode(challenge.encode()).decode())
        return base64.b64decode(self.hear()).decode()

    def _is_known(self):
        _, mechanism, *initial = self.line.split(" ")
        if mechanism == "PLAIN":
            given = base64.b64decode(initial[0]).decode() if initial else self._ask("")
            _, user, password = given.split("\0")
        elif mechanism == "LOGIN":
            user = base64.b64decode(initial[0]).decode() if initial else self._ask("Username:")
            password = self._ask("Password:")
        else:
            challenge = "<1896.697170952@sink.test>"
            user, digest = self._ask(challenge).rsplit(" ", 1)
            secret = self.sink.users.get(user, "").encode()
            return digest == hmac.new(secret, challenge.encode(), hashlib.md5).hexdigest()
        return self.sink.users.get(user) == password
