#!/bin/bash
# How gradients are exchanged: through memory that the ranks of a node share, otherwise by MPI. Also between two nodes, which are network
# namespaces with their own host names, connected by a virtual Ethernet.
# time limit: 200 s
. tests/lib.sh
. tests/referee.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

train() { echo train --data "$data" --log-frequency 1 --train-dir "$tmp/$1" "${@:2}"; }
slices="--slices 8 --max-steps 10 --batch-size"
alone=$tmp/alone/checkpoint-00000010.h5
loss() { sed -n 2,11p "$tmp/$1/metrics.csv" | cut -d, -f 4; } # RUN: prints the cross-entropies of ten steps
close() { # RUN RUN: succeeds if their losses agree to 5e-5
    awk '{ d = $1 - $2; worst = d > worst ? d : -d > worst ? -d : worst; n++ } END { print n, worst; exit !(n == 10 && worst < 5e-5) }' \
        <(paste <(loss "$1") <(loss "$2"))
}
check "8 slices on 1 rank" ./cifar10_mpi $(train alone $slices 128)

# --allreduce mpi uses MPI even though the ranks could share memory.
by_mpi() { timeout 60 mpirun -np 4 ./cifar10_mpi $(train "$1" --allreduce mpi --verbose "${@:2}") > "$tmp/block"; }
check "--allreduce mpi on one node" by_mpi mpi --batch-size 32 --max-steps 10
check "sends buckets" grep -q '1 slice a rank; allreduce mpi, in buckets (as asked for)' <(unwrapped "$tmp/block")
check "the losses of one rank to 5e-5" close alone mpi
check "with slices" by_mpi sent $slices 32
check "it sends their sums" grep -q '2 slices a rank; allreduce tree, by MPI (as asked for)' <(unwrapped "$tmp/block")
check "the same bits" same_bits "$alone" "$tmp/sent/checkpoint-00000010.h5"

# inside MOUNT DIRECTORY RANKS: trains with 8 slices, in a mount namespace in which a tmpfs (MOUNT) hides a directory
inside() {
    OMPI_MCA_btl=self,tcp timeout 60 mpirun -np "$3" unshare --mount sh -c "mount -t tmpfs $1 && exec ./cifar10_mpi \"\$@\"" \
        sh $(train "$2" $slices $((128 / $3))) --verbose
}
if unshare --mount mount -t tmpfs none /mnt 2> /dev/null; then
    check "on 4 ranks where /dev/shm is small, as in a container" eval 'inside "-o size=1m none /dev/shm" small 4 > "$tmp/block"'
    check "memory is shared all the same" grep -q 'gradients .*; allreduce tree, in shared memory' "$tmp/block"
    check "and the data" grep -q 'data set .* a copy a node' "$tmp/block"
    check "the same bits" same_bits "$alone" "$tmp/small/checkpoint-00000010.h5"
    check "on 2 ranks that do not see each other's /proc" eval 'inside "none /proc" hidden 2 > "$tmp/block"'
    check "nothing can be shared" grep -q 'allreduce tree, by MPI (the ranks of this node cannot share memory)' <(unwrapped "$tmp/block")
    check "each has its data" grep -q 'data set .* a copy a rank' "$tmp/block"
    check "the same bits" same_bits "$alone" "$tmp/hidden/checkpoint-00000010.h5"
else
    skip "ranks in containers" "$(no_mount)"
fi

hosts=(cifar-$$-a cifar-$$-b)
cleanup() { for host in "${hosts[@]}"; do ip netns del "$host" 2> /dev/null; done; }
join_hosts() {
    ip netns add "${hosts[0]}" && ip netns add "${hosts[1]}" &&
        ip link add wire netns "${hosts[0]}" type veth peer name wire netns "${hosts[1]}" || return 1
    local i
    for i in 0 1; do
        ip -n "${hosts[i]}" addr add 10.99.0.$((i + 1))/24 dev wire && ip -n "${hosts[i]}" link set wire up &&
            ip -n "${hosts[i]}" link set lo up || return 1
    done
}
if ! join_hosts 2> "$tmp/said"; then
    skip "two nodes" "no network namespaces can be made here: $(tail -n 1 "$tmp/said")"
    finish
    exit
fi

