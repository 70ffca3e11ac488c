"""What `cmake --install` lays down, and what systemd makes of the units."""
import os
import re
import shutil
import subprocess

import pytest
from support import BIN, ROOT

BUILD = BIN.parent
FILES = ["sbin/sendqd", "bin/sendqctl", "lib/systemd/system/sendqd.service",
         "lib/systemd/system/sendqd@.service", "lib/sysusers.d/sendq.conf",
         "lib/tmpfiles.d/sendq.conf", "share/bash-completion/completions/sendqctl",
         "share/zsh/vendor-completions/_sendqctl", "share/doc/sendq/examples/sendqd.yaml",
         "share/doc/sendq/README.md", "share/doc/sendq/docs/settings.md"]
MAN = ["share/man/man8/sendqd.8.gz", "share/man/man1/sendqctl.1.gz",
       "share/man/man5/sendqd.yaml.5.gz"]
UNITS = ["sendqd.service", "sendqd@.service"]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None,
                                   reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--build", BUILD, "--target", "all"], check=True,
                   stdout=subprocess.DEVNULL, timeout=1200)
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    return prefix


def test_everything_has_its_place(prefix):
    wanted = FILES + (MAN if shutil.which("scdoc") else [])
    assert not [f for f in wanted if not (prefix / f).is_file()]
    assert os.access(prefix / "sbin/sendqd", os.X_OK) and os.access(prefix / "bin/sendqctl", os.X_OK)
    assert not (prefix / "etc").exists(), "an installation never overwrites a configuration"


def test_links_lead_somewhere(prefix):
    documents = list((prefix / "share/doc/sendq").rglob("*.md"))
    assert len(documents) > 5
    for document in documents:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        assert not [x for x in links if not (document.parent / x).exists()], document


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_units_are_valid(prefix, tmp_path, unit):
    text = (prefix / "lib/systemd/system" / unit).read_text()
    # The programs are where they will be once installed; here, anything that can be started is.
    text = re.sub(r"(?m)^(ExecStart(?:Pre)?=)\S+", r"\1/bin/true", text)
    name = unit.replace("@.", "@one.")
    (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / name],
                          capture_output=True, text=True, timeout=120, check=False)
    assert not [x for x in (done.stdout + done.stderr).splitlines() if "sendq" in x], done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_units_are_tight(prefix, unit):
    """At most 1.5 of 10 exposed."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager",
         prefix / "lib/systemd/system" / unit],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr


@needs_systemd
def test_the_account_is_made(prefix, tmp_path):
    (tmp_path / "etc").mkdir()
    done = subprocess.run(["systemd-sysusers", "--root", tmp_path,
                           prefix / "lib/sysusers.d/sendq.conf"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^sendq:", (tmp_path / "etc/passwd").read_text(), re.M)


def test_units_name_what_the_daemon_needs(prefix):
    for unit in UNITS:
        text = (prefix / "lib/systemd/system" / unit).read_text()
        assert re.search(r"^Type=notify", text, re.M) and "WatchdogSec=30" in text
        assert "LoadCredential=" in text
        stop, = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)
        assert int(stop) > 25 + 2, "longer than drain_timeout"
    config = (ROOT / "config/sendqd.yaml").read_text()
    named = set(re.findall(r"credential:(\w+)", config))
    assert "sendgrid_api_key" in named
