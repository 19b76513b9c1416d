/* Max and average pooling over planes: their kernels, recorded. The maximum saves where it was, the average nothing;
 * each has its adjoint as a recorded op, so that gradients of gradients are theirs again. */
#include "ops/call.h"
#include "ops/compose.h"
#include <clgrad/ops.h>
#include <string.h>

/* As in pool.cl. */
enum { ADD_FLAG = 1, INCLUDE_PAD = 2 };

typedef struct pool_attrs {
  int ndim; /* of x [..,H,W] */
  int64_t in[CLG_MAX_DIMS], out[CLG_MAX_DIMS];
  int32_t window[8]; /* kernel, stride, padding, dilation: rows and columns of each */
  bool average;
  uint32_t flags;
} pool_attrs;

static const char *name_of(const pool_attrs *a) { return a->average ? "avg_pool2d" : "max_pool2d"; }

/* How many of the `rows` that a plane of the result has make an item of a CPU: some thousands of elements. */
static int64_t step_of(const pool_attrs *a, int64_t rows) {
  enum { ITEM = 4096 };
  const int64_t *in = a->in + a->ndim - 2, *out = a->out + a->ndim - 2;
  int64_t x = in[0] * in[1], y = out[0] * out[1], step = ITEM * rows / (x > y ? x : y);
  return step > 1 ? step : 1;
}

/* `kernel` from `from` to `to`, contiguous both, over the elements of `to`; index may be NULL. flags < 0: it takes
 * none. */
static clg_status launch(const char *kernel, clg_tensor *from, clg_tensor *to, clg_tensor *index, const pool_attrs *a,
                         int64_t flags) {
  if (!to->numel) return CLG_OK;
  const int64_t *in = a->in + a->ndim - 2, *out = a->out + a->ndim - 2;
  bool cpu = to->ctx->shape == CLG_SHAPE_CPU;
  int64_t rows = to->shape[a->ndim - 2], all = to->numel / to->shape[a->ndim - 1], step = step_of(a, rows);
  const int32_t sizes[] = {(int32_t)in[0],  (int32_t)in[1],     (int32_t)out[0],
                           (int32_t)out[1], (int32_t)to->numel, (int32_t)step};
  clg_call c = {.n = 0};
  clg_call_tensor(&c, from, to);
  clg_call_tensor(&c, to, to);
  if (index) clg_call_tensor(&c, index, to);
  c.arg[c.n++] = clg_arg_v8(sizes, 6, 0);
  c.arg[c.n++] = clg_arg_v8(a->window, 8, 0);
  if (flags >= 0) clg_call_u32(&c, flags);
  if (cpu) return clg_call_groups(to->ctx, &c, "pool.cl", kernel, (all + step - 1) / step, 1, name_of(a));
  return clg_call_items(to->ctx, &c, "pool.cl", kernel, to->numel, 1, name_of(a));
}

/* A node over `from` that saves the index, if there is one. Takes y's reference; returns it as a result. */
static clg_tensor *recorded(clg_tensor *from, clg_tensor *index, clg_tensor *y, const pool_attrs *a,
                            const clg_node_class *cls) {
  if (!y || !clg_records(&from, 1)) return clg_result(y);
  clg_node *n = clg_node_create(&from, 1, index ? 1 : 0, sizeof *a, cls, name_of(a));
  if (n) *(pool_attrs *)n->attrs = *a;
  clg_status s = !n ? CLG_ERR_HOST_MEMORY : index ? clg_node_save(n, 0, index, CLG_SAVED_OTHER) : CLG_OK;
  if (s == CLG_OK) {
    s = clg_node_attach(n, y);
  } else {
    clg_node_unref(n);
  }
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

/* Runs `kernel` from a packed `from` to a new tensor and records it. */
static clg_tensor *apply(const char *kernel, clg_tensor *from, clg_tensor *index, const int64_t *shape,
                         const pool_attrs *a, int64_t flags, const clg_node_class *cls) {
  clg_tensor *p = clg_tensor_packed(from, name_of(a));
  clg_tensor *to = p ? clg_tensor_new(from->ctx, a->ndim, shape, clg_result_role(from->ctx), name_of(a)) : NULL;
  if (to && launch(kernel, p, to, index, a, flags) != CLG_OK) clg_tensor_unref(&to);
  clg_tensor_unref(&p);
  return recorded(from, index, to, a, cls);
}

/* ---- the adjoint pairs ---- */

static clg_status pick_backward(clg_node *n, clg_tensor *g);
static clg_status unpick_backward(clg_node *n, clg_tensor *g);
static clg_status average_backward(clg_node *n, clg_tensor *g);
static clg_status spread_backward(clg_node *n, clg_tensor *g);
static const clg_node_class pick_class = {.backward = pick_backward}, unpick_class = {.backward = unpick_backward},
                            average_class = {.backward = average_backward},
                            spread_class = {.backward = spread_backward};

static clg_status give_indexed(clg_node *n, clg_tensor *g, bool pick) {
  const pool_attrs *a = n->attrs;
  clg_tensor *index = clg_node_unpack(n, 0);
  if (!index) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *d = pick ? apply("pool_pick", g, index, a->out, a, -1, &pick_class)
                       : apply("pool_unpick", g, index, a->in, a, 0, &unpick_class);
  clg_status s = clg_give_result(n, 0, scope, d);
  clg_tensor_unref(&index);
  return s;
}
static clg_status pick_backward(clg_node *n, clg_tensor *g) { return give_indexed(n, g, false); }
static clg_status unpick_backward(clg_node *n, clg_tensor *g) { return give_indexed(n, g, true); }

static clg_status average_backward(clg_node *n, clg_tensor *g) {
  const pool_attrs *a = n->attrs;
  clg_scope *scope = clg_scope_open(n->ctx);
  return clg_give_result(n, 0, scope, apply("pool_spread", g, NULL, a->in, a, a->flags, &spread_class));
}
static clg_status spread_backward(clg_node *n, clg_tensor *g) {
  const pool_attrs *a = n->attrs;
  clg_scope *scope = clg_scope_open(n->ctx);
  return clg_give_result(n, 0, scope, apply("pool_average", g, NULL, a->out, a, a->flags, &average_class));
}

/* ---- options ---- */

static bool window_ok(clg_tensor *x, const clg_pool_options *o, const pool_attrs *a) {
  const char *op = name_of(a);
  for (int i = 0; i < 2; i++) {
    int k = a->window[i], s = a->window[2 + i], p = a->window[4 + i], d = a->window[6 + i];
    if (k < 1 || s < 1 || p < 0 || d < 1 || k > 1 << 20 || s > 1 << 20 || d > 1 << 10)
      return clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "kernel %d, stride %d, padding %d, dilation %d: out of range", k, s,
                      p, d),
             false;
    if (p > k / 2)
      return clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "padding %d is more than half of the kernel %d", p, k), false;
  }
  if (a->average && (o->dilation[0] != 1 || o->dilation[1] != 1))
    return clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "an average has no dilation"), false;
  return true;
}

