#!/usr/bin/env python3
"""How long a training step of the tutorial's model should take on an H100 at batch 128, launch by launch. Computed, not measured.

    gpu_expect.py                       prints a Markdown table of all launches, the sums and the goals
    gpu_expect.py csv PRECISION         the same launches for other scripts, one line each (fp32, tf32 or bf16)
    gpu_expect.py made-up PRECISION     made-up durations in the form of ncu's csv, for dry runs and tests
    gpu_expect.py counted FEW MANY N    checks that these are the launches that the referee counted (FAKECUDA_COUNT) in two runs
                                        whose lengths differ by N steps; exit 1 if not. `results` is not counted: it is
                                        launched once per block of steps (up to a log line, at most 64)

A launch takes the longest of four times. Their assumptions:
- instructions (our own kernels): the warps' instructions on the path taken, at 60 % (ISSUE) of what 132 SMs with 4 schedulers
  each issue at 1.7 GHz; and at least the longest warp's instructions at STALL cycles each, the wait for a previous result.
  scripts/gpu_sass.py counts in the machine code the instructions of a thread, the threads of the launch, and the instructions
  of the longest warp. Without build/module/kernels.o, cuobjdump or gcc, kernels count by their bytes alone, and the table
  says so.
- bytes: the least that must come from memory and go there, at 3.0 TB/s. Neither the libraries' workspace nor what stays in the
  L2 cache (50 MB) between two launches is taken into account.
- operations (the libraries' products): at a share of the peak (RATES).
- FLOOR: no kernel is shorter than this.
A step is a graph. GAP passes between two launches, or PROGRAMMATIC if both are our own kernels and the second is launched
before the first has ended. Work on the second stream costs only the time by which it exceeds the main stream's work meanwhile.
"""
import collections
import os
import re
import subprocess
import sys

BATCH, BANDWIDTH, FLOOR, GAP, PROGRAMMATIC = 128, 3.0e12, 2.0e-6, 1.0e-6, 0.5e-6
RATES = {"fp32": 0.55 * 67e12, "tf32": 0.30 * 495e12, "bf16": 0.30 * 990e12}  # shares of the peaks
CLOCK, STALL = 1.7e9, 4
ISSUE = 132 * 4 * CLOCK * 0.6  # warp instructions per second
GOALS = {"fp32": 520, "tf32": 190, "bf16": 130}  # µs per step
PARAMETERS, PENALTIES = 1068298, 512
OBJECT = "build/module/kernels.o"

Launch = collections.namedtuple("Launch", "name of bytes operations beside")


