#!/usr/bin/env python3
"""check_compose.py COMPOSE_FILE HELP_TEXT: what `docker compose config` says of a file, and what it
cannot know: that the interceptor's variables exist, and that the sidecar is what it should be.
HELP_TEXT is a file with what `mysql-interceptor proxy --help` prints."""

import re
import sys
from pathlib import Path

import yaml


class UniqueKeys(yaml.SafeLoader):
    """YAML's own loader lets the last of two equal keys win in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {key} is there twice")
        return super().construct_mapping(node, deep)


def seconds(text):
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a time: {text}")
    return sum(int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


def faults_of(compose, folder, known):
    services = compose["services"]
    volumes = compose.get("volumes") or {}
    for name, service in services.items():
        if not ("image" in service or "build" in service):
            yield f"{name}: neither image nor build"
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name}: depends on {other}, which is not there"
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name}: waits for {other} to be healthy, which has no healthcheck"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (folder / source).exists():
                    yield f"{name}: {source} is not there"
            elif source not in volumes:
                yield f"{name}: the volume {source} is not declared"
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if not {"cpus", "memory"} <= limits.keys():
            yield f"{name}: no limits of CPU and memory"
        for key, value in service.get("environment", {}).items():
            if not isinstance(value, str):
                yield f"{name}: {key} is not text; YAML wants it in quotes"
        build = service.get("build")
        if build and not (folder / build["context"] / build["dockerfile"]).exists():
            yield f"{name}: {build['dockerfile']} is not there"

    # The names that integration/dev.sh relies on.
    interceptor, kafka = services["interceptor"], services["kafka"]
    if "PLAINTEXT://kafka:9092" not in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]:
        yield "kafka: is not known as kafka:9092"
    if interceptor.get("network_mode") != "service:app" or "app" not in services:
        yield "interceptor: is not in the network of the service app"
    if "ports" in interceptor or "networks" in interceptor:
        yield "interceptor: has no network of its own, so neither ports nor networks"
    if interceptor.get("read_only") is not True or interceptor.get("cap_drop") != ["ALL"]:
        yield "interceptor: not read_only, or with capabilities"
    environment = interceptor["environment"]
    for key in environment:
        if key not in known:
            yield f"interceptor: `mysql-interceptor proxy` knows no {key}"
    # Sinks have 2 s more if the statements used it up.
    if seconds(interceptor["stop_grace_period"]) < seconds(environment["INTERCEPTOR_DRAIN_TIMEOUT"]) + 5:
        yield "interceptor: stop_grace_period is not 5 s longer than its drain timeout"


def main():
    compose_file, help_text = Path(sys.argv[1]), Path(sys.argv[2])
    compose = yaml.load(compose_file.read_text(), UniqueKeys)
    known = set(re.findall(r"\[env: (\w+)\]", help_text.read_text()))
    if len(known) < 10:
        sys.exit(f"{help_text} is not what `mysql-interceptor proxy --help` prints")
    faults = list(faults_of(compose, compose_file.parent, known))
    for fault in faults:
        print(f"{compose_file.name}: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
