#!/usr/bin/env python3
"""Makes the files in tests/reference: results of TensorFlow's own operations, which the C tests must match.

    python3 -m venv ./tf-env && ./tf-env/bin/pip install tensorflow-cpu==2.21.* h5py
    TF_CPP_MIN_LOG_LEVEL=3 ./tf-env/bin/python scripts/make_reference.py [DIRECTORY]

Needed only to change or check the reference. The tests read the files and do not need TensorFlow.

    operations.h5  each operation alone: output, and gradients for a given output gradient
    step.h5        two whole training steps of the tutorial's model, batch 8
    distort.h5     the training distortions for given draws, and the evaluation's crop
    optimize.h5    the learning rate's staircase and the decay of the moving averages

Expected values are TensorFlow's in float32. The same operations were also run in float64. The attribute
float32_error of each value is the distance between the two (norm of the difference / norm), so that a test's tolerance
can be judged. `h5dump -A FILE` shows all attributes.

Inputs and parameters are not stored but drawn: element i of stream s is

    z = (s * 2^32 + i + 1) * 0x9E3779B97F4A7C15 mod 2^64, mixed as in splitmix64:
    z = (z ^ z>>30) * 0xBF58476D1CE4E5B9;  z = (z ^ z>>27) * 0x94D049BB133111EB;  z = z ^ z>>31
    value = ((z >> 40) - 2^23) * 2^-23 * scale        in [-scale, scale); exact in float32, scale a power of two

The gradients of ReLU and max pool jump where an activation is 0 or two are equal, so rounding could make two correct
programs disagree. Images are therefore chosen so that no activation is that close (see `margin`)."""
import os
import sys

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import numpy as np
import tensorflow as tf

from reference_file import ReferenceFile, draw, draw_integers, set_attribute

DIRECTORY = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "tests", "reference")
CLOSE = 3e-6  # no activation is closer to a tie than this, relative to the largest


# ---- streams: tensor t of operation o is stream 16 o + t; the others begin here ----------------------------------
OUTPUT_GRADIENT = 3  # after input, weights, biases
STEP, IMAGES, VECTORS = 1000, 20000, 30000


def new_file(name, about):
    return ReferenceFile(os.path.join(DIRECTORY, name), about, "TensorFlow " + tf.__version__)


def margin(x):
    """For each image, the distance of the closest activation from the ReLU's kink, relative to the largest."""
    return np.abs(x).reshape(len(x), -1).min(1) / np.abs(x).max()


