"""An IMAP server as a test wants it: its folders, what it makes of a MOVE, and where it breaks off."""
import socket
import threading


def in_set(text, uid):
    for part in text.split(","):
        first, _, last = part.partition(":")
        if int(first) <= uid <= (2 ** 32 if last == "*" else int(last or first)):
            return True
    return False


class ImapServer:
    """folders: {name: {uid: bytes}}. makes_folders: CREATE and then MOVE go well. heard: (selected folder, command) each.

    drop: {verb: (n, part)}: at the n-th time in a session that this verb comes, the connection is closed behind so much of the answer, from 0 to 1;
    what was to be done is done when it is above 0. rules: {verb: bytes}: what is said instead of an answer; @ is its tag.
    hooks: {verb: function}, called once, before the answer. tls: a context, for TLS from the start.
    """

    def __init__(self, folders, makes_folders=False, tls=None):
        self.folders, self.makes_folders, self.heard = folders, makes_folders, []
        self.drop, self.rules, self.hooks, self.tls, self.sessions = {}, {}, {}, tls, 0
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
                except (OSError, ValueError):   # it is gone, or has said what is no command
                    pass

    def _serve(self, connection):
        folder, counts, deleted = None, {}, set()
        connection.sendall(b"* OK ready\r\n")
        for line in connection.makefile("rb"):
            tag, verb, *words = line.decode().split()
            verb = verb.upper()
            if verb == "UID":
                verb, words = words[0].upper(), words[1:]
            self.heard.append((folder, f"{verb} {' '.join(words)}"))
            answer, end = b"", "OK"
            counts[verb] = counts.get(verb, 0) + 1
            at, part = self.drop.get(verb, (0, 0))
            if at == counts[verb] and part == 0:
                return
            self.hooks.pop(verb, lambda: None)()
            if verb in self.rules:
                connection.sendall(self.rules[verb].replace(b"@", tag.encode()))
                continue
            box = self.folders.get(folder, {})
            if verb == "CAPABILITY":
                answer = b"* CAPABILITY IMAP4rev1 MOVE UIDPLUS\r\n"
            elif verb == "LIST":
                answer = b"".join(b'* LIST () "/" "%s"\r\n' % name.encode() for name in self.folders)
            elif verb in ("SELECT", "EXAMINE"):
                folder = words[0].strip('"')
                answer = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" % len(self.folders[folder])
            elif verb == "SEARCH":
                answer = b"* SEARCH %s\r\n" % " ".join(map(str, box)).encode()
            elif verb == "FETCH":
                for uid, message in box.items():
                    if in_set(words[0], uid) and "BODY.PEEK[]" in line.decode():
                        answer += b"* 1 FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (uid, len(message), message)
                    elif in_set(words[0], uid):
                        answer += b"* 1 FETCH (UID %d RFC822.SIZE %d FLAGS ())\r\n" % (uid, len(message))
            elif verb == "MOVE":
                for uid in [u for u in box if in_set(words[0], u)] if self.makes_folders else []:
                    del box[uid]
                end = "OK" if self.makes_folders else "NO [TRYCREATE]"
            elif verb == "STORE" and "\\Deleted" in line.decode():
                deleted |= {uid for uid in box if in_set(words[0], uid)}
            elif verb == "EXPUNGE":
                for uid in [u for u in box if in_set(words[0], u) and u in deleted]:
                    del box[uid]
            elif verb == "CREATE" and not self.makes_folders:
                end = "NO"
            elif verb == "LOGOUT":
                answer = b"* BYE\r\n"
            answer += f"{tag} {end} x\r\n".encode()
            connection.sendall(answer[:int(len(answer) * part)] if at == counts[verb] else answer)
            if at == counts[verb]:
                return
