/* What tests of single ops share: numbers by chance, results read, refusals. `ctx` is the test's context. */
#ifndef CLG_TESTS_OP_CHECK_H
#define CLG_TESTS_OP_CHECK_H

#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

static uint32_t random_state;
static inline void fill_random(float *v, int n, float low, float high) {
  for (int i = 0; i < n; i++) {
    random_state = random_state * 1664525u + 1013904223u;
    v[i] = low + (high - low) * (float)(random_state >> 8) / 16777216.0f;
  }
}

static inline void read_all(clg_tensor *t, float *out) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, out), CLG_OK);
}

static inline void refused(clg_tensor *t, clg_status status, const char *word) {
  ck_assert_ptr_null(t);
  ck_assert_msg(clg_last_status(ctx) == status && strstr(clg_last_error(ctx), word), "\"%s\" (%s) lacks \"%s\"",
                clg_last_error(ctx), clg_status_name(clg_last_status(ctx)), word);
  clg_clear_error(ctx);
}

#endif
