"""Lints a Helm chart as `helm lint --strict` does, and renders it. Run by the linters' own Python, which has Helm.

usage: charts.py CHART DESTINATION VALUES (as JSON)

Writes the manifests to DESTINATION and prints what the linter found as JSON.
"""

import json
import sys
from pathlib import Path

import helm_python  # type: ignore[import-not-found]  # the linters' own Python has it
from helm_python.chart import lint  # type: ignore[import-not-found]  # as above


def main(chart: str, destination: str, values: str) -> None:
    report = lint(chart, json.loads(values), strict=True)
    release = {"name": "release", "namespace": "services"}
    manifests = helm_python.Chart.load(chart).render(json.loads(values), **release)
    for name, text in manifests.items():
        if name.endswith(".yaml") and text.strip():
            (Path(destination) / Path(name).name).write_text(text)
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
