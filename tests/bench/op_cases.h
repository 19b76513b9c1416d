/* The cases of bench_ops: an op, its operands, and what it must move and compute. */
#ifndef BENCH_OP_CASES_H
#define BENCH_OP_CASES_H

#include <clgrad/clgrad.h>

#define CASE_INPUTS 3
#define CASE_DIMS   4
#define FILL        (-1) /* a first size: as large as makes the operand --mb long */
#define AS_FIRST    (-2) /* a size: the first one of operand 0 */

typedef struct op_case {
  const char *family, *name;
  clg_tensor *(*run)(const struct op_case *c, clg_tensor *const *in);
  int64_t in[CASE_INPUTS][CASE_DIMS]; /* shapes, ended by 0; none: no more operands */
  int arg;                            /* a dimension, a row of the table, ... */
  int classes;                        /* > 0: the last operand is int32 below this */
  unsigned grads;                     /* bit i: operand i gets a gradient; 0: backward is not timed */
  unsigned reads; /* what backward must read beside the result's gradient: bit i operand i, RESULT the result */
  int64_t inner;  /* multiplications for each element of the result (over_x: of operand 0); 0: none */
  bool over_x;
  bool idle;                                           /* backward is no work for the device: it hands on a view */
  enum { NO_PRODUCT, PRODUCT_NN, PRODUCT_NT } product; /* what OpenBLAS is asked for beside it: operands 0 and 1 */
} op_case;
#define RESULT (1u << CASE_INPUTS)

extern const op_case op_cases[];
extern const size_t n_op_cases;

/* Row `i` of the op table as a case; false: there is no such row. */
bool op_case_row(clg_context *ctx, int i, op_case *out);

#endif
