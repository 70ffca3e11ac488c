"""A DNS server of the tests' own: every A question is answered by `answer(number of the question)`,
a list of addresses that are to be forgotten at once; nothing else has an answer."""
import socket
import struct
import threading

A = 1


def name_end(data):
    at = 12
    while data[at]:
        at += data[at] + 1
    return at + 1


def reply(data, addresses):
    end = name_end(data)
    (kind,) = struct.unpack("!H", data[end:end + 2])
    found = addresses if kind == A else []
    records = b"".join(struct.pack("!HHHIH4s", 0xC00C, A, 1, 0, 4, socket.inet_aton(address))
                       for address in found)
    return (data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0) + data[12:end + 4]
            + records)


class Names:
    def __init__(self, address, answer):
        self.answer, self.asked = answer, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                data, peer = self.socket.recvfrom(2048)
                (kind,) = struct.unpack("!H", data[name_end(data):name_end(data) + 2])
                addresses = self.answer(self.asked) if kind == A else []
                self.asked += kind == A
                self.socket.sendto(reply(data, addresses), peer)
        except OSError:  # closed
            pass

    def close(self):
        self.socket.close()
