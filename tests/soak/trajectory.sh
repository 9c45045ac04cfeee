#!/bin/bash
# time limit: 1800 s
exec tests/system/ranks/trajectory.sh 1000
