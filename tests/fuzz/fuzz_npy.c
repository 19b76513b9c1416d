/* Arrays. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static clg_context *ctx;
  if (!ctx) ctx = fuzz_plan(CLG_SHAPE_CPU);
  clg_tensor *t = clg_npy_load(ctx, fuzz_file(data, n));
  FUZZ_REQUIRE((t != NULL) == (clg_last_status(ctx) == CLG_OK), "a tensor or an error");
  clg_tensor_unref(&t);
  fuzz_clear(ctx);
  return 0;
}
