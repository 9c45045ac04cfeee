"""Checks timelines by Perfetto's own schema (PyPI perfetto). Usage: trace_check.py CHECK FILE [ARGUMENT...]; prints what is wrong.

Every check first reads the whole file: each slice begins and ends on a named track of a rank, and slices of a track do not overlap."""
import sys
from collections import defaultdict, namedtuple

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

Slice = namedtuple("Slice", "rank track category name begin end")


def read(file):
    trace, tracks, begun, slices = Trace(), {}, {}, []
    with open(file, "rb") as f:
        trace.ParseFromString(f.read())
    for packet in trace.packet:
        descriptor, event = packet.track_descriptor, packet.track_event
        if packet.HasField("track_descriptor") and descriptor.HasField("process"):
            tracks[descriptor.uuid] = int(descriptor.process.process_name.split()[1]), None
            assert descriptor.process.process_name.startswith("rank "), descriptor.process.process_name
        elif packet.HasField("track_descriptor"):
            tracks[descriptor.uuid] = tracks[descriptor.parent_uuid][0], descriptor.name
        elif event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert event.track_uuid not in begun, "two slices of a track overlap"
            begun[event.track_uuid] = packet
        else:
            assert event.type == TrackEvent.TYPE_SLICE_END, event.type
            first = begun.pop(event.track_uuid)
            rank, track = tracks[event.track_uuid]
            assert packet.trusted_packet_sequence_id == rank + 1
            slices.append(Slice(rank, track, first.track_event.categories[0], first.track_event.name, first.timestamp / 1e9,
                                packet.timestamp / 1e9))
    assert not begun, "a slice has no end"
    by_track = defaultdict(list)
    for s in slices:
        by_track[s.rank, s.track].append(s)
    for key, line in by_track.items():
        line.sort(key=lambda s: (s.begin, s.end))
        for a, b in zip(line, line[1:]):
            assert a.begin <= a.end <= b.begin, f"{key}: {a} and {b} overlap"
    return by_track


def ranks_of(tracks):
    return sorted({rank for rank, _ in tracks})


def steps(tracks, ranks, first, last):
    """Each rank has these steps, whose phases add up to within 2 % of it; ranks end a step at about the same time."""
    ends = defaultdict(list)
    assert len(ranks_of(tracks)) == int(ranks), ranks_of(tracks)
    for rank in ranks_of(tracks):
        found = tracks[rank, "steps"]
        assert [s.name for s in found] == [f"step {i}" for i in range(int(first), int(last) + 1)], [s.name for s in found]
        for step in found:
            phases = [s for s in tracks[rank, "main"] if step.begin <= (s.begin + s.end) / 2 < step.end]
            total = sum(s.end - s.begin for s in phases)
            assert abs(total / (step.end - step.begin) - 1) < 0.02, (step, total)
            ends[step.name].append(max(s.end for s in phases if s.category == "reduce" or len(ranks_of(tracks)) == 1))
    apart = [max(e) - min(e) for e in ends.values()]
    assert min(apart) < 0.005, f"ranks end the allreduce {apart} s apart"  # in other steps one may wait for a core


def layers(tracks, *names):
    """In each step the main thread runs these stages forward, then the loss, then the stages backward."""
    for rank in ranks_of(tracks):
        for step in tracks[rank, "steps"]:
            of_step = [s.name for s in tracks[rank, "main"] if s.begin >= step.begin - 1e-6 and s.end <= step.end + 1e-6]
            passes = [name for name in of_step if name.split()[0] in ("forward", "backward") and " " in name]
            wanted = [f"forward {n}" for n in names] + ["forward loss"] + [f"backward {n}" for n in reversed(names)]
            assert list(dict.fromkeys(passes)) == wanted, passes


def has(tracks, track, *names):
    """A track of rank 0 has slices of these names."""
    found = {s.name for s in tracks[0, track]}
    assert set(names) <= found, found


def device(tracks, *stages):
    """The device of each rank runs the stages in order, within the steps, and its work does not overlap."""
    for rank in ranks_of(tracks):
        forward = [s.name.split()[1] for s in tracks[rank, "device"] if s.category == "forward"]
        backward = [s.name.split()[1] for s in tracks[rank, "device"] if s.category == "backward"]
        done = sum(int(s.name.split()[-1]) - int(s.name.split()[1]) + 1 for s in tracks[rank, "steps"])
        assert forward == list(stages) * done, (forward, done)
        assert backward == list(reversed(stages)) * done, backward
        assert sum(s.category == "update" for s in tracks[rank, "device"]) == done
        assert tracks[rank, "device"][0].begin >= tracks[rank, "steps"][0].begin
        assert all(s.end > 0 for s in tracks[rank, "device, beside"])


def overlap(tracks, least):
    """Prints which share of the messages' time lies within the backward pass; fails below `least`."""
    backward = [s for (rank, track), line in tracks.items() if track == "main" for s in line if s.category == "backward"]
    inside = total = 0
    for (rank, track), line in tracks.items():
        for m in line if track.startswith("message") else []:
            total += m.end - m.begin
            inside += sum(max(0, min(m.end, b.end) - max(m.begin, b.begin)) for b in backward if b.rank == rank)
    assert total > 0, "no message was recorded"
    print(f"{100 * inside / total:.0f} % of the allreduces' {1000 * total:.1f} ms lie within the backward pass")
    assert inside / total >= float(least)


if __name__ == "__main__":
    globals()[sys.argv[1]](read(sys.argv[2]), *sys.argv[3:])
