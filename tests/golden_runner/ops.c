/* The sections `ops` and `ops_double`: forward, first gradients, and gradients of gradients of each op. */
#include "golden.h"
#include <stdlib.h>
#include <string.h>

/* The set keeps indices as floats. */
static clg_tensor *index_tensor(golden *g, const record *r) {
  int32_t *v = malloc(r->n ? r->n * sizeof *v : 1);
  if (!v) return golden_error(g, "out of memory"), NULL;
  for (size_t i = 0; i < r->n; i++) v[i] = (int32_t)r->data[i];
  clg_tensor *t = clg_tensor_create_i32(g->ctx, r->ndim, r->shape, v);
  free(v);
  if (!t) golden_clg_error(g);
  return t;
}

/* Makes the inputs as leaves; those that were made are the caller's to drop, also on failure. */
static bool make_inputs(golden *g, const json_t *inputs, op_run *c) {
  size_t i;
  json_t *input;
  if (json_array_size(inputs) > OP_INPUTS) return golden_error(g, "more than %d inputs", OP_INPUTS);
  json_array_foreach(inputs, i, input) {
    record r;
    if (!record_read(g, input, &r)) return false;
    c->names[i] = json_text(input, "name", "");
    bool index = strcmp(json_text(input, "kind", ""), "index") == 0;
    c->inputs[i] = index ? index_tensor(g, &r) : record_tensor(g, &r);
    if (!c->inputs[i]) return false;
    c->n = i + 1;
    if (json_flag(input, "requires_grad", false) && clg_tensor_set_requires_grad(c->inputs[i], true) != CLG_OK)
      return golden_clg_error(g);
  }
  return true;
}

/* ---- ops ---- */

static bool check_gradient(golden *g, const json_t *input, const clg_tensor *t) {
  char what[80];
  record want;
  const json_t *json = json_object_get(input, "grad");
  const clg_tensor *got = clg_tensor_grad(t);
  if (!json_flag(input, "requires_grad", false)) return true;
  snprintf(what, sizeof what, "gradient of %s", json_text(input, "name", "?"));
  if (json_is_null(json)) return got ? golden_error(g, "%s exists, but none is expected", what) : true;
  if (!record_read(g, json, &want)) return false;
  if (!got) return golden_error(g, "%s is missing", what);
  return record_compare_tensor(g, what, got, &want, record_tolerance(&want));
}

/* The outputs behind the first. */
static bool check_extras(golden *g, const json_t *outputs, op_run *c) {
  for (size_t i = 1; i < json_array_size(outputs); i++) {
    const json_t *output = json_array_get(outputs, i);
    const char *name = json_text(output, "name", "?");
    clg_tensor *got = NULL;
    for (int k = 0; k < OP_FURTHER; k++)
      if (c->op->further[k] && strcmp(c->op->further[k], name) == 0) got = c->call.further[k];
    record want;
    if (!got) return c->skip = "has outputs that are not compared", true;
    if (!record_read(g, output, &want)) return false;
    if (clg_tensor_dtype(got) == CLG_I32) got = clg_to_float(got);
    if (!got) return golden_clg_error(g);
    if (!record_compare_tensor(g, name, got, &want, record_tolerance(&want))) return false;
  }
  return true;
}

/* Sets c->skip when the library has no such op. */
static bool run_forward_backward(golden *g, const json_t *one, op_run *c) {
  const json_t *output = json_array_get(json_object_get(one, "outputs"), 0);
  const json_t *inputs = json_object_get(one, "inputs");
  record want, upstream;
  if (!record_read(g, output, &want) || !record_read(g, json_object_get(output, "upstream"), &upstream)) return false;
  clg_tensor *y = op_run_call(c);
  if (!y) return c->skip ? true : golden_clg_error(g);
  if (!record_compare_tensor(g, "output", y, &want, record_tolerance(&want))) return false;
  clg_backward_options options = clg_backward_defaults();
  options.grad = record_tensor(g, &upstream);
  if (!options.grad) return false;
  clg_status status = clg_backward(y, &options);
  clg_tensor_unref(&options.grad);
  if (status != CLG_OK) return golden_clg_error(g);
  for (size_t i = 0; i < c->n; i++)
    if (!check_gradient(g, json_array_get(inputs, i), c->inputs[i])) return false;
  return check_extras(g, json_object_get(one, "outputs"), c);
}

/* ---- ops_double ---- */

/* The tensors that require a gradient and their JSON; last of all the upstream gradient, which does too. */
typedef struct second {
  clg_tensor *leaves[OP_INPUTS + 1], *gx[OP_INPUTS + 1], *gg[OP_INPUTS + 1];
  const json_t *json[OP_INPUTS + 1];
  size_t n;
} second;

