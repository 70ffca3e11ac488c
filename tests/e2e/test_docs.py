"""What the README and docs/ say is so: their links lead somewhere, their examples work, and the
settings are those of the tables."""
import json
import os
import re
import shutil
import subprocess

import pytest
from support import BIN, ROOT, sanitizer_env

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()


def anchors(path):
    """Of its headings, as the forges make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{page.name}: {target}"


def test_every_page_is_linked_from_the_readme():
    assert not [p.name for p in PAGES[1:] if f"(docs/{p.name})" not in README]


def test_the_guarantees_name_tests_that_exist():
    named = set(re.findall(r"`(\w+\.py)`", README.split("## Guarantees")[1].split("\n## ")[0]))
    assert len(named) > 8
    assert not [name for name in named if not (ROOT / "tests/e2e" / name).exists()]


def test_the_settings_are_those_of_the_tables():
    reference = subprocess.run([BIN / "sendqd", "--reference"], capture_output=True, text=True,
                               timeout=60, env=sanitizer_env(), check=True).stdout
    written = (ROOT / "docs/settings.md").read_text()
    assert written.endswith(reference.replace("### ", "## ")), "tools/settings.sh writes it anew"


# --- examples ---


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def run_example(stand, argv, text=None):
    """Runs it as a producer does, but with this stand's Redis and namespace."""
    text = text.replace("redis://localhost", stand.server.url).replace("sendq:", f"{stand.ns}:")
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60,
                          cwd=stand.directory, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_example(stand):
    stand.start()
    text, = fenced("sh")
    run_example(stand, ["bash", "-e"],
                f'redis-cli() {{ command redis-cli -s "{stand.server.path}" "$@"; }}\n{text}')
    stand.sandbox.wait_accepted(1, "sandbox")


def test_the_python_example(stand):
    stand.start()
    text, = fenced("python")
    assert run_example(stand, ["/usr/bin/python3", "-"], text) == "SENT\n"


def node_modules():
    """Where node finds its package redis, or None."""
    if shutil.which("node") is None:
        return None
    done = subprocess.run(["node", "-p", "require.resolve('redis')"], capture_output=True,
                          text=True, timeout=60, check=False)
    return done.stdout.partition("/redis/")[0] if done.returncode == 0 else None


def test_the_node_example(stand):
    """NODE_PATH names the package's place where it is not installed for all."""
    if not (modules := node_modules()):
        pytest.skip("node, or its package redis, is not installed")
    stand.start()
    (stand.directory / "node_modules").symlink_to(modules)
    text, = fenced("js")
    path = stand.directory / "producer.mjs"
    path.write_text(text.replace('url: "redis://localhost"', 'socket: { path: "%s" }' %
                                 stand.server.path).replace("sendq:", f"{stand.ns}:"))
    assert run_example(stand, ["node", str(path)], "") == "SENT\n"


def indented(text, first):
    """The example whose first line begins so, without its indent."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"    {first}"))
    end = next(i for i in range(at, len(lines)) if not lines[i].startswith("    "))
    return "\n".join(line[4:] for line in lines[at:end])


@pytest.mark.parametrize("page, first", [("README.md", "redis: {"), ("README.md", "limits: {"),
                                         ("docs/admin.md", "admin: {")])
def test_configurations_are_good(tmp_path, page, first):
    secret = tmp_path / "sendgrid_api_key"
    secret.write_text("SG.x")
    config = tmp_path / "example.yaml"
    config.write_text(indented((ROOT / page).read_text(), first) + "\n")
    env = os.environ | sanitizer_env() | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    done = subprocess.run([BIN / "sendqd", "--check", "--config", config], capture_output=True,
                          text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr


def test_the_envelope_is_understood(tmp_path):
    """With its placeholders filled in."""
    text = indented(README, '{"id": "6d0f').replace('{"...": "..."}', '{"recipient": "a@example.com", '
                                                    '"subject": "s", "content": "c"}')
    job = json.loads(text.replace("6d0f...", "6d0f"))
    config = tmp_path / "c.yaml"
    config.write_text("senders: [{id: support-mail, provider: webhook, channels: [email], "
                      "from: {address: a@example.com}, endpoint: 'http://127.0.0.1:1/', "
                      "credentials: {secret: x}}]\n")
    done = subprocess.run([BIN / "sendqctl", "--config", config, "--json", "validate"],
                          input=json.dumps(job), capture_output=True, text=True, timeout=60,
                          env=sanitizer_env(), check=False)
    assert json.loads(done.stdout)["valid"], done.stdout + done.stderr



def test_commands_of_sendqctl_exist():
    """Each noun and verb that a page tells to run."""
    for page in PAGES:
        for noun, verb in re.findall(r"(?:`|^    )sendqctl (\w+) ?([a-z]+)?", page.read_text(), re.M):
            done = subprocess.run([BIN / "sendqctl", noun, "--help"], capture_output=True,
                                  text=True, timeout=60, env=sanitizer_env(), check=False)
            assert done.returncode == 0, f"{page.name}: sendqctl {noun}"
            assert not verb or f"sendqctl {noun} {verb}" in done.stdout, (page.name, noun, verb)
