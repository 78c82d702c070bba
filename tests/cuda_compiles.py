#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the CUDA kernels and links a program that runs every head under both policies on a CUDA device.

compiles.py CMAKE BUILD_FOLDER TARGET_OR_NONE

Skipped (77) on a machine without nvcc; a build that left the CUDA part out where there is an nvcc fails.
"""
import shutil
import subprocess
import sys

cmake, build, target = sys.argv[1:4]
if target != "none":
    sys.exit(subprocess.call([cmake, "--build", build, "--target", target]))
if shutil.which("nvcc") is None:
    print("skipped: there is no nvcc on this machine")
    sys.exit(77)
print("there is an nvcc, but this build leaves the CUDA part out: configure with -DTADP_CUDA=ON")
sys.exit(1)
