#!/bin/bash
# TensorBoard's own server shows a run: checks what it answers over HTTP for each of its pages.
# time limit: 300 s
. tests/lib.sh
if ! python=$(tests/venv); then skip "TensorBoard's server" "$python"; finish; exit; fi
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
cleanup() { [ -z "${server:-}" ] || kill "$server" 2> /dev/null; }

check "a run with summaries" mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/runs/one" --batch-size 8 --max-steps 30 \
    --log-frequency 10 --summary-frequency 10
check "is evaluated" ./cifar10_mpi eval --data "$data" --train-dir "$tmp/runs/one" --run-once
"$python" -m tensorboard.main --logdir "$tmp/runs" --host 127.0.0.1 --port 0 > "$tmp/server" 2>&1 &
server=$!
check "the server starts" wait_for 60 ' at http' "$tmp/server"
address=$(grep -o 'http://[^ ]*' "$tmp/server")

run=one/events/train
page() { curl -sS --fail --get "${address}data/plugin/$1" "${@:2}"; } # PLUGIN/PATH CURL-ARGUMENT...
of() { page "$1" --data-urlencode "run=$run" --data-urlencode "tag=$2"; } # PLUGIN/PATH TAG
says() { "$python" -c "import json, sys; x = json.load(sys.stdin); sys.exit(0 if ($1) else str(x)[:500])"; } # EXPRESSION: of the answer x
answers() { "${@:2}" | says "$1"; } # EXPRESSION COMMAND...
check "it finds the run" eventually 60 answers "'total_loss' in x['$run']" page scalars/tags
check "and the evaluation" eventually 60 answers "'one/events/eval' in x" page scalars/tags
column() { "$python" -c 'import csv, sys; print([[int(r["step"]), float(r[sys.argv[1]])] for r in csv.DictReader(open(sys.argv[2]))])' \
    "$1" "$tmp/runs/one/metrics.csv"; }
for tag in learning_rate examples_per_second; do
    check "Scalars: $tag has the values of metrics.csv" answers "len(x) == 3 and all(s == t and abs(v - w) <= 1e-5 * abs(w)
        for (_, s, v), (t, w) in zip(x, $(column $tag)))" of scalars/scalars $tag
done
check "Histograms" answers "len(x) == 3 and sum(bin[2] for bin in x[-1][2]) == 5 * 5 * 3 * 64" of histograms/histograms conv1/weights
check "Distributions" answers "[point[1] for point in x] == [10, 20, 30]" of distributions/distributions conv2/activations
check "Images" answers "[i['step'] for i in x] == [10, 20, 30]" page images/images --data-urlencode "run=$run" -d tag=images/image/0 -d sample=0
query=$(page images/images --data-urlencode "run=$run" -d tag=images/image/0 -d sample=0 | grep -o 'blob_key=[^"]*' | head -n 1)
picture() { curl -sS --fail "${address}data/plugin/images/individualImage?$query" | "$python" -c 'import sys, io; from PIL import Image
sys.exit(Image.open(io.BytesIO(sys.stdin.buffer.read())).size != (24, 24))'; }
check "which are PNG files" picture
graph() { page graphs/graph --data-urlencode "run=$run" -d conceptual=false | grep -q '"tower_1/conv1'; }
check "Graphs: a tower for each rank" graph
check "Text: the command" answers "'--summary-frequency' in x[0]['text']" of text/text command
groups() { page hparams/session_groups -d 'request={"experimentName":"","startIndex":0,"sliceSize":9,"allowedStatuses":["STATUS_SUCCESS","STATUS_RUNNING","STATUS_UNKNOWN"]}'; }
check "HParams: the run" answers "x['sessionGroups'][0]['hparams']['learning-rate'] == 0.1" groups
finish
