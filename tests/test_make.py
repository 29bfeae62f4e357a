"""The Makefile's targets, as somebody types them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.copying import ON_BUN
from tools import DEFAULT_VARIANT, ROOT, VARIANTS

PATIENCE = 60.0
# Nothing is installed where that is not what is tested.
OFFLINE = {
    "npm_config_registry": "http://127.0.0.1:1/",
    "npm_config_fetch_retry_mintimeout": "1",
    "npm_config_fetch_retry_maxtimeout": "1",
}

# What whoever tries a service asks for first, one for each runtime: a path, and the status that answers it.
TRIED = {"nest-typeorm": ("/events", 200), "fastify-bun": ("/chats", 401)}


def make(*arguments: str, folder: Path = ROOT, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """A make target, at no terminal."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=clean() | dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def clean() -> dict[str, str]:
    """The environment without what the `make test` that runs this has put there."""
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DEST", "VARIANT", "DATA", "WATCH"}
    ours |= {"TESTS", "CHANGED", "SLICE", "WORKERS"}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"LC_ALL": "C.UTF-8"}


def answers(service: Path) -> dict[str, Any]:
    stored: dict[str, Any] = yaml.safe_load((service / ".copier-answers.yml").read_text())
    return {name: value for name, value in stored.items() if not name.startswith("_")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, in a folder with a space, that shares what is installed."""
    folder = tmp_path_factory.mktemp("checkouts") / "plinth copy"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time, so that make finds .venv ready
    for shared in (".venv", ".toolchain"):
        (folder / shared).symlink_to(ROOT / shared)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--no-verify", "-m", "All"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def _log_in(slave: int) -> None:
    """So that Ctrl-C reaches a program as from a keyboard, also where the tests run in the background."""
    os.login_tty(slave)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, *command: str, folder: Path, env: Mapping[str, str]) -> None:
        own = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean() | own | dict(env),
            preexec_fn=partial(_log_in, slave),
            pass_fds=(slave,),
        )
        os.close(slave)
        self.text = ""
        self._seen = 0

    def wait_for(self, expected: str) -> None:
        """Reads until a text appears that was not waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (place := self.text.find(expected, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{expected!r} does not appear in:\n{self.text}"
            if not self._read():
                pytest.fail(f"It ended without {expected!r}:\n{self.text}")
        self._seen = place + len(expected)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Reads to the end and returns the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"Nothing more is said after:\n{self.text}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        return bool(data)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal() -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*command: str, folder: Path = ROOT, env: Mapping[str, str] = {}) -> Terminal:
        opened.append(Terminal(*command, folder=folder, env=env))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_help_lists_every_target() -> None:
    text = make("help").stdout
    listed = re.findall(r"(?m)^  make ([\w-]+) +\S", text)
    targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())
    assert listed == targets
    assert make().stdout == text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["test", "VARIANT=nest-typorm"], "There is no variant 'nest-typorm'; did you mean nest-typeorm?"),
        (["test", "CHANGED=yes"], "CHANGED must be 1 or 0, got 'yes'. For example: make test CHANGED=1"),
        (["test", "CHANGED=1", "VARIANT=nest-typeorm"], "Use only one of VARIANT and CHANGED."),
        (["test", "TESTS='tests"], "TESTS: No closing quotation. For example: "),
        (["test-slice", "SLICE=99"], "No slice '99'. Choose a number or a name, for example: make test-slice SLICE=1"),
        (["test-slice"], "SLICE is missing. Choose a number or a name, for example: make test-slice SLICE=1"),
    ],
)
def test_invalid_selections_of_tests_are_refused(arguments: list[str], message: str) -> None:
    result = make(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stdout == ""


def test_env_puts_the_pinned_programs_first() -> None:
    script = 'eval "$(make --silent env)" && node --version && npm --version && bun --version && command -v npx'
    shell = ["sh", "-euc", script]
    path = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])
    result = subprocess.run(shell, cwd=ROOT, env=clean() | {"PATH": path}, capture_output=True, text=True, check=True)
    node, npm, bun, npx = result.stdout.split()
    assert node.startswith("v24.")
    assert npm.startswith("11.")
    assert re.fullmatch(r"\d+\.\d+\.\d+", bun)
    assert npx == str(ROOT / ".toolchain" / "bin" / "npx")


def test_new_takes_the_answers_that_it_is_given_and_asks_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "my services" / "shop"
    data = "kubernetes=true ci=gitlab port=4000 author=\"Ada O'Lovelace\" project_name='Corner Shop'"
    result = make("new", f"DEST={folder}", f"VARIANT={DEFAULT_VARIANT}", f"DATA={data}", env=OFFLINE)
    assert result.returncode == 0, result.stderr
    given = {
        "kubernetes": True,
        "ci": "gitlab",
        "port": 4000,
        "author": "Ada O'Lovelace",
        "project_name": "Corner Shop",
    }
    assert {name: answers(folder)[name] for name in given} == given
    assert (folder / "deploy" / "helm" / "Chart.yaml").is_file()
    assert f"Corner Shop ({DEFAULT_VARIANT}) is in {folder}" in result.stdout
    assert "\nNext:\n\n    " in result.stdout
    assert (folder / ".git").is_dir()
    assert [path.name for path in folder.parent.iterdir()] == ["shop"]


