#!/bin/bash
# Rates by cuDNN's workspace limit at batch 512 and 2048: the default, 32 and 1024 MiB
# time: 50 s, at most 120 s
. scripts/gpu-check/lib.sh
find_data
for case in $(size "512:fp32 2048:tf32" "16:fp32"); do
    for mib in default 32 1024; do
        options=$([ $mib = default ] || echo "--workspace-mib $mib")
        what="batch ${case%:*}, ${case#*:}, ${options:-the default}"
        verify "$what" rate workspace.csv "${case%:*}" "${case#*:}" "$(size 1200000 384)" $options
        engines+=$(sed -n "s/^  convolutions  */- $what: /p; s/^ \{17\}\(conv[0-9]*: .*\)/  \1/p" "$work/log")$'\n'
    done
done
tell '' "The chosen engines:" '' "$engines"
finish
