#!/usr/bin/env bash
# Proves and measures the CUDA path on a machine with a GPU, offline: benchmarks/gpu.sh [OPTION...] [STEP...]
#
#   --dry-run      print the commands of the steps, run nothing
#   --wheels DIR   install the wheels in this folder first; what they need beyond each other must be there already
#   --site DIR     where wheels and build go (default: build/gpu-site); the Python in use is left as it is
#   --json FILE    where results go (default: benchmarks/results/gpu.json)
#   --python EXE   which Python (default: python3)
#
# Without steps, all of them in order. One that fails does not keep the others from running, unless nothing can be run
# without it; the script fails in the end. What a step finds is added to the file of results, so they can also be run one by
# one, where a command may only take so long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STEPS=(machine packages build check tests memcheck initcheck ceilings kernels network-compact network-rrdb torch-compact
  torch-rrdb questions files table)

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
    echo "# no --wheels: the packages that are installed are used"
    return
  fi
  run "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$wheels"/*.whl
  # ONNX Runtime looks for the CUDA libraries beside itself.
  run "$python" -c "
import importlib.util, os, sys
found = importlib.util.find_spec('nvidia')
if found and not os.path.lexists(sys.argv[1]):
    os.symlink(list(found.submodule_search_locations)[0], sys.argv[1])" "$site/nvidia"
}

# Nothing but the architecture of the device at hand, which takes a fifth of the time.
build() {
  run env TILEWRIGHT_CUDA=ON TILEWRIGHT_CUDA_EMULATED=ON CMAKE_ARGS=-DCMAKE_CUDA_ARCHITECTURES=native \
    "$python" -m pip install --quiet --no-index --no-deps --no-build-isolation --upgrade --target "$site" .
}

check() {
  run "$python" -c "
from tilewright.engine.sessions import cuda_problem, kernels_problem
assert cuda_problem() is None, cuda_problem()
assert kernels_problem() is None, kernels_problem()
print('CUDA runs a convolution, and the kernels can run')"
}

tests() {
  # Other versions of packages may warn of other things.
  run "$python" -m pytest -q -p no:cacheprovider -W default tests/cuda
}

# The kernels alone: under these tools everything takes many times as long. They share no memory between threads, so
# there is no race that racecheck would see.
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
questions() { measure gpu.questions; }
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
      sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
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

# The benchmarks' modules, and the tests' references, beside what was built.
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
