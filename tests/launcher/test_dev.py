"""scripts/dev.mjs: the development loop, round a ten-line service with a real compiler and a real database."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tools.ports import free_port

from .conftest import PATIENCE, MakeService, Service, wait_for

TSCONFIG = {
    "compilerOptions": {
        "rootDir": "src",
        "outDir": "dist",
        "tsBuildInfoFile": "dist/.tsbuildinfo",
        "incremental": True,
        "target": "es2024",
        "module": "nodenext",
        "strict": True,
        "types": ["node"],
    },
    "include": ["src"],
}
MAIN = """
import { createServer } from 'node:http';

const greeting: string = 'first';
const { DATABASE_URL, NODE_ENV, HOST, PORT, LOOK } = process.env;
const server = createServer((request, response) => {
  if (request.url === '/health/ready') return response.end('{}');
  if (request.url === '/crash') process.exit(9);
  response.end(JSON.stringify({ greeting, pid: process.pid, DATABASE_URL, NODE_ENV, HOST, LOOK }));
});
server.listen(Number(PORT), HOST);
console.log('begun');
process.on('SIGTERM', () => server.close(() => console.log('drained')));
"""
# What takes time to load; it tells the preparation, which may wait for it.
LOAD = """
import { writeFileSync } from 'node:fs';

writeFileSync('loaded', '');
"""
PREPARE = """
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

