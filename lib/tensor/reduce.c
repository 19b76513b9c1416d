/* Runs a map with a reduction behind it: which dimensions go, in which order, in one pass or two. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "tensor/map_priv.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Below this many elements a second launch costs more than it gains. */
#define ONE_PASS 65536
/* On a CPU an item takes LANES results of a stripe, or REDUCE_WIDE where the whole fits in no cache, SEVERAL of these
 * where it reads several tensors, which lie in a first cache beside the sums; and of short rows as many as make
 * ROW_WORK. Those up to SHORT gain from REDUCE_ROWS at a time. */
enum { SEVERAL = 1024, IN_CACHE = 1 << 18, ROW_WORK = 4096, SHORT = 64 };

/* One reduction, worked out from the shapes alone. */
typedef struct plan {
  clg_loop kept, red;
  bool inner, unit, wide; /* the range runs along memory; tensors have stride 1 or 0 there; wide stripes */
  bool rows;              /* short rows side by side, several together along the first of `kept` */
  uint32_t zero;          /* those of stride 0, by bit 1 + their number */
  uint32_t n_out, n_red, chunks, chunk;
  uint32_t line;  /* results that lie side by side if they are contiguous */
  uint32_t share; /* results that an item takes: neighbours of a stripe, or rows one after the other */
} plan;

static uint32_t product(const clg_loop *l) {
  uint32_t n = 1;
  for (int i = 0; i < l->ndim; i++) n *= (uint32_t)l->dim[i];
  return n;
}

static uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint64_t terms(const plan *p) { return (uint64_t)p->n_out * p->n_red; }

static uint32_t row_of(const plan *p) { return p->kept.ndim ? (uint32_t)p->kept.dim[0] : 1; }

static void choose_share(plan *p, bool cpu) {
  bool large = terms(p) > IN_CACHE;
  p->share = 1;
  if (cpu && !p->inner) p->share = large ? min(CLG_CEIL_DIV(p->line, LANES) * LANES, REDUCE_WIDE) : LANES;
  if (cpu && p->inner && p->n_red < ROW_WORK && p->n_out > ONE_PASS / ROW_WORK)
    p->share = CLG_CEIL_DIV(ROW_WORK, p->n_red);
  p->rows = p->inner && p->share > 1 && p->n_red <= SHORT && p->unit && p->red.ndim == 1 && row_of(p) >= REDUCE_ROWS;
  if (p->rows) p->share = CLG_CEIL_DIV(p->share, REDUCE_ROWS) * REDUCE_ROWS;
}

/* The items, or groups, of one chunk. */
static uint32_t tasks_of(const plan *p) {
  return p->inner ? CLG_CEIL_DIV(p->n_out, p->share) : p->n_out / row_of(p) * CLG_CEIL_DIV(row_of(p), p->share);
}

/* Enough chunks to fill a device, none so short that its result costs more than its sum. By the sizes alone, so that a
 * sum has the same bits whatever the strides of what it reads. */
static void choose_chunks(plan *p, bool cpu) {
  uint32_t tasks = p->inner ? CLG_CEIL_DIV(p->n_out, p->share) : p->n_out / p->line * CLG_CEIL_DIV(p->line, p->share);
  uint32_t want = cpu ? 64 : 4096, min_chunk = 32;
  if (p->inner) want = cpu && terms(p) <= IN_CACHE ? 32 : 1024, min_chunk = 2048;
  p->chunks = 1;
  if (terms(p) > ONE_PASS && tasks < want && p->n_red >= 2 * min_chunk)
    p->chunks = min(p->n_red / min_chunk, want / tasks);
  p->chunk = CLG_CEIL_DIV(p->n_red, p->chunks);
  p->chunks = CLG_CEIL_DIV(p->n_red, p->chunk);
}

/* Whether every tensor's stride is 1 or 0, and not all are 0. */
static bool unit_strides(const clg_loop *along, int n, uint32_t *zero) {
  bool moves = false;
  *zero = 0;
  for (int i = 0; i < n; i++) {
    if (!along->ndim || (along->stride[i][0] != 0 && along->stride[i][0] != 1)) return false;
    if (along->stride[i][0]) moves = true;
    if (!along->stride[i][0]) *zero |= 2u << i;
  }
  return moves;
}

static void make_plan(plan *p, const clg_map_fn *f, const clg_tensor *const *list, int n, int ndim,
                      const int64_t *shape, uint32_t dims) {
  int64_t strides[CLG_MAP_INPUTS][CLG_MAX_DIMS];
  for (int i = 0; i < n; i++) clg_broadcast_strides(list[i], ndim, shape, strides[i]);
  clg_loop_make(&p->kept, ndim, shape, ~dims & 0xff, n, strides);
  clg_loop_make(&p->red, ndim, shape, dims, n, strides);
  p->n_out = product(&p->kept);
  p->n_red = product(&p->red);
  int last = ndim - 1;
  while (last > 0 && shape[last] == 1) last--;
  p->inner = p->n_out == 1 || (last >= 0 && (dims >> last & 1));
  p->line = 1;
  for (int d = last; d >= 0 && !(dims >> d & 1); d--) p->line *= (uint32_t)shape[d];
  p->unit = unit_strides(p->inner ? &p->red : &p->kept, n, &p->zero);
  bool cpu = f->ctx->shape == CLG_SHAPE_CPU;
  choose_share(p, cpu);
  choose_chunks(p, cpu);
  p->wide = cpu && !p->inner && p->unit && p->share > LANES;
  if (cpu && !p->inner && !p->wide) p->share = LANES;
  if (p->wide && n > 1) p->share = min(p->share, SEVERAL); /* the order of a sum is that of its chunk */
}

