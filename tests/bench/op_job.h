/* A case made ready to run: its operands, its result, and the call that is timed. */
#ifndef BENCH_OP_JOB_H
#define BENCH_OP_JOB_H

#include "cases.h"

typedef enum op_pass { PASS_FORWARD, PASS_BACKWARD, PASS_BOTH } op_pass;

typedef struct op_job {
  clg_context *ctx;
  const op_case *c;
  bench_layout layout;
  op_pass pass;
  float low, high; /* of operands' values */
  int n_in;
  op_attrs attrs;
  op_call call;
  clg_tensor *in[OP_INPUTS];
  clg_tensor *y, *g; /* the result, with its graph unless forward alone is timed, and a gradient for it */
} op_job;

/* Operand 0 has `floats` elements where the case says FILL. False with the context's error set; end it all the same. */
bool op_job_begin(clg_context *ctx, op_job *j, const bench_case *c, op_pass pass, int64_t floats);
void op_job_end(op_job *j);
/* Queues the case once: the op, its backward over the graph of y into leaves that have no gradient, or a new record
 * and its backward. */
bool op_job_call(const op_job *j);
/* One line of what rounds.py is asked for. */
void op_job_text(const op_job *j, char *out, size_t size);

double op_job_bytes(const op_job *j); /* that must move: each operand and result once */
double op_job_flops(const op_job *j); /* of products and convolutions; 0: not counted */

#endif
