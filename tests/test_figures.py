"""The README's figures: they are those of docs/benchmarks, and the tables follow from them."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Rendered
from tools import ROOT
from tools.figures import FOLDER, Figure, Results, in_turns, plot, published, section, with_section


def figure(name: str, *rounds: float, versus: tuple[str, ...] = (), unit: str = "/s") -> Figure:
    made = Figure(name=name, unit=unit, rounds=list(rounds), how="64 connections")
    return {**made, "versus": list(versus)} if versus else made


def results(*figures: Figure) -> Results:
    return Results(
        plinth="1.2.3",
        commit="abc1234",
        date="2026-12-01",
        machine="2 cores",
        versions="Node 24",
        settings={"RATE_LIMIT_MAX": "1000000"},
        figures=list(figures),
    )


def row(name: str, *figures: Figure) -> list[str]:
    """The cells of a figure in the README's table."""
    [line] = [line for line in section({"x": results(*figures)}).splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_readme_has_the_figures_of_the_json_files() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme == with_section(readme, section(published())), "README.md differs from docs/benchmarks: make bench"


def test_plots_are_drawn_from_the_json_files() -> None:
    drawn = {f"{name}.svg": plot(name, found) for name, found in published().items()}
    assert {file.name: file.read_text() for file in FOLDER.glob("*.svg")} == drawn


def test_figures_are_of_one_machine_and_one_version() -> None:
    assert len({(found["machine"], found["plinth"]) for found in published().values()}) <= 1


def test_readme_with_a_changed_figure_differs() -> None:
    before = section({"x": results(figure("reads", 100, 101, 102))})
    assert before != section({"x": results(figure("reads", 100, 111, 112))})
    assert (
        with_section("README\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\n", "new")
        == "README\n<!-- benchmarks -->\nnew\n<!-- /benchmarks -->\n"
    )


def test_part_names_machine_version_date_and_settings() -> None:
    text = section({"x": results(figure("reads", 1))})
    for said in ("2026-12-01", "Plinth 1.2.3 (commit abc1234)", "Node 24", "2 cores", "`RATE_LIMIT_MAX=1000000`"):
        assert said in text


def test_row_has_median_and_range_of_the_rounds() -> None:
    assert row("reads", figure("reads", 1000, 1250, 1100))[1:3] == ["1,100/s", "1,000/s to 1,250/s"]


def test_ratio_is_that_of_the_printed_medians() -> None:
    # The median of the ratios of the rounds would be 50 %.
    own, bare = figure("own", 100, 200, 300, versus=("bare",)), figure("bare", 400, 400, 450)
    assert row("own", own, bare)[3] == "**50%** of bare"
    own, bare = figure("own", 100, 200, 300, versus=("bare",)), figure("bare", 310, 600, 600)
    assert row("own", own, bare)[3] == "**33%** of bare"


def test_large_ratio_is_a_number_of_times() -> None:
    own = figure("own", 778, versus=("plain",))
    assert row("own", own, figure("plain", 100))[3] == "**7.8 times** plain"


def test_overlapping_ranges_are_no_difference() -> None:
    own = figure("own", 90, 96, 104, versus=("view",))
    assert row("own", own, figure("view", 98, 100, 101))[3].endswith("(the ranges overlap: no difference measured)")


def test_row_tells_of_rounds_that_scatter() -> None:
    assert "scatter" in row("reads", figure("reads", 100, 120, 160))[4]
    assert "scatter" not in row("reads", figure("reads", 100, 120, 130))[4]


@pytest.mark.parametrize(
    ("series", "taken"),
    [([100, 101, 102], [100, 101, 102]), ([100, 150, 200, 103, 104, 105], [103, 104, 105])],
    ids=["steady", "scattering"],
)
def test_copier_benchmark_with_scattering_rounds_is_repeated(series: list[float], taken: list[float]) -> None:
    measure: Callable[[], float] = iter(series).__next__
    assert in_turns({"copy": measure}, 3) == {"copy": taken}


def test_copier_benchmark_that_always_scatters_ends() -> None:
    values = itertools.cycle([1.0, 2.0, 3.0])
    assert in_turns({"copy": lambda: next(values)}, 3) == {"copy": [1.0, 2.0, 3.0]}


@pytest.fixture(scope="module")
def harness(rendered: Rendered) -> Path:
    """A service whose bench/harness.ts runs on the packages of Node alone."""
    return rendered("nest-typeorm")


def run_harness(service: Path, text: str) -> str:
    """What a module that imports the harness prints as its last line."""
    command = ["node", "--input-type=module-typescript", "--eval", text]
    result = subprocess.run(command, cwd=service, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


def test_service_benchmark_with_scattering_rounds_is_repeated(harness: Path) -> None:
    text = """
        import { inTurns } from './bench/harness.ts';
        const series = [100, 150, 200, 103, 104, 105];
        console.log(JSON.stringify(await inTurns({ reads: async () => series.shift() ?? 0 }, 3)));
    """
    assert json.loads(run_harness(harness, text)) == {"reads": [103, 104, 105]}


def test_measured_process_is_the_one_that_listens(harness: Path) -> None:
    # The shell's command line ends in the server's file, too.
    (harness / "server.mjs").write_text(
        "import { createServer } from 'node:http';\n"
        "createServer((_, response) => response.end(`${process.pid}`)).listen(process.env.PORT, '127.0.0.1');\n"
    )
    text = """
        import { memory, startServer } from './bench/harness.ts';
        const server = await startServer(['sh', '-c', '"$0" "$1"; exit', process.execPath, 'server.mjs']);
        const pid = Number(await (await fetch(server.url)).text());
        const { resident } = memory(server.pid);
        console.log(JSON.stringify({ pid, measured: server.pid, shell: server.pid === process.pid, resident }));
        await server.stop();
    """
    found = json.loads(run_harness(harness, text))
    assert found["measured"] == found["pid"]
    assert found["resident"] > 20, "a shell has 2 MiB"


def test_servers_that_send_different_bytes_are_not_compared(harness: Path) -> None:
    (harness / "other.mjs").write_text(
        "import { createServer } from 'node:http';\n"
        "const { PORT, FIELD } = process.env;\n"
        "createServer((_, response) => response.setHeader('x', FIELD).end('body')).listen(PORT, '127.0.0.1');\n"
    )
    text = """
        import { requireSameResponses, startServer } from './bench/harness.ts';
        const start = (FIELD) => startServer([process.execPath, 'other.mjs'], { FIELD });
        const servers = await Promise.all([start('1'), start('1'), start('2')]);
        const [one, same, other] = servers.map(({ url }) => url);
        await requireSameResponses([one, same], {});
        const refused = await requireSameResponses([one, other], {}).then(() => '', ({ message }) => message);
        console.log(JSON.stringify(refused.split(':\\n')[0]));
        await Promise.all(servers.map((server) => server.stop()));
    """
    assert "does not send what" in json.loads(run_harness(harness, text))
