/* A row of the op table on the device: its value, and first and second gradients by its operands, in a layout. `ctx` is
 * the test's context. */
#ifndef CLG_TESTS_OP_RUN_H
#define CLG_TESTS_OP_RUN_H

#include "op_layout.h"
#include "op_reference.h"
#include "shared_context.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARAMETERS = 8, LEAVES = OP_INPUTS + PARAMETERS };
/* The layer that a row has made, whose parameters are differentiated by too; NULL: the row is an op. */
static clg_module *layer;

typedef struct results {
  int ndim;
  int64_t dim[OP_DIMS];
  float y[OP_MOST], further[OP_FURTHER][OP_MOST];
  float first[LEAVES][OP_MOST], composed[LEAVES][OP_MOST], second[LEAVES][OP_MOST];
} results;

/* What a row runs on, and the weights that its gradients are summed with. */
typedef struct trial {
  const op_case *c;
  char title[160];
  op_array in[OP_INPUTS];
  float u[OP_MOST], w[LEAVES][OP_MOST];
  bool bent, second;
  const clg_saved_hooks *hooks; /* on while the op runs; NULL: none */
} trial;

static inline void read_floats(const trial *t, clg_tensor *from, float *to) {
  ck_assert_msg(from != NULL, "%s: %s", t->title, clg_last_error(ctx));
  ck_assert_int_le(clg_tensor_numel(from), OP_MOST);
  if (clg_tensor_dtype(from) == CLG_I32) from = clg_to_float(from);
  ck_assert_int_eq(clg_tensor_read(from, to), CLG_OK);
}

static inline clg_tensor *constant(clg_tensor *like, const float *v) {
  return clg_tensor_create(ctx, clg_tensor_ndim(like), clg_tensor_shape(like), v);
}

/* The gradients of the sum of all first gradients, each element times a weight. */
static inline void second_gradients(const trial *t, clg_tensor *z, clg_tensor *up, clg_tensor *const *by,
                                    const int *number, size_t n, results *out) {
  clg_tensor *g[LEAVES], *gg[LEAVES] = {NULL}, *w[LEAVES], *sum = NULL;
  const clg_backward_options o = {.grad = up, .create_graph = true, .allow_unused = true};
  ck_assert_msg(clg_grad(z, by, n, g, &o) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) {
    w[i] = NULL;
    if (!g[i]) continue;
    read_floats(t, g[i], out->composed[number[i]]);
    clg_tensor *some = clg_sum(clg_mul(g[i], w[i] = constant(g[i], t->w[number[i]])), NULL, 0, false);
    sum = sum ? clg_add(sum, some) : some;
  }
  if (sum && clg_tensor_requires_grad(sum))
    ck_assert_msg(clg_grad(sum, by, n, gg, &(clg_backward_options){.allow_unused = true}) == CLG_OK, "%s: %s", t->title,
                  clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) {
    if (gg[i]) read_floats(t, gg[i], out->second[number[i]]);
    clg_tensor_unref(&w[i]);
  }
}

static inline void gradients(const trial *t, clg_tensor *y, clg_tensor *const *by, const int *number, size_t n,
                             results *out) {
  clg_tensor *z = t->bent ? clg_mul(y, clg_add_scalar(y, 1)) : y, *up = constant(y, t->u), *g[LEAVES] = {NULL};
  const clg_backward_options o = {.grad = up, .retain_graph = t->second, .allow_unused = true};
  ck_assert_msg(clg_grad(z, by, n, g, &o) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++)
    if (g[i]) read_floats(t, g[i], out->first[number[i]]);
  if (t->second) second_gradients(t, z, up, by, number, n, out);
  clg_tensor_unref(&up);
}

