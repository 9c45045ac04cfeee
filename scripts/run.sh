#!/bin/bash
# What `make run` does once the program is built: finds data, trains on 2 ranks for a minute or two, evaluates the
# newest checkpoint, and says where the results are. Run again, it goes on from where it was.
#   CIFAR10_DIR=DIR      the files of CIFAR-10; else data/cifar10.h5, else a download, else the repository's sample
#   AIM=90               seconds of training to aim for
set -euo pipefail
cd "$(dirname "$0")/.."
aim=${AIM:-90}
steps_max=1500 # at most so many steps a run
batch=64       # per rank

. scripts/local_mpi.sh
# nproc takes these for the number of cores, but they are meant for each process.
ranks=$(($(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) > 1 ? 2 : 1))

say() { printf '\n== %s\n' "$*"; }

find_data() { # sets $data
    mkdir -p data
    if [ -n "${CIFAR10_DIR:-}" ]; then
        say "Data: packing CIFAR10_DIR=$CIFAR10_DIR"
        ./cifar10_mpi pack --from "$CIFAR10_DIR" data/cifar10-dir.h5
        # Named after what it holds, and so is the run, which other data could not go on.
        data=data/cifar10-dir-$(sha256sum data/cifar10-dir.h5 | cut -c 1-8).h5
        mv data/cifar10-dir.h5 "$data"
        say "Data: $data"
        return
    fi
    data=data/cifar10.h5
    if [ -f $data ]; then say "Data: $data, which is there"; return; fi
    say "Data: trying to download CIFAR-10 (162 MB) into $data; CIFAR10_DIR=... would use a copy you have"
    # In the foreground, where Ctrl-C reaches it.
    if timeout --foreground -s INT 100 ./cifar10_mpi pack --download $data; then return; fi
    data=data/cifar10-sample.h5
    if [ -f $data ]; then say "Data: no download; $data, the repository's sample, which is there"; return; fi
    say "Data: no download; packing the repository's sample (10,000 + 2,000 images) into $data"
    ./cifar10_mpi pack --from tests/data/cifar10-sample.tar.xz $data
}

steps_done() { # of the newest checkpoint in $run
    local newest
    newest=$(ls $run/checkpoint-*.h5 2> /dev/null | tail -n 1 | grep -o '[0-9]*\.h5$') || { echo 0; return; }
    echo $((10#${newest%.h5}))
}

train() { # MORE: goes on for so many steps, $steps in all
    steps=$((steps + $1))
    mpirun -np "$ranks" ./cifar10_mpi train --data $data --train-dir $run --batch-size $batch --max-steps $steps \
        --log-frequency 25 2>&1 | tee -a $run.log
}

find_data
run=runs/$(basename $data .h5)
mkdir -p runs
steps=$(steps_done)

say "Training on $ranks rank(s): 30 steps to see how fast this machine is"
start=${EPOCHREALTIME/[.,]/}
train 30
took=$((${EPOCHREALTIME/[.,]/} - start))
more=$((30 * aim * 1000000 / took))
more=$((more > steps_max ? steps_max : more / 10 * 10 + 10))
say "Training: $more steps more"
train $more

say "Evaluating the newest checkpoint"
mpirun -np "$ranks" ./cifar10_mpi eval --data $data --checkpoint-dir $run --run-once

say "Results"
cat <<END
data         $data
             look into it:  ./cifar10_mpi inspect $data
checkpoints  $run/checkpoint-*.h5
             look into it:  h5dump -A $run/checkpoint-$(printf %08d $steps).h5
log          $run.log
go on        make run, or
             mpirun -np $ranks ./cifar10_mpi train --data $data --train-dir $run \\
                 --batch-size $batch --max-steps $((2 * steps))
evaluate     mpirun -np $ranks ./cifar10_mpi eval --data $data --checkpoint-dir $run --run-once
END
echo "mpirun       . scripts/local_mpi.sh    before it: as root, in a container, or for more ranks than cores"
