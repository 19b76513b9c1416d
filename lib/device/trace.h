/* A trace's state: the file that is written, the clocks, and what is open. Private to this room. */
#ifndef CLG_DEVICE_TRACE_H
#define CLG_DEVICE_TRACE_H

#include "base/output.h"
#include "device/queue.h"
#include <clgrad/trace.h>

/* The rows of the viewer. */
enum { TRACE_PHASES = 1, TRACE_CALLS, TRACE_DEVICE };

/* A moment that both clocks know, and by how much the host's may be off. Nanoseconds. */
typedef struct clg_sync {
  uint64_t host, device, error;
} clg_sync;

struct clg_trace {
  clg_output out;
  clg_error error; /* of writing, or of a wait; the file is given up */
  clg_str text;    /* not written yet */
  bool any;        /* an event was written */
  uint64_t begin;  /* of the host's clock */
  uint64_t calls;  /* that are open */
  bool in_phase;
  uint64_t launches, kernels; /* launched since the start; in the file */
  uint64_t device_end;        /* of the last kernel in the file */
  clg_sync sync;              /* the last one */
  uint64_t syncs, clock_error;
};

/* trace_file.c. Times are the host's. */
clg_status clg_trace_open(clg_trace *t, clg_context *ctx, const char *path);
/* Ends the file: in its place, or with an error gone. */
clg_status clg_trace_close(clg_trace *t);
typedef struct clg_trace_event {
  char ph; /* what it is, as the format has it */
  int row;
  uint64_t time;
  const char *category, *name; /* NULL: none */
} clg_trace_event;
/* An event up to its closing brace, for more members; then the brace. */
clg_str *clg_trace_event_begin(clg_trace *t, const clg_trace_event *e);
void clg_trace_event_end(clg_trace *t);
/* Adds ,"name":microseconds */
void clg_trace_add_time(clg_str *s, const char *name, uint64_t nanoseconds);

/* trace_clock.c */
uint64_t clg_trace_now(void);
/* A marker that is waited for; the best of so many tries. False: there is none, and no times of the device then. */
bool clg_trace_sync(clg_context *ctx, int tries, clg_sync *to);
/* The host's time of a moment of the device's, by the two markers around it. */
uint64_t clg_trace_place(const clg_sync *a, const clg_sync *b, uint64_t device);

#endif
