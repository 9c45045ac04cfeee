/* What TensorBoard's plugin "hparams" reads. */
#include "event.h"

void event_add_run(struct event *event, const struct hparam *hparams, int count, const char *const *metrics, int metric_count)
{
    (void)event, (void)hparams, (void)count, (void)metrics, (void)metric_count;
}

void event_add_run_end(struct event *event, bool succeeded)
{
    (void)event, (void)succeeded;
}
