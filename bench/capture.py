"""A tiny HTTP server that shows what reaches the wire, and when: one thread, one request at a time."""
import selectors
import socket
import time

ANSWER = (b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
          b"Content-Length: 10\r\n\r\n" b'{"id":"x"}')


def request_length(data):
    """Bytes of the first whole request in data, or 0 while it is incomplete."""
    head, found, _ = data.partition(b"\r\n\r\n")
    if not found:
        return 0
    body = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            body = int(value)
    total = len(head) + 4 + body
    return total if len(data) >= total else 0


class Capture:
    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._pending = {}
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for connection in self._pending:
            connection.close()
        self._selector.close()
        self._listener.close()

    def next_request(self, timeout=20.0):
        """(raw request, monotonic time its first bytes were read); answers 202."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for key, _ in self._selector.select(0.1):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    got = self._read(key.fileobj)
                    if got:
                        return got
        raise TimeoutError(f"no request within {timeout:g} s")

    def _accept(self):
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ)
        self._pending[connection] = (b"", 0.0)

    def _read(self, connection):
        now = time.monotonic()
        chunk = connection.recv(1 << 20)
        data, first = self._pending[connection]
        if not chunk:
            self._selector.unregister(connection)
            del self._pending[connection]
            connection.close()
            return None
        data, first = data + chunk, first or now
        length = request_length(data)
        self._pending[connection] = (data[length:], first) if length == 0 else (data[length:], 0.0)
        if length == 0:
            return None
        connection.sendall(ANSWER)
        return data[:length], first
