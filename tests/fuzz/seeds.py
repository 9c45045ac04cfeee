#!/usr/bin/python3
"""Makes the small valid inputs that fuzzing starts from: tests/fuzz/seeds.py DIRECTORY, one folder a harness."""
import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import h5py
import numpy as np
from PIL import Image


def put(kind, name, content):
    folder = os.path.join(sys.argv[1], kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


# ---- records: the length of batches.meta.txt, its text, data_batch_1.bin

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".replace(" ", "\n").encode() + b"\n"


def record(label):
    return bytes([label]) + bytes(i % 251 for i in range(3072))


def records():
    put("records", "one", len(NAMES).to_bytes(2, "little") + NAMES + record(3))
    put("records", "no-names", b"\0\0" + record(9))
    put("records", "bad-label", b"\0\0" + record(10))
    put("records", "cut", b"\0\0" + record(1)[:3000])


# ---- images

def image(form, mode="RGB", size=(8, 8), **options):
    pixels = np.arange(size[0] * size[1] * 4, dtype=np.uint8).reshape(size[1], size[0], 4)
    made = Image.fromarray(pixels[:, :, :3]).convert(mode) if mode != "RGBA" else Image.fromarray(pixels)
    stream = io.BytesIO()
    made.save(stream, form, **options)
    return stream.getvalue()


def images():
    put("image", "baseline.jpg", image("JPEG"))
    put("image", "progressive.jpg", image("JPEG", progressive=True, subsampling=0))
    put("image", "grey.jpg", image("JPEG", "L"))
    put("image", "cmyk.jpg", image("JPEG", "CMYK"))
    put("image", "restart.jpg", image("JPEG", size=(40, 24), quality=30, restart_marker_blocks=1))
    put("image", "rgb.png", image("PNG"))
    put("image", "alpha.png", image("PNG", "RGBA"))
    put("image", "palette.png", image("PNG", "P"))
    put("image", "grey.png", image("PNG", "L"))
    put("image", "bit.png", image("PNG", "1", size=(33, 7)))
    put("image", "interlaced.png", interlaced())
    pictures = os.path.join(os.path.dirname(__file__), "..", "data", "pictures")
    for name in "turned-3.png", "turned-8.png", "xmp-behind.png", "exif-squeezed.png", "xmp-element.jpg", "turned-5.jpg", \
            "exif-after-empty.jpg", "ycck.jpg", "arithmetic.jpg", "rgb-alpha-16.png", "palette-clear.png":
        with open(os.path.join(pictures, name), "rb") as file:
            put("image", name, file.read())


def interlaced():
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"\0\1" * 2 + b"\0\1\2" + b"\0\1\2" * 2 + b"\0\1\2\3\4" * 2  # the seven passes of 4 x 4 grey pixels; some are empty
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 1)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


# ---- archives

def tar(members, form=tarfile.USTAR_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    data = stream.getvalue().rstrip(b"\0")
    return data + b"\0" * (-len(data) % 512 + 1024)


def archives():
    pictures = [("set/train/cat/1.jpg", image("JPEG", quality=10)), ("set/test/dog/1.png", image("PNG"))]
    batches = [("c/data_batch_1.bin", record(1)), ("c/batches.meta.txt", NAMES)]
    hostile = [("../../../train/cat/1.png", image("PNG")), ("/train/cat/2.png", image("PNG")),
               ("train/cat/3.png", (tarfile.SYMTYPE, "/etc/passwd"))]
    put("archive", "pictures.tar", tar(pictures))
    put("archive", "pictures.tar.gz", gzip.compress(tar(pictures), mtime=0))
    put("archive", "pictures.tar.xz", lzma.compress(tar(pictures)))
    put("archive", "pictures.tar.bz2", bz2.compress(tar(pictures)))
    for tool in "zstd", "lz4":
        if shutil.which(tool):
            put("archive", f"pictures.tar.{tool}", subprocess.run([tool, "-c"], input=tar(pictures), stdout=-1, check=True).stdout)
    put("archive", "batches.tar", tar(batches))
    put("archive", "batches.tar.gz", gzip.compress(tar(batches), mtime=0))
    put("archive", "hostile.tar", tar(hostile))
    put("archive", "link.tar", tar(pictures[:1] + [("set/train/cat/2.jpg", (tarfile.LNKTYPE, "set/train/cat/1.jpg"))]))
    put("archive", "device.tar", tar([("train/cat/1.jpg", (tarfile.CHRTYPE, "")), ("train/cat", (tarfile.DIRTYPE, ""))]))
    flat = [("cat", (tarfile.DIRTYPE, "")), ("cat/1.jpg", image("JPEG", quality=10)), ("dog/1.png", image("PNG")),
            ("yak/", (tarfile.DIRTYPE, "")), ("yak/1.webp", b"")]
    put("archive", "flat.tar", tar(flat))
    put("archive", "long.tar", tar([("train/" + "x" * 200 + "/1.png", image("PNG"))], tarfile.GNU_FORMAT))
    put("archive", "pax.tar", tar([("train/\u00e4" + "y" * 120 + "/1.png", image("PNG"))], tarfile.PAX_FORMAT))
    put("archive", "nested.gz", gzip.compress(gzip.compress(tar(pictures), mtime=0), mtime=0))
    for name, method in ("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for path, content in pictures:
                archive.writestr(zipfile.ZipInfo(path), content)
        put("archive", name, stream.getvalue())


# ---- HDF5

def hdf5(kind, fill):
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver=("v110", "v110")) as file:
        fill(file)
    put(kind, "latest.h5", stream.getvalue())
    for how in range(16):  # tests/fuzz/h5_edits.h
        put(kind, f"edit-{how}", bytes([how << 4 | how % 4, 4, 1, 2, 3, 4, 5, 6, 7]))


def text(owner, name, value):
    values = [value] if isinstance(value, str) else value
    length = max(len(v) for v in values) + 1
    owner.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", length))


def array(file, name, values):
    made = file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True, track_times=False)
    for i, label in enumerate({4: "NHWC", 1: "N"}.get(values.ndim, "")):
        made.dims[i].label = label
    return made


