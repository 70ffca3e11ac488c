"""The man pages, where scdoc is installed: they know every setting, noun, verb and option."""
import re
import shutil
import subprocess

import pytest
from support import BIN, ROOT, sanitizer_env
from test_ctl_shapes import verbs_there_are


@pytest.fixture
def page():
    if shutil.which("scdoc") is None:
        pytest.skip("scdoc is not installed")

    def build(name):
        done = subprocess.run(
            ["sh", ROOT / "man/build.sh", ROOT / "man", name, BIN / "sendqd", BIN / "sendqctl"],
            capture_output=True, text=True, timeout=120, env=sanitizer_env(), check=True)
        assert not done.stderr, done.stderr
        return done.stdout.replace("\\fB", "").replace("\\fR", "").replace("\\&", "").replace(
            "\\-", "-").replace("\\fI", "")
    return build


def test_settings(page):
    text = page("sendqd.yaml.5")
    reference = subprocess.run([BIN / "sendqd", "--reference"], capture_output=True, text=True,
                               timeout=60, env=sanitizer_env(), check=True).stdout
    names = re.findall(r"^\| `([a-z_.]+)` \|", reference, re.M)
    assert len(names) > 50
    assert not [name for name in names if name not in text]


def test_nouns(page):
    text = page("sendqctl.1")
    for noun, verb in verbs_there_are():
        assert f"sendqctl {noun} {verb}".strip() in text
    assert "--follow" in text and "--older AGE" in text


def test_daemon(page):
    text = page("sendqd.8")
    for option in ("--config", "--check", "--print-config", "--reference", "--version"):
        assert option in text
