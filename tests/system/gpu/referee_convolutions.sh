#!/bin/bash
# Convolutions of the cudnn tower on the referee, compared with their definition, alone and followed by a pool. make soak tries more
# orders.
# time limit: 300 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's convolutions"
for test in convolutions convolution_ways; do check "test_$test, 10 orders" in_orders 1 10 build/tests/backends/test_$test; done
check "test_convolution_pool, 2 orders" in_orders 1 2 build/tests/backends/test_convolution_pool

# Engines of the referee's cuDNN (cudnn_engines.c): 0, 5 and 7 compute, no heuristic lists 7, 8 fails when it runs, 9 cannot be
# captured, 3 needs 1 GiB, 10 is compiled when it is planned, 11 is the fastest and omits the last image.
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
engines() { # LIST OPTION...: trains 3 steps with these engines; the output goes to $tmp/engines
    rm -rf "$tmp/run"
    FAKECUDA_ENGINES=$1 on_referee 4 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --tower cudnn --verbose --batch-size 2 --max-steps 3 \
        "${@:2}" > "$tmp/engines" 2>&1
}
chosen() { # PATTERN LIST OPTION...: the run succeeds, and prints PATTERN for conv1's forward pass
    engines "${@:2}" && grep -E "conv1: forward $1; weights" "$tmp/engines" || { cat "$tmp/engines"; return 1; }
}
refuses() { # PATTERN LIST OPTION...
    ! engines "${@:2}" && grep -E "$1" "$tmp/engines" || { cat "$tmp/engines"; return 1; }
}
for way in "" --deterministic; do
    time='\(' && [ -n "$way" ] || time='\([0-9.]+ ms, best of 1, '
    check "an engine that fails is dropped, and its error with it $way" chosen "engine 0 ${time}1 failed\)" 8,0 $way
    check "one that cannot be captured is dropped $way" chosen "engine 0 ${time}1 failed\)" 9,0 $way
    check "one that no heuristic suggests is found $way" chosen "engine 7( ${time%, }\))?" 7 $way
    check "none that works: the reason is given $way" \
        refuses 'none of 1 engines works, and 2 want more than .* MiB of workspace: engine 8: .*cannot be launched' 8,3 $way
done
FAKECUDA_FAIL='run:cudnn forward:40' check "one that breaks the device ends the run, and how to do without it is said" \
    refuses 'layer conv1: forward: engine ([57]): .*illegal.*with CIFAR10_CUDNN_WITHOUT=\1 this engine is not tried' 5,7
CIFAR10_CUDNN_WITHOUT=7,0 check "engines that are left out are not tried" chosen 'engine 5 \([0-9.]+ ms, best of 1\)' 0,5,7
check "one that cannot be captured will do where no step is" chosen 'engine 9 \([0-9.]+ ms, best of 1\)' 9 --no-graph
check "deterministic: the first of the list, the generic one last" chosen 'engine 5 \(1 failed\)' 0,8,5,9,7 --deterministic
check "the fastest, but it leaves out an image: it is dropped" chosen 'engine [57] \([0-9.]+ ms, best of 2, 1 wrong\)' 5,7,11
check "of two that differ the generic one is taken" chosen 'engine 0 \([0-9.]+ ms, best of 1, 1 wrong\)' 0,11
check "where there is no other, nothing is compared" chosen 'engine 11 \([0-9.]+ ms, best of 1\)' 11
check "deterministic: it is dropped too" chosen 'engine 5 \(1 wrong\)' 0,5,11 --deterministic
check "none is compiled unasked" refuses 'of 0 engines offered' 10
check "engines that want too much are counted" refuses 'of 3 engines offered 0 compute otherwise, 3 need more workspace' 3
finish
