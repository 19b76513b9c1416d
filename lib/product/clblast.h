/* CLBlast's matrix product, for GPU-shaped contexts, with its workspace from our pool. Private to this room. */
#ifndef CLG_PRODUCT_CLBLAST_H
#define CLG_PRODUCT_CLBLAST_H

#include "product/product.h"
#include "product/state.h"

/* Whether the device's work-groups are large enough for CLBlast's kernels, and it answers what CLBlast asks. Else
 * CLBlast fails, and prints, so the device is asked first. */
bool clg_gemm_fits(const clg_context *ctx);
/* Longer sums are as many calls of CLBlast's, each added to the last. */
#define CLG_GEMM_PANEL 4096u
/* Queues one product, without bias and epilogue. k is not 0. Workspace comes from the pool with role workspace and is
 * given back at once. Where a kernel of CLBlast's turns out not to run on the device, nothing has happened but the
 * state's no_clblast: CLG_ERR_STATE, no error is raised, and a kernel of ours has to do it. */
clg_status clg_gemm_clblast(clg_context *ctx, const clg_product *p, const char *op);
/* Asks whether kernels have work-groups as large as CLBlast's, once, and for the context's profile again if CLBlast has
 * been given other parameters since. */
void clg_gemm_refresh(clg_context *ctx);
/* Asks CLBlast how it cuts products on the context's device: arithmetic only, no kernel is built. false: its answers
 * follow no formula that we know. */
bool clg_gemm_probe(clg_context *ctx, clg_gemm_profile *out);
/* Bytes of workspace that the product needs at most at a time: by the profile. */
size_t clg_gemm_workspace(clg_context *ctx, const clg_product *p);
/* Gives CLBlast's programs back when the last context that used it goes. */
void clg_gemm_close(clg_context *ctx);

#endif
