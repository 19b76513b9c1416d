/* Files of states: every tensor, a module's, two optimizers' and the random stream's. The first byte says whether the
 * length of the header is put right. */
#include "fuzz.h"

static clg_context *ctx;
static clg_module *net;
static clg_optim *adam, *sgd;

static void open_all(void) {
  clg_optim_options o = clg_optim_defaults(CLG_SGD);
  o.momentum = 0.9;
  ctx = fuzz_plan(CLG_SHAPE_CPU);
  net = clg_sequential_create(
      ctx, (clg_module *[]){clg_linear_create(ctx, 2, 3, true, NULL), clg_batch_norm_create(ctx, 3, NULL)}, 2);
  sgd = clg_optim_create_for(net, &o);
  o = clg_optim_defaults(CLG_ADAM);
  adam = clg_optim_create_for(net, &o);
}

/* To where the last "}}" ends. */
static void put_length_right(uint8_t *file, size_t n) {
  size_t end = n;
  for (size_t i = 8; i + 1 < n; i++)
    if (file[i] == '}' && file[i + 1] == '}') end = i + 2;
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)(end - 8) >> 8 * i);
}

static void load_all(clg_loader *l) {
  for (size_t i = 0; i < clg_loader_count(l); i++) {
    clg_tensor *t = clg_loader_load_tensor(l, clg_loader_name(l, i));
    clg_tensor_unref(&t);
    fuzz_clear(ctx);
  }
  clg_loader_load_module(l, "m.", net), fuzz_clear(ctx);
  clg_loader_load_module(l, "", net), fuzz_clear(ctx);
  clg_loader_load_optim(l, "o.", adam), fuzz_clear(ctx);
  clg_loader_load_optim(l, "o.", sgd), fuzz_clear(ctx);
  clg_loader_load_random(l, "r."), fuzz_clear(ctx);
  clg_loader_metadata(l, "step");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 1) return 0;
  if (!ctx) open_all();
  uint8_t *file = (uint8_t *)fuzz_text(data + 1, n - 1);
  if (data[0] & 1 && n > 9) put_length_right(file, n - 1);
  clg_loader *l = clg_loader_open(ctx, fuzz_file(file, n - 1));
  FUZZ_REQUIRE((l != NULL) == (clg_last_status(ctx) == CLG_OK), "a loader or an error");
  fuzz_clear(ctx);
  if (l) load_all(l);
  clg_loader_unref(&l);
  free(file);
  return 0;
}
