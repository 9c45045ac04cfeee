#!/bin/bash
# The faults listed in tests/fakecuda/mutations still apply to the cudnn backend. That script alone, or `make soak`, also checks that the
# tests find each of them.
. tests/lib.sh
check "each fault of the list applies to the backend's source" tests/fakecuda/mutations --check
finish
