#!/usr/bin/python3
"""Makes the pictures that tests/unit/test_pictures.c decodes, and what Pillow makes of them.

    scripts/make_pictures.py            writes tests/data/pictures/NAME, and the upright RGB pixels of all to pillow.ppm
    scripts/make_pictures.py --check    decodes the existing files with the installed Pillow and compares

Debian: python3-pil python3-numpy libjpeg-turbo-progs. Most PNG files are written here chunk by chunk, since Pillow writes few
of the forms that it reads. JPEG files that Pillow cannot write come from libjpeg's programs.
"""
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image, ImageChops, ImageOps

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "data", "pictures")
EXPECTED = "pillow.ppm"  # one image after another, each with a comment that names its file
HEIGHT, WIDTH = 10, 18
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG's colour types
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def picture(channels, bits):
    """(HEIGHT, WIDTH, channels). All its rotations and mirror images differ; the low bits are noise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [12 * x + 3, 250 - 20 * y, 90 + 6 * x - 3 * y + 60 * ((x > 12) & (y < 5)), 255 - 11 * x]
    values = np.stack(planes[:channels] if channels > 2 else [planes[2], planes[3]][:channels], -1) / 255
    noise = np.random.default_rng(channels).random(values.shape)
    return np.clip(values * (1 << bits) + noise - 0.5, 0, (1 << bits) - 1).astype(int)


# ---- EXIF

def exif(orientation, order="<", kind="H", tag=0x112, before=1):
    """A TIFF header and one directory, with other entries before the orientation."""
    entries = [struct.pack(order + "HHI4s", 0x100 + i, 3, 1, b"") for i in range(before)]
    value = struct.pack(order + kind, orientation).ljust(4, b"\0")
    entries.append(struct.pack(order + "HHI", tag, {"H": 3, "I": 4, "B": 1}[kind], 1) + value)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def strange_exif():
    """Blocks from which Pillow reads no orientation, or one in an unusual form."""
    good = exif(6)
    second = good[:4] + struct.pack("<IHI", 8, 0, 14) + good[8:]  # an empty directory, then the thumbnail's
    return {"cut": good[:-6], "nowhere": good[:4] + b"\xff\xff\xff\xff" + good[8:], "header": b"XX" + good[2:],
            "many": good[:8] + b"\xff\xff" + good[10:], "empty": b"", "zero": exif(0), "nine": exif(9), "byte": exif(6, kind="B"),
            "two": good.replace(struct.pack("<HHI", 0x112, 3, 1), struct.pack("<HHI", 0x112, 3, 2)), "thumbnail": second,
            "long": exif(6, ">", "I"), "tenth": exif(8, ">", before=9)}


def xmp(orientation, form='tiff:Orientation="%d"'):
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description ' + (form % orientation).encode() + b"/></x:xmpmeta>"


XMP_ELEMENT = "xmlns:tiff='t'><tiff:Orientation>%d</tiff:Orientation"


# ---- PNG

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scanlines(values, bits):
    """Rows with filter 0; pixels of less than 8 bits share a byte."""
    rows = values.reshape(len(values), -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        ones = np.unpackbits(rows.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits:]
        packed = np.packbits(ones.reshape(len(rows), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7


def png(colour, bits, before=b"", after=b"", interlaced=False, values=None):
    values = picture(CHANNELS[colour], bits) if values is None else values
    parts = [values[y::down, x::right] for y, x, down, right in PASSES] if interlaced else [values]
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour, 0, 0, interlaced)
    data = zlib.compress(b"".join(scanlines(part, bits) for part in parts), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", data) + after + chunk(b"IEND", b"")


def palette(bits):
    colours = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3), np.uint8)
    return chunk(b"PLTE", colours.tobytes())


def profile():
    """A profile that exchanges red and green: it reveals a reader that applies it."""
    def xyz(*values):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)
    tags = {b"rXYZ": xyz(.385, .717, .097), b"gXYZ": xyz(.436, .222, .014), b"bXYZ": xyz(.143, .061, .714),
            b"wtpt": xyz(.9642, 1, .8249)} | {t: b"curv\0\0\0\0\0\0\0\1\1\0\0\0" for t in (b"rTRC", b"gTRC", b"bTRC")}
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(body), b"", 0x2100000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp")
    head = head.ljust(68, b"\0") + xyz(.9642, 1, .8249)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def animation():
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    second = struct.pack(">IIIIIHHBB", 1, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    frame = struct.pack(">I", 2) + zlib.compress(scanlines(255 - picture(3, 8), 8), 9)
    return png(RGB, 8, chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", control),
               chunk(b"fcTL", second) + chunk(b"fdAT", frame))


def pngs():
    made = {f"{name}-{bits}.png": png(colour, bits) for name, colour, depths in (
        ("grey", GREY, (1, 2, 4, 8, 16)), ("rgb", RGB, (8, 16)), ("grey-alpha", GREY_ALPHA, (8, 16)), ("rgb-alpha", RGBA, (8, 16)))
        for bits in depths}
    for bits in 1, 2, 4, 8:
        made[f"palette-{bits}.png"] = png(PALETTE, bits, palette(bits))
    made["palette-clear.png"] = png(PALETTE, 8, palette(8) + chunk(b"tRNS", bytes(range(200))))
    clear = {"grey-2": (GREY, 2), "grey-16": (GREY, 16), "rgb-8": (RGB, 8), "rgb-16": (RGB, 16)}
    for name, (colour, bits) in clear.items():
        pixel = picture(CHANNELS[colour], bits)[5, 5]
        made[name + "-clear.png"] = png(colour, bits, chunk(b"tRNS", pixel.astype(">u2").tobytes()))
    gamma, linear = chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"gAMA", struct.pack(">I", 100000))
    about = {"gamma": gamma, "linear": linear, "srgb": chunk(b"sRGB", b"\0") + gamma, "background": chunk(b"bKGD", b"\0\xff" * 3),
             "profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(profile(), 9)),
             "primaries": linear + chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 30000, 60000, 64000, 33000, 15000, 6000))}
    for name, chunks in about.items():
        for kind, colour in ("rgb", RGB), ("rgb-alpha", RGBA):
            for bits in 8, 16:
                if colour == RGB or name in ("linear", "background"):
                    made[f"{kind}-{bits}-{name}.png"] = png(colour, bits, chunks)
    made["grey-16-linear.png"] = png(GREY, 16, linear)
    made["palette-8-linear.png"] = png(PALETTE, 8, linear + palette(8))
    for name, colour, bits in ("grey-2", GREY, 2), ("rgb-8", RGB, 8), ("rgb-alpha-16", RGBA, 16):
        made[name + "-interlaced.png"] = png(colour, bits, interlaced=True)
    for orientation in range(1, 9):
        block = chunk(b"eXIf", exif(orientation, "<>"[orientation % 2]))
        made[f"turned-{orientation}.png"] = png(RGB, 8, *((block, b"") if orientation % 3 else (b"", block)))
    made |= {f"exif-{name}.png": png(RGB, 8, chunk(b"eXIf", block)) for name, block in strange_exif().items()
             if name in ("cut", "header", "nine", "long")}
    for name, keyword, text in ("text", b"tEXt", lambda data: data), ("squeezed", b"zTXt", lambda data: b"\0" + zlib.compress(data)):
        block = b"Exif\0\0" + exif(8)
        lines = "\nexif\n%8d\n" % len(block) + "".join(block.hex()[i:i + 72] + "\n" for i in range(0, 2 * len(block), 72))
        made[f"exif-{name}.png"] = png(RGB, 8, chunk(keyword, b"Raw profile type exif\0" + text(lines.encode())))
    international = b"XML:com.adobe.xmp\0\0\0\0\0"
    made["xmp.png"] = png(RGB, 8, chunk(b"iTXt", international + xmp(6)))
    made["xmp-behind.png"] = png(RGB, 8, b"", chunk(b"iTXt", international + xmp(5, XMP_ELEMENT)))
    made["xmp-and-exif.png"] = png(RGB, 8, chunk(b"iTXt", international + xmp(6)) + chunk(b"eXIf", exif(3)))
    made["animated.png"] = animation()
    made["more-behind.png"] = png(RGB, 8) + b"what some camera puts here"
    return made


# ---- JPEG

def jpeg(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **({"quality": 90} | options))
    return stream.getvalue()


def through(program, data):
    return subprocess.run(program.split(), input=data, stdout=subprocess.PIPE, check=True).stdout


def with_block(file, *blocks):
    """APP1 blocks after the start of the file."""
    return file[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block for block in blocks) + file[2:]


def inks(transform):
    """A file with four components, with Adobe's block (0: CMYK, 2: YCCK) or without (None). Pillow writes inverted values."""
    bands = Image.fromarray(picture(4, 8).astype(np.uint8), "RGBA").split()
    if transform == 2:
        colours = Image.merge("RGB", bands[:3]).convert("YCbCr").split()
        bands = [ImageChops.invert(band) for band in (*colours, bands[3])]
    file = jpeg(Image.merge("CMYK", bands))
    at = file.index(b"\xff\xee\0\x0eAdobe")
    return file[:at] + file[at + 16:] if transform is None else file[:at + 15] + bytes([transform]) + file[at + 16:]


