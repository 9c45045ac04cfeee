#!/usr/bin/env python3
"""Counts the instructions of the GPU kernels in an object file, compiled for an H100.

    gpu_sass.py [OBJECT [KERNEL]...]    default: build/module/kernels.o, all of its kernels

Prints a line for each kernel: NAME STATIC DYNAMIC THREADS DIVISIONS LOCAL WAITS LONGEST.
    STATIC      instructions in the code, without padding
    DYNAMIC     instructions that a thread executes on average, in a step of the tutorial's model at batch 128
    THREADS     threads of the launch in this step
    DIVISIONS   instructions of integer divisions (conversions to float, reciprocals)
    LOCAL       loads and stores of spilled registers
    WAITS       whether it waits for the preceding kernel before it touches memory: yes or no
The arguments of kernels for all shapes come from gpu_arguments.c, once for float and once for bfloat16: one line each, with NAME
KERNEL@float or KERNEL@half. Those of instances (kernels.instances.inc) are in SHAPES. For all other kernels, and without gcc
for all except instances, DYNAMIC, THREADS and LONGEST are `-`.

The code is simulated with integers. Values computed from thread, block and arguments are known; loaded values and other
numbers are not. A branch on an unknown value is not taken, unless a call follows (the slow paths of divisions and
logarithms): gradients are taken as finite and free of faults. A predicated instruction always counts, since it takes an
issue slot. Only some blocks, and some threads of each of their warps, are simulated. The first warp counts as often as the two
threads of it that are simulated, since work done by one thread alone delays the others.

LONGEST is the number of instructions of the longest warp. cuobjdump must be beside nvcc, in PATH or in python's package triton;
otherwise exit 2 (--tool prints its path).
"""
import collections
import functools
import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