while (process.env.WAIT_UNTIL_LOADED && !existsSync('loaded')) await setTimeout(10);
if (!process.env.MIGRATION_DATABASE_URL) throw new Error('no owner');
console.log('prepared');
"""
DEV = {
    "compile": ["node_modules/typescript/bin/tsc"],
    "watch": ["node_modules/typescript/bin/tsc", "--watch", "--preserveWatchOutput"],
    "prepare": ["dist/prepare.js"],
    "start": ["dist/main.js"],
    "preload": "dist/load.js",
    "examples": ["curl {url}/", "curl -X POST {url}/tickets"],
}


class Loop:
    """A running dev.mjs."""

    def __init__(self, service: Service, port: int, **env: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = service.start(script="dev", PORT=str(port), **env)
        self.lines: list[str] = []
        self.unread: queue.Queue[str] = queue.Queue()
        self.readers = [
            threading.Thread(target=self._read, args=[stream], daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.append(line)
            self.unread.put(line)

    def expect(self, pattern: str) -> str:
        """Waits for a line that was not looked at yet."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                line = self.unread.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers):
                    break
                continue
            if re.search(pattern, line):
                return line
        pytest.fail(f"no {pattern!r} in:\n{''.join(self.lines)}")

    def get(self, path: str = "/") -> dict[str, object]:
        with urllib.request.urlopen(self.url + path, timeout=5) as response:  # noqa: S310 - its own service
            answer: dict[str, object] = json.load(response)
            return answer

    def answers(self) -> bool:
        try:
            self.get()
        except OSError:
            return False
        return True

    def greets(self, greeting: str) -> Callable[[], bool]:
        def check() -> bool:
            try:
                return self.get()["greeting"] == greeting
            except OSError:
                return False

        return check

    def end(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        code = self.process.wait(timeout=60)
        for reader in self.readers:
            reader.join(timeout=10)
        return code


def draining_for(milliseconds: int) -> str:
    """A service that takes so long to end."""
    return MAIN.replace("console.log('drained')", f"setTimeout(() => console.log('drained'), {milliseconds})")


@pytest.fixture
def port() -> int:
    return free_port()


def furnish(service: Service) -> Service:
    service.configure(dev=DEV)
    service.write("tsconfig.json", json.dumps(TSCONFIG))
    service.write("src/main.ts", MAIN)
    service.write("src/load.ts", LOAD)
    service.write("src/prepare.ts", PREPARE)
    return service


@pytest.fixture
def app(service: Service) -> Service:
    return furnish(service)


@pytest.fixture
def anyones_app(anyones_service: Service) -> Service:
    return furnish(anyones_service)


class TestEnvFile:
    EXAMPLE = "# The port.\nPORT=3100\nLOOK=<secret>\nOTHER=<secret>\nNOTE=a <secret> in a text\n"

    def test_is_written_once_with_fresh_secrets_for_its_owner_alone(self, app: Service) -> None:
        app.write(".env.example", self.EXAMPLE)
        result = app.run("--env-only", script="dev")
        assert result.returncode == 0, result.stderr
        file = app.path / ".env"
        text = file.read_text()
        secrets = re.findall(r"^(?:LOOK|OTHER)=dev_([0-9a-f]{64})$", text, re.MULTILINE)
        assert len(set(secrets)) == 2
        assert text.startswith("# The port.\nPORT=3100\n")
        assert text.endswith("NOTE=a <secret> in a text\n")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert app.run("--env-only", script="dev").returncode == 0
        assert file.read_text() == text
        assert not (app.path / ".data").exists()

    def test_that_is_there_stays_and_what_it_lacks_is_named(self, app: Service) -> None:
        app.write(".env.example", f"{self.EXAMPLE}#OPTIONAL=1\n")
        own = "export PORT=4000\n# OTHER=not needed here\nLOOK=mine"
        app.write(".env", own)
        result = app.run("--env-only", script="dev")
        assert result.returncode == 0
        assert (app.path / ".env").read_text() == own
        assert result.stderr.splitlines()[1:] == ["  NOTE=a <secret> in a text"]
        app.write(".env", f"{own}\nNOTE=\n")
        assert app.run("--env-only", script="dev").stderr == ""

    def test_gives_way_to_the_environment(self, app: Service, port: int) -> None:
        app.write(".env", "PORT=1\nLOOK=file\nNODE_ENV=test\n")
        loop = Loop(app, port, LOOK="environment")
        loop.expect("is ready after")
        answer = loop.get()
        assert (answer["LOOK"], answer["NODE_ENV"], answer["HOST"]) == ("environment", "test", "127.0.0.1")
        assert loop.end() == 0


class TestLoop:
    def test_serves_tells_the_urls_and_leaves_no_process(self, anyones_app: Service, port: int) -> None:
        loop = Loop(anyones_app, port)
        loop.expect("prepared")
        loop.expect(r"ticket-shop is ready after \d+\.\d s")
        loop.expect(f"http://127.0.0.1:{port}$")
        loop.expect(f"http://127.0.0.1:{port}/docs")
        shown = loop.expect("postgres://ticket_shop_app:").split()[-1]
        loop.expect(f"curl http://127.0.0.1:{port}/$")
        loop.expect(f"curl -X POST http://127.0.0.1:{port}/tickets$")
        answer = loop.get()
        assert (answer["DATABASE_URL"], answer["NODE_ENV"]) == (shown, "development")
        assert loop.end() == 0
        assert "drained\n" in loop.lines
        assert anyones_app.processes() == {}

    @pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    def test_leaves_no_process_however_it_ends(self, app: Service, port: int, by: signal.Signals) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        assert loop.end(by) == (-signal.SIGKILL if by == signal.SIGKILL else 0)
        app.wait_until_nothing_runs()

    def test_a_ctrl_c_that_comes_twice_is_one(self, app: Service, port: int) -> None:
        """From the terminal and from a package manager that hands it on."""
        loop = self.interrupted(app, port)
        time.sleep(0.05)
        assert loop.end() == 0
        assert "drained\n" in loop.lines
        assert app.processes() == {}

    def test_a_second_ctrl_c_does_not_wait_for_the_service(self, app: Service, port: int) -> None:
        loop = self.interrupted(app, port)
        time.sleep(1)
        assert loop.end() == 128 + signal.SIGINT
        app.wait_until_nothing_runs()

    @staticmethod
    def interrupted(app: Service, port: int) -> Loop:
        """A loop that has had its first Ctrl-C, and whose service takes three seconds to end."""
        app.write("src/main.ts", draining_for(3_000))
        loop = Loop(app, port)
        loop.expect("is ready after")
        loop.process.send_signal(signal.SIGINT)
        return loop

    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
    def test_leaves_no_process_when_it_ends_while_starting(self, app: Service, port: int, by: signal.Signals) -> None:
        loop = Loop(app, port)
        wait_for(lambda: any("initdb" in command for command in app.processes().values()))
        loop.end(by)
        app.wait_until_nothing_runs()

    def test_restarts_after_a_change_and_not_without_one(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        pid = loop.get()["pid"]
        stamp = app.path / ".data" / "compiled"
        compiled = stamp.read_text()
        # The compiler that watches looks at everything once, and finds what is there already.
        wait_for(lambda: stamp.exists() and stamp.read_text() not in ("", compiled))
        assert loop.get()["pid"] == pid
        app.write("src/main.ts", MAIN.replace("first", "second"))
        wait_for(loop.greets("second"))
        assert loop.get()["pid"] != pid
        assert len([command for command in app.processes().values() if "dist/main.js" in command]) == 1
        assert loop.end() == 0
        assert loop.lines.count("Restarting ...\n") == 1

    def test_does_not_restart_the_service_while_it_ends(self, app: Service, port: int) -> None:
        said = "console.log('Found 0 errors. Watching for file changes.\\nlooked')"
        app.write("chatty.mjs", f"setInterval(() => {said}, 5);")
        app.write("src/main.ts", draining_for(300))
        app.configure(dev=DEV | {"watch": ["chatty.mjs"]})
        loop = Loop(app, port)
        loop.expect("looked")
        assert loop.end() == 0
        assert "drained\n" in loop.lines
        assert "Restarting ...\n" not in loop.lines
        assert app.processes() == {}

    def test_keeps_the_last_good_build_running_while_there_are_errors(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        app.write("src/main.ts", MAIN.replace("'first'", "42"))
        loop.expect(r"src/main\.ts.*TS2322")
        loop.expect("keeps running as it was")
        assert loop.get()["greeting"] == "first"
        app.write("src/main.ts", MAIN.replace("first", "third"))
        wait_for(loop.greets("third"))
        assert loop.end() == 0

    def test_waits_for_a_first_build_without_errors(self, app: Service, port: int) -> None:
        app.write("src/main.ts", MAIN.replace("'first'", "42"))
        loop = Loop(app, port)
        loop.expect("starts when this is mended")
        app.write("src/main.ts", MAIN)
        loop.expect("is ready after")
        assert loop.get()["greeting"] == "first"
        assert loop.end() == 0

    def test_starts_again_after_a_crash_and_a_change(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            loop.get("/crash")
        loop.expect(r"has ended \(code 9\)")
        app.write("src/main.ts", MAIN.replace("first", "second"))
        wait_for(loop.greets("second"))
        assert loop.end() == 0

    def test_loads_the_service_while_the_database_is_prepared_and_begins_after_that(
        self, app: Service, port: int
    ) -> None:
        loop = Loop(app, port, WAIT_UNTIL_LOADED="yes")
        loop.expect("is ready after")
        assert loop.end() == 0
        told = [line.strip() for line in loop.lines]
        assert told.index("prepared") < told.index("begun")

    def test_uses_the_last_build_at_once_where_nothing_has_changed(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        assert loop.end() == 0
        # A compiler that never finishes: only the last build can serve.
        app.write("never.mjs", "setInterval(() => {}, 1000);")
        package_json = app.path / "package.json"
        times = package_json.stat()
        app.configure(dev=DEV | {"compile": ["never.mjs"], "watch": ["never.mjs"]})
        os.utime(package_json, ns=(times.st_atime_ns, times.st_mtime_ns))
        loop = Loop(app, port)
        loop.expect("is ready after")
        assert loop.end() == 0

    def test_compiles_before_it_serves_what_was_changed_meanwhile(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        assert loop.end() == 0
        app.write("src/main.ts", MAIN.replace("first", "second"))
        loop = Loop(app, port)
        loop.expect("is ready after")
        assert loop.get()["greeting"] == "second"
        assert loop.end() == 0

    def test_shares_its_servers_with_commands(self, app: Service, port: int) -> None:
        loop = Loop(app, port)
        loop.expect("is ready after")
        result = app.run("--", "sh", "-c", "echo $DATABASE_URL")
        assert result.stdout.strip() == loop.get()["DATABASE_URL"]
        assert loop.end() == 0

    def test_starts_at_once_after_it_was_interrupted_three_times_in_a_row(self, app: Service, port: int) -> None:
        app.write("src/main.ts", draining_for(1_000))
        ended = []
        for by in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            loop = Loop(app, port)
            loop.expect("is ready after")
            loop.process.send_signal(by)
            ended.append(loop)
            time.sleep(0.1)
        last = Loop(app, port)
        last.expect("is ready after")
        assert [loop.process.wait(timeout=60) for loop in ended] == [0, 0, 0]
        assert app.ask("SELECT 1 AS n")["n"] == 1
        assert last.end() == 0
        app.wait_until_nothing_runs()

    def test_takes_over_the_servers_of_a_process_that_ends(self, app: Service, port: int) -> None:
        first, second = Loop(app, port), Loop(app, free_port())
        first.expect("is ready after")
        second.expect("is ready after")
        owner, borrower = (second, first) if any("using the one" in line for line in first.lines) else (first, second)
        # Both compile into the same folder, so that each restarts the other once.
        wait_for(borrower.answers)
        before = borrower.get()["DATABASE_URL"]
        assert owner.end() == 0
        wait_for(lambda: len(app.postmasters()) == 1)
        wait_for(borrower.answers)
        assert app.ask("SELECT 1 AS n")["n"] == 1
        assert borrower.get()["DATABASE_URL"] == before
        assert borrower.end() == 0
        app.wait_until_nothing_runs()


class TestMistake:
    def test_a_port_in_use_is_named_with_what_to_do(self, app: Service, port: int) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            result = app.run(script="dev", PORT=str(port))
        assert result.returncode == 1
        assert f"Port {port} is in use" in result.stderr
        assert "PORT=" in result.stderr
        assert not (app.path / ".data").exists()

    @pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", "3000.5"])
    def test_a_port_that_is_none_is_named(self, app: Service, value: str) -> None:
        result = app.run(script="dev", PORT=value)
        assert result.returncode == 1
        assert f'PORT is "{value}"' in result.stderr

    def test_an_unknown_option_changes_nothing(self, app: Service) -> None:
        app.write(".env.example", "LOOK=<secret>\n")
        result = app.run("--nope", script="dev")
        assert result.returncode == 2
        assert result.stderr.startswith("--nope: no such option")
        assert not (app.path / ".env").exists()

    def test_a_failed_preparation_ends_it(self, app: Service, port: int) -> None:
        app.write("src/prepare.ts", "throw new Error('migration failed');")
        result = app.run(script="dev", PORT=str(port))
        assert result.returncode == 1
        assert "migration failed" in result.stderr
        assert "could not be prepared by: node dist/prepare.js" in result.stderr
        assert app.processes() == {}

    @pytest.mark.parametrize("step", ["compile", "watch", "prepare", "start"])
    def test_a_missing_step_in_package_json_is_named(self, app: Service, step: str) -> None:
        app.configure(dev={name: value for name, value in DEV.items() if name != step})
        result = app.run(script="dev")
        assert result.returncode == 1
        assert f'"dev": {{ "{step}": [...] }}' in result.stderr
        assert not (app.path / ".data").exists()

    def test_no_database_to_be_had_ends_it(self, make_service: MakeService, port: int) -> None:
        service = furnish(make_service())
        compiler = service.write("idle.mjs", "setInterval(() => {}, 1000);")
        service.configure(dev=DEV | {"compile": [str(compiler)]})
        (service.path / "node_modules").unlink()
        result = service.run(script="dev", PORT=str(port))
        assert result.returncode == 1
        assert "docker compose up -d" in result.stderr
        assert service.processes() == {}


class TestUnderNpm:
    """`npm run dev`, which puts itself and a shell above the script."""

    def begin(self, app: Service, port: int) -> subprocess.Popen[str]:
        app.configure(scripts={"dev": "node scripts/dev.mjs 2>&1"})
        process = app.spawn(str(shutil.which("npm")), "run", "dev", PORT=str(port))
        assert process.stdout
        for line in process.stdout:
            if "Ctrl-C stops everything" in line:
                return process
        pytest.fail("it has ended")

    def test_ctrl_c_ends_it_in_order(self, app: Service, port: int) -> None:
        """The whole foreground group gets SIGINT, as from a terminal."""
        process = self.begin(app, port)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert "drained" in output
        assert app.processes() == {}

    @pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
    def test_what_ends_npm_alone_ends_all(self, app: Service, port: int, by: signal.Signals) -> None:
        process = self.begin(app, port)
        process.send_signal(by)
        output, _ = process.communicate(timeout=60)
        assert "drained" in output
        app.wait_until_nothing_runs()
