"""Raw clients: every byte that a test sends is the test's own."""
import collections
import os
import re
import socket
import ssl

Reply = collections.namedtuple("Reply", "code lines")
Reply.__str__ = lambda r: "\n".join(r.lines)
Reply.text = property(lambda r: " ".join(line[4:] for line in r.lines))


def enhanced(reply):
    """The enhanced status code of a reply, as 5.1.1, or ""."""
    found = re.match(r"\d{3}[- ](\d\.\d{1,3}\.\d{1,3})\b", reply.lines[-1])
    return found.group(1) if found else ""


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Closed(Exception):
    """The server has ended the connection; args[0] is what it had said of an unfinished line."""


class Line:
    """A TCP connection read line by line."""

    def __init__(self, port, host="127.0.0.1", tls=False, source=None):
        self.port = port
        self.sock = socket.create_connection((host, port), source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        if tls:
            self.start_tls()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def abort(self):
        """Ends the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def start_tls(self):
        self.sock = tls_context().wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])

    def line(self):
        """One line without its CRLF."""
        while b"\n" not in self.rest:
            try:
                more = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLError):
                more = b""
            if not more:
                raise Closed(self.rest)
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a line that does not end with CRLF: {line!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def at_end(self):
        """True when the server closes without a further byte."""
        try:
            raise AssertionError(f"one more line: {self.line()!r}")
        except Closed as closed:
            return closed.args[0] == b""

    def end(self):
        """Reads on until the server closes; returns the lines."""
        lines = []
        try:
            while True:
                lines.append(self.line())
        except Closed:
            return lines


class Smtp(Line):
    """An SMTP client that says what it is told to."""

    def __init__(self, port, hello="client.test", **options):
        super().__init__(port, **options)
        self.banner = self.reply()
        if hello:
            assert self.banner.code == 220, self.banner
            self.extensions = self.ehlo(hello)

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        assert all(re.match(r"[2-5]\d\d[- ]", line + " ") for line in lines), lines
        assert len({line[:3] for line in lines}) == 1, lines
        return Reply(int(lines[0][:3]), lines)

    def cmd(self, text):
        self.send(text if isinstance(text, bytes) else text + "\r\n")
        return self.reply()

    def ehlo(self, name="client.test"):
        reply = self.cmd(f"EHLO {name}")
        assert reply.code == 250, reply
        return {line[4:].split(" ", 1)[0].upper(): line[4:].split(" ", 1)[1:] for line in reply.lines[1:]}

    def starttls(self):
        reply = self.cmd("STARTTLS")
        assert reply.code == 220, reply
        self.start_tls()
        self.extensions = self.ehlo()

    def auth_plain(self, user, password):
        import base64
        return self.cmd("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())

    def envelope(self, *recipients, sender="s@client.test", options="", rcpt_options=""):
        reply = self.cmd(f"MAIL FROM:<{sender}>{options}")
        assert reply.code == 250, reply
        for recipient in recipients:
            reply = self.cmd(f"RCPT TO:<{recipient}>{rcpt_options}")
            assert reply.code == 250, (recipient, reply)

    def data(self, message):
        """DATA with the message's bytes as they are, which the caller has dot-stuffed."""
        reply = self.cmd("DATA")
        assert reply.code == 354, reply
        self.send(message + b".\r\n")
        return self.reply()

    def deliver(self, message, *recipients, **options):
        """One whole transaction; the answer to the end of data."""
        self.envelope(*recipients, **options)
        return self.data(stuffed(message))

    def quit(self):
        reply = self.cmd("QUIT")
        assert reply.code == 221, reply
        assert self.at_end()
        self.close()


class Pop(Line):
    """A POP3 client."""

    def __init__(self, port, user=None, password=None, **options):
        super().__init__(port, **options)
        self.banner = self.status()
        assert self.banner[0], self.banner
        if user:
            self.ok(f"USER {user}")
            self.ok(f"PASS {password}")

    def status(self):
        line = self.line()
        assert re.match(r"(\+OK|-ERR)( |$)", line), line
        return line.startswith("+OK"), line

    def cmd(self, text):
        self.send(text if isinstance(text, bytes) else text + "\r\n")
        return self.status()

    def ok(self, text):
        good, line = self.cmd(text)
        assert good, f"{text}: {line}"
        return line

    def err(self, text):
        good, line = self.cmd(text)
        assert not good, f"{text}: {line}"
        return line

    def body(self):
        """The lines of a multi-line answer, unstuffed."""
        lines = []
        while True:
            line = self.line()
            if line == ".":
                return lines
            lines.append(line[1:] if line.startswith(".") else line)

    def multi(self, text):
        self.ok(text)
        return self.body()

    def message(self, command):
        return "".join(line + "\r\n" for line in self.multi(command)).encode("utf-8", "surrogateescape")

    def quit(self):
        self.ok("QUIT")
        assert self.at_end()
        self.close()


def stuffed(message):
    """Dot-stuffing of RFC 5321 4.5.2."""
    return re.sub(rb"(?m)^\.", b"..", message) if b"\n." in message or message.startswith(b".") else message


def text_message(token, size=0, sender="s@client.test", to="ann@example.test"):
    """A message with its token in a header; with lines up to about size bytes in all."""
    message = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {token}\r\nX-Token: {token}\r\n"
               f"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-Id: <{token}@client.test>\r\n\r\n").encode()
    line = b"abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ ....\r\n"
    message += line * max(0, (size - 1 - len(message)) // len(line))
    return message + f"end of {token}\r\n".encode()


def pid_of_peer(sock):
    """The process behind a UNIX socket."""
    import struct
    return struct.unpack("iii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def is_root():
    return os.geteuid() == 0
