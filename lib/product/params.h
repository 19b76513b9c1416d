/* Parameters for CLBlast's kernels: their names, what must hold between them, and how they cut a product. Arithmetic
 * only. Private to this room. */
#ifndef CLG_PRODUCT_PARAMS_H
#define CLG_PRODUCT_PARAMS_H

#include "base/str.h"
#include "product/state.h"
#include <clgrad/tuning.h>

typedef struct clg_gemm_params {
  bool has[CLG_CLBLAST_KERNELS];
  uint32_t value[CLG_CLBLAST_KERNELS][CLG_CLBLAST_PARAMETERS]; /* 0 where there is none */
} clg_gemm_params;

/* What a kernel asks of a work-group. */
typedef struct clg_gemm_needs {
  uint32_t items;
  uint64_t local_bytes;
} clg_gemm_needs;

/* Whether a kernel may have the values; else `why` says what is wrong, in part of a line. */
bool clg_gemm_params_check(clg_clblast_kernel kernel, const uint32_t *values, char *why, size_t size);
clg_gemm_needs clg_gemm_params_needs(clg_clblast_kernel kernel, const uint32_t *values);
/* Puts in the profile what the parameters say of it. */
void clg_gemm_params_profile(const clg_gemm_params *p, clg_gemm_profile *profile);
bool clg_gemm_params_same(const clg_gemm_params *a, const clg_gemm_params *b, int kernel);

/* "clblast Xgemm GEMMK 0 KREG 1 ...": a line for each kernel that has parameters; and such a line's rest, behind
 * "clblast ", read back. */
void clg_gemm_params_print(const clg_gemm_params *p, clg_str *to);
bool clg_gemm_params_read(const char *line, clg_gemm_params *p, char *why, size_t size);

#endif
