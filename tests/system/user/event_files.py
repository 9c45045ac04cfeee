"""Reads the event files of event_files.sh by TensorBoard's own code. Prints "good NAME" or "bad NAME" for each check."""
import io
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.process_graph import prepare_graph_for_ui
from tensorboard.plugins.hparams import api_pb2, metadata

directory = sys.argv[1]
everything = dict.fromkeys(("scalars", "histograms", "images", "tensors"), 0)
train = EventAccumulator(directory + "/train", size_guidance=everything).Reload()
run = EventAccumulator(directory, size_guidance=everything).Reload()


def check(name, right):
    print("good" if right else "bad", name)


scalars = [(s.step, s.value) for s in train.Scalars("total_loss")]
check("scalars, without those of steps that a resumed run repeats", scalars == [(100, np.float32(4.67)), (200, 100), (250, 2.5)])
check("a scalar that is 0", [s.value for s in train.Scalars("nothing")] == [0])

values = np.fromfile(directory + "/values", "f4").astype("f8")
found = train.Histograms("conv1/weights")[0].histogram_value
check("a histogram's sums", (found.min, found.max, found.num) == (values.min(), values.max(), values.size) and
      np.allclose([found.sum, found.sum_squares], [values.sum(), (values ** 2).sum()], rtol=1e-12))
edges = np.concatenate([[found.min], found.bucket_limit])
check("a histogram's buckets", list(np.histogram(values, edges)[0]) == list(found.bucket) and sum(found.bucket) == found.num)
check("a histogram takes less than 1.7 KB", len(found.bucket) * 16 < 1650)

image = train.Images("images/image/0")[0]
pixels = np.array(Image.open(io.BytesIO(image.encoded_image_string)))
check("an image", (image.height, image.width) == (5, 7) and
      np.array_equal(pixels, (np.arange(105) * 7 % 256).astype("u1").reshape(5, 7, 3)))


def text(tag):
    return train.Tensors(tag)[0].tensor_proto.string_val[0].decode()


check("texts", text("command") == "**café** ??????" and text("start") == "    one\n    \n    two\n")



def read_graph(accumulator):
    graph = accumulator.Graph()
    prepare_graph_for_ui(graph)
    nodes = {node.name: node for node in graph.node}
    inputs = {name for node in graph.node for name in node.input}
    return nodes, len(nodes) == len(graph.node) and inputs <= set(nodes)


def shape(name):
    return [dim.size for dim in nodes[name].attr["_output_shapes"].list.shape[0].dim]


nodes, complete = read_graph(EventAccumulator(directory + "/branch").Reload())
check("a net that branches: each node once, and every input is a node", complete)
check("its gradients meet", list(nodes["tower_7/gradients/bn1/output"].input) ==
      ["tower_7/gradients/conv2/input", "tower_7/gradients/add/input", "tower_7/bn1/Relu"])
check("states and frozen tensors", list(nodes["tower_0/bn1/FusedBatchNorm"].input) == ["tower_0/conv1/Conv2D", "bn1/gamma", "bn1/beta",
      "bn1/mean", "bn1/variance"] and "update/bn1/mean" in nodes and "update/conv2/weights" not in nodes)
check("eight towers at most, of any number of images", "tower_8/images" not in nodes and shape("tower_0/labels") == [-1])
nodes, complete = read_graph(train)
check("the graph: each node once, and every input is a node", complete)

check("the graph: shapes", shape("tower_1/conv1/Relu") == [64, 24, 24, 64] and shape("conv2/weights") == [5, 5, 64, 64] and
      shape("tower_0/gradients/local3/weights") == [2304, 384])
check("the graph: devices", nodes["tower_0/pool1/MaxPool"].device == "node1/onednn" and
      nodes["tower_1/gradients/norm1/input"].device == "node2/onednn")
check("the graph: towers meet", list(nodes["allreduce/conv1/biases"].input) ==
      ["tower_0/gradients/conv1/biases", "tower_1/gradients/conv1/biases"] and
      list(nodes["tower_1/conv1/Conv2D"].input) == ["tower_1/images", "conv1/weights"])

content = {tag: plugins.content for tag, plugins in
           ((tag, run.SummaryMetadata(tag).plugin_data) for tag in run.Tags()["tensors"])}
start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
hparams = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
check("hyperparameters", hparams == {"learning_rate": 0.1, "verbose": True, "quiet": False, "tower": "onednn"})
experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
check("their columns and the metrics'", {info.name: info.type for info in experiment.hparam_infos} ==
      {"learning_rate": api_pb2.DATA_TYPE_FLOAT64, "verbose": api_pb2.DATA_TYPE_BOOL, "quiet": api_pb2.DATA_TYPE_BOOL,
       "tower": api_pb2.DATA_TYPE_STRING} and
      [(info.name.group, info.name.tag) for info in experiment.metric_infos] == [("train", "total_loss")])
end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
check("the end of a run", end.status == api_pb2.STATUS_SUCCESS and end.end_time_secs >= start.start_time_secs > 1e9)
