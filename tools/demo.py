"""The demo: a private Redis, the sandbox provider, a mail server, sendqd; example jobs go in, and
it shows what became of each: its status, the producer's answer, what the provider or the mail
server received, and what was refused. Exits 1 when a job did not end as it must."""
import base64
import contextlib
import email
import email.policy
import json
import os
import pathlib
import socket
import sys
import textwrap
import time
import uuid

from postfix import Postfix
from rig import ROOT, Rig, RigError, free_port, get_json, wait_until

NS = "demo"
JOBS = ROOT / "demo" / "jobs"
SECRETS = {"DEMO_SENDGRID_KEY": "SG.demo-key", "DEMO_TWILIO_TOKEN": "demo-token",
           "DEMO_WEBHOOK_SECRET": "whsec_dGhlIGRlbW8ncyBzZWNyZXQ6IG5vIHNlY3JldCBhdCBhbGwh"}
DELAY_S = 2  # how far ahead the reminder is scheduled

# title, file, what the envelope adds, how it must end
PLAN = [
    ("E-mail, as messaging-send shows it", "email.json", {}, "sent"),
    ("SMS by the sender it names (a webhook)", "sms.json", {}, "sent"),
    ("Instagram DM by the same sender", "instagram_dm.json", {}, "sent"),
    ("SMS that names no sender: the channel's default (twilio)", "sms_default_sender.json",
     {}, "sent"),
    (f"Reminder, HIGH priority, due in {DELAY_S} s", "reminder.json",
     {"priority": "HIGH", "scheduled_at": None}, "sent"),
    ("E-mail with an attachment, by SMTP to a mail server", "email_attachment.json",
     {"sender": "invoice-mail"}, "sent"),
    ("A job with a fault: no recipient", "invalid.json", {}, "rejected"),
]

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


def paint(colour, text):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return str(text)
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def headline(text):
    print("\n" + paint("bold", text) + "\n" + paint("dim", "-" * len(text)))


def show(label, value, width=88):
    """A label and its value, wrapped under each other."""
    lines = []
    for line in str(value).splitlines() or [""]:
        lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    print(f"  {paint('cyan', f'{label:<10}')} {lines[0]}")
    for line in lines[1:]:
        print(f"  {'':<10} {line}")


def compact(value):
    return json.dumps(value, ensure_ascii=False)


def readable(body):
    """JSON with blanks, where lines may break; anything else as it is."""
    try:
        return compact(json.loads(body))
    except ValueError:
        return body


class Job:
    def __init__(self, title, file, envelope, expected):
        self.title = title
        self.expected = expected
        self.body = json.loads((JOBS / file).read_text(encoding="utf-8"))
        self.id = str(uuid.uuid4())
        self.reply_to = f"demo-{pathlib.Path(file).stem}"
        self.envelope = dict(envelope)
        if "scheduled_at" in envelope:
            self.envelope["scheduled_at"] = int(time.time()) + DELAY_S
        self.answer = None

    def text(self):
        return compact({"id": self.id, "reply_to": self.reply_to, **self.envelope,
                        "body": self.body})


class Aiosmtpd:
    """The mail server where Postfix cannot be had; mails end in a Maildir too."""

    def __init__(self, rig):
        port, self.mails_in = free_port(), rig.dir / "mail/new"
        self.endpoint = f"smtp://127.0.0.1:{port}"
        process = rig.spawn("aiosmtpd", [
            sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}",
            "-c", "aiosmtpd.handlers.Mailbox", rig.dir / "mail"])

        def answers():
            rig.running("aiosmtpd", process)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as s:
                return s.recv(3) == b"220"

        wait_until(answers, "aiosmtpd does not answer")

    def paths(self):
        return sorted(self.mails_in.glob("*"))


@contextlib.contextmanager
def mail_server(rig):
    """A private Postfix; where it does not start, aiosmtpd."""
    with contextlib.ExitStack() as stack:
        reason = Postfix.reason()
        if not reason:
            try:
                server = stack.enter_context(Postfix())
            except (RigError, OSError) as error:
                reason = str(error).splitlines()[0]
        if reason:
            server = Aiosmtpd(rig)
        server.title = f"aiosmtpd, since {reason}" if reason else "Postfix"
        yield server


