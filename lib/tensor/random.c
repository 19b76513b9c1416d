/* The context's random stream: a seed and a position that counts Philox blocks of four numbers. */
#include "device/launch.h"
#include "tensor/tensor.h"
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

void clg_seed(clg_context *ctx, uint64_t seed, uint64_t position) {
  stream *s = ctx ? stream_of(ctx) : NULL;
  if (s) s->seed = seed, s->position = position;
}

void clg_seed_get(const clg_context *ctx, uint64_t *seed, uint64_t *position) {
  const stream *s = ctx ? ctx->slot[CLG_SLOT_RANDOM].state : NULL;
  stream at = {.seed = ctx ? ctx->seed : 0};
  if (s) at = *s;
  if (seed) *seed = at.seed;
  if (position) *position = at.position;
}

/* Uniform: a is low, b the width, `most` the largest result; or normal: mean and deviation. Both are of the numbers
 * over `scale`, where a float holds them. */
typedef struct spread {
  bool normal;
  float a, b, most, scale;
} spread;

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
  clg_kernel **kernel = &s->kernel[p->normal];
  if (!*kernel) *kernel = clg_kernel_get(ctx, "random.cl", NULL, p->normal ? "random_normal" : "random_uniform");
  size_t blocks = ((size_t)t->numel + 3) / 4;
  clg_arg args[] = {clg_arg_block(t->storage->block),
                    clg_arg_u32((uint32_t)clg_tensor_at(t)),
                    clg_arg_u32((uint32_t)t->numel),
                    clg_arg_u64(s->seed),
                    clg_arg_u64(s->position),
                    clg_arg_f32(p->a),
                    clg_arg_f32(p->b),
                    clg_arg_f32(p->most),
                    clg_arg_f32(p->scale)};
  s->position += blocks;
  const size_t lanes = clg_vector_width(ctx), items[3] = {(blocks + lanes - 1) / lanes, 1, 1};
  return clg_launch(ctx, *kernel, op, args, 9, items, NULL);
}

static clg_status fill_changed(clg_tensor *t, const spread *p, const char *op) {
  if (!t) return clg_null(NULL, op);
  if (!clg_tensor_holds(t, CLG_F32, op)) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, op);
  if (s == CLG_OK) s = fill(t, p, op);
  if (s == CLG_OK) clg_storage_changed(t->storage, op);
  return s;
}

/* low + width*u may be rounded up to high, which is out of the range; a width that no float holds is halved. */
clg_status clg_rand_(clg_tensor *t, float low, float high) {
  const float most = low < high ? nextafterf(high, low) : INFINITY;
  const float scale = isinf(high - low) ? 2 : 1;
  return fill_changed(t, &(spread){false, low / scale, high / scale - low / scale, most, scale}, "rand_");
}
clg_status clg_randn_(clg_tensor *t, float mean, float std) {
  return fill_changed(t, &(spread){true, mean, std, INFINITY, 1}, "randn_");
}

static clg_status fill_integers(clg_tensor *t, int32_t low, uint32_t width, const char *op) {
  clg_context *ctx = t->ctx;
  stream *s = stream_of(ctx);
  if (!s) return CLG_ERR_HOST_MEMORY;
  if (!t->numel) return CLG_OK;
  clg_kernel **kernel = &s->kernel[2];
  if (!*kernel) *kernel = clg_kernel_get(ctx, "random.cl", NULL, "random_integers");
  size_t blocks = ((size_t)t->numel + 3) / 4;
  clg_arg args[] = {clg_arg_block(t->storage->block),
                    clg_arg_u32((uint32_t)clg_tensor_at(t)),
                    clg_arg_u32((uint32_t)t->numel),
                    clg_arg_u64(s->seed),
                    clg_arg_u64(s->position),
                    clg_arg_i32(low),
                    clg_arg_u32(width)};
  s->position += blocks;
  const size_t lanes = clg_vector_width(ctx), items[3] = {(blocks + lanes - 1) / lanes, 1, 1};
  return clg_launch(ctx, *kernel, op, args, 7, items, NULL);
}

clg_status clg_randint_(clg_tensor *t, int32_t low, int32_t high) {
  static const char op[] = "randint_";
  if (!t) return clg_null(NULL, op);
  if (!clg_tensor_holds(t, CLG_I32, op)) return CLG_ERR_ARGUMENT;
  if (low >= high)
    return clg_fail(t->ctx, CLG_ERR_ARGUMENT, op, "there is no integer from %d on below %d", (int)low, (int)high);
  clg_status s = clg_tensor_changeable(t, op);
  clg_tensor *whole = s == CLG_OK && !clg_tensor_is_contiguous(t) ? clg_tensor_like(t, op) : clg_tensor_ref(t);
  if (s == CLG_OK) s = whole ? fill_integers(whole, low, (uint32_t)high - (uint32_t)low, op) : clg_last_status(t->ctx);
  if (s == CLG_OK && !clg_tensor_is_contiguous(t)) s = clg_tensor_assign(t, whole, op);
  clg_tensor_unref(&whole);
  if (s == CLG_OK) clg_storage_changed(t->storage, op);
  return s;
}
