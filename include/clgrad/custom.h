/* Ops of your own: kernels from OpenCL C source, ops with a backward of your own recorded like the library's, and a
 * check of gradients by finite differences. */
#ifndef CLGRAD_CUSTOM_H
#define CLGRAD_CUSTOM_H

#include <clgrad/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kernels ---- */

/* A program of OpenCL C 1.2, built once through the library's disk cache. */
typedef struct clg_program clg_program;

/* Builds `source` (copied). `name` stands for it in messages ("swish.cl:3: ..."); copied. Before the source stands what
 * every program of the library gets: the macros CLG_CPU (1 or 0), WG (64; 1 on a CPU) and VW (1; 16 on a CPU), and
 * FP_CONTRACT OFF. CLG_ERR_BUILD with the compiler's first error; the whole log goes to the context's log callback. A
 * plan context builds nothing. */
CLG_API clg_program *clg_program_create(clg_context *ctx, const char *name, const char *source);
CLG_API clg_program *clg_program_ref(clg_program *p);
CLG_API void clg_program_unref(clg_program **p);

/* An argument of a kernel. A tensor is two: its buffer and the position of its first element there,
 *   __global const float *x, const uint x_at     (int for int32)
 * so that element i of a contiguous tensor is x[x_at + i]. */
typedef enum clg_kernel_arg_kind {
  CLG_ARG_READ,
  CLG_ARG_WRITE,
  CLG_ARG_INT,
  CLG_ARG_UINT,
  CLG_ARG_FLOAT
} clg_kernel_arg_kind;
typedef struct clg_kernel_arg {
  clg_kernel_arg_kind kind;
  clg_tensor *tensor;
  int32_t i;
  uint32_t u;
  float f;
} clg_kernel_arg;
static inline clg_kernel_arg clg_arg_of(clg_kernel_arg_kind kind, clg_tensor *t, int32_t i, uint32_t u, float f) {
  clg_kernel_arg a;
  a.kind = kind, a.tensor = t, a.i = i, a.u = u, a.f = f;
  return a;
}
static inline clg_kernel_arg clg_arg_read(clg_tensor *t) { return clg_arg_of(CLG_ARG_READ, t, 0, 0, 0); }
/* Written, or read and written. */
static inline clg_kernel_arg clg_arg_write(clg_tensor *t) { return clg_arg_of(CLG_ARG_WRITE, t, 0, 0, 0); }
static inline clg_kernel_arg clg_arg_int(int32_t v) { return clg_arg_of(CLG_ARG_INT, NULL, v, 0, 0); }
static inline clg_kernel_arg clg_arg_uint(uint32_t v) { return clg_arg_of(CLG_ARG_UINT, NULL, 0, v, 0); }
static inline clg_kernel_arg clg_arg_float(float v) { return clg_arg_of(CLG_ARG_FLOAT, NULL, 0, 0, v); }

/* Enqueues global[0..3) items in work-groups of local[0..3); the range is rounded up to whole groups, so the kernel
 * checks bounds. `local` NULL: {64,1,1} or less. Does not block. Tensors are contiguous (CLG_ERR_SHAPE; clg_contiguous
 * copies). What is written counts as changed in place. A launch is not recorded: in grad mode a tensor that requires
 * grad is refused (CLG_ERR_GRAPH) outside a custom op's forward; so is any launch under create_graph. */
CLG_API clg_status clg_program_launch(clg_program *p, const char *kernel, const size_t global[3], const size_t local[3],
                                      const clg_kernel_arg *args, size_t n);

/* ---- ops ---- */

#define CLG_CUSTOM_INPUTS 16

/* What backward gets. Tensors are borrowed and contiguous. */
typedef struct clg_custom_call {
  clg_context *ctx;
  void *user;
  size_t n;
  clg_tensor *in[CLG_CUSTOM_INPUTS];      /* those that are saved, else NULL */
  clg_tensor *out;                        /* the result, if saved */
  clg_tensor *grad;                       /* d root / d result */
  bool wants[CLG_CUSTOM_INPUTS];          /* whose gradient is asked for */
  clg_tensor *in_grad[CLG_CUSTOM_INPUTS]; /* put d root / d in[i] here: an op result, of clg_empty, say */
} clg_custom_call;

typedef struct clg_custom_op {
  const char *name; /* lives as long as the program: a literal */
  /* Fills `out` (contiguous, undefined elements) from in[0..n), which are contiguous. Grad mode is off. */
  clg_status (*forward)(void *user, clg_tensor *const *in, size_t n, clg_tensor *out);
  /* Sets in_grad[i] where wants[i]. Made of ops (custom ones too) it can be differentiated again; one that launches
   * kernels is an error under create_graph. NULL: the op is not recorded. */
  clg_status (*backward)(clg_custom_call *call);
  uint32_t saves; /* bit i: backward reads in[i] */
  bool saves_out; /* backward reads the result */
  void *user;
  void (*drop)(void *user); /* called once, when neither the op nor a graph needs `user` any more; may be NULL */
} clg_custom_op;

/* Runs the op: a new tensor of the shape, an op result, recorded if an input requires grad. Takes over op->user, on
 * errors too; *op is copied. */
CLG_API clg_tensor *clg_custom_apply(const clg_custom_op *op, clg_tensor *const *in, size_t n, int ndim,
                                     const int64_t *shape);
/* ---- checking gradients ---- */

typedef struct clg_gradcheck_options {
  int order;        /* 1: gradients; 2: gradients of gradients too */
  float step;       /* of the differences: an input's element is moved by up to twice as much */
  float rtol, atol; /* |difference| <= atol + rtol*|finite differences| */
} clg_gradcheck_options;
CLG_API clg_gradcheck_options clg_gradcheck_defaults(void);

/* Compares backward with finite differences (five points, float32) of a weighted sum of f's result, for each element of
 * each input that requires grad; the others are constants. Inputs are leaves of some hundred elements, away from kinks
 * by twice the step. Each run sees the same random numbers. CLG_OK, or CLG_ERR_GRAPH with a line that names input,
 * element and both figures. Inputs have their values back afterwards, and no gradient. Blocks. `options` may be NULL.
 */
CLG_API clg_status clg_gradcheck(clg_context *ctx, clg_function f, void *user, clg_tensor *const *in, size_t n,
                                 const clg_gradcheck_options *options);

#ifdef __cplusplus
}
#endif
#endif