def pool_margin(x, size=3, stride=2):
    """For each image, the smallest positive gap between the two largest of a pooling window, likewise relative."""
    out = [-(-n // stride) for n in x.shape[1:3]]
    before = [max((o - 1) * stride + size - n, 0) // 2 for o, n in zip(out, x.shape[1:3])]
    wide = np.pad(x, [(0, 0), (before[0], size), (before[1], size), (0, 0)])
    rows = np.stack([wide[:, i:i + out[0] * stride:stride, j:j + out[1] * stride:stride]
                     for i in range(size) for j in range(size)])
    rows.sort(0)
    gap = np.where(rows[-1] > 0, rows[-1] - rows[-2], np.inf)
    return gap.reshape(len(x), -1).min(1) / np.abs(x).max()


# ---- operations ------------------------------------------------------------------------------------------------
def lrn(x, radius, k, alpha, beta):
    """tf.nn.lrn, or its definition in float64, which tf.nn.lrn lacks."""
    if x.dtype == tf.float32:
        return tf.nn.lrn(x, radius, bias=k, alpha=alpha, beta=beta)
    wide = tf.pad(x * x, [[0, 0]] * 3 + [[radius, radius]])
    return x / (k + alpha * sum(wide[..., i:i + x.shape[3]] for i in range(2 * radius + 1))) ** beta


CONVOLUTIONS = [  # name, input shape, kernel, stride, outputs, relu
    ("conv5x5_relu", (2, 9, 11, 3), 5, 1, 8, True),
    ("conv5x5_relu_wide", (2, 12, 12, 32), 5, 1, 32, True),
    ("conv5x5_rgb", (2, 24, 24, 3), 5, 1, 16, True),
    ("conv3x3_relu", (3, 7, 6, 5), 3, 1, 7, True),
    ("conv3x3_linear", (2, 8, 8, 16), 3, 1, 16, False),
    ("conv1x1", (2, 5, 6, 8), 1, 1, 4, False),
    ("conv5x5_stride2", (2, 11, 10, 4), 5, 2, 6, True),
    ("conv3x3_stride2", (2, 8, 9, 8), 3, 2, 8, False),
]
POOLS = [  # name, input shape, kernel, stride, transform of the drawn input
    ("max_pool_3x3_stride2", (2, 12, 12, 16), 3, 2, "as drawn"),
    ("max_pool_3x3_stride2_odd", (2, 7, 9, 5), 3, 2, "as drawn"),
    ("max_pool_2x2_stride2", (2, 8, 6, 4), 2, 2, "as drawn"),
    ("max_pool_3x3_stride1", (2, 6, 5, 3), 3, 1, "as drawn"),
    ("max_pool_negative", (2, 6, 6, 8), 3, 2, "-|x| - 1: padding must not win"),
    ("max_pool_ties", (2, 12, 12, 8), 3, 2, "floor(2 x): many ties; the first in row order gets the gradient"),
]
CHANGES = {"max_pool_negative": lambda x: -np.abs(x) - 1, "max_pool_ties": lambda x: np.floor(2 * x)}
NORMS = [  # name, input shape, radius, k, alpha, beta, scale of the input
    ("norm_tutorial", (2, 6, 6, 64), 4, 1.0, 0.001 / 9.0, 0.75, 4.0),
    ("norm_large_input", (2, 4, 4, 64), 4, 1.0, 0.001 / 9.0, 0.75, 64.0),
    ("norm_few_channels", (2, 3, 5, 7), 4, 1.0, 0.001 / 9.0, 0.75, 32.0),
    ("norm_other", (2, 4, 3, 16), 2, 2.0, 0.1, 0.5, 4.0),
]
DENSES = [  # name, input shape, outputs, relu
    ("dense", (5, 1, 1, 37), 11, False),
    ("dense_relu", (8, 3, 4, 5), 16, True),
    ("dense_relu_wide", (4, 6, 6, 16), 24, True),
]
SOFTMAXES = [("softmax_cross_entropy", 4.0), ("softmax_cross_entropy_large", 512.0)]  # name, scale of the logits


def run(call, tensors, output_gradient):
    """[output, gradients ...] of call(*tensors), in float32 and in float64."""
    results = []
    for kind in (tf.float32, tf.float64):
        inputs = [tf.cast(t, kind) for t in tensors]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = call(*inputs)
        gradients = tape.gradient(output, inputs, output_gradients=tf.cast(output_gradient, kind))
        results.append([output.numpy()] + [g.numpy() for g in gradients])
    return results


def put_operation(file, index, name, call, about, shapes, scales, kink=None, **attributes):
    """shapes, scales: of input, weights, biases. kink: the call without its ReLU, for checking the margin."""
    file.group(name, about, **attributes)
    keys = ["input", "weights", "biases"][:len(shapes)]
    tensors = [file.drawn(name + "/" + key, 16 * index + t, shape, scale)
               for t, (key, shape, scale) in enumerate(zip(keys, shapes, scales))]
    tensors[0] = CHANGES.get(name, lambda x: x)(tensors[0])
    if kink:
        close = margin(kink(*[tf.constant(t, tf.float64) for t in tensors]).numpy()).min()
        assert close > CLOSE, "%s: an activation is %.1e of the largest from 0: choose another stream" % (name, close)
    shape = call(*map(tf.constant, tensors)).shape
    gradient = file.drawn(name + "/output_gradient", 16 * index + OUTPUT_GRADIENT, shape, 1.0)
    names = ["output", "input_gradient", "weights_gradient", "biases_gradient"]
    for key, value, exact in zip(names, *run(call, tensors, gradient)):
        file.put(name + "/" + key, value, exact=exact)


def put_convolution(file, index, name, shape, kernel, stride, outputs, relu):
    def linear(x, w, b):
        return tf.nn.bias_add(tf.nn.conv2d(x, w, stride, "SAME"), b)

    put_operation(file, index, name, (lambda x, w, b: tf.nn.relu(linear(x, w, b))) if relu else linear,
                  "tf.nn.conv2d, SAME; tf.nn.bias_add" + ("; tf.nn.relu" if relu else ""),
                  [shape, (kernel, kernel, shape[3], outputs), (outputs,)], [2.0, 0.0625, 0.125],
                  linear if relu else None, kernel=kernel, stride=stride)


def put_pool(file, index, name, shape, kernel, stride, about):
    put_operation(file, index, name, lambda x: tf.nn.max_pool2d(x, kernel, stride, "SAME"),
                  "tf.nn.max_pool2d, SAME; input: " + about, [shape], [1.0], kernel=kernel, stride=stride)


def put_norm(file, index, name, shape, radius, k, alpha, beta, scale):
    put_operation(file, index, name, lambda x: lrn(x, radius, k, alpha, beta), "tf.nn.lrn", [shape], [scale],
                  depth_radius=radius, bias=k, alpha=alpha, beta=beta)


def put_dense(file, index, name, shape, outputs, relu):
    inputs = int(np.prod(shape[1:]))

    def linear(x, w, b):
        return tf.matmul(tf.reshape(x, [-1, inputs]), w) + b

    put_operation(file, index, name, (lambda x, w, b: tf.nn.relu(linear(x, w, b))) if relu else linear,
                  "tf.reshape; tf.matmul + biases" + ("; tf.nn.relu" if relu else ""),
                  [shape, (inputs, outputs), (outputs,)], [2.0, 0.0625, 0.125], linear if relu else None)


def put_softmax(file, index, name, scale):
    """The loss of 8 images, and of only the first 5."""
    file.group(name, "tf.nn.sparse_softmax_cross_entropy_with_logits, summed over the images; gradient of that sum")
    logits = file.drawn(name + "/logits", 16 * index, (8, 10), scale)
    labels = draw_integers(16 * index + 1, [8], 10)
    labels[1] = logits[1].argmax()
    file.put(name + "/labels", labels)
    for count in (8, 5):
        def call(x, n=count):
            return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[:n], x[:n]))

        (loss, gradient), (true_loss, true_gradient) = run(call, [logits], 1.0)
        file.put("%s/loss_%d" % (name, count), loss, "of the first %d images" % count, true_loss)
        file.put("%s/logits_gradient_%d" % (name, count), gradient, "0 behind the first %d images" % count,
                 true_gradient)
        correct = np.sum(tf.argmax(logits[:count], 1).numpy() == labels[:count])
        file.put("%s/correct_%d" % (name, count), np.int64(correct), "images whose tf.argmax is the label")


def make_operations():
    file = new_file("operations.h5", "Each operation on its own: TensorFlow's output, and its gradients for a given "
                    "output gradient. An attribute of a group that reads 'stream ...' is a drawn tensor (NHWC, HWIO, "
                    "in x out). float32_error: how far TensorFlow's float32 is from its float64.")
    index = 1
    for put, cases in ((put_convolution, CONVOLUTIONS), (put_pool, POOLS), (put_norm, NORMS), (put_dense, DENSES),
                       (put_softmax, SOFTMAXES)):
        for case in cases:
            put(file, index, *case)
            index += 1
    file.close()


# ---- a whole training step -------------------------------------------------------------------------------------
BATCH, STEPS, RATE, IMAGE = 8, 2, 0.1, (24, 24, 3)
LAYERS = [  # name, shape of the weights, scale of the draws, weight decay
    ("conv1", (5, 5, 3, 64), 2.0**-4, 0.0), ("conv2", (5, 5, 64, 64), 2.0**-4, 0.0),
    ("local3", (2304, 384), 2.0**-4, 0.004), ("local4", (384, 192), 2.0**-4, 0.004),
    ("softmax_linear", (192, 10), 2.0**-7, 0.0)]
VARIABLES = [n + "/" + k for n, *_ in LAYERS for k in ("weights", "biases")]


def inference(x, v):
    """cifar10.py's inference(). Also returns the inputs of ReLUs and pools, for the margin."""
    def conv(h, w, b):
        return tf.nn.bias_add(tf.nn.conv2d(h, w, 1, "SAME"), b)

    def pool(h):
        return tf.nn.max_pool2d(h, 3, 2, "SAME")

    def norm(h):
        return lrn(h, 4, 1.0, 0.001 / 9.0, 0.75)

    c1 = conv(x, v[0], v[1])
    c2 = conv(norm(pool(tf.nn.relu(c1))), v[2], v[3])
    n2 = norm(tf.nn.relu(c2))
    d3 = tf.matmul(tf.reshape(pool(n2), [-1, 2304]), v[4]) + v[5]
    d4 = tf.matmul(tf.nn.relu(d3), v[6]) + v[7]
    return tf.matmul(tf.nn.relu(d4), v[8]) + v[9], {"relu": [c1, c2, d3, d4], "pool": [tf.nn.relu(c1), n2]}


def train(parameters, batches, kind):
    """The tutorial's graph in TensorFlow 1 style, with its optimiser and moving averages. Returns a dict per step."""
    v1, results = tf.compat.v1, []
    with tf.Graph().as_default(), v1.Session() as session:
        x, y = v1.placeholder(kind, (BATCH,) + IMAGE), v1.placeholder(tf.int64, [BATCH])
        v = [v1.get_variable(n.replace("/", "_"), initializer=p.astype(kind.as_numpy_dtype))
             for n, p in zip(VARIABLES, parameters)]
        logits, _ = inference(x, v)
        entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        decayed = [tf.cast(d, kind) * tf.nn.l2_loss(v[2 * i]) for i, (_, _, _, d) in enumerate(LAYERS) if d]
        loss = entropy + tf.add_n(decayed)
        step = v1.train.get_or_create_global_step()
        optimizer = v1.train.GradientDescentOptimizer(RATE)
        pairs = optimizer.compute_gradients(loss, v)
        average = v1.train.ExponentialMovingAverage(0.9999, step)
        with tf.control_dependencies([optimizer.apply_gradients(pairs, step)]):
            update = average.apply(v)
        session.run(v1.global_variables_initializer())
        for images, labels in batches:
            feed = {x: images, y: labels}
            result = dict(zip(["loss", "cross_entropy", "logits", "gradients"], session.run(
                [loss, entropy, logits, [g for g, _ in pairs]], feed)))
            session.run(update, feed)
            result["updated"], result["ema"] = session.run([v, [average.average(p) for p in v]])
            results.append(result)
    return results


def choose_images(parameters, stream):
    """Streams, starting at this one, of a batch of images without near-ties under these parameters."""
    v, chosen = [tf.constant(p, tf.float64) for p in parameters], []
    while len(chosen) < BATCH:
        _, inner = inference(tf.stack([draw(stream + i, IMAGE, 2.0).astype(np.float64) for i in range(BATCH)]), v)
        close = np.min([margin(x.numpy()) for x in inner["relu"]] + [pool_margin(x.numpy()) for x in inner["pool"]], 0)
        chosen += [stream + i for i in range(BATCH) if close[i] > CLOSE]
        stream += BATCH
    return chosen[:BATCH]


def put_step(file, name, streams, labels, found, exact):
    file.group(name, "images: element i of image n is element i of stream streams[n], scale 2, shape 24x24x3; loss and "
               "gradients before the update; parameters and moving averages behind it")
    file.put(name + "/streams", np.array(streams, np.int64))
    file.put(name + "/labels", labels)
    for key in ("loss", "cross_entropy", "logits"):
        file.put(name + "/" + key, found[key], exact=exact[key])
    for key in ("gradients", "updated", "ema"):
        for variable, value, true_value in zip(VARIABLES, found[key], exact[key]):
            file.put_large("%s/%s/%s" % (name, key, variable), value, true_value)


def make_step():
    file = new_file("step.h5", "%d training steps of the tutorial's model, batch %d, one after the other: gradients "
                    "are of the mean loss including weight decay, before the update; updated and ema stand behind it. "
                    "Attributes that read 'stream ...' are drawn tensors. float32_error: how far TensorFlow's float32 "
                    "is from its float64." % (STEPS, BATCH))
    file.h5.attrs["rate"] = RATE
    set_attribute(file.h5, "weight_decay", "0.004 of local3's and local4's weights")
    set_attribute(file.h5, "ema_decay", "min(0.9999, (1 + n) / (10 + n)), n the updates done, this one included: 2/11 at the "
                  "first update")
    shapes = [s for _, weights, scale, _ in LAYERS for s in ((weights, scale), (weights[-1:], 2.0**-4))]
    parameters = [file.drawn("parameters/" + n, STEP + t, *s) for t, (n, s) in enumerate(zip(VARIABLES, shapes))]
    file.group("parameters", "before step 1; the moving averages start from them")
    current, streams, batches = parameters, [], []
    for k in range(1, STEPS + 1):
        streams.append(choose_images(current, STEP + 1000 * k))
        images = np.stack([draw(s, IMAGE, 2.0) for s in streams[-1]])
        batches.append((images, draw_integers(STEP + 50 + k, [BATCH], 10)))
        exact = train(parameters, batches, tf.float64)
        current = exact[-1]["updated"]
    found = train(parameters, batches, tf.float32)
    for k in range(STEPS):
        put_step(file, "step%d" % (k + 1), streams[k], batches[k][1], found[k], exact[k])
    file.close()


# ---- distortions -----------------------------------------------------------------------------------------------
def distort(image, top, left, flip, brightness, contrast, crop):
    """The tutorial's distorted_inputs() with given draws, computed by TensorFlow (float32)."""
    x = tf.image.crop_to_bounding_box(tf.cast(image, tf.float32), top, left, crop, crop)
    x = tf.image.flip_left_right(x) if flip else x
    x = tf.image.adjust_contrast(tf.image.adjust_brightness(x, brightness), contrast)
    return tf.image.per_image_standardization(x).numpy()


def distort_exactly(image, top, left, flip, brightness, contrast, crop):
    """The same in float64, which tf.image does not support."""
    x = image[top:top + crop, left:left + crop].astype(np.float64)
    x = (x[:, ::-1] if flip else x) + np.float64(brightness)
    mean = x.mean((0, 1))
    x = (x - mean) * np.float64(contrast) + mean
    return (x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size))


