#!/bin/bash
# `make run`, once the program is built: finds data, trains on 2 ranks for a minute or two, evaluates the newest checkpoint,
# classifies a picture, and says where the results are. Run again, it continues where it stopped.
#   CIFAR10_DIR=DIR      CIFAR-10's files; otherwise data/cifar10.h5, a download, or the repository's sample, in this order
#   AIM=90               train for at most this many seconds
set -euo pipefail
cd "$(dirname "$0")/.."
aim=${AIM:-90}
more=1500 # at most this many steps
again="make run"

. scripts/local_mpi.sh
# nproc would take these variables as the number of cores, but they apply to each process.
ranks=$(($(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) > 1 ? 2 : 1))

say() { printf '\n== %s\n' "$*"; }

find_data() { # sets $data
    mkdir -p data
    if [ -n "${CIFAR10_DIR:-}" ]; then
        say "Data: packing CIFAR10_DIR=$CIFAR10_DIR"
        ./cifar10_mpi pack --from "$CIFAR10_DIR" data/cifar10-dir.h5
        # File and run are named after their contents, since a run cannot continue with other data.
        data=data/cifar10-dir-$(sha256sum data/cifar10-dir.h5 | cut -c 1-8).h5
        mv data/cifar10-dir.h5 "$data"
        again="CIFAR10_DIR=$(printf %q "$CIFAR10_DIR") make run"
        say "Data: $data"
        return
    fi
    data=data/cifar10.h5
    if [ -f $data ]; then say "Data: $data, which is there"; return; fi
    say "Data: trying to download CIFAR-10 (162 MB) into $data; CIFAR10_DIR=... would use a copy you have"
    # In the foreground, so that Ctrl-C reaches it.
    if timeout --foreground -s INT 100 ./cifar10_mpi pack --download $data; then return; fi
    data=data/cifar10-sample.h5
    if [ -f $data ]; then say "Data: no download; $data, the repository's sample, which is there"; return; fi
    say "Data: no download; packing the repository's sample (10,000 + 2,000 images) into $data"
    ./cifar10_mpi pack --from tests/data/cifar10-sample.tar.xz $data
}

newest() { ls $run/checkpoint-*.h5 2> /dev/null | tail -n 1; } # prints the newest checkpoint's file; fails if there is none

steps_done() { # prints the step of the newest checkpoint
    local name
    name=$(newest | grep -o '[0-9]*\.h5$') || { echo 0; return; }
    echo $((10#${name%.h5}))
}

on_signal() { # COMMAND: on a signal, runs the command with the signal's name as its argument
    local name
    # shellcheck disable=SC2064 # expanded now
    for name in INT TERM HUP; do trap "$1 $name" $name; done
}

stop() { # SIGNAL: makes the training finish its step and save
    stopped=$1
    touch $run/stop
    say "Stopping after this step. Once more, and it ends at once, without saving"
    on_signal "kill $training; :"
}

interrupted() { # SIGNAL: ends this script by the signal
    say "Interrupted: $(newest || echo "no checkpoint") is saved. To go on: $again"
    trap - "$1"
    kill -"$1" $$
}

train() { # STEPS: trains up to this step
    local code=0
    stopped=
    mkdir -p $run
    # setsid keeps Ctrl-C from mpirun, which would kill the ranks before they have saved.
    setsid mpirun -np "$ranks" ./cifar10_mpi train --data $data --train-dir $run --batch-size 64 --max-steps "$1" \
        --max-seconds "$aim" --log-frequency 50 < /dev/null &
    training=$!
    on_signal stop
    # A signal that interrupts `wait` may lose the exit code.
    while kill -0 $training 2> /dev/null; do sleep 0.2 || true; done
    wait $training || code=$?
    rm -f $run/stop
    on_signal interrupted
    case $code in
        0 | 75) if [ -n "$stopped" ]; then interrupted $stopped; fi ;; # 75: time limit
        76) interrupted ${stopped:-INT} ;; # somebody else may have made the file
        143) interrupted ${stopped:-TERM} ;; # ended without saving
        137) say "Training failed: a rank was killed; was there memory left?"; exit $code ;;
        *) say "Training failed: exit code $code"; exit $code ;;
    esac
}

find_data
run=runs/make-run-$(basename $data .h5)
say "Training on $ranks rank(s): $more steps more, for $aim s at most"
train $(($(steps_done) + more))

say "Evaluating the newest checkpoint"
mpirun -np "$ranks" ./cifar10_mpi eval --train-dir $run --run-once

say "Classifying a picture"
tar -xf tests/data/cifar10-sample.tar.xz -O test/cat/0000.jpg > data/cat.jpg
./cifar10_mpi predict --train-dir $run data/cat.jpg

say "Results"
cat <<END
data         ./cifar10_mpi inspect $data
checkpoint   ./cifar10_mpi inspect $(newest)
log          $run/train.log
metrics      $run/metrics.csv
predict      ./cifar10_mpi predict --train-dir $run data/cat.jpg
go on        $again
Before mpirun, once in a shell: . scripts/local_mpi.sh
train        mpirun -np $ranks ./cifar10_mpi train --data $data --train-dir $run --batch-size 64
evaluate     mpirun -np $ranks ./cifar10_mpi eval --train-dir $run --run-once
END
