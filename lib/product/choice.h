/* Which kernel a product takes. Private to this room. */
#ifndef CLG_PRODUCT_CHOICE_H
#define CLG_PRODUCT_CHOICE_H

#include "kernel/constants.h"
#include "product/product.h"
#include <clgrad/tuning.h>

/* The operands by strides, so that a transposition is only another number. */
typedef struct clg_operands {
  clg_block *a, *b;
  size_t a_offset, b_offset;
  const uint32_t *a_step, *b_step;
  uint32_t m, n, a_rs, a_ps, b_ps, b_cs, c_rs, c_cs, flags;
} clg_operands;

clg_operands clg_operands_of(const clg_product *p);
/* C^T = B^T A^T: exchanges the operands; twice is as before. */
clg_operands clg_operands_swapped(const clg_operands *o);
/* A column times a transposed matrix reads the matrix by rows if taken as a row times the matrix. */
clg_operands clg_operands_rowwise(const clg_operands *o, bool cpu);

bool clg_product_can(const clg_context *ctx, const clg_product *p, const clg_operands *o, clg_product_kernel kernel);
/* By the context's table, else the fixed choice. `o` are p's, rowwise. */
clg_product_kernel clg_product_choose(const clg_context *ctx, const clg_product *p, const clg_operands *o);

#endif