def special_images():
    """Images with a deviation of 0 or a small one."""
    flat = np.full((32, 32, 3), 117, np.uint8)
    colour = np.broadcast_to(np.uint8([200, 30, 90]), (32, 32, 3))
    speck = flat.copy()
    speck[16, 16, 1] += 1
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], (32, 32, 3))
    return np.stack([flat, np.zeros_like(flat), np.full_like(flat, 255), colour, ramp, speck, speck])


def draws_of(stream, count, height, width, crop):
    unit = (draw(stream, [count, 5], 0.5) + 0.5).astype(np.float64)
    return [(int(u[0] * (height - crop + 1)), int(u[1] * (width - crop + 1)), bool(u[2] < 0.5),
             np.float32(u[3] * 126 - 63), np.float32(u[4] * 1.6 + 0.2)) for u in unit]


def put_distortions(file, name, images, draws, crop, about):
    file.group(name, about, crop=np.int64(crop))
    file.put(name + "/images", images)
    kinds = {"top": np.int64, "left": np.int64, "flip": np.uint8, "brightness": np.float32, "contrast": np.float32}
    for (key, kind), column in zip(kinds.items(), zip(*draws)):
        file.put(name + "/" + key, np.array(column).astype(kind))
    found = np.stack([distort(image, *d, crop) for image, d in zip(images, draws)])
    exact = np.stack([distort_exactly(image, *d, crop) for image, d in zip(images, draws)])
    file.put(name + "/output", found, exact=exact)
    file.put(name + "/output_exact", exact.astype(np.float32), "the same chain in float64 (NumPy), rounded once")


