/* Users' formulas with users' names on a plan, and their gradients. Bytes: how many inputs, which are tensors, how it
 * is run; then the formula and the names, each ended by NUL. With FUZZ_ON_DEVICE on a device: what is a formula must
 * compile there. */
#include "fuzz.h"

enum { MOST = 24, HEAD = 4 };
static clg_context *ctx;

#ifdef FUZZ_ON_DEVICE
static clg_context *open_context(void) { return fuzz_device(); }
#else
static clg_context *open_context(void) { return fuzz_plan(CLG_SHAPE_CPU); }
#endif

static void clear_error(const char *text) {
  clg_status s = clg_last_status(ctx);
  FUZZ_REQUIRE(s != CLG_ERR_BUILD && s != CLG_ERR_DEVICE && s != CLG_ERR_LOST, "%s: %s", text, clg_last_error(ctx));
  fuzz_clear(ctx);
}

static int fill_inputs(clg_map_input *in, const uint8_t *head, const char *at, const char *end) {
  const int n = head[0] % MOST;
  const unsigned tensors = head[1] | (unsigned)head[2] << 8;
  for (int i = 0; i < n; i++) {
    const int64_t shape[] = {2, 3, 1 + i % 3, 2};
    in[i].name = at < end ? at : i % 2 ? NULL : "x";
    if (at < end) at += strlen(at) + 1;
    in[i].value = (float)i - 3;
    if (tensors >> i % 16 & 1) in[i].tensor = clg_full(ctx, 1 + i % 3, shape + i % 2, 1);
    if (head[3] & 1) clg_tensor_set_requires_grad(in[i].tensor, true);
  }
  return n;
}

static void run(const uint8_t *head, const char *text, const char *end) {
  clg_map_input in[MOST] = {{NULL, NULL, 0}};
  const int n = fill_inputs(in, head, text + strlen(text) + 1, end);
  const clg_backward_options options = {.create_graph = head[3] & 4, .retain_graph = head[3] & 8};
  if (head[3] & 2) clg_map_(clg_full(ctx, 2, (const int64_t[]){2, 3}, 1), text, in, (size_t)n);
  clear_error(text);
  clg_tensor *y = clg_map(ctx, text, in, (size_t)n);
  clear_error(text);
  clg_tensor *sum = y ? clg_sum(y, NULL, 0, false) : NULL;
  for (int i = 0; sum && i < 2; i++) {
    clg_backward(sum, i ? NULL : &options);
    clear_error(text);
  }
  for (int i = 0; i < n; i++) clg_tensor_zero_grad(in[i].tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static int runs;
  if (n < HEAD) return 0;
  if (++runs % 2000 == 0) clg_context_unref(&ctx); /* it keeps every formula */
  if (!ctx) ctx = open_context();
  char *text = fuzz_text(data + HEAD, n - HEAD);
  clg_scope *s = clg_scope_open(ctx);
  run(data, text, text + n - HEAD);
  clg_scope_close(s);
  clg_finish(ctx);
  clear_error(text);
  free(text);
  FUZZ_REQUIRE(clg_memory(ctx).live <= sizeof(float), "%llu bytes are left", (unsigned long long)clg_memory(ctx).live);
  return 0;
}