DEVICE, BATCH, BLOCK = "sm_90", 128, 256
# Of an instance: the offset of its size argument, that size, and the number of blocks that the step launches.
SHAPES = {
    "norm_forward_norm1": (72, BATCH * 144, BATCH * 144 // 32),
    "norm_pool_forward_norm2": (64, BATCH, BATCH * 6),
    "norm_backward_norm2": (80, BATCH * 144, BATCH * 144 // 32),
    "norm_backward_norm1": (80, BATCH * 144, BATCH * 144 // 32),
    "pool_norm_backward_norm1": (80, BATCH, BATCH * 3),
    "pool_backward_pool1": (64, BATCH, BATCH * 9),
}
FOLDER = os.path.dirname(os.path.abspath(__file__))
ARGUMENTS, MASK = 0x210, 0xFFFFFFFF  # offset in the constant bank
STEPS_MAX, SAMPLES = 100000, 32  # SAMPLES: simulated blocks of a launch, if they differ


def tool():
    """cuobjdump's path, or None."""
    folders = [os.path.dirname(shutil.which("nvcc") or ""), os.environ.get("CUDA_HOME", "/usr/local/cuda") + "/bin"]
    for folder in sys.path:
        folders += glob.glob(folder + "/triton/backends/nvidia/bin") + glob.glob(folder + "/nvidia/*/bin")
    found = [path for path in (folder + "/cuobjdump" for folder in folders) if os.access(path, os.X_OK)]
    return shutil.which("cuobjdump") or (found[0] if found else None)


def read(cuobjdump, path):
    """{kernel: [(predicate, operation, operands)]}; an instruction's place is its address / 16."""
    said = subprocess.run([cuobjdump, "-sass", "-arch", DEVICE, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if said.returncode:
        sys.exit(f"gpu_sass.py: {cuobjdump}: {said.stderr.strip()}")
    kernels, code = {}, []
    for line in said.stdout.splitlines():
        name = re.match(r"\s+Function : kernel_(\S+)", line)
        if name:
            code = kernels[name[1]] = []
        found = re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z0-9_.]+)\s*([^;]*);", line)
        if found:
            code.append((found[1], found[2], tuple(x.strip() for x in found[3].split(",") if x.strip())))
    return kernels


def arguments_of_steps():
    """{kernel: [(its name with the type, blocks, its constants)]}; empty where there is no gcc."""
    source, root, kernels = FOLDER + "/gpu_arguments.c", os.path.dirname(FOLDER), {}
    if not shutil.which("gcc"):
        return kernels
    with tempfile.TemporaryDirectory() as folder:
        program = folder + "/arguments"
        subprocess.run(["gcc", "-std=c11", f"-I{root}/src/backends/cudnn", source, "-o", program], check=True)
        said = subprocess.run([program], stdout=subprocess.PIPE, check=True, universal_newlines=True)
    for line in said.stdout.splitlines():
        name, blocks, text = line.split()
        words = enumerate(struct.unpack(f"<{len(text) // 8}I", bytes.fromhex(text)))
        constants = {0x0: BLOCK, 0xc: int(blocks), **{ARGUMENTS + 4 * i: word for i, word in words}}
        kernels.setdefault(name.split("@")[0], []).append((name, int(blocks), constants))
    return kernels


@functools.lru_cache(None)
def operand(text):
    """(kind, value, components)"""
    text = text.replace(".reuse", "").replace(".H0_H0", "")
    if text[0] in "-~!":
        return text[0], None, text[1:].strip("|")
    place = re.fullmatch(r"c\[0x0\]\[(?:(U?R\d+)\+?)?(0x\w+)?\]", text)
    if place:
        return "constant", int(place[2] or "0", 16), place[1]
    if re.fullmatch(r"U?[RP]\d+", text):
        return "register", text, following(text)
    known = {"PT": True, "UPT": True, "RZ": 0, "URZ": 0}
    if text in known or re.fullmatch("0x[0-9a-f]+", text):
        return "number", known[text] if text in known else int(text, 16), None
    return "special" if text.startswith(("SR_TID.X", "SR_CTAID.X", "SR_CgaCtaId", "SRZ")) else "unknown", None, None


class Thread:
    """One thread's registers: unsigned integers, or None if unknown."""

    def __init__(self, code, constants, thread, block):
        self.code, self.constants = code, constants
        self.special = {"SR_TID.X": thread, "SR_CTAID.X": block, "SR_CgaCtaId": 0, "SRZ": 0}
        self.values = {}

    def get(self, text, wide=False):
        kind, value, more = operand(text)
        if kind == "number":
            return value
        if kind == "register":
            value = self.values.get(value)
            if not wide or value is None:
                return value
            high = self.values.get(more)
            return None if high is None else value | high << 32
        if kind == "special":
            return self.special[text]
        if kind == "constant":
            base = self.get(more) if more else 0
            return None if base is None else self.constant(base + value & MASK, wide)
        if kind == "unknown":
            return None
        value = self.get(more, wide)
        return None if value is None else -value if kind == "-" else ~value if kind == "~" else not value

    def constant(self, at, wide):
        value = self.constants.get(at & ~3, 0) >> 8 * (at & 3)
        return value | self.constants.get(at + 4, 0) << 32 if wide else value

    def put(self, text, value, words=1):
        for word in range(words):
            self.values[text] = None if value is None else bool(value) if "P" in text else value >> 32 * word & MASK
            text = following(text)

    def run(self):
        """How often it executes each instruction, or None if it runs too long."""
        at, counts = 0, collections.Counter()
        for _ in range(STEPS_MAX):
            predicate, operation, operands = self.code[at]
            counts[at] += 1
            at += 1
            taken = self.get(predicate) if predicate else True
            if operation.split(".")[0] in ("BRA", "EXIT", "CALL", "RET"):
                for condition in operands[:-1]:
                    taken = taken and self.get(condition)
                if taken is None:
                    taken = self.calls_next(at)
                if taken and operation == "EXIT":
                    return counts
                at = self.target(operands[-1]) if taken else at
            elif taken or taken is None:
                self.execute(operation, operands, taken is None)
        return None

    def calls_next(self, at):
        return next(x for _, x, _ in self.code[at:] if re.match("BRA|EXIT|CALL|RET", x)).startswith("CALL")

    def target(self, text):
        """Target of a branch; a return has it in a register."""
        return (self.get(text.split()[0]) if text[0] == "R" else int(text, 16)) // 16

    def execute(self, operation, operands, unknown):
        results = results_of(operation, operands)
        if not results:
            return
        rule, words = rule_of(operation)
        values = (None,)
        if rule and not unknown:
            try:
                values = rule(self, operation, operands[len(results):])
            except TypeError:  # an unknown operand
                values = (None,)
        if len(results) == 2 and operation.split(".")[0] in ("LOP3", "ULOP3"):
            values = values[::-1]
        for i, result in enumerate(results):
            self.put(result, values[i] if i < len(values) else None, words if i == 0 else 1)


@functools.lru_cache(None)
def rule_of(operation):
    """And the words that it writes."""
    rule = next((rule for pattern, rule in RULES if re.fullmatch(pattern, operation)), None)
    return rule, 4 if ".128" in operation else 2 if ".64" in operation or "WIDE" in operation or "CS2R" in operation else 1


@functools.lru_cache(None)
def results_of(operation, operands):
    """The written operands: one; two of a comparison; a sum and then its carries; a predicate and then a logical result."""
    kind = operation.split(".")[0].lstrip("U")
    if not operands or not re.fullmatch(r"U?[RP](\d+|Z|T)", operands[0]):
        return []
    if kind in ("ISETP", "FSETP", "DSETP", "PLOP3") or kind == "LOP3" and "P" in operands[0]:
        return operands[:2]
    count = 1
    while kind in ("IADD3", "LEA") and re.fullmatch(r"U?P\d+", operands[count]):
        count += 1
    return operands[:count]


@functools.lru_cache(None)
def following(register):
    found = re.fullmatch(r"(U?[RP])(\d+)", register)
    return f"{found[1]}{int(found[2]) + 1}" if found else register


def signed(value):
    value &= MASK
    return value - (1 << 32) if value >> 31 else value


def add(thread, operation, operands):
    """IADD3, VIADD: the sum and its carry; .X takes a carry in."""
    numbers = [(x[0] == "-", thread.get(x)) for x in operands if "P" not in x]
    carries = [thread.get(x) for x in operands if "P" in x] if ".X" in operation else []
    # A negative operand is a complement plus a carry, even for 0.
    total = sum((x - 1 & MASK) + 1 if negative else x & MASK for negative, x in numbers) + sum(carries)
    return total, total >> 32


def multiply(thread, operation, operands):
    a, b = (thread.get(x) for x in operands[:2])
    wide = "WIDE" in operation or "HI" in operation
    c = thread.get(operands[2], wide and "WIDE" in operation)
    if wide and "U32" not in operation:
        a, b = signed(a), signed(b)
    elif wide:
        a, b = a & MASK, b & MASK
    carry = sum(thread.get(x) for x in operands[3:]) if ".X" in operation else 0
    return ((a * b >> 32) + c if "HI" in operation else a * b + c + carry),


def scale(thread, operation, operands):
    """LEA: (a << shift) + b; .HI: the upper word of a two-word result."""
    shift = thread.get(operands[-2 if ".X" in operation else -1])
    a, b = thread.get(operands[0]), thread.get(operands[1])
    carry = thread.get(operands[-1]) if ".X" in operation else 0
    if ".HI" not in operation:
        total = ((a & MASK) << shift & MASK) + (b & MASK)
        return total, total >> 32
    high = -(a >> 31 & 1) if "SX32" in operation else thread.get(operands[2])
    return (((high & MASK) << 32 | a & MASK) << shift >> 32 & MASK) + b + carry,


def logic(thread, operation, operands):
    a, b, c = (thread.get(x) for x in operands[:3])
    table, result = int(operands[3], 16), 0
    for i in range(8):
        if table >> i & 1:
            result |= (a if i & 4 else ~a) & (b if i & 2 else ~b) & (c if i & 1 else ~c) & (1 if a is True or a is False else MASK)
    return result, result != 0


def shift(thread, operation, operands):
    low, by, high = (thread.get(x) for x in operands[:3])
    by &= 63 if "U64" in operation else 31
    both = (high & MASK) << 32 | low & MASK
    if ".L." in operation:
        both <<= by
        return (both >> 32 if ".HI" in operation else both),
    if "S32" in operation and ".HI" in operation:
        return signed(high) >> by,
    return (both >> by >> 32 if ".HI" in operation else both >> by),


def compare(thread, operation, operands):
    """ISETP: with .EX it compares the upper words, and the last predicate holds the result for the lower ones."""
    how, a, b = operation.split(".")[1], thread.get(operands[0]), thread.get(operands[1])
    a, b = (a & MASK, b & MASK) if "U32" in operation else (signed(a), signed(b))
    equal = thread.get(operands[3]) if ".EX" in operation else {"EQ": True, "GE": True, "LE": True}.get(how, False)
    result = {"LT": a < b, "LE": a < b, "GT": a > b, "GE": a > b, "EQ": False, "NE": a != b}[how] or (a == b and equal)
    other = thread.get(operands[2])
    result = result and other if ".AND" in operation else result or other
    return result, not result


def least(thread, operation, operands):
    numbers = [thread.get(x) for x in operands[:-1]]
    if operation.startswith("VIADDMNMX"):
        numbers = [numbers[0] + numbers[1], numbers[2]]
    numbers = [x & MASK if "U32" in operation else signed(x) for x in numbers]
    return (min if thread.get(operands[-1]) else max)(numbers),


def constant_halves(thread, operation, operands):
    """HFMA2.MMA with zero factors: two 16-bit constants."""
    if operands[0].strip("-") != "RZ":
        return None,
    high, low = (struct.unpack("<H", struct.pack("<e", float(x)))[0] for x in operands[2:4])
    return high << 16 | low,


def as_float(bits):
    return struct.unpack("<f", struct.pack("<I", bits & MASK))[0]


def as_bits(number):
    return struct.unpack("<I", struct.pack("<f", number))[0]


RULES = [
    (r"U?MOV|LDC|ULDC|S2R|S2UR|R2UR", lambda t, o, x: (t.get(x[0]),)),
    (r"U?LDC\.64", lambda t, o, x: (t.get(x[0], True),)),
    (r"CS2R.*", lambda t, o, x: (t.get(x[0]),)),
    (r"U?IADD3(\.X)?|VIADD", add),
    (r"U?IMAD\b.*", multiply),
    (r"U?LEA\b.*", scale),
    (r"U?P?LOP3\.LUT", logic),
    (r"U?SHF\..*", shift),
    (r"U?ISETP\..*", compare),
    (r"U?SEL", lambda t, o, x: (t.get(x[0]) if t.get(x[2]) else t.get(x[1]),)),
    (r"VIMNMX.*|VIADDMNMX.*", least),
    (r"HFMA2\.MMA", constant_halves),
    # The reciprocal in an integer division.
    (r"I2F\.U32\.RP", lambda t, o, x: (as_bits(t.get(x[0]) & MASK),)),
    (r"MUFU\.RCP", lambda t, o, x: (as_bits(1 / as_float(t.get(x[0]))),)),
    (r"F2I\.FTZ\.U32\.TRUNC\.NTZ", lambda t, o, x: (int(as_float(t.get(x[0]))),)),
    (r"LDC\.U8|LDC\.U16", lambda t, o, x: (t.get(x[0]) & (0xFF if "U8" in o else 0xFFFF),)),
    (r"P2R", lambda t, o, x: (sum(bool(t.values.get(f"P{i}")) << i for i in range(7)) & t.get(x[2]),)),
]


def shape_of(name):
    """For an instance: a thread's constants and the number of blocks."""
    place, count, blocks = SHAPES[re.sub("_(float|half)$", "", name)]
    constants = {0x0: BLOCK, 0xc: blocks, ARGUMENTS + place: count}
    for pointer in range(0, 80, 8):
        constants.setdefault(ARGUMENTS + pointer, 0x1000 * (pointer + 16))
    return blocks, constants


def warp(code, constants, block, threads):
    """Instructions that a warp executes, given what some of its threads execute."""
    counts = [Thread(code, constants, thread, block).run() for thread in threads]
    if None in counts:
        return None
    return sum(max(count[at] for count in counts) for at in set().union(*counts))


def executed(code, blocks, constants, chosen):
    """Instructions per thread, averaged over the simulated blocks; threads; instructions of the longest warp; None if unknown."""
    warps = [(0, 17)] + [(first + 5,) for first in range(32, BLOCK, 32)]
    counts = [warp(code, constants, block, threads) for block in chosen for threads in warps]
    return None if None in counts else (round(sum(counts) / len(counts)), blocks * BLOCK, max(counts))


def launches(name, code, arguments):
    """[(name, result of `executed`)]"""
    if re.sub("_(float|half)$", "", name) in SHAPES:
        return [(name, executed(code, *shape_of(name), range(6)))]  # one or more whole images, for every shape here
    if name not in arguments:
        return [(name, None)]
    return [(full, executed(code, blocks, constants, range(0, blocks, (blocks + SAMPLES - 1) // SAMPLES)))
            for full, blocks, constants in arguments[name]]


def waits(operations):
    first = next((x for x in operations if re.match(r"ACQBULK|(LD|LDG|ST|STG|ATOM|ATOMG|RED)\b", x)), "")
    return "yes" if first == "ACQBULK" else "no"


def main(arguments):
    cuobjdump = tool()
    if not cuobjdump:
        print("gpu_sass.py: no cuobjdump: beside nvcc, in PATH, or in python's package triton", file=sys.stderr)
        return 2
    if arguments == ["--tool"]:
        print(cuobjdump)
        return 0
    kernels = read(cuobjdump, arguments[0] if arguments else "build/module/kernels.o")
    steps = arguments_of_steps()
    for name in arguments[1:] or sorted(kernels):
        code = kernels[name]
        operations = [operation for _, operation, _ in code if operation != "NOP"]
        divisions = sum(bool(re.match(r"I2F|I2FP|MUFU\.RCP", x)) for x in operations)
        local = sum(bool(re.match(r"LDL|STL", x)) for x in operations)
        for launch, count in launches(name, code, steps):
            dynamic, threads, longest = count or ("-", "-", "-")
            print(launch, len(operations), dynamic, threads, divisions, local, waits(operations), longest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
