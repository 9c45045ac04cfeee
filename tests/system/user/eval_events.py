"""Compares eval's events (by TensorBoard's own code) with the files of --predictions and of the data set, and with eval's output.
Arguments: directory of events, predictions, packed file, "RIGHT TOTAL". Prints "good NAME" or "bad NAME" for each check."""
import csv
import io
import sys

import h5py
import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

directory, predictions, data, counted = sys.argv[1:]
events = EventAccumulator(directory, size_guidance=dict.fromkeys(("scalars", "images"), 0)).Reload()
rows = list(csv.DictReader(open(predictions)))
names = [name.decode() for name in h5py.File(data)["/"].attrs["class_names"]]
confusion = np.zeros((len(names), len(names)), int)
for row in rows:
    confusion[names.index(row["label"]), names.index(row["prediction"])] += 1
shares = confusion / confusion.sum(1, keepdims=True)


def check(name, right):
    print("good" if right else "bad", name)


def scalar(tag):
    return [(value.step, value.value) for value in events.Scalars(tag)]


def picture(tag):
    return np.array(Image.open(io.BytesIO(events.Images(tag)[0].encoded_image_string))).astype(int)


right, total = map(int, counted.split())
check("events: precision @ 1", scalar("Precision @ 1") == [(40, np.float32(right / total))])
check("precision of each class", all(scalar("precision of a class/" + name) == [(40, np.float32(shares[i, i]))]
                                     for i, name in enumerate(names)))

matrix = picture("confusion matrix")
left, top, width, height = 10 * 6 + 6, 20, 5 * 6 + 6, 20
corners = matrix[top::height, left::width]  # the first pixel of each cell, which no text covers
expected = 255 + (np.array([8, 48, 107]) - 255) * shares[:, :, None]
check("the colours of the confusion matrix", corners.shape == expected.shape and np.abs(corners - expected).max() <= 1)

sheet = picture("worst mistakes")
images = h5py.File(data)["test/images"][:].astype(int)
found = []
for i in range(10):
    row, column = 3 + i // 3 * (128 + 3 * 13 + 3), 3 + i % 3 * 131
    thumbnail = sheet[row:row + 128:4, column:column + 128:4]
    found += list(np.flatnonzero((images == thumbnail).all((1, 2, 3))))
check("ten different mistakes", len(set(found)) == 10 and
      all(rows[image]["label"] != rows[image]["prediction"] for image in found))
