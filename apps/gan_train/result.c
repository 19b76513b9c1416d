/* Results of runs. */
#include "result.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void result_free(result *r) {
  free(r->losses);
  free(r->weights);
  free(r->samples);
  free(r->ranks);
  free(r->apart);
  record_free(r->record);
  r->losses = r->weights = r->samples = NULL;
  r->apart = NULL;
  r->record = NULL;
  r->ranks = NULL;
}

result_rank result_of_ranks(const result *r) {
  result_rank all = {0};
  for (int i = 0; i < r->n_ranks; i++) {
    const result_rank *k = &r->ranks[i];
    all.gradient_bytes += k->gradient_bytes, all.other_bytes += k->other_bytes;
    all.ms += k->ms / r->n_ranks, all.exposed_ms += k->exposed_ms / r->n_ranks;
  }
  return all;
}

bool result_check(result *r, const char *what, const float *values, size_t n, int64_t step) {
  for (size_t i = 0; i < n; i++) {
    if (isfinite(values[i])) continue;
    r->failed = r->nonfinite = true;
    r->status = CLG_ERR_STATE;
    snprintf(r->error, sizeof r->error, "%s of step %" PRId64 " are no finite numbers (%g): what is saved is of before",
             what, step, (double)values[i]);
    return false;
  }
  return true;
}

double largest_difference(const float *a, const float *b, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n && !isnan(largest); i++) {
    double diff = fabs((double)a[i] - (double)b[i]);
    if (!(diff <= largest)) largest = diff; /* NaN shows */
  }
  return largest;
}

void result_compare(result *r, const result *reference) {
  if (variant_other_algorithm(r->v) || !r->weights || !reference->weights || r->n_weights != reference->n_weights)
    return;
  r->compared = true;
  r->bit_identical = !memcmp(r->weights, reference->weights, r->n_weights * sizeof *r->weights);
  r->max_abs_diff = r->bit_identical ? 0 : largest_difference(r->weights, reference->weights, r->n_weights);
}

const char *result_short_error(const result *r) {
  if (r->nonfinite) return "NaN or infinity";
  if (r->status == CLG_ERR_MEMORY) return "out of memory";
  if (r->status != CLG_ERR_GRAPH) return clg_status_name(r->status);
  if (strstr(r->error, "second time")) return "second backward";
  if (strstr(r->error, "in place")) return "changed in place";
  return clg_status_name(r->status);
}
