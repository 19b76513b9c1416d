/* The parts of the page: what page.html says, and the functions that it names between. */
#ifndef GAN_REPORT_SECTIONS_H
#define GAN_REPORT_SECTIONS_H

#include "../compare.h"
#include "html.h"
#include "timeline.h"

typedef struct report {
  const comparison *c;
  const run_setup *setup;
  char *const *words; /* of the command line, NULL behind the last */
  const char *json;   /* the same results for programs */
  message *why;       /* of a part that failed for another reason than memory */
} report;

typedef struct report_part {
  const char *text;
  size_t n;
  void (*fill)(html *h, const report *r); /* what follows the text; NULL: nothing */
} report_part;

extern const report_part report_parts[];
extern const size_t report_part_count;

void section_title(html *h, const report *r);
void section_verdict(html *h, const report *r);
void section_about(html *h, const report *r);
void section_shards(html *h, const report *r);
void section_variants(html *h, const report *r);
void section_timeline(html *h, const report *r);
void section_timeline_data(html *h, const report *r);
void section_difference(html *h, const report *r);
void section_batches(html *h, const report *r);
void section_graphs(html *h, const report *r);
void section_ranks(html *h, const report *r);
void section_times(html *h, const report *r);
void section_losses(html *h, const report *r);
void section_samples(html *h, const report *r);
void section_raw(html *h, const report *r);

/* ---- what several of them say ---- */

/* Where a field of a result is in the JSON. */
#define POINTER_ROOM 96
void report_pointer(char to[POINTER_ROOM], const report *r, const result *of, const char *field);
/* A figure of one result, in MiB. `field` is its name in the JSON. */
void report_mib(html *h, const report *r, const result *of, const char *field, uint64_t bytes);
/* Why a variant has none of them; nothing when there is no error. */
void report_reason(html *h, const result *of, const char *what, const char *error);
/* Of the timelines of all variants. */
timeline_scale steps_scale(const report *r);
/* The peak of live bytes: measured, or predicted in a plan; `field` gets its name. */
uint64_t report_peak(const report *r, const result *of, const char **field);

#endif
