"""What was measured, and the table and the targets made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.bench.limit import Parts
from tests.bench.measure import Figure

COLD = "Airferry, cold"
AGAIN = "Airferry, again"
PROTOTYPE = "the prototype"
SKOPEO = "skopeo copy, image by image"
DOCKER = "docker load + tag + push"
LIMIT = "the bare limit (no network)"
PACKED = "Airferry, `.tar.gz`"
ONE = "Airferry, one layer of it all"
TWENTY = "Airferry, the same in twenty layers"
STICK = "Airferry, from a stick of 150 MB/s"

HEADER = (
    "| what | rounds | wall s | ratio to cold | CPU s, own | CPU s, registry | peak MB |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass
class Sheet:
    """All figures of a run. `tail_s`: from the stick's last byte to the end of the import."""

    rows: dict[str, list[Figure]] = field(default_factory=dict)
    tail_s: float | None = None
    parts: Parts | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, label: str, figure: Figure) -> None:
        """Keep a figure and print it."""
        self.rows.setdefault(label, []).append(figure)
        print(
            f"{label:40} {figure.wall_s:7.2f} s {figure.cpu_s:7.2f} CPU s, registry "
            f"{_or_dash(figure.registry_cpu_s, '.2f'):>6}, {figure.peak_bytes / 1e6:4.0f} MB",
            flush=True,
        )

    def best(self, label: str) -> Figure | None:
        """Return the fastest round, with the most memory of all rounds."""
        figures = self.rows.get(label)
        if not figures:
            return None
        fastest = min(figures, key=lambda figure: figure.wall_s)
        return replace(fastest, peak_bytes=max(figure.peak_bytes for figure in figures))

    def ratio(self, label: str, other: str) -> float | None:
        """Return how many times as long as another row a row took."""
        figure, base = self.best(label), self.best(other)
        return figure.wall_s / base.wall_s if figure and base else None

    def peak_bytes(self) -> int:
        """Return the most memory that Airferry had in any round."""
        return max(
            figure.peak_bytes
            for label, figures in self.rows.items()
            if label.startswith("Airferry")
            for figure in figures
        )


def table(sheet: Sheet) -> str:
    """Return the table."""
    return "\n".join([HEADER, *(_row(sheet, label) for label in sheet.rows)])


def _row(sheet: Sheet, label: str) -> str:
    figure = sheet.best(label)
    if figure is None:
        raise KeyError(label)
    cells = [
        label,
        str(len(sheet.rows[label])),
        f"{figure.wall_s:.2f}",
        _or_dash(sheet.ratio(label, COLD), ".2f"),
        f"{figure.cpu_s:.2f}",
        _or_dash(figure.registry_cpu_s, ".2f"),
        f"{figure.peak_bytes / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def targets(sheet: Sheet) -> str:
    """Return each target with what was measured."""
    again = sheet.best(AGAIN)
    wanted = [
        ("cold, to the prototype", sheet.ratio(COLD, PROTOTYPE), "<=", 1.1, "times"),
        ("cold, to the bare limit", sheet.ratio(COLD, LIMIT), "<=", 1.9, "times"),
        ("skopeo, to cold", sheet.ratio(SKOPEO, COLD), ">=", 2.4, "times"),
        ("docker load + tag + push, to cold", sheet.ratio(DOCKER, COLD), ">=", 6.0, "times"),
        ("again", again.wall_s if again else None, "<=", 1.0, "s"),
        ("peak memory, all of Airferry's rows", sheet.peak_bytes() / 1e6, "<=", 200.0, "MB"),
        ("`.tar.gz`, to `.tar`", sheet.ratio(PACKED, COLD), "<=", 1.6, "times"),
        ("one layer, to twenty", sheet.ratio(ONE, TWENTY), "<=", 1.15, "times"),
        ("from the stick's last byte to the end", sheet.tail_s, "<=", 3.0, "s"),
    ]
    lines = ["| target | wanted | measured | |", "| --- | --- | --- | --- |"]
    for what, found, sign, bound, unit in wanted:
        cells = [
            what,
            f"{sign} {bound:g} {unit}",
            _or_dash(found, ".2f"),
            _verdict(found, sign, bound),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(found: float | None, sign: str, bound: float) -> str:
    if found is None:
        return "not measured"
    met = found <= bound if sign == "<=" else found >= bound
    return "met" if met else "**not met**"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
