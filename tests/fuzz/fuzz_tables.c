/* Tuning tables, in both shapes, and devices' profiles, with products and a convolution that use them. The first byte:
 * the shape, whether a right hash is put behind the text, whether the table is dropped. */
#include "base/str.h"
#include "fuzz.h"

static clg_context *plan[2];

static void multiply(clg_context *ctx) {
  clg_scope *s = clg_scope_open(ctx);
  clg_matmul(clg_full(ctx, 2, (const int64_t[]){16, 128}, 1), clg_full(ctx, 2, (const int64_t[]){128, 160}, 1));
  clg_conv2d(clg_full(ctx, 4, (const int64_t[]){2, 3, 7, 7}, 1), clg_full(ctx, 4, (const int64_t[]){5, 3, 1, 1}, 1),
             NULL, NULL);
  clg_scope_close(s);
  fuzz_clear(ctx);
}

static const char *file_of(const uint8_t *data, size_t n, bool hashed) {
  if (!hashed) return fuzz_file(data, n);
  clg_str s = {0};
  char *text = fuzz_text(data, n);
  unsigned long long h = clg_hash(CLG_HASH_START, text, strlen(text));
  clg_str_add(&s, text);
  clg_str_addf(&s, "end %016llx\n", h ? h : 1);
  const char *path = fuzz_file(s.data, s.len);
  clg_str_free(&s);
  free(text);
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 1) return 0;
  if (!plan[0]) plan[0] = fuzz_plan(CLG_SHAPE_CPU), plan[1] = fuzz_plan(CLG_SHAPE_GPU);
  const char *path = file_of(data + 1, n - 1, data[0] & 2);
  clg_context *ctx = plan[data[0] & 1], *profiled = NULL;
  if (clg_tuning_load(ctx, path) == CLG_OK) multiply(ctx);
  fuzz_clear(ctx);
  if (data[0] & 4) clg_tuning_clear(ctx);
  char why[256] = "";
  const clg_plan_options o = {.device_file = path, .message = why, .message_size = sizeof why};
  clg_status status = clg_context_create_plan(&profiled, &o);
  FUZZ_REQUIRE(status == CLG_OK || *why, "no reason is given");
  fuzz_check_line(why);
  if (profiled) multiply(profiled);
  clg_context_unref(&profiled);
  return 0;
}
