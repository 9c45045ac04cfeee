#!/bin/bash
# The listed faults still apply to the cudnn backend. `make soak`, or tests/fakecuda/mutations by itself, tries each and checks that
# it is found.
. tests/lib.sh
check "each fault of the list applies to the backend's source" tests/fakecuda/mutations --check
finish
