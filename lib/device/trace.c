/* A trace: what the context tells of, as events. Owns the trace of a context. */
#include "device/trace.h"
#include "base/text.h"
#include "device/profile.h"
#include <stdlib.h>

/* ---- the host: phases one after the other, calls within each other ---- */

static void begin(clg_context *ctx, const char *category, const char *name) {
  clg_trace *t = ctx->trace;
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'B', TRACE_CALLS, clg_trace_now(), category, name});
  if (*clg_layer(ctx)) {
    clg_str_add(s, ",\"args\":{\"layer\":");
    clg_str_add_quoted(s, clg_layer(ctx));
    clg_str_add(s, "}");
  }
  clg_trace_event_end(t);
  t->calls++;
}

/* Calls that had begun before the trace did end in it. */
static void end(clg_context *ctx) {
  clg_trace *t = ctx->trace;
  if (!t->calls) return;
  t->calls--;
  clg_trace_event_begin(t, &(clg_trace_event){.ph = 'E', .row = TRACE_CALLS, .time = clg_trace_now()});
  clg_trace_event_end(t);
}

static void end_phase(clg_trace *t, uint64_t now) {
  if (!t->in_phase) return;
  t->in_phase = false;
  clg_trace_event_begin(t, &(clg_trace_event){.ph = 'E', .row = TRACE_PHASES, .time = now});
  clg_trace_event_end(t);
}

static void phase(clg_context *ctx) {
  clg_trace *t = ctx->trace;
  uint64_t now = clg_trace_now();
  end_phase(t, now);
  if (!*clg_phase(ctx)) return;
  t->in_phase = true;
  clg_trace_event_begin(t, &(clg_trace_event){'B', TRACE_PHASES, now, "phase", clg_phase(ctx)});
  clg_trace_event_end(t);
}

static void memory(clg_context *ctx) {
  clg_trace *t = ctx->trace;
  clg_memory_stats live = clg_memory(ctx);
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'C', TRACE_CALLS, clg_trace_now(), NULL, "memory"});
  for (int i = 0; i < CLG_ROLE_COUNT; i++)
    clg_str_addf(s, "%s\"%s\":%llu", i ? "," : ",\"args\":{", clg_role_name((clg_role)i),
                 (unsigned long long)live.live_by_role[i]);
  clg_str_add(s, "}");
  clg_trace_event_end(t);
}

/* ---- the device ---- */

/* An arrow leads from the call to the kernel. */
static uint64_t launch(clg_context *ctx) {
  clg_trace *t = ctx->trace;
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'s', TRACE_CALLS, clg_trace_now(), "launch", "launch"});
  clg_str_addf(s, ",\"id\":%llu", (unsigned long long)++t->launches);
  clg_trace_event_end(t);
  return t->launches;
}

typedef struct moments {
  uint64_t queued, submitted, begun, ended;
} moments;

/* What a driver does not say, or says in another order, is the next that it does say. */
static moments moments_of(const clg_timed *l) {
  cl_event first = l->from ? l->from : l->event;
  cl_profiling_info begins = l->from ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START;
  moments m = {clg_event_moment(first, CL_PROFILING_COMMAND_QUEUED),
               clg_event_moment(first, CL_PROFILING_COMMAND_SUBMIT), clg_event_moment(first, begins),
               clg_event_moment(l->event, CL_PROFILING_COMMAND_END)};
  if (!m.begun || m.begun > m.ended) m.begun = m.ended;
  if (!m.submitted || m.submitted > m.begun) m.submitted = m.begun;
  if (!m.queued || m.queued > m.submitted) m.queued = m.submitted;
  return m;
}

static void wait_of(clg_trace *t, uint64_t id, const char *name, uint64_t from, uint64_t to) {
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'b', TRACE_DEVICE, from, "queue", name});
  clg_str_addf(s, ",\"id\":%llu", (unsigned long long)id);
  clg_trace_event_end(t);
  s = clg_trace_event_begin(t, &(clg_trace_event){'e', TRACE_DEVICE, to, "queue", name});
  clg_str_addf(s, ",\"id\":%llu", (unsigned long long)id);
  clg_trace_event_end(t);
}

