"""A private Postfix: its own configuration, queue and port; mails end in a Maildir.

Postfix starts as root only, to hand its parts to other users; Postfix.reason() says why it cannot
be had, if so. Needs no systemd, no syslog and nothing of /etc/postfix."""
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

from rig import RigError, die_with_parent, free_port, wait_until

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
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = {admitted}, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{{
        {{ refused@example.com = REJECT }}, {{ later@example.com = 450 4.2.1 Later }} }},
    {admitted}, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
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

TLS = """
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_tls_received_header = yes
"""

LOGIN = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = mail.test
smtpd_sasl_authenticated_header = yes
cyrus_sasl_config_path = {dir}/config/sasl
"""

SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {dir}/config/sasl/users
mech_list: {mechanisms}
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


class Postfix:
    """tls: (certificate file, key file); then STARTTLS must be. login: (user, password); then
    nobody else may send."""

    @staticmethod
    def reason(login=False):
        """Why there can be none; "" if there can."""
        if not shutil.which("postfix"):
            return "postfix is not installed"
        if login and not shutil.which("saslpasswd2"):
            return "sasl2-bin is not installed"
        return "" if os.geteuid() == 0 else "postfix starts as root only"

    def __init__(self, tls=None, login=None, mechanisms="PLAIN LOGIN"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sendq-postfix-"))
        self.process = self.port = None
        owner = pwd.getpwnam("postfix")
        cert, key = tls or ("", "")
        self.names = {
            "dir": self.directory, "cert": cert, "key": key, "mechanisms": mechanisms,
            "uid": owner.pw_uid, "gid": owner.pw_gid,
            "admitted": "permit_sasl_authenticated" if login else "permit_mynetworks",
            "commands": self.default("command_directory"),
            "daemons": self.default("daemon_directory")}
        self.directory.chmod(0o755)
        for name in ("config", "config/sasl", "queue", "data", "mail", "log"):
            (self.directory / name).mkdir()
        for name in ("data", "mail"):
            os.chown(self.directory / name, owner.pw_uid, owner.pw_gid)
        self.write("config/main.cf", MAIN + (TLS if tls else "") + (LOGIN if login else ""))
        if login:
            self.write("config/sasl/smtpd.conf", SASL)
            self.add_user(*login)

    def write(self, name, text):
        (self.directory / name).write_text(text.format(**self.names))

    def add_user(self, user, password):
        users = self.directory / "config/sasl/users"
        subprocess.run(["saslpasswd2", "-c", "-p", "-f", users, "-u", "mail.test", user],
                       input=password, text=True, check=True, capture_output=True)
        os.chown(users, self.names["uid"], self.names["gid"])

    @staticmethod
    def default(name):
        return subprocess.run(["postconf", "-dh", name], check=True, capture_output=True,
                              text=True).stdout.strip()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """On a free port; another one, should somebody have been quicker to take it."""
        for attempts_left in reversed(range(3)):
            self.port = free_port()
            self.write("config/master.cf", MASTER.replace("{port}", str(self.port)))
            self.launch()
            try:
                wait_until(self.answers, "Postfix does not answer")
                return
            except RigError as error:
                self.end_process()
                if not attempts_left:
                    raise RigError(f"{error}\n{self.log()[-2000:]}") from error

    def launch(self):
        """Its master process as a child of ours, so that it ends with us."""
        config = self.directory / "config"
        checked = subprocess.run(["postfix", "-c", config, "check"], capture_output=True,
                                 text=True, check=False)
        if checked.returncode:
            raise RigError(f"postfix check: {checked.stderr}")
        with open(self.directory / "log/master", "ab") as log:
            self.process = subprocess.Popen(
                [f"{self.names['daemons']}/master", "-c", config, "-s"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def stop(self):
        self.end_process()
        shutil.rmtree(self.directory, ignore_errors=True)

    def end_process(self):
        """SIGTERM goes on to all that master has started."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def log(self):
        path = self.directory / "log/maillog"
        return path.read_text() if path.exists() else ""

    def answers(self):
        if self.process.poll() is not None:
            raise RigError(f"Postfix ended with {self.process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    @property
    def endpoint(self):
        return f"smtp://127.0.0.1:{self.port}"

    def paths(self):
        """One file per mail and recipient."""
        return sorted((self.directory / "mail/all/new").glob("*"))