static bool sizes_ok(clg_tensor *x, const clg_pool_options *o, pool_attrs *a) {
  memcpy(a->in, x->shape, sizeof a->in);
  memcpy(a->out, x->shape, sizeof a->out);
  for (int i = 0; i < 2; i++) {
    int at = x->ndim - 2 + i;
    int64_t k = a->window[i], s = a->window[2 + i], p = a->window[4 + i], d = a->window[6 + i];
    int64_t room = x->shape[at] + 2 * p - d * (k - 1) - 1 + (o->ceil_mode ? s - 1 : 0), n = room < 0 ? 0 : room / s + 1;
    if (n > 0 && o->ceil_mode && (n - 1) * s >= x->shape[at] + p) n--; /* a window must begin inside */
    if (n < 1) {
      char text[CLG_SHAPE_TEXT];
      clg_fail(x->ctx, CLG_ERR_SHAPE, name_of(a), "x %s is smaller than the window %lld with padding %lld",
               clg_shape_text(x->ndim, x->shape, text), (long long)(d * (k - 1) + 1), (long long)p);
      return false;
    }
    a->out[at] = n;
  }
  return true;
}

/* Fills a from x and the options. */
static bool attrs_ok(clg_tensor *x, const clg_pool_options *o, pool_attrs *a) {
  if (!clg_inputs_ok(&x, 1, name_of(a))) return false;
  if (!o) return clg_fail(x->ctx, CLG_ERR_ARGUMENT, name_of(a), "no options: the size of the kernel is needed"), false;
  if (x->ndim < 2) {
    char text[CLG_SHAPE_TEXT];
    return clg_fail(x->ctx, CLG_ERR_SHAPE, name_of(a), "x %s: want [..,H,W]", clg_shape_text(x->ndim, x->shape, text)),
           false;
  }
  a->ndim = x->ndim;
  for (int i = 0; i < 2; i++) {
    a->window[i] = o->kernel[i];
    a->window[2 + i] = o->stride[i] ? o->stride[i] : o->kernel[i];
    a->window[4 + i] = o->padding[i];
    a->window[6 + i] = o->dilation[i];
  }
  a->flags = o->exclude_pad ? 0 : INCLUDE_PAD;
  return window_ok(x, o, a) && sizes_ok(x, o, a);
}

clg_tensor *clg_max_pool2d(clg_tensor *x, const clg_pool_options *options) {
  pool_attrs a = {.average = false};
  if (!attrs_ok(x, options, &a)) return NULL;
  clg_context *ctx = x->ctx;
  clg_tensor *p = clg_tensor_packed(x, "max_pool2d");
  clg_tensor *y = p ? clg_tensor_new(ctx, a.ndim, a.out, clg_result_role(ctx), "max_pool2d") : NULL;
  clg_tensor *index = y ? clg_tensor_new_i32(ctx, a.ndim, a.out, clg_result_role(ctx), "max_pool2d") : NULL;
  if (!index || launch("pool_max", p, y, index, &a, -1) != CLG_OK) clg_tensor_unref(&y);
  y = recorded(x, index, y, &a, &pick_class);
  clg_tensor_unref(&p);
  clg_tensor_unref(&index);
  return y;
}

clg_tensor *clg_avg_pool2d(clg_tensor *x, const clg_pool_options *options) {
  pool_attrs a = {.average = true};
  if (!attrs_ok(x, options, &a)) return NULL;
  return apply("pool_average", x, NULL, a.out, &a, a.flags, &average_class);
}
