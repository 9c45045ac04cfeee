"""What tests/system/user/pack.sh asks of Python: sources made by numpy and PIL, packed files read by h5py and
compared with what PIL and numpy make of the sources, and a small web server.

    pack_check.py make DIR             DIR/cifar/cifar-10-batches-bin, and DIR/pictures: images in folders
    pack_check.py binary FILE.h5 SOURCE DIGESTED...      is the packed form of SOURCE's binary files
    pack_check.py images FILE.h5 DIR DIGESTED SIZE [archive] [squash]   of DIR's images
    pack_check.py memory COMMAND...    runs it and prints its largest resident memory in MB
    pack_check.py serve DIR            prints its port, then serves DIR until its input ends
"""
import hashlib, http.server, os, pathlib, resource, subprocess, sys, threading

TRAIN_RECORDS, TEST_RECORDS = 300, 120


def make_binary(directory):
    import numpy as np
    rng = np.random.default_rng(7)
    directory.mkdir(parents=True)
    for name, count in [(f"data_batch_{i}.bin", TRAIN_RECORDS) for i in (1, 2)] + [("test_batch.bin", TEST_RECORDS)]:
        records = rng.integers(0, 256, (count, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(directory / name)
    (directory / "batches.meta.txt").write_text("".join(f"kind {i}\n" for i in range(10)) + "\n")


def make_pictures(directory):
    import numpy as np
    from PIL import Image
    rng = np.random.default_rng(8)

    def picture(name, mode, size=(32, 32), **how):
        smooth = Image.fromarray(rng.integers(0, 256, (5, 4, 4), dtype=np.uint8), "RGBA").resize(size, Image.BICUBIC)
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        smooth.convert("RGB").convert(mode).save(path, **how) if mode != "RGBA" else smooth.save(path, **how)

    picture("train/owl/1.jpg", "RGB", quality=75)
    picture("train/owl/2.jpg", "RGB", quality=95, progressive=True, subsampling=0)
    picture("train/owl/10.JPG", "L", quality=80)
    picture("train/élan/a.png", "RGB")
    picture("train/élan/b.png", "L")
    picture("train/élan/c.PNG", "RGBA")
    picture("train/élan/d.png", "P")
    picture("train/élan/e.png", "1")
    picture("train/élan/f.jpeg", "RGB", size=(100, 40), quality=90)
    picture("test/Zebra/1.png", "RGB", size=(9, 15))
    picture("test/owl/1.png", "RGB", size=(640, 333))
    for number in range(300):
        picture(f"train/owl/many{number:03d}.png", "RGB")
    picture("train/Zebra/1.png", "RGB")
    picture("test/élan/1.png", "RGB")
    (directory / "train/owl/notes.txt").write_text("left out")
    (directory / "README").write_text("not counted")


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r} instead of {expected!r}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_file(path, name, classes, sources, images, labels, tolerance=0, resize="crop"):
    """images, labels: lists for train and test. Everything that the packed file should say."""
    import h5py, numpy as np
    with h5py.File(path, "r") as file:
        for attribute, expected in dict(format="cifar10_mpi dataset", format_version=1, name=name, resize=resize).items():
            found = file.attrs[attribute]
            same(attribute, found.decode() if isinstance(found, bytes) else found, expected)
        for attribute, expected in zip(("class_names", "sources", "source_sha256"), (classes, *sources)):
            same(attribute, [text.decode() for text in file.attrs[attribute]], expected)
        for split, (pixels, answers) in {"train": (images[0], labels[0]), "test": (images[1], labels[1])}.items():
            found, answer = file[f"{split}/images"], file[f"{split}/labels"]
            same("type", (found.dtype, answer.dtype), (np.uint8, np.uint8))
            same("shape", (found.shape, answer.shape), (np.shape(pixels), (len(answers),)))
            same("labels", answer[:].tolist(), list(answers))
            if tolerance == 0:
                same("pixels", np.array_equal(found[:], pixels), True)
            elif np.abs(found[:].astype(np.int16) - pixels).max() > tolerance:
                sys.exit(f"{split}: pixels differ by more than {tolerance}")
            same("dimensions", [found.dims[i].label for i in range(4)], ["N", "H", "W", "C"])
            same("Fletcher32", (found.fletcher32, answer.fletcher32), (True, True))
            for data_set in found, answer:
                same("sha256", data_set.attrs["sha256"].decode(), sha256(data_set[:].tobytes()))
            if found.shape[1] == 32:
                same("chunks", found.chunks, (250, 32, 32, 3))


def check_binary(packed, source, *digested):
    import numpy as np
    source, digested = pathlib.Path(source), [pathlib.Path(p) for p in digested]

    def load(names):
        records = np.concatenate([np.fromfile(n, np.uint8).reshape(-1, 3073) for n in names])
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0].tolist()

    train, test = load(sorted(source.glob("data_batch_*.bin"))), load([source / "test_batch.bin"])
    classes = [line for line in (source / "batches.meta.txt").read_text().splitlines() if line]
    sources = [p.name for p in digested], [sha256(p.read_bytes()) for p in digested]
    check_file(packed, "CIFAR-10", classes, sources, (train[0], test[0]), (train[1], test[1]))


