/* Sequences of calls of the API, in a plan of either shape: no crash, errors of one line, nothing left at the end. */
#include "fuzz.h"
#include "program.h"

static void after(void *user, clg_context *ctx, int step) {
  (void)user, (void)step;
  fuzz_clear(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 1) return 0;
  program p = {.bytes = data + 1, .n = n - 1, .hostile = true};
  p.ctx = fuzz_plan(data[0] & 1 ? CLG_SHAPE_GPU : CLG_SHAPE_CPU);
  program_run(&p, after, NULL);
  clg_context *ctx = p.ctx;
  program_end(&p);
  clg_memory_stats m = clg_memory(ctx); /* the context keeps the constant that backward starts from */
  FUZZ_REQUIRE(p.cyclic || (m.live <= sizeof(float) && !m.saved), "%llu bytes are left", (unsigned long long)m.live);
  clg_context_unref(&ctx);
  return 0;
}
