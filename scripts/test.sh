#!/usr/bin/env bash
# Sets everything up and passes the tests: installs the packages that are missing, then configures, builds and tests the
# presets named as arguments; without arguments `release`, then `asan-ubsan`. The tests that compare with PyTorch run, too,
# where TADP_TORCH_PYTHON names a Python that has what tests/requirements.txt lists; with TADP_TORCH=1 one is made (6 GB).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

if [ $# -eq 0 ]; then set -- release asan-ubsan; fi
tadp_install "${tadp_packages[@]}" clang
if [ "${TADP_TORCH:-0}" = 1 ] && [ -z "${TADP_TORCH_PYTHON:-}" ]; then
  tadp_install python3-venv
  TADP_TORCH_PYTHON=$PWD/build/torch/bin/python
  if ! { python3 -m venv build/torch && timeout 1200 "$TADP_TORCH_PYTHON" -m pip install -q -r tests/requirements.txt; }; then
    echo "No PyTorch: tests/requirements.txt could not be installed, and what compares with it is LEFT OUT" >&2
    TADP_TORCH_PYTHON=""
  fi
fi
jobs=$(tadp_jobs)

failed=()
for preset in "$@"; do
  echo "== $preset: configure and build, $jobs at a time"
  # What compares with PyTorch is the same in every build.
  if [ "$preset" = release ]; then python=${TADP_TORCH_PYTHON:-}; else python=""; fi
  cmake --preset "$preset" -DTADP_TESTS_TOGETHER=4 "-DTADP_TORCH_PYTHON=$python"
  cmake --build --preset "$preset" -j "$jobs"
  echo "== $preset: test"
  ctest --preset "$preset" -j "$(nproc)" || failed+=("$preset")
  # ctest shows the output of failing tests alone; what the CUDA kernels took to compile is to be seen in every run.
  grep -h '^the CUDA kernels .* of processor time' "build/$preset/Testing/Temporary/LastTest.log" || echo "nvcc compiled no kernels in this run"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "Tests failed in: ${failed[*]}" >&2
  exit 1
fi
echo "All tests passed in: $*"
