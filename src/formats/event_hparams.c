/* What TensorBoard's plugin "hparams" reads: messages in the metadata of values with fixed tags and empty tensors. */
#include <stdlib.h>

#include "event.h"
#include "hparams.pb-c.h"

static void add_plugin_data(struct event *event, const char *tag, const Hparams__PluginData *data, bool no_memory)
{
    Tf__TensorShape__Dim none = TF__TENSOR_SHAPE__DIM__INIT, *dims[] = {&none};
    Tf__TensorShape shape = TF__TENSOR_SHAPE__INIT;
    Tf__Tensor tensor = TF__TENSOR__INIT;
    struct message_buffer content = {.data = NULL};
    message_buffer_add(&content, &data->base);
    shape.n_dim = 1;
    shape.dim = dims;
    tensor.dtype = TF__DATA_TYPE__DT_FLOAT;
    tensor.tensor_shape = &shape;
    event_add_tensor(event, tag, "hparams", (ProtobufCBinaryData){.len = content.size, .data = content.data}, &tensor);
    event->values.no_memory = event->values.no_memory || no_memory || content.no_memory;
    free(content.data);
}

/* ---- the experiment: the columns of the table ---- */

static void hparam_add_column(struct message_buffer *experiment, const struct hparam *hparam)
{
    static const Hparams__DataType types[] = {[HPARAM_NUMBER] = HPARAMS__DATA_TYPE__DATA_TYPE_FLOAT64,
                                              [HPARAM_SWITCH] = HPARAMS__DATA_TYPE__DATA_TYPE_BOOL,
                                              [HPARAM_TEXT] = HPARAMS__DATA_TYPE__DATA_TYPE_STRING};
    Hparams__HParamInfo info = HPARAMS__HPARAM_INFO__INIT, *infos[] = {&info};
    Hparams__Experiment part = HPARAMS__EXPERIMENT__INIT;
    info.name = (char *)hparam->name;
    info.type = types[hparam->kind];
    part.n_hparam_infos = 1;
    part.hparam_infos = infos;
    message_buffer_add(experiment, &part.base);
}

static void metric_add_column(struct message_buffer *experiment, const struct hparam_metric *metric)
{
    Hparams__MetricInfo__Name name = HPARAMS__METRIC_INFO__NAME__INIT;
    Hparams__MetricInfo info = HPARAMS__METRIC_INFO__INIT, *infos[] = {&info};
    Hparams__Experiment part = HPARAMS__EXPERIMENT__INIT;
    name.group = (char *)metric->folder;
    name.tag = (char *)metric->tag;
    info.name = &name;
    part.n_metric_infos = 1;
    part.metric_infos = infos;
    message_buffer_add(experiment, &part.base);
}

static void add_experiment(struct event *event, const struct hparam *hparams, int count, const struct hparam_metric *metrics,
                           int metric_count)
{
    Hparams__PluginData data = HPARAMS__PLUGIN_DATA__INIT;
    Hparams__Experiment part = HPARAMS__EXPERIMENT__INIT;
    struct message_buffer experiment = {.data = NULL};
    part.time_created_secs = seconds_since_1970();
    message_buffer_add(&experiment, &part.base);
    for (int i = 0; i < count; i++)
        hparam_add_column(&experiment, &hparams[i]);
    for (int i = 0; i < metric_count; i++)
        metric_add_column(&experiment, &metrics[i]);
    data.data_case = HPARAMS__PLUGIN_DATA__DATA_EXPERIMENT;
    data.experiment = (ProtobufCBinaryData){.len = experiment.size, .data = experiment.data};
    add_plugin_data(event, "_hparams_/experiment", &data, experiment.no_memory);
    free(experiment.data);
}

/* ---- the session: a row of the table ---- */

static void hparam_add_value(struct message_buffer *session, const struct hparam *hparam)
{
    Hparams__Value value = HPARAMS__VALUE__INIT;
    Hparams__Entry entry = HPARAMS__ENTRY__INIT, *entries[] = {&entry};
    Hparams__SessionStart part = HPARAMS__SESSION_START__INIT;
    char *text = hparam->kind == HPARAM_TEXT ? text_as_utf8(hparam->text, "") : NULL;
    session->no_memory = session->no_memory || (hparam->kind == HPARAM_TEXT && !text);
    if (hparam->kind == HPARAM_NUMBER) {
        value.kind_case = HPARAMS__VALUE__KIND_NUMBER_VALUE;
        value.number_value = hparam->number;
    } else if (hparam->kind == HPARAM_SWITCH) {
        value.kind_case = HPARAMS__VALUE__KIND_BOOL_VALUE;
        value.bool_value = hparam->number != 0;
    } else {
        value.kind_case = HPARAMS__VALUE__KIND_STRING_VALUE;
        value.string_value = text;
    }
    entry.key = (char *)hparam->name;
    entry.value = &value;
    part.n_hparams = 1;
    part.hparams = entries;
    message_buffer_add(session, &part.base);
    free(text);
}

static void add_session(struct event *event, const struct hparam *hparams, int count)
{
    Hparams__PluginData data = HPARAMS__PLUGIN_DATA__INIT;
    Hparams__SessionStart part = HPARAMS__SESSION_START__INIT;
    struct message_buffer session = {.data = NULL};
    part.start_time_secs = seconds_since_1970();
    message_buffer_add(&session, &part.base);
    for (int i = 0; i < count; i++)
        hparam_add_value(&session, &hparams[i]);
    data.data_case = HPARAMS__PLUGIN_DATA__DATA_SESSION_START_INFO;
    data.session_start_info = (ProtobufCBinaryData){.len = session.size, .data = session.data};
    add_plugin_data(event, "_hparams_/session_start_info", &data, session.no_memory);
    free(session.data);
}

void event_add_run(struct event *event, const struct hparam *hparams, int count, const struct hparam_metric *metrics,
                   int metric_count)
{
    add_experiment(event, hparams, count, metrics, metric_count);
    add_session(event, hparams, count);
}

void event_add_run_end(struct event *event, bool succeeded)
{
    Hparams__PluginData data = HPARAMS__PLUGIN_DATA__INIT;
    Hparams__SessionEnd session = HPARAMS__SESSION_END__INIT;
    session.status = succeeded ? HPARAMS__STATUS__STATUS_SUCCESS : HPARAMS__STATUS__STATUS_FAILURE;
    session.end_time_secs = seconds_since_1970();
    data.data_case = HPARAMS__PLUGIN_DATA__DATA_SESSION_END_INFO;
    data.session_end_info = &session;
    add_plugin_data(event, "_hparams_/session_end_info", &data, false);
}
