"""The smtp provider against a real server: envelopes, logins, TLS, refusals, lost connections."""
import pytest
from mail_server import MailServer, certificate
from support import body, envelope, new_id, wait_for


def job(to="a@example.com", sender=None, **members):
    mail = {"to": to, "subject": "A subject", "body_text": "Hello.\n"} | members
    return {"id": new_id(), "format": "email", "body": mail} | ({"sender": sender} if sender else {})


def smtp_sender(stand, server, name="mail", **settings):
    options = {"tls": "none"} if not server.tls or server.implicit else {}
    options |= settings.pop("options", {})
    return {"id": name, "provider": "smtp", "channels": ["email"], "endpoint": server.endpoint,
            "default": name == "mail", "from": {"address": "support@acme.example", "name": "Acme"},
            "options": options, "limits": {"concurrency": 10}} | settings


def sent(stand, message_id, timeout=20):
    m = stand.wait_final([message_id], timeout)[message_id]
    assert m["status"] == "sent", f"{m}\n{stand.logs()}"
    return m


def failed(stand, message_id):
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "failed", m
    return m


def test_envelope_and_id(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server)])
        (i,) = stand.push(job(to=["Ann <a@example.com>", "b@example.com"], cc=["c@example.com"],
                              bcc=["hidden@example.com", "a@example.com"]))
        m = sent(stand, i)
        (mail,) = server.wait(1)
    assert m["provider_message_id"] == f"<{i}@acme.example>" == mail.message["Message-ID"]
    assert mail.sender == "support@acme.example"
    assert mail.recipients == ["a@example.com", "b@example.com", "c@example.com",
                               "hidden@example.com"]
    assert b"hidden" not in mail.content
    assert mail.message["Bcc"] is None
    assert m["provider"] == "smtp"


def test_starttls_and_login(stand, tmp_path):
    tls = certificate(tmp_path)
    with MailServer(tls=tls, password="s3cret") as server:
        stand.start(senders=[smtp_sender(stand, server, credentials={
            "username": "user", "password": "s3cret"})], tls={"ca_file": tls[0]})
        (i,) = stand.push(job())
        sent(stand, i)
        assert server.logins == ["PLAIN"] or server.logins == ["LOGIN"]


def test_tls_from_the_start(stand, tmp_path):
    tls = certificate(tmp_path)
    with MailServer(tls=tls, implicit=True) as server:
        stand.start(senders=[smtp_sender(stand, server)], tls={"ca_file": tls[0]})
        (i,) = stand.push(job())
        sent(stand, i)


def test_no_starttls_no_mail(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, options={"tls": "starttls"},
                                         retry={"attempts": 1})])
        (i,) = stand.push(job())
        assert failed(stand, i)["error_code"] == "provider_error"
        assert not server.mails


def test_an_unknown_certificate_is_refused(stand, tmp_path):
    with MailServer(tls=certificate(tmp_path)) as server:
        stand.start(senders=[smtp_sender(stand, server, retry={"attempts": 1})])
        (i,) = stand.push(job())
        failed(stand, i)
        assert not server.mails


def test_a_wrong_password_breaks_the_sender(stand, tmp_path):
    tls = certificate(tmp_path)
    with MailServer(tls=tls, password="s3cret") as server:
        stand.start(senders=[smtp_sender(stand, server, credentials={
            "username": "user", "password": "c4nary"})], tls={"ca_file": tls[0]})
        stand.push(job())
        wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "broken",
                 lambda: stand.logs())
        assert not server.mails
        assert "c4nary" not in stand.logs()


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_permanent_refusals(stand, verb):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server)])
        server.rule(verb, "550 5.1.1 No such user here")
        (i,) = stand.push(job())
        m = failed(stand, i)
        assert m["error_code"] == "provider_error"
        assert "SMTP 550: 5.1.1 No such user here" in m["error_message"]
        assert m["attempts"] == "1"
        (j,) = stand.push(job())
        sent(stand, j)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["451 4.3.0 Later please", "421 4.3.2 Shutting down"])
def test_temporary_refusals_are_tried_again(stand, verb, reply):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, retry={"base": "10ms"})])
        server.rule(verb, reply)
        (i,) = stand.push(job())
        assert sent(stand, i)["attempts"] == "2"
        assert len(server.mails) == 1


def test_garbage_before_the_mail_is_tried_again(stand):
    """What is no reply is none: the timeout of the sender ends it."""
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, uncertain="fail", timeout="1s",
                                         retry={"base": "10ms"})])
        server.rule("RCPT", "\x01\x02 what?")
        (i,) = stand.push(job())
        assert sent(stand, i)["attempts"] == "2"
        assert len(server.mails) == 1


def test_garbage_after_the_mail_is_uncertain(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, uncertain="fail", timeout="2s")])
        server.rule("DATA", "\x01\x02 what?")
        (i,) = stand.push(job())
        assert failed(stand, i)["error_code"] == "outcome_unknown"


def test_throttling_is_no_attempt(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server)])
        server.rule("MAIL", "454 4.7.0 Throttling failure: maximum sending rate exceeded")
        (i,) = stand.push(job())
        assert sent(stand, i)["attempts"] == "1"


def test_one_refused_recipient_refuses_all(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server)])
        server.rule("RCPT", "550 5.1.1 Unknown", match="b@")
        (i,) = stand.push(job(to=["a@example.com", "b@example.com"]))
        failed(stand, i)
        assert not server.mails


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_a_connection_lost_before_the_mail_is_no_risk(stand, verb):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, uncertain="fail", retry={"base": "10ms"})])
        server.rule(verb, drop=True)
        (i,) = stand.push(job())
        sent(stand, i)
        assert len(server.mails) == 1