def jpegs():
    rgb = Image.fromarray(picture(3, 8).astype(np.uint8))
    ppm = io.BytesIO()
    rgb.save(ppm, "PPM")
    plain, head = jpeg(rgb), b"Exif\0\0"
    made = {"grey.jpg": jpeg(rgb.convert("L")), "full.jpg": jpeg(rgb, subsampling=0), "half.jpg": jpeg(rgb, subsampling=1),
            "quarter.jpg": plain, "progressive.jpg": jpeg(rgb, progressive=True),
            "arithmetic.jpg": through("jpegtran -arithmetic", plain), "restart.jpg": through("jpegtran -restart 1B", plain),
            "rgb.jpg": through("cjpeg -rgb -quality 90", ppm.getvalue()),
            "cmyk.jpg": inks(0), "ycck.jpg": inks(2), "cmyk-unmarked.jpg": inks(None), "cmyk-turned.jpg": with_block(inks(0), head + exif(6)),
            "profile.jpg": jpeg(rgb, icc_profile=profile()), "more-behind.jpg": plain + b"what some camera puts here",
            "second-picture.jpg": plain + jpeg(rgb.convert("L"))}
    for orientation in range(1, 9):
        made[f"turned-{orientation}.jpg"] = with_block(plain, head + exif(orientation, "<>"[orientation % 2]))
    made |= {f"exif-{name}.jpg": with_block(plain, head + block) for name, block in strange_exif().items()}
    made["exif-unnamed.jpg"] = with_block(plain, b"Exif")
    name = b"http://ns.adobe.com/xap/1.0/\0"
    made["xmp.jpg"] = with_block(plain, name + xmp(6))
    made["xmp-element.jpg"] = with_block(plain, name + xmp(7, XMP_ELEMENT))
    made["xmp-strange.jpg"] = with_block(plain, name + xmp(9, 'tiff:Orientation=6 tiff:Orientation="%d"'))
    made["xmp-and-exif.jpg"] = with_block(plain, name + xmp(6), head + exif(3))
    turned = with_block(plain, head + exif(6))
    made["exif-after-empty.jpg"] = turned[:2] + b"\xff\xe1\0\2" * 3 + b"\xff\xe1\0\0" + b"\xff" * 5 + turned[2:]
    return made


