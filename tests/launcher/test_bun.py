"""The launcher under Bun: no program of Node is started."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tools.ports import free_port
from tools.toolchain import bin_folder, provide_bun

from .conftest import MakeService, Service, wait_for
from .test_dev import MAIN, PREPARE, Loop

DEV = {"prepare": ["src/prepare.ts"], "start": ["src/main.ts"], "examples": ["curl {url}/"]}


@pytest.fixture(scope="session")
def bun(workshop: Path) -> Path:
    """Bun, where every user can run it, and nothing else beside it."""
    provide_bun()
    folder = workshop / "bun-bin"
    folder.mkdir()
    return Path(shutil.copy((Path(bin_folder()) / "bun").resolve(), folder / "bun"))


@pytest.fixture(params=["root", "nobody"] if os.getuid() == 0 else ["self"])
def app(request: pytest.FixtureRequest, make_service: MakeService, bun: Path) -> Service:
    service = make_service(user="nobody" if request.param == "nobody" else None)
    service.node = bun
    service.configure(dev=DEV)
    service.write("src/main.ts", MAIN)
    service.write("src/prepare.ts", PREPARE)
    return service


def test_gives_a_command_a_database_and_hands_on_its_exit_code(app: Service) -> None:
    result = app.run("--ephemeral", "--", "sh", "-c", "echo $DATABASE_URL; exit 3")
    assert result.returncode == 3, result.stderr
    assert result.stdout.startswith("postgres://ticket_shop_app:")
    assert (app.processes(), app.temporary()) == ({}, [])


def test_takes_a_command_without_options_too_although_bun_keeps_its_first_dashes(app: Service) -> None:
    result = app.run("--", "sh", "-c", "echo $DATABASE_URL; exit 4", "--", "more")
    assert result.returncode == 4, result.stderr
    assert result.stdout.startswith("postgres://ticket_shop_app:")
    assert app.run("--nonsense").returncode == 2


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_leaves_no_server_however_it_ends(app: Service, by: signal.Signals) -> None:
    process, _ = app.serve("--ephemeral")
    assert len(app.postmasters()) == 1
    process.send_signal(by)
    process.communicate(timeout=60)
    app.wait_until_nothing_runs()
    wait_for(lambda: app.temporary() == [])


def test_the_loop_serves_sources_as_they_are_and_leaves_no_process(app: Service) -> None:
    port = free_port()
    loop = Loop(app, port)
    loop.expect("prepared")
    loop.expect("is ready after")
    loop.expect(f"curl http://127.0.0.1:{port}/$")
    assert loop.get()["NODE_ENV"] == "development"
    assert loop.end() == 0
    assert "drained\n" in loop.lines
    assert app.processes() == {}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_the_loop_leaves_no_process_however_it_ends(app: Service, by: signal.Signals) -> None:
    loop = Loop(app, free_port())
    loop.expect("is ready after")
    assert loop.end(by) == (-signal.SIGKILL if by == signal.SIGKILL else 0)
    app.wait_until_nothing_runs()


def test_the_loop_restarts_the_service_in_order_after_a_change_and_after_a_crash(app: Service) -> None:
    loop = Loop(app, free_port())
    loop.expect("is ready after")
    pid = loop.get()["pid"]
    app.write("src/main.ts", MAIN.replace("first", "second"))
    wait_for(loop.greets("second"))
    assert loop.get()["pid"] != pid
    assert loop.lines.count("drained\n") == 1
    app.write("src/main.ts", "this is no TypeScript;")
    loop.expect(r"has ended \(code 1\)")
    app.write("src/main.ts", MAIN.replace("first", "third"))
    wait_for(loop.greets("third"))
    assert loop.end() == 0


def test_messages_name_the_commands_of_bun(app: Service) -> None:
    app.configure(dev={"start": ["src/main.ts"]})
    result = app.run(script="dev", PORT=str(free_port()))
    assert result.returncode == 1
    assert '"prepare": [...] }, a list of arguments for bun' in result.stderr
