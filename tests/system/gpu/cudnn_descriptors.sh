#!/bin/bash
# The referee's cuDNN accepts and refuses the same descriptors as the real cuDNN.
. tests/lib.sh
. tests/referee.sh
descriptors=build/tests/gpu/descriptors
[ -x $descriptors ] || { skip "cuDNN's descriptors" "the cudnn backend was not built (make info tells why)"; finish; exit; }

ask() { # WHOM COMMAND...
    "${@:2}" $descriptors tests/gpu/h100-device.json > "$tmp/$1" 2> "$tmp/$1.errors" || { tail -n 20 "$tmp/$1" "$tmp/$1.errors"; return 1; }
}
check "the real cuDNN is asked" ask real env
check "the referee's is asked" ask referee on_referee 1

# The referee refuses some descriptors that the real cuDNN plans, since the backend never makes them.
stricter='^(a stride of 0|rows with gaps|x NCHW|windows without a mode|dilations of 2 with their padding|a true convolution|alpha as a double|'
stricter+='input gradient with beta 1|weights gradient with alpha 2|a sum of another shape|a graph in another order|one uid for two tensors|'
stricter+='results into a tensor|results into nothing|a plan without a device): '
alike() { diff <(grep -vE "$stricter" "$tmp/real") <(grep -vE "$stricter" "$tmp/referee"); }
strict() {
    [ "$(grep -E "$stricter" "$tmp/real" | grep -c ': planned$')" -eq 15 ] && ! grep -E "$stricter" "$tmp/referee" | grep ': planned$'
}
check "both say the same to $(grep -cvE "$stricter" "$tmp/referee") cases" alike
check "the referee is stricter in 15" strict
finish