/* How a reduction's kernels go through memory: their templates, and what is put behind the kernel's name. */
static const struct access {
  const char *file, *suffix;
  bool unit;
} accesses[] = {{"reduce_inner.clt", "_strided", false},
                {"reduce_inner.clt", "", true},
                {"reduce_outer.clt", "_columns_strided", false},
                {"reduce_outer.clt", "_columns", true},
                {"reduce_rows.clt", "_rows", true},
                {"reduce_wide.clt", "_columns_wide", true}};

enum { ROWS = 4, WIDE };

static int access_of(const plan *p) {
  if (p->rows) return ROWS;
  if (p->wide) return WIDE;
  return (p->inner ? 0 : 2) + p->unit;
}

/* "sum", or "sum_of_" and the formula's name; that of a number times a tensor is the mean of the tensor itself. */
static void name_kernel(const clg_map_fn *f, int kind, const char *suffix, char name[CLG_KERNEL_TEXT]) {
  static const char *const kinds[] = {"sum", "max", "sum_kept", "mean"};
  const clg_map_fn *w = f->written;
  const bool plain = w == clg_maps_of(f->ctx, CLG_MAP_COPY) ||
                     (kind == CLG_REDUCE_MEAN && w == clg_maps_of(f->ctx, CLG_MAP_MUL_SCALAR));
  const char *what = plain && kind == CLG_REDUCE_MAX ? "maximum" : kinds[kind];
  if (plain)
    snprintf(name, CLG_KERNEL_TEXT, "%s%s", what, suffix);
  else
    snprintf(name, CLG_KERNEL_TEXT, "%s_of_%s%s", what, w->name, suffix);
}

