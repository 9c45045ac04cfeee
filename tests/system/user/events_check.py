"""Compares a run's events, as TensorBoard reads them, with metrics.csv and the checkpoints.

usage: events_check.py TRAIN_DIR STEP...   the steps that have summaries; each one and the step before it have a checkpoint
"""
import csv
import sys

import h5py
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

train_dir, steps = sys.argv[1], [int(step) for step in sys.argv[2:]]
events = EventAccumulator(f"{train_dir}/events/train", size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
events.Reload()
rows = {int(row["step"]): row for row in csv.DictReader(open(f"{train_dir}/metrics.csv"))}
tags = events.Tags()


def parameters(step, name):
    with h5py.File(f"{train_dir}/checkpoint-{step:08d}.h5") as file:
        return file[f"params/{name}"][:].astype(np.float64)


def same(what, found, expected, tolerance=1e-6):
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance * 1e-2):
        sys.exit(f"{what}: {found}, expected {expected}")


def scalars(tag):
    found = events.Scalars(tag)
    if [value.step for value in found] != steps:
        sys.exit(f"{tag}: steps {[value.step for value in found]}, expected {steps}")
    return {value.step: value.value for value in found}


def one_histogram(tag, step):
    found = [h.histogram_value for h in events.Histograms(tag) if h.step == step]
    if len(found) != 1:
        sys.exit(f"{tag}: {len(found)} histograms of step {step}")
    return found[0]


def histogram_is(tag, step, values, tolerance=1e-6):
    h, size = one_histogram(tag, step), max(np.abs(values).sum(), 1e-9)
    same(f"{tag}: values", [h.num, sum(h.bucket)], [values.size, values.size])
    same(f"{tag}: sum", h.sum / size, values.sum() / size, tolerance)
    same(f"{tag}: squares", h.sum_squares, (values ** 2).sum(), tolerance)
    counts, _ = np.histogram(values, [-np.inf] + list(h.bucket_limit))
    if np.abs(counts - h.bucket).max() > 1e-5 * values.size + 2:
        sys.exit(f"{tag}: {h.bucket}, expected {list(counts)}")


# Scalars equal the rows.
columns = {"total_loss (raw)": "last_loss", "total_loss": "average_loss", "precision": "precision",
           "learning_rate": "learning_rate", "examples_per_second": "examples_per_second",
           "rank_seconds/slowest": "slowest_seconds", "rank_seconds/mean": "mean_rank_seconds"}
for tag, column in columns.items():
    for step, value in scalars(tag).items():
        same(f"{tag} of step {step}", value, float(rows[step][column]), 1e-5)
for phase in ("load", "forward", "backward", "device", "reduce", "update", "report", "save", "parity"):
    for step, value in scalars(f"phase/{phase}").items():
        same(phase, value, float(rows[step][f"{phase}_seconds"]) / float(rows[step]["seconds_per_batch"]), 1e-4)

# Weight decay is the rest of the loss, and 0.002 times half the sum of squares.
total, cross_entropy = scalars("total_loss (raw)"), scalars("cross_entropy (raw)")
decays = [scalars(f"{layer}/weight_loss (raw)") for layer in ("local3", "local4")]
for step in steps:
    same("weight decay", sum(decay[step] for decay in decays), total[step] - cross_entropy[step], 1e-5)
    same("local3's decay", decays[0][step], 0.002 * (parameters(step - 1, "local3/weights") ** 2).sum(), 1e-5)

# The gradient is what the update subtracted, divided by the learning rate.
layers = ["conv1", "conv2", "local3", "local4", "softmax_linear"]
for step in steps:
    rate = float(rows[step]["learning_rate"])
    for layer in layers:
        updates = []
        for tensor in (f"{layer}/weights", f"{layer}/biases"):
            after = parameters(step, tensor)
            update = parameters(step - 1, tensor) - after
            updates.append(update.ravel())
            histogram_is(tensor, step, after)
            gradients = one_histogram(f"{tensor}/gradients", step)
            same(f"{tensor}: gradients", [gradients.num, gradients.sum_squares], [update.size, (update ** 2).sum() / rate ** 2], 1e-3)
        updates = np.concatenate(updates)
        same("norm of gradient", scalars(f"norm/{layer}/gradient")[step], np.linalg.norm(updates) / rate, 1e-3)
        same("norm of update", scalars(f"norm/{layer}/update")[step], np.linalg.norm(updates), 1e-5)

# Activations: a ReLU's share of zeros is its sparsity.
for layer in ("conv1", "pool1", "norm1", "conv2", "norm2", "pool2", "local3", "local4", "softmax_linear"):
    for step, sparsity in scalars(f"{layer}/sparsity").items():
        h = one_histogram(f"{layer}/activations", step)
        if layer in ("conv1", "conv2", "local3", "local4") and (h.min < 0 or not 0.2 < sparsity < 0.8):
            sys.exit(f"{layer}: {sparsity} of {h.num} activations are 0, the smallest is {h.min}")

for number in range(3):
    images = events.Images(f"images/image/{number}")
    if [(i.step, i.width, i.height, i.encoded_image_string[1:4]) for i in images] != [(s, 24, 24, b"PNG") for s in steps]:
        sys.exit(f"image {number}: {[(i.step, i.width, i.height) for i in images]}")
texts = [tag for tag in ("command", "start_block") if tag in tags["tensors"]]
if len(texts) != 2 or not tags["graph"]:
    sys.exit(f"tags: {tags}")
