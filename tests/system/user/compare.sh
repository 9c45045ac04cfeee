#!/bin/bash
# report and compare, on runs whose files are written here, so that the figures are known.
# time limit: 120 s
. tests/lib.sh
data=$(small_data) || { not_ok "packed data set" "$data"; finish; exit; }

old_columns=step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,learning_rate,examples_per_second
old_columns+=,seconds_per_batch,data_wait_seconds,reduce_wait_seconds
new_columns=,time,load_seconds,forward_seconds,backward_seconds,device_seconds,reduce_seconds,update_seconds,report_seconds
new_columns+=,save_seconds,parity_seconds,slowest_rank,slowest_seconds,mean_rank_seconds

# metrics DIRECTORY SECONDS-A-STEP DATA-WAIT REDUCE-WAIT: four rows, of the columns of older versions; step 10 N has precision N / 10
metrics() {
    mkdir -p "$1"
    { echo $old_columns; for n in 1 2 3 4; do echo "${n}0,0.$n,$((5 - n)),2,0.$n,4,4,0.1,1000,$2,$3,$4"; done; } > "$1/metrics.csv"
}
page() { COLUMNS=80 ./cifar10_mpi report "$@"; }
says() { # NAME DIRECTORY PATTERN...: each pattern is in the page, its lines joined
    local name=$1 text pattern
    text=$(page "$2" | tr -s ' \n' ' ')
    for pattern in "${@:3}"; do grep -qE -- "$pattern" <<< "$text" || { not_ok "$name" "no '$pattern' in: $text"; return; }; done
    ok "$name"
}

# ---- what limits a run
metrics "$tmp/old/fast" 0.1 0 0.005
metrics "$tmp/old/waits" 0.1 0.06 0.01
metrics "$tmp/old/talks" 0.1 0.01 0.05
metrics "$tmp/old/mostly" 0.1 0.009 0.018
says "an old run that computes" "$tmp/old/fast" "limits this run computing 95 % of a step" "computing 95\.00 ms 95 %" "options unknown"
says "one that waits for data" "$tmp/old/waits" "limits this run data 60 %" "--loader-threads"
says "one that waits for gradients" "$tmp/old/talks" "limits this run communication 50 %" "larger --batch-size"
says "one that computes most of the time, and waits" "$tmp/old/mostly" "limits this run computing 73 %" \
    "hardware.* also communication, 18 % .*larger --batch-size" "--bucket-kib\. Where"

# Of 100 ms: 1 load, 20 forward, 30 backward, 4 device = 55 of rank 0's own; 40 until the gradients have come, of which the slowest rank,
# with 85 of its own, explains 30; 5 elsewhere. Rank 3 is the slowest one in 30 of the 40 steps.
phases=",2026-11-24T12:00:00Z,0.001,0.02,0.03,0.004,0.04,0,0.001,0.002,0.001"
metrics "$tmp/late" 0.1 0.001 0.04
awk -v header="$new_columns" -v phases="$phases" \
    'NR == 1 { print $0 header } NR > 1 { print $0 phases "," (NR == 3 ? 1 : 3) ",0.085,0.06" }' "$tmp/late/metrics.csv" > "$tmp/new" &&
    mv "$tmp/new" "$tmp/late/metrics.csv"
says "one that waits for a slow rank" "$tmp/late" "limits this run computing 54 %" "also stragglers, 30 %" "also communication, 10 %" "computing 54\.00 ms 54 %" "stragglers 30\.00 ms" \
    "communication 10\.00 ms 10 %" "saving 2\.00 ms" "On a GPU" "other 1\.00 ms" "rank 3, the slowest one in 75 %" "slowest rank 85\.00 ms a step, mean of all ranks 60\.00 ms: 42 % more"

