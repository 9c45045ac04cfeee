#!/usr/bin/env python3
"""The tutorial's model and update in PyTorch on a GPU, for comparing rates. Prints a line `batch,precision,way,rate` each.

    gpu-torch.py [--batches 128 512 2048] [--precisions fp32 tf32 bf16] [--ways eager graph reduce-overhead] [--seconds 480]

The standardised input is in GPU memory and gathered there by index; tensors are channels_last; SGD is fused. Ways:
    eager             operation by operation
    reduce-overhead   torch.compile of model and loss in this mode, which replays them as CUDA graphs
    graph             torch.compile of model and loss, and the whole step including the update in one CUDA graph
Rates are medians of windows. After --seconds no new measurement starts; standard error says what was left out.
"""
import argparse
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGES, WINDOWS, WARM_UP = 10000, 7, 8


class Tutorial(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 64, 5, padding=2), nn.Conv2d(64, 64, 5, padding=2)
        self.local3, self.local4 = nn.Linear(2304, 384), nn.Linear(384, 192)
        self.softmax_linear = nn.Linear(192, 10)

    @staticmethod
    def norm(x):
        return F.local_response_norm(x, 9, alpha=0.001, beta=0.75, k=1.0)  # alpha is divided by 9 there

    @staticmethod
    def pool(x):  # TensorFlow's SAME: padded below and on the right
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)

    def forward(self, x):
        x = self.norm(self.pool(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        return self.softmax_linear(F.relu(self.local4(F.relu(self.local3(x.flatten(1))))))

    def loss(self, x, labels):
        decay = self.local3.weight.pow(2).sum() + self.local4.weight.pow(2).sum()
        return F.cross_entropy(self(x).float(), labels) + 0.002 * decay


class Training:
    """Steps on the batches that `choose` selects."""

    def __init__(self, device, batch, precision, way):
        torch.manual_seed(1)
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.device, self.half = device, precision == "bf16"
        net = Tutorial().to(device, memory_format=torch.channels_last)
        self.images = torch.randn(IMAGES, 3, 24, 24, device=device).contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (IMAGES,), device=device)
        self.order = torch.randint(0, IMAGES, (64, batch), device=device)
        self.chosen = self.order[0].clone()
        self.parameters = list(net.parameters())
        self.shadows = [p.detach().clone() for p in self.parameters]
        self.optimiser = torch.optim.SGD(self.parameters, lr=0.01, fused=device == "cuda")
        modes = {"graph": "default", "reduce-overhead": "reduce-overhead"}
        self.loss = torch.compile(net.loss, mode=modes[way]) if way in modes else net.loss
        self.steps, self.graph = 0, None

    def choose(self):
        self.steps += 1
        self.chosen.copy_(self.order[self.steps % len(self.order)])

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            loss = self.loss(self.images[self.chosen], self.labels[self.chosen])
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.shadows, self.parameters, 1e-4)

    def capture(self):
        """As in PyTorch's manual: some steps on a side stream, then the capture."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.step()
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()

    def run(self, steps):
        for _ in range(steps):
            self.choose()
            if self.graph:
                self.graph.replay()
            else:
                torch.compiler.cudagraph_mark_step_begin()
                self.step()
        if self.device == "cuda":
            torch.cuda.synchronize()


def seconds_of(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def measure(device, batch, precision, way, steps):
    torch._dynamo.reset()
    training = Training(device, batch, precision, way)
    training.run(WARM_UP)
    if way == "graph":
        training.capture()
    steps = steps or max(10, round(0.3 * 20 / seconds_of(training.run, 20)))
    return batch / statistics.median(seconds_of(training.run, steps) / steps for _ in range(WINDOWS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "tf32", "bf16"], choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--ways", nargs="+", default=["eager", "graph", "reduce-overhead"],
                        choices=["eager", "graph", "reduce-overhead"])
    parser.add_argument("--steps", type=int, default=0, help="of a window; 0: as many as take 0.3 s")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    a = parser.parse_args()
    began, failed = time.perf_counter(), 0
    print("batch,precision,way,rate", flush=True)
    for batch, precision, way in ((b, p, w) for b in a.batches for p in a.precisions for w in a.ways):
        what = f"batch {batch}, {precision}, {way}"
        if time.perf_counter() - began > a.seconds:
            print(f"{what}: left out, {a.seconds:.0f} s are over", file=sys.stderr)
            continue
        try:
            rate = measure(a.device, batch, precision, way, a.steps)
            print(f"{batch},{precision},{way},{rate:.0f}", flush=True)
        except Exception as error:  # of any kind: measure the others
            print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
