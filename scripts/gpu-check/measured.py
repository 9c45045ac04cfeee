#!/usr/bin/env python3
"""Makes tables of what scripts/gpu-check.sh measured.

    measured.py [RESULTS] > src/backends/cudnn/MEASURED.md   RESULTS: its archive gpu-check.tar.gz, or the unpacked folder;
                                                             without it all tables are empty
    measured.py --tables RESULTS                             only the tables that are not empty
    measured.py --launches PRECISION RESULTS                 only the table of a step's launches; exit 1 if ncu's launches
                                                             differ from those that scripts/gpu_expect.py lists
"""
import collections
import csv
import os
import re
import sys
import tarfile

SLOW = 1.5  # flagged if it takes this many times what was expected
NANOSECONDS = {"ns": 1, "nsecond": 1, "us": 1e3, "usecond": 1e3, "ms": 1e6, "msecond": 1e6, "s": 1e9, "second": 1e9}

Kernel = collections.namedtuple("Kernel", "name own us")  # measured; own: the part of its name after kernel_, or None
Row = collections.namedtuple("Row", "number name of expected measured kernels")  # kernels: those of one row, or of several launches


# ---- reading: results is a dictionary of file names and texts

def read_results(path):
    if path is None:
        return {}
    if os.path.isdir(path):
        return {name: open(os.path.join(path, name), errors="replace").read() for name in os.listdir(path)}
    with tarfile.open(path) as archive:
        return {os.path.basename(m.name): archive.extractfile(m).read().decode(errors="replace") for m in archive if m.isfile()}


def rows_of(results, name):
    return list(csv.DictReader(results.get(name, "").splitlines()))


def machine(results):
    return dict(line.split(",", 1) for line in results.get("machine.csv", "").splitlines() if "," in line)


def result_of(results, part):
    """Result, seconds, sources, card, why."""
    return (results[f"{part}.result"].rstrip("\n").split("\t") + [""] * 5)[:5]


def kernels_of(text):
    """ncu's csv, which may begin with remarks and has commas in thousands."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    kernels = []
    for row in csv.DictReader(lines):
        unit = NANOSECONDS.get(row.get("Metric Unit", ""))
        if row.get("Metric Name") != "gpu__time_duration.sum" or unit is None:
            continue
        own = re.search(r"\bkernel_(\w+)", row["Kernel Name"])
        us = float(row["Metric Value"].replace(",", "")) * unit / 1e3
        kernels.append(Kernel(re.sub(r"^void |[<(].*", "", row["Kernel Name"]), own and own.group(1), us))
    return kernels


def last_step(kernels):
    """From the last kernel that begins a step to the one that ends it."""
    first = max((i for i, k in enumerate(kernels) if k.own and k.own.startswith("distort")), default=None)
    if first is None:
        return []
    last = max((i for i, k in enumerate(kernels) if k.own and k.own.startswith("update")), default=len(kernels) - 1)
    return kernels[first:last + 1]


# ---- expected launches beside kernels that ran

def in_groups(items, own):
    """Each of our own kernels alone, the libraries' launches between two of them as a group: [name or None, items]."""
    groups = []
    for item in items:
        name = own(item)
        if name is None and groups and groups[-1][0] is None:
            groups[-1][1].append(item)
        else:
            groups.append((name, [item]))
    return groups


def is_same(expected, measured):
    """A kernel may be compiled in several variants, whose names begin alike."""
    if expected is None or measured is None:
        return expected is measured
    return measured == expected or measured.startswith(expected + "_")


def side_by_side(expected, kernels):
    """Rows in the order of the step, or None if the launches differ. A library may launch several kernels per call."""
    wanted = in_groups(expected, lambda x: None if x["launch"].startswith("cu") else x["launch"])
    found = in_groups(kernels, lambda k: k.own)
    if len(wanted) != len(found) or not all(is_same(w[0], f[0]) for w, f in zip(wanted, found)):
        return None
    rows, number = [], 1
    for (_, launches), (_, ran) in zip(wanted, found):
        pairs = [([x], [k]) for x, k in zip(launches, ran)] if len(launches) == len(ran) else [(launches, ran)]
        for some, some_ran in pairs:
            rows.append(Row(f"{number}" if len(some) == 1 else f"{number}-{number + len(some) - 1}",
                            " + ".join(dict.fromkeys(x["launch"] for x in some)), "; ".join(x["of"] for x in some),
                            sum(float(x["expected_us"]) for x in some), sum(k.us for k in some_ran), some_ran))
            number += len(some)
    return rows


def step_expected(results, precision):
    """The launches, and the whole step's expected and goal microseconds."""
    rows = rows_of(results, f"expected-{precision}.csv")
    whole = {x["of"]: float(x["expected_us"]) for x in rows if x["launch"] == "step"}
    return [x for x in rows if x["launch"] != "step"], whole.get("expected"), whole.get("goal")


# ---- sections: the text above a table, its heads (numeric columns end in a colon), its rows

Section = collections.namedtuple("Section", "title about heads rows")


def parts_section(results):
    rows = []
    for name in sorted(results):
        if name.endswith(".result"):
            result, seconds, _, card, why = result_of(results, name[:-7])
            rows.append([name[:-7], result.replace("-", " "), seconds, card, why])
    return Section("What was checked", "", ["part", "result", "seconds:", "on", "why"], rows)


