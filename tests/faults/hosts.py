"""A host of one's own: network and mount namespaces, joined to this one by a pair of interfaces."""
import ctypes
import os
import shutil
import subprocess
import threading
import time

from support import end_with_parent

CLONE_NEWNET = 0x40000000


def run(*command):
    subprocess.run([str(c) for c in command], check=True, capture_output=True)


class Host:
    """`address` is its own, `peer` is this host's at the other end of the wire `wire`."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "--propagation", "private", "sleep", "infinity"],
            stderr=subprocess.DEVNULL, preexec_fn=end_with_parent)
        self.pid = self.holder.pid
        self.net = f"/proc/{self.pid}/ns/net"
        third = self.pid % 250  # several at once, by other tests
        self.wire = f"sq{self.pid}"
        self.peer, self.address = f"10.203.{third}.1", f"10.203.{third}.2"
        try:
            self._join()
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def _join(self):
        own = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + 10
        while os.readlink(self.net) == own:  # unshare has not got so far
            if self.holder.poll() is not None or time.monotonic() > end:
                raise OSError("no namespaces")
            time.sleep(0.005)
        run("ip", "link", "add", self.wire, "type", "veth", "peer", "name", "eth0", "netns",
            self.pid)
        run("ip", "addr", "add", f"{self.peer}/30", "dev", self.wire)
        run("ip", "link", "set", self.wire, "up")
        self.do("ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
        self.do("ip", "link", "set", "eth0", "up")
        self.do("ip", "link", "set", "lo", "up")

    @property
    def prefix(self):
        """What makes a command run there; the process stays the one that was started."""
        return ["nsenter", f"--net={self.net}", f"--mount=/proc/{self.pid}/ns/mnt"]

    def do(self, *command):
        run(*self.prefix, *command)

    def call(self, function):
        """function() by a thread that is there: the sockets it makes stay there."""
        found = []

        def there():
            with open(self.net, encoding="ascii") as net:
                if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) == 0:
                    found.append(function())

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        return found[0]

    def close(self):
        subprocess.run(["ip", "link", "delete", self.wire], capture_output=True, check=False)
        self.holder.kill()
        self.holder.wait()


def why_none():
    """Why a test cannot have a host of its own, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("unshare", "nsenter", "ip", "tc"):
        if not shutil.which(program):
            return f"{program} is not installed"
    try:
        Host().close()
    except (OSError, subprocess.CalledProcessError):
        return "the kernel permits no network namespace with an interface of its own"
    return None
