# SPDX-License-Identifier: Apache-2.0
"""What the checks that call a compiler themselves share: which compilers, which flags, one run."""
import os
import shutil
import subprocess

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def installed():
    """g++ and clang++, whichever of them are on the path; at least one must be."""
    found = [name for name in ("g++", "clang++") if shutil.which(name)]
    if not found:
        raise SystemExit("neither g++ nor clang++ is on the path")
    return found


def include_flags(own, joined):
    """-I for our own folder, -isystem for the others of a list joined by colons (warnings of theirs are not ours)."""
    others = [d for d in joined.split(":") if d and os.path.realpath(d) != os.path.realpath(own)]
    # A system folder named again would move in the search order and break #include_next.
    others = [d for d in others if os.path.realpath(d) not in ("/usr/include", "/usr/local/include")]
    return ["-I", own] + [flag for d in others for flag in ("-isystem", d)]


def check(compiler, flags, text=None, path="-"):
    """(compiles, messages) of one source; the messages are in English and in plain quotes."""
    command = [compiler, "-std=c++20", "-fsyntax-only", "-fno-color-diagnostics" if compiler == "clang++" else
               "-fdiagnostics-color=never", *flags, "-x", "c++", path]
    done = subprocess.run(command, input=text, text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode == 0, done.stderr