static inline void run(const trial *t, layout how, results *out) {
  clg_tensor *base[OP_INPUTS] = {NULL}, *by[LEAVES];
  int number[LEAVES];
  size_t n = 0;
  op_call call = {.ctx = ctx, .attrs = &t->c->attrs, .n_in = op_inputs(t->c)};
  memset(out, 0, sizeof *out);
  clg_scope *s = clg_scope_open(ctx);
  for (int i = 0; i < OP_INPUTS; i++) {
    if (!t->c->in[i].present) continue;
    bool changes = t->c->op->in_place >> i & 1 && !t->c->attrs.evaluates;
    call.in[i] = operand(ctx, &t->in[i], t->c->op->integers >> i & 1, changes ? FLAT : how, &base[i]);
    if (!has_gradient(t->c, i)) continue;
    ck_assert_int_eq(clg_tensor_set_requires_grad(call.in[i], true), CLG_OK);
    by[n] = call.in[i], number[n++] = i;
  }
  if (t->hooks) ck_assert_int_eq(clg_push_saved_hooks(ctx, t->hooks), CLG_OK);
  clg_tensor *y = t->c->op->call(&call);
  if (t->hooks) clg_pop_saved_hooks(ctx);
  read_floats(t, y, out->y);
  out->ndim = clg_tensor_ndim(y);
  memcpy(out->dim, clg_tensor_shape(y), (size_t)out->ndim * sizeof *out->dim);
  for (int k = 0; k < OP_FURTHER; k++)
    if (call.further[k]) read_floats(t, call.further[k], out->further[k]);
  size_t parameters = 0;
  clg_tensor *const *p = layer ? clg_module_parameters(layer, &parameters) : NULL;
  for (size_t i = 0; i < parameters && i < PARAMETERS; i++) by[n] = p[i], number[n++] = OP_INPUTS + (int)i;
  if (n && clg_tensor_requires_grad(y)) gradients(t, y, by, number, n, out);
  ck_assert_msg(clg_scope_close(s) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (int i = 0; i < OP_INPUTS; i++) clg_tensor_unref(&base[i]);
  clg_module_unref(&layer);
}

static inline void prepare(trial *t, const op_case *c) {
  memset(t, 0, sizeof *t);
  t->c = c, t->bent = c->op->linear;
  random_state = 7;
  random_weights(t->u, OP_MOST);
  for (int i = 0; i < LEAVES; i++) random_weights(t->w[i], OP_MOST);
  draw(c, t->in);
}
static inline void name_trial(trial *t, const char *where) {
  char title[120];
  op_title(t->c, title);
  snprintf(t->title, sizeof t->title, "%s%s", title, where);
}

/* Of an error at that order: see op.ulp. */
static inline double allowed(const op_case *c, int order) {
  static const double usual[] = {4, 16, 64};
  return c->op->ulp[order] > 0 ? c->op->ulp[order] : usual[order];
}

/* Every function that a header declares, but for those that begin with a word of `others` and those of no arguments
 * (the defaults of options), is called by a row. */
static inline bool is_called(const op_case *c, const char *name, size_t length) {
  for (const char *at = c->op->text; (at = strstr(at, "clg_")); at += 4)
    if (!strncmp(at, name, length) && at[length] == '(') return true;
  return false;
}
static inline void all_called(const char *file, const char *const *others, size_t n, const op_case *(*row)(size_t i)) {
  static char text[65536];
  FILE *f = fopen(file, "r");
  ck_assert_msg(f != NULL, "cannot read %s", file);
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  int found = 0, missing = 0;
  for (const char *at = text; (at = strstr(at, "CLG_API")); found++) {
    at = strchr(at, '(');
    const char *name = at;
    while (isalnum((unsigned char)name[-1]) || name[-1] == '_') name--;
    bool called = !strncmp(at, "(void)", 6);
    for (const char *const *o = others; *o; o++) called = called || !strncmp(name, *o, strlen(*o));
    for (size_t i = 0; i < n; i++) called = called || is_called(row(i), name, (size_t)(at - name));
    if (called) continue;
    fprintf(stderr, "%.*s: no row\n", (int)(at - name), name);
    missing++;
  }
  ck_assert_msg(found > 20 && !missing, "%s: %d of %d functions have no row", file, missing, found);
}

/* Part of a row's name, or =op: all rows of that op. */
static inline bool is_wanted(const op_case *c) {
  const char *wanted = getenv("CLGRAD_TEST_CASE");
  char title[120];
  op_title(c, title);
  return !wanted || (*wanted == '=' ? !strcmp(wanted + 1, c->op->name) : strstr(title, wanted) != NULL);
}

#endif
