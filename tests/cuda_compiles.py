#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the CUDA kernels and links the programs that test them on a CUDA device: every head under both policies, every kernel alone.

cuda_compiles.py CMAKE BUILD_FOLDER TARGETS_OR_NONE

Skipped (77) on a machine without nvcc; a build that left the CUDA part out where there is an nvcc fails.
"""
import shutil
import subprocess
import sys

cmake, build, *targets = sys.argv[1:]
if targets != ["none"]:
    sys.exit(subprocess.call([cmake, "--build", build, "--target", *targets]))
if shutil.which("nvcc") is None:
    print("skipped: there is no nvcc on this machine")
    sys.exit(77)
print("there is an nvcc, but this build leaves the CUDA part out: configure with -DTADP_CUDA=ON")
sys.exit(1)
