/* Makes and frees what a context keeps of its products. */
#include "product/open.h"
#include "product/clblast.h"
#include "product/table.h"
#include "product/workspace.h"
#include <stdlib.h>

static void product_destroy(clg_context *ctx, void *state) {
  clg_gemm_close(ctx);
  clg_tuning_clear(ctx);
  free(state);
}

/* NULL with the error raised. */
static clg_product_state *make(clg_context *ctx) {
  clg_product_state *s = calloc(1, sizeof *s);
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  ctx->slot[CLG_SLOT_PRODUCT] = (clg_slot){s, NULL, product_destroy};
  return s;
}

/* The profile is asked for at once: no kernel is built for it, and shapes that use no workspace must know so. */
static void learn(clg_context *ctx, clg_product_state *s) {
  if (ctx->shape != CLG_SHAPE_GPU) return;
  s->no_clblast = ctx->info.reproducible || !clg_gemm_fits(ctx);
  if (!s->gemm_known && !s->no_clblast) s->gemm_known = clg_gemm_probe(ctx, &s->gemm);
}

clg_status clg_product_open(clg_context *ctx) {
  clg_product_state *s = make(ctx);
  clg_status status = s ? clg_tuning_load_wanted(ctx) : CLG_ERR_HOST_MEMORY;
  if (status == CLG_OK) learn(ctx, s);
  return status;
}

clg_status clg_product_open_plan(clg_context *ctx, const clg_product_model *model, const clg_context *like) {
  clg_product_state *s = make(ctx);
  if (!s) return CLG_ERR_HOST_MEMORY;
  s->no_clblast = ctx->info.reproducible || model->no_clblast;
  s->gemm = model->gemm;
  s->gemm_known = true;
  return like && !ctx->info.reproducible ? clg_tuning_copy(ctx, like) : clg_tuning_load_wanted(ctx);
}

clg_product_model clg_product_model_default(void) { return (clg_product_model){.gemm = clg_gemm_default}; }

bool clg_product_model_of(clg_context *ctx, clg_product_model *out) {
  clg_gemm_refresh(ctx);
  const clg_product_state *s = clg_product_state_of(ctx);
  *out = clg_product_model_default();
  out->no_clblast = s->no_clblast;
  if (s->gemm_known) out->gemm = s->gemm;
  return s->gemm_known || s->no_clblast || !ctx->queue || clg_gemm_probe(ctx, &out->gemm);
}