class Demo:
    def __init__(self, rig, mail):
        self.rig = rig
        self.mail = mail
        self.redis_url, self.redis = rig.redis()
        self.provider = rig.sandbox()
        config = (ROOT / "demo" / "sendqd.yaml.in").read_text(encoding="utf-8")
        rig.sendqd(config.replace("@REDIS@", self.redis_url).replace("@SANDBOX@", self.provider)
                   .replace("@SMTP@", mail.endpoint))
        self.jobs = [Job(*plan) for plan in PLAN]

    def push(self):
        headline("1. A producer pushes jobs: LPUSH to a list, nothing else")
        for job in self.jobs:
            self.redis.lpush(f"{NS}:jobs", job.text())
            show("LPUSH", f"{NS}:jobs  {job.text()}")

    def status(self, job):
        return self.redis.hget(f"{NS}:message:{job.id}", "status")

    def outcomes(self):
        """Waits for each job's answer; True when all ended as they must."""
        headline("2. What became of each")
        right = True
        for job in self.jobs:
            ended = self.outcome(job)
            right = right and ended == job.expected
            mark = paint("green", ended) if ended == job.expected else \
                paint("red", f"{ended}, expected {job.expected}")
            print(f"\n  {paint('bold', job.title)}: {mark}")
            if ended != "rejected":
                print(textwrap.indent(self.rig.sendqctl("message", job.id).rstrip(), "    "))
            show("answer", f"BRPOP {NS}:reply:{job.reply_to}  {compact(job.answer)}")
        return right

    def outcome(self, job):
        scheduled = "scheduled_at" in job.envelope
        if scheduled:
            seen = wait_until(lambda: self.status(job), f"{job.title}: a status")
            print(f"\n  {paint('bold', job.title)}: {seen} ...")
        popped = self.redis.brpop(f"{NS}:reply:{job.reply_to}", timeout=20)
        if popped is None:
            raise RigError(f"{job.title}: no answer; status {self.status(job)}")
        job.answer = json.loads(popped[1])
        return self.status(job) or "rejected"

    def received(self):
        headline("3. What the providers received (sandbox, in order of arrival)")
        requests = get_json(f"{self.provider}/_control/requests")["requests"]
        for request in requests:
            show(request["dialect"], f"{request['method']} {request['path']}  -> "
                 f"{request['status']}")
            show("", readable(request["body"]))
        return len(requests) == sum(job.expected == "sent" for job in self.jobs) - 1

    def delivered(self):
        """The mail as a mail reader finds it in the mailbox; True if it holds the job's file."""
        headline(f"4. What the mail server delivered ({self.mail.title}, read from its Maildir)")
        (job,) = [job for job in self.jobs if "sender" in job.envelope]
        (path,) = wait_until(self.mail.paths, "no mail was delivered")
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for name in ("From", "To", "Subject", "Date", "Message-ID"):
            show(name, mail[name])
        show("text", mail.get_body(("plain",)).get_content().strip())
        files = {f.get_filename(): f.get_payload(decode=True) for f in mail.iter_attachments()}
        for name, content in files.items():
            show("file", f"{name}, {len(content)} bytes")
        return files == {f["filename"]: base64.b64decode(f["content_base64"])
                         for f in job.body["attachments"]} and \
            mail["Subject"] == job.body["subject"]

    def rejected(self):
        headline(f"5. What was refused: the stream {NS}:rejected keeps the untouched job")
        entries = self.redis.xrange(f"{NS}:rejected")
        for entry_id, fields in entries:
            show("entry", entry_id)
            for name, value in fields.items():
                show(name, value)
        return len(entries) == sum(job.expected == "rejected" for job in self.jobs)

    def counters(self):
        headline("6. Counters of the day")
        for key in self.redis.keys(f"{NS}:stats:*"):
            for field, count in sorted(self.redis.hgetall(key).items()):
                show(count, field)


def main():
    os.environ.update(SECRETS)
    try:
        with Rig() as rig, mail_server(rig) as mail:
            demo = Demo(rig, mail)
            demo.push()
            right = demo.outcomes()
            right = demo.received() and right
            right = demo.delivered() and right
            right = demo.rejected() and right
            demo.counters()
    except RigError as error:
        sys.exit(f"demo: {error}")
    print()
    if not right:
        sys.exit("demo: not everything ended as it must, see above")
    print(paint("green", "All jobs ended as they must."))


if __name__ == "__main__":
    main()
