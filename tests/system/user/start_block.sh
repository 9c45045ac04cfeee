#!/bin/bash
# The start block and the log are readable: short, within 80 columns, with the important facts, and with options that can be pasted.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
ln -s "$PWD/$data" "$tmp/d.h5"
program=$PWD/cifar10_mpi
train() { (cd "$tmp" && timeout 60 "$program" train --tower openblas --batch-size 4 "$@"); } # short paths
has() { grep -qE -- "$1" "$2" || { cat "$2"; return 1; }; } # PATTERN FILE
narrow() { ! grep -E ".{81}" "$1"; }

# ---- its content
check "a run" eval 'train --data d.h5 --train-dir r --max-steps 10 --checkpoint-steps 5 --log-frequency 5 > "$tmp/short"'
sed '/^20[0-9-]* /,$d' "$tmp/short" > "$tmp/block"
check "its start block is short" test "$(wc -l < "$tmp/block")" -le 12
check "and narrow" narrow "$tmp/block"
check "it says what the loss is" has '^  loss +cross-entropy \+ weight decay$' "$tmp/block"
check "how much of a picture the model sees" has '^  images +32x32: the model sees 24x24 of them \(75 % of each side\)$' "$tmp/block"
check "how large the model is" has '^  model +tutorial: 1068298 parameters' "$tmp/block"
check "the rest is in --verbose" eval 'train --data d.h5 --train-dir r --max-steps 10 --verbose > "$tmp/long" &&
    grep -qE "^  threads +1 of the tower" "$tmp/long" && grep -qE "^ +all +1068298 " "$tmp/long" && ! grep -qE "threads|local3" "$tmp/block"'
check "a run that is done already says so" has '^  nothing to do +step 10 is reached: a higher --max-steps goes on$' "$tmp/long"

# ---- pictures of which the model sees only a small part
mkdir "$tmp/pictures"
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp/pictures" --wildcards '*/*/0000.jpg'
sees() { # PIXELS: trains on pictures of that size; the output goes to $tmp/sees
    ./cifar10_mpi pack --from "$tmp/pictures" --image-size "$1" "$tmp/$1.h5" > "$tmp/packed" 2>&1 || { cat "$tmp/packed"; return 1; }
    train --data "$1.h5" --train-dir "$1" --max-steps 1 > "$tmp/said" && narrow "$tmp/said" && unwrapped "$tmp/said" > "$tmp/sees"
}
check "pictures of 96 pixels" sees 96
check "of which the model sees a quarter" has '^  images +96x96: the model sees 24x24 of them \(25 % of each side\)$' "$tmp/sees"
check "which is warned of, with a remedy" has '^  warning +.*less than half of a side.* pack --image-size 32$' "$tmp/sees"
check "pictures of 48 pixels" sees 48
check "half is no warning" eval 'has "\(50 % of each side\)" "$tmp/sees" && ! grep -q " less than half" "$tmp/sees"'
train --data 48.h5 --train-dir few --batch-size 11 --max-steps 1 | unwrapped > "$tmp/more" # of 10 pictures
check "a batch of more pictures than there are is warned of" has '^  warning +a batch has more images than there are, .* --batch-size$' "$tmp/more"

# ---- options that can be pasted: a shell reads the same words back
pasted() { sed -n '/^  options /,/[^\\]$/p' "$tmp/said" | sed '1s/^  options  *//'; }
words() { eval "printf '%s\\0' $(pasted)" | od -c; }
posix_words() { sh -c "printf '%s\\0' $(pasted)" | od -c; }
expected() { printf '%s\0' train --data d.h5 --train-dir "$1" --batch-size 4 --max-steps 1 --tower openblas --force | od -c; }
odd='a  b "c" it'\''s $HOME `x` \ *;&|#~ä'
check "a directory with what a shell reads in another way" eval 'train --data d.h5 --train-dir "$odd" --max-steps 1 --force > "$tmp/said"'
same_words() { diff <("$1") <(expected "$2"); } # SHELL-FUNCTION DIRECTORY
check "is pasted as it was" same_words words "$odd"
check "by any shell" same_words posix_words "$odd"
harsh=$'new\nline\ttab \\ \e[31m \xc2\x85 it\'s'
check "one with control characters" eval 'train --data d.h5 --train-dir "$harsh" --max-steps 1 --force > "$tmp/said"'
check "prints none" eval '! LC_ALL=C grep -qP "[\x00-\x08\x0b-\x1f\x7f]|\xc2\x85" "$tmp/said"'
check "and is pasted as it was" same_words words "$harsh"

# ---- the log
touch "$tmp/r/stop"
train --data d.h5 --train-dir r --max-steps 40 --checkpoint-steps 5 --log-frequency 5 > "$tmp/stopped"
check "a file \`stop\` ends a run" test $? -eq 76
check "the log's last lines tell what was saved, how to go on, and why it ended" eval '
    tail -n 2 "$tmp/r/train.log" | cut -c 27- | diff - <(printf ": checkpoint in r: the same command goes on\n: stopped at step 11: the file stop, now removed\n")'
own() { grep -vE ': step [0-9]+, loss = [0-9.]+ \([0-9.]+ examples/sec; [0-9.]+ sec/batch\)$' "$1"; } # the tutorial's line is as wide as it is
check "no other line of the log is wider than 80 columns" narrow <(own "$tmp/r/train.log")
check "nor of what was printed" narrow <(own "$tmp/stopped")
check "checkpoints are in it" has ': checkpoint 5 saved in [0-9.]+ s, paused [0-9.]+ ms$' "$tmp/r/train.log"
finish
