#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that needs a GPU, in one command and ten minutes: the tests and goldens on it, the same under compute-sanitizer
# (memcheck, racecheck, initcheck), and times beside PyTorch in the same run.
#
#   bench/gpu.sh [--built FOLDER] [--seconds 600]
#
# --built: a build folder that has tests/tests_cuda, tests/tests_cuda_kernels and bench/backbone_cuda, to save the minutes of compiling.
# Prints one line a stage and a summary; the status is 0 where all stages passed, 1 where one did not, 77 without a GPU.
# TADP_GOLDENS names the folder of goldens, else it is ../shared/goldens; one of each kind has to be there.
# PYTHON names the Python that has torch (and the numeric reference in ../shared/reference, as against_pytorch.py says).
set -u
cd "$(dirname "$0")/.." || exit 1

built="" seconds=600
while [ $# -gt 0 ]; do
  case "$1" in
    --built) built="$2"; shift 2 ;;
    --seconds) seconds="$2"; shift 2 ;;
    *) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
python="${PYTHON:-python3}"
PATH="$PATH:/usr/local/cuda/bin"

if ! command -v nvidia-smi > /dev/null || ! nvidia-smi -L > /dev/null 2>&1; then
  echo "gpu.sh: there is no GPU here: nvidia-smi is missing or lists none"
  exit 77
fi
nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv

end=$((SECONDS + seconds)) failed=0 summary=""
# stage NAME COMMAND...: runs it in what is left of the time, and notes how it went.
stage() {
  local name="$1" begin=$SECONDS left=$((end - SECONDS)) status
  shift
  echo "== $name"
  if [ "$left" -le 0 ]; then status="no time left"; failed=1
  elif timeout "$left" "$@"; then status="passed"
  else status="FAILED (status $?)"; failed=1; fi
  summary+="$(printf '%-28s %-22s %4d s' "$name" "$status" $((SECONDS - begin)))"$'\n'
}

if [ -z "$built" ]; then
  built=build/gpu
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  stage configure cmake -S . -B "$built" -DCMAKE_BUILD_TYPE=Release -DTADP_CUDA=ON "-DTADP_CUDA_ARCHITECTURES=$capability" -DTADP_BUILD_EXAMPLES=OFF -DTADP_BUILD_BENCH=ON
  stage build cmake --build "$built" --parallel --target tests_cuda tests_cuda_kernels bench_backbone_cuda
fi
# Without goldens the tests pass, too: they compare with the processor, and with the small fixture of the checkout alone.
goldens="${TADP_GOLDENS:-${TADP_SHARED:-$PWD/../shared}/goldens}"
if compgen -G "$goldens/*.json" > /dev/null; then
  export TADP_GOLDENS="$goldens"
else
  summary+="$(printf '%-28s %s' goldens "MISSING: none in $goldens")"$'\n'
  failed=1
fi
tests="$built/tests/tests_cuda" kernels="$built/tests/tests_cuda_kernels"

# A test that cannot be skipped: the driver may list a device that the runtime cannot use.
stage device "$tests" --no-skip '--test-case=numbers come back from the device*'
stage tests "$tests"
stage kernels "$kernels"
if "$python" -c 'import torch, safetensors; assert torch.cuda.is_available()' 2> /dev/null; then
  stage "times beside PyTorch" "$python" bench/against_pytorch.py "$built/bench/backbone_cuda" --device cuda --rounds 9 --threads "$(nproc)" \
    --element float tf32 half bfloat16 --peer eager fused graph
else
  stage "times beside PyTorch" sh -c "echo 'no torch with CUDA in $python: name one that has it in PYTHON; tadp alone:'; printf 'run\nrun\nrun\nquit\n' | '$built/bench/backbone_cuda'; exit 1"
fi
# Every kernel in each tool, over fewer shapes; whole passes, and training under memcheck. The real sizes would not end in time.
sanitizer=$(command -v compute-sanitizer || true)
if [ -n "$sanitizer" ]; then
  export TADP_TRIALS=3
  for tool in memcheck initcheck racecheck; do
    only=""
    [ $tool = racecheck ] && only="--kernel-name kernel_substring=run_block"  # ours: libraries synchronise in ways that it does not know
    stage "$tool, kernels" "$sanitizer" --tool $tool $only --error-exitcode 1 "$kernels"
    stage "$tool, passes" "$sanitizer" --tool $tool $only --error-exitcode 1 "$tests" '--test-case=every head answers*'
  done
  stage "memcheck, training" "$sanitizer" --tool memcheck --error-exitcode 1 "$tests" '--test-case=all heads learn on the CUDA device*'
else
  stage sanitizers sh -c 'echo "compute-sanitizer is not here: it comes with the CUDA toolkit"; exit 1'
fi

printf '\n%s' "$summary"
exit $failed
