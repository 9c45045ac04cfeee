"""The HDF5 files written by scripts/make_reference.py, and the tensors that are drawn instead of stored."""
import os

import h5py
import numpy as np

GENERATOR = ("element i of stream s: z = (s * 2^32 + i + 1) * 0x9E3779B97F4A7C15 mod 2^64, mixed as in splitmix64; "
             "value = ((z >> 40) - 2^23) * 2^-23 * scale")
FULL = 10000  # larger tensors are sampled
SIGNS = 900   # stream of the weights in sums over sampled tensors


def draw(stream, shape, scale):
    with np.errstate(over="ignore"):
        z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) + np.uint64(stream << 32)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z = z ^ z >> np.uint64(31)
    return (((z >> np.uint64(40)).astype(np.int64) - 2**23) * 2.0**-23 * scale).astype(np.float32).reshape(shape)


def draw_integers(stream, shape, below):
    return ((draw(stream, shape, 0.5).astype(np.float64) + 0.5) * below).astype(np.int64)


def relative(found, expected):
    norm = np.linalg.norm(np.ravel(expected).astype(np.float64))
    return float(np.linalg.norm(np.ravel(found).astype(np.float64) - np.ravel(expected)) / norm) if norm else 0.0


def set_attribute(owner, key, value):
    """Texts have a fixed length: the program reads no others."""
    if isinstance(value, str):
        owner.attrs.create(key, value, dtype=h5py.string_dtype("utf-8", len(value.encode()) + 1))
    else:
        owner.attrs[key] = value


class ReferenceFile:
    """An HDF5 file that explains itself."""

    def __init__(self, name, about, maker):
        self.h5 = h5py.File(name, "w", libver=("v110", "v110"))
        set_attribute(self.h5, "about", about)
        set_attribute(self.h5, "made_by", "scripts/make_reference.py with " + maker)
        set_attribute(self.h5, "generator", GENERATOR)

    def group(self, name, about, **attributes):
        group = self.h5.require_group(name)
        set_attribute(group, "about", about)
        for key, value in attributes.items():
            set_attribute(group, key, value)

    def put(self, name, value, about="", exact=None):
        value = np.atleast_1d(value)
        data = self.h5.create_dataset(name, data=value, chunks=value.shape, fletcher32=True, track_times=False)
        if about:
            set_attribute(data, "about", about)
        if exact is not None:
            data.attrs["float32_error"] = relative(value, exact)
        return data

    def put_large(self, name, value, exact):
        """Stores all of a small tensor; of a large one, every stride-th element and sums over all elements."""
        stride = 1
        while value.size // stride > FULL or (stride > 1 and any(stride % p == 0 for p in (2, 3, 5))):
            stride += 1
        if stride == 1:
            self.put(name, value, exact=exact)
            return
        data = self.put(name, value.ravel()[::stride], "elements 0, stride, 2 stride, ... of the flat tensor",
                        exact.ravel()[::stride])
        data.attrs["stride"] = np.int64(stride)
        wide, signs = value.ravel().astype(np.float64), draw(SIGNS, [value.size], 1.0).astype(np.float64)
        self.put(name + "_sums", np.array([wide.sum(), (wide**2).sum(), (wide * signs).sum()]),
                 "of the whole tensor, in double: sum, sum of squares, sum weighted by stream %d, scale 1" % SIGNS)

    def drawn(self, name, stream, shape, scale):
        """Records a drawn tensor and returns it."""
        group, key = name.rsplit("/", 1)
        set_attribute(self.h5.require_group(group), key, "stream %d, scale %g, shape %s" % (
            stream, scale, "x".join(map(str, shape))))
        return draw(stream, shape, scale)

    def close(self):
        name, worst = self.h5.filename, []
        self.h5.visititems(lambda n, o: worst.append((o.attrs.get("float32_error", 0.0), n)))
        self.h5.close()
        print("%-40s %8d bytes; float32 is at most %.1e from float64 (%s)"
              % ((os.path.relpath(name), os.path.getsize(name)) + max(worst)), flush=True)
