#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks how the headers include one another, and the form of each.

folder_order.py INCLUDE_TADP_FOLDER

A folder, or a header at the root, may include only what stands above it in ORDER. Includes of ours start with tadp/ and
name a header that exists; no header reaches itself; each begins with the licence tag, two lines of purpose and
`#pragma once`.
"""
import re
import sys
from pathlib import Path

ORDER = ["core", "device", "kernels", "exec", "ops", "io", "text", "diffusion", "heads", "train", "model.hpp",
         "session.hpp", "data", "runs", "tadp.hpp"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
TAG = "// SPDX-License-Identifier: Apache-2.0"


def form(name, text):
    lines = text.splitlines() + [""] * 4
    if lines[0] != TAG:
        yield f"{name}: the first line is not `{TAG}`"
    if not (lines[1].startswith("// ") and lines[2].startswith("// ")):
        yield f"{name}: lines 2 and 3 do not tell the purpose"
    if lines[3] != "#pragma once":
        yield f"{name}: line 4 is not `#pragma once`"


def includes(name, text, headers):
    """Problems of the includes of one header, and the headers of ours that it names."""
    problems, targets = [], []
    room = name.split("/")[0]
    for quote, path in INCLUDE.findall(text):
        if not path.startswith("tadp/"):
            if quote == '"':
                problems.append(f'{name}: "{path}" does not start with tadp/')
            continue
        target = path.removeprefix("tadp/")
        if target not in headers:
            problems.append(f"{name}: there is no {path}")
            continue
        targets.append(target)
        other = target.split("/")[0]
        if room in ORDER and other in ORDER and ORDER.index(other) > ORDER.index(room):
            problems.append(f"{name}: {path} stands below it in the order of the folders")
    return problems, targets


def circle(graph):
    """One circle of headers as a list, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name):] + [name]
        if name in done:
            return None
        path.append(name)
        found = next((c for c in map(visit, graph[name]) if c), None)
        path.pop()
        done.add(name)
        return found

    return next((c for c in map(visit, graph) if c), None)


def main():
    root = Path(sys.argv[1])
    headers = {p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.rglob("*"))
               if p.suffix in (".hpp", ".cuh")}
    problems, graph = [], {}
    for name, text in headers.items():
        if name.split("/")[0] not in ORDER:
            problems.append(f"{name}: {name.split('/')[0]} is not in the order of the folders")
        problems += form(name, text)
        found, graph[name] = includes(name, text, headers)
        problems += found
    found = circle(graph)
    if found:
        problems.append("circle: " + " -> ".join(found))
    print("\n".join(problems) if problems else f"{len(headers)} headers in order")
    sys.exit(1 if problems or not headers else 0)


main()
