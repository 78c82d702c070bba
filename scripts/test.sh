#!/usr/bin/env bash
# Sets everything up and passes the tests: installs the packages that are missing, then configures, builds and tests the
# presets named as arguments; without arguments `release`, then `asan-ubsan`. Where TADP_TORCH_PYTHON names a Python with
# torch, torchvision, segmentation_models_pytorch, diffusers, transformers and safetensors, the tests that compare with them
# run, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

if [ $# -eq 0 ]; then set -- release asan-ubsan; fi
tadp_install "${tadp_packages[@]}" clang
jobs=$(tadp_jobs)

failed=()
for preset in "$@"; do
  echo "== $preset: configure and build, $jobs at a time"
  cmake --preset "$preset" ${TADP_TORCH_PYTHON:+"-DTADP_TORCH_PYTHON=$TADP_TORCH_PYTHON"}
  cmake --build --preset "$preset" -j "$jobs"
  echo "== $preset: test"
  ctest --preset "$preset" -j "$(nproc)" || failed+=("$preset")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "Tests failed in: ${failed[*]}" >&2
  exit 1
fi
echo "All tests passed in: $*"
