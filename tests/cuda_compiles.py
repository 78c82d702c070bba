#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the CUDA kernels and links the programs that test them on a CUDA device: every head under both policies, every kernel alone.

cuda_compiles.py CMAKE BUILD_FOLDER TARGETS_OR_NONE

Skipped (77) on a machine without nvcc; a build that left the CUDA part out where there is an nvcc fails. So does nvcc when
it takes more than four minutes of two processors, counted in processor time, which other work on the machine does not change.
"""
import os
import re
import shutil
import subprocess
import sys

SECONDS = 4 * 60 * 2

cmake, build, *targets = sys.argv[1:]
if targets != ["none"]:
    took = 0
    with subprocess.Popen([cmake, "--build", build, "--target", *targets], stdout=subprocess.PIPE, text=True, errors="replace") as compiling:
        for line in compiling.stdout:
            print(line, end="", flush=True)
            if measured := re.search(r"^the CUDA kernels .* (\d+) s of processor time", line):
                took = int(measured[1])
    if compiling.returncode == 0 and took > SECONDS:
        sys.exit(f"nvcc took {took} s of processor time; the kernels are to be compiled in {SECONDS}")
    sys.exit(compiling.returncode)
if shutil.which("nvcc", path=os.environ.get("PATH", os.defpath) + ":/usr/local/cuda/bin") is None:
    print("skipped: there is no nvcc on this machine")
    sys.exit(77)
print("there is an nvcc, but this build leaves the CUDA part out: configure with -DTADP_CUDA=ON")
sys.exit(1)
