"""A day in the life of sendqd and sendqctl, for valgrind (./run valgrind): every stage and every kind
of end once. An exit code other than 0 is an error or a leak, or a bug."""
import os
import signal

from ctl_client import Ctl
from mail_server import MailServer, certificate
from support import body, envelope, wait_for
from test_attachments import mail, stored
from test_bad_jobs import REFUSED
from test_bulk import job as bulk_job
from test_bulk import people, put_leads, wait_bulk
from test_large_mail import inline
from test_smtp import smtp_sender

SLOW = {"worker": {"lease": "20s"}, "redis": {"timeout": "15s"}}


def start(stand, senders=None, **settings):
    daemon = stand.daemon(stand.config(senders, **(SLOW | settings)))
    return daemon.start(timeout=120)


def end(daemon):
    assert daemon.stop(timeout=120) == 0, daemon.log()[-3000:]


def test_messages(stand, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.txt").write_text("a")
    stand.sandbox.faults([
        {"match": {"recipient": "again@*"}, "times": 1, "action": {"status": 503}},
        {"match": {"recipient": "cut@*"}, "times": 1, "action": {"kind": "reset"}},
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    sender = stand.sender("grid", dialect="sendgrid", credentials={"api_key": "k"}, default=False)
    daemon = start(stand, [stand.sender(retry={"base": "5ms"}), sender],
                   attachments={"root": str(tmp_path / "root")}, admin={"listen": "127.0.0.1:0"})
    ids = stand.push(
        envelope(reply_to="r", idempotency_key="k"), envelope(body("again@example.com")),
        envelope(body("cut@example.com")), envelope(body("bad@example.com")),
        envelope(body(contact_id="c", deal_id="d", html_content="<p>x</p>")),
        envelope(uncertain="fail", priority="HIGH", tenant="t"),
        mail("http://127.0.0.1:1/", sender="grid"), stored("a.txt") | {"sender": "grid"},
        stored("../a.txt"), envelope(scheduled_at="2099-01-01T00:00:00Z"))
    stand.push(*REFUSED.values())
    stand.wait_final(ids[:8], timeout=300)
    stand.wait_rejected(len(REFUSED) + 1, timeout=300)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.notify.count("READY=1") > 1, daemon.log, timeout=120)
    end(daemon)


def test_mails(stand, tmp_path):
    """With TLS, and one so large that its text stays in Redis."""
    tls = certificate(tmp_path)
    with MailServer(tls=tls) as server:
        daemon = start(stand, [smtp_sender(stand, server, timeout="120s")],
                       tls={"ca_file": tls[0]})
        stand.wait_final(stand.push(inline(os.urandom(2 << 20)), inline(b"small")), timeout=300)
        assert len(server.mails) == 2
        end(daemon)


def test_bulks(stand):
    daemon = start(stand)
    put_leads(stand, people(300))
    put_leads(stand, {"odd": {"first_name": "<b>", "email": "none", "tags": ["a"]}})
    jobs = [bulk_job({"filters": {"conditions": [{"id": "g", "conditions": [
        {"id": "c", "field": "first_name", "operator": "is_not_empty"}]}]}}),
        bulk_job({"lead_ids": ["odd", "lead-1", "nobody"]})]
    stand.push(*jobs)
    for job in jobs:
        wait_bulk(stand, job["id"], timeout=300)
    end(daemon)


def test_sendqctl(stand, tmp_path):
    daemon = start(stand)
    ctl = Ctl(stand)
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id], timeout=120)
    job = tmp_path / "job.json"
    job.write_text("{}")
    leads = tmp_path / "leads.csv"
    leads.write_text("id,First Name,email\n1,Ana,a@example.com\n")
    for words in (["status"], ["status", "--json"], ["message", message_id], ["queue"], ["limits"],
                  ["leads", "import", leads], ["fsck"], ["rejected"], ["dead"], ["stats"],
                  ["events"], ["worker"], ["sender"]):
        ctl.run(*words)
    ctl.run("validate", job, code=1)
    end(daemon)
