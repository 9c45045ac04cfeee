#!/bin/bash
# A dry run of all parts of scripts/gpu-check.sh ends with a report. Takes minutes: make soak.
# time limit: 900 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "a dry run"
whole() { scripts/gpu-check.sh --dry-run --minutes 13 --out "$tmp/gpu" > "$tmp/said" 2>&1 || { cat "$tmp/said"; return 1; }; }
check "the dry run of all parts" whole
check "every one was run" grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ skipped, 0 not run$' "$tmp/said"
check "what it printed can be read" test "$(wc -c < "$tmp/said")" -lt 12000
figures() { awk -v head="## $1" '/^## / { inside = index($0, head) == 1 } inside' "$tmp/gpu/report.md" | grep -v 'not measured yet' | grep -c '^|'; }
for table in "Examples a second" "Every launch of a step in bf16" "Every launch of a step in tf32" "Workspace of cuDNN"; do
    check "the report has figures: $table" test "$(figures "$table")" -gt 2
done
finish
