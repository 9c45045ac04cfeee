#!/bin/bash
# time limit: 3600 s
exec tests/system/faults.sh 500
