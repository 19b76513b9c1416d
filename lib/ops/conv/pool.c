/* Max and average pooling over planes. The maximum saves where it was, the average nothing. Each has its adjoint as an
 * op, whose adjoint is of the first kind again, so that gradients have gradients to any order. */
#include "kernel/constants.h"
#include "ops/op.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

enum { IN_X, IN_INDEX };
enum { OUT_Y, OUT_INDEX };

/* Pick reads the elements that were the maxima, and unpick puts them back. */
enum { MAX, PICK, UNPICK, AVERAGE, SPREAD, KINDS };
static const struct {
  const char *kernel;
  bool to_x; /* the result has the shape of what is pooled */
  int adjoint;
} kinds[KINDS] = {[MAX] = {"pool_max", false, UNPICK},
                  [PICK] = {"pool_pick", false, UNPICK},
                  [UNPICK] = {"pool_unpick", true, PICK},
                  [AVERAGE] = {"pool_average", false, SPREAD},
                  [SPREAD] = {"pool_spread", true, AVERAGE}};
static const clg_op pool_op[KINDS];
static int kind_of(const clg_op_call *c) { return (int)(c->op - pool_op); }

typedef struct pool_attrs {
  const clg_pool_options *options; /* of a call, while the rest is not known */
  int64_t kernel[2];
  bool known;
  int ndim; /* of x [..,H,W] */
  int64_t in[CLG_MAX_DIMS], out[CLG_MAX_DIMS];
  int32_t window[8]; /* kernel, stride, padding, dilation: rows and columns of each */
  uint32_t flags;
} pool_attrs;

/* ---- shapes ---- */

static bool window_ok(clg_tensor *x, const clg_pool_options *o, const int64_t kernel[2], bool average, const char *op) {
  for (int i = 0; i < 2; i++) {
    int64_t k = kernel[i];
    int s = o->stride[i], p = o->padding[i], d = o->dilation[i];
    if (k < 1 || s < 0 || p < 0 || d < 1 || k > 1 << 20 || s > 1 << 20 || d > 1 << 10)
      return clg_refuse(x->ctx, CLG_ERR_ARGUMENT, op, "kernel %lld, stride %d, padding %d, dilation %d: out of range",
                        (long long)k, s, p, d);
    if (p > k / 2)
      return clg_refuse(x->ctx, CLG_ERR_ARGUMENT, op, "padding %d is more than half of the kernel %lld", p,
                        (long long)k);
  }
  bool ok = !average || (o->dilation[0] == 1 && o->dilation[1] == 1);
  return ok || clg_refuse(x->ctx, CLG_ERR_ARGUMENT, op, "an average has no dilation");
}

static bool sizes_ok(clg_tensor *x, const clg_pool_options *o, pool_attrs *a, const char *op) {
  memcpy(a->in, x->shape, sizeof a->in);
  memcpy(a->out, x->shape, sizeof a->out);
  for (int i = 0; i < 2; i++) {
    int at = x->ndim - 2 + i;
    int64_t k = a->window[i], s = a->window[2 + i], p = a->window[4 + i], d = a->window[6 + i];
    int64_t room = x->shape[at] + 2 * p - d * (k - 1) - 1 + (o->ceil_mode ? s - 1 : 0);
    int64_t n = room < 0 ? 0 : room / s + 1;
    if (n > 0 && o->ceil_mode && (n - 1) * s >= x->shape[at] + p) n--; /* a window must begin inside */
    if (n < 1) {
      char text[CLG_SHAPE_TEXT];
      return clg_refuse(x->ctx, CLG_ERR_SHAPE, op, "x %s is smaller than the window %lld with padding %lld",
                        clg_tensor_text(x, text), (long long)(d * (k - 1) + 1), (long long)p);
    }
    a->out[at] = n;
  }
  return true;
}

/* The attributes of a call, from x and the options. */
static bool complete(clg_tensor *x, pool_attrs *a, bool average, const char *op) {
  const clg_pool_options *o = a->options;
  if (!clg_tensor_holds(x, CLG_F32, op)) return false;
  if (x->ndim < 2) {
    char text[CLG_SHAPE_TEXT];
    return clg_refuse(x->ctx, CLG_ERR_SHAPE, op, "x %s: want [..,H,W]", clg_tensor_text(x, text));
  }
  if (!window_ok(x, o, a->kernel, average, op)) return false;
  a->ndim = x->ndim;
  for (int i = 0; i < 2; i++) {
    a->window[i] = (int32_t)a->kernel[i];
    a->window[2 + i] = o->stride[i] ? o->stride[i] : (int32_t)a->kernel[i];
    a->window[4 + i] = o->padding[i];
    a->window[6 + i] = o->dilation[i];
  }
  a->flags = o->count_include_pad ? POOL_INCLUDE_PAD : 0;
  a->options = NULL;
  return a->known = sizes_ok(x, o, a, op);
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  pool_attrs *a = c->attrs;
  int kind = kind_of(c);
  if (!a->known && !complete(c->in[IN_X], a, kind == AVERAGE, c->op->name)) return false;
  out[OUT_Y].ndim = a->ndim;
  memcpy(out[OUT_Y].dim, kinds[kind].to_x ? a->in : a->out, sizeof out[OUT_Y].dim);
  if (kind == MAX) out[OUT_INDEX] = out[OUT_Y], out[OUT_INDEX].dtype = CLG_I32;
  return true;
}