static clg_kernel *make_kernel(const clg_map_fn *f, int kind, const struct access *how, uint32_t zero) {
  static const unsigned traits[] = {0, CLG_KERNEL_MAX, CLG_KERNEL_KEEP, CLG_KERNEL_MEAN};
  const bool cpu = f->ctx->shape == CLG_SHAPE_CPU, lanes = !cpu && how < &accesses[2];
  const clg_kernel_formula formula = clg_map_formula(f);
  char name[CLG_KERNEL_TEXT];
  name_kernel(f, kind, how->suffix, name);
  clg_kernel_form form = {.file = how->file, .kernel = name, .traits = traits[kind], .still = zero};
  if (lanes) form.file = "reduce_lanes.clt";
  if (cpu) form.traits |= CLG_KERNEL_CPU;
  if (how->unit) form.traits |= CLG_KERNEL_UNIT;
  clg_str text = {0};
  clg_kernel_write_value(&formula, &text);
  clg_kernel_write(&formula, &form, &text);
  clg_kernel *k = NULL;
  if (text.failed) {
    clg_fail(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
  } else {
    const char *header = how == &accesses[ROWS] ? "reduce_rows.clh" : "reduce.clh";
    k = clg_kernel_written(f->ctx, &(clg_written){header, name, text.data}, name);
  }
  clg_str_free(&text);
  return k;
}

static clg_kernel *kernel_of(clg_map_fn *f, int kind, const plan *p) {
  const int access = access_of(p);
  const uint32_t zero = p->unit ? p->zero : 0;
  clg_map_reduction *r = f->reductions;
  while (r && (r->kind != kind || r->zero != zero || r->access != access)) r = r->next;
  if (!r) {
    r = calloc(1, sizeof *r);
    if (!r) return clg_fail_object(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
    *r = (clg_map_reduction){f->reductions, kind, access, zero, NULL};
    f->reductions = r;
  }
  if (!r->kernel) r->kernel = make_kernel(f, kind, &accesses[access], zero);
  return r->kernel;
}

/* What a reduction does: `keep` is NULL unless kind is CLG_REDUCE_KEEP, `by` is of CLG_REDUCE_MEAN. */
typedef struct reduction {
  int kind;
  const clg_tensor *keep;
  float by;
} reduction;

static clg_status run_pass(clg_map_fn *f, const reduction *w, const clg_tensor *out, const clg_tensor *const *list,
                           int n, const float *params, const plan *p, bool accumulate, const char *op) {
  clg_args a;
  a.n = 0;
  clg_args_tensor(&a, out);
  if (w->keep) clg_args_tensor(&a, w->keep);
  for (int i = 0; i < n; i++) clg_args_tensor(&a, list[i]);
  for (int i = 0; i < n; i++) {
    clg_args_v8(&a, p->kept.stride[i], p->kept.ndim, 0);
    clg_args_v8(&a, p->red.stride[i], p->red.ndim, 0);
  }
  clg_args_params(&a, f, params);
  clg_args_v8(&a, p->kept.dim, p->kept.ndim, 1);
  clg_args_v8(&a, p->red.dim, p->red.ndim, 1);
  clg_args_u32(&a, p->n_out);
  clg_args_u32(&a, p->n_red);
  clg_args_u32(&a, p->chunk);
  clg_args_u32(&a, p->share);
  clg_args_u32(&a, accumulate);
  if (w->kind == CLG_REDUCE_MEAN) clg_args_f32(&a, w->by);
  clg_kernel *k = kernel_of(f, w->kind, p);
  size_t tasks = tasks_of(p), group = clg_kernel_group(f->ctx, k);
  const size_t groups[3] = {p->inner ? tasks : CLG_CEIL_DIV(tasks, group), p->chunks, 1};
  return clg_launch_groups(f->ctx, k, op, &a, groups);
}

static clg_status empty(int kind, clg_tensor *out, bool accumulate, const char *op) {
  if (kind == CLG_REDUCE_MAX) return clg_fail(out->ctx, CLG_ERR_SHAPE, op, "the maximum of no elements does not exist");
  if (accumulate) return CLG_OK;
  float value = kind == CLG_REDUCE_MEAN ? NAN : 0;
  return clg_map_run(clg_maps_of(out->ctx, CLG_MAP_FILL), &out, NULL, &value, false, op);
}

static clg_status reduce(clg_map_fn *f, const reduction *w, clg_tensor *out, const clg_tensor *const *ins,
                         const float *params, int ndim, const int64_t *shape, uint32_t dims, bool accumulate,
                         const char *op) {
  if (!f) return CLG_ERR_HOST_MEMORY;
  const clg_tensor *list[CLG_MAP_INPUTS];
  int n = 0;
  for (int i = 0; i < f->n_in; i++)
    if (f->in_used >> i & 1) list[n++] = ins[i];
  if (!out->numel) return CLG_OK;
  for (int i = 0; i < ndim; i++)
    if ((dims >> i & 1) && shape[i] == 0) return empty(w->kind, out, accumulate, op);
  plan p;
  make_plan(&p, f, list, n, ndim, shape, dims);
  if (p.chunks == 1) return run_pass(f, w, out, list, n, params, &p, accumulate, op);
  int64_t parts[2] = {p.chunks, p.n_out};
  clg_tensor *part = clg_tensor_new(f->ctx, 2, parts, CLG_ROLE_WORKSPACE, op);
  if (!part) return clg_last_status(f->ctx);
  /* Parts of a mean are multiplied by a power of two, so that none overflows; the last pass divides by the rest. */
  int power = 0;
  while (w->kind == CLG_REDUCE_MEAN && 1u << power < p.chunk) power++;
  const reduction first = {w->kind, w->keep, ldexpf(1, -power)},
                  last = {w->kind == CLG_REDUCE_KEEP ? CLG_REDUCE_SUM : w->kind, NULL, ldexpf(w->by, -power)};
  clg_status s = run_pass(f, &first, part, list, n, params, &p, false, op);
  const clg_tensor *in[] = {part};
  if (s == CLG_OK) s = reduce(clg_maps_of(f->ctx, CLG_MAP_COPY), &last, out, in, NULL, 2, parts, 1, accumulate, op);
  clg_tensor_unref(&part);
  return s;
}

clg_status clg_map_reduce(clg_map_fn *f, clg_reduce_kind kind, clg_tensor *out, const clg_tensor *const *ins,
                          const float *params, int ndim, const int64_t *shape, uint32_t dims, bool accumulate,
                          const char *op) {
  return reduce(f, &(reduction){(int)kind, NULL, 0}, out, ins, params, ndim, shape, dims, accumulate, op);
}

clg_status clg_map_mean(clg_map_fn *f, float by, clg_tensor *out, const clg_tensor *const *ins, const float *params,
                        int ndim, const int64_t *shape, uint32_t dims, const char *op) {
  return reduce(f, &(reduction){CLG_REDUCE_MEAN, NULL, by}, out, ins, params, ndim, shape, dims, false, op);
}

/* Where the range is one column, or one element, results run along memory no longer and are not worth it. */
clg_status clg_map_sum_keep(clg_map_fn *f, clg_tensor *out, clg_tensor *keep, const clg_tensor *const *ins,
                            const float *params, bool accumulate, const char *op) {
  const reduction keeping = {CLG_REDUCE_KEEP, keep, 0}, plain = {CLG_REDUCE_SUM, NULL, 0};
  if (keep->shape[1] > 1) return reduce(f, &keeping, out, ins, params, 2, keep->shape, 1, accumulate, op);
  const clg_tensor *in[] = {keep};
  clg_status s = clg_map_run(f, &keep, ins, params, false, op);
  return s == CLG_OK
             ? reduce(clg_maps_of(f->ctx, CLG_MAP_COPY), &plain, out, in, NULL, 2, keep->shape, 1, accumulate, op)
             : s;
}