/* One runs after the other, so that their times do not overlap once they are placed. */
static void kernel(clg_trace *t, const clg_timed *l, moments m) {
  if (m.begun < t->device_end) m.begun = t->device_end;
  if (m.ended < m.begun) m.ended = m.begun;
  t->device_end = m.ended;
  t->kernels++;
  const clg_kernel_time *k = &l->time->row;
  clg_str *s = clg_trace_event_begin(t, &(clg_trace_event){'X', TRACE_DEVICE, m.begun, "kernel", k->kernel});
  clg_trace_add_time(s, "dur", m.ended - m.begun);
  clg_str_add(s, ",\"args\":{\"phase\":");
  clg_str_add_quoted(s, k->phase);
  clg_str_add(s, ",\"file\":");
  clg_str_add_quoted(s, k->file);
  clg_trace_add_time(s, "queued", m.queued > t->begin ? m.queued - t->begin : 0);
  clg_trace_add_time(s, "submitted", m.submitted > t->begin ? m.submitted - t->begin : 0);
  clg_str_add(s, "}");
  clg_trace_event_end(t);
  if (!l->number) return; /* before the trace began */
  s = clg_trace_event_begin(t, &(clg_trace_event){'f', TRACE_DEVICE, m.begun, "launch", "launch"});
  clg_str_addf(s, ",\"bp\":\"e\",\"id\":%llu", (unsigned long long)l->number);
  clg_trace_event_end(t);
  wait_of(t, l->number, "queued", m.queued, m.submitted);
  wait_of(t, l->number, "submitted", m.submitted, m.begun);
}

static void timed(clg_context *ctx, const clg_timed *list, size_t n) {
  clg_trace *t = ctx->trace;
  clg_sync now;
  if (!n || !clg_trace_sync(ctx, 2, &now)) return;
  const clg_sync before = t->syncs ? t->sync : now;
  t->sync = now;
  t->syncs++;
  if (now.error > t->clock_error) t->clock_error = now.error;
  for (size_t i = 0; i < n; i++) {
    moments m = moments_of(&list[i]);
    if (!m.ended) continue;
    kernel(t, &list[i],
           (moments){clg_trace_place(&before, &now, m.queued), clg_trace_place(&before, &now, m.submitted),
                     clg_trace_place(&before, &now, m.begun), clg_trace_place(&before, &now, m.ended)});
  }
}

/* ---- its life ---- */

static const clg_tracer tracer = {
    .begin = begin, .end = end, .phase = phase, .memory = memory, .launch = launch, .timed = timed};

bool clg_tracing(const clg_context *ctx) { return ctx && ctx->trace; }

clg_status clg_trace_start(clg_context *ctx, const char *path) {
  static const char op[] = "trace_start";
  if (!ctx) return clg_null(NULL, op);
  if (clg_within_idle(ctx, op)) return CLG_ERR_STATE;
  if (ctx->trace) return clg_fail(ctx, CLG_ERR_STATE, op, "a trace is being written: stop it first");
  clg_status s = ctx->queue ? clg_finish(ctx) : CLG_OK;
  if (s != CLG_OK) return s;
  clg_trace *t = calloc(1, sizeof *t);
  if (!t) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  t->begin = clg_trace_now();
  s = clg_trace_open(t, ctx, path);
  if (s != CLG_OK) {
    free(t);
    return s;
  }
  t->syncs = clg_trace_sync(ctx, 5, &t->sync);
  t->clock_error = t->syncs ? t->sync.error : 0;
  ctx->trace = t;
  ctx->tracer = &tracer;
  phase(ctx);
  memory(ctx);
  return CLG_OK;
}

clg_status clg_trace_stop(clg_context *ctx) {
  if (!ctx) return clg_null(NULL, "trace_stop");
  clg_trace *t = ctx->trace;
  if (!t) return CLG_OK;
  if (clg_within_idle(ctx, "trace_stop")) return CLG_ERR_STATE;
  if (ctx->queue && !ctx->lost) clg_finish(ctx);
  while (t->calls) end(ctx);
  end_phase(t, clg_trace_now());
  ctx->trace = NULL;
  ctx->tracer = NULL;
  clg_status s = clg_trace_close(t);
  if (s != CLG_OK) clg_fail(ctx, s, NULL, "%s", t->error.line);
  free(t);
  return s;
}
