/* Compiles expressions to kernels and runs them elementwise. Owns the context's arena and its maps. */
#include "tensor/map.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "tensor/map_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a context keeps: slot MAPS. */
typedef struct map_state {
  clg_arena *arena;
  clg_map_fn *all;
  clg_map_fn *builtin[CLG_MAP_BUILTINS];
} map_state;

static void map_free(clg_map_fn *f) {
  for (clg_map_rows *r = f->rows, *next; r; r = next) next = r->next, free(r);
  for (clg_map_reduction *r = f->reductions, *next; r; r = next) next = r->next, free(r);
  free(f->name);
  free(f);
}

static void state_destroy(clg_context *ctx, void *p) {
  map_state *s = p;
  (void)ctx;
  for (clg_map_fn *f = s->all, *next; f; f = next) next = f->next, map_free(f);
  clg_arena_destroy(s->arena);
  free(s);
}

static bool make_builtins(clg_context *ctx, map_state *s);

static map_state *state_of(clg_context *ctx) {
  clg_slot *slot = &ctx->slot[CLG_SLOT_MAPS];
  if (slot->state) return slot->state;
  map_state *s = calloc(1, sizeof *s);
  if (s) s->arena = clg_arena_create();
  if (!s || !s->arena) {
    free(s);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  }
  if (make_builtins(ctx, s)) {
    *slot = (clg_slot){s, NULL, state_destroy};
    return s;
  }
  state_destroy(ctx, s);
  return NULL;
}

clg_arena *clg_arena_of(clg_context *ctx) {
  map_state *s = state_of(ctx);
  return s ? s->arena : NULL;
}

/* ---- making maps ---- */

/* Those of names[0..n) that some result reads; their bits in *mask. */
static int find_used(const clg_arena *a, const clg_map_fn *f, const char *const *names, int n, const char **used,
                     uint32_t *mask) {
  int count = 0;
  *mask = 0;
  for (int i = 0; i < n; i++) {
    bool mentioned = false;
    for (int k = 0; k < f->n_out; k++) mentioned = mentioned || clg_expr_mentions(a, f->out[k], names[i]);
    if (!mentioned) continue;
    used[count++] = names[i];
    *mask |= 1u << i;
  }
  return count;
}

/* The results over names by their order alone, by which formulas that differ in names are known to be one: a product,
 * and the gradient of another. */
static void rename_used(clg_arena *a, clg_map_fn *f, char kind, const char *const *names, int n) {
  for (int i = 0; i < n; i++) {
    char ordered[16];
    snprintf(ordered, sizeof ordered, "%c%d", kind, i);
    for (int k = 0; k < f->n_out; k++)
      f->form_of[k] = clg_expr_replace(a, f->form_of[k], clg_expr_var(a, names[i]), clg_expr_var(a, ordered));
  }
}

/* Formulas that are one have one text, built once: that of the first of them, with its name. */
static const clg_map_fn *written_as(const map_state *s, const clg_map_fn *f) {
  for (const clg_map_fn *m = s->all; m; m = m->next)
    if (m->written == m && m->n_out == f->n_out && m->ints == f->ints &&
        !memcmp(m->form_of, f->form_of, sizeof f->form_of))
      return m;
  return f;
}

static clg_map_fn *create(clg_context *ctx, map_state *s, const char *name, const clg_expr *out, int n_out,
                          const char *const *in, int n_in, const char *const *param, int n_param, bool ints) {
  bool given = s != NULL; /* an expression that is missing was not made for want of memory */
  for (int i = 0; i < n_out; i++) given = given && out[i];
  clg_map_fn *f = given ? calloc(1, sizeof *f) : NULL;
  if (!f) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, name, "out of host memory");
  *f = (clg_map_fn){.ctx = ctx, .n_out = n_out, .n_in = n_in, .n_param = n_param, .arena = s->arena, .ints = ints};
  memcpy(f->out, out, (size_t)n_out * sizeof *out);
  memcpy(f->form_of, out, (size_t)n_out * sizeof *out);
  f->n_read = find_used(s->arena, f, in, n_in, f->in, &f->in_used);
  f->n_number = find_used(s->arena, f, param, n_param, f->number, &f->param_used);
  rename_used(s->arena, f, 'a', f->in, f->n_read);
  rename_used(s->arena, f, 'n', f->number, f->n_number);
  clg_str kernel = {0};
  clg_kernel_name(name, &kernel);
  f->name = kernel.data;
  bool whole = !kernel.failed;
  for (int i = 0; i < n_out; i++) whole = whole && f->form_of[i];
  if (!whole) {
    map_free(f);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, name, "out of host memory");
  }
  f->written = written_as(s, f);
  f->next = s->all;
  return s->all = f;
}

