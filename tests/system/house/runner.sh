#!/bin/bash
# tests/run reports and counts every failure of a test, on every rank.
. tests/lib.sh

# A copy of the runner with one test, which consists of the lines given below.
mkdir -p "$tmp/tree/tests/system/user"
cp tests/run tests/lib.sh tests/each-rank "$tmp/tree/tests/"
fake=$tmp/tree/tests/system/user/fake.sh
script() { printf '%s\n' '#!/bin/bash' "$@" > "$fake"; chmod +x "$fake"; }

runs() { # NAME EXIT-CODE LAST-LINE PATTERN LINE...: runs a script of these lines and checks what tests/run makes of it
    local name=$1 code=$2 last=$3 pattern=$4 output rc
    script "${@:5}"
    output=$("$tmp/tree/tests/run" tests/system/user/fake.sh 2>&1)
    rc=$?
    if [ "$rc $(tail -n 1 <<< "$output")" = "$code $last" ] && grep -qE -- "$pattern" <<< "$output"; then ok "$name"
    else not_ok "$name" "exit code $rc: $output"; fi
}

runs "two results" 0 "2 passed, 0 failed" "fake.sh +2 passed +[0-9.]+ s$" 'echo 1..2; echo ok 1 - a; echo ok 2 - b'
runs "the time of all" 0 "1 passed, 0 failed" "^[0-9]+ s in all$" 'echo ok 1; echo 1..1'
runs "a skipped result" 0 "0 passed, 0 failed, 1 skipped" "skipped: a: no b here" \
    'echo "ok 1 - a # SKIP no b here"; echo 1..1'
runs "a skipped result of cmocka's, whose reason is the line before" 0 "1 passed, 0 failed, 1 skipped" "skipped: b: no c here" \
    'echo 1..2; echo other; echo ok 1 - a; echo no c here; echo "not ok 2 # SKIP b"'
without="1 passed, 1 failed" # a line printed for another result does not count as the reason of a skip
runs "a skip without a reason" 1 "$without" "skipped without a reason: b" '. tests/lib.sh; ok a; skip b; finish'
runs "one of cmocka's" 1 "$without" "skipped without a reason: b" 'echo 1..2; echo other; echo ok 1 - a; echo "not ok 2 # SKIP b"'
runs "a failure and its reason" 1 "1 passed, 1 failed" "# why" \
    '. tests/lib.sh; ok a; not_ok b why; finish'
runs "a script of the library's that failed ends with 1" 1 "0 passed, 1 failed" "ended with exit code 1" \
    'cd "$(dirname "$0")/../../.." && (. tests/lib.sh; not_ok a; finish) > /dev/null'
runs "fewer results than announced" 1 "1 passed, 1 failed" "announced 2 results, gave 1" 'echo 1..2; echo ok 1'
runs "no plan" 1 "1 passed, 1 failed" "printed no plan" 'echo ok 1'
runs "no tests" 1 "0 passed, 1 failed" "ran no tests" 'echo 1..0'
runs "nothing at all" 1 "0 passed, 1 failed" "printed no plan" 'true'
runs "an exit code" 1 "1 passed, 1 failed" "ended with exit code 3" 'echo 1..1; echo ok 1; exit 3'
runs "a crash" 1 "1 passed, 1 failed" "signal 11" 'echo 1..1; echo ok 1; kill -SEGV $$'
runs "a crash after a failure" 1 "0 passed, 2 failed" "signal 11" 'echo 1..1; echo not ok 1 - a; kill -SEGV $$'
runs "results missing after a failure" 1 "0 passed, 2 failed" "announced 3 results, gave 1" \
    'echo 1..3; echo not ok 1 - a; exit 1'
runs "a time limit" 1 "0 passed, 1 failed" "still running after 1 s" "# time $(echo limit): 1 s" 'sleep 20'

# The reasons that skips give if there is no mount command, or one that fails.
check "no mount: what is missing, and its package" test "$(PATH=/nonexistent no_mount)" = "there is no mount (Debian: mount)"
mkdir "$tmp/bin"
printf '#!/bin/sh\necho "mount: permission denied" >&2; exit 32\n' > "$tmp/bin/mount"
chmod +x "$tmp/bin/mount"
PATH=$tmp/bin:$PATH no_mount > "$tmp/said"
check "a mount that fails: what it said" grep -qE "^no file system can be mounted here: (mount: permission denied|unshare: .+)$" "$tmp/said"

# The Python of tests/venv, and the sentence where pip finds no packages.
cp tests/venv "$tmp/tree/tests/"
without_packages() { PIP_NO_INDEX=1 PIP_FIND_LINKS= "$tmp/tree/tests/venv"; }
why=$(without_packages)
check "no TensorBoard: one sentence" eval '[[ $why =~ ^"TensorBoard and Perfetto could not be installed: "[^$]+$ ]]'
made_once=$(stat -c %Y "$tmp/tree/build/tests/venv.log")
check "and no second try" test "$(without_packages)" = "$why" -a "$(stat -c %Y "$tmp/tree/build/tests/venv.log")" = "$made_once"
if python=$(tests/venv); then check "a Python with TensorBoard and Perfetto" "$python" -c 'import tensorboard, perfetto'
else skip "a Python with TensorBoard and Perfetto" "$python"; fi

on_ranks() { # NAME SUCCEEDS? PATTERN LINE...: runs a script of these lines on 2 ranks; $OMPI_COMM_WORLD_RANK is the rank
    local name=$1 expected=$2 pattern=$3 output rc
    script "${@:4}"
    output=$(tests/each-rank 2 "$fake" "$tmp/ranks" 2>&1)
    rc=$?
    if [ $((rc == 0)) -eq "$expected" ] && grep -qE -- "$pattern" <<< "$output"; then ok "2 ranks: $name"
    else not_ok "2 ranks: $name" "exit code $rc: $output"; fi
}
on_ranks "two results each" 1 "^ok 2" 'echo 1..2; echo ok 1; echo ok 2'
on_ranks "a failure on the second" 0 "^not ok 1 - on rank 1: a" \
    'echo 1..1; [ $OMPI_COMM_WORLD_RANK = 0 ] && echo ok 1 - a || { echo not ok 1 - a; exit 1; }'
on_ranks "no plan on the second" 0 "on rank 1: printed no plan" \
    '[ $OMPI_COMM_WORLD_RANK = 1 ] || { echo 1..1; echo ok 1; }'
on_ranks "a result less on the second" 0 "on rank 1: announced 2 results, gave 1" \
    'echo 1..2; echo ok 1; [ $OMPI_COMM_WORLD_RANK = 1 ] || echo ok 2'
finish