def put_evaluation(file, name, stream, height, width, crop):
    images = draw_integers(stream, (4, height, width, 3), 256).astype(np.uint8)
    images[3] = 9
    file.group(name, "tf.image.resize_with_crop_or_pad, per_image_standardization; the last image is of one value",
               crop=np.int64(crop))
    file.put(name + "/images", images)
    file.put(name + "/output", np.stack([tf.image.per_image_standardization(
        tf.image.resize_with_crop_or_pad(tf.cast(i, tf.float32), crop, crop)).numpy() for i in images]))


def make_distort():
    file = new_file("distort.h5", "The tutorial's distortions for given draws: tf.image.crop_to_bounding_box, "
                    "flip_left_right, adjust_brightness, adjust_contrast, per_image_standardization, in float32 on "
                    "uint8 images; and the evaluation's central crop and standardisation.")

    def noise(stream, shape):
        return draw_integers(IMAGES + stream, shape, 256).astype(np.uint8)

    put_distortions(file, "random", noise(0, (6, 32, 32, 3)), draws_of(IMAGES + 1, 6, 32, 32, 24), 24,
                    "images of random bytes, random draws")
    limits = [(0, 0, False, np.float32(-63), np.float32(0.2)), (8, 8, True, np.float32(62.5), np.float32(1.75)),
              (0, 8, True, np.float32(0), np.float32(1)), (8, 0, False, np.float32(0.1), np.float32(0.7))]
    put_distortions(file, "limits", noise(2, (4, 32, 32, 3)), limits, 24, "draws at their limits")
    specks = [(3, 5, True, np.float32(10.3), np.float32(0.25)), (0, 8, False, np.float32(-7), np.float32(1.75))]
    put_distortions(file, "flat", special_images(), draws_of(IMAGES + 3, 5, 32, 32, 24) + specks, 24,
                    "images of one value (three), one colour, a ramp, one differing byte (twice: a deviation below and "
                    "above the least one that per_image_standardization divides by). Where the deviation is 0 "
                    "TensorFlow's float32 output is rounding noise: compare with output_exact")
    for channels in (1, 4):
        put_distortions(file, "channels%d" % channels, noise(4 + channels, (2, 30, 41, channels)),
                        draws_of(IMAGES + 9 + channels, 2, 30, 41, 20), 20, "other sizes and channels")
    put_evaluation(file, "evaluation", IMAGES + 20, 32, 32, 24)
    put_evaluation(file, "evaluation_odd", IMAGES + 21, 29, 36, 24)
    file.close()


