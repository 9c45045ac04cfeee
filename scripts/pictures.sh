#!/bin/bash
# Draws the pictures that README shows, into scripts/pictures: two short runs on the sample data set, seen by TensorBoard, `report` and
# `compare` in headless Chromium. Takes about three minutes.
#   scripts/pictures.sh [RUNS]    RUNS: where the two runs are; trains what is missing there (default build/pictures/runs)
# Needs chromium, gnuplot, and tests/venv, which installs TensorBoard.
cd "$(dirname "$0")/.." || exit 1
set -euo pipefail
. scripts/local_mpi.sh
runs=${1:-build/pictures/runs} pictures=scripts/pictures steps=${STEPS:-1000}
python=$(tests/venv) || { echo "pictures.sh: $python" >&2; exit 1; }
command -v chromium > /dev/null || { echo "pictures.sh: there is no chromium (Debian: chromium)" >&2; exit 1; }
work=$(mktemp -d)
trap 'kill ${server:-} 2> /dev/null || true; rm -rf "$work"' EXIT

# ---- two runs with their own learning rates, evaluated four times
data=$runs/sample.h5
mkdir -p "$runs" "$pictures"
[ -e "$data" ] || ./cifar10_mpi pack --from tests/data/cifar10-sample.tar.xz "$data"
run() { # NAME OPTION...
    [ ! -e "$runs/$1" ] || return 0
    for part in 1 2 3 4; do
        mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$runs/$1" --batch-size 64 --max-steps $((steps * part / 4)) \
            --log-frequency 20 --summary-frequency 20 "${@:2}"
        mpirun -np 2 ./cifar10_mpi eval --data "$data" --train-dir "$runs/$1" --run-once
    done
}
run rate-0.1
run rate-0.02 --learning-rate 0.02

# ---- screenshots, reduced to 256 colours
screenshot() { # NAME ADDRESS WIDTH HEIGHT [SECONDS]: how long the page gets to draw itself, by its own clock
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/chromium" --window-size="$3,$4" \
        --virtual-time-budget="$((${5:-20} * 1000))" --screenshot="$work/$1.png" "$2" > "$work/chromium.log" 2>&1
    "$python" -c 'import sys; from PIL import Image
Image.open(sys.argv[1]).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)' \
        "$work/$1.png" "$pictures/$1.png"
    echo "$pictures/$1.png: $(stat -c %s "$pictures/$1.png") bytes"
}

(cd "$runs/.." && exec "$python" -m tensorboard.main --logdir "${runs##*/}" --host 127.0.0.1 --port 0 > "$work/server" 2>&1) &
server=$!
for _ in $(seq 300); do ! grep -q 'at http' "$work/server" || break; sleep 0.2; done
tensorboard=$(grep -o 'http://[^ ]*' "$work/server")
screenshot scalars "$tensorboard#scalars&_smoothingWeight=0&tagFilter=^(total_loss|cross_entropy|precision|learning_rate|conv./sparsity)$" 1280 980
screenshot images "$tensorboard#images&regexInput=rate-0.1/&tagFilter=images|mistakes|confusion" 1280 1440
screenshot graphs "$tensorboard#graphs&run=rate-0.1%2Fevents%2Ftrain" 1280 900
screenshot distributions "$tensorboard#distributions" 1280 900
screenshot histograms "$tensorboard#histograms" 1280 900
screenshot hparams "$tensorboard#hparams" 1900 420

./cifar10_mpi report --html "$work/report.html" "$runs/rate-0.1"
./cifar10_mpi compare --svg "$work/compare.svg" "$runs/rate-0.1" "$runs/rate-0.02"
screenshot report "file://$work/report.html" 1000 1200 2
screenshot compare "file://$work/compare.svg" 1120 800 2
