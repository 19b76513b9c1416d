/* What a context keeps of its products: slot PRODUCT, made when the context is opened. */
#ifndef CLG_PRODUCT_STATE_H
#define CLG_PRODUCT_STATE_H

#include "base/context.h"

/* How CLBlast cuts a product, which decides its workspace: tile sizes, the kernel's layout, and the size below which it
 * uses no workspace at all. Asked of the driver once a context, or read from a file for a plan. */
typedef struct clg_gemm_profile {
  uint32_t mwg, nwg, kwg, kernel_id, min_indirect;
} clg_gemm_profile;

typedef struct clg_product_state {
  bool no_clblast;      /* its kernels do not fit the device, or are not wanted */
  bool gemm_known;      /* `gemm` holds; else CLBlast is asked at every product */
  bool groups_asked;    /* whether kernels have work-groups as large as CLBlast's */
  bool uses_clblast;    /* counted among the process's contexts that do */
  bool clblast_counted; /* its kernels, as one of the programs */
  uint32_t generation;  /* of CLBlast's parameters when `gemm` was asked for */
  clg_gemm_profile gemm;
  struct clg_tuning *tuning; /* measured choices of kernels: table.h; NULL: the fixed ones */
} clg_product_state;

static inline clg_product_state *clg_product_state_of(const clg_context *ctx) {
  return ctx->slot[CLG_SLOT_PRODUCT].state;
}

#endif
