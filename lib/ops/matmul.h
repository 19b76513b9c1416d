/* Matrices as the product kernels read them: what matrix products and linear layers share. */
#ifndef CLG_OPS_MATMUL_H
#define CLG_OPS_MATMUL_H

#include "ops/dims.h"
#include "product/product.h"

/* [rows,cols] in rows of a leading dimension, perhaps stored transposed. */
typedef struct clg_matrix {
  clg_tensor *t; /* a reference: clg_matrix_drop */
  int64_t rows, cols;
  bool transposed;
  uint32_t ld;
} clg_matrix;

/* The last two dimensions of t [..,rows,cols] as they lie, if one of their strides is 1; else of a packed copy. False
 * with the error set. */
bool clg_matrix_of(clg_matrix *m, clg_tensor *t, const char *op);
/* t [..,cols] as [rows,cols], packed. */
bool clg_matrix_of_rows(clg_matrix *m, clg_tensor *t, const char *op);
void clg_matrix_drop(clg_matrix *m, int count);
static inline clg_matrix clg_transposed(clg_matrix m) { return (clg_matrix){m.t, m.cols, m.rows, !m.transposed, m.ld}; }

/* p: c = a b; c is contiguous, its last dimension the columns. References stay where they are. */
void clg_product_set(clg_product *p, const clg_tensor *c, const clg_matrix *a, const clg_matrix *b);
/* Up to two that do not depend on each other, in one launch where that is faster. */
clg_status clg_products_run(clg_context *ctx, const clg_product *p, int count, const char *op);

#endif
