"""An SMTP server of the test: it takes everything, or does what the test says at a verb."""
import contextlib
import socket
import threading


class Sink:
    """script: {verb: reply, or a function of the sink that returns one}; "greeting" and "end" are verbs too.

    A reply of None closes the connection. Each connection has a thread.
    """

    def __init__(self, host="127.0.0.1", port=0, script=None):
        self.script = dict(script or {})
        self.lines, self.messages, self.connections = [], [], 0
        self.listening = socket.create_server((host, port))
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

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listening.accept()
                self.connections += 1
                self.threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
                self.threads[-1].start()

    def _reply(self, sock, verb, usual):
        reply = self.script.get(verb, usual)
        reply = reply(self) if callable(reply) else reply
        if reply is None:
            raise ConnectionError
        sock.sendall(reply.encode() + b"\r\n")
        return reply

    def _serve(self, sock):
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as lines:
            self._reply(sock, "greeting", "220 sink.test ESMTP")
            for line in lines:
                self.lines.append(line.rstrip(b"\r\n").decode("utf-8", "replace"))
                verb = self.lines[-1].split(" ")[0].split(":")[0].upper()
                usual = {"EHLO": "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME", "DATA": "354 go", "QUIT": "221 bye"}
                reply = self._reply(sock, verb, usual.get(verb, "250 2.0.0 ok"))
                if verb == "DATA" and reply.startswith("354"):
                    self._message(sock, lines)

    def _message(self, sock, lines):
        message = b""
        for line in lines:
            if line == b".\r\n":
                self.messages.append(message)
                self._reply(sock, "end", "250 2.0.0 taken")
                return
            message += line[1:] if line.startswith(b".") else line