clg_map_fn *clg_map_create(clg_context *ctx, const char *name, const clg_expr *out, int n_out, const char *const *in,
                           int n_in, const char *const *param, int n_param) {
  return create(ctx, state_of(ctx), name, out, n_out, in, n_in, param, n_param, false);
}

/* What the rooms below the ops need, and what many formulas come down to: made first, their names are the ones that
 * kernels of such formulas have. */
static const struct builtin {
  const char *name, *text;
  int n_in, n_param;
} builtins[CLG_MAP_BUILTINS] = {[CLG_MAP_COPY] = {"copy", "x", 1, 0},
                                [CLG_MAP_FILL] = {"fill", "s", 0, 1},
                                [CLG_MAP_ADD] = {"add", "x + o", 2, 0},
                                [CLG_MAP_COPY_I32] = {"copy_i32", "x", 1, 0},
                                [CLG_MAP_NOT_FINITE] = {"not_finite", "x - x == 0 ? 0 : 1", 1, 0},
                                [CLG_MAP_SUB] = {"sub", "x - o", 2, 0},
                                [CLG_MAP_MUL] = {"mul", "x*o", 2, 0},
                                [CLG_MAP_DIV] = {"div", "x/o", 2, 0},
                                [CLG_MAP_NEG] = {"neg", "-x", 1, 0},
                                [CLG_MAP_MUL_SCALAR] = {"mul_scalar", "x*s", 1, 1}};

static bool make_builtins(clg_context *ctx, map_state *s) {
  static const char *const names[] = {"x", "o", "s"}, *const *in = names, *const *param = names + 2;
  for (int i = 0; i < CLG_MAP_BUILTINS; i++) {
    const struct builtin *b = &builtins[i];
    clg_expr e = clg_expr_parse(s->arena, b->text, names, 3, NULL);
    s->builtin[i] = create(ctx, s, b->name, &e, 1, in, b->n_in, param, b->n_param, i == CLG_MAP_COPY_I32);
    if (!s->builtin[i]) return false;
  }
  return true;
}

clg_map_fn *clg_maps_of(clg_context *ctx, clg_map_builtin which) {
  map_state *s = state_of(ctx);
  return s ? s->builtin[which] : NULL;
}

/* ---- running ---- */

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

/* The kernels of one access to memory: `unit` strides, those of the tensors in `zero` 0, or any. A driver that compiles
 * late gets all forms in one program, another one for each. */
