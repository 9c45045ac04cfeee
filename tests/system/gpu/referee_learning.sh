#!/bin/bash
# The cudnn tower learns, on the referee.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "learning on the cudnn tower"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
check "300 steps" train 11 1 learns --batch-size 16 --max-steps 300 --learning-rate 0.05
falls() {
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "total_loss") c = i; next } NR == 2 { first = $c } { last = $c }
        END { print first, last; exit !(last < first - 0.8) }' "$tmp/learns/metrics.csv"
}
check "and the loss falls" falls
finish
