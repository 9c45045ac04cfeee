#!/bin/bash
# Runs the job scripts under a real Slurm on this host: the test starts munged, slurmctld and slurmd on free ports.
# time limit: 240 s
. tests/lib.sh

if ! getent hosts "$(uname -n)" > /dev/null; then
    skip "Slurm" "this host's own name, $(uname -n), has no address (/etc/hosts)"
    finish
    exit
fi

dir=$tmp/slurm
node=$(uname -n | cut -d. -f1)
free() { ! (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
port=$((10000 + $$ % 20000)) # below the range from which the system takes ports
until free $port && free $((port + 1)); do port=$((port + 2)); done
export SLURM_CONF=$dir/slurm.conf

# Stops all daemons at the same time, so that this script ends within seconds.
cleanup() {
    local pids
    timeout 2 scancel --user=root 2> /dev/null
    pids=$(cat "$dir"/{slurmd,slurmctld,munged}.pid 2> /dev/null | xargs)
    kill $pids 2> /dev/null
    for _ in $(seq 20); do kill -0 $pids 2> /dev/null || return; sleep 0.1; done
    kill -KILL $pids 2> /dev/null
}

configure() {
    mkdir -p "$dir/state" "$dir/spool"
    head -c 1024 /dev/urandom > "$dir/munge.key"
    chmod 400 "$dir/munge.key"
    cat > "$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
    # Newer versions need this option to start without control groups; older ones do not know it.
    if [[ $(slurmd -V) =~ \ (2[4-9]|[3-9][0-9])\. ]]; then echo CgroupPlugin=disabled > "$dir/cgroup.conf"; fi
}

daemons() {
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" || return 1
    slurmctld -i || return 1
    slurmd -N "$node" || return 1
    for _ in $(seq 100); do
        if sinfo -h -o %T 2> /dev/null | grep -q idle; then return 0; fi
        sleep 0.2
    done
    sinfo
    return 1
}
# If a daemon does not start, prints the daemons' own messages.
start() { daemons && return; tail -n 5 "$dir"/*.log; return 1; }

for program in munged slurmctld slurmd sbatch; do
    command -v $program > /dev/null || { skip "jobs under Slurm" "no $program here (Debian: slurm-wlm munge)"; finish; exit; }
done
[ "$(id -u)" -eq 0 ] || { skip "jobs under Slurm" "slurmd must be started by root"; finish; exit; }

configure
if said=$(start 2>&1 < /dev/null); then ok "munged, slurmctld and slurmd start"
elif why=$(grep -m1 -oiE '(error|fatal): .*cgroup.*' "$dir/slurmd.log" 2> /dev/null); then
    skip "jobs under Slurm" "slurmd cannot use control groups here: $why"; finish; exit
else not_ok "munged, slurmctld and slurmd start" "$said"; finish; exit
fi

DATA=$(small_data) || exit 1
export DATA RUN=$tmp/run BATCH=16 STEPS=6
submit() { timeout 90 sbatch --wait --time=5 --ntasks=2 --output="$tmp/$1.log" "${@:2}"; }
said() { grep -E "$1" "$tmp/$2.log" || { cat "$tmp/$2.log"; return 1; }; }

check "sbatch jobs/train-cpu.sbatch ends well" submit train jobs/train-cpu.sbatch
check "it trained on 2 ranks" said '2 ranks' train
check "its last checkpoint is there" test -f "$RUN/checkpoint-00000006.h5"
STEPS=10 LAUNCH=mpirun check "submitted again, under mpirun, it goes on" submit again jobs/train-cpu.sbatch
check "and ends at step 10" test -f "$RUN/checkpoint-00000010.h5"
check "sbatch jobs/eval.sbatch ends well" submit eval jobs/eval.sbatch
check "it prints the precision" said 'precision @ 1 = 0\.[0-9]+' eval

# When its time limit comes, the job saves and requeues itself; the file `stop` ends it for good.
waits() { # KIND: submits a job that waits for $job
    sbatch --parsable --dependency="$1:$job" --time=1 --ntasks=1 --output="$tmp/waits.log" --wrap "echo $1 of $job started"
}
begin() { job=$(STEPS=1000000 RUN=$tmp/$1 sbatch --parsable --time=5 --ntasks=2 --output="$tmp/$1.log" jobs/train-cpu.sbatch); }
shows() { scontrol show job "${2:-$job}" | grep -E -- "$1"; }
stopped() { eventually 30 grep -qE "stopped at step [0-9]+: the file stop" "$tmp/$1.log" && eventually 15 shows "$2"; }
for launch in "" mpirun; do
    LAUNCH=$launch begin late$launch
    check "a job to be told late, under ${launch:-srun}" wait_for 60 'step 20, loss' "$tmp/late$launch.log"
    after=$(waits afterok)
    check "by the signal that Slurm sends to the script" scancel --batch --signal=USR1 "$job"
    check "it saves, and is queued again" stopped late$launch "Requeue=1 Restarts=1"
    check "what waits by afterok goes on waiting" shows "JobState=PENDING Reason=Dependency " "$after"
    check "until it is cancelled" scancel "$job"
    scancel "$after"
    LAUNCH=$launch begin early$launch
    check "a job to be told as it begins" eventually 30 shows JobState=RUNNING
    sleep 0.1
    check "by that signal" scancel --batch --signal=USR1 "$job"
    check "it saves, and is queued again, too" stopped early$launch "Requeue=1 Restarts=1"
    check "and its file is gone" test ! -e "$tmp/early$launch/stop"
    scancel "$job"
done
begin ended
check "a job to be ended by a file" wait_for 30 'step 20, loss' "$tmp/ended.log"
after=$(waits afterok)
waits afterany > /dev/null
touch "$tmp/ended/stop"
check "is not queued again" stopped ended "JobState=FAILED"
check "its exit code is 76" shows "ExitCode=76:0"
check "what waits by afterany starts" wait_for 60 "^afterany of $job started" "$tmp/waits.log"
check "what waits by afterok never does" eventually 30 shows "JobState=PENDING Reason=DependencyNeverSatisfied" "$after"
scancel "$after"

# The optional lines of the scripts (partition, account, ...), filled in for this cluster.
for script in jobs/*.sbatch; do
    sed -E 's/^##SBATCH/#SBATCH/; s/(partition|account)=NAME /\1=test /; s/--mem(-per-cpu)?=[0-9]+G /--mem=1M /; s/^(#SBATCH --gres)/#\1/; s/^#SBATCH --ntasks.*=[0-9]+$/#SBATCH --ntasks=1/' "$script" > "$tmp/filled.sbatch"
    check "$script: its lines for other clusters can be taken" sbatch --test-only "$tmp/filled.sbatch"
    check "all three" test "$(diff "$script" "$tmp/filled.sbatch" | grep -cE '^> #SBATCH --(partition=test|account=test|mem=1M) +#')" = 3
done

# A launcher that succeeds without having started anything, as srun may do after a node has failed.
ends_badly() { ! submit "$@"; }
LAUNCH=true check "a job that did not train is no success" ends_badly idle jobs/train-cpu.sbatch
check "and says so" said "^true ended with exit code 0, but .*/train.log does not end with 'done at step'" idle
LAUNCH=true check "nor one that did not evaluate" ends_badly unread jobs/eval.sbatch
check "which says so, too" said '^true ended with exit code 0, but no precision was printed' unread

# A rank is killed. Without --kill-on-bad-exit, srun would leave the others waiting for Slurm's KillWait, half a minute.
srun --mpi=pmix --kill-on-bad-exit=1 -n 2 bash -c 'echo $$ > "$0.$SLURM_PROCID" && exec ./cifar10_mpi "$@"' "$tmp/pid" \
    train --data "$DATA" --train-dir "$tmp/killed" --batch-size 8 --log-frequency 5 > "$tmp/killed.log" 2>&1 < /dev/null &
run=$!
check "a job that loses a rank" wait_for 60 'step 20, loss' "$tmp/killed.log"
kill -KILL "$(cat "$tmp/pid.1")"
start=$EPOCHREALTIME
wait $run
check "ends with an error" test $? -ne 0
check "within some seconds" awk "BEGIN { exit !($EPOCHREALTIME - $start < 12) }"
check "and names the rank" said "rank 1 on .* \(process $(cat "$tmp/pid.1")\) has died while" killed

# An mpirun that does not end, as when it waits for a node that is cut off.
mkdir "$tmp/bin"
printf '#!/bin/bash\n"$@"\nexec sleep 1000\n' > "$tmp/bin/mpirun"
chmod +x "$tmp/bin/mpirun"
hanging() {
    PATH=$tmp/bin:$PATH LAUNCH=mpirun PATIENCE=1 RUN=$tmp/hanging STEPS=1000000 OPTIONS="--max-seconds 6" timeout 60 bash jobs/train-cpu.sbatch
    [ $? -eq 143 ] # the exit code of the killed launcher
}
check "an mpirun that stays without ranks is ended" hanging

# Processes that do not know of each other do not train. Neither does one in a shell started by srun (`shell` acts like srun --pty, which
# gives a terminal to the first task only); mpirun and the other commands do work there.
alone="train --data $DATA --train-dir $tmp/alone --batch-size 16 --max-steps 2"
lone() { timeout 60 srun --mpi=none -n 2 "$@"; }
shell() { lone bash -c '[ "$SLURM_PROCID" -gt 0 ] || "$@"' shell "$@"; }
refused "without PMIx copies do not train, and one of them says so" "srun --mpi=pmix" lone ./cifar10_mpi $alone
refused "nor do they under an mpirun of another library" "start them with the mpirun of" \
    env -u SLURM_CONF OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 ./cifar10_mpi $alone
refused "nor does one in a shell of srun's" "mpirun of .*, also in a shell that srun started" shell ./cifar10_mpi $alone
check "and wrote nothing" test ! -e "$tmp/alone"
check "with mpirun it trains there" shell mpirun -np 1 ./cifar10_mpi $alone
check "other commands run there by themselves: eval" \
    shell ./cifar10_mpi eval --data "$DATA" --checkpoint-dir "$tmp/alone" --run-once
check "inspect" shell ./cifar10_mpi inspect "$DATA"
check "--help" shell ./cifar10_mpi train --help
[ $failures -eq 0 ] || tail -n 20 "$dir"/slurm*.log | sed 's/^/# /'
finish
