"""Checks the alert rules and the dashboard with promtool and with the metrics of a real node."""

import asyncio
import json
import re
import subprocess

import pytest
import stack
from rig.client import Client
from rig.http import Http
from rig.system import API_KEY

FOLDER = stack.ROOT / "deploy" / "observability"
METRIC = re.compile(r"\b(?:channelgate|process)_[a-z_]+\b")


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
    command = [stack.tool("promtool"), *arguments]
    return subprocess.run(command, cwd=FOLDER, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_rules_are_valid_and_fire_when_they_should():
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        ran = promtool(*arguments)
        assert ran.returncode == 0 and "SUCCESS" in ran.stdout, ran.stdout + ran.stderr


def test_every_alert_has_a_description_and_links_to_an_existing_heading():
    rules = (FOLDER / "alerts.yml").read_text()
    alerts = re.split(r"\n\s+- alert: ", rules)[1:]
    assert len(alerts) >= 15
    page = (stack.ROOT / "docs" / "METRICS.md").read_text()
    anchors = {heading.strip().lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.M)}
    tested = (FOLDER / "alerts_test.yml").read_text()
    for alert in alerts:
        name = alert.split("\n", 1)[0]
        assert all(f"{key}: " in alert for key in ("severity", "summary", "description")), name
        [link] = re.findall(r"runbook_url: docs/METRICS\.md#(\S+)", alert)
        assert link in anchors, name
        assert name in tested, f"{name} has no test"


@pytest.fixture
async def exposition(system, database):
    """The metrics of a node that has been used."""
    system.backend = "http"
    system.start_django(database)
    node = system.start_node()
    client = await Client.open(node.port, "/ws/")
    person = system.demo.person("ann")
    # A call to the backend, so that its metrics exist; the tracker calls it for a polling client.
    web = Http(node.port)
    session = json.loads((await web.get("/socket.io/?EIO=4&transport=polling")).body[1:])["sid"]
    path = f"/socket.io/?EIO=4&transport=polling&sid={session}"
    await web.post(path, body=b"40" + json.dumps({"token": person.token}).encode())
    await web.get(path)
    event = {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 1}}
    await web.post("/api/publish", data=event, token=API_KEY)
    await client.count(1)
    yield node
    await client.close()


async def test_a_node_serves_both_formats_and_promtool_finds_nothing_wrong(exposition):
    web = Http(exposition.port)
    classic = await web.get("/metrics")
    assert classic.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    ran = await asyncio.to_thread(promtool, "check", "metrics", text=classic.body.decode())
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    openmetrics = await web.get("/metrics", headers={"Accept": accept})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.body.endswith(b"# EOF\n")


async def test_every_metric_of_the_rules_and_the_dashboard_is_served(exposition):
    served = set(re.findall(r"^([a-z_]+)[ {]", (await Http(exposition.port).get("/metrics")).body.decode(), re.M))
    rules = re.sub(r"^\s*#.*$", "", (FOLDER / "alerts.yml").read_text(), flags=re.M)
    expressions = re.findall(r"expr: (\|\n(?:\s{10,}.*\n)+|.*)", rules)
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    shown = [target["expr"] for target in targets]
    assert len(expressions) >= 15 and len(shown) > 30
    for name, texts in {"rules": expressions, "dashboard": shown}.items():
        named = {metric for text in texts for metric in METRIC.findall(text)}
        assert named - served == set(), name
    # And the reverse: every metric of the node must be shown by a panel.
    families = {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in served}
    panels = " ".join([*shown, json.dumps(dashboard["annotations"])])
    assert {family for family in families if family not in panels} == set()


def test_the_dashboard_can_be_imported_anywhere():
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "job", "instance"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == [
        "Connections",
        "Handshakes",
        "Events to deliveries",
        "Losses",
        "Latency on the node",
        "Redis",
        "Backend",
        "Bridge",
        "Node and process",
    ]
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}" and panel["description"], panel["title"]
        assert all('job="$job"' in target["expr"] for target in panel["targets"]), panel["title"]


def test_every_expression_of_the_dashboard_is_promql(tmp_path):
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [
        {"record": f"a:b{number}", "expr": re.sub(r"\[\$\w+\]", "[5m]", expression)}
        for number, expression in enumerate(targets)
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    ran = promtool("check", "rules", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
