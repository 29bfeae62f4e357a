"""Figures of benchmarks: docs/benchmarks/NAME.json, and the README's tables and the plots that are computed from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from statistics import median
from typing import Any, NotRequired, TypedDict

from tools import ROOT, VARIANTS, ToolError

FOLDER = ROOT / "docs" / "benchmarks"
COPIER = "copier"
"""The name of the figures of Copier itself."""
NAMES = (*VARIANTS, COPIER)
_ATTEMPTS = 3
_SCATTER_MAX = 1 / 3
_BEGIN, _END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
_THREE_DIGITS = 100
_TIMES = 2
"""From this ratio on, the README says "times" and not "%"."""


class Figure(TypedDict):
    """As the benchmarks of the services write it (template/bench/harness.ts)."""

    name: str
    unit: str
    rounds: list[float]
    how: str
    versus: NotRequired[list[str]]
    note: NotRequired[str]


class Results(TypedDict):
    """A file of docs/benchmarks."""

    plinth: str
    commit: str
    date: str
    machine: str
    versions: str
    settings: dict[str, str]
    figures: list[Figure]


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures in turns, so that a slow minute hits all. Repeats if the rounds of one of them scatter."""
    for _ in range(_ATTEMPTS):
        taken: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(rounds):
            for name, measure in measures.items():
                taken[name].append(round(measure(), 3))
        if not any(map(_scatters, taken.values())):
            break
    return taken


def publish(name: str, results: Results) -> None:
    """Writes the figures of a run, and removes those of other machines and versions."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for other, found in published().items():
        if other != name and _setting(found) != _setting(results):
            print(f"Removing the figures of {other}: they are of another machine or version.", flush=True)
            for suffix in ("json", "svg"):
                (FOLDER / f"{other}.{suffix}").unlink(missing_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    (FOLDER / f"{name}.svg").write_text(plot(name, results))
    readme = ROOT / "README.md"
    readme.write_text(with_section(readme.read_text(), section(published())))


def published() -> dict[str, Results]:
    """The results in docs/benchmarks, in the README's order."""
    files = {name: FOLDER / f"{name}.json" for name in NAMES}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def with_section(readme: str, text: str) -> str:
    """The README with a text between its two markers."""
    if _BEGIN not in readme or _END not in readme:
        raise ToolError(f"README.md has no place for the figures: add {_BEGIN} and {_END}, each on a line of its own.")
    pattern = f"{re.escape(_BEGIN)}.*?{re.escape(_END)}"
    return re.sub(pattern, lambda _: f"{_BEGIN}\n{text}\n{_END}", readme, flags=re.DOTALL)


def section(all_results: Mapping[str, Results]) -> str:
    """All figures as the README shows them."""
    if not all_results:
        return "There are no figures yet: `make bench` has not run on this version."
    return "\n\n".join(_part(name, results) for name, results in all_results.items())


def _part(name: str, results: Results) -> str:
    settings = " ".join(f"`{key}={value}`" for key, value in results["settings"].items())
    return "\n".join(
        [
            f"### Figures of {name}",
            "",
            f"{results['date']}, Plinth {results['plinth']} (commit {results['commit']}), {results['versions']}, "
            f"{results['machine']}."
            + (f" Settings other than the defaults of production: {settings}." * bool(settings)),
            "",
            "| measured | median | range | compared | how |",
            "| --- | ---: | ---: | --- | --- |",
            *(_row(figure, results["figures"]) for figure in results["figures"]),
            "",
            f"![Medians and ranges of {name}](docs/benchmarks/{name}.svg)",
        ]
    )


def _row(figure: Figure, figures: Sequence[Figure]) -> str:
    unit, rounds = figure["unit"], figure["rounds"]
    low, high = (_format(value, unit) for value in (min(rounds), max(rounds)))
    others = {other["name"]: other for other in figures}
    compared = "; ".join(_compared(figure, others[name]) for name in figure.get("versus", []))
    how = [figure["how"], f"{len(rounds)} round{'s' * (len(rounds) > 1)}"]
    if "note" in figure:
        how.append(figure["note"])
    if _scatters(rounds):
        how.append("the rounds scatter by more than a third")
    name = figure["name"]
    return f"| {name} | {_format(median(rounds), unit)} | {low} to {high} | {compared} | {'; '.join(how)} |"


def _compared(figure: Figure, other: Figure) -> str:
    """The ratio of the medians as they are printed."""
    own, of = (_rounded(median(each["rounds"]), each["unit"]) for each in (figure, other))
    ratio = own / of
    text = f"**{ratio:.1f} times** {other['name']}" if ratio >= _TIMES else f"**{ratio:.0%}** of {other['name']}"
    overlap = min(figure["rounds"]) <= max(other["rounds"]) and min(other["rounds"]) <= max(figure["rounds"])
    return f"{text} (the ranges overlap: no difference measured)" if overlap else text


def _format(value: float, unit: str) -> str:
    return f"{_rounded(value, unit):,}{ {'/s': '/s', 'us': ' µs'}.get(unit, f' {unit}') }"


def _rounded(value: float, unit: str) -> float:
    if unit == "s":
        return round(value, 2)
    return float(f"{value:.3g}") if unit == "ms" and value < _THREE_DIGITS else round(value)


def _scatters(rounds: Sequence[float]) -> bool:
    return max(rounds) - min(rounds) > _SCATTER_MAX * median(rounds)


def _setting(results: Results) -> tuple[str, str]:
    return results["machine"], results["plinth"]


def plot(name: str, results: Results) -> str:
    """Medians as bars, ranges as lines: of all figures that have the unit of the first comparison."""
    unit = next((figure["unit"] for figure in results["figures"] if "versus" in figure), "s")
    shown = [figure for figure in results["figures"] if figure["unit"] == unit]
    width, left, right, step, top = 720, 24, 110, 48, 20
    highest = max(max(figure["rounds"]) for figure in shown)
    scale = (width - left - right) / highest
    shapes: list[Any] = []
    for index, figure in enumerate(shown):
        y = top + index * step
        low, middle, high = (left + scale * pick(figure["rounds"]) for pick in (min, median, max))
        shapes += [
            f'<text x="{left}" y="{y + 10}">{escape(figure["name"].replace("`", ""))}</text>',
            f'<rect x="{left}" y="{y + 16}" width="{middle - left:.1f}" height="16" fill="#93c5fd"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 24}" y2="{y + 24}" stroke="#1e3a8a" stroke-width="2"/>',
            f'<text x="{high + 8:.1f}" y="{y + 28}">{_format(median(figure["rounds"]), unit)}</text>',
        ]
    height = top + len(shown) * step
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif" font-size="13" fill="#111827">',
            f"<title>{name}: medians as bars, ranges of the rounds as lines</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *shapes,
            "</svg>\n",
        ]
    )