static clg_kernel *get_kernel(const clg_map_fn *f, clg_map_form form, bool unit, uint32_t zero) {
  const clg_kernel_formula formula = clg_map_formula(f);
  static const char *const suffix[] = {"", "_strided", "_rows"}, *const sums[] = {"", "_add"};
  char name[CLG_FORMS][CLG_KERNEL_TEXT];
  clg_str text = {0};
  const bool lanes = in_pieces(f) && formula.n_out == 1 && clg_kernel_branches(&formula);
  clg_kernel_write_value(&formula, &text);
  if (lanes) clg_kernel_write_lanes(&formula, &text);
  for (clg_map_form i = 0; i < CLG_FORMS; i++) {
    const bool strided = i == CLG_STRIDED || i == CLG_STRIDED_ADD, add = i == CLG_FLAT_ADD || i == CLG_STRIDED_ADD;
    snprintf(name[i], sizeof name[i], "%s%s%s", formula.name, suffix[strided ? 1 + unit : 0], sums[add]);
    if (i != form && (!clg_compiles_late(f->ctx) || (unit && !strided))) continue;
    clg_kernel_form written = {.file = strided ? "map_strided.clt" : "map_flat.clt", .kernel = name[i]};
    if (in_pieces(f)) written.traits |= CLG_KERNEL_CPU;
    if (add) written.traits |= CLG_KERNEL_ADD;
    if (unit) written.traits |= CLG_KERNEL_UNIT, written.still = zero;
    if (lanes && (unit || !strided)) written.traits |= CLG_KERNEL_LANES;
    clg_kernel_write(&formula, &written, &text);
  }
  clg_kernel *k = NULL;
  if (text.failed) {
    clg_fail(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
  } else {
    k = clg_kernel_written(f->ctx, &(clg_written){"map.clh", formula.name, text.data}, name[form]);
  }
  clg_str_free(&text);
  return k;
}

static clg_kernel *kernel_of(clg_map_fn *f, clg_map_form form) {
  if (!f->kernel[form]) f->kernel[form] = get_kernel(f, form, false, 0);
  return f->kernel[form];
}

/* Reading along memory, or one element over and over, is what a compiler turns into vector code, if it knows. False:
 * some tensor's innermost stride is another. */
static bool inner_unit(const clg_map_fn *f, const clg_loop *l, int n, uint32_t *zero) {
  *zero = 0;
  for (int i = 0; i < n; i++) {
    if (l->stride[i][0] != 1 && (l->stride[i][0] != 0 || i < f->n_out)) return false;
    if (!l->stride[i][0]) *zero |= 1u << i;
  }
  return l->ndim > 0;
}

static clg_kernel *rows_kernel(clg_map_fn *f, uint32_t zero, bool add) {
  clg_map_rows *r = f->rows;
  while (r && r->zero != zero) r = r->next;
  if (!r) {
    r = calloc(1, sizeof *r);
    if (!r) return clg_fail_object(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
    *r = (clg_map_rows){.next = f->rows, .zero = zero};
    f->rows = r;
  }
  if (!r->kernel[add]) r->kernel[add] = get_kernel(f, add ? CLG_STRIDED_ADD : CLG_STRIDED, true, zero);
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

/* `global` counts elements of the innermost dimension. */
static clg_status launch(clg_map_fn *f, clg_kernel *k, const char *op, const clg_args *a, const size_t global[3]) {
  if (!in_pieces(f)) return clg_launch(f->ctx, k, op, a, global, NULL);
  const size_t groups[3] = {CLG_CEIL_DIV(global[0], MAP_PIECE), global[1], global[2]}, alone[3] = {1, 1, 1};
  return clg_launch(f->ctx, k, op, a, groups, alone);
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
  if (flat) {
    clg_args_params(&a, f, params);
    clg_args_u32(&a, (uint32_t)out->numel);
    return launch(f, kernel_of(f, accumulate ? CLG_FLAT_ADD : CLG_FLAT), op, &a, (size_t[3]){(size_t)out->numel, 1, 1});
  }
  int64_t strides[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS][CLG_MAX_DIMS];
  for (int i = 0; i < n; i++) clg_broadcast_strides(list[i], out->ndim, out->shape, strides[i]);
  clg_loop l;
  clg_loop_make(&l, out->ndim, out->shape, 0xff, n, strides);
  for (int i = 0; i < n; i++) clg_args_v8(&a, l.stride[i], l.ndim, 0);
  clg_args_params(&a, f, params);
  clg_args_v8(&a, l.dim, l.ndim, 1);
  size_t global[3] = {1, 1, 1};
  for (int i = 0; i < l.ndim; i++) global[i < 2 ? i : 2] *= (size_t)l.dim[i];
  if (in_pieces(f)) {
    /* Short ones cost more to begin than to do. */
    const size_t rows = global[0] < MAP_PIECE ? MAP_PIECE / global[0] : 1;
    clg_args_u32(&a, (uint32_t)rows);
    global[1] = CLG_CEIL_DIV(global[1], rows);
  }
  uint32_t zero;
  const bool unit = inner_unit(f, &l, n, &zero);
  const clg_map_form form = accumulate ? CLG_STRIDED_ADD : CLG_STRIDED;
  return launch(f, unit ? rows_kernel(f, zero, accumulate) : kernel_of(f, form), op, &a, global);
}
