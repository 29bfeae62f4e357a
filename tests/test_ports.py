"""Free ports, which the family's tools and a service's scripts choose alike."""

from __future__ import annotations

import json
import socket
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
    assert all(20_000 <= port < 32_768 for port in ports)
