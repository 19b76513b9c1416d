/* One context, `ctx`, for all cases of a suite that share kernels, so that each is built once. After every case nothing
 * is left in it; one that fails may leave things behind, so the next has a new context. */
#ifndef CLG_TESTS_SHARED_CONTEXT_H
#define CLG_TESTS_SHARED_CONTEXT_H

#include "context.h"

static clg_context *ctx;
static bool ctx_in_use;

static inline void shared_context_begin(void) {
  if (ctx_in_use) clg_context_unref(&ctx);
  if (!ctx) ctx = test_context_open();
  ctx_in_use = true;
}
static inline void shared_context_end(void) {
  test_context_is_clean(ctx);
  ctx_in_use = false;
}
static inline void shared_context_unref(void) {
  clg_context_unref(&ctx);
  ctx_in_use = false;
}

/* Opens it for each case of the suite, and leaves it behind them all. */
static inline void share_context(TCase *c) {
  tcase_add_unchecked_fixture(c, NULL, shared_context_unref);
  tcase_add_checked_fixture(c, shared_context_begin, shared_context_end);
}

#endif
