#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a compiler and prints what it took: time, processor time, and the largest of its processes.

measured.py WHAT COMMAND...
"""
import resource
import subprocess
import sys
import time

start = time.monotonic()
status = subprocess.call(sys.argv[2:])
took = time.monotonic() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{sys.argv[1]}: {took:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of processor time, "
      f"{usage.ru_maxrss / 2**20:.2f} GiB in the largest process", flush=True)
sys.exit(status)
