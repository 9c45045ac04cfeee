#!/bin/bash
# The scripts for users with a GPU: their messages, and the parts that run without one, on the referee.
# time limit: 240 s
. tests/lib.sh
. tests/referee.sh
says() { # PATTERN COMMAND...
    local pattern=$1 output
    output=$("${@:2}" 2>&1)
    grep -qE -- "$pattern" <<< "$output" || { echo "$output"; return 1; }
}

scripts=$(ls scripts/*.sh scripts/gpu-check/*.sh jobs/*.sh jobs/*.sbatch)
for script in $scripts; do check "$script is read by bash" bash -n "$script"; done
parts=$(ls scripts/gpu-check/ | sed -n 's/\.sh$//p' | grep -vxE 'lib|cuda' | sort)
told() { scripts/gpu-check.sh --help | sed -n 's/^  \([a-z]*\) *[^ ].* ([0-9]* s, [0-9]* s)$/\1/p' | sort; }
check "gpu-check.sh --help tells each part, what it does and for how long" test "$(told)" = "$parts"
seconds() { scripts/gpu-check.sh --help | sed -n "/^  $1 /,/^  $2 /s/.* (\([0-9]*\) s, [0-9]* s)\$/\1/p" | paste -sd +; }
check "the first group fits 9 minutes" test $(($(seconds build operations) + 10)) -le 540
check "the second 4 more" test $(($(seconds workspace curve) + 10)) -le 240
check "an unknown part is refused" says "no part 'dance': build " scripts/gpu-check.sh --dry-run dance
if [ ! -e /dev/nvidiactl ]; then check "no GPU: said in one sentence" says '^gpu-check.sh: there is no NVIDIA driver here' scripts/gpu-check.sh; fi
check "an unknown option is refused" says 'there is no option --dance' scripts/gpu-check.sh --dance
check "minutes that are no number are refused" says "wants a number, not 'soon'" scripts/gpu-check.sh --dry-run --minutes soon
check "an archive that is not there is refused" says 'there is no file .*/none.tar.gz' scripts/gpu-check.sh --dry-run --continue "$tmp/none.tar.gz"
check "gpu-stage.sh wants a folder" says 'makes the folder DIR' scripts/gpu-stage.sh
check "and not one that is there" says 'is there already' scripts/gpu-stage.sh "$tmp"

# CUDA's libraries from pip's packages, which have one folder each.
mkdir -p "$tmp"/pip/nvidia/{cudnn,nccl,cu13}/{include,lib}
touch "$tmp"/pip/nvidia/{cudnn/include/cudnn.h,cudnn/lib/libcudnn.so.9,nccl/lib/libnccl.so.2,cu13/lib/libcublasLt.so.13}
found() { PYTHONPATH=$tmp/pip CUDA_HOME=$tmp bash -c '. scripts/gpu-check/cuda.sh; echo "${!1:-}"' - "$1"; }
for case in CUDNN_INC:cudnn/include CUDNN_LIB:cudnn/lib NCCL_LIB:nccl/lib CUBLAS_LIB:cu13/lib; do
    check "${case%:*} among pip's packages" test "$(found ${case%:*})" = "$tmp/pip/nvidia/${case#*:}"
done
check "what is not there is not named" test -z "$(found NCCL_INC)"
printf '#!/bin/sh\necho "%s/pip/nvidia"\n' "$tmp" > "$tmp/python"
chmod +x "$tmp/python"
of_torch() { TORCH_PYTHON=$tmp/python CUDA_HOME=$tmp bash -c '. scripts/gpu-check/cuda.sh; echo "${CUDNN_INC:-}"'; }
check "pip's packages of the Python that has PyTorch" test "$(of_torch)" = "$tmp/pip/nvidia/cudnn/include"

# The job scripts, without Slurm: the signal before the time limit stops all ranks and requeues the job.
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
ended() { # succeeds if a file `stop` from outside the script ends the job with code 76
    job 1000000 > "$tmp/job.log" 2>&1 &
    wait_for 30 ': step [0-9]*5,' "$tmp/job.log"
    touch "$tmp/run/stop"
    wait $!
    [ $? -eq 76 ] || { cat "$tmp/job.log"; return 1; }
}
check "a file \`stop\` ends it with an exit code of its own" ended
check "nor is it put into the queue then" test "$(wc -l < "$tmp/asked")" -eq 1

# Both job scripts with a launcher that starts no ranks, and a signal just before or after the launcher ends: eight jobs at a time.
cat > "$tmp/bin/launcher" << 'END'
#!/bin/bash
mkdir -p "$RUN" && echo "$$: $SAYS at step 5" >> "$RUN/train.log"
(sleep 0.00$((SLURM_JOB_ID % 8)) && $TELL $PPID) 2> /dev/null &
sleep 0.003
exit $CODE
END
chmod +x "$tmp/bin/launcher"
ends() { # KIND CODE QUEUED: all jobs end with CODE, QUEUED of them are requeued, and none leaves a file `stop`
    local jobs=() codes=() id
    rm -rf "$tmp/asked" "$tmp"/fast.*
    touch "$tmp/asked"
    for id in {1..8}; do
        PATH=$tmp/bin:$PATH LAUNCH=launcher SLURM_JOB_ID=$id DATA=none RUN=$tmp/fast.$id bash "jobs/train-$1.sbatch" > "$tmp/fast" 2>&1 &
        jobs+=($!)
    done
    for id in "${jobs[@]}"; do wait "$id"; codes+=($?); done
    echo "${codes[*]}; $(xargs < "$tmp/asked"); $(ls "$tmp"/fast.*)"
    [[ ${codes[*]} =~ ^($2 ){7}$2$ ]] && [ "$(sort -u "$tmp/asked" | wc -l)" -eq "$3" ] && ! ls "$tmp"/fast.*/stop 2> /dev/null
}
for kind in cpu gpu; do
    export SAYS=stopped CODE=75 TELL="kill -USR1"
    check "a signal as the ranks of the $kind job end: it is queued again" ends $kind 75 8
    CODE=76 check "so it is where they saw the script's file" ends $kind 75 8
    SAYS=done CODE=0 check "but not where they were done" ends $kind 0 0
    TELL=true CODE=76 check "nor where they saw somebody else's" ends $kind 76 0
done

# Times by instructions and by bytes. By instructions: 147,456 threads / 32 per warp * 5,000 / (132 * 4 * 1.7e9 * 0.6 per second).
mkdir -p "$tmp/expect/build/module"
cp scripts/gpu_expect.py "$tmp/expect"
touch "$tmp/expect/build/module/kernels.o"
cat > "$tmp/expect/gpu_sass.py" << 'END'
print("norm_forward 900 9000 100 9 0 yes 9000\nnorm_forward_norm1_half 600 5000 147456 0 0 yes 5000")
print("finish@half 900 - - 9 0 yes -\nupdate@float 900 - - 9 0 yes -\nupdate@half 900 10 256 9 0 yes 20000")
END
expects() { (cd "$tmp/expect" && says "$1" python3 gpu_expect.py "${@:2}"); }
check "the instructions of the kernel for that layer count, where they take longer than bytes" expects '^norm_forward,"pool1, norm1",main,42.8,5.1,0.0,42.8$' csv bf16
check "so do those of one warp, 4 cycles each, where it takes longer than all others" expects '^update,.*,main,47.1,7.8,0.0,47.1$' csv bf16
check "a missed goal is reported" expects '^- bf16: the goal is at most 130 µs a step, expected are [0-9]*: MISSED'
rm "$tmp/expect/gpu_sass.py"
check "so are missing counts" expects '^Instructions are not counted .scripts/gpu_sass.py is missing.'

# Tables of made-up measurements: an earlier step that must not count, messages of ncu, several units.
figures=$tmp/figures
mkdir "$figures"
printf 'card,Card 100\ndriver,580.1\n' > "$figures/machine.csv"
printf 'passed\t12\tabc\tCard 100\t\n' > "$figures/rates.result"
printf 'batch,precision,options,rate,least,most\n128,bf16,,800000,790000,810000\n' > "$figures/rates.csv"
printf 'batch,precision,way,rate\n128,bf16,graph,400000\n' > "$figures/torch.csv"
cat > "$figures/expected-bf16.csv" << 'END'
launch,of,stream,instructions_us,bytes_us,operations_us,expected_us
distort,"images",main,1.0,0.5,0.0,2.0
cudnn forward,"conv1",main,,3.5,6.4,6.4
norm_forward,"norm1",main,10.0,5.1,0.0,10.0
cublasLtMatmul,"local3",main,,1.0,1.0,3.0
cublasLtMatmul,"local4",main,,1.0,1.0,2.0
update,"all",main,1.0,7.0,0.0,7.0
step,expected,,,,,128.0
step,goal,,,,,130
END
cat > "$figures/ncu-bf16.csv" << 'END'
==PROF== Connected to process 1
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","1","kernel_distort(distort_arguments)","gpu__time_duration.sum","ns","99,000"
"1","1","kernel_update(update_arguments)","gpu__time_duration.sum","ns","99,000"
"2","1","kernel_distort(distort_arguments)","gpu__time_duration.sum","ns","1,900"
"3","1","void cutlass::conv<int>(int)","gpu__time_duration.sum","usecond","6.5"
"4","1","kernel_norm_forward_norm1_half(norm_forward_arguments)","gpu__time_duration.sum","us","25"
"5","1","splitK","gpu__time_duration.sum","ns","2,000"
"6","1","reduce","gpu__time_duration.sum","ns","1,000"
"7","1","gemm","gpu__time_duration.sum","ns","2,500"
"8","1","kernel_update(update_arguments)","gpu__time_duration.sum","ns","8,000"
"9","1","later","gpu__time_duration.sum","ns","99,000"
END
measured() { scripts/gpu-check/measured.py "$@" > "$tmp/measured.md"; }
row() { grep -qxF -- "$1" "$tmp/measured.md" || { cat "$tmp/measured.md"; return 1; }; }
check "a document out of results" measured "$figures"
for line in '- driver: 580.1' '| rates | passed | 12 | Card 100 |  |' \
    '| 128 | bf16 |  | 800000 | 790000 | 810000 | 160 | 128 | 1.25 | 130, **missed** |' \
    '| 3 | norm_forward | norm1 | 10.0 | 25.0 | 2.50 | +15.0 | **slow** |  |' \
    '| 4-5 | cublasLtMatmul | local3; local4 | 5.0 | 5.5 | 1.10 | +0.5 |  | splitK 2.0 + reduce 1.0 + gemm 2.5 |' \
    '| 2 | cudnn forward | conv1 | 6.4 | 6.5 | 1.02 | +0.1 |  | cutlass::conv |' \
    '|  | **all** | 7 kernels | 30.4 | 46.9 | 1.54 | +16.5 |  |  |' \
    '| 128 | bf16 | graph | 400000 | 800000 | 2.00 |'; do
    check "it has $line" row "$line"
done
order() { sed -n 's/^| \([1-6]\)\(-[0-9]\)* | [a-z].*/\1/p' "$tmp/measured.md" | paste -sd ' '; }
check "what costs most comes first" test "$(order)" = "3 6 4 2 1"
check "tf32 is not measured" row '| not measured yet |  |  |  |  |  |  |  |  |'
others() { sed -i s/kernel_norm_forward/kernel_other/ "$figures/ncu-bf16.csv"; ! measured --launches bf16 "$figures"; }
check "other launches than expected are an error" others
check "and listed" row '| kernel_other_norm1_half | 25.0 |'
check "without results nothing is measured" measured
check "MEASURED.md is what the script writes" diff "$tmp/measured.md" src/backends/cudnn/MEASURED.md

referee_or_skip "a dry run"
begins() { # PATTERN: prints the number of its line in the counts, which are in the order of first calls
    grep -nm1 -E "$1" "$tmp/counts" | cut -d : -f 1
}
profiled() {
    on_referee 1 env FAKECUDA_COUNT="$tmp/counts" ./cifar10_mpi train --data "$data" --train-dir "$tmp/profiled" --tower cudnn --batch-size 8 \
        --max-steps 2 --no-graph && [ "$(begins cudaEventElapsedTime)" -lt "$(begins cudaProfilerStart)" ] &&
        [ "$(begins cudaProfilerStart)" -lt "$(begins 'run kernel_distort')" ]
}
check "a profiler begins when the engines are chosen" profiled
gpu_check() { # FOLDER ARGUMENTS...
    out=$tmp/$1
    scripts/gpu-check.sh --dry-run --out "$out" "${@:2}" > "$tmp/said" 2>&1
}
passes() { gpu_check "$@" || { cat "$tmp/said"; return 1; }; }
has() { grep -qE -- "$1" "$tmp/said" || { cat "$tmp/said"; return 1; }; }
reports() { grep -qE -- "$1" "$out/report.md" || { cat "$out/report.md"; return 1; }; }
kept() { tar -xzOf "$out/gpu-check.tar.gz" "gpu-check/$1"; }
# `check` runs commands in a subshell, where a variable would be lost, so the folder is set here.
out=$tmp/first
check "45 seconds: what fits is run" passes first --minutes 0.75 properties ncu
check "properties" has '^properties  passed, [0-9]+ s$'
check "ncu does not fit" has '^ncu         not run: it takes about [0-9]+ s, and [0-9]+ s are left$'
check "the report has it" reports '^\| ncu \| Duration .* \| not run \| 0 \| .* \| it takes about '
for part in $parts; do check "the report has a row of $part" reports "^\| $part \| .* \| (passed|not run) \|"; done
check "there are two files" test "$(ls "$out" | xargs)" = "gpu-check.tar.gz report.md"

# A second call in another folder, with only the first one's archive and a stage.
stage=stage-of-test.$$
cleanup() { rm -rf "build/stage/$stage"; }
mkdir "$tmp/$stage"
echo 'echo "staged in ${BASH_SOURCE[0]%/*}"' > "$tmp/$stage/env.sh"
tar -czf "$tmp/stage.tar.gz" -C "$tmp" $stage
out=$tmp/second
check "a second call goes on" passes second --minutes 9 --continue "$tmp/first/gpu-check.tar.gz" --stage "$tmp/stage.tar.gz" properties ncu sanitizer
check "with the stage" has "^staged in build/stage/$stage$"
check "not again with what has passed" has '^properties  passed in an earlier call$'
check "but with what was not run" has '^ncu         passed, [0-9]+ s$'
check "what is skipped, and why" reports '\| skipped \| .* watches a GPU only'
check "its last line counts all results" says "^2 passed, 0 failed, 1 skipped, $(($(wc -w <<< "$parts") - 3)) not run$" tail -n 1 "$tmp/said"
check "every launch stands in the report" reports '^\| 20 \| update \|'
check "the archive has commands" says '^\+ compute-sanitizer --tool racecheck' kept sanitizer.log
check "and the report" says '^# cifar10_mpi on a GPU' kept report.md

# A part that fails does not stop the others, and runs again in the next call; so does a part that passed with other sources.
fails() { FAKECUDA_FAIL=cudaMemcpyAsync:1 gpu_check second ncu properties; [ $? -eq 1 ]; }
check "a failure is an exit code" fails
check "its log's end is shown" has '^    \| .*cudaMemcpyAsync'
check "and it is in the report" reports '^\| ncu \| .* \| \*\*failed\*\* \| .* 2 checks failed'
changed() {
    mkdir "$tmp/changed" && tar -xzf "$out/gpu-check.tar.gz" -C "$tmp/changed" &&
        sed -i 's/\t[0-9a-f]*\tthe referee/\tothers\tthe referee/' "$tmp/changed/gpu-check/properties.result" &&
        tar -czf "$tmp/changed.tar.gz" -C "$tmp/changed" gpu-check
}
check "results of other sources" changed
out=$tmp/third
check "a third call" passes third --minutes 9 --continue "$tmp/changed.tar.gz" ncu properties
check "runs what had failed" has '^ncu         passed, [0-9]+ s$'
check "and what passed with other sources" has '^properties  passed, [0-9]+ s$'
finish
