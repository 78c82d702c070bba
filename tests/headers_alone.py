#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone, under each installed compiler, with warnings as errors.

headers_alone.py INCLUDE_FOLDER OTHER_FOLDERS_JOINED_BY_COLONS [PART_OF_A_NAME]
"""
import functools
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compilers


# What a machine may lack: headers of ours that include them are left out there.
OPTIONAL = ("httplib.h", "cuda_runtime_api.h", "cublasLt.h", "cudnn.h")


@functools.lru_cache(maxsize=None)
def included(root, header):
    """All that a header includes, by way of others too."""
    found = set()
    for name in re.findall(r'^\s*#include [<"]([^>"]+)[>"]', (root / header).read_text(encoding="utf-8"), re.MULTILINE):
        found.add(name)
        if (root / name).exists():
            found |= included(root, name)
    return found


def main():
    own, others = sys.argv[1], sys.argv[2]
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    flags = compilers.include_flags(own, others) + compilers.WARNINGS
    headers = sorted(p.relative_to(own).as_posix() for p in Path(own).rglob("*.hpp"))
    absent = {c: {o for o in OPTIONAL if not compilers.check(c, flags, text=f"#include <{o}>\n")[0]} for c in compilers.installed()}
    jobs = [(c, h) for h in headers if part in h for c in compilers.installed() if not absent[c] & included(Path(own), h)]

    def alone(job):  # included twice: the guard is part of standing alone
        return compilers.check(job[0], flags, text=f'#include "{job[1]}"\n#include "{job[1]}"\n')

    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for (compiler, header), (good, messages) in zip(jobs, pool.map(alone, jobs)):
            if not good:
                failed += 1
                print(f"{header} does not compile alone under {compiler}:\n{messages}")
    print(f"{len(jobs) - failed} of {len(jobs)} passed ({', '.join(compilers.installed())})")
    sys.exit(1 if failed or not jobs else 0)


main()
