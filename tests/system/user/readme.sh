#!/bin/bash
# Runs README's first commands in order, as root and as a user, in a clone; then `make run` on a terminal.
#   EPOCHS=yes      trains for README's epochs instead of 4 steps (tests/soak/readme.sh)
# Needs no network: uses the repository's sample instead of the download.
# time limit: 240 s
. tests/lib.sh
git ls-files > /dev/null 2>&1 || { skip "README's commands" "this is no git repository"; finish; exit; }
for setting in ${!OMPI_*} ${!PRTE_*} ${!PMIX_*} ${!HWLOC_*} OMP_NUM_THREADS CIFAR10_DIR MAKEFLAGS MAKELEVEL BACKENDS BUILD; do
    unset "$setting"
done
export https_proxy=http://127.0.0.1:1 TERM=xterm AIM=2
chmod 711 "$tmp" # so that the user can enter it

# Copies compiled files with their times, so that nothing is compiled again.
clone() { # DIRECTORY
    mkdir "$1"
    { git ls-files -z; printf '%s\0' cifar10_* build; } |
        tar --exclude=build/{tests,asan,tsan,fuzz,fakecuda,platforms,arm64} --null -T - -cf - | tar -xf - -C "$1"
}

# Prints the commands of a section's first code block, without their comments.
commands() { # FILE SECTION
    awk -v title="## $2" '/^## / { inside = $0 == title } inside && /^```/ && fences++ { exit } inside && fences && !/^```/' "$1" |
        sed 's/  *# .*//; /^make test$/d'
}

# The output that shows that a command has worked. A command in README that is not listed here fails the test.
expected() {
    case $1 in
        "make run") echo '== Results' ;;
        ". scripts/local_mpi.sh") echo '^$' ;;
        "./cifar10_mpi pack --download data/cifar10.h5") echo '^Packed .* into data/cifar10.h5 ' ;;
        "mpirun -np 2 ./cifar10_mpi --epochs 5") echo ' done at step [0-9]+, checkpoint in runs/cifar10$' ;;
        "mpirun -np 2 ./cifar10_mpi eval --run-once") echo ' precision @ 1 = 0\.[0-9]+ ' ;;
        "./cifar10_mpi predict data/cat.jpg") echo '^data/cat.jpg: [a-z]+ 0\.[0-9]+, ' ;;
        "./cifar10_mpi inspect data/cifar10.h5") echo airplane ;;
        "./cifar10_mpi pack --from pictures data/own.h5") echo '^Packed .* into data/own.h5 ' ;;
        "mpirun -np 2 ./cifar10_mpi --data data/own.h5"*) echo ' done at step [0-9]+, checkpoint in runs/own$' ;;
        "mpirun -np 2 ./cifar10_mpi eval --train-dir runs/own"*) echo "of +[0-9]+ +ship$" ;;
        "./cifar10_mpi predict --train-dir runs/own data/cat.jpg") echo '^data/cat.jpg: [a-z]+ 0\.[0-9]+, ' ;;
        "mpirun -np 2 ./cifar10_mpi") echo ' continues +runs/cifar10/checkpoint-' ;;
        *) echo "no test of this command" ;;
    esac
}

shorter() { # changes a command so that it takes less time and uses the sample
    sed -E "s,--download,--from tests/data/cifar10-sample.tar.xz,; /eval|predict|inspect|pack/! { ${EPOCHS:+/--epochs/b}
        s,--epochs [0-9]+,--max-steps 4,; t; s,( ./cifar10_mpi)$,\1 --max-steps ${EPOCHS:+30}8, }" <<< "$1"
}

session= # commands so far that have a lasting effect on the user's shell
run() { # USER COMMAND [PATTERN]
    local said code pattern=${3:-$(expected "$2")}
    said=$(cd "$tmp/$1" && "${as[@]}" bash -c "$session $(shorter "$2")" 2>&1 < /dev/null)
    code=$?
    if [ $code -eq 0 ] && grep -qE -- "$pattern" <<< "$said"; then ok "as $1: $2"
    else not_ok "as $1: $2" "exit code $code; expected: $pattern"$'\n'"$(tail -n 20 <<< "$said")"; fi
    [[ $2 != ". "* ]] || session="$2;"
}

readme() { # USER
    local command
    session=
    clone "$tmp/$1"
    [ "$1" = "$(id -un)" ] || chown -R "$1" "$tmp/$1"
    { commands README.md "Two commands"; commands README.md Training; commands src/pack/README.md "Your own pictures"; } > "$tmp/commands"
    check "README's commands are found" test "$(wc -l < "$tmp/commands")" -ge 12
    mkdir "$tmp/$1/pictures"
    tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp/$1/pictures" --wildcards '*/*/[0-9]*0.jpg'
    while read -r command; do run "$1" "$command"; done < "$tmp/commands"
}

as=()
readme "$(id -un)"
run "$(id -un)" "make run" "^== Data: data/cifar10.h5, which is there" # after them, too
if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null; then
    as=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups env HOME="$tmp/nobody")
    readme nobody
else
    skip "as another user" "only root with setpriv can be one"
fi

# ---- a terminal, Ctrl-C, and a space in a name
terminals || { skip "make run on a terminal" "no terminal can be had here (script, /dev/pts)"; finish; exit; }
cd "$tmp/$(id -un)" || exit 1
mkfifo keys
exec 8<> keys
said=$tmp/typescript
export CIFAR10_DIR="$tmp/my images"
mkdir "$CIFAR10_DIR"
tar -xf tests/data/cifar10-sample.tar.xz -C "$CIFAR10_DIR" --wildcards '*/*/[0-9]*0.jpg'
# A shell starts background jobs with Ctrl-C's signal ignored.
AIM=60 env --default-signal=INT script -qec "make run" /dev/null < keys > "$said" 2>&1 &
check "make run shows progress" wait_for 60 $'\r''epoch .* [0-9]+/[0-9]+ \[[0-9:<]+, loss' "$said"
printf '\003' >&8
wait $!; code=$?
check "Ctrl-C ends it as it ends a program (exit code $code)" test $code -eq 130
newest=$(ls runs/make-run-cifar10-dir-*/checkpoint-*.h5 | tail -n 1)
check "it says what is saved and how to go on" grep -F "== Interrupted: $newest is saved. To go on: CIFAR10_DIR=$tmp/my\\ images make run" "$said"
check "mpirun says nothing" eval '! grep "^mpirun\|^Primary job" "$said"'
check "the start block comes once" test "$(grep -c '^cifar10_mpi [0-9]' "$said")" -eq 1

# A training that is stopped and cannot save.
mkdir "$tmp/bin"
printf '#!/bin/bash\nuntil ls runs/make-run-*/stop; do sleep 0.1; done\nexit 1\n' > "$tmp/bin/mpirun"
chmod +x "$tmp/bin/mpirun"
PATH=$tmp/bin:$PATH scripts/run.sh > "$said" 2>&1 &
wait_for 30 "^== Training on" "$said"
kill -TERM $!
wait $!; code=$?
check "a training that fails to save has failed (exit code $code)" test $code -eq 1
check "which is said" grep "^== Training failed: exit code 1" "$said"
finish
