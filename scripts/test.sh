#!/usr/bin/env bash
# Sets everything up and passes the tests: installs the packages that are missing, then configures, builds and tests the
# presets named as arguments; without arguments `release`, then `asan-ubsan`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

if [ $# -eq 0 ]; then set -- release asan-ubsan; fi
tadp_install "${tadp_packages[@]}" clang
jobs=$(tadp_jobs)

failed=()
for preset in "$@"; do
  echo "== $preset: configure and build, $jobs at a time"
  cmake --preset "$preset"
  cmake --build --preset "$preset" -j "$jobs"
  echo "== $preset: test"
  ctest --preset "$preset" -j "$(nproc)" || failed+=("$preset")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "Tests failed in: ${failed[*]}" >&2
  exit 1
fi
echo "All tests passed in: $*"
