#!/bin/bash
# The scripts for whoever has a GPU: what they tell, and the parts that a dry run can do, by the referee.
# time limit: 150 s
. tests/lib.sh
. tests/referee.sh
says() { # PATTERN COMMAND...
    local pattern=$1 output
    output=$("${@:2}" 2>&1)
    grep -qE -- "$pattern" <<< "$output" || { echo "$output"; return 1; }
}

scripts=$(ls scripts/*.sh scripts/gpu-check/*.sh jobs/*)
for script in $scripts; do check "$script is read by bash" bash -n "$script"; done
parts=$(ls scripts/gpu-check/ | sed -n 's/\.sh$//p' | grep -vxE 'lib|cuda' | sort)
told() { scripts/gpu-check.sh --help | sed -n 's/^  \([a-z]*\) *[^ ].* ([0-9]* s)$/\1/p' | sort; }
check "gpu-check.sh --help tells each part, what it does and for how long" test "$(told)" = "$parts"
check "an unknown part is refused" says "no part 'dance': build " scripts/gpu-check.sh --dry-run dance
if [ ! -e /dev/nvidiactl ]; then check "no GPU: said in one sentence" says '^gpu-check.sh: there is no NVIDIA driver here' scripts/gpu-check.sh; fi
check "gpu-stage.sh wants a folder" says 'makes the folder DIR' scripts/gpu-stage.sh
check "and not one that is there" says 'is there already' scripts/gpu-stage.sh "$tmp"

# What pip installs, in folders of its own.
mkdir -p "$tmp"/pip/nvidia/{cudnn,nccl,cu13}/{include,lib}
touch "$tmp"/pip/nvidia/{cudnn/include/cudnn.h,cudnn/lib/libcudnn.so.9,nccl/lib/libnccl.so.2,cu13/lib/libcublas.so.13}
found() { PYTHONPATH=$tmp/pip CUDA_HOME=$tmp bash -c '. scripts/gpu-check/cuda.sh; echo "${!1:-}"' - "$1"; }
for case in CUDNN_INC:cudnn/include CUDNN_LIB:cudnn/lib NCCL_LIB:nccl/lib CUBLAS_LIB:cu13/lib; do
    check "${case%:*} among pip's packages" test "$(found ${case%:*})" = "$tmp/pip/nvidia/${case#*:}"
done
check "what is not there is not named" test -z "$(found NCCL_INC)"

# The job, without Slurm: the signal before its end stops all ranks, and puts it into the queue again.
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
mkdir "$tmp/bin"
printf '#!/bin/bash\necho "$*" >> "%s"\n' "$tmp/asked" > "$tmp/bin/scontrol"
chmod +x "$tmp/bin/scontrol"
job() { # STEPS
    exec env PATH="$tmp/bin:$PATH" LAUNCH=mpirun SLURM_JOB_ID=7 SLURM_CPUS_PER_TASK=1 DATA="$data" RUN="$tmp/run" BATCH=4 STEPS="$1" \
        TOWER=openblas OPTIONS="--log-frequency 1" bash jobs/train-gpu.sbatch
}
requeued() {
    job 1000000 > "$tmp/job.log" 2>&1 &
    wait_for 30 ': step 5,' "$tmp/job.log"
    kill -USR1 $!
    wait $!
    [ "$(cat "$tmp/asked")" = "requeue 7" ] && grep ': stopped at step ' "$tmp/job.log" || { cat "$tmp/job.log"; return 1; }
}
check "a job that is told to stop saves and is put into the queue again" requeued
steps=$(sed -n 's/.*stopped at step \([0-9]*\).*/\1/p' "$tmp/job.log")
in_turn() { (job "$1"); }
check "submitted again, it goes on and ends" in_turn $((steps + 2))
check "and is not put into the queue" test "$(wc -l < "$tmp/asked")" -eq 1

referee_or_skip "a dry run"
export OUT=$tmp/gpu
report=$OUT/report.md
gpu_check() { scripts/gpu-check.sh --dry-run "$@" > "$tmp/said" 2>&1; }
passes() { gpu_check "$@" || { cat "$tmp/said" "$OUT"/*.log; return 1; }; }
check "a dry run of some parts" passes graph nccl sanitizer
check "its last line counts them" says '^2 passed, 0 failed, 1 skipped$' tail -n 1 "$tmp/said"
check "another adds to the report" passes properties
for part in $parts; do check "the report has a row of $part" grep -qE "^\| \[$part\]\($part.log\) \| (passed|skipped|not run) \|" "$report"; done
check "what was checked" grep -q '^| NCCL in a graph | ok | [0-9]* |$' "$report"
check "what was skipped, and why" grep -q 'skipped .* it watches a GPU only' "$report"
check "and the counts of all calls" grep -qx '3 passed, 0 failed, 1 skipped' "$report"
check "commands are kept" grep -q '^+ compute-sanitizer --tool racecheck' "$OUT/sanitizer.log"

# A part that fails does not stop the others.
fails() { FAKECUDA_FAIL=cudaMemcpyAsync:1 gpu_check graph properties; [ $? -eq 1 ]; }
check "a failure is an exit code" fails
check "and counted" says '^1 passed, 1 failed, 0 skipped$' tail -n 1 "$tmp/said"
check "and in the report" grep -qE '^\| \[graph\]\(graph.log\) \| \*\*failed\*\* \|.* 3 checks failed' "$report"
finish