# A script that mpirun uses instead of ssh to start its daemons; its arguments are HOST COMMAND...
cat > "$tmp/agent" << 'END'
#!/bin/bash
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
END
chmod +x "$tmp/agent"
# Undo tests/lib.sh's restriction to the loopback interface. In Open MPI 5 some names begin with PRTE.
unset OMPI_MCA_btl PMIX_MCA_ptl_tcp_if_include
export OMPI_MCA_plm_rsh_agent=$tmp/agent PRTE_MCA_plm_ssh_agent=$tmp/agent
export OMPI_MCA_oob_tcp_if_include=10.99.0.0/24 PRTE_MCA_oob_tcp_if_include=10.99.0.0/24 OMPI_MCA_btl_tcp_if_include=10.99.0.0/24
export OMPI_MCA_pml=ob1 # otherwise each host chooses by its devices, and the two may choose differently
apart() { # RANKS-A-NODE COMMAND...
    local each=$1
    shift
    timeout 60 "$tmp/agent" "${hosts[0]}" exec mpirun -np $((2 * each)) --host "${hosts[0]}:$each,${hosts[1]}:$each" \
        --bind-to none ./cifar10_mpi "$@"
}

check "on 4 ranks of 2 nodes" eval 'apart 2 $(train slices $slices 32) > "$tmp/short"'
check "a short start block has one line for all of them" grep -qE "^  rank 0-3 +${hosts[0]} and others: " "$tmp/short"
check "the same bits" same_bits "$alone" "$tmp/slices/checkpoint-00000010.h5"
timeline=$tmp/timeline
if ldd ./cifar10_mpi | grep -q protobuf-c; then traced="--trace $timeline --trace-steps 2:10"; else traced=; fi
apart 2 $(train fastest --batch-size 32 --max-steps 10) --verbose $traced > "$tmp/block" 2>&1
check "the fastest sum runs too" test -e "$tmp/fastest/checkpoint-00000010.h5"
check "the start block counts the nodes" grep -q '4 ranks on 2 nodes' "$tmp/block"
check "names each one's ranks" grep -qE "rank 2-3 +${hosts[1]}: " "$tmp/block"
check "and tells how gradients travel" grep -q 'gradients .*; allreduce mpi, in buckets (the fastest between nodes)' <(unwrapped "$tmp/block")
check "losses of one rank and of two nodes agree to 5e-5" close alone fastest
if [ -z "$traced" ]; then skip "messages overlap with the backward pass" "this program was built without protobuf-c"
elif python=$(tests/venv); then check "messages overlap with the backward pass" "$python" tests/system/user/trace_check.py overlap "$timeline" 0.02
else skip "messages overlap with the backward pass" "$python"; fi
check "eval counts every image once" grep -qE ' of 200\)' \
    <(apart 1 eval --data "$data" --checkpoint-dir "$tmp/slices" --run-once)
refused "one sentence, though on another node" "there is no tower 'abacus'|--tower 'abacus' is none of" \
    apart 1 $(train none --tower abacus)

# Devices without a UUID (-1), in two containers with the same host name on two nodes: they are told apart by their nodes.
namesakes() {
    timeout 60 "$tmp/agent" "${hosts[0]}" exec mpirun -np 2 --host "${hosts[0]}:1,${hosts[1]}:1" --bind-to none unshare --uts sh -c \
        "'hostname cifar && LD_LIBRARY_PATH=$fakes CIFAR10_MODULES=$PWD FAKECUDA_NODE=-1 exec ./cifar10_mpi \"\$@\"'" \
        sh $(train namesakes --verbose --tower cudnn --allreduce mpi --batch-size 4 --max-steps 2) > "$tmp/block" 2>&1 || { cat "$tmp/block"; return 1; }
}
if [ -f cifar10_cudnn.so ] && [ -f "$fakes/libcudart.so.13" ]; then
    check "GPUs of two containers of one name, in the same slot of two nodes, are two" namesakes
    check "they had one name" test "$(unwrapped "$tmp/block" | grep -cE '^  rank [01] +cifar: cudnn tower, .* PCI 0000:10:00\.0$')" -eq 2
else
    skip "GPUs of two containers of one name" "the cudnn module or its referee was not built (make info tells why)"
fi

# If a rank is killed, the job ends on the other nodes too.
apart 1 $(train killed --batch-size 8 --max-steps 100000) > "$tmp/killed.log" 2>&1 &
job=$!
check "a run on both nodes" wait_for 30 'step 5,' "$tmp/killed.log"
pid=$(ip netns pids "${hosts[1]}" | while read -r pid; do [ "$(cat /proc/$pid/comm)" = cifar10_mpi ] && echo $pid; done)
check "its rank on the other node is killed" kill -9 $pid
wait $job
rc=$?
check "and the run ends (exit code $rc), before timeout ends it" test $rc -ne 0 -a $rc -ne 124
finish
