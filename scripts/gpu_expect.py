#!/usr/bin/env python3
"""What a training step of the tutorial's model launches on a GPU, the bytes that each launch moves, and how long it should take.

    gpu_expect.py                       two Markdown tables at batch 128: our own kernels; the whole step on an H100
    gpu_expect.py counted FEW MANY N    the same launches as the referee counted (FAKECUDA_COUNT) in two runs that are N steps
                                        apart? exit 1 where not

Computed from shapes, not measured. A launch takes the longest of: its bytes at 3.0 TB/s; its operations at the rate that is
assumed of the library; FLOOR, within a graph. Bytes are what must at least come from memory and go there; the libraries' own
workspace is not counted, nor what the L2 cache (50 MB) keeps between two launches.
"""
import collections
import sys

BATCH, BANDWIDTH, FLOOR = 128, 3.0e12, 2.0e-6
RATES = {"fp32": 0.55 * 67e12, "tf32": 0.30 * 495e12, "bf16": 0.30 * 990e12}  # shares of the peaks that products may reach
PARAMETERS, PENALTIES, TILE = 1068298, 512, 32  # TILE: pixels of 64 channels of norm_backward

Launch = collections.namedtuple("Launch", "part name of bytes operations")


def step(precision):
    """All launches of a step, in order: bytes and operations of the whole batch."""
    e = 2 if precision == "bf16" else 4   # bytes of an activation
    images = 24 * 24 * (8 if e == 2 else 3)  # values of an input image: padded channels in bfloat16
    wide, middle, small = 24 * 24 * 64, 12 * 12 * 64, 6 * 6 * 64  # behind conv1; pool1 to norm2; pool2
    filter1, filter2 = 25 * images // 576 * 64, 25 * 64 * 64
    sums = BATCH * 144 // TILE * 64 * 4
    conv1, conv2 = 2 * filter1 * 576, 2 * filter2 * 144  # operations an image
    copies = (4800 + filter2) * e + (e == 2) * 2 * (64 + 64 + 2304 * 384 + 384 * 192)

    def launch(part, name, of, image, fixed=0, operations=0):
        return Launch(part, name, of, BATCH * image + fixed, BATCH * operations)

    def product(part, of, moved, operations, image):
        return launch(part, "cublasGemmEx", of, image, moved, operations)

    three, four = 2304 * 384, 384 * 192
    return [
        launch("forward", "distort", "24x24x3 out of uint8", 24 * 24 * 3 + images * e),
        launch("forward", "cudnn forward", "conv1, bias, ReLU", (images + wide) * e, filter1 * e, conv1),
        launch("forward", "norm_forward", "pool1, norm1", wide * e + middle * (2 * e + 1)),
        launch("forward", "cudnn forward", "conv2, bias, ReLU", 2 * middle * e, filter2 * e, conv2),
        launch("forward", "norm_pool_forward", "norm2, pool2", middle * e + small * (e + 1)),
        product("forward", "local3", three * e, 2 * three, (2304 + 384) * e),
        launch("forward", "bias_relu", "local3", 2 * 384 * e, 384 * 4),
        product("forward", "local4", four * e, 2 * four, (384 + 192) * e),
        launch("forward", "few_forward", "local4's bias, ReLU; softmax_linear", 2 * 192 * e + 10 * 4, 2122 * 4, 2 * 1930),
        launch("forward", "loss", "softmax_linear", 84),
        launch("backward", "few_backward", "softmax_linear; local4's ReLU, bias", 2 * 192 * e + 10 * 4, 2 * 2122 * 4, 4 * 1930),
        product("backward", "local4, weights", four * 4, 2 * four, (384 + 192) * e),
        product("backward", "local4, input", four * e, 2 * four, (384 + 192) * e),
        launch("backward", "mask_bias", "local3", 3 * 384 * e, 384 * 4),
        product("backward", "local3, weights", three * 4, 2 * three, (2304 + 384) * e),
        product("backward", "local3, input", three * e, 2 * three, (2304 + 384) * e),
        launch("backward", "norm_backward", "pool2, norm2; conv2's ReLU, bias", 2 * middle * e + small * (e + 1), sums),
        launch("backward", "cudnn weights gradient", "conv2", 2 * middle * e, filter2 * e, conv2),
        launch("backward", "weights_backward", "conv2", 0, filter2 * (e + 4) + sums),
        launch("backward", "cudnn input gradient", "conv2", 2 * middle * e, filter2 * e, conv2),
        launch("backward", "norm_backward", "norm1; conv1's ReLU, bias", 3 * middle * e, sums),
        launch("backward", "pool_backward", "pool1", middle * (e + 1) + wide * e),
        launch("backward", "cudnn weights gradient", "conv1", (images + wide) * e, filter1 * e, conv1),
        launch("backward", "weights_backward", "conv1", 0, filter1 * e + 4800 * 4 + sums),
        launch("update", "update", "all parameters, shadows, copies", 0, 5 * 4 * PARAMETERS + copies + PENALTIES * 8),
    ]


