#!/bin/bash
# Faults put into the cudnn backend are found: all of the list still apply to it. `make soak` tries every one, or
# tests/fakecuda/mutations by itself.
. tests/lib.sh
check "each fault of the list applies to the backend's source" tests/fakecuda/mutations --check
finish
