"""deploy/: every file is checked by its tool or its schema, and its numbers are compared with the node's."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import stack
import yaml

DEPLOY = stack.ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
#: After the drain: the farewells of clients, presence, leaving the cluster and Redis.
LAST_ANSWERS = 10


def run(*argv, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, timeout=60, check=False, **options
    )


def seconds(text) -> float:
    """`"15s"`, `"1h"` or a number."""
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|min|h|d)?", str(text)).groups()
    return float(number) * {None: 1, "ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}[unit]


@pytest.fixture(scope="module")
def defaults() -> dict:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("CHANNELGATE", "REDIS_URL"))}
    return tomllib.loads(run(stack.binary(), "print-config", env=bare).stdout)


@pytest.fixture(scope="module")
def stop(defaults) -> float:
    """The maximum duration of a stop, in seconds."""
    server = defaults["server"]
    return sum(seconds(server[key]) for key in ("drain_delay", "drain_period", "drain_grace")) + LAST_ANSWERS


def documents(path: Path) -> list[dict]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def kind(name: str) -> dict:
    files = [*(KUBERNETES / "base").glob("*.yaml"), *KUBERNETES.glob("*.example.yaml")]
    found = [one for path in files for one in documents(path) if isinstance(one, dict) and one.get("kind") == name]
    assert len(found) == 1, name
    return found[0]


# The image


@pytest.mark.parametrize("name", ["Dockerfile", "compose/django.Dockerfile"])
def test_the_linter_accepts_the_dockerfiles(name):
    linted = run(stack.PYTHON.parent / "hadolint", "--no-color", DEPLOY / name)
    assert linted.returncode == 0, linted.stdout


def test_the_image_runs_as_nobody_with_pinned_bases_and_asks_for_its_health_itself():
    text = (DEPLOY / "Dockerfile").read_text()
    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert base == "scratch" or re.search(r":\d+\.\d+\.\d+-", base), base
    final = text.split("FROM scratch")[1]
    for line in (
        "USER 65532:65532",
        "STOPSIGNAL SIGTERM",
        'CMD ["/channelgate", "health"]',
        'ENTRYPOINT ["/channelgate"]',
    ):
        assert line in final
    rust = tomllib.loads((stack.ROOT / "Cargo.toml").read_text())["package"]["rust-version"]
    assert f"FROM rust:{rust}." in text


def test_the_context_of_the_image_has_every_file_of_the_build():
    allowed = [line[1:] for line in (stack.ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    for path in (stack.ROOT / "src").rglob("*.rs"):
        # The tests are not built.
        built = path.read_text().split("#[cfg(test)]")[0]
        if "tests" in path.stem or "tests" in path.parts[len(stack.ROOT.parts) :] or "vectors" in path.stem:
            continue
        for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', built):
            target = (path.parent / name).resolve().relative_to(stack.ROOT)
            assert any(target.is_relative_to(folder) for folder in allowed), (path, target)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert name in allowed and (stack.ROOT / name).exists(), name


# Compose


def test_compose_names_existing_files_hardens_every_service_and_leaves_time_for_the_drain(stop):
    folder = DEPLOY / "compose"
    services = yaml.safe_load((folder / "compose.yml").read_text())["services"]
    for name, service in services.items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # The health check of a node is in its image.
        assert name == "node" or service["healthcheck"]["test"][0] == "CMD", name
        if build := service.get("build"):
            assert (folder / build["context"] / build["dockerfile"]).resolve().is_file() or (
                folder / build["context"]
            ).is_dir(), name
        else:
            assert re.search(r":\d+\.\d+\.\d+-", service["image"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (folder / source).is_file(), source
        for other in service.get("depends_on", {}):
            assert other in services
    assert seconds(services["node"]["stop_grace_period"]) > stop
    connections = 100_000
    assert services["node"]["ulimits"]["nofile"]["soft"] > connections
    assert services["nginx"]["ulimits"]["nofile"]["soft"] > 2 * connections
    set_by_hand = set(re.findall(r"\$\{(\w+)", (folder / "compose.yml").read_text()))
    assert set_by_hand == set(re.findall(r"^(\w+)=", (folder / ".env.example").read_text(), re.MULTILINE))


def test_nginx_accepts_the_file_of_compose(tmp_path):
    home = tmp_path / "etc"
    home.mkdir()
    text = (DEPLOY / "compose" / "nginx.conf").read_text()
    # Names that only Docker resolves.
    for name in ("node", "django"):
        text = text.replace(f"server {name}:8000", "server 127.0.0.1:8000")
    text = text.replace("/tmp/", f"{tmp_path}/")
    (home / "nginx.conf").write_text(text)
    for mounted in re.findall(r"\./(?:\.\./)*(nginx/\S+?):", (DEPLOY / "compose" / "compose.yml").read_text()):
        shutil.copy(stack.ROOT / mounted, home)
    said = run(stack.tool("nginx"), "-p", tmp_path, "-c", home / "nginx.conf", "-e", tmp_path / "e.log", "-t").stderr
    assert "test is successful" in said and "warn" not in said, said


# Kubernetes


def test_every_manifest_matches_the_schema_of_kubernetes():
    kustomization = documents(KUBERNETES / "base" / "kustomization.yaml")[0]
    listed = set(kustomization["resources"]) | {"kustomization.yaml"}
    assert listed == {path.name for path in (KUBERNETES / "base").glob("*.yaml")}
    for path in [*(KUBERNETES / "base").glob("*.yaml"), KUBERNETES / "secret.example.yaml"]:
        for manifest in documents(path):
            if manifest["kind"] != "Kustomization":
                kubernetes_validate.validate(manifest, "1.34", strict=True)
    for file in kustomization["configMapGenerator"][0]["files"]:
        assert run(stack.binary(), "check", "--config", KUBERNETES / "base" / file).returncode == 0


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_combines_them():
    made = run("kubectl", "kustomize", KUBERNETES / "base")
    assert made.returncode == 0, made.stderr
    kinds = {one["kind"]: one for one in yaml.safe_load_all(made.stdout)}
    volume = kinds["Deployment"]["spec"]["template"]["spec"]["volumes"][0]
    assert volume["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"] != "channelgate"


def test_the_numbers_of_the_manifests_agree_with_each_other_and_with_the_node(defaults, stop):
    deployment = kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pre_stop + stop
    readiness = container["readinessProbe"]
    assert readiness["httpGet"]["path"] == "/health/ready"
    # Liveness must not depend on Redis.
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe")} == {"/health/live"}
    assert deployment["spec"]["minReadySeconds"] >= seconds(defaults["server"]["drain_period"])
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        kind("Service")["spec"]["selector"],
        kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod["topologySpreadConstraints"]),
    ):
        assert selector.items() <= labels
    scaler = kind("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (
        scaler["minReplicas"] >= deployment["spec"]["replicas"] > kind("PodDisruptionBudget")["spec"]["maxUnavailable"]
    )
    metric = scaler["metrics"][0]["pods"]
    assert (
        f'"{metric["metric"]["name"].removeprefix("channelgate_")}"'
        in (stack.ROOT / "src/telemetry/name.rs").read_text()
    )
    assert metric["metric"]["name"] in (KUBERNETES / "adapter-rules.example.yaml").read_text()
    each, least = int(metric["target"]["averageValue"]), scaler["minReplicas"]
    assert each * least / (least - 1) < defaults["server"]["max_connections"], "when one goes, the others have room"
    timeouts = kind("Ingress")["metadata"]["annotations"]
    ping = seconds(defaults["socket"]["ping_interval"]) + seconds(defaults["socket"]["ping_timeout"])
    for name in ("read", "send"):
        assert int(timeouts[f"nginx.ingress.kubernetes.io/proxy-{name}-timeout"]) > ping
    for name in kind("Secret")["stringData"]:
        checked = run(stack.binary(), "check", env={**os.environ, name: "http://x" if "URL" in name else "x"})
        assert "unknown" not in checked.stderr, checked.stderr


def test_the_timeouts_of_nginx_are_longer_than_the_nodes_pings(defaults):
    text = (stack.ROOT / "nginx" / "channelgate-sockets.conf").read_text()
    for section in ("socket", "socketio"):
        ping = seconds(defaults[section]["ping_interval"]) + seconds(defaults[section]["ping_timeout"])
        for name in ("read", "send"):
            assert seconds(re.search(rf"proxy_{name}_timeout (\S+);", text)[1]) > ping


# systemd and the kernel


@pytest.fixture
def units(tmp_path) -> list[Path]:
    """The units, with this node's binary, and instances of the templates."""
    made = []
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/usr/local/bin/channelgate", str(stack.binary()))
        unit = tmp_path / path.name
        unit.write_text(text)
        if "@" in path.name:
            unit = tmp_path / path.name.replace("@", "@8001")
            unit.write_text(text)
        made.append(unit)
    return made


