# SPDX-License-Identifier: Apache-2.0
"""The table of figures: what was measured, the bar, and whether it is met."""

import dataclasses
import statistics
import typing


@dataclasses.dataclass
class Row:
    part: str
    what: str
    unit: str
    values: dict                      # server -> figure
    bar: str = ""                     # in words; empty: a figure without a bar
    ratio: typing.Optional[float] = None
    met: typing.Optional[bool] = None
    note: str = ""


def number(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


class Rounds:
    """Figures of several servers, one of each in every round, in changing order."""

    def __init__(self, servers):
        self.values = {s: [] for s in servers}

    def run(self, rounds, measure):
        names = list(self.values)
        for i in range(rounds):
            turn = i % len(names)
            for name in names[turn:] + names[:turn]:
                self.values[name].append(measure(name))
        return self

    def medians(self):
        return {s: statistics.median(v) for s, v in self.values.items()}

    def ratio(self, over, under):
        """The median of the ratios of each round: what disturbs a whole round disturbs both."""
        return statistics.median(a / b for a, b in zip(self.values[over], self.values[under]))


class Table:
    COLUMNS = ("what", "bar", "berth", "nginx", "Distribution", "ratio", "")

    def __init__(self):
        self.rows = []

    def add(self, row):
        self.rows.append(row)
        print("  " + "  ".join(x for x in self.cells(row) if x), flush=True)

    def against(self, part, what, unit, rounds, peer, bar=None):
        """berth over a peer, at least `bar` times as good."""
        ratio = rounds.ratio("berth", peer)
        self.add(Row(part, what, unit, rounds.medians(), f">= {bar:g} x {peer}" if bar else f"against {peer}", ratio,
                     ratio >= bar if bar else None))

    def at_most(self, part, what, unit, value, bar, others=None, note=""):
        self.add(Row(part, what, unit, {"berth": value, **(others or {})}, f"<= {bar:g} {unit}", None, value <= bar,
                     note))

    @staticmethod
    def cells(row):
        def shown(server):
            x = row.values.get(server)
            return f"{number(x)} {row.unit}" if x is not None else ""
        verdict = "" if row.met is None else "met" if row.met else "MISSED"
        return (row.what + (f" ({row.note})" if row.note else ""), row.bar, shown("berth"), shown("nginx"),
                shown("Distribution"), "" if row.ratio is None else f"{row.ratio:.2f}", verdict)

    def text(self):
        lines = [self.COLUMNS] + [self.cells(r) for r in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.COLUMNS))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)

    def markdown(self):
        lines = [self.COLUMNS, ["---"] * len(self.COLUMNS)] + [self.cells(r) for r in self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def json(self):
        return [dataclasses.asdict(r) for r in self.rows]