def test_new_takes_the_defaults_without_a_terminal(tmp_path: Path) -> None:
    result = make("new", f"DEST={tmp_path / 'shop'}", env=OFFLINE)
    assert result.returncode == 0, result.stderr
    assert answers(tmp_path / "shop")["project_name"] == "Ticket Shop"


def test_new_without_a_destination_goes_beside_the_checkout(checkout: Path) -> None:
    result = make("new", "DATA=project_name='Beside It'", folder=checkout, env=OFFLINE)
    assert result.returncode == 0, result.stderr
    assert answers(checkout.parent / "beside-it")["project_slug"] == "beside-it"
    again = make("new", "DATA=project_name='Beside It'", folder=checkout, env=OFFLINE)
    assert again.returncode != 0
    assert "beside-it is not empty, and nothing was changed" in again.stderr


@pytest.mark.parametrize("variant", ON_BUN)
def test_new_says_how_to_get_bun_where_it_cannot_be_had(checkout: Path, tmp_path: Path, variant: str) -> None:
    toolchain = checkout / ".toolchain"
    shared = toolchain.readlink()
    toolchain.unlink()  # as in a checkout that is new
    try:
        env = OFFLINE | {"PATH": os.pathsep.join(["/usr/bin", "/bin"])}
        result = make("new", f"DEST={tmp_path}/desk", f"VARIANT={variant}", folder=checkout, env=env)
    finally:
        shutil.rmtree(toolchain)
        toolchain.symlink_to(shared)
    assert result.returncode == 0, result.stderr
    assert "could not be installed from npm" in result.stdout
    assert "the one on PATH is missing. Get it by `npm install --global bun@" in result.stdout
    assert result.stdout.endswith(f"    cd {tmp_path}/desk\n    bun install && bun run dev\n\n")


