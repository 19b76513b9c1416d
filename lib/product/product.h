/* Matrix products, with what may follow them in the same kernel: accumulation, a bias, an activation.
 *
 *   C = f(C0 + op(A) op(B) + bias)     C [m,n], op(A) [m,k], op(B) [k,n], bias [n]; C0 is C if `accumulate`, else 0
 *
 * All row-major. `ta` says that A is stored as [k,m], `tb` that B is stored as [n,k]. Leading dimensions and offsets
 * are in elements; c must not overlap a, b or bias. k == 0 leaves f(C0 + bias); an empty C launches nothing. Which
 * kernel runs, and so the bits of the result, follows from the shapes, the shape of the device and the context's table
 * of choices (clgrad/tuning.h) alone. */
#ifndef CLG_PRODUCT_PRODUCT_H
#define CLG_PRODUCT_PRODUCT_H

#include "device/pool.h"

/* Products of the same sizes in one launch (but for CLBlast): up to n dimensions of them, the fastest first, in which
 * A, B and C move by step[0], [1] and [2] elements; 0: the same matrix again, not of C. n is 0 for one product. */
typedef struct clg_product_batch {
  int n;
  uint32_t size[CLG_MAX_DIMS], step[3][CLG_MAX_DIMS];
} clg_product_batch;

typedef struct clg_product {
  bool ta, tb;
  uint32_t m, n, k;
  clg_block *a, *b, *c;
  size_t a_offset, b_offset, c_offset;
  uint32_t a_ld, b_ld, c_ld;
  clg_block *bias; /* NULL: none */
  size_t bias_offset;
  bool bias_of_rows; /* it is [m] */
  bool accumulate;
  /* OpenCL C that defines ACTIVATION(v) (kernel/kernel.h): the same text as the elementwise kernel's, so that both give
   * the same bits. NULL: none. */
  const char *epilogue;
  float numbers[2];        /* of the activation */
  clg_product_batch batch; /* the bias is the same in all; no epilogue with more dimensions than one */
  bool own;                /* on a GPU shape: our kernels where CLBlast would serve; means nothing on a CPU shape */
} clg_product;

/* Queues the product. Errors are those of clg_launch and clg_block_alloc, raised on the context for `op`. */
clg_status clg_product_run(clg_context *ctx, const clg_product *p, const char *op);
/* The same for two products that do not depend on each other: one launch where that is faster. Bits are those of two.
 */
clg_status clg_product_run_two(clg_context *ctx, const clg_product p[2], const char *op);

#endif
