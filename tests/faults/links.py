"""What stands between a daemon and its servers: a TCP proxy that delays, resets, or swallows; and
servers that answer whatever bytes they are told to."""
import random
import socket
import struct
import threading
import time


class Proxy:
    """address:port -> target (host, port). All may be changed while it runs: `delay` seconds a
    piece of data is held up, `resets` the probability with which a piece breaks its connection,
    `swallow`: what comes goes nowhere, and nobody is told."""

    def __init__(self, target, seed=1, address="127.0.0.1"):
        self.target, self.delay, self.resets, self.swallow = target, 0.0, 0.0, False
        self.passed = self.broken = 0
        self._random = random.Random(seed)
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                time.sleep(self.delay)  # the fault itself
                if self.swallow:
                    continue
                if self._random.random() < self.resets:
                    self.broken += 1
                    break
                self.passed += 1
                sink.sendall(data)
        except OSError:
            pass
        reset(source)
        reset(sink)

    def cut(self):
        """Resets every connection there is."""
        for s in list(self._open):
            reset(s)
        self._open.clear()

    def close(self):
        self._listener.close()
        self.cut()


def reset(s):
    """RST instead of FIN."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


def give_port(server):
    """Makes a Redis on a unix socket listen on a TCP port, too."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server.client.config_set("port", port)
    return port


class RawServer:
    """Reads an HTTP request, then sends `pieces()`'s bytes and closes. With a TLS context, speaks
    TLS; a handshake that fails is counted. `reached`: the address of each connection's own end."""

    def __init__(self, pieces, context=None, address="127.0.0.1"):
        self.pieces, self.context, self.requests, self.handshakes_failed = pieces, context, [], 0
        self.reached = []
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.reached.append(client.getsockname()[0])
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
        except OSError:
            self.handshakes_failed += 1
            client.close()
            return
        try:
            request = read_request(client)
            if not request:  # it ended the connection right after the handshake
                self.handshakes_failed += 1
                raise OSError("no request")
            self.requests.append(request)
            for piece in self.pieces():
                client.sendall(piece)
        except OSError:  # the daemon has heard enough
            pass
        client.close()

    def close(self):
        self._listener.close()


def read_request(client):
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536) or b"\r\n\r\n"
    head, _, rest = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(rest) < length:
        rest += client.recv(65536) or b"\0" * length
    return head.decode(errors="replace")