def is_library(launch):
    return launch.name.startswith("cu")


def seconds(launch, precision):
    return max(launch.bytes / BANDWIDTH, launch.operations / RATES[precision], FLOOR)


def print_kernels():
    print("| part | kernel | of | MB, fp32 | µs | MB, bf16 | µs |\n|---|---|---|---|---|---|---|")
    sums = [0, 0]
    for wide, half in zip(step("fp32"), step("bf16")):
        if is_library(wide):
            continue
        cells = [f"{x.bytes / 1e6:.2f} | {x.bytes / BANDWIDTH * 1e6:.2f}" for x in (wide, half)]
        sums = [s + x.bytes for s, x in zip(sums, (wide, half))]
        print(f"| {wide.part} | {wide.name} | {wide.of} | {cells[0]} | {cells[1]} |")
    cells = [f"{s / 1e6:.0f} | {s / BANDWIDTH * 1e6:.0f}" for s in sums]
    print(f"| all | | | {cells[0]} | {cells[1]} |")


def print_step():
    print("| launch | of | fp32, µs | tf32, µs | bf16, µs |\n|---|---|---|---|---|")
    columns = [step(precision) for precision in RATES]
    for row in zip(*columns):
        cells = " | ".join(f"{1e6 * seconds(launch, precision):.1f}" for launch, precision in zip(row, RATES))
        print(f"| {row[0].name} | {row[0].of} | {cells} |")
    sums = [sum(seconds(launch, precision) for launch in column) for column, precision in zip(columns, RATES)]
    print(f"| **all {len(columns[0])}** | | " + " | ".join(f"**{1e6 * s:.0f}**" for s in sums) + " |")
    print("| images/s | | " + " | ".join(f"{BATCH / s / 1e3:.0f} k" for s in sums) + " |")


def counts_read(path):
    """Launches and library calls by name, of all that was done."""
    counts = collections.Counter()
    for line in open(path):
        what, _, n = line.rpartition(" ")
        if what.startswith("run ") and not what.startswith("run cudaMem"):
            counts[what.removeprefix("run ").removeprefix("kernel_")] = int(n)
    return counts


def check_counted(few, many, steps):
    expected = collections.Counter(launch.name for launch in step("fp32"))
    counted = counts_read(many)
    counted.subtract(counts_read(few))
    for name in sorted(expected | +counted):
        right = counted[name] == expected[name] * steps
        print(f"{name}: {counted[name]} in {steps} steps, expected {expected[name]} each" + ("" if right else ": WRONG"))
    return all(counted[name] == expected[name] * steps for name in expected | counted)


if len(sys.argv) == 5 and sys.argv[1] == "counted":
    sys.exit(not check_counted(sys.argv[2], sys.argv[3], int(sys.argv[4])))
print_kernels()
print()
print_step()
