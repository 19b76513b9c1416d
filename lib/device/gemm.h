/* CLBlast's matrix product, for GPU-shaped contexts, with its workspace from our pool. */
#ifndef CLG_DEVICE_GEMM_H
#define CLG_DEVICE_GEMM_H

#include "device/pool.h"

/* How CLBlast cuts a product, which decides its workspace: tile sizes, the kernel's layout, and the size below which it
 * uses no workspace at all. Asked of the driver once a context, or read from a file for a plan. */
typedef struct clg_gemm_profile {
  uint32_t mwg, nwg, kwg, kernel_id, min_indirect;
} clg_gemm_profile;

/* C[M,N] = A B + beta C, row-major; A is [M,K] (or [K,M] with ta), B [K,N] (or [N,K] with tb); offsets and leading
 * dimensions in elements. */
typedef struct clg_gemm_call {
  bool ta, tb;
  uint32_t m, n, k;
  clg_block *a, *b, *c;
  size_t a_offset, b_offset, c_offset;
  uint32_t a_ld, b_ld, c_ld;
  float beta;
} clg_gemm_call;

/* Whether the device's work-groups are large enough for CLBlast's kernels, and it answers what CLBlast asks. Else
 * CLBlast fails, and prints, so the device is asked first. */
bool clg_gemm_fits(const clg_context *ctx);
/* Longer sums are as many calls of CLBlast's, each added to the last. */
#define CLG_GEMM_PANEL 4096u
/* Queues the product. k is not 0. Workspace comes from the pool with role workspace and is given back at once. Where a
 * kernel of CLBlast's turns out not to run on the device, nothing has happened but ctx->no_clblast: CLG_ERR_STATE, no
 * error is raised, and a kernel of ours has to do it. */
clg_status clg_gemm_clblast(clg_context *ctx, const clg_gemm_call *call, const char *op);
/* Asks whether kernels have work-groups as large as CLBlast's, once, and for the context's profile again if CLBlast has
 * been given other parameters since. */
void clg_gemm_refresh(clg_context *ctx);
/* Bytes of workspace that the call needs at most at a time: by the profile. */
size_t clg_gemm_workspace(clg_context *ctx, const clg_gemm_call *call);

#endif
