/* Maps: expressions compiled to kernels over tensors, elementwise or with a reduction behind. Knows no op and no graph.
 */
#ifndef CLG_TENSOR_MAP_H
#define CLG_TENSOR_MAP_H

#include "expr/expr.h"
#include "tensor/tensor.h"

/* At most this many tensors read, tensors written and numbers: keeps the arguments of every kernel under 1 KiB. */
#define CLG_MAP_INPUTS  10
#define CLG_MAP_OUTPUTS 8
#define CLG_MAP_PARAMS  12

typedef enum clg_reduce_kind { CLG_REDUCE_SUM, CLG_REDUCE_MAX } clg_reduce_kind;

/* A compiled map. Tensors and numbers are given by position; those that no expression mentions are not passed on. */
typedef struct clg_map clg_map_fn;

/* The expressions out[i] over the names in[] (tensors) and param[] (numbers). Lives as long as the context. Kernels are
 * built at first use and bear `name`. The names in[] and param[] are static. `arena` is clg_arena_of(ctx). */
clg_map_fn *clg_map_create(clg_context *ctx, const char *name, const clg_expr *out, int n_out, const char *const *in,
                           int n_in, const char *const *param, int n_param);
/* The context's arena, in which all its maps are written. */
clg_arena *clg_arena_of(clg_context *ctx);

/* outs[i] (all of one shape, any strides) = expression i of the inputs, which broadcast to it. May run in place on an
 * input of the same strides. With `accumulate` the values are added to what is there. Versions are the caller's to
 * bump. ins[i] may be NULL where no expression mentions it. */
clg_status clg_map_run(clg_map_fn *f, clg_tensor *const *outs, const clg_tensor *const *ins, const float *params,
                       bool accumulate, const char *op);

/* Reduces expression 0 over the inputs broadcast to shape[0..ndim), along the dimensions in the bit mask `dims`:
 * out is contiguous and holds the kept dimensions in order. Two passes where that is faster; the same bits each time.
 * An empty sum is 0. */
clg_status clg_map_reduce(clg_map_fn *f, clg_reduce_kind kind, clg_tensor *out, const clg_tensor *const *ins,
                          const float *params, int ndim, const int64_t *shape, uint32_t dims, bool accumulate,
                          const char *op);

/* The sum divided by `by` behind it, which is not the sum of quotients: n of the same number have it as their mean. Of
 * no elements NaN. The expression's first number, if there is one, is 1 and scales it, and may be made small. */
clg_status clg_map_mean(clg_map_fn *f, float by, clg_tensor *out, const clg_tensor *const *ins, const float *params,
                        int ndim, const int64_t *shape, uint32_t dims, const char *op);

/* The sum over the first of shape[0..2), and the values themselves into `keep`, contiguous and of that shape: one pass
 * over what both read. */
clg_status clg_map_sum_keep(clg_map_fn *f, clg_tensor *out, clg_tensor *keep, const clg_tensor *const *ins,
                            const float *params, bool accumulate, const char *op);

/* Maps that the rooms below the ops need themselves, and others as plain. */
typedef enum clg_map_builtin {
  CLG_MAP_COPY,
  CLG_MAP_FILL,
  CLG_MAP_ADD,
  CLG_MAP_COPY_I32,
  CLG_MAP_NOT_FINITE, /* 1 where x is NaN or infinite, else 0 */
  CLG_MAP_SUB,
  CLG_MAP_MUL,
  CLG_MAP_DIV,
  CLG_MAP_NEG,
  CLG_MAP_MUL_SCALAR,
  CLG_MAP_BUILTINS
} clg_map_builtin;
clg_map_fn *clg_maps_of(clg_context *ctx, clg_map_builtin which); /* NULL with the error set: no host memory */

#endif
