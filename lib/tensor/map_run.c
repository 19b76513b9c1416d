/* Compiles maps to kernels and runs them elementwise. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "tensor/map.h"
#include "tensor/map_priv.h"
#include <stdio.h>
#include <stdlib.h>

void clg_args_params(clg_args *a, const clg_map_fn *f, const float *params) {
  for (int i = 0; i < f->n_param; i++)
    if (f->param_used >> i & 1) clg_args_f32(a, params[i]);
}

void clg_broadcast_strides(const clg_tensor *t, int ndim, const int64_t *shape, int64_t *stride) {
  for (int i = 1; i <= ndim; i++) {
    int from = t->ndim - i;
    stride[ndim - i] = from < 0 || (t->shape[from] == 1 && shape[ndim - i] != 1) ? 0 : t->stride[from];
  }
}

void clg_loop_make(clg_loop *l, int ndim, const int64_t *shape, uint32_t dims, int n,
                   int64_t (*strides)[CLG_MAX_DIMS]) {
  l->ndim = 0;
  for (int d = ndim; d-- > 0;) {
    if (!(dims >> d & 1) || shape[d] == 1) continue;
    bool joins = l->ndim > 0;
    int in = l->ndim - 1;
    for (int t = 0; joins && t < n; t++) joins = strides[t][d] == (int64_t)l->stride[t][in] * l->dim[in];
    if (joins) {
      l->dim[in] *= (int32_t)shape[d];
      continue;
    }
    l->dim[l->ndim] = (int32_t)shape[d];
    for (int t = 0; t < n; t++) l->stride[t][l->ndim] = (int32_t)strides[t][d];
    l->ndim++;
  }
}

static bool in_pieces(const clg_map_fn *f) { return f->ctx->shape == CLG_SHAPE_CPU; }

clg_kernel_formula clg_map_formula(const clg_map_fn *f) {
  const clg_map_fn *w = f->written;
  return (clg_kernel_formula){.name = w->name,
                              .arena = w->arena,
                              .out = w->out,
                              .in = w->in,
                              .number = w->number,
                              .n_out = w->n_out,
                              .n_in = w->n_read,
                              .n_number = w->n_number,
                              .ints = w->ints};
}

/* What an item does with memory: any strides; those of one pattern, or that with tiles. */
typedef enum way { ANY, UNIT, TURNED } way;

static way way_of(const clg_map_access *a) {
  if (a->turned) return TURNED;
  return a->unit ? UNIT : ANY;
}

/* The kernels of one access to memory. A driver that compiles late gets all forms in one program, another one for each.
 */
