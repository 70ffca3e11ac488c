"""An SMTP server in a thread of its own (aiosmtpd), with TLS, logins and faults on request.

    with MailServer(tls=certificate(tmp_path), password="secret") as server:
        ... point a sender at server.endpoint ...
        server.wait(1)
        server.mails[0].message["Subject"]
"""
import asyncio
import base64
import collections
import email
import email.policy
import ssl
import subprocess
import threading
import types

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from support import wait_for

Mail = collections.namedtuple("Mail", "sender recipients options content message peer")


def certificate(directory):
    """A self-signed certificate for 127.0.0.1: (certificate file, key file)."""
    cert, key = str(directory / "mail.pem"), str(directory / "mail.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Handler:
    """Keeps what arrives; a rule (verb -> reply) answers in the server's place."""

    def __init__(self, server):
        self.server = server

    def fault(self, verb, argument):
        for rule in self.server.rules:
            if rule["verb"] == verb and rule.get("match", "") in argument and rule["times"]:
                rule["times"] -= 1
                return rule
        return None

    async def answer(self, server, verb, argument):
        """None, or the reply of a rule. {"drop": True} breaks the connection instead."""
        rule = self.fault(verb, argument)
        if rule is None:
            return None
        if rule.get("drop"):
            server.transport.abort()
            await asyncio.sleep(3600)
        if rule.get("hang"):
            await rule["released"].wait()
        return rule.get("reply")

    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await self.answer(server, "MAIL", address)
        if reply:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = await self.answer(server, "RCPT", address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        content = envelope.original_content
        reply = await self.answer(server, "DATA", ",".join(envelope.rcpt_tos))
        if reply:
            return reply
        self.server.mails.append(Mail(
            envelope.mail_from, envelope.rcpt_tos, envelope.mail_options, content,
            email.message_from_bytes(content, policy=email.policy.default), session.peer))
        return f"250 2.0.0 Ok: queued as Q{len(self.server.mails)}"

    async def handle_QUIT(self, server, session, envelope):
        await self.answer(server, "QUIT", "")
        return "221 2.0.0 Bye"


class Session(SMTP):
    """A rule for "BODY" acts between the answer to DATA and the mail, of which nothing is read then
    but what fits into buffers."""

    async def push(self, status):
        await super().push(status)
        if status.startswith("354"):
            await self.event_handler.answer(self, "BODY", ",".join(self.envelope.rcpt_tos))


class MailServer:
    def __init__(self, tls=None, implicit=False, password=None, token=None, utf8=True):
        self.tls, self.implicit, self.password, self.token = tls, implicit, password, token
        self.utf8 = utf8
        self.mails, self.rules, self.logins = [], [], []
        self.connections = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.port = None

    def context(self):
        if not self.tls:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.tls)
        return context

    def authenticate(self, server, session, envelope, mechanism, data):
        self.logins.append(mechanism)
        good = isinstance(data, LoginPassword) and data.password == (self.password or "").encode()
        return AuthResult(success=good, handled=False)

    def protocol(self):
        self.connections += 1
        starttls = self.tls and not self.implicit
        smtp = Session(Handler(self), hostname="mail.test", data_size_limit=64 << 20,
                       enable_SMTPUTF8=self.utf8, decode_data=False,
                       tls_context=self.context() if starttls else None,
                       require_starttls=bool(starttls),
                       auth_required=bool(self.password or self.token),
                       auth_require_tls=bool(starttls), authenticator=self.authenticate,
                       loop=self.loop)
        if self.token:
            self.offer_xoauth2(smtp)
        return smtp

    def offer_xoauth2(self, smtp):
        """SASL XOAUTH2: base64("user=" user ^A "auth=Bearer " token ^A ^A)."""
        async def auth(server, args):
            text = base64.b64decode(args[1] if len(args) > 1 else b"").decode()
            self.logins.append(text)
            good = f"auth=Bearer {self.token}\x01" in text
            return AuthResult(success=good, handled=False, auth_data=b"x")

        smtp._auth_methods.clear()
        smtp._auth_methods["XOAUTH2"] = types.SimpleNamespace(method=auth, is_builtin=False)

    def __enter__(self):
        self.thread.start()
        create = self.loop.create_server(self.protocol, "127.0.0.1", 0,
                                         ssl=self.context() if self.implicit else None)
        self.server = asyncio.run_coroutine_threadsafe(create, self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def end(self):
        self.server.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def endpoint(self):
        return f"{'smtps' if self.implicit else 'smtp'}://127.0.0.1:{self.port}"

    def rule(self, verb, reply=None, match="", times=1, **how):
        """What becomes of the next `times` such commands: another reply, drop or hang. Returns the
        rule; release() ends its hanging."""
        self.rules.append({"verb": verb, "reply": reply, "match": match, "times": times,
                           "released": asyncio.Event()} | how)
        return self.rules[-1]

    def release(self, rule):
        self.loop.call_soon_threadsafe(rule["released"].set)

    def wait(self, count, timeout=30):
        wait_for(lambda: len(self.mails) >= count,
                 lambda: f"{count} mails: {len(self.mails)} came", timeout)
        return self.mails
