/* The values of an event. Each one is serialized when it is added, as a Summary of one value. */
#include <stdlib.h>
#include <string.h>

#include "event.h"

void event_reset(struct event *event, int64_t step)
{
    event->step = step;
    event->values.size = 0;
    event->values.no_memory = false;
}

void event_clear(struct event *event)
{
    free(event->values.data);
    *event = (struct event){.step = event->step};
}

void event_add_value(struct event *event, Tf__Summary__Value *value)
{
    Tf__Summary summary = TF__SUMMARY__INIT;
    summary.n_value = 1;
    summary.value = &value;
    message_buffer_add(&event->values, &summary.base);
}

void event_add_scalar(struct event *event, const char *tag, double value)
{
    Tf__Summary__Value scalar = TF__SUMMARY__VALUE__INIT;
    scalar.tag = (char *)tag;
    scalar.value_case = TF__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    scalar.simple_value = (float)value;
    event_add_value(event, &scalar);
}

void event_add_histogram(struct event *event, const char *tag, const struct histogram *histogram)
{
    Tf__HistogramProto proto = TF__HISTOGRAM_PROTO__INIT;
    Tf__Summary__Value value = TF__SUMMARY__VALUE__INIT;
    struct histogram_buckets buckets;
    histogram_buckets(histogram, &buckets);
    proto.min = histogram->minimum;
    proto.max = histogram->maximum;
    proto.num = (double)histogram->values;
    proto.sum = histogram->sum;
    proto.sum_squares = histogram->squares;
    proto.n_bucket_limit = proto.n_bucket = (size_t)buckets.count;
    proto.bucket_limit = buckets.limit;
    proto.bucket = buckets.values;
    value.tag = (char *)tag;
    value.value_case = TF__SUMMARY__VALUE__VALUE_HISTO;
    value.histo = &proto;
    event_add_value(event, &value);
}

void event_add_image(struct event *event, const char *tag, const struct image *image)
{
    Tf__Summary__Image picture = TF__SUMMARY__IMAGE__INIT;
    Tf__Summary__Value value = TF__SUMMARY__VALUE__INIT;
    struct error why;
    if (image_encode(image, &picture.encoded_image_string.data, &picture.encoded_image_string.len, &why)) {
        event->values.no_memory = true;
        return;
    }
    picture.height = image->height;
    picture.width = image->width;
    picture.colorspace = IMAGE_CHANNELS;
    value.tag = (char *)tag;
    value.value_case = TF__SUMMARY__VALUE__VALUE_IMAGE;
    value.image = &picture;
    event_add_value(event, &value);
    free(picture.encoded_image_string.data);
}

void event_add_tensor(struct event *event, const char *tag, const char *plugin_name, ProtobufCBinaryData content,
                      Tf__Tensor *tensor)
{
    Tf__SummaryMetadata__PluginData plugin = TF__SUMMARY_METADATA__PLUGIN_DATA__INIT;
    Tf__SummaryMetadata metadata = TF__SUMMARY_METADATA__INIT;
    Tf__Summary__Value value = TF__SUMMARY__VALUE__INIT;
    plugin.plugin_name = (char *)plugin_name;
    plugin.content = content;
    metadata.plugin_data = &plugin;
    metadata.data_class = TF__DATA_CLASS__DATA_CLASS_TENSOR;
    value.tag = (char *)tag;
    value.metadata = &metadata;
    value.value_case = TF__SUMMARY__VALUE__VALUE_TENSOR;
    value.tensor = tensor;
    event_add_value(event, &value);
}

/* A text is a tensor of one string, which TensorBoard's plugin "text" shows. */
static void add_text(struct event *event, const char *tag, const char *text, const char *indentation)
{
    Tf__TensorShape scalar = TF__TENSOR_SHAPE__INIT;
    Tf__Tensor tensor = TF__TENSOR__INIT;
    char *clean = text_as_utf8(text, indentation);
    if (!clean) {
        event->values.no_memory = true;
        return;
    }
    ProtobufCBinaryData bytes = {.len = strlen(clean), .data = (uint8_t *)clean};
    tensor.dtype = TF__DATA_TYPE__DT_STRING;
    tensor.tensor_shape = &scalar;
    tensor.n_string_val = 1;
    tensor.string_val = &bytes;
    event_add_tensor(event, tag, "text", (ProtobufCBinaryData){.len = 0}, &tensor);
    free(clean);
}

void event_add_text(struct event *event, const char *tag, const char *text)
{
    add_text(event, tag, text, "");
}

void event_add_lines(struct event *event, const char *tag, const char *text)
{
    add_text(event, tag, text, "    ");
}
