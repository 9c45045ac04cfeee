#!/bin/bash
# Runs README's first commands with README's epochs.
# time limit: 1800 s
EPOCHS=yes exec tests/system/user/readme.sh