# ---- restarts, checkpoints, damage
sed -n '4,5p' "$tmp/late/metrics.csv" > "$tmp/late/metrics.csv.undone"
cat > "$tmp/late/train.log" <<'EOF'
2026-11-24 12:00:00.000000: step 10, loss = 4.00 (1000.0 examples/sec; 0.100 sec/batch)
2026-11-24 12:00:10.500000: checkpoint 20 saved in 0.50 s, paused 4.0 ms
2026-11-24 12:00:11.000000: checkpoint in late: the same command goes on
2026-11-24 12:00:11.000000: stopped at step 20: signal 15
2026-11-24 13:00:00.000000: checkpoint 30 saved in 1.50 s, paused 6.0 ms
2026-11-24 13:00:01.000000: no checkpoint at step 35: no space; training goes on
2026-11-24 13:02:00.000000: step 40, loss = 2.00 (1000.0 examples/sec; 0.100 sec/batch)
EOF
says "restarts and checkpoints" "$tmp/late" "killed or failed after step 40" "saved 2, each in 1\.0 s \(longest 1\.5 s\); training paused for 10\.00 ms" \
    "not saved 1 " "restarts 1 after a stop, 1 after a crash" "about 20 steps, 2\.0 s" "4\.0 s of training; 1 h 02 min"
cp -r "$tmp/late" "$tmp/torn"
printf '50,0.5,nonsense\n5,0.5,1,1,0.5,1,1,0.1,1000,0.1,0,0\n60,0.6,1' >> "$tmp/torn/metrics.csv"
printf 'nothing\n' > "$tmp/torn/checkpoint-00000040.h5"
says "damaged rows are left out, an unfinished one is ignored, a damaged checkpoint is named" "$tmp/torn" \
    "precision 0\.400 at step 40" "2 damaged rows were left out" "checkpoint-00000040\.h5"

# ---- compare: two real runs, one of which was evaluated, beside those
mkdir -p "$tmp/runs" "$tmp/empty" "$tmp/begun"
touch "$tmp/begun/metrics.csv"
mpirun -np 2 ./cifar10_mpi --data "$data" --train-dir "$tmp/runs/two" --batch-size 8 --max-steps 12 --log-frequency 4 > "$tmp/log" 2>&1 &&
    ./cifar10_mpi --data "$data" --train-dir "$tmp/runs/one" --batch-size 16 --max-steps 12 --seed 7 --log-frequency 4 >> "$tmp/log" 2>&1 &&
    ok "two runs to compare" || not_ok "two runs to compare" "$(tail "$tmp/log")"
head='time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256'
evaluated() { # DIRECTORY STEP:PRECISION...
    { echo "$head"; for row in "${@:2}"; do echo "2026-11-24T12:00:00Z,${row%:*},test,200,${row#*:},2,EMA,abc"; done
      echo "2026-11-24T12:00:00Z,4,test,10,0.99,2,EMA,abc"; echo "2026-11-24T12:00:00Z,4,train,200,0.98,2,EMA,abc"
      echo "2026-11-24T12:00:00Z,4,test,200,0.97,2,raw,abc"; } > "$1/eval.csv"
}
table() { COLUMNS=${width:-80} ./cifar10_mpi compare "$@" 2> "$tmp/said"; }
row() { awk -v name="$1" '$1 == name { $1 = $1; print; exit }'; }
check "time to a precision, from metrics.csv" test \
    "$(table --target-precision 0.3 "$tmp/old/fast" "$tmp/old/waits" | row waits)" = "waits 40 1.000 0.400 - 0.400 1000 00:04 00:03"
evaluated "$tmp/old/fast" 20:0.61 40:0.6
evaluated "$tmp/old/waits" 20:0.5 40:0.7
sed -i 's/0\.1,0\.06/100,0.06/' "$tmp/old/waits/metrics.csv"
table "$tmp/old/fast" "$tmp/old/waits" > "$tmp/table" # best 0.61 and 0.7
check "and of eval.csv, if all have it; it is the highest that all reached" test \
    "$(row run < "$tmp/table"); $(row fast < "$tmp/table")" = "run step loss train test best ex/sec time to 0.61; fast 40 1.000 0.400 0.600 0.610 1000 00:04 00:02"
