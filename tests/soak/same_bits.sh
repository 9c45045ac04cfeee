#!/bin/bash
# Training gives the same bits as an earlier commit: parameters and shadows after 200 steps of each backend, with and without
# --slices, on 1, 2 and 4 ranks; and from a checkpoint that the earlier commit wrote.
#   tests/soak/same_bits.sh [PATTERN]   only names that match, such as onednn-2 or cudnn; default: all
#   SAME_BITS_COMMIT   the earlier commit
#   SAME_BITS_DIR      the folder for that commit's build and checkpoints (default: build/same-bits)
# time limit: 7200 s
. tests/lib.sh
. tests/referee.sh
commit=${SAME_BITS_COMMIT:-c342e23c28} steps=200 seed=1 pattern=${1:-.}

git cat-file -e "$commit^{commit}" 2> /dev/null ||
    { skip "the same bits as $commit" "this clone has no such commit"; finish; exit; }
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
before=${SAME_BITS_DIR:-build/same-bits}/$commit
mkdir -p "$before" && before=$(cd "$before" && pwd) || exit 1

build_before() {
    [ ! -f "$before/.built" ] || return 0
    git archive "$commit" | tar -x -C "$before" && make -C "$before" -j2 all || return 1
    if [ -f "$before/cifar10_cudnn.so" ]; then make -C "$before" -j2 fakecuda || return 1; fi
    cp "$data" "$before/data.h5" && touch "$before/.built"
}
check "$commit builds" build_before
data=$before/data.h5

# run TREE DIRECTORY RANKS TOWER OPTION...: trains with the program of TREE.
run() {
    local tree=$1 directory=$2 ranks=$3 tower=$4
    shift 4
    env LD_LIBRARY_PATH="$tree/build/fakecuda" CIFAR10_MODULES="$tree" FAKECUDA_SEED=$seed \
        mpirun -np "$ranks" "$tree/cifar10_mpi" train --data "$data" --train-dir "$directory" --tower "$tower" --threads 1 \
        --log-frequency 50 --deterministic --share-devices "$@"
}

# compare NAME RANKS TOWER OPTION...: checks that both programs write the same bits
compare() {
    local name=$1 old=$before/runs/$1 new=$tmp/$1
    [[ $name =~ $pattern ]] || return
    shift
    [ -f "$old/checkpoint-00000$steps.h5" ] || run "$before" "$old" "$@" --max-steps $steps > "$tmp/said" 2>&1 ||
        { not_ok "$name: $commit trains" "$(tail -5 "$tmp/said")"; return; }
    check "$name trains" run "$PWD" "$new" "$@" --max-steps $steps
    check "$name: the same bits" same_bits "$old/checkpoint-00000$steps.h5" "$new/checkpoint-00000$steps.h5"
    rm -rf "$new"
}

goes_on() { # NAME RANKS TOWER OPTION...: continues from the earlier commit's checkpoint
    [[ $1 =~ $pattern ]] || return
    local name=$1 old=$before/runs/$1 whole=$before/runs/$1-on part=$tmp/$1-on
    shift
    mkdir -p "$part" "$whole" && cp "$old/checkpoint-00000$steps.h5" "$part"
    [ -f "$whole/checkpoint-00000220.h5" ] || cp "$old/checkpoint-00000$steps.h5" "$whole"
    [ -f "$whole/checkpoint-00000220.h5" ] || run "$before" "$whole" "$@" --max-steps 220 > "$tmp/said" 2>&1
    check "$name: its checkpoint is read" run "$PWD" "$part" "$@" --max-steps 220
    check "$name: and gives the same bits" same_bits "$whole/checkpoint-00000220.h5" "$part/checkpoint-00000220.h5"
    rm -rf "$part"
}

for ranks in 1 2 4; do
    for tower in openblas onednn; do
        compare $tower-$ranks $ranks $tower --batch-size 4 --conv direct
        compare $tower-slices-$ranks $ranks $tower --batch-size $((16 / ranks)) --slices 4 --conv direct
    done
    compare winograd-$ranks $ranks onednn --batch-size 8 --conv winograd
    compare winograd-slices-$ranks $ranks onednn --batch-size $((16 / ranks)) --slices 4 --conv winograd
done
compare tree-2 2 openblas --batch-size 4 --allreduce tree
goes_on openblas-2 2 openblas --batch-size 4 --conv direct
goes_on winograd-slices-4 4 onednn --batch-size 4 --slices 4 --conv winograd

if [ -f cifar10_cudnn.so ] && [ -f "$fakes/libcudart.so.13" ] && [ -f "$before/cifar10_cudnn.so" ]; then
    for ranks in 1 2 4; do
        compare cudnn-$ranks $ranks cudnn --batch-size 2
        compare cudnn-slices-$ranks $ranks cudnn --batch-size $((4 / ranks)) --slices 4
    done
    goes_on cudnn-slices-2 2 cudnn --batch-size 2 --slices 4
else
    skip "the cudnn tower" "the cudnn module or its referee was not built (make info tells why)"
fi
finish