def rates_section(results):
    rows = []
    for x in rows_of(results, "rates.csv") + rows_of(results, "speed.csv"):
        us, cells = int(x["batch"]) / float(x["rate"]) * 1e6, ["", "", ""]
        if x["batch"] == "128" and not x["options"]:
            _, expected, goal = step_expected(results, x["precision"])
            if expected and goal:
                cells = [f"{expected:.0f}", f"{us / expected:.2f}", f"{goal:.0f}, {'met' if us <= goal else '**missed**'}"]
        rows.append([x["batch"], x["precision"], x["options"], x["rate"], x["least"], x["most"], f"{us:.0f}"] + cells)
    return Section("Examples per second", "The whole training step on the device, including data and update: median, slowest and fastest of"
                   " ten windows. Expected values come from scripts/gpu_expect.py.",
                   ["batch:", "precision", "options", "examples/sec:", "least:", "most:", "µs per step:", "expected, µs:", "ratio:",
                    "goal, µs:"], rows)


def launch_cells(row):
    ran = ""
    if row.kernels[0].own is None:
        ran = " + ".join(f"{k.name[:60]} {k.us:.1f}" if len(row.kernels) > 1 else k.name[:60] for k in row.kernels)
    ratio = row.measured / row.expected if row.expected else 0
    return [row.number, row.name, row.of, f"{row.expected:.1f}", f"{row.measured:.1f}", f"{ratio:.2f}",
            f"{row.measured - row.expected:+.1f}", "**slow**" if ratio > SLOW else "", ran]


def launches_section(results, precision):
    """The section, and whether its launches are the expected ones."""
    title = f"Every launch of a step in {precision}, batch 128"
    kernels = last_step(kernels_of(results.get(f"ncu-{precision}.csv", "")))
    expected, _, _ = step_expected(results, precision)
    rows = side_by_side(expected, kernels) if kernels else []
    if rows is None:
        return Section(title, "The launches differ from those that scripts/gpu_expect.py lists, so they are shown alone, in their order:",
                       ["kernel", "measured, µs:"], [[k.name, f"{k.us:.1f}"] for k in kernels]), False
    cells = [launch_cells(row) for row in sorted(rows, key=lambda row: row.expected - row.measured)]
    if rows:
        whole = Row("", "**all**", f"{len(kernels)} kernels", sum(r.expected for r in rows), sum(r.measured for r in rows), kernels)
        cells.append(launch_cells(whole)[:7] + ["", ""])
    about = ("Each kernel alone, as ncu measured it in the last step of a run with `--no-graph`. Sorted by the time beyond the"
             f" expectation; slow: more than {SLOW} times the expectation; #: the place in the step.")
    if expected and not any(x["instructions_us"] for x in expected):
        about += " Instructions were not counted: expectations of our own kernels are based on bytes alone."
    return Section(title, about, ["#:", "launch", "of", "expected, µs:", "measured, µs:", "ratio:", "more, µs:", "",
                                  "the library's kernels"], cells), bool(rows)


def workspace_section(results):
    rows = [[x["batch"], x["precision"], x["options"].replace("--workspace-mib ", "") or "default", x["rate"], x["least"], x["most"]]
            for x in rows_of(results, "workspace.csv")]
    return Section("Workspace of cuDNN", "", ["batch:", "precision", "MiB:", "examples/sec:", "least:", "most:"], rows)


def torch_section(results):
    ours = {(x["batch"], x["precision"]): float(x["rate"]) for x in rows_of(results, "rates.csv") if not x["options"]}
    cards = [result_of(results, part)[3] for part in ("rates", "torch") if f"{part}.result" in results]
    about = ""
    if len(set(cards)) > 1:
        about, ours = f"Our rates were measured on a different card ({cards[0]}) than PyTorch's ({cards[1]}), and are left out.", {}
    rows = []
    for x in rows_of(results, "torch.csv"):
        mine = ours.get((x["batch"], x["precision"]))
        rows.append([x["batch"], x["precision"], x["way"], x["rate"]] + ([f"{mine:.0f}", f"{mine / float(x['rate']):.2f}"] if mine
                                                                         else ["", ""]))
    return Section("PyTorch, the same model on the same card", about,
                   ["batch:", "precision", "PyTorch's way", "its examples/sec:", "ours:", "ours / its:"], rows)


def figures(results):
    launches = [launches_section(results, precision)[0] for precision in ("bf16", "tf32")]
    return [rates_section(results)] + launches + [workspace_section(results), torch_section(results)]


def print_section(section):
    print(f"\n## {section.title}\n")
    if section.about:
        print(section.about + "\n")
    print("| " + " | ".join(h.rstrip(":") for h in section.heads) + " |")
    print("|" + "|".join("---:" if h.endswith(":") else "---" for h in section.heads) + "|")
    for row in section.rows or [["not measured yet"] + [""] * (len(section.heads) - 1)]:
        print("| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |")


def print_document(results):
    print("# The cudnn backend on a GPU: what was measured\n")
    print("Written by a script, do not edit: `scripts/gpu-check/measured.py build/gpu/gpu-check.tar.gz > "
          "src/backends/cudnn/MEASURED.md`\nwrites what `scripts/gpu-check.sh` measured on a machine with a GPU.\n")
    if results.get("machine.csv", "").startswith("card,the referee"):
        print("**A dry run: no number here is a measurement.**\n")
    print("The last call of gpu-check.sh ran here:\n" if results else "Card, driver, date: not measured yet.")
    for name, value in machine(results).items():
        print(f"- {name}: {value}")
    for section in [parts_section(results)] + figures(results):
        print_section(section)


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "--launches":
        section, right = launches_section(read_results(arguments[2]), arguments[1])
        print_section(section)
        return 0 if right else 1
    if len(arguments) == 2 and arguments[0] == "--tables":
        for section in figures(read_results(arguments[1])):
            if section.rows:
                print_section(section)
        return 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    print_document(read_results(arguments[0] if arguments else None))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