# ---- learning rate, moving averages ----------------------------------------------------------------------------
def put_rates(file, batch):
    """decay_steps is the tutorial's int(batches per epoch * 350)."""
    v1, decay_steps, name = tf.compat.v1, int(50000 / batch * 350), "rate_batch%d" % batch
    steps = sorted({max(0, stair * decay_steps + d) for stair in range(8) for d in (-2, -1, 0, 1, 2, decay_steps // 3)})
    file.group(name, "tf.train.exponential_decay(0.1, step, int(50000 / batch * 350), 0.1, staircase=True)",
               batch=np.int64(batch), decay_steps=np.int64(decay_steps))
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.placeholder(tf.int64, [])
        rate = v1.train.exponential_decay(0.1, step, decay_steps, 0.1, staircase=True)
        file.put(name + "/rate", np.array([session.run(rate, {step: s}) for s in steps]))
    file.put(name + "/step", np.array(steps, np.int64), "updates done before this one")


def put_ema(file):
    """As in the tutorial: apply() runs after the optimiser, which has already counted the step."""
    v1, decays, shadows = tf.compat.v1, [], []
    steps = list(range(40)) + [99, 999, 9999, 88990, 89988, 89989, 89990, 89991, 99999, 999999]
    shadow, value = draw(VECTORS, [64], 1.0), draw(VECTORS + 1, [64], 1.0)
    file.group("ema", "tf.train.ExponentialMovingAverage(0.9999, global_step), applied behind the optimiser's step; "
               "shadow before, value: streams %d and %d, scale 1, 64 long" % (VECTORS, VECTORS + 1))
    with tf.Graph().as_default() as graph, v1.Session() as session:
        v = v1.get_variable("v", initializer=value)
        step = v1.train.get_or_create_global_step()
        count = v1.train.GradientDescentOptimizer(0.0).minimize(tf.reduce_sum(v), step)
        average = v1.train.ExponentialMovingAverage(0.9999, step)
        with tf.control_dependencies([count]):
            update = average.apply([v])
        decay = graph.get_tensor_by_name("ExponentialMovingAverage/Minimum:0")
        session.run(v1.global_variables_initializer())
        new_step, new_shadow = v1.placeholder(tf.int64, []), v1.placeholder(tf.float32, [64])
        reset = [step.assign(new_step), average.average(v).assign(new_shadow)]
        for s in steps:
            session.run(reset, {new_step: s, new_shadow: shadow})
            decays.append(session.run([decay, update])[0])
            assert session.run(step) == s + 1
            shadows.append(session.run(average.average(v)))
    file.put("ema/step", np.array(steps, np.int64) + 1, "the counter that it reads: updates done, this one included")
    file.put("ema/decay", np.array(decays, np.float32))
    file.put("ema/shadow", np.stack(shadows), "behind each of these updates, always from the same shadow")


def put_sgd(file):
    """Gradient sums of 8 samples, with weight decay included in the loss."""
    v1, count = tf.compat.v1, 1003
    parameters, sums = draw(VECTORS + 2, [count], 0.25), draw(VECTORS + 3, [count], 4.0)
    file.group("sgd", "tf.train.GradientDescentOptimizer(rate) on sum(g * p) / 8 + decay * tf.nn.l2_loss(p); "
               "parameters p: stream %d, scale 0.25, %d long; gradient sums g: stream %d, scale 4"
               % (VECTORS + 2, count, VECTORS + 3))
    for name, rate, decay in (("plain", 0.1, 0.0), ("decayed", 0.1, 0.004), ("late", 0.001, 0.004)):
        results = []
        for kind in (tf.float32, tf.float64):
            with tf.Graph().as_default(), v1.Session() as session:
                p = v1.get_variable("p", initializer=parameters.astype(kind.as_numpy_dtype))
                penalty = tf.cast(decay, kind) * tf.nn.l2_loss(p)
                loss = tf.reduce_sum(p * sums.astype(kind.as_numpy_dtype)) / 8 + penalty
                update = v1.train.GradientDescentOptimizer(rate).minimize(loss)
                session.run(v1.global_variables_initializer())
                before = session.run(penalty)
                session.run(update)
                results.append((before, session.run(p)))
        (penalty, updated), (true_penalty, true_updated) = results
        file.group("sgd/" + name, "one update", rate=rate, decay=decay)
        file.put("sgd/%s/penalty" % name, penalty, "the decay's part of the loss, before the update", true_penalty)
        file.put("sgd/%s/updated" % name, updated, exact=true_updated)


def make_optimize():
    file = new_file("optimize.h5", "TensorFlow's learning rate and moving-average decay at some steps, and both "
                    "updates on drawn vectors.")
    for batch in (100, 128, 1000):
        put_rates(file, batch)
    put_ema(file)
    put_sgd(file)
    file.close()


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    make_operations()
    make_step()
    make_distort()
    make_optimize()