def digest(array_):
    return hashlib.sha256(array_[()].tobytes()).hexdigest()


def packed(file):
    text(file, "format", "cifar10_mpi dataset")
    file.attrs["format_version"] = np.int64(1)
    text(file, "name", "small")
    text(file, "class_names", ["cat", "dog"])
    for split, count in ("train", 3), ("test", 1):
        images = np.arange(count * 48, dtype=np.uint8).reshape(count, 4, 4, 3)
        for what, values in ("images", images), ("labels", np.arange(count, dtype=np.uint8) % 2):
            made = array(file, f"{split}/{what}", values)
            text(made, "sha256", digest(made))


def checkpoint(file):
    texts = {"format": "cifar10_mpi checkpoint", "model": "small", "dataset": "small", "dataset_sha256": "0" * 64,
             "convolutions": "conv1=direct", "class_names": ["cat", "dog"]}
    numbers = {"format_version": 1, "parameters": 122, "step": 7, "position": 896, "seed": 1, "channels": 3, "classes": 2,
               "loss_average": 0.5, "total_loss_average": 2.25, "wall_seconds": 12.0}
    for name, value in texts.items():
        text(file, name, value)
    for name, value in numbers.items():
        file.attrs[name] = np.float64(value) if isinstance(value, float) else np.int64(value)
    text(file.create_group("provenance"), "ranks", "2")
    shapes = {"conv1/weights": (3, 3, 3, 2), "conv1/biases": (2,), "softmax_linear/weights": (32, 2), "softmax_linear/biases": (2,)}
    for group in "params", "ema":
        for name, shape in shapes.items():
            array(file, f"{group}/{name}", np.linspace(-1, 1, int(np.prod(shape)), dtype="f4").reshape(shape))
    text(file, "digest", checkpoint_digest(file, texts | numbers))
    file.attrs["complete"] = np.int64(1)


def checkpoint_digest(file, attributes):
    def shown(value):
        return ", ".join(value) if isinstance(value, list) else f"{value:.17g}" if isinstance(value, float) else str(value)
    lines = [f"{name}={shown(attributes[name])}" for name in sorted(attributes)] + ["ranks=2"]
    found = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    lines += [f"{s.name}={'x'.join(map(str, s.shape))} {digest(s)}" for s in sorted(found, key=lambda s: s.name)]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


# ---- command lines

def options():
    lines = {"train": "train --data x.h5 --batch-size 64 --epochs 1.5 --seed 7 --slices 8", "none": "", "help": "eval --help",
             "pack": "pack --from dir --image-size 64 out.h5", "download": "pack --download --url http://x/y --md5 none out.h5",
             "predict": "predict --checkpoint=c.h5 a.jpg -- --b.png", "wrong": "train --bacth-size 64", "short": "-q -x",
             "eval": "eval --run-once --split test --num-examples 100", "bench": "bench --bench-steps 5 --tower openblas",
             "real": "train --learning-rate 1e-3 --ema-decay 0.5 --no-ema", "word": "tarin", "exclusive": "--epochs 1 --max-steps 2"}
    for name, line in lines.items():
        put("options", name, line.replace(" ", "\n").encode())


records()
images()
archives()
hdf5("packed", packed)
hdf5("checkpoint", checkpoint)
options()