def step(precision):
    """All launches of a step, in order: bytes and operations of the whole batch."""
    e = 2 if precision == "bf16" else 4   # bytes of an activation
    images = 24 * 24 * (8 if e == 2 else 3)  # values of an input image: padded channels in bfloat16
    wide, middle, small = 24 * 24 * 64, 12 * 12 * 64, 6 * 6 * 64  # outputs of conv1; of pool1 to norm2; of pool2
    filter1, filter2 = 25 * images // 576 * 64, 25 * 64 * 64
    sums, stripes = BATCH * 144 // 32 * 64 * 4, BATCH * 3 * 64 * 4  # partial sums of norm_backward, pool_norm_backward for a bias
    conv1, conv2 = 2 * filter1 * 576, 2 * filter2 * 144  # operations per image
    copies = (4800 + filter2) * e + (e == 2) * 2 * (64 + 64 + 2304 * 384 + 384 * 192)

    def own(name, of, image, fixed=0):
        return Launch(name, of, BATCH * image + fixed, 0, False)

    def library(name, of, image, fixed, operations, beside=False):
        return Launch(name, of, BATCH * image + fixed, BATCH * operations, beside)

    def product(of, image, fixed, operations, beside=False):
        return library("cublasLtMatmul", of, image, fixed, operations, beside)

    three, four = 2304 * 384, 384 * 192
    return [
        own("distort", "24x24x3 from uint8", 24 * 24 * 3 + images * e),
        library("cudnn forward", "conv1, bias, ReLU", (images + wide) * e, filter1 * e, conv1),
        own("norm_forward", "pool1, norm1", wide * e + middle * (2 * e + 1)),
        library("cudnn forward", "conv2, bias, ReLU", 2 * middle * e, filter2 * e, conv2),
        own("norm_pool_forward", "norm2, pool2", middle * e + small * (e + 1)),
        product("local3, bias, ReLU and its mask", (2304 + 384) * e + 384 // 8, (three + 384) * e, 2 * three),
        product("local4", (384 + 192) * e, four * e, 2 * four),
        own("few_forward", "local4's bias, ReLU; softmax_linear, loss", 2 * 192 * e + 2 * 10 * 4 + 16, 2122 * 4),
        own("few_backward", "softmax_linear; local4's ReLU, bias; loss", 2 * 192 * e + 10 * 4 + 16, 2 * 2122 * 4),
        product("local4, weights", (384 + 192) * e, four * 4, 2 * four, beside=True),
        product("local4, input; local3's ReLU", (384 + 192) * e + 384 // 8, four * e, 2 * four),
        product("local3, weights, bias", (2304 + 384) * e, (three + 384) * 4, 2 * three, beside=True),
        product("local3, input", (2304 + 384) * e, three * e, 2 * three),
        own("norm_backward", "pool2, norm2; conv2's ReLU, bias", 2 * middle * e + small * (e + 1), sums),
        library("cudnn weights gradient", "conv2", 2 * middle * e, filter2 * e, conv2),
        library("cudnn input gradient", "conv2", 2 * middle * e, filter2 * e, conv2),
        own("pool_norm_backward", "norm1, pool1; conv1's ReLU, bias", 2 * middle * e + middle + wide * e, stripes),
        library("cudnn weights gradient", "conv1", (images + wide) * e, filter1 * e, conv1),
        own("finish", "both filters, their biases; all gradients, parameters checked", 0,
            (filter1 + filter2) * e + sums + stripes + 2 * 4 * PARAMETERS),
        own("update", "all parameters, shadows, copies", 0, 5 * 4 * PARAMETERS + copies + PENALTIES * 8),
    ]


def is_library(launch):
    return launch.name.startswith("cu")


Count = collections.namedtuple("Count", "dynamic threads longest")


def instruction_counts():
    """Instruction counts by kernel, and the reason if there are none."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpu_sass.py")
    if not os.path.exists(OBJECT):
        return {}, f"{OBJECT} is not built"
    if not os.path.exists(script):
        return {}, "scripts/gpu_sass.py is missing"
    done = subprocess.run([sys.executable, script, OBJECT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        return {}, (done.stderr.strip() or "scripts/gpu_sass.py failed").splitlines()[-1]
    counts = {}
    for line in done.stdout.splitlines():
        name, _, dynamic, threads, _, _, _, longest = line.split()
        if dynamic != "-":
            counts[name] = Count(float(dynamic), int(threads), int(longest))
    return counts, None if any("@" in name for name in counts) else "scripts/gpu_sass.py has found no gcc"


Times = collections.namedtuple("Times", "instructions bytes operations expected")


def instance(launch, precision, counts):
    """The kernel's name: KERNEL_LAYER_TYPE if one exists for this layer (norm_forward_norm1_half), otherwise KERNEL@TYPE."""
    layer, kind = re.search(r"norm\d", launch.of), "half" if precision == "bf16" else "float"
    special = layer and f"{launch.name}_{layer.group()}_{kind}"
    return special if special in counts else f"{launch.name}@{kind}"


def times(launch, precision, counts):
    """In seconds; instructions is None if they were not counted."""
    count = counts.get(instance(launch, precision, counts))
    instructions = max(count.threads / 32 * count.dynamic / ISSUE, count.longest * STALL / CLOCK) if count else None
    moved, computed = launch.bytes / BANDWIDTH, launch.operations / RATES[precision]
    return Times(instructions, moved, computed, max(instructions or 0, moved, computed, FLOOR))


def critical_path(launches, expected):
    """Seconds of a step, and of the second stream alone."""
    main = beside = since_fork = 0
    before = None
    for launch, seconds in zip(launches, expected):
        if launch.beside:
            beside += seconds + GAP
            continue
        programmatic = before and not is_library(before) and not is_library(launch)
        seconds += PROGRAMMATIC if programmatic else GAP
        main += seconds
        since_fork += seconds if beside else 0
        before = launch
    return main + max(0, beside - since_fork), beside


def micro(seconds):
    return "" if seconds is None else f"{1e6 * seconds:.1f}"


def print_step():
    counts, why = instruction_counts()
    if why:
        print(f"Instructions are not counted ({why}): our own kernels go by their bytes alone, and take longer in truth.\n")
    print("| launch | of | instructions, µs: fp32 | bf16 | MB: fp32 | bf16 | µs: fp32 | tf32 | bf16 |\n|---|---|" + 7 * "---:|")
    columns = {precision: step(precision) for precision in RATES}
    found = {precision: [times(x, precision, counts) for x in column] for precision, column in columns.items()}
    for i, launch in enumerate(columns["fp32"]):
        cells = [micro(found[p][i].instructions) for p in ("fp32", "bf16")] + [f"{columns[p][i].bytes / 1e6:.2f}" for p in ("fp32", "bf16")]
        cells += [micro(found[p][i].expected) for p in RATES]
        print(f"| {launch.name} | {launch.of}{' (second stream)' if launch.beside else ''} | {' | '.join(cells)} |")
    paths = {p: critical_path(columns[p], [t.expected for t in found[p]]) for p in RATES}
    own = {p: sum(t.expected for x, t in zip(columns[p], found[p]) if not is_library(x)) for p in RATES}
    for text, value in (("of which our own kernels", own), ("the second stream alone", {p: paths[p][1] for p in RATES}),
                        ("**a step, with the gaps between launches**", {p: paths[p][0] for p in RATES})):
        print(f"| {text} | | | | | | " + " | ".join(f"{1e6 * value[p]:.0f}" for p in RATES) + " |")
    print("| thousand images a second | | | | | | " + " | ".join(f"{BATCH / paths[p][0] / 1e3:.0f}" for p in RATES) + " |")
    print()
    for precision, goal in GOALS.items():
        expected = 1e6 * paths[precision][0]
        print(f"- {precision}: the goal is at most {goal} µs a step, expected are {expected:.0f}"
              f"{'' if expected <= goal else ': MISSED'}; {len(columns[precision])} launches")


def print_csv(precision):
    counts, _ = instruction_counts()
    launches = step(precision)
    found = [times(x, precision, counts) for x in launches]
    print("launch,of,stream,instructions_us,bytes_us,operations_us,expected_us")
    for x, t in zip(launches, found):
        print(",".join([x.name, f'"{x.of}"', "second" if x.beside else "main"] + [micro(seconds) for seconds in t]))
    print(f"step,expected,,,,,{micro(critical_path(launches, [t.expected for t in found])[0])}")
    print(f"step,goal,,,,,{GOALS[precision]}")


def print_made_up(precision):
    """A graph of two steps with plausible kernel names, ours and the libraries'; some launches are two kernels."""
    print('"ID","Process ID","Kernel Name","Context","Stream","Block Size","Grid Size","Metric Name","Metric Unit","Metric Value"')
    number = 0
    for _ in range(2):
        for i, x in enumerate(step(precision)):
            kernels = ["library_reorder", "library_main"] if x.name == "cudnn weights gradient" else ["library_main"]
            for name in kernels if is_library(x) else ["kernel_" + x.name]:
                nanoseconds = times(x, precision, {}).expected * 1e9 * (0.9 + 0.3 * (i % 3)) / len(kernels)
                print(f'"{number}","1","{name}","1","7","(256, 1, 1)","(1, 1, 1)","gpu__time_duration.sum","ns",'
                      f'"{nanoseconds:,.0f}"')
                number += 1


def counts_read(path):
    """Number of launches and library calls by name; a kernel made for one layer counts under the general kernel's name."""
    counts = collections.Counter()
    for line in open(path):
        what, _, n = line.rpartition(" ")
        if what.startswith("run ") and not what.startswith(("run cudaMem", "run kernel_results")):
            counts[re.sub(r"^run (kernel_)?|_(norm|pool)\d_(float|half)$", "", what)] += int(n)
    return counts


def check_counted(few, many, steps):
    expected = collections.Counter(launch.name for launch in step("fp32"))
    counted = counts_read(many)
    counted.subtract(counts_read(few))
    for name in sorted(expected | +counted):
        right = counted[name] == expected[name] * steps
        print(f"{name}: {counted[name]} in {steps} steps, expected {expected[name]} each" + ("" if right else ": WRONG"))
    return all(counted[name] == expected[name] * steps for name in expected | counted)


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "counted":
        return 0 if check_counted(arguments[1], arguments[2], int(arguments[3])) else 1
    if len(arguments) == 2 and arguments[0] in ("csv", "made-up") and arguments[1] in RATES:
        (print_csv if arguments[0] == "csv" else print_made_up)(arguments[1])
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    print_step()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
