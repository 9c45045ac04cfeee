#!/bin/bash
# The referee bites: faults put into the cudnn backend are found. All of them still apply to it; one is tried here, and every one by
# `make soak`, or tests/fakecuda/mutations by itself.
# time limit: 300 s
. tests/lib.sh
. tests/referee.sh
check "each fault of the list applies to the backend's source" tests/fakecuda/mutations --check
referee_or_skip "faults put into the backend"
caught() { tests/fakecuda/mutations 8 8 > "$tmp/table" 2>&1 && grep '^1 of 1 caught' "$tmp/table" || { cat "$tmp/table"; return 1; }; }
check "fault 8 is caught" caught
finish
