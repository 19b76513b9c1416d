/* The allocations and releases of one step, and the graphs of its backwards, kept beyond the context that made them. */
#ifndef GAN_RECORD_H
#define GAN_RECORD_H

#include "graphs.h"
#include <clgrad/clgrad.h>
#include <stdbool.h>
#include <stddef.h>

/* One allocation. Texts are the record's. */
typedef struct record_item {
  uint64_t id, bytes;
  clg_role role;                    /* at the peak; elsewhere CLG_ROLE_SAVED if it ever was, else the last */
  const char *op, *layer, *made_in; /* "" when none */
  const char *dtype;
  int ndim; /* -1: of no tensor */
  int64_t shape[CLG_MAX_DIMS];
  size_t begin, end; /* instants: the first and the last at which it is alive */
  bool released;     /* before the step's end; by what: */
  clg_by by;
  const char *by_name, *by_layer, *released_in;
} record_item;

typedef struct record_event {
  clg_memory_kind kind; /* never CLG_MEMORY_HELD */
  uint32_t item;
  clg_role role, was;
  const char *phase;
} record_event;

typedef struct record {
  record_item *items; /* those that the step begins with first; then as they are made */
  size_t n_items, n_held;
  record_event *events; /* [n_events]; event i leads from instant i to instant i + 1 */
  size_t n_events;
  size_t peak; /* the instant, 0 to n_events, of the step's peak */
  uint64_t peak_bytes, peak_by_role[CLG_ROLE_COUNT], first_bytes, last_bytes;
  graphs graphs;
  /* ---- for who fills it ---- */
  size_t items_room, events_room, n_texts, texts_room;
  char **texts;
  uint64_t live, by_role[CLG_ROLE_COUNT];
  bool failed; /* no memory */
} record;

/* From here on events of the context are recorded, in the place of what was; until record_end. */
void record_begin(record *r, clg_context *ctx);
void record_end(record *r, clg_context *ctx);
void record_free(record *r);

/* The phase of what leads to an instant. */
const char *record_phase(const record *r, size_t instant);
/* Bytes alive at each instant: to [n_events + 1][CLG_ROLE_COUNT]. */
void record_by_role(const record *r, uint64_t (*to)[CLG_ROLE_COUNT]);

#endif
