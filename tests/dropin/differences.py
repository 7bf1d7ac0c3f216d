# SPDX-License-Identifier: Apache-2.0
"""Where berth answers differently from CNCF Distribution 2.8, and why.

The table is the test's list of allowed differences and the source of
docs/differences.md: what it does not name has to be the same.
"""

import dataclasses

from compare import Rule


@dataclasses.dataclass
class Difference:
    area: str
    title: str
    distribution: str
    berth: str
    why: str
    rules: list


DIFFERENCES = []


def differs(area, title, distribution, berth, why, *rules):
    DIFFERENCES.append(Difference(area, title, distribution, berth, why, list(rules)))


def at(scenes, labels, **accept):
    """A rule; `header_x_y` stands for the aspect "header x-y", `headers` for any header."""
    def aspect(key):
        if key == "headers":
            return "header *"
        return "header " + key[7:].replace("_", "-") if key.startswith("header_") else key
    return Rule(scenes if isinstance(scenes, list) else [scenes], labels if isinstance(labels, list) else [labels],
                {aspect(k): v for k, v in accept.items()})
