/* Compiles expressions to map.cl kernels and runs them elementwise. Owns the context's arena and its maps. */
#include "tensor/map.h"
#include "tensor/map_priv.h"
#include <stdlib.h>
#include <string.h>

/* What a context keeps: slot FORMULA. */
typedef struct map_state {
  clg_arena *arena;
  clg_map_fn *all;
  clg_map_fn *builtin[CLG_MAP_BUILTINS];
} map_state;

static void map_free(clg_map_fn *f) {
  for (clg_map_rows *r = f->rows, *next; r; r = next) next = r->next, free(r->prelude), free(r);
  free(f->name);
  free(f->prelude);
  for (clg_map_reduction *r = f->reductions, *next; r; r = next) next = r->next, free(r->prelude), free(r);
  free(f);
}

static void state_destroy(clg_context *ctx, void *p) {
  map_state *s = p;
  (void)ctx;
  for (clg_map_fn *f = s->all, *next; f; f = next) next = f->next, map_free(f);
  clg_arena_destroy(s->arena);
  free(s);
}

static map_state *state_of(clg_context *ctx) {
  clg_slot *slot = &ctx->slot[CLG_SLOT_FORMULA];
  if (slot->state) return slot->state;
  map_state *s = calloc(1, sizeof *s);
  if (s) s->arena = clg_arena_create();
  if (!s || !s->arena) {
    free(s);
    clg_fail(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
    return NULL;
  }
  *slot = (clg_slot){s, NULL, state_destroy};
  return s;
}

clg_arena *clg_arena_of(clg_context *ctx) {
  map_state *s = state_of(ctx);
  return s ? s->arena : NULL;
}

/* ---- the prelude: one set of macros for one list of expressions ---- */

typedef struct writer {
  clg_str out;
  const clg_map_fn *f;
  const char *const *in, *const *param;
  bool ints;
} writer;

/* Appends `format` for each used input; %s is its name, at most three times. */
static void each_input(writer *w, const char *format) {
  for (int i = 0; i < w->f->n_in; i++)
    if (w->f->in_used >> i & 1) clg_str_addf(&w->out, format, w->in[i], w->in[i], w->in[i]);
}
static void each_output(writer *w, const char *format) {
  for (int i = 0; i < w->f->n_out; i++) clg_str_addf(&w->out, format, i, i, i);
}
static void define(writer *w, const char *name) { clg_str_addf(&w->out, "\n#define %s ", name); }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static void write_prelude(writer *w, const clg_arena *arena, const clg_expr *out) {
  define(
      w,
      "MAP_T"); /* the tensors' elements; integers are copied as such, since a GPU may flush them as denormal floats */
  clg_str_add(&w->out, w->ints ? "int" : "float");
  define(w, "MAP_OUTPUTS");
  for (int i = 0; i < w->f->n_out; i++)
    clg_str_addf(&w->out, "%s__global MAP_T *r%d_p, const uint r%d_o", i ? ", " : "", i, i);
  define(w, "MAP_INPUTS");
  each_input(w, ", __global const MAP_T *%s_p, const uint %s_o");
  define(w, "MAP_STRIDES");
  each_output(w, ", const int8 r%d_s");
  each_input(w, ", const int8 %s_s");
  define(w, "MAP_NUMBERS");
  for (int i = 0; i < w->f->n_param; i++)
    if (w->f->param_used >> i & 1) clg_str_addf(&w->out, ", const float %s", w->param[i]);
  define(w, "MAP_LOAD_AT(i)");
  each_input(w, "const MAP_T %s = %s_p[%s_o + (i)]; ");
  define(w, "MAP_LOAD");
  each_input(w, "const MAP_T %s = %s_p[%s_i]; ");
  define(w, "MAP_COMPUTE");
  each_output(w, "MAP_T r%d; ");
  clg_str body = {0};
  static const char *const result[CLG_MAP_OUTPUTS] = {"r0", "r1", "r2", "r3"};
  clg_expr_emit(arena, out, result, (size_t)w->f->n_out, "t_", &body);
  for (char *c = body.data; c && *c; c++)
    if (*c == '\n') *c = ' ';
  if (body.data) clg_str_add(&w->out, body.data);
  w->out.failed |= body.failed;
  clg_str_free(&body);
  define(w, "MAP_STORE_AT(i, PUT)");
  each_output(w, "PUT(r%d_p[r%d_o + (i)], r%d); ");
  define(w, "MAP_STORE(PUT)");
  each_output(w, "PUT(r%d_p[r%d_i], r%d); ");
  define(w, "MAP_INDEX(OP)");
  each_output(w, "OP(r%d) ");
  each_input(w, "OP(%s) ");
  define(w, "MAP_OUTPUT_NUMBER(OP)");
  for (int i = 0; i < w->f->n_out; i++) clg_str_addf(&w->out, "OP(r%d, %d) ", i, i);
  define(w, "MAP_INPUT_NUMBER(OP)");
  for (int i = 0, number = w->f->n_out; i < w->f->n_in; i++)
    if (w->f->in_used >> i & 1) clg_str_addf(&w->out, "OP(%s, %d) ", w->in[i], number++);
  define(w, "MAP_INPUT_INDEX(OP)");
  each_input(w, "OP(%s) ");
  define(w, "MAP_INPUT_STRIDES");
  each_input(w, ", const int8 %s_s, const int8 %s_r");
  clg_str_add(&w->out, "\n");
}
#pragma GCC diagnostic pop

static uint32_t used(const clg_arena *a, const clg_expr *out, int n_out, const char *const *names, int n) {
  uint32_t mask = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n_out; k++)
      if (clg_expr_mentions(a, out[k], names[i])) mask |= 1u << i;
  return mask;
}

