"""Settings are read once; what is missing or malformed stops the start, by name."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conformance.drivers import Driver
from tests.conformance.processes import Postgres, environment, start_command


def start(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Starts a service that must not come up, with nothing in the environment but what is given."""
    return subprocess.run(
        start_command(folder), cwd=folder, env=environment(env), capture_output=True, text=True, timeout=60, check=False
    )


def offenders(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The variables that the error names. It is one line of JSON, on stderr, and the process ends with 1."""
    assert result.returncode == 1, result.stdout
    notice = ".env not found"  # Node's own
    (line,) = [json.loads(line) for line in result.stderr.splitlines() if not line.startswith(notice)]
    assert (line["level"], line["msg"]) == (60, "the service could not start")
    return sorted(re.findall(r"^ {2}- ([A-Z_]+)", line["reason"], re.MULTILINE))


def test_a_missing_setting_is_named(driver: Driver, folder: Path) -> None:
    assert offenders(start(folder)) == sorted(driver.required)
    for name in driver.required:
        others = {other: value for other, value in driver.required.items() if other != name}
        assert offenders(start(folder, **others)) == [name]


def test_an_empty_setting_is_a_missing_one(driver: Driver, folder: Path) -> None:
    assert offenders(start(folder, PORT="", **dict.fromkeys(driver.required, ""))) == sorted(driver.required)


def test_every_offender_is_named_and_no_value_is_repeated(driver: Driver, folder: Path) -> None:
    malformed = {
        **dict.fromkeys(driver.required, "hunter2 hunter2"),
        "DATABASE_URL": "mysql://app:hunter2@db/app",  # pragma: allowlist secret
        "PORT": "http",
        "NODE_ENV": "staging",
        "LOG_LEVEL": "loud",
        "CORS_ORIGINS": "https://app.example.com/path",
        "BODY_LIMIT_BYTES": "1 MiB",
        "REQUEST_TIMEOUT_MS": "-1",
        "RATE_LIMIT_MAX": "0",
        "DATABASE_POOL_MAX": "1.5",
        "DATABASE_LOCK_TIMEOUT_MS": "0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector",
    }

    result = start(folder, **malformed)

    assert offenders(result) == sorted(malformed)
    for value in ("hunter2", "staging", "loud", "1 MiB"):
        assert value not in result.stderr


@pytest.mark.parametrize("secret", ["dev_0123456789abcdef", "<secret>"])  # pragma: allowlist secret
def test_production_refuses_the_secrets_of_development(driver: Driver, folder: Path, secret: str) -> None:
    env = {**driver.required, "DATABASE_URL": f"postgresql://app:{secret}@localhost:5432/app"}

    for node_env in ({}, {"NODE_ENV": "production"}):
        result = start(folder, **env, **node_env)
        assert offenders(result) == ["DATABASE_URL"]
        assert secret not in result.stderr


def test_production_refuses_to_run_without_a_rate_limit(driver: Driver, folder: Path) -> None:
    assert offenders(start(folder, **driver.required, RATE_LIMIT_ENABLED="false")) == ["RATE_LIMIT_ENABLED"]


def test_a_database_that_cannot_be_reached_stops_the_start_without_telling_its_password(
    driver: Driver, folder: Path, postgres: Postgres
) -> None:
    url = re.sub(r"@[^/]+/", "@127.0.0.1:1/", postgres.env["DATABASE_URL"])

    result = start(folder, **{**driver.required, "DATABASE_URL": url, "DATABASE_CONNECT_TIMEOUT_MS": "500"})

    assert result.returncode == 1
    password = re.findall(r":([^:@/]+)@", url)[0]
    assert password not in result.stdout + result.stderr
    assert_fails_at(result, "DATABASE_URL", "ECONNREFUSED|ECONNRESET|refused")


def test_a_port_that_is_taken_stops_the_start_by_name(driver: Driver, folder: Path, postgres: Postgres) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {**driver.required, **postgres.env, "NODE_ENV": "test", "PORT": port, "HOST": "127.0.0.1"}
        result = start(folder, **settings)

    assert result.returncode == 1, result.stderr
    assert_fails_at(result, "HOST, PORT", "EADDRINUSE|in use")


def assert_fails_at(result: subprocess.CompletedProcess[str], setting: str, reason: str) -> None:
    """All lines are JSON; one tells why the start failed, and names the setting."""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    (line,) = [line for line in lines if line["level"] == 60]
    assert line["msg"] == "the service could not start"
    assert line.get("setting") == setting, line
    assert re.search(reason, line["reason"])


def test_start_is_the_command_that_the_image_runs(folder: Path) -> None:
    """So that what is tested here is what runs there: the same but for the file of settings."""
    command = [part for part in start_command(folder) if not part.startswith("--env-file")]
    images = [line for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("CMD [")]
    assert [json.loads(line.removeprefix("CMD ")) for line in images] == [command]