def test_a_connection_lost_after_the_mail_is_uncertain(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server, uncertain="fail")])
        server.rule("DATA", drop=True)
        (i,) = stand.push(job())
        assert failed(stand, i)["error_code"] == "outcome_unknown"


def test_a_server_that_hangs_in_quit_stops_nobody(stand):
    """Curl says QUIT after a refusal and would wait for the answer, and everything with it."""
    with MailServer() as server, MailServer() as other:
        server.rule("QUIT", hang=True, times=1000)
        server.rule("RCPT", "550 5.1.1 Unknown", match="bad", times=1000)
        stand.start(senders=[smtp_sender(stand, server), smtp_sender(stand, other, "other")])
        bad = stand.push(*[job(to=f"bad{n}@example.com") for n in range(20)])
        good = stand.push(*[job(sender="other") for n in range(20)])
        final = stand.wait_final(bad + good, timeout=15)
        assert {final[i]["status"] for i in good} == {"sent"}
        assert {final[i]["status"] for i in bad} == {"failed"}


def test_a_thousand_mails_over_reused_connections(stand, tmp_path):
    tls = certificate(tmp_path)
    with MailServer(tls=tls, password="s3cret") as server:
        stand.start(senders=[smtp_sender(stand, server, credentials={
            "username": "user", "password": "s3cret"}, limits={"concurrency": 4})],
            tls={"ca_file": tls[0]})
        ids = stand.push(*[job(to=f"r{n}@example.com") for n in range(1000)])
        final = stand.wait_final(ids, timeout=120)
        assert {m["status"] for m in final.values()} == {"sent"}
        assert sorted(m.recipients[0] for m in server.mails) == sorted(
            f"r{n}@example.com" for n in range(1000))
        assert server.connections <= 20
        assert len(server.logins) <= 20


def test_xoauth2(stand, sandbox):
    with MailServer(token="smtp-token-1") as server:
        stand.start(senders=[smtp_sender(
            stand, server, credentials={
                "username": "user@acme.example", "client_id": "id", "client_secret": "secret",
                "refresh_token": "refresh"},
            token_endpoint=sandbox.endpoint("oauth") + "/smtp/token")])
        (i,) = stand.push(job())
        sent(stand, i)
        assert server.logins == ["user=user@acme.example\x01auth=Bearer smtp-token-1\x01\x01"]


def test_a_refused_xoauth2_token_is_renewed_once(stand, sandbox):
    """As if the first token had been withdrawn: the login with the second one is taken."""
    with MailServer(token="smtp-token-2") as server:
        stand.start(senders=[smtp_sender(
            stand, server, credentials={
                "username": "user@acme.example", "client_id": "id", "client_secret": "secret",
                "refresh_token": "refresh"},
            token_endpoint=sandbox.endpoint("oauth") + "/smtp/token")])
        (i,) = stand.push(job())
        assert sent(stand, i)["attempts"] == "1"
        assert len(sandbox.requests("oauth")) == 2


def test_unicode_addresses(stand):
    with MailServer() as server:
        stand.start(senders=[smtp_sender(stand, server)])
        (i,) = stand.push(job(to="Jürgen <jürgen@bücher.example>"))
        sent(stand, i)
        (mail,) = server.mails
        assert mail.recipients == ["jürgen@xn--bcher-kva.example"]
        assert "SMTPUTF8" in mail.options
        (i,) = stand.push(job(to="juergen@bücher.example"))
        sent(stand, i)
        assert server.mails[1].recipients == ["juergen@xn--bcher-kva.example"]


def test_a_server_without_smtputf8(stand):
    """A local part outside ASCII cannot be sent there, now or later."""
    with MailServer(utf8=False) as server:
        stand.start(senders=[smtp_sender(stand, server, retry={"base": "10ms", "attempts": 3})])
        (i,) = stand.push(job(to="jürgen@example.com"))
        m = failed(stand, i)
        assert m["attempts"] == "1"
        assert not server.mails


def test_a_server_that_thinks_about_a_mail_holds_up_nobody(stand):
    """Between the mail's end and the reply to it, others are sent: other mails, and other channels."""
    with MailServer() as server:
        stand.start([smtp_sender(stand, server), stand.sender("texts", ["sms"])])
        stop = server.rule("DATA", match="slow@", times=3, hang=True)
        slow = stand.push(*[job(to=f"slow@{n}.example.com") for n in range(3)])
        wait_for(lambda: stop["times"] == 0, "they are under way")
        stand.wait_final(stand.push(*[job(to=f"r{n}@example.com") for n in range(30)],
                                    envelope(body("+14155550100"))))
        assert {stand.status(i) for i in slow} == {"sending"}
        server.release(stop)
        assert {m["attempts"] for m in stand.wait_final(slow).values()} == {"1"}
        assert len(server.mails) == 33 and server.connections < 33


def test_a_daemon_ends_although_a_server_thinks(stand):
    with MailServer() as server:
        daemon = stand.start([smtp_sender(stand, server)], drain_timeout="300ms")
        stop = server.rule("DATA", hang=True)
        (message_id,) = stand.push(job())
        wait_for(lambda: stop["times"] == 0, "it is under way")
        assert daemon.stop() == 0
        server.release(stop)
        stand.start([smtp_sender(stand, server)])
        sent(stand, message_id)
