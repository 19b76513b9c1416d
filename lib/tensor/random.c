/* The context's random stream: a seed and a position that counts Philox blocks of four numbers. */
#include "base/ceil_div.h"
#include "tensor/args.h"
#include <math.h>
#include <stdlib.h>

/* What a context keeps: slot RANDOM. */
typedef struct stream {
  uint64_t seed, position;
  clg_kernel *kernel[3]; /* uniform, normal, integers */
} stream;

static void stream_destroy(clg_context *ctx, void *state) {
  (void)ctx;
  free(state);
}

static stream *stream_of(clg_context *ctx) {
  clg_slot *slot = &ctx->slot[CLG_SLOT_RANDOM];
  if (slot->state) return slot->state;
  stream *s = calloc(1, sizeof *s);
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "random", "out of host memory");
  s->seed = ctx->seed;
  *slot = (clg_slot){s, NULL, stream_destroy};
  return s;
}

void clg_set_seed(clg_context *ctx, uint64_t seed, uint64_t position) {
  stream *s = ctx ? stream_of(ctx) : NULL;
  if (s) s->seed = seed, s->position = position;
}

void clg_get_seed(const clg_context *ctx, uint64_t *seed, uint64_t *position) {
  const stream *s = ctx ? ctx->slot[CLG_SLOT_RANDOM].state : NULL;
  stream at = {.seed = ctx ? ctx->seed : 0};
  if (s) at = *s;
  if (seed) *seed = at.seed;
  if (position) *position = at.position;
}

/* Uniform: a is low, b the width, `most` the largest result; or normal: mean and deviation. Both are of the numbers
 * over `scale`, where a float holds them. Integers: `low`, and how many. */
typedef struct spread {
  enum { UNIFORM, NORMAL, INTEGERS, SPREADS } kind;
  float a, b, most, scale;
  int32_t low;
  uint32_t width;
} spread;
static const char *const kernels[SPREADS] = {"random_uniform", "random_normal", "random_integers"};

static clg_status fill(clg_tensor *t, const spread *p, const char *op) {
  clg_context *ctx = t->ctx;
  stream *s = stream_of(ctx);
  if (!s) return CLG_ERR_HOST_MEMORY;
  if (!t->numel) return CLG_OK;
  if (!clg_tensor_is_contiguous(t)) {
    clg_tensor *packed = clg_tensor_like(t, op);
    clg_status st = packed ? fill(packed, p, op) : clg_last_status(ctx);
    if (st == CLG_OK) st = clg_tensor_assign(t, packed, op);
    clg_tensor_unref(&packed);
    return st;
  }
  clg_kernel **kernel = &s->kernel[p->kind];
  if (!*kernel) *kernel = clg_kernel_get(ctx, "random.cl", NULL, kernels[p->kind]);
  const size_t blocks = CLG_CEIL_DIV((size_t)t->numel, 4);
  clg_args args;
  args.n = 0;
  clg_args_tensor(&args, t);
  clg_args_u32(&args, (uint32_t)t->numel);
  clg_args_u64(&args, s->seed);
  clg_args_u64(&args, s->position);
  if (p->kind == INTEGERS) {
    clg_args_i32(&args, p->low);
    clg_args_u32(&args, p->width);
  } else {
    clg_args_f32(&args, p->a);
    clg_args_f32(&args, p->b);
    clg_args_f32(&args, p->most);
    clg_args_f32(&args, p->scale);
  }
  s->position += blocks;
  const size_t items[3] = {CLG_CEIL_DIV(blocks, clg_vector_width(ctx)), 1, 1};
  return clg_launch(ctx, *kernel, op, &args, items, NULL);
}

static clg_status fill_changed(clg_tensor *t, const spread *p, const char *op) {
  if (!t) return clg_null(NULL, op);
  if (!clg_tensor_holds(t, p->kind == INTEGERS ? CLG_I32 : CLG_F32, op)) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, op);
  if (s == CLG_OK) s = fill(t, p, op);
  if (s == CLG_OK) clg_storage_changed(t->storage, op);
  return s;
}

/* low + width*u may be rounded up to high, which is out of the range; a width that no float holds is halved. */
clg_status clg_rand_(clg_tensor *t, float low, float high) {
  if (t && !(low <= high && isfinite(low) && isfinite(high)) && clg_tensor_holds(t, CLG_F32, "rand_"))
    return clg_fail(t->ctx, CLG_ERR_ARGUMENT, "rand_", "from %g to %g is no range of numbers", (double)low,
                    (double)high);
  const float most = low < high ? nextafterf(high, low) : INFINITY;
  const float scale = isinf(high - low) ? 2 : 1;
  return fill_changed(t, &(spread){UNIFORM, low / scale, high / scale - low / scale, most, scale, 0, 0}, "rand_");
}
clg_status clg_randn_(clg_tensor *t, float mean, float std) {
  if (t && !(std >= 0) && clg_tensor_holds(t, CLG_F32, "randn_"))
    return clg_fail(t->ctx, CLG_ERR_ARGUMENT, "randn_", "a deviation of %g is not possible", (double)std);
  return fill_changed(t, &(spread){NORMAL, mean, std, INFINITY, 1, 0, 0}, "randn_");
}
clg_status clg_randint_(clg_tensor *t, int32_t low, int32_t high) {
  if (t && low >= high && clg_tensor_holds(t, CLG_I32, "randint_"))
    return clg_fail(t->ctx, CLG_ERR_ARGUMENT, "randint_", "there is no integer from %d on below %d", (int)low,
                    (int)high);
  return fill_changed(t, &(spread){.kind = INTEGERS, .low = low, .width = (uint32_t)high - (uint32_t)low}, "randint_");
}