# ---- how Pillow decodes them

def decode(file):
    """(height, width, 3). If Pillow refuses a damaged EXIF block, the picture stays as it is."""
    image = Image.open(io.BytesIO(file))
    try:
        image = ImageOps.exif_transpose(image)
    except (SyntaxError, struct.error):
        pass
    if image.mode.startswith("I"):  # 16-bit grey: convert() would turn all above 255 white; for 16-bit RGB Pillow uses the high byte
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB"))


def ppm(name, pixels):
    return b"P6\n# %s\n%d %d\n255\n" % (name.encode(), pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def expected(name, data):
    """The pixels of NAME from the bytes of EXPECTED."""
    data = data[data.index(b"P6\n# %s\n" % name.encode()):]
    width, height = map(int, data.split(b"\n", 3)[2].split())
    return np.frombuffer(data.split(b"\n", 4)[4], np.uint8, 3 * height * width).reshape(height, width, 3)


def check():
    with open(os.path.join(FOLDER, EXPECTED), "rb") as file:
        kept = file.read()
    for name in sorted(set(os.listdir(FOLDER)) - {EXPECTED}):
        with open(os.path.join(FOLDER, name), "rb") as file:
            got, wanted = decode(file.read()), expected(name, kept)
        same = got.shape == wanted.shape and np.abs(got.astype(int) - wanted).max() <= 1
        print(name, "as Pillow decodes it" if same else "DIFFERS")


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    os.makedirs(FOLDER, exist_ok=True)
    files = dict(sorted((pngs() | jpegs()).items()))
    files[EXPECTED] = b"".join(ppm(name, decode(file)) for name, file in files.items())
    for name, data in files.items():
        with open(os.path.join(FOLDER, name), "wb") as out:
            out.write(data)


main()
