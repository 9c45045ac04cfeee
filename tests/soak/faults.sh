#!/bin/bash
# time limit: 3600 s
exec tests/system/faults/faults.sh 500
