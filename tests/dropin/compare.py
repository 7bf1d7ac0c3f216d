# SPDX-License-Identifier: Apache-2.0
"""Compares two recorded answers aspect by aspect and looks up what may differ.

An answer has these aspects: "status", "header NAME" for each header, and either
"body" or, for an error in JSON, "codes", "messages" and "details" (lists, one
item for each error). An aspect that differs is allowed when a rule of
differences.py covers scene, label and aspect and accepts the two values.
"""

import dataclasses
import fnmatch
import json


def is_error(body):
    return isinstance(body, dict) and isinstance(body.get("errors"), list)


def aspects(answer):
    out = {"status": answer["status"]}
    for name, values in answer["headers"].items():
        if name == "content-length" and answer["status"] >= 400:
            continue  # HEAD of an error: the body that GET shows is compared there
        out[f"header {name}"] = values if len(values) > 1 else values[0]
    body = answer["body"]
    if is_error(body):
        out["codes"] = [e.get("code") for e in body["errors"]]
        out["messages"] = [e.get("message") for e in body["errors"]]
        out["details"] = [e.get("detail") for e in body["errors"]]
    elif body is not None:
        out["body"] = body
    return out


def differing(peer, berth):
    """{aspect: (value of the peer, value of berth)}; None for an aspect that is not there."""
    a, b = aspects(peer), aspects(berth)
    return {k: (a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)}


def matches(patterns, text):
    return any(p.replace("?", "[?]") == text or fnmatch.fnmatchcase(text, p.replace("?", "[?]")) for p in patterns)


@dataclasses.dataclass
class Rule:
    """Which aspects of which answers may differ, and what berth has to say there."""
    scenes: list
    labels: list
    accept: dict  # aspect pattern -> value of berth, or (peer, berth) -> bool
    used: int = 0

    def covers(self, scene, label, aspect, peer, berth):
        if not (matches(self.scenes, scene) and matches(self.labels, label)):
            return False
        for pattern, wanted in self.accept.items():
            if fnmatch.fnmatchcase(aspect, pattern):
                return wanted(peer, berth) if callable(wanted) else berth == wanted
        return False


def unexplained(scene, label, differences, rules):
    """What no rule covers; the rules that were needed are counted."""
    left = {}
    for aspect, (peer, berth) in differences.items():
        rule = next((r for r in rules if r.covers(scene, label, aspect, peer, berth)), None)
        if rule:
            rule.used += 1
        else:
            left[aspect] = (peer, berth)
    return left


def shown(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) < 400 else text[:400] + "..."