/* ---- kernels ---- */

/* How many of the `rows` that a plane of the result has make an item of a CPU: some thousands of elements. */
static int64_t step_of(const pool_attrs *a, int64_t rows) {
  enum { ITEM = 4096 };
  const int64_t *in = a->in + a->ndim - 2, *out = a->out + a->ndim - 2;
  int64_t x = in[0] * in[1], y = out[0] * out[1], step = ITEM * rows / (x > y ? x : y);
  return step > 1 ? step : 1;
}

/* Where the maxima are; NULL: an average. */
static clg_tensor *index_of(const clg_op_call *c) {
  switch (kind_of(c)) {
  case MAX: return c->out[OUT_INDEX];
  case PICK:
  case UNPICK: return c->in[IN_INDEX];
  default: return NULL;
  }
}

/* Over the elements of the result. */
static clg_status forward(clg_op_call *c) {
  const pool_attrs *a = c->attrs;
  const clg_tensor *to = c->out[OUT_Y], *index = index_of(c);
  if (!to->numel) return CLG_OK;
  const int64_t *in = a->in + a->ndim - 2, *out = a->out + a->ndim - 2;
  int64_t rows = to->shape[a->ndim - 2], all = to->numel / to->shape[a->ndim - 1], step = step_of(a, rows);
  const int32_t sizes[] = {(int32_t)in[0],  (int32_t)in[1],     (int32_t)out[0],
                           (int32_t)out[1], (int32_t)to->numel, (int32_t)step};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){c->in[IN_X], to, index}, index ? 3 : 2, to);
  clg_args_v8(&args, sizes, 6, 0);
  clg_args_v8(&args, a->window, 8, 0);
  if (kind_of(c) >= UNPICK) clg_args_u32(&args, index ? 0 : a->flags);
  clg_kernel *k = clg_kernel_get(c->ctx, "pool.cl", NULL, kinds[kind_of(c)].kernel);
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU;
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, cpu ? all : to->numel, step);
}

/* ---- the ops ---- */

static void compose(clg_op_call *c, clg_tensor **d) {
  clg_tensor *in[] = {c->grad, index_of(c)};
  d[0] = clg_op_run(&pool_op[kinds[kind_of(c)].adjoint], in, in[1] ? 2 : 1, c->attrs);
}

#define POOL_OP                                                                                                        \
  .attrs = sizeof(pool_attrs), .traits = CLG_OP_ANY_TYPE | CLG_OP_NO_PLACES, .grads = IN_INDEX, .shapes = shapes,      \
  .forward = forward, .compose = compose
static const clg_op pool_op[KINDS] = {[MAX] = {.name = "max_pool2d", .reads = CLG_OUT(OUT_INDEX), POOL_OP},
                                      [PICK] = {.name = "max_pool2d", .reads = CLG_IN(IN_INDEX), POOL_OP},
                                      [UNPICK] = {.name = "max_pool2d", .reads = CLG_IN(IN_INDEX), POOL_OP},
                                      [AVERAGE] = {.name = "avg_pool2d", POOL_OP},
                                      [SPREAD] = {.name = "avg_pool2d", POOL_OP}};

clg_pool_options clg_pool_defaults(void) { return (clg_pool_options){.dilation = {1, 1}, .count_include_pad = true}; }

static clg_tensor *pool(int kind, clg_tensor *x, int64_t kh, int64_t kw, const clg_pool_options *options) {
  const clg_pool_options usual = clg_pool_defaults(), *o = options ? options : &usual;
  return clg_op_run(&pool_op[kind], &x, 1, &(pool_attrs){.options = o, .kernel = {kh, kw}});
}

clg_tensor *clg_max_pool2d(clg_tensor *x, int64_t kh, int64_t kw, const clg_pool_options *options) {
  return pool(MAX, x, kh, kw, options);
}

clg_tensor *clg_avg_pool2d(clg_tensor *x, int64_t kh, int64_t kw, const clg_pool_options *options) {
  return pool(AVERAGE, x, kh, kw, options);
}
