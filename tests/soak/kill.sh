#!/bin/bash
# time limit: 1800 s
exec tests/system/faults/kill.sh 200
