#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles a file of tests/fail twice under each installed compiler: right as it stands, wrong with TADP_WRONG.

run.py FILE.cpp INCLUDE_FOLDERS_JOINED_BY_COLONS

The right build must pass without a warning. The wrong one must fail, and its messages must hold the text of every line
`// expect: ...` of the file (`// expect g++: ...` and `// expect clang++: ...` count for one compiler); white space
counts as one blank. `// only error: ...` says besides that this is the one error there is: nothing else may drown it.
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import compilers


def expectations(text, compiler):
    found = re.findall(r"^//\s*expect(?: (g\+\+|clang\+\+))?:\s*(.+?)\s*$", text, re.MULTILINE)
    return [sentence for only, sentence in found if only in ("", compiler)]


def departs_from_only_error(text, messages):
    only = re.findall(r"^//\s*only error:\s*(.+?)\s*$", text, re.MULTILINE)
    errors = [line for line in messages.splitlines() if re.search(r"\berror:", line)]
    return bool(only) and (len(errors) != 1 or only[0] not in errors[0])


def main():
    source, others = Path(sys.argv[1]), sys.argv[2]
    own = str(Path(__file__).resolve().parent.parent.parent / "include")
    flags = compilers.include_flags(own, others) + compilers.WARNINGS
    errors = []
    for compiler in compilers.installed():
        expected = expectations(source.read_text(), compiler)
        if not expected:
            errors.append(f"{source.name} has no line `// expect: ...` for {compiler}")
        good, messages = compilers.check(compiler, flags, path=str(source))
        if not good:
            errors.append(f"{compiler} refuses the right form:\n{messages}")
        good, messages = compilers.check(compiler, flags + ["-DTADP_WRONG"], path=str(source))
        if good:
            errors.append(f"{compiler} accepts the wrong form")
        if departs_from_only_error(source.read_text(), messages):
            errors.append(f"{compiler} does not end with the one error named, but:\n{messages}")
        flat = " ".join(messages.split())
        errors += [f"{compiler} does not say `{sentence}`, but:\n{messages}"
                   for sentence in expected if " ".join(sentence.split()) not in flat]
    print("\n".join(errors) if errors else f"refused as expected under {', '.join(compilers.installed())}")
    sys.exit(1 if errors else 0)


main()
