#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the program in the README is examples/segment_picture.cpp, and that the links of README and docs lead somewhere.

readme_program.py PROJECT_FOLDER
"""
import re
import sys
from pathlib import Path


def main():
    root = Path(sys.argv[1])
    readme = (root / "README.md").read_text()
    shown = re.search(r"```cpp\n(.*?)```", readme, re.DOTALL)
    compiled = (root / "examples" / "segment_picture.cpp").read_text().split("\n", 1)[1]  # without the licence tag
    problems = []
    if not shown or shown[1].strip() != compiled.strip():
        problems.append("the first program of README.md is not examples/segment_picture.cpp")
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\[[^\]\n]+\]\(([^)#\s]+)", prose) + re.findall(r'<img src="([^"]+)"', prose):
            if "://" not in link and not (page.parent / link).exists():
                problems.append(f"{page.relative_to(root)}: there is no {link}")
    struct_names = re.findall(r"^struct (\w+)", (root / "include/tadp/core/require.hpp").read_text(), re.MULTILINE)
    errors = (root / "docs" / "errors.md").read_text()
    problems += [f"docs/errors.md does not explain {name}" for name in struct_names if f"### {name}\n" not in errors]
    print("\n".join(problems) if problems else "the README's program, the links and the anchors hold")
    sys.exit(1 if problems else 0)


main()
