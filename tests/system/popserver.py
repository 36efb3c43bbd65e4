"""A POP3 server as a test wants it: what it lists, what its ids are, and where it breaks off."""
import base64
import socket
import threading


class PopServer:
    """messages: [id, bytes] each, changed by the test between sessions. Only QUIT deletes.

    drop: {verb: n}: the n-th time in a session that this verb comes, the connection is closed without an answer.
    rules: {verb: bytes}: what is said instead of an answer. hooks: {verb: function}, called once, before the answer.
    tls: a context, for TLS from the start.
    token: what lets in by XOAUTH2 and OAUTHBEARER, then the only way.
    """

    def __init__(self, *messages, uidl=True, user="ann", password="secret", token=None, tls=None):
        self.messages = [list(m) for m in messages]
        self.uidl, self.user, self.password, self.token = uidl, user, password, token
        self.drop, self.rules, self.hooks, self.tls, self.sessions, self.seen = {}, {}, {}, tls, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            with connection:
                try:
                    self._serve(self.tls.wrap_socket(connection, server_side=True) if self.tls else connection)
                except OSError:
                    pass

    def _serve(self, connection):
        lines = connection.makefile("rb")
        shown, deleted, counts, user = [list(m) for m in self.messages], set(), {}, None
        connection.sendall(b"+OK ready\r\n")
        for line in lines:
            verb, *words = line.decode("latin-1").split() or [""]
            verb = verb.upper()
            self.seen.append(line.strip())
            counts[verb] = counts.get(verb, 0) + 1
            if self.drop.get(verb) == counts[verb]:
                return
            self.hooks.pop(verb, lambda: None)()
            if verb in self.rules:
                connection.sendall(self.rules[verb])
                continue
            left = [(i, m) for i, m in enumerate(shown, 1) if i not in deleted]
            number = int(words[0]) if words and words[0].isdigit() else 0
            one = dict(left).get(number)
            if verb == "CAPA":
                answer = b"+OK\r\n" + (b"SASL XOAUTH2 OAUTHBEARER\r\n" if self.token else b"USER\r\n") + (b"UIDL\r\n" if self.uidl else b"") + b"PIPELINING\r\nTOP\r\n.\r\n"
            elif verb == "USER":
                user, answer = words[0], b"+OK\r\n"
            elif verb == "PASS":
                good = (user, words[0]) == (self.user, self.password)
                answer = b"+OK\r\n" if good else b"-ERR no\r\n"
            elif verb == "AUTH" and self.token:
                if len(words) == 1:
                    connection.sendall(b"+ \r\n")
                    words.append(next(lines).strip().decode())
                said = base64.b64decode(words[1]).decode("latin-1")
                good = f"Bearer {self.token}\x01" in said and self.user in said
                answer = b"+OK\r\n" if good else b"-ERR [AUTH] no\r\n"
            elif verb == "STAT":
                answer = b"+OK %d %d\r\n" % (len(left), sum(len(m[1]) for _, m in left))
            elif verb == "LIST" and not words:
                answer = b"+OK\r\n" + b"".join(b"%d %d\r\n" % (i, len(m[1])) for i, m in left) + b".\r\n"
            elif verb == "UIDL" and not words and self.uidl:
                answer = b"+OK\r\n" + b"".join(b"%d %s\r\n" % (i, m[0]) for i, m in left) + b".\r\n"
            elif verb in ("RETR", "TOP") and one:
                text = one[1] if verb == "RETR" else one[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                answer = b"+OK\r\n" + b"".join((b"." if part.startswith(b".") else b"") + part + b"\r\n"
                                               for part in text.split(b"\r\n")[:-1]) + b".\r\n"
            elif verb == "DELE" and one:
                deleted.add(number)
                answer = b"+OK\r\n"
            elif verb in ("NOOP", "RSET"):
                answer = b"+OK\r\n"
            elif verb == "QUIT":
                gone = [shown[i - 1] for i in deleted]
                for m in gone:
                    self.messages.remove(m)
                connection.sendall(b"+OK\r\n")
                return
            else:
                answer = b"-ERR\r\n"
            connection.sendall(answer)