/* gx[i] = d<y, v>/dx_i, which carries a graph, and L = sum_i <u_i, gx_i>. NULL with golden.why. */
static clg_tensor *make_L(golden *g, second *s, clg_tensor *y, clg_tensor *v) {
  clg_backward_options options = clg_backward_defaults();
  clg_tensor *L = NULL;
  options.grad = v;
  options.create_graph = true;
  if (clg_grad(y, s->leaves, s->n, s->gx, &options) != CLG_OK) return golden_clg_error(g), NULL;
  for (size_t i = 0; i < s->n; i++) {
    record want, u;
    if (!record_read(g, json_object_get(s->json[i], "grad"), &want) ||
        !record_compare_tensor(g, "first gradient", s->gx[i], &want, record_tolerance(&want)) ||
        !record_read(g, json_object_get(s->json[i], "u"), &u))
      return NULL;
    clg_tensor *weight = record_tensor(g, &u);
    if (!weight) return NULL;
    clg_tensor *term = clg_sum(clg_mul(weight, s->gx[i]), NULL, 0, false);
    clg_tensor_unref(&weight);
    L = L ? clg_add(L, term) : term;
  }
  if (!L) golden_clg_error(g);
  return L;
}

/* A gradient of L that does not exist is zero. */
static bool check_second(golden *g, const char *what, const clg_tensor *got, const json_t *json) {
  record want;
  if (!record_read(g, json, &want)) return false;
  if (got) return record_compare_tensor(g, what, got, &want, record_tolerance(&want));
  return want.absmax == 0 ? true : golden_error(g, "%s is missing", what);
}

static bool run_second(golden *g, const json_t *one, op_run *c, second *s, clg_tensor *v) {
  record want;
  clg_tensor *y = op_run_call(c);
  if (!y) return c->skip ? true : golden_clg_error(g);
  clg_tensor *L = make_L(g, s, y, v);
  if (!L) return false;
  if (!record_read(g, json_object_get(one, "L"), &want) ||
      !record_compare_tensor(g, "L", L, &want, record_tolerance(&want)))
    return false;
  s->leaves[s->n] = v;
  if (clg_grad(L, s->leaves, s->n + 1, s->gg, &(clg_backward_options){.allow_unused = true}) != CLG_OK)
    return golden_clg_error(g);
  for (size_t i = 0; i < s->n; i++)
    if (!check_second(g, "gradient of L", s->gg[i], json_object_get(s->json[i], "grad_of_L"))) return false;
  return check_second(g, "gradient of L by the upstream", s->gg[s->n], json_object_get(one, "upstream_grad_of_L"));
}

static bool run_double(golden *g, const json_t *one, op_run *c) {
  record upstream;
  second s = {.n = 0};
  for (size_t i = 0; i < c->n; i++) {
    if (!clg_tensor_requires_grad(c->inputs[i])) continue;
    s.json[s.n] = json_array_get(json_object_get(one, "inputs"), i);
    s.leaves[s.n++] = c->inputs[i];
  }
  if (!record_read(g, json_object_get(one, "upstream"), &upstream)) return false;
  clg_tensor *v = record_tensor(g, &upstream);
  if (!v) return false;
  bool ok = clg_tensor_set_requires_grad(v, true) == CLG_OK ? run_second(g, one, c, &s, v) : golden_clg_error(g);
  clg_tensor_unref(&v);
  return ok;
}

/* ---- sections ---- */

typedef bool (*case_fn)(golden *g, const json_t *one, op_run *c);

static void run_case(golden *g, const char *section, const json_t *one, case_fn run) {
  const char *name = json_text(one, "name", "unnamed"), *of = json_text(one, "op", "?");
  char label[160];
  op_run c = {.ctx = g->ctx, .attrs = json_object_get(one, "attrs")};
  snprintf(label, sizeof label, "%s (%s)", name, of);
  if (!op_run_find(&c, of)) {
    report_skip(&g->report, section, label, "the op does not exist");
    return;
  }
  clg_scope *scope = clg_scope_open(g->ctx);
  bool ok = make_inputs(g, json_object_get(one, "inputs"), &c) &&
            (c.n >= (size_t)(c.op->least ? c.op->least : 1) || golden_error(g, "fewer inputs than the op has")) &&
            run(g, one, &c);
  clg_scope_close(scope);
  for (size_t i = 0; i < c.n; i++) clg_tensor_unref(&c.inputs[i]);
  clg_clear_error(g->ctx);
  if (!ok)
    report_fail(&g->report, section, label, "%s", g->why);
  else if (c.skip)
    report_skip(&g->report, section, label, "%s", c.skip);
  else
    report_pass(&g->report);
}

void section_ops(golden *g, const json_t *cases) {
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) run_case(g, "ops", one, run_forward_backward);
}

void section_ops_double(golden *g, const json_t *cases) {
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) run_case(g, "ops_double", one, run_double);
}
