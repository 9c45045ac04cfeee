#!/bin/bash
# The same model and update in PyTorch on the same device, its input in the device's memory
# time limit: 540 s
. scripts/gpu-check/lib.sh
python=${TORCH_PYTHON:-python3} rates=$OUT/torch.csv
[ "$DRY" -eq 0 ] || unset LD_LIBRARY_PATH
"$python" -c 'import torch' 2> /dev/null || skip "$python has no torch (TORCH_PYTHON names another)"
peers() {
    run "$python" scripts/gpu-torch.py --seconds "$(size 480 30)" $(size '' "--device cpu --batches 8 --steps 3 --ways eager") | tee "$rates"
}
verify "PyTorch $("$python" -c 'import torch; print(torch.__version__)')" peers
table() {
    awk -F, '
        FILENAME == ARGV[1] { ours[$1, $2] = $3 + 0; next }
        ours[$1, $2] > 0 { ratio = sprintf("%.2f", ours[$1, $2] / $4) }
        $1 ~ /^[0-9]+$/ { printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, ours[$1, $2], ratio; ratio = "" }' "$1" "$rates"
}
touch "$OUT/speed.csv"
tell '' "Distortions are left out of PyTorch's step, and are in ours." '' \
    "| batch | precision | PyTorch's way | its examples/sec | ours | times |" "|---:|---|---|---:|---:|---:|" "$(table "$OUT/speed.csv")"
finish