def check_images(packed, directory, digested, size, *how):
    """digested: the archive, or the directory, whose digest is that of sha256sum's lines."""
    import numpy as np
    from PIL import Image, ImageOps
    directory, digested, size = pathlib.Path(directory), pathlib.Path(digested), int(size)
    paths = sorted(p for split in ("train", "test") for p in directory.glob(f"{split}/*/*"))
    if "archive" in how:
        listed = subprocess.run(["tar", "--quoting-style=literal", "-tf", digested], capture_output=True, check=True)
        paths = [directory / name for name in listed.stdout.decode().split("\n")]
    paths = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    classes = sorted({p.parent.name for p in paths}, key=str.encode)
    images, labels, worst_case = ([], []), ([], []), 0
    for path in paths:
        image = Image.open(path)
        image = image.convert("RGBA").convert("RGB") if image.mode in "RGBA" else image.convert("RGB")
        if image.size != (size, size):
            fit, worst_case = Image.Image.resize if "squash" in how else ImageOps.fit, 1
            image = fit(image, (size, size), Image.BILINEAR)
        images[path.parts[-3] == "test"].append(np.asarray(image))
        labels[path.parts[-3] == "test"].append(classes.index(path.parent.name))
    if digested.is_dir():
        digest = sha256("".join(f"{sha256(p.read_bytes())}  {p.relative_to(directory)}\n" for p in paths).encode())
    else:
        digest = sha256(digested.read_bytes())
    name = digested.name.split(".")[0]
    check_file(packed, name, classes, ([digested.name], [digest]), [np.array(i, np.int16) for i in images], labels, worst_case,
               "squash" if "squash" in how else "crop")


def memory(*command):
    if subprocess.run(command).returncode:
        sys.exit("the command failed")
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000)


class Handler(http.server.BaseHTTPRequestHandler):
    """/whole/FILE, /ranges/FILE (serves parts), /broken/FILE (half, then hangs up), /redirect/URL, /local/PATH."""

    def do_GET(self):
        kind, _, name = self.path[1:].partition("/")
        if kind in ("redirect", "local"):
            self.send_response(302)
            self.send_header("Location", f"/{name}" if kind == "redirect" else f"file:///{name}")
            return self.end_headers()
        path = pathlib.Path(self.directory) / name
        if not path.is_file():
            return self.send_error(404)
        data, start = path.read_bytes(), 0
        asked = self.headers.get("Range", "") if kind != "whole" else ""
        if asked:
            start = int(asked[len("bytes="):].rstrip("-"))
            if start >= len(data):
                return self.send_error(416)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:len(data) // 2] if kind == "broken" else data[start:])

    def log_message(self, text, *arguments):
        with open(f"{self.directory}/requests", "a") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Range', '-')}\n")


def serve(directory):
    Handler.directory = directory
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def make(directory):
    make_binary(pathlib.Path(directory) / "cifar/cifar-10-batches-bin")
    make_pictures(pathlib.Path(directory) / "pictures")


{"make": make, "binary": check_binary, "images": check_images, "memory": memory, "serve": serve}[sys.argv[1]](*sys.argv[2:])
