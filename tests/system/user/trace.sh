#!/bin/bash
# --trace: the timeline of a run, as Perfetto's own schema reads it.
# time limit: 60 s
. tests/lib.sh
. tests/referee.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
trace=$tmp/run.pftrace

refused "steps that are no range" "--trace-steps '5' is not A:B" ./cifar10_mpi train --trace "$trace" --trace-steps 5
refused "steps that end before they begin" "--trace-steps '5:4' is not A:B" ./cifar10_mpi train --trace-steps 5:4
if ! ./cifar10_mpi train --data "$data" --train-dir "$tmp/no" --max-steps 1 --trace "$trace" > "$tmp/said" 2>&1 &&
    grep -q 'built without protobuf-c' "$tmp/said"; then
    skip "a timeline" "this program was built without protobuf-c"
    finish
    exit
fi
check "a run that ends before the first step to record says so" grep -q 'no trace: none of the steps 11 to 20 was run' "$tmp/said"
refused "a run that cannot begin" "computes in fp32 only" ./cifar10_mpi train --data "$data" --train-dir "$tmp/none" \
    --tower openblas --precision bf16 --trace "$trace"
check "neither leaves a file" nothing find "$tmp" -name 'run.pftrace*'
refused "a file that cannot be made" "cannot be written: No such file" \
    ./cifar10_mpi train --data "$data" --train-dir "$tmp/no" --trace "$tmp/none/trace"

# Rank 1 runs where the clock is 1000 s ahead, if that can be had.
cat > "$tmp/rank" << 'END'
#!/bin/bash
later() { unshare --time --monotonic 1000 --fork "$@"; }
if [ "${OMPI_COMM_WORLD_RANK:-0}" = 1 ] && later true 2> /dev/null; then later "$@"; else "$@"; fi
END
chmod +x "$tmp/rank"
train() { echo ./cifar10_mpi train --data "$data" --train-dir "$tmp/$1" --tower openblas --log-frequency 1000 --trace "$trace" "${@:2}"; }
check "two ranks are recorded" timeout 60 mpirun -np 2 "$tmp/rank" $(train two --batch-size 16 --max-steps 9 --trace-steps 3:8)
check "the log names the file" grep -q "trace of 6 steps in $trace, for ui.perfetto.dev" "$tmp/two/train.log"
check "the ranks' parts are gone" nothing find "$tmp" -name 'run.pftrace.*'

if ! python=$(tests/venv); then
    skip "Perfetto's schema reads it" "$python"
    finish
    exit
fi
perfetto() { "$python" tests/system/user/trace_check.py "$1" "$trace" "${@:2}"; }
check "phases add up to within 2 % of each step, clocks agree" perfetto steps 2 3 8
check "every layer is there" perfetto layers conv1 pool1 norm1 conv2 norm2 pool2 local3 local4 softmax_linear
check "so is the loader" perfetto has "loader 0" "batch 5"

# The same by Perfetto's own reader, which Debian does not have: TRACE_PROCESSOR names it.
processor=${TRACE_PROCESSOR:-$(command -v trace_processor_shell)}
cat > "$tmp/shares.sql" << 'END'
select count(*) from (select sum(iif(t.name = 'main', s.dur, 0)) * 1.0 / sum(iif(t.name = 'steps', s.dur, 0)) as share
    from slice s join process_track t on s.track_id = t.id group by t.upid) where share between 0.98 and 1.02;
END
queried() { [ "$("$processor" -q "$tmp/shares.sql" "$trace" 2> /dev/null | tail -n 1)" = 2 ]; }
if [ -n "$processor" ]; then
    check "Perfetto's trace_processor opens it, and both ranks' phases add up to the steps" queried
else
    skip "Perfetto's trace_processor opens it" "TRACE_PROCESSOR does not name it"
fi

# Each rank's file can be read while the run goes on, and after a kill; files put together are one trace.
ranks_start 2 "$tmp/killed" $(train killed --batch-size 4 --max-steps 1000000 --trace-steps 2:999999 --checkpoint-steps 3 | cut -d ' ' -f 2-)
check "the run saves a checkpoint" eventually 20 grep -aq 'checkpoint 3' "$trace.rank0"
check "the other rank is recorded too" eventually 5 grep -aq 'step 3' "$trace.rank1"
kill -9 "$(cat "$tmp/killed/pid.1")"
wait $job
cat "$trace".rank? > "$trace"
check "it was killed; its parts, put together, are a trace" perfetto has main "forward conv1" "update"
check "with the checkpoint" perfetto has saver "checkpoint 3"

if [ -f cifar10_cudnn.so ] && [ -f "$fakes/libcudart.so.13" ]; then
    on_gpu() {
        on_referee 1 env FAKECUDA_DEVICES=2 timeout 60 mpirun -np 2 ./cifar10_mpi train --tower cudnn --data "$data" \
            --train-dir "$tmp/$1" --batch-size 2 --deterministic --allreduce nccl --max-steps 7 "${@:2}"
    }
    check "devices" on_gpu device --trace "$trace" --trace-steps 4:6
    check "their stages are recorded" perfetto device conv1 pool1+norm1 conv2 norm2+pool2 local3 local4+softmax_linear
    check "and the sum beside them" perfetto has "device, beside" "allreduce local3"
    check "the same without a trace" on_gpu plain
    same "a trace changes no bit" device plain 7
else
    skip "the timeline of a device" "the cudnn module or its referee was not built (make info tells why)"
fi
finish
