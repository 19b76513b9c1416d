/* How CLBlast cuts a product, by its profile. Arithmetic only. Private to this room. */
#ifndef CLG_PRODUCT_WORKSPACE_H
#define CLG_PRODUCT_WORKSPACE_H

#include "product/product.h"
#include "product/state.h"

typedef struct clg_gemm_cut {
  size_t bytes;     /* of workspace */
  unsigned kernels; /* that CLBlast enqueues */
  bool columns;     /* called as the transposed product on column-major memory */
} clg_gemm_cut;

clg_gemm_cut clg_gemm_cut_of(const clg_gemm_profile *p, const clg_product *c, bool columns);
/* The layout that needs less workspace. */
clg_gemm_cut clg_gemm_cut_best(const clg_gemm_profile *p, const clg_product *c);

/* CLBlast's defaults, as for devices that it was not tuned on; min_indirect is version 1.5.3's. */
extern const clg_gemm_profile clg_gemm_default;

#endif
