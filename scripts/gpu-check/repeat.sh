#!/bin/bash
# Two runs with --deterministic give the same bits
# time: 60 s, at most 240 s
. scripts/gpu-check/lib.sh
find_data
steps="--batch-size $(size 128 8) --max-steps $(size 200 6)"
twice() { train 1 one $steps "$@" && train 1 two $steps "$@" && same_bits one two; }
for precision in fp32 tf32 bf16; do verify "$precision" twice --deterministic --precision $precision; done
tell '' "Without \`--deterministic\`: $(twice > "$work/said" 2>&1 && echo "also the same bits" || echo "different bits, as allowed")."
cat "$work/said"
finish
