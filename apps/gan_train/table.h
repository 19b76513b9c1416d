/* Results for people. */
#ifndef GAN_TABLE_H
#define GAN_TABLE_H

#include "compare.h"

/* What was run, where. */
void table_heading(FILE *to, const comparison *c, const run_setup *setup);
/* The comparison in three lines. */
void table_summary(FILE *to, const comparison *c);
/* The comparison, one row a variant. */
void table_compare(FILE *to, const comparison *c, const run_setup *setup);
/* And what does not fit beside it: launches, waits, saved bytes phase by phase. */
void table_wide(FILE *to, const comparison *c);
/* The predicted peaks. */
void table_plan(FILE *to, const comparison *c);
/* How a run ended, in a few words. */
#define TABLE_OUTCOME_ROOM 40
void table_outcome(const result *r, char *text, size_t size);
/* One run. */
void table_single(FILE *to, const result *r, const run_setup *setup);

/* Below the comparison: what its figures mean, and the full text of the errors. */
void table_meaning(FILE *to, const comparison *c);

#endif
