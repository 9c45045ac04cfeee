#!/usr/bin/env python3
"""Counts the instructions of the GPU kernels in an object file, as an H100 gets them.

    gpu_sass.py [OBJECT [KERNEL]...]    default: build/module/kernels.o, all of its kernels

Prints a line for each kernel: NAME STATIC DYNAMIC THREADS DIVISIONS LOCAL WAITS.
    STATIC      instructions in the code, without padding
    DYNAMIC     instructions that a thread executes, on average, in a step of the tutorial's model at batch 128
    THREADS     threads that the step launches it with
    DIVISIONS   instructions of integer divisions (conversions to float, reciprocals)
    LOCAL       loads and stores of spilled registers
    WAITS       whether it waits for the kernel before it and touches no memory before: yes or no
DYNAMIC and THREADS are `-` where they are not known: of all but the instances of kernels.instances.inc, whose arguments are in
SHAPES. There the code is run: what it computes from thread, block and arguments, that is all branches, is followed; what it
loads is not known. A predicated instruction counts in any case, since it takes its turn.

cuobjdump must be beside nvcc, in PATH or in python's package triton; exit 2 where it is not (with --tool: prints its path).
"""
import glob
import os
import re
import shutil
import struct
import subprocess
import sys

DEVICE, BATCH, BLOCK = "sm_90", 128, 256
# Of an instance: where its arguments say how much there is, how much, and how many blocks the step launches.
SHAPES = {
    "norm_forward_norm1": (72, BATCH * 144, BATCH * 144 // 32),
    "norm_pool_forward_norm2": (64, BATCH, BATCH * 6),
    "norm_backward_norm2": (80, BATCH * 144, BATCH * 144 // 32),
    "norm_backward_norm1": (80, BATCH * 144, BATCH * 144 // 32),
    "pool_norm_backward_norm1": (80, BATCH, BATCH * 3),
    "pool_backward_pool1": (64, BATCH, BATCH * 9),
}
ARGUMENTS, MASK = 0x210, 0xFFFFFFFF  # where they begin in the constants
STEPS_MAX = 100000


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
            code.append((found[1], found[2], [x.strip() for x in found[3].split(",") if x.strip()]))
    return kernels


class Thread:
    """One thread's registers, as far as they are known: integers without a sign; None is not known."""

    def __init__(self, code, constants, thread, block):
        self.code, self.constants = code, constants
        self.special = {"SR_TID.X": thread, "SR_CTAID.X": block, "SR_CgaCtaId": 0, "SRZ": 0}
        self.values = {}

    def get(self, text, wide=False):
        text = text.replace(".reuse", "").replace(".H0_H0", "")
        if text[0] in "-~|":
            value = self.get(text.strip("-~|"), wide)
            return None if value is None or text[0] == "|" else -value if text[0] == "-" else ~value
        if text[0] == "!":
            value = self.get(text[1:])
            return None if value is None else not value
        if text in self.special:
            return self.special[text]
        if text in ("PT", "UPT"):
            return True
        if text in ("RZ", "URZ"):
            return 0
        place = re.fullmatch(r"c\[0x0\]\[(\w+)\]", text)
        if place:
            return self.constant(int(place[1], 16), wide)
        if re.fullmatch(r"U?[RP]\d+", text):
            value = self.values.get(text)
            if not wide or value is None:
                return value
            high = self.values.get(following(text))
            return None if high is None else value | high << 32
        return int(text, 16) if re.fullmatch("0x[0-9a-f]+", text) else None

    def constant(self, at, wide):
        value = self.constants.get(at, 0)
        return value | self.constants.get(at + 4, 0) << 32 if wide else value

    def put(self, text, value, words=1):
        for word in range(words):
            self.values[text] = None if value is None else bool(value) if "P" in text else value >> 32 * word & MASK
            text = following(text)

    def run(self):
        """How many instructions it executes; None where a branch is not known."""
        at = count = 0
        while count < STEPS_MAX:
            predicate, operation, operands = self.code[at]
            count, at = count + 1, at + 1
            taken = self.get(predicate) if predicate else True
            if operation.split(".")[0] in ("BRA", "EXIT", "CALL", "RET"):
                for condition in operands[:-1]:
                    taken = taken and self.get(condition)
                if taken is None or operation[:4] in ("CALL", "RET."):
                    return None
                if taken and operation == "EXIT":
                    return count
                at = int(operands[-1], 16) // 16 if taken else at
            elif taken or taken is None:
                self.execute(operation, operands, taken is None)
        return None

    def execute(self, operation, operands, unknown):
        results = results_of(operation, operands)
        if not results:
            return
        rule = next((rule for pattern, rule in RULES if re.fullmatch(pattern, operation)), None)
        words = 4 if ".128" in operation else 2 if ".64" in operation or "WIDE" in operation or "CS2R" in operation else 1
        values = (None,)
        if rule and not unknown:
            try:
                values = rule(self, operation, operands[len(results):])
            except TypeError:  # an operand is not known
                values = (None,)
        if len(results) == 2 and operation.split(".")[0] in ("LOP3", "ULOP3"):
            values = values[::-1]
        for i, result in enumerate(results):
            self.put(result, values[i] if i < len(values) else None, words if i == 0 else 1)


def results_of(operation, operands):
    """The operands that are written: one; two of a comparison; a sum's carries behind it, a predicate before a logical one's."""
    kind = operation.split(".")[0].lstrip("U")
    if not operands or not re.fullmatch(r"U?[RP](\d+|Z|T)", operands[0]):
        return []
    if kind in ("ISETP", "FSETP", "PLOP3") or kind == "LOP3" and "P" in operands[0]:
        return operands[:2]
    count = 1
    while kind in ("IADD3", "LEA") and re.fullmatch(r"U?P\d+", operands[count]):
        count += 1
    return operands[:count]


def following(register):
    found = re.fullmatch(r"(U?[RP])(\d+)", register)
    return f"{found[1]}{int(found[2]) + 1}" if found else register


def signed(value):
    value &= MASK
    return value - (1 << 32) if value >> 31 else value


def add(thread, operation, operands):
    """IADD3, VIADD: the sum and its carry; .X takes a carry."""
    numbers = [thread.get(x) for x in operands if "P" not in x]
    carries = [thread.get(x) for x in operands if "P" in x] if ".X" in operation else []
    # A negative operand is a complement and a carry.
    total = sum(x & MASK for x in numbers) + sum(carries)
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
    """LEA: a << shift, plus b; .HI: the upper word of that, of two words."""
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
    """ISETP: with .EX, of the upper words, where the last predicate has compared the lower."""
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
    """HFMA2.MMA of zeros: two constants of 16 bits."""
    if operands[0].strip("-") != "RZ":
        return None,
    high, low = (struct.unpack("<H", struct.pack("<e", float(x)))[0] for x in operands[2:4])
    return high << 16 | low,


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
    (r"P2R", lambda t, o, x: (sum(bool(t.values.get(f"P{i}")) << i for i in range(7)) & t.get(x[2]),)),
]


def executed(name, code):
    """Instructions a thread, on average, and threads; None where that is not known."""
    shape = SHAPES.get(re.sub("_(float|half)$", "", name))
    if not shape:
        return None
    place, count, blocks = shape
    constants = {0x0: BLOCK, 0xc: blocks, ARGUMENTS + place: count}
    for pointer in range(0, 80, 8):
        constants.setdefault(ARGUMENTS + pointer, 0x1000 * (pointer + 16))
    chosen = [(block, thread) for block in range(6) for thread in range(5, BLOCK, 64)]  # of any shape here a whole image, or several
    counts = [Thread(code, constants, thread, block).run() for block, thread in chosen]
    return None if None in counts else (round(sum(counts) / len(counts)), blocks * BLOCK)


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
    for name in arguments[1:] or sorted(kernels):
        code = kernels[name]
        operations = [operation for _, operation, _ in code if operation != "NOP"]
        divisions = sum(bool(re.match(r"I2F|I2FP|MUFU\.RCP", x)) for x in operations)
        local = sum(bool(re.match(r"LDL|STL", x)) for x in operations)
        dynamic, threads = executed(name, code) or ("-", "-")
        print(name, len(operations), dynamic, threads, divisions, local, waits(operations))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
