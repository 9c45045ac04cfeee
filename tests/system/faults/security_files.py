"""The hostile files of tests/system/faults/security.sh, into a directory."""
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np

directory = sys.argv[1]
GB10 = 10 * 10 ** 9


def path(name):
    return os.path.join(directory, name)


def write(name, *parts):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as file:
        for part in parts:
            file.write(part)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side, before=b""):
    rows = zlib.compress((b"\0" + bytes(3 * side)) * side) if side < 100 else zlib.compress(bytes(100000))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            before + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


# ---- archives whose members try to get outside of the directory

def tar(name, members):
    with tarfile.open(path(name), "w:gz" if name.endswith("gz") else "w") as archive:
        for member_name, content in members:
            member = tarfile.TarInfo(member_name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)


image = png(32)
tar("upwards.tar", [("../../../train/cat/victim.png", image), ("../../../train/dog/1.png", image)])
tar("absolute.tar", [(f"{directory}/train/cat/victim.png", image), (f"{directory}/train/dog/1.png", image)])
tar("link.tar", [("train/cat/1.png", image), ("train/cat/link.png", (tarfile.SYMTYPE, f"{directory}/victim"))])
tar("folder.tar", [("train/cat/1.png", image), ("x", (tarfile.SYMTYPE, f"{directory}/deep/er")), ("x/train/x/1.png", image)])
tar("device.tar", [("train/cat/1.png", (tarfile.CHRTYPE, ""))])
tar("escape.tar", [("train/cat/1.png", image), ("train/cat/\x1b[31m\n2.png", b"none")])
tar("data.tar.gz", [("train/cat/1.png", image)])
write("wide/train/cat/1.png", png(30000))
write("square/train/cat/1.png", png(8192))
text = zlib.compress(b"a" * 7900000, 9)
write("texts/train/cat/1.png", png(32, 100 * (chunk(b"zTXt", b"Raw profile type exif\0\0" + text) +
                                              chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + text))))
with open(os.path.join(os.path.dirname(__file__), "..", "..", "data", "pictures", "turned-6.jpg"), "rb") as file:
    picture = file.read()
write("segments/train/cat/1.jpg", picture[:2], b"\xff\xe1\0\2" * 400000, picture[2:])


# ---- bombs: compressed streams may be concatenated, so 10 GB can consist of one block repeated many times

def header(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


BLOCK = 50 * 10 ** 6
zeros = bytes(BLOCK)
gz, xz = gzip.compress(zeros, mtime=0), lzma.compress(zeros)
whole = GB10 // BLOCK
picture, batch = header("train/cat/1.jpg", GB10), header("data_batch_1.bin", GB10 // 3073 * 3073)
write("bomb-image.tar.gz", gzip.compress(picture), gz * whole)
write("bomb-image.tar.xz", lzma.compress(picture), xz * whole)
write("bomb-batch.tar.xz", lzma.compress(batch), xz * whole)
one = gzip.compress(header("notes.txt", 10 ** 6 // 512 * 512) + zeros[:10 ** 6 // 512 * 512])
write("bomb-many.tar.gz", one * 10000)
write("bomb-nested.gz", gzip.compress(b"\x1f\x8b\x08\x08" + bytes(6)), gzip.compress(b"a" * BLOCK) * (GB10 // BLOCK))

sparse = tarfile.TarInfo("train/cat/1.jpg")
sparse.size = 0
sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "train/cat/1.jpg",
                      "GNU.sparse.size": str(GB10), "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{GB10},0"}
write("bomb-sparse.tar", sparse.tobuf(tarfile.PAX_FORMAT), bytes(1024))

with zipfile.ZipFile(path("bomb-batch.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    with archive.open("data_batch_1.bin", "w", force_zip64=True) as member:
        for _ in range(10):
            member.write(zeros)


class Stream(io.BytesIO):  # not seekable: zipfile then writes the sizes after the data
    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError

    def tell(self):
        raise OSError


stream = Stream()
with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    with archive.open("train/cat/1.jpg", "w", force_zip64=True) as member:
        for _ in range(10):
            member.write(zeros)
write("bomb-cut.zip", stream.getvalue()[:stream.getvalue().rindex(b"PK\1\2")])  # without the directory at its end

# ---- HDF5 files


def hdf5(name, images=None, fill=None):
    with h5py.File(path(name + ".h5"), "w", libver="latest") as file:
        file.attrs["format"] = np.bytes_("cifar10_mpi dataset")
        file.attrs["format_version"] = np.int64(1)
        file.attrs["name"] = np.bytes_("hostile")
        file.attrs["class_names"] = np.array(["cat", "dog"], "S")
        if images:
            images(file)
        else:
            file["train/images"] = np.zeros((4, 32, 32, 3), "u1")
        file["train/labels"] = np.zeros(4, "u1")
        for item in "images", "labels":
            if file.get(f"train/{item}", getlink=True).__class__ is h5py.HardLink and file[f"train/{item}"].shape[0] < 10 ** 6:
                file[f"train/{item}"].attrs["sha256"] = np.bytes_(digest(file[f"train/{item}"]))
        if fill:
            fill(file)


def digest(data):
    import hashlib
    return hashlib.sha256(data[()].tobytes()).hexdigest()


def external(file):
    file["train/images"] = h5py.ExternalLink("good.h5", "/train/images")


def raw(file):
    file.create_dataset("train/images", (4, 32, 32, 3), "u1", external=[(path("good.h5"), 0, 4 * 3072)])


def virtual(file):
    layout = h5py.VirtualLayout((4, 32, 32, 3), "u1")
    layout[:] = h5py.VirtualSource("good.h5", "/train/images", (4, 32, 32, 3))
    file.create_virtual_dataset("train/images", layout)


def deflated(file):
    file.create_dataset("train/images", (1000, 32, 32, 3), "u1", chunks=(1000, 32, 32, 3), compression=9)[:] = 0


def huge(file):
    file.create_dataset("train/images", (2 ** 60, 32, 32, 3), "u1", chunks=(4, 32, 32, 3))


def nothing(file):
    file.create_dataset("train/images", (2 ** 60, 0), "u1", chunks=(4, 1), maxshape=(2 ** 60, None))


def texts(file):
    file.attrs.create("class_names", np.zeros(2 ** 20, "S4"))


def nested(file):
    group = file
    for _ in range(5000):
        group = group.create_group("g")


def coloured(file):
    file.attrs["name"] = np.bytes_("\x1b[31mred\x1b")


hdf5("good")
hdf5("external", external)
hdf5("raw", raw)
hdf5("virtual", virtual)
hdf5("deflated", deflated)
hdf5("huge", huge)
hdf5("nothing", nothing)
hdf5("texts", fill=texts)
hdf5("nested", fill=nested)
hdf5("coloured", fill=coloured)
