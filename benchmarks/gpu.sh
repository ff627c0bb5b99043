#!/usr/bin/env bash
# Tests and measures the CUDA path on an offline machine with a GPU.
#
# usage: benchmarks/gpu.sh [OPTION...] [STEP...]
#
#   --dry-run      print the commands of the steps, run nothing
#   --wheels DIR   first install the wheels in this folder, without their dependencies
#   --site DIR     where wheels and build are installed (default: build/gpu-site);
#                  the Python environment is not changed
#   --json FILE    result file (default: benchmarks/results/gpu.json)
#   --python EXE   Python interpreter (default: python3)
#
# Runs all steps in order by default. After a failed step the others still run, except after
# packages, build or check; the exit status is then 1. Every step adds its results to the result
# file, so steps can also run one by one where the time of a command is limited.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STEPS=(machine packages build check tests memcheck initcheck ceilings kernels network-compact network-rrdb torch-compact
  torch-rrdb runtime files table)

python=python3
site=$PWD/build/gpu-site
json=$PWD/benchmarks/results/gpu.json
wheels=
dry=

machine() {
  run nvidia-smi -L
  run nvcc --version
  run "$python" --version
}

packages() {
  if [ -z "$wheels" ]; then
    echo "# no --wheels: using the installed packages"
    return
  fi
  run "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$wheels"/*.whl
  # ONNX Runtime looks for the CUDA libraries in a folder next to itself.
  run "$python" -c "
import importlib.util, os, sys
found = importlib.util.find_spec('nvidia')
if found and not os.path.lexists(sys.argv[1]):
    os.symlink(list(found.submodule_search_locations)[0], sys.argv[1])" "$site/nvidia"
}

build() {
  run env TILEWRIGHT_CUDA=ON TILEWRIGHT_CUDA_EMULATED=ON "$python" -m pip install --quiet --no-index --no-deps \
    --no-build-isolation --upgrade --target "$site" .
}

check() {
  run "$python" -c "
from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem
assert cuda_problem() is None, cuda_problem()
assert kernels_problem() is None, kernels_problem()
print('CUDA runs a convolution, and the kernels are usable')"
}

tests() {
  # Warnings are not errors here: other package versions have other warnings.
  run "$python" -m pytest -q -p no:cacheprovider -W default tests/cuda
}

# Only the kernels, because these tools are slow. There is no racecheck, because the kernels use no
# shared memory.
memcheck() { sanitize memcheck; }
initcheck() { sanitize initcheck; }

sanitize() {
  run compute-sanitizer --tool "$1" --error-exitcode 9 \
    "$python" -m pytest -q -p no:cacheprovider -W default -k "not emulated" \
    tests/cuda/test_cuda_gather.py tests/cuda/test_cuda_canvas.py
}

ceilings() { measure gpu.ceilings; }
kernels() { measure gpu.kernels; }
network-compact() { measure gpu.networks --network realesr-animevideov3 --sizes --options; }
network-rrdb() { measure gpu.networks --network realesrgan-x4plus --sizes --options; }
torch-compact() { measure gpu.networks --network realesr-animevideov3 --torch; }
torch-rrdb() { measure gpu.networks --network realesrgan-x4plus --torch; }
runtime() { measure gpu.runtime; }
files() { measure gpu.files; }

table() {
  run "$python" -m gpu.table "$json"
}

measure() {
  run "$python" -m "$@" --json "$json"
}

run() {
  if [ -n "$dry" ]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

steps=()
while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry=1 ;;
    --wheels) wheels=$(realpath "$2") && shift ;;
    --site) site=$(realpath -m "$2") && shift ;;
    --json) json=$(realpath -m "$2") && shift ;;
    --python) python=$2 && shift ;;
    --*)
      sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
      exit 2
      ;;
    *) steps+=("$1") ;;
  esac
  shift
done
[ ${#steps[@]} -gt 0 ] || steps=("${STEPS[@]}")
for step in "${steps[@]}"; do
  if [[ " ${STEPS[*]} " != *" $step "* ]]; then
    echo "no step $step; the steps are: ${STEPS[*]}" >&2
    exit 2
  fi
done

# The modules of the benchmarks, and the reference implementations of the tests.
export PYTHONPATH=$site:$PWD/benchmarks:$PWD/tests${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
failed=()
for step in "${steps[@]}"; do
  echo "== $step"
  set +e
  (set -e && "$step")
  status=$?
  set -e
  [ "$status" -eq 0 ] && continue
  failed+=("$step")
  case "$step" in packages | build | check) break ;; esac
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
