"""Free ports, which the family's tools and a service's scripts choose alike."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import run
from tools import ROOT
from tools.ports import free_port

PROCESSES = "template/scripts/services/processes.mjs"


def of_the_tools(preferred: int) -> list[int]:
    return [free_port(preferred) for _ in range(100)]


def of_a_service(preferred: int) -> list[int]:
    choose = f"""
        import {{ freePort }} from './{PROCESSES}';
        const ports = [];
        for (let nth = 0; nth < 100; nth++) ports.push(await freePort({preferred or ""}));
        console.log(JSON.stringify(ports));
    """
    ports: list[int] = json.loads(run(ROOT, "node", "--input-type=module", "--eval", choose).stdout)
    return ports


choosers = pytest.mark.parametrize("choose", [of_the_tools, of_a_service])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that the system gave to a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@choosers
def test_the_preferred_port_is_taken_where_it_is_free(choose: Callable[[int], list[int]]) -> None:
    port = free_port()
    assert choose(port) == [port] * 100


@choosers
def test_nobody_is_given_another_s_port_nor_one_that_the_system_gives_away(
    choose: Callable[[int], list[int]], taken: int
) -> None:
    ports = choose(taken)
    assert len(set(ports)) > 50  # two that ask at the same time hardly meet
    assert all(10_000 <= port < 32_768 for port in ports)


def test_workers_of_one_run_and_the_services_launcher_have_no_port_in_common() -> None:
    code = "from tools.ports import free_port\nprint(*(free_port() for _ in range(400)))"
    chosen = [
        run(ROOT, sys.executable, "-c", code, PYTEST_XDIST_WORKER=f"gw{number}").stdout.split() for number in range(3)
    ]
    ports = {int(port) for each in chosen for port in each}
    assert len(ports) == 1_200
    assert ports.isdisjoint(of_a_service(0))
