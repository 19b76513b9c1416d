/* What one run of a variant gave. */
#ifndef GAN_RESULT_H
#define GAN_RESULT_H

#include "record.h"
#include "timing.h"
#include "variant.h"
#include <clgrad/clgrad.h>

#define RESULT_PHASES 16

typedef struct result_phase {
  char name[32];
  uint64_t live, saved, peak_live;
} result_phase;

typedef struct result_time {
  char name[32];
  double device_ms, launches, waits; /* a step's */
} result_time;

/* What a rank took, a step's where it is not said otherwise. */
typedef struct result_rank {
  uint64_t peak_live, peak_reserved, predicted_live, predicted_reserved; /* of the training */
  double gradient_bytes, other_bytes;                                    /* sent */
  double ms, exposed_ms; /* of sums over the ranks; of these, while the device had nothing to do */
  double step_ms;        /* median */
  uint64_t weights;      /* a hash, at the end */
} result_rank;

typedef struct result {
  variant v;
  bool failed;    /* the run ended with `error` */
  bool nonfinite; /* because losses or weights were no numbers any more */
  bool interrupted;
  bool recovered; /* after which the same context trained on */
  clg_status status;
  char error[1024];
  int64_t steps_done;
  float *losses; /* [steps_done, 3]: D real, D fake, G */
  spread
      step_ms; /* of the timing rounds, else from step to step, without the first of several, which compiles kernels */
  timing timing;          /* of a comparison, in rounds beside detach */
  double launches, waits; /* a step */
  double g_gradient;      /* length of G's gradient in the first step: all variants have the same weights then */
  clg_memory_stats memory;
  result_phase phases[RESULT_PHASES];
  size_t n_phases;
  result_time times[RESULT_PHASES]; /* by the device's clock, from a run of their own; for a report */
  size_t n_times;
  char times_error[256]; /* why there are none; "": none were wanted */
  uint64_t predicted_live, predicted_reserved;
  record *record; /* of the plan's last step, when one is wanted; what a device does is the same */
  clg_device_info device;
  uint64_t programs; /* compiled or loaded; as planned, before the run */
  uint64_t tuning;   /* hash of the table in use, or 0 */
  float *weights;    /* [n_weights], the generator's first; NULL after an error */
  size_t n_weights;
  result_rank *ranks; /* [n_ranks]; NULL: one process */
  int n_ranks;
  float *samples; /* [n_samples, features], or NULL */
  size_t n_samples;
  /* Against the reference, when there is one, both ran to the end, and both are the same algorithm. */
  bool compared, bit_identical;
  double max_abs_diff;
  double *apart; /* [n_apart] the largest difference behind each of the first steps; for a report */
  int64_t n_apart;
  char apart_error[256]; /* why there are none; "": none were wanted */
} result;

void result_free(result *r);
/* Bytes of all ranks together, and their mean times; the rest is 0. */
result_rank result_of_ranks(const result *r);
/* Numbers that are none make r a failed run; `what` they are, and the step after which. Whether they are all finite. */
bool result_check(result *r, const char *what, const float *values, size_t n, int64_t step);
/* The largest of |a_i - b_i|; NaN where one is. */
double largest_difference(const float *a, const float *b, size_t n);
/* Fills the last fields of r. */
void result_compare(result *r, const result *reference);
/* An error in a few words, for a table. */
const char *result_short_error(const result *r);

#endif
