/* Makes maps of expressions. Owns the context's arena and its maps. */
#include "tensor/map.h"
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
