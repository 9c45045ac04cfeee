#!/bin/bash
# time limit: 1800 s
exec tests/system/kill.sh 200
