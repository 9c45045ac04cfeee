#!/bin/bash
# TensorBoard reads the event files that tests/unit/test_events writes, and finds the values in them.
. tests/lib.sh

mkdir "$tmp/events"
check "event files are written" env SAMPLE="$tmp/events" build/tests/unit/test_events
if [ ! -d "$tmp/events/train" ]; then skip "TensorBoard reads them" "this program was built without protobuf-c"
elif python=$(tests/venv); then
    while read -r verdict name; do
        if [ "$verdict" = good ]; then ok "$name"; else not_ok "$name" "$(cat "$tmp/log")"; fi
    done < <("$python" tests/system/user/event_files.py "$tmp/events" 2> "$tmp/log" || echo "bad every value was read")
else skip "TensorBoard reads them" "$python"; fi
finish