check "which may take hours" test "$(row waits < "$tmp/table")" = "waits 40 1.000 0.400 0.700 0.700 1000 1:06:40 1:06:40"
differ() { table "$tmp/runs/two" "$tmp/runs/one" | sed '1,/^Options that differ/d' | tr -s ' ' | sed 's/^ //' | sort; }
check "the options that differ, and no others" diff <(differ) \
    <(printf '%s\n' 'batch-size 16: one' 'batch-size 8: two' 'ranks 1: one' 'ranks 2: two' 'seed 1: two' 'seed 7: one')
long=$tmp/old/$(printf 'n%.0s' {1..60})
mv "$tmp/old/talks" "$long"
table "$tmp/old/fast" "$long" "$tmp/empty" "$tmp/torn" "$tmp/begun" "$tmp/none" "$tmp/runs/two" > "$tmp/table"
code=$?
check "the others are shown beside empty, missing, torn and just begun ones" \
    test "$code" = 1 -a "$(grep -cE '^(old/fast|torn|begun|runs/two) ' "$tmp/table")" = 4
check "each of those has one sentence" test "$(grep -cE "^cifar10_mpi: $tmp/(empty|none|torn)[:/]" "$tmp/said")" = 4 -a "$(wc -l < "$tmp/said")" = 5
check "a long name shows its end" grep -qE '^\.\.\.n+ +40 +1\.000' "$tmp/table"
check "nothing is wider than 80 columns" nothing grep -E '^.{81}' "$tmp/table" <(page "$tmp/torn")
narrow() { width=40 table "$tmp/old/fast" "$tmp/runs/two" | sed '/^$/q'; COLUMNS=40 ./cifar10_mpi report "$tmp/late"; }
check "nor than 40 in a narrow terminal" nothing grep -E '^.{41}' <(narrow)
refused "report of an empty directory" "$tmp/empty: holds no run" ./cifar10_mpi report "$tmp/empty"

# ---- pictures
if ! command -v gnuplot > /dev/null; then
    skip "curves" "there is no gnuplot (Debian: gnuplot-nox)"
else
    cleanup() { rm -f pwned; }
    evil=$tmp/'a<b>&'"'"'`touch pwned`$(touch pwned)'
    cp -r "$tmp/late" "$evil"
    check "report --html" page "$evil" --html "$tmp/page.html"
    check "it needs no other file" nothing grep -oE '(src|href)=.?[^#>]{3,}|url\([^#]|<script|@import' "$tmp/page.html"
    check "with curves" test "$(grep -c '<svg' "$tmp/page.html")" = 6
    check "and a name is only text" grep -qF 'a&lt;b&gt;&amp;' "$tmp/page.html"
    check "compare --svg" table "$evil" "$tmp/old/fast" --svg "$tmp/curves.svg"
    cat > "$tmp/texts.py" <<'EOF'
import sys, xml.etree.ElementTree as tree
texts = [t.text for t in tree.parse(sys.argv[1]).iter('{http://www.w3.org/2000/svg}text')]
assert sum('old/fast' in t for t in texts) == 4 and sum("a<b>&'`touch pwned`$(touch pwned)" in t for t in texts) == 4, texts
EOF
    check "is XML with every run in every chart" python3 "$tmp/texts.py" "$tmp/curves.svg"
    check "no name was run as a command" test ! -e pwned
fi
path_without() { # PROGRAM: a PATH in which it is not found: links to the other programs stand for the folders that have it
    local folder
    mkdir "$tmp/bin"
    for folder in ${PATH//:/ }; do
        if [ -e "$folder/$1" ]; then ln -sf "$folder"/* "$tmp/bin"; else printf '%s:' "$folder"; fi
    done
    rm -f "$tmp/bin/$1"
    echo "$tmp/bin"
}
refused "without gnuplot, one sentence" "gnuplot, which is not installed" \
    env PATH="$(path_without gnuplot)" ./cifar10_mpi report "$tmp/late" --html "$tmp/none.html"
check "and no file" test ! -e "$tmp/none.html"
finish
