"""The status page in a real browser: Debian's chromium-headless-shell (or chromium), if it is
installed."""
import re

import pytest
from admin_client import Admin
from browser import CHROMIUM, Browser
from support import body, envelope

EVIL = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
SHOWN = "document.querySelector('#tiles dd') !== null"


@pytest.fixture
def browser(tmp_path):
    if CHROMIUM is None:
        pytest.skip("no browser is installed (package chromium-headless-shell)")
    with Browser(tmp_path) as it:
        yield it


def address(admin):
    return f"http://{admin.where}/"


def tiles(browser):
    return browser.value("Object.fromEntries([...document.querySelectorAll('#tiles div')].map("
                         "d => [d.children[0].textContent, d.children[1].textContent]))")


def test_the_page_shows_the_keys(stand, browser):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    admin = Admin(stand.start([stand.sender(limits={"day": "5/day"}),
                               stand.sender("second", default=False)],
                              admin={"listen": "127.0.0.1:0"}))
    stand.push(*[envelope() for _ in range(7)])
    dead, = stand.push(envelope(body("bad@example.com"), sender="second"))
    stand.wait_final([dead])
    stand.sandbox.wait_accepted(5, "sandbox")
    # As a provider or a producer with evil in mind would have it.
    stand.redis.hset(stand.key("message", dead), "error_message", EVIL)
    stand.redis.zadd(stand.key("bulks"), {EVIL: 1})
    stand.redis.hset(stand.key("bulk", EVIL), mapping={
        "status": "sending", "total_leads": 2000, "messages_queued": 500, "messages_sent": 1490,
        "messages_failed": 10, "messages_cancelled": 0})
    admin.wait_status(lambda s: s.get("bulks") and s["failures"] and s["today"]["sent"] == 5
                      and s["failures"][0]["error_message"] == EVIL
                      and s["senders"][0]["state"] == "day_cap", "all is there")
    mail = stand.redis.hgetall(stand.key("sender", "mail"))

    browser.open(address(admin))
    browser.wait(SHOWN)
    shown = tiles(browser)
    assert shown["sent today"] == "5" and shown["failed today"] == "1"
    assert shown["messages ready"] == mail["waiting"] == "2" and shown["dead letters"] == "1"
    senders = {row[0]: row for row in browser.cells("senders")[1:]}
    assert senders["mail"][1:4] == [mail["state"], mail["waiting"], "0"]
    assert senders["mail"][6] == f"{mail['sent_today']} of {mail['day_cap']}"
    assert senders["second"][5] == "1"
    assert browser.cells("bulks")[1][:3] == [EVIL, "sending", "1,500 of 2,000"]
    assert browser.value("document.querySelector('#bulks progress').position") == 0.75
    failure = browser.cells("failures")[1]
    assert failure[2] == EVIL and failure[6] == dead
    assert browser.value("document.querySelectorAll('#chart-sent rect').length") == 60
    assert browser.value("document.getElementById('sent-sum').textContent") == "5"
    assert browser.value("document.getElementById('errors-sum').textContent") == "1"
    assert browser.value("document.images.length") == 0, "what a job says is never markup"
    assert "owned" not in browser.value("document.title")


def test_two_workers_show_the_same(stand, browser):
    """The charts' sums are the day's counters, whichever worker is asked."""
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}},
                          {"action": {"delay_ms": 5}}])
    workers = [stand.start(admin={"listen": "127.0.0.1:0"}, worker={"in_flight": 4})
               for _ in range(2)]
    stand.wait_final(stand.push(*[envelope() for _ in range(200)],
                                *[envelope(body("bad@example.com")) for _ in range(4)]))
    for daemon in workers:
        assert daemon.log_lines("event=attempt", "result=sent"), "each has a share"
    day, = stand.redis.keys(stand.key("stats", "*"))
    counted = stand.redis.hgetall(day)
    for daemon in workers:
        browser.open(address(Admin(daemon)))
        browser.wait("['sent', 'errors'].map(k => document.getElementById(k + '-sum').textContent)"
                     ".join() === '200,4'")
        shown = tiles(browser)
        assert shown["sent today"] == counted["provider:sandbox:sent"] == "200"
        assert shown["failed today"] == counted["provider:sandbox:failed"] == "4"
        assert len(browser.cells("workers")) == 1 + 2


def test_it_refreshes_itself(stand, browser):
    daemon = stand.start(admin={"listen": "127.0.0.1:0"})
    admin = Admin(daemon)
    browser.open(address(admin))
    browser.wait(SHOWN)
    stand.wait_final(stand.push(*[envelope() for _ in range(3)]))
    browser.wait("document.querySelector('#tiles dd').textContent === '3'")
    assert daemon.stop() == 0
    browser.wait("document.getElementById('state').textContent === 'no answer'")


@pytest.mark.parametrize("width", [360, 390, 1200])
def test_nothing_is_wider_than_the_window(stand, browser, width):
    admin = Admin(stand.start([stand.sender(f"a-sender-with-a-long-name-{n}", default=n == 0,
                                            limits={"day": "100000/day"}) for n in range(5)],
                              admin={"listen": "127.0.0.1:0"}))
    admin.wait_status(lambda s: len(s.get("senders", [])) == 5, "Redis was read")
    browser.open(address(admin), width=width)
    browser.wait(SHOWN)
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_it_follows_the_colour_scheme(stand, browser):
    admin = Admin(stand.start(admin={"listen": "127.0.0.1:0"}))
    seen = []
    for dark in (False, True):
        browser.open(address(admin), dark=dark)
        browser.wait(SHOWN)
        colours = browser.value("(s => [s.backgroundColor, s.color])(getComputedStyle("
                                "document.body))")
        seen.append([sum(map(int, re.findall(r"\d+", c)[:3])) for c in colours])
    (light_back, light_text), (dark_back, dark_text) = seen
    assert light_back > 600 > light_text and dark_back < 200 < 600 < dark_text


def test_the_page_needs_nothing_from_elsewhere(stand):
    """Without a browser too: every asset is its own, and its script makes no markup of texts."""
    admin = Admin(stand.start(admin={"listen": "127.0.0.1:0"}))
    text, style, script = (admin.get(path) for path in ("/", "/page.css", "/page.js"))
    assert set(re.findall(r"(?:src|href)=\"([^\"]+)\"", text)) == {
        "data:,", "page.css", "page.js", "status"}
    assert not re.search(r"https?://|@import", text + style)
    assert re.findall(r"https?://[^\"]+", script) == ["http://www.w3.org/2000/svg"]  # a name only
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