/* What is read is named in the order of the arguments, so that formulas that differ in names alone (a product, and the
 * gradient of another) are one text, built once. */
static const char *const argument_name[] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"};
static const char *const number_name[] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11"};

/* to[i]: the name of names[i], if it is used; the same in e[0..n_out). */
static void rename_used(clg_arena *a, clg_expr *e, int n_out, const char *const *names, uint32_t in_use,
                        const char *const *ordered, const char **to) {
  for (int i = 0, next = 0; in_use >> i; i++) {
    if (!(in_use >> i & 1)) continue;
    to[i] = ordered[next++];
    for (int k = 0; k < n_out; k++) e[k] = clg_expr_replace(a, e[k], clg_expr_var(a, names[i]), clg_expr_var(a, to[i]));
  }
}

static clg_map_fn *create(clg_context *ctx, const char *name, const clg_expr *out, int n_out, const char *const *in,
                          int n_in, const char *const *param, int n_param, bool ints) {
  map_state *s = state_of(ctx);
  bool written = s != NULL; /* an expression that is missing was not made for want of memory */
  for (int i = 0; i < n_out; i++) written = written && out[i];
  clg_map_fn *f = written ? calloc(1, sizeof *f) : NULL;
  if (!f) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, name, "out of host memory"), NULL;
  *f = (clg_map_fn){.ctx = ctx, .n_out = n_out, .n_in = n_in, .n_param = n_param};
  f->in_used = used(s->arena, out, n_out, in, n_in);
  f->param_used = used(s->arena, out, n_out, param, n_param);
  const char *tensor[CLG_MAP_INPUTS], *number[CLG_MAP_PARAMS];
  clg_expr e[CLG_MAP_OUTPUTS];
  memcpy(e, out, (size_t)n_out * sizeof *e);
  rename_used(s->arena, e, n_out, in, f->in_used, argument_name, tensor);
  rename_used(s->arena, e, n_out, param, f->param_used, number_name, number);
  writer w = {.f = f, .in = tensor, .param = number, .ints = ints};
  write_prelude(&w, s->arena, e);
  f->prelude = w.out.data;
  f->name = strdup(name);
  if (w.out.failed || !f->name) {
    map_free(f);
    return clg_fail(ctx, CLG_ERR_HOST_MEMORY, name, "out of host memory"), NULL;
  }
  f->next = s->all;
  return s->all = f;
}

clg_map_fn *clg_map_create(clg_context *ctx, const char *name, const clg_expr *out, int n_out, const char *const *in,
                           int n_in, const char *const *param, int n_param) {
  return create(ctx, name, out, n_out, in, n_in, param, n_param, false);
}

clg_map_fn *clg_maps_of(clg_context *ctx, clg_map_builtin which) {
  map_state *s = state_of(ctx);
  if (!s) return NULL;
  if (s->builtin[which]) return s->builtin[which];
  static const char *const in[] = {"x", "o"}, *const param[] = {"s"};
  clg_expr x = clg_expr_var(s->arena, "x"), e = x;
  if (which == CLG_MAP_FILL) e = clg_expr_var(s->arena, "s");
  if (which == CLG_MAP_ADD) e = clg_expr_make(s->arena, CLG_EX_ADD, x, clg_expr_var(s->arena, "o"), 0);
  if (which == CLG_MAP_NOT_FINITE) {
    clg_parse_error error;
    e = clg_expr_parse(s->arena, "x - x == 0 ? 0 : 1", in, 1, &error);
  }
  static const char *const name[] = {"copy", "fill", "add", "copy_i32", "not_finite"};
  static const int n_in[] = {1, 0, 2, 1, 1}, n_param[] = {0, 1, 0, 0, 0};
  return s->builtin[which] =
             create(ctx, name[which], &e, 1, in, n_in[which], param, n_param[which], which == CLG_MAP_COPY_I32);
}

/* ---- running ---- */