def test_systemd_accepts_the_units(units):
    verified = run(stack.tool("systemd-analyze"), "verify", "--man=no", *units, cwd=units[0].parent)
    assert verified.returncode == 0 and verified.stderr == "", verified.stderr


def test_systemd_rates_the_exposure_of_a_node_as_low(units):
    services = [unit for unit in units if unit.suffix == ".service"]
    assert len(services) == 2
    for unit in services:
        # Exposure, of 100; the network stays open, because the node needs it.
        judged = run(stack.tool("systemd-analyze"), "security", "--offline=true", "--threshold=16", "--no-pager", unit)
        assert judged.returncode == 0, judged.stdout[-200:]


def test_both_services_are_equal_and_leave_time_for_the_drain(stop):
    one, many = [
        [line for line in (DEPLOY / "systemd" / name).read_text().splitlines() if line and not line.startswith("#")]
        for name in ("channelgate.service", "channelgate@.service")
    ]
    assert [line for line in one if "socket" not in line and "Description" not in line] == [
        line for line in many if "socket" not in line and "Description" not in line
    ]
    settings = dict(line.split("=", 1) for line in one if "=" in line)
    assert seconds(settings["TimeoutStopSec"]) > stop
    assert int(settings["LimitNOFILE"]) > 100_000


def test_every_kernel_setting_exists_and_has_a_reason():
    lines = (DEPLOY / "sysctl" / "60-channelgate.conf").read_text().splitlines()
    keys = [line for line in lines if line and not line.startswith("#")]
    assert keys
    for line in keys:
        name, value = (part.strip() for part in line.split("=", 1))
        # "-" in front: the module may not be loaded.
        path = Path("/proc/sys", *name.lstrip("-").split("."))
        assert name.startswith("-") or path.exists(), name
        assert re.fullmatch(r"[\d ]+", value)
    ports = re.search(r"ip_local_port_range = (\d+) (\d+)", "\n".join(keys))
    assert f"{int(ports[2]) - int(ports[1]) + 1:,}" in "\n".join(lines), "the arithmetic is that of the line"
