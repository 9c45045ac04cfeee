#!/bin/bash
# Fifty runs, interrupted at random moments.
# time limit: 900 s
exec tests/system/faults/signals.sh 50 "$@"
