"""Speaks HTTP to the admin pages, over TCP or a unix socket; reads their metrics."""
import http.client
import json
import re
import socket

from support import wait_for


class Admin:
    """The admin pages of a daemon whose `listen` is "127.0.0.1:0" or "unix:PATH"."""

    def __init__(self, daemon):
        def found():
            return re.findall(r"event=admin msg=\"listening on (\S+)\"", daemon.log())
        self.where = wait_for(found, lambda: f"it listens:\n{daemon.log()}")[-1]

    def connect(self):
        """A socket of one's own."""
        if self.where.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.connect(self.where[5:])
        else:
            host, _, port = self.where.rpartition(":")
            made = socket.create_connection((host.strip("[]"), int(port)))
        made.settimeout(20)
        return made

    def ask(self, path, method="GET", headers=None):
        """Status, headers, text."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def raw(self, *pieces):
        """Sends bytes; what comes back until the server closes."""
        with self.connect() as made:
            try:
                for piece in pieces:
                    made.sendall(piece)
                made.shutdown(socket.SHUT_WR)
                got = b""
                while chunk := made.recv(65536):
                    got += chunk
            except OSError:  # it has seen enough
                return b""
        return got

    def get(self, path):
        status, _, text = self.ask(path)
        assert status == 200, (path, status, text)
        return text

    def status(self):
        return json.loads(self.get("/status"))

    def wait_status(self, condition, what):
        """Its first status that is as wanted: what stands in Redis is read every two seconds."""
        def good():
            status = self.status()
            return status if condition(status) else None
        return wait_for(good, lambda: f"{what}: {self.status()}")

    def metrics(self):
        """Samples by their name with labels."""
        lines = [x for x in self.get("/metrics").splitlines() if x and not x.startswith("#")]
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}
