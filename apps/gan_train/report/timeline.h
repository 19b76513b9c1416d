/* Bytes over the instants of a step, as SVG: what the timelines and the differences share. */
#ifndef GAN_REPORT_TIMELINE_H
#define GAN_REPORT_TIMELINE_H

#include "../record.h"
#include "html.h"

/* Of all pictures that are compared. */
#define TIMELINE_PHASES 16
typedef struct timeline_scale {
  uint64_t bytes;                      /* the axis ends there */
  size_t instants;                     /* and there */
  const char *phases[TIMELINE_PHASES]; /* the records': in the order first seen, and so they are numbered */
  size_t n_phases;
} timeline_scale;

/* Stacks [n][parts] bytes, the first part at the bottom; part k has the class "role-ROLE[k]". */
typedef struct timeline_stack {
  const uint64_t *bytes;
  size_t n, parts;
  const clg_role *roles;
} timeline_stack;

/* Roles from the bottom up. */
extern const clg_role timeline_order[CLG_ROLE_COUNT];

/* Opens the svg element: axes, areas, phases. `alt` is what it shows. timeline_end closes it. */
void timeline_begin(html *h, const record *of, const timeline_stack *stack, timeline_scale scale, const char *alt);
/* Marks an instant with that many bytes. */
void timeline_mark(html *h, timeline_scale scale, size_t instant, uint64_t bytes);
void timeline_end(html *h);

/* Makes the axes long enough for a record, and numbers its phases. */
void timeline_extend(timeline_scale *scale, const record *of);
/* Lists of the roles and of the phases. */
void timeline_legend(html *h, timeline_scale scale);

#endif
