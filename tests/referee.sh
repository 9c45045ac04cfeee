# tests/referee.sh: what the tests of the cudnn tower share, source it after tests/lib.sh. Without a GPU its module runs on the
# referee, tests/fakecuda: libraries of the same names that compute on the CPU and watch every call.
#
#   referee_or_skip NAME        skips NAME, prints the plan and ends the script where the module or the referee was not built
#   on_referee SEED COMMAND...  runs it there, with that order of whatever has no order of its own

fakes=$PWD/build/fakecuda
referee_or_skip() {
    [ -f cifar10_cudnn.so ] && [ -f "$fakes/libcudart.so.13" ] && return
    skip "$1" "the cudnn backend was not built (make info tells why)"
    finish
    exit
}

on_referee() {
    local seed=$1
    shift
    env LD_LIBRARY_PATH="$fakes" CIFAR10_MODULES="$PWD" FAKECUDA_SEED="$seed" "$@"
}