static clg_kernel *get_kernel(const clg_map_fn *f, clg_map_form form, const clg_map_access *access) {
  const clg_kernel_formula formula = clg_map_formula(f);
  static const char *const file[] = {"map_strided.clt", "map_strided.clt", "map_turned.clt"},
                           *const suffix[] = {"_strided", "_rows", "_turned"}, *const sums[] = {"", "_add"};
  const way how = way_of(access);
  char name[CLG_FORMS][CLG_KERNEL_TEXT];
  clg_str text = {0};
  const bool lanes = in_pieces(f) && formula.n_out == 1 && !access->back && clg_kernel_branches(&formula);
  clg_kernel_write_value(&formula, &text);
  if (lanes) clg_kernel_write_lanes(&formula, &text);
  for (clg_map_form i = 0; i < CLG_FORMS; i++) {
    const bool strided = i == CLG_STRIDED || i == CLG_STRIDED_ADD, add = i == CLG_FLAT_ADD || i == CLG_STRIDED_ADD;
    snprintf(name[i], sizeof name[i], "%s%s%s", formula.name, strided ? suffix[how] : "", sums[add]);
    if (i != form && (!clg_compiles_late(f->ctx) || (how != ANY && !strided))) continue;
    clg_kernel_form written = {.file = strided ? file[how] : "map_flat.clt", .kernel = name[i]};
    if (in_pieces(f)) written.traits |= CLG_KERNEL_CPU;
    if (add) written.traits |= CLG_KERNEL_ADD;
    if (lanes && (how != ANY || !strided)) written.traits |= CLG_KERNEL_LANES;
    if (how != ANY) {
      written.traits |= CLG_KERNEL_UNIT;
      written.still = access->zero, written.back = access->back, written.turned = access->turned;
    }
    clg_kernel_write(&formula, &written, &text);
  }
  clg_kernel *k = NULL;
  if (text.failed) {
    clg_fail(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
  } else {
    const char *header = how == TURNED ? "map_turned.clh" : "map.clh";
    k = clg_kernel_written(f->ctx, &(clg_written){header, formula.name, text.data}, name[form]);
  }
  clg_str_free(&text);
  return k;
}

static clg_kernel *kernel_of(clg_map_fn *f, clg_map_form form) {
  static const clg_map_access any = {.unit = false};
  if (!f->kernel[form]) f->kernel[form] = get_kernel(f, form, &any);
  return f->kernel[form];
}

/* Whether the results lie along memory, and each input does in either direction, stays at one element, or lies along
 * dimension `other`: what a compiler turns into vector code, if it knows. */
static bool is_unit(const clg_map_fn *f, const clg_loop *l, int n, int other, clg_map_access *a) {
  *a = (clg_map_access){.unit = l->ndim > 0};
  for (int i = 0; i < n && a->unit; i++) {
    const int32_t step = l->stride[i][0], bit = 1 << i;
    if (i >= f->n_out && !step) {
      a->zero |= (uint32_t)bit;
    } else if (i >= f->n_out && step == -1) {
      a->back |= (uint32_t)bit;
    } else if (i >= f->n_out && step != 1 && other && l->stride[i][other] == 1) {
      a->turned |= (uint32_t)bit;
    } else {
      a->unit = step == 1;
    }
  }
  return a->unit;
}

static void exchange(int32_t *a, int32_t *b) {
  const int32_t was = *a;
  *a = *b, *b = was;
}

/* How the loop's kernel reads; brings the dimension along which others lie to the second place. */
static clg_map_access access_of(const clg_map_fn *f, clg_loop *l, int n) {
  clg_map_access a;
  const int last = in_pieces(f) ? l->ndim : 1;
  for (int other = 0; other < last; other++) {
    if (!is_unit(f, l, n, other, &a)) continue;
    if (other < 2) return a;
    exchange(&l->dim[1], &l->dim[other]);
    for (int i = 0; i < n; i++) exchange(&l->stride[i][1], &l->stride[i][other]);
    return a;
  }
  return (clg_map_access){.unit = false};
}

static clg_kernel *rows_kernel(clg_map_fn *f, const clg_map_access *a, bool add) {
  clg_map_rows *r = f->rows;
  while (r && (r->access.zero != a->zero || r->access.back != a->back || r->access.turned != a->turned)) r = r->next;
  if (!r) {
    r = calloc(1, sizeof *r);
    if (!r) return clg_fail_object(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
    *r = (clg_map_rows){.next = f->rows, .access = *a};
    f->rows = r;
  }
  if (!r->kernel[add]) r->kernel[add] = get_kernel(f, add ? CLG_STRIDED_ADD : CLG_STRIDED, a);
  return r->kernel[add];
}

/* The tensors that take part: results first, then the inputs that are used. */
static int members(const clg_map_fn *f, clg_tensor *const *outs, const clg_tensor *const *ins,
                   const clg_tensor **list) {
  int n = 0;
  for (int i = 0; i < f->n_out; i++) list[n++] = outs[i];
  for (int i = 0; i < f->n_in; i++)
    if (f->in_used >> i & 1) list[n++] = ins[i];
  return n;
}

/* `global` counts elements of the innermost dimension; a CPU's item takes `piece` of them. */
static clg_status launch(clg_map_fn *f, clg_kernel *k, const char *op, const clg_args *a, uint32_t piece,
                         const size_t global[3]) {
  if (!in_pieces(f)) return clg_launch(f->ctx, k, op, a, global, NULL);
  const size_t groups[3] = {CLG_CEIL_DIV(global[0], piece), global[1], global[2]}, alone[3] = {1, 1, 1};
  return clg_launch(f->ctx, k, op, a, groups, alone);
}

/* The arguments begin with the tensors. */
static clg_status run_strided(clg_map_fn *f, const clg_tensor *const *list, int n, clg_args *a, const float *params,
                              bool accumulate, const char *op) {
  const clg_tensor *out = list[0];
  int64_t strides[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS][CLG_MAX_DIMS];
  for (int i = 0; i < n; i++) clg_broadcast_strides(list[i], out->ndim, out->shape, strides[i]);
  clg_loop l;
  clg_loop_make(&l, out->ndim, out->shape, 0xff, n, strides);
  const clg_map_access access = access_of(f, &l, n);
  for (int i = 0; i < n; i++) clg_args_v8(a, l.stride[i], l.ndim, 0);
  clg_args_params(a, f, params);
  clg_args_v8(a, l.dim, l.ndim, 1);
  size_t global[3] = {1, 1, 1};
  for (int i = 0; i < l.ndim; i++) global[i < 2 ? i : 2] *= (size_t)l.dim[i];
  const uint32_t piece = access.turned ? TURN_PIECE : MAP_PIECE;
  if (in_pieces(f)) {
    /* Short ones cost more to begin than to do. */
    size_t rows = CLG_CEIL_DIV(MAP_PIECE, global[0] < piece ? global[0] : piece);
    if (access.turned) rows = CLG_CEIL_DIV(rows, TURN_SIDE) * TURN_SIDE;
    clg_args_u32(a, (uint32_t)rows);
    global[1] = CLG_CEIL_DIV(global[1], rows);
  }
  const clg_map_form form = accumulate ? CLG_STRIDED_ADD : CLG_STRIDED;
  clg_kernel *k = access.unit ? rows_kernel(f, &access, accumulate) : kernel_of(f, form);
  return launch(f, k, op, a, piece, global);
}

clg_status clg_map_run(clg_map_fn *f, clg_tensor *const *outs, const clg_tensor *const *ins, const float *params,
                       bool accumulate, const char *op) {
  if (!f) return CLG_ERR_HOST_MEMORY;
  const clg_tensor *list[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS], *out = outs[0];
  int n = members(f, outs, ins, list);
  if (!out->numel) return CLG_OK;
  clg_args a;
  a.n = 0;
  bool flat = true;
  for (int i = 0; i < n; i++) {
    clg_args_tensor(&a, list[i]);
    flat = flat && clg_same_shape(list[i], out) && clg_tensor_is_contiguous(list[i]);
  }
  if (!flat) return run_strided(f, list, n, &a, params, accumulate, op);
  clg_args_params(&a, f, params);
  clg_args_u32(&a, (uint32_t)out->numel);
  clg_kernel *k = kernel_of(f, accumulate ? CLG_FLAT_ADD : CLG_FLAT);
  return launch(f, k, op, &a, MAP_PIECE, (size_t[3]){(size_t)out->numel, 1, 1});
}
