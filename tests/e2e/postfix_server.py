"""A private Postfix: its own configuration, queue and port; mails end in a Maildir.

Postfix starts as root only, to hand its parts to other users; PostfixServer.reason() says why it
cannot be had, if so."""
import email
import email.policy
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

from support import wait_for

MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
mail_owner = postfix
command_directory = {commands}
daemon_directory = {daemons}
maillog_file = {dir}/log/maillog
maillog_file_prefixes = {dir}
myhostname = mail.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ refused@example.com=REJECT }}, permit
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_peername_lookup = no
message_size_limit = 52428800
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = example.com
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixServer:
    @staticmethod
    def reason():
        """Why there can be none; "" if there can."""
        if not shutil.which("postfix"):
            return "postfix is not installed"
        return "" if os.geteuid() == 0 else "postfix starts as root only"

    def __init__(self, tls):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sendq-postfix-"))
        self.port = self.free_port()
        owner = pwd.getpwnam("postfix")
        names = {"dir": self.directory, "cert": tls[0], "key": tls[1], "port": self.port,
                 "uid": owner.pw_uid, "gid": owner.pw_gid,
                 "commands": self.default("command_directory"),
                 "daemons": self.default("daemon_directory")}
        self.directory.chmod(0o755)
        for name in ("config", "queue", "data", "mail", "log"):
            (self.directory / name).mkdir()
        for name in ("data", "mail"):
            os.chown(self.directory / name, owner.pw_uid, owner.pw_gid)
        (self.directory / "config/main.cf").write_text(MAIN.format(**names))
        (self.directory / "config/master.cf").write_text(MASTER.format(**names))

    @staticmethod
    def default(name):
        return subprocess.run(["postconf", "-dh", name], check=True, capture_output=True,
                              text=True).stdout.strip()

    @staticmethod
    def free_port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def run(self, verb):
        return subprocess.run(["postfix", "-c", str(self.directory / "config"), verb],
                              capture_output=True, text=True)

    def __enter__(self):
        started = self.run("start")
        wait_for(self.answers, lambda: f"Postfix does not answer: {started} {self.log()}")
        return self

    def __exit__(self, *exc):
        self.run("abort")
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        path = self.directory / "log/maillog"
        return path.read_text() if path.exists() else ""

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    @property
    def endpoint(self):
        return f"smtp://127.0.0.1:{self.port}"

    def count(self):
        return sum(1 for _ in (self.directory / "mail").glob("all/new/*"))

    def mails(self):
        return [email.message_from_bytes(p.read_bytes(), policy=email.policy.default)
                for p in (self.directory / "mail").glob("all/new/*")]

    def wait(self, count, timeout=60):
        """Waits for so many mails in all; then all of them."""
        wait_for(lambda: self.count() >= count,
                 lambda: f"{count} mails: {self.count()} came\n{self.log()[-2000:]}", timeout)
        return self.mails()
