/* The file of a trace: Chrome's trace event format, an object with a list of events, written piece by piece. The
 * context's own error stays what it is. */
#include "base/text.h"
#include "device/trace.h"

/* Written as soon as it is this long. */
#define PIECE ((size_t)64 << 10)

/* What a call raises on the context becomes the trace's. */
typedef struct aside {
  clg_context *ctx;
  clg_error error;
} aside;

static aside put_aside(clg_context *ctx) {
  aside a = {ctx, ctx->error};
  clg_error_clear(&ctx->error);
  return a;
}

static void take_back(const aside *a, clg_trace *t) {
  if (a->ctx->error.status != CLG_OK && t->error.status == CLG_OK) {
    t->error = a->ctx->error;
    clg_log_line(a->ctx, "no trace: %s", t->error.line);
  }
  a->ctx->error = a->error;
}

static void write_piece(clg_trace *t) {
  if (t->error.status == CLG_OK) {
    aside a = put_aside(t->out.ctx);
    if (t->text.failed)
      clg_fail(t->out.ctx, CLG_ERR_HOST_MEMORY, t->out.op, "out of host memory");
    else if (clg_output_write(&t->out, t->text.data, t->text.len) != CLG_OK)
      clg_output_discard(&t->out);
    take_back(&a, t);
  }
  t->text.len = 0;
}

void clg_trace_add_time(clg_str *s, const char *name, uint64_t nanoseconds) {
  clg_str_addf(s, ",\"%s\":%llu.%03u", name, (unsigned long long)(nanoseconds / 1000), (unsigned)(nanoseconds % 1000));
}

clg_str *clg_trace_event_begin(clg_trace *t, const clg_trace_event *e) {
  clg_str *s = &t->text;
  clg_str_addf(s, "%s\n{\"ph\":\"%c\",\"pid\":1,\"tid\":%d", t->any ? "," : "", e->ph, e->row);
  t->any = true;
  clg_trace_add_time(s, "ts", e->time > t->begin ? e->time - t->begin : 0);
  if (e->category) clg_str_addf(s, ",\"cat\":\"%s\"", e->category);
  if (!e->name) return s;
  clg_str_add(s, ",\"name\":");
  clg_str_add_quoted(s, e->name);
  return s;
}

void clg_trace_event_end(clg_trace *t) {
  clg_str_add(&t->text, "}");
  if (t->text.len >= PIECE || t->text.failed) write_piece(t);
}

static void name_row(clg_trace *t, int row, const char *name) {
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'M', row, t->begin, NULL, "thread_name"});
  clg_str_addf(s, ",\"args\":{\"name\":\"%s\"}", name);
  clg_trace_event_end(t);
  s = clg_trace_event_begin(t, &(clg_trace_event){'M', row, t->begin, NULL, "thread_sort_index"});
  clg_str_addf(s, ",\"args\":{\"sort_index\":%d}", row);
  clg_trace_event_end(t);
}

clg_status clg_trace_open(clg_trace *t, clg_context *ctx, const char *path) {
  clg_status status = clg_output_open(&t->out, ctx, "trace", path);
  if (status != CLG_OK) return status;
  clg_str_add(&t->text, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'M', TRACE_PHASES, t->begin, NULL, "process_name"});
  clg_str_add(s, ",\"args\":{\"name\":");
  clg_str_add_quoted(s, ctx->info.name);
  clg_str_add(s, "}");
  clg_trace_event_end(t);
  name_row(t, TRACE_PHASES, "phases");
  name_row(t, TRACE_CALLS, "calls");
  name_row(t, TRACE_DEVICE, "device");
  return CLG_OK;
}

/* The format's place for what a viewer does not show itself. */
static void add_about(clg_trace *t) {
  clg_str *s = &t->text;
  const clg_device_info *d = &t->out.ctx->info;
  clg_str_add(s, "\n],\"otherData\":{\"library\":\"clgrad " CLG_VERSION_STRING "\",\"device\":");
  clg_str_add_quoted(s, d->name);
  clg_str_add(s, ",\"driver\":");
  clg_str_add_quoted(s, d->driver);
  clg_str_addf(s, ",\"launches\":%llu,\"kernels\":%llu", (unsigned long long)t->launches,
               (unsigned long long)t->kernels);
  if (t->syncs) {
    clg_str_add(s, ",\"device_clock\":\"placed between two markers that the host waited for\"");
    clg_str_addf(s, ",\"markers\":%llu", (unsigned long long)t->syncs);
    clg_trace_add_time(s, "clock_error_us", t->clock_error);
  }
  clg_str_add(s, "}}\n");
}

clg_status clg_trace_close(clg_trace *t) {
  add_about(t);
  write_piece(t);
  aside a = put_aside(t->out.ctx);
  if (t->error.status == CLG_OK)
    clg_output_commit(&t->out);
  else
    clg_output_discard(&t->out);
  take_back(&a, t);
  clg_str_free(&t->text);
  return t->error.status;
}