void clg_args_params(clg_args *a, const clg_map_fn *f, const float *params) {
  for (int i = 0; i < f->n_param; i++)
    if (f->param_used >> i & 1) clg_args_add(a, clg_arg_f32(params[i]));
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

/* On a CPU an item takes this many elements: map.cl's MAP_PIECE. */
#define PIECE 2048

static bool in_pieces(const clg_map_fn *f) { return f->ctx->shape == CLG_SHAPE_CPU; }

static clg_kernel *get_kernel(const clg_map_fn *f, const char *prelude, clg_map_form form) {
  static const char *const name[][CLG_FORMS] = {{"map_flat", "map_strided", "map_flat_add", "map_strided_add"},
                                                {"map_pieces", "map_rows", "map_pieces_add", "map_rows_add"}};
  return clg_kernel_get(f->ctx, "map.cl", prelude, name[in_pieces(f)][form]);
}

static clg_kernel *kernel_of(clg_map_fn *f, clg_map_form form) {
  if (!f->kernel[form]) f->kernel[form] = get_kernel(f, f->prelude, form);
  return f->kernel[form];
}

/* Reading along memory, or one element over and over, is what a compiler turns into vector code, if it knows. False:
 * some tensor's innermost stride is another. */
static bool along_rows(const clg_loop *l, int n, uint32_t *zero) {
  *zero = 0;
  for (int i = 0; i < n; i++) {
    if (l->stride[i][0] != 0 && l->stride[i][0] != 1) return false;
    if (!l->stride[i][0]) *zero |= 1u << i;
  }
  return l->ndim > 0;
}

static clg_kernel *rows_kernel(clg_map_fn *f, uint32_t zero, bool add) {
  clg_map_rows *r = f->rows;
  while (r && r->zero != zero) r = r->next;
  if (!r) {
    clg_str s = {0};
    clg_str_addf(&s, "%s#define MAP_ZERO %uu\n", f->prelude, zero);
    if (!s.failed) r = calloc(1, sizeof *r);
    if (!r) return clg_str_free(&s), clg_fail(f->ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory"), NULL;
    *r = (clg_map_rows){.next = f->rows, .zero = zero, .prelude = s.data};
    f->rows = r;
  }
  if (!r->kernel[add]) r->kernel[add] = get_kernel(f, r->prelude, add ? CLG_STRIDED_ADD : CLG_STRIDED);
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

static size_t pieces(size_t n, size_t piece) { return (n + piece - 1) / piece; }

/* `global` counts elements of the innermost dimension. */
static clg_status launch(clg_map_fn *f, clg_kernel *k, const char *op, const clg_args *a, const size_t global[3]) {
  if (!in_pieces(f)) return clg_launch(f->ctx, k, op, a->arg, a->n, global, NULL);
  const size_t groups[3] = {pieces(global[0], PIECE), global[1], global[2]}, alone[3] = {1, 1, 1};
  return clg_launch(f->ctx, k, op, a->arg, a->n, groups, alone);
}

clg_status clg_map_run(clg_map_fn *f, clg_tensor *const *outs, const clg_tensor *const *ins, const float *params,
                       bool accumulate, const char *op) {
  if (!f) return CLG_ERR_HOST_MEMORY;
  const clg_tensor *list[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS], *out = outs[0];
  int n = members(f, outs, ins, list);
  if (!out->numel) return CLG_OK;
  clg_args a;
  a.n = 0; /* clearing the whole list would take longer than filling it */
  bool flat = true;
  for (int i = 0; i < n; i++) {
    clg_args_tensor(&a, list[i]);
    flat = flat && clg_same_shape(list[i], out) && clg_tensor_is_contiguous(list[i]);
  }
  if (flat) {
    clg_args_params(&a, f, params);
    clg_args_add(&a, clg_arg_u32((uint32_t)out->numel));
    return launch(f, kernel_of(f, accumulate ? CLG_FLAT_ADD : CLG_FLAT), op, &a, (size_t[3]){(size_t)out->numel, 1, 1});
  }
  int64_t strides[CLG_MAP_OUTPUTS + CLG_MAP_INPUTS][CLG_MAX_DIMS];
  for (int i = 0; i < n; i++) clg_broadcast_strides(list[i], out->ndim, out->shape, strides[i]);
  clg_loop l;
  clg_loop_make(&l, out->ndim, out->shape, 0xff, n, strides);
  for (int i = 0; i < n; i++) clg_args_add(&a, clg_arg_v8(l.stride[i], l.ndim, 0));
  clg_args_params(&a, f, params);
  clg_args_add(&a, clg_arg_v8(l.dim, l.ndim, 1));
  size_t global[3] = {1, 1, 1};
  for (int i = 0; i < l.ndim; i++) global[i < 2 ? i : 2] *= (size_t)l.dim[i];
  if (in_pieces(f)) {
    const size_t rows = global[0] < PIECE ? PIECE / global[0] : 1; /* short ones cost more to begin than to do */
    clg_args_add(&a, clg_arg_u32((uint32_t)rows));
    global[1] = pieces(global[1], rows);
  }
  uint32_t zero;
  clg_kernel *k = along_rows(&l, n, &zero) ? rows_kernel(f, zero, accumulate)
                                           : kernel_of(f, accumulate ? CLG_STRIDED_ADD : CLG_STRIDED);
  return launch(f, k, op, &a, global);
}
