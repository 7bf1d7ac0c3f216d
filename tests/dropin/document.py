# SPDX-License-Identifier: Apache-2.0
"""docs/differences.md, from the table in differences.py."""

import textwrap

INTRODUCTION = """\
# What is different from Distribution

berth takes the configuration file, environment, command line and requests of CNCF Distribution 2.8
(`registry:2`) and answers them as Distribution does, header by header. This page lists where it does
not, on purpose, and why. `tests/dropin/run` holds both against each other with the same files and
requests; it fails for a difference that is not in this list, and for an entry of this list that is
no longer true. Written by `tests/dropin/run --write-document`; edit `tests/dropin/differences.py`.
"""


def paragraph(label, text):
    return "\n".join(textwrap.wrap(f"**{label}:** {text}", 104, break_long_words=False, break_on_hyphens=False,
                                   initial_indent="- ", subsequent_indent="  "))


def text(differences):
    out = [INTRODUCTION]
    for area in dict.fromkeys(d.area for d in differences):
        out.append(f"\n## {area}\n")
        for d in (d for d in differences if d.area == area):
            out.append(f"\n### {d.title}\n\n" + paragraph("Distribution", d.distribution) + "\n" +
                       paragraph("berth", d.berth) + "\n" + paragraph("Why", d.why) + "\n")
    return "".join(out)
