/* Makers of data. */
#include "graph/graph.h"
#include "kernel/constants.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <math.h>
#include <stdlib.h>

/* A new tensor of undefined elements; NULL with the error set. */
static clg_tensor *data(clg_context *ctx, int ndim, const int64_t *shape, const char *op) {
  if (ctx) return clg_tensor_new(ctx, ndim, shape, CLG_ROLE_DATA, op);
  return clg_null_object(NULL, op);
}

/* It is an op result if s is CLG_OK. Takes the reference. */
static clg_tensor *made(clg_tensor *t, clg_status s) {
  if (s != CLG_OK) clg_tensor_unref(&t);
  return clg_result(t);
}

static clg_tensor *filled(clg_context *ctx, int ndim, const int64_t *shape, float value, const char *op) {
  clg_tensor *t = data(ctx, ndim, shape, op);
  return t ? made(t, clg_fill_(t, value)) : NULL;
}

clg_tensor *clg_empty(clg_context *ctx, int ndim, const int64_t *shape) {
  if (!ctx) return clg_null_object(NULL, "empty");
  clg_role role = clg_in_backward(ctx) ? clg_result_role(ctx) : CLG_ROLE_DATA;
  return clg_result(clg_tensor_new(ctx, ndim, shape, role, "empty"));
}
clg_tensor *clg_full(clg_context *ctx, int ndim, const int64_t *shape, float value) {
  return filled(ctx, ndim, shape, value, "full");
}
clg_tensor *clg_zeros(clg_context *ctx, int ndim, const int64_t *shape) { return filled(ctx, ndim, shape, 0, "zeros"); }
clg_tensor *clg_ones(clg_context *ctx, int ndim, const int64_t *shape) { return filled(ctx, ndim, shape, 1, "ones"); }

/* The diagonal is a view. */
clg_tensor *clg_eye(clg_context *ctx, int64_t rows, int64_t columns) {
  clg_tensor *t = data(ctx, 2, (int64_t[]){rows, columns}, "eye");
  if (!t) return NULL;
  const int64_t length = rows < columns ? rows : columns, stride = columns + 1;
  const float zero = 0, one = 1;
  clg_tensor *diagonal = clg_tensor_view(t->storage, 0, 1, &length, &stride);
  clg_map_fn *fill = diagonal ? clg_maps_of(ctx, CLG_MAP_FILL) : NULL;
  clg_status s = fill ? clg_map_run(fill, &t, NULL, &zero, false, "eye") : clg_last_status(ctx);
  if (s == CLG_OK) s = clg_map_run(fill, &diagonal, NULL, &one, false, "eye");
  clg_tensor_unref(&diagonal);
  return made(t, s);
}

/* Numbers start + i*step, i < n, that are a power of two times integers of 32 bits. */
typedef struct range {
  int32_t start, step;
  float unit;
} range;

/* Whether they are, far from where a float ends: what double makes of each is exact then, and so is its one rounding.
 */
static bool range_of(double start, double step, int64_t n, range *out) {
  enum { BITS = 31, FEWEST = -64, MOST = 64 };
  int exponent;
  frexp(fmax(fabs(start), fmax(fabs(step), fabs(start + (double)n * step))), &exponent);
  if (exponent < FEWEST || exponent > MOST || (start == 0 && signbit(start))) return false;
  const double unit = ldexp(1, exponent - BITS), from = start / unit, by = step / unit;
  if (!(fabs(from) <= INT32_MAX && fabs(by) <= INT32_MAX) || from != rint(from) || by != rint(by)) return false;
  *out = (range){(int32_t)from, (int32_t)by, (float)unit};
  return true;
}

static clg_status put_range(clg_tensor *t, const range *r) {
  if (!t->numel) return CLG_OK;
  clg_args args;
  args.n = 0;
  clg_args_tensor(&args, t);
  clg_args_i32(&args, r->start);
  clg_args_i32(&args, r->step);
  clg_args_f32(&args, r->unit);
  clg_args_u32(&args, (uint32_t)t->numel);
  clg_kernel *k = clg_kernel_get(t->ctx, "elements.cl", NULL, "element_range");
  return clg_launch_pieces(t->ctx, k, "arange", &args, t->numel, INDEX_PIECE);
}

/* In double, so that no rounding adds up and every device has the same numbers: on the host, unless a device has them
 * without. */
clg_tensor *clg_arange(clg_context *ctx, double start, double stop, double step) {
  if (!ctx) return clg_null_object(NULL, "arange");
  const double steps = ceil((stop - start) / step);
  if (!(step != 0 && steps >= 0))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "arange", "steps of %g do not lead from %g to %g", step, start, stop);
  if (steps > INT32_MAX) return clg_fail_object(ctx, CLG_ERR_SHAPE, "arange", "%.15g elements are 2^31 or more", steps);
  const int64_t n = (int64_t)steps;
  range r;
  if (range_of(start, step, n, &r)) {
    clg_tensor *t = data(ctx, 1, &n, "arange");
    return t ? made(t, put_range(t, &r)) : NULL;
  }
  float *values = malloc((size_t)(n ? n : 1) * sizeof *values);
  if (!values) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "arange", "out of host memory");
  for (int64_t i = 0; i < n; i++) values[i] = (float)(start + (double)i * step);
  clg_tensor *t = clg_tensor_create(ctx, 1, &n, values);
  free(values);
  return clg_result(t);
}

clg_tensor *clg_rand(clg_context *ctx, int ndim, const int64_t *shape, float low, float high) {
  clg_tensor *t = data(ctx, ndim, shape, "rand");
  return t ? made(t, clg_rand_(t, low, high)) : NULL;
}

clg_tensor *clg_randn(clg_context *ctx, int ndim, const int64_t *shape) {
  clg_tensor *t = data(ctx, ndim, shape, "randn");
  return t ? made(t, clg_randn_(t, 0, 1)) : NULL;
}

clg_tensor *clg_randint(clg_context *ctx, int ndim, const int64_t *shape, int32_t low, int32_t high) {
  if (!ctx) return clg_null_object(NULL, "randint");
  clg_tensor *t = clg_tensor_new_i32(ctx, ndim, shape, CLG_ROLE_DATA, "randint");
  return t ? made(t, clg_randint_(t, low, high)) : NULL;
}
