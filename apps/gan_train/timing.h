/* Times of a variant's steps beside detach's, and whether they differ. */
#ifndef GAN_TIMING_H
#define GAN_TIMING_H

#include <stddef.h>

#define TIMING_BLOCKS 20
/* Steps of a block: long enough to fill caches anew, short enough that both meet the same weather. */
#define TIMING_BLOCK_STEPS 5
/* A difference is one when chance makes one as large less often than that. */
#define TIMING_P 0.01

typedef struct spread {
  double median, min, p90;
  double low, high; /* of the middle half */
} spread;

typedef enum verdict {
  VERDICT_NONE, /* not timed beside detach */
  VERDICT_FEW,  /* too few blocks to tell */
  VERDICT_SAME, /* no measurable difference */
  VERDICT_FASTER,
  VERDICT_SLOWER
} verdict;

typedef struct timing {
  int blocks, block_steps;
  double ms[TIMING_BLOCKS];     /* a step's, the median of each block */
  double beside[TIMING_BLOCKS]; /* detach's in the same rounds */
  double ratio;                 /* median of ms/beside */
  double p;                     /* of the signed-rank test; 1 when there is nothing to test */
  verdict verdict;
  char error[256]; /* why there are no blocks; "": none was wanted */
} timing;

/* Of n values, which it sorts; all 0 of none. */
spread spread_of(double *values, size_t n);

/* Wilcoxon's signed-rank test of pairs (a_i, b_i), n <= TIMING_BLOCKS: how likely differences as one-sided as these are
 * if neither is the larger one. Two-sided and exact; pairs without a difference are left out, ties share their ranks.
 */
double signed_rank_p(const double *a, const double *b, size_t n);

/* Fills the last fields from ms and beside. A difference counts that the test finds and that is larger than `floor`, a
 * ratio: detach's beside itself. */
void timing_judge(timing *t, double floor);
/* "no measurable difference" and so on, for JSON and people. */
const char *verdict_name(verdict v);

#endif
