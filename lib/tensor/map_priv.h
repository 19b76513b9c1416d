/* Shared by map.c, map_run.c and reduce.c: a compiled map and its argument lists. */
#ifndef CLG_TENSOR_MAP_PRIV_H
#define CLG_TENSOR_MAP_PRIV_H

#include "kernel/kernel.h"
#include "tensor/args.h"
#include "tensor/map.h"

typedef enum clg_map_form { CLG_FLAT, CLG_STRIDED, CLG_FLAT_ADD, CLG_STRIDED_ADD, CLG_FORMS } clg_map_form;

/* CLG_REDUCE_SUM, CLG_REDUCE_MAX, a sum that keeps the values, and one that is divided: */
enum { CLG_REDUCE_KEEP = 2, CLG_REDUCE_MEAN, CLG_REDUCTIONS };

/* How a strided kernel goes through memory. Unit: every tensor's innermost stride is 1 or, by the bits of their numbers,
 * 0 or -1, or 1 along the second dimension. */
typedef struct clg_map_access {
  bool unit;
  uint32_t zero, back, turned;
} clg_map_access;

/* The strided kernels of one such access. */
typedef struct clg_map_rows {
  struct clg_map_rows *next;
  clg_map_access access;
  clg_kernel *kernel[2]; /* strided, and adding */
} clg_map_rows;

/* A reduction's kernel, for one kind, one access to memory (reduce.c) and, where strides are 1 or by the bits of `zero`
 * 0, one such pattern. */
typedef struct clg_map_reduction {
  struct clg_map_reduction *next;
  int kind, access;
  uint32_t zero;
  clg_kernel *kernel;
} clg_map_reduction;

struct clg_map {
  struct clg_map *next; /* of the context's list */
  clg_context *ctx;
  char *name; /* of its kernels */
  const clg_arena *arena;
  clg_expr out[CLG_MAP_OUTPUTS], form_of[CLG_MAP_OUTPUTS]; /* as given; over names by their order */
  const clg_map_fn *written;                               /* whose names its kernels are written with */
  bool ints;
  int n_out, n_in, n_param;
  uint32_t in_used, param_used;                            /* bit masks */
  const char *in[CLG_MAP_INPUTS], *number[CLG_MAP_PARAMS]; /* the names of those */
  int n_read, n_number;
  clg_kernel *kernel[CLG_FORMS];
  struct clg_map_rows *rows; /* strided kernels for one pattern of innermost strides */
  clg_map_reduction *reductions;
};

/* What its kernels are written from. */
clg_kernel_formula clg_map_formula(const clg_map_fn *f);
#define CLG_KERNEL_TEXT (CLG_KERNEL_NAME + 40) /* of a kernel's name with what is put around an op's */
void clg_args_params(clg_args *a, const clg_map_fn *f, const float *params);

/* Strides of t seen as shape[0..ndim) (broadcast dimensions get 0). */
void clg_broadcast_strides(const clg_tensor *t, int ndim, const int64_t *shape, int64_t *stride);

/* The same iteration with as few dimensions as possible: dims are stored innermost first; `stride` has n rows (tensors)
 * of CLG_MAX_DIMS. */
typedef struct clg_loop {
  int ndim;
  int32_t dim[CLG_MAX_DIMS];
  int32_t stride[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS][CLG_MAX_DIMS];
} clg_loop;
/* Collapses the dimensions of `shape` chosen by the bit mask `dims`. strides[i] belongs to tensor i. */
void clg_loop_make(clg_loop *l, int ndim, const int64_t *shape, uint32_t dims, int n, int64_t (*strides)[CLG_MAX_DIMS]);

#endif