def test_new_fills_a_folder_that_holds_nothing_but_a_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=trunk"], cwd=tmp_path, check=True)
    result = make("new", f"DEST={tmp_path}", env=OFFLINE)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "package.json").is_file()
    assert (tmp_path / ".git" / "HEAD").read_text() == "ref: refs/heads/trunk\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DATA=kubernets=true"], "there is no question 'kubernets'; did you mean kubernetes?"),
        (["DATA=runtime=bun"], "there is no question 'runtime'; there are: variant, project_name"),
        (["DATA=kubernetes"], "'kubernetes' has no value. Write name=value, for example: kubernetes=true"),
        (["DATA=kubernetes=maybe"], "kubernetes=maybe is neither yes nor no. Write for example: kubernetes=true"),
        (["DATA=author='Ada"], "No closing quotation. Write for example: "),
        (["DATA=port=80"], "'port': Choose a port from 1024 to 65535, for example: 3000"),
        (["DATA=port=["], "port=[ cannot be read as YAML"),
        (["DATA=ci=jenkins"], "'ci': 'jenkins' is not in ['github', 'gitlab', 'none']"),
        (["DATA=messaging=none"], f"{DEFAULT_VARIANT} does not ask for messaging"),
        (["VARIANT=nest-typorm"], "There is no variant 'nest-typorm'; did you mean nest-typeorm?"),
        (["VARIANT=rails"], f"There is no variant 'rails'; there are: {', '.join(VARIANTS)}"),
    ],
)
def test_new_explains_what_is_wrong_and_leaves_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = make("new", f"DEST={tmp_path / 'deep' / 'shop'}", *arguments)
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if not line.startswith("make: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_new_writes_into_no_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for target in (tmp_path, tmp_path / "notes.txt", tmp_path / "notes.txt" / "deeper"):
        result = make("new", f"DEST={target}")
        assert result.returncode != 0
        assert result.stderr.startswith("error: ")
        assert "make new DEST=../my-service" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_new_asks_on_a_terminal_and_enter_takes_the_default(tmp_path: Path, terminal: Open) -> None:
    folder = tmp_path / "shop"
    screen = terminal("make", "new", f"DEST={folder}", env=OFFLINE)
    for question in (
        "Which stack?",
        "What is the service called?",
        "Its technical name?",
        "What does it do",
        "Who holds the copyright?",
        "Which licence?",
    ):
        screen.wait_for(question)
        screen.type("\r")
    screen.wait_for("Which port")
    screen.type("x\r")
    screen.wait_for("Choose a port from 1024 to 65535, for example: 3000")
    screen.type("\x7f\r")
    for question in ("continuous integration", "Helm chart", "development container", "AGENTS.md"):
        screen.wait_for(question)
        screen.type("\r")
    screen.wait_for("Next:")
    assert screen.end() == 0
    stored = answers(folder)
    assert (stored["project_slug"], stored["port"], stored["kubernetes"]) == ("ticket-shop", 3000, False)


def test_new_can_be_interrupted_and_leaves_nothing(tmp_path: Path, terminal: Open) -> None:
    screen = terminal("make", "new", f"DEST={tmp_path / 'shop'}", env=OFFLINE)
    screen.wait_for("Which stack?")
    screen.type("\x03")
    assert screen.end() != 0
    assert "Interrupted; nothing was written." in screen.text
    assert "Traceback" not in screen.text
    assert list(tmp_path.iterdir()) == []


def test_new_can_be_interrupted_while_it_installs_and_the_service_is_complete(tmp_path: Path, terminal: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a registry that never answers
        env = {"npm_config_registry": f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        screen = terminal("make", "new", f"DEST={tmp_path / 'shop'}", f"VARIANT={DEFAULT_VARIANT}", env=env)
        screen.wait_for("packages: npm installs them ...")
        silent.accept()
        screen.type("\x03")
        screen.wait_for("Interrupted. The service is complete")
        screen.wait_for("npm install && npm run dev")
        screen.end()
    assert "Traceback" not in screen.text
    assert (tmp_path / "shop" / ".git").is_dir()
    assert not (tmp_path / "shop" / "node_modules").exists()


def test_render_touches_nothing_the_second_time(checkout: Path) -> None:
    assert make("render", folder=checkout).returncode == 0
    services = [checkout / ".render" / variant for variant in VARIANTS]
    before = {
        path: path.stat().st_mtime_ns
        for service in services
        for path in service.rglob("*")
        if "node_modules" not in path.parts
    }
    assert all((service / "node_modules" / "typescript").is_dir() for service in services)
    result = make("render", folder=checkout)
    assert result.stdout.splitlines() == [f"{service}: 0 files changed" for service in services]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_render_follows_what_comes_and_goes_and_leaves_the_users_own(checkout: Path) -> None:
    variant = checkout / "variants" / DEFAULT_VARIANT
    service = checkout / ".render" / DEFAULT_VARIANT
    (variant / "src" / "new").mkdir()
    (variant / "src" / "new" / "file.ts").write_text("export const here = 1;\n")
    assert "1 files changed" in make("render", f"VARIANT={DEFAULT_VARIANT}", folder=checkout).stdout
    assert (service / "src" / "new" / "file.ts").is_file()
    (service / "scratch.ts").write_text("// mine\n")
    shutil.rmtree(variant / "src" / "new")
    assert "1 files changed" in make("render", f"VARIANT={DEFAULT_VARIANT}", folder=checkout).stdout
    assert not (service / "src" / "new").exists()
    assert (service / "scratch.ts").read_text() == "// mine\n"


def test_render_watches_and_renders_again(checkout: Path, terminal: Open) -> None:
    file = checkout / "variants" / DEFAULT_VARIANT / "src" / "app.module.ts"
    screen = terminal("make", "render", f"VARIANT={DEFAULT_VARIANT}", "WATCH=1", folder=checkout)
    screen.wait_for("Watching")
    time.sleep(1)  # until the watch is in place
    file.write_text(file.read_text() + "// a change\n")
    screen.wait_for(f"{DEFAULT_VARIANT}/src/app.module.ts\r\n  {DEFAULT_VARIANT}/src/app.module.ts")
    assert (checkout / ".render" / DEFAULT_VARIANT / "src" / "app.module.ts").read_text().endswith("// a change\n")
    screen.type("\x03")
    screen.end()
    assert "Traceback" not in screen.text


def test_render_refuses_a_variant_that_is_not_there() -> None:
    result = make("render", "VARIANT=rails")
    assert result.returncode != 0
    assert result.stderr.startswith("error: There is no variant 'rails'; there are: ")


@pytest.mark.parametrize("variant", [name for name in TRIED if name in VARIANTS])
def test_try_shows_the_service_live_and_ctrl_c_ends_all_of_it(checkout: Path, terminal: Open, variant: str) -> None:
    marker = f"{uuid.uuid4()}"
    screen = terminal("make", "try", f"VARIANT={variant}", folder=checkout, env={"PLINTH_TEST": marker})
    screen.wait_for("Ctrl-C stops everything.")
    match = re.search(r"Service +(http://\S+)", screen.text)
    assert match
    assert "curl " in screen.text
    path, status = TRIED[variant]
    answer = httpx.get(f"{match[1]}{path}", timeout=10)
    assert answer.status_code == status
    assert answer.json()["data" if status == httpx.codes.OK else "code"]
    assert any("postgres" in line for line in processes_with(marker))
    screen.type("\x03")
    screen.end()
    assert processes_with(marker) == []
    assert list((checkout / ".try").iterdir()) == []
    assert "Traceback" not in screen.text


def test_try_needs_a_variant() -> None:
    result = make("try")
    assert result.returncode != 0
    assert result.stderr.startswith("error: Which variant? For example: make try VARIANT=")


def processes_with(marker: str) -> list[str]:
    """Processes that have a text in their environment, which each hands down to those that it starts."""
    listed = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if marker in line]
