/* The section `ops`: forward and first gradients of each op. */
#include "golden.h"
#include <string.h>

/* Makes the inputs as leaves; those that were made are the caller's to drop, also on failure. */
static bool make_inputs(golden *g, const json_t *inputs, op_case *c) {
  size_t i;
  json_t *input;
  if (json_array_size(inputs) > OP_INPUTS) return golden_error(g, "more than %d inputs", OP_INPUTS);
  json_array_foreach(inputs, i, input) {
    record r;
    if (!record_read(g, input, &r)) return false;
    c->names[i] = json_text(input, "name", "");
    c->inputs[i] = record_tensor(g, &r);
    if (!c->inputs[i]) return false;
    c->n = i + 1;
    if (json_flag(input, "requires_grad", false) && clg_set_requires_grad(c->inputs[i], true) != CLG_OK)
      return golden_clg_error(g);
  }
  return true;
}

static bool check_gradient(golden *g, const json_t *input, const clg_tensor *t) {
  char what[80];
  record want;
  const json_t *json = json_object_get(input, "grad");
  const clg_tensor *got = clg_grad_of(t);
  if (!json_flag(input, "requires_grad", false)) return true;
  snprintf(what, sizeof what, "gradient of %s", json_text(input, "name", "?"));
  if (json_is_null(json)) return got ? golden_error(g, "%s exists, but none is expected", what) : true;
  if (!record_read(g, json, &want)) return false;
  if (!got) return golden_error(g, "%s is missing", what);
  return record_compare_tensor(g, what, got, &want, record_tolerance(&want));
}

/* Sets c->skip when the library has no such op. */
static bool run_forward_backward(golden *g, const json_t *one, op_case *c, op_adapter adapter) {
  const json_t *output = json_array_get(json_object_get(one, "outputs"), 0);
  const json_t *inputs = json_object_get(one, "inputs");
  record want, upstream;
  if (!record_read(g, output, &want) || !record_read(g, json_object_get(output, "upstream"), &upstream)) return false;
  clg_tensor *y = adapter(c);
  if (!y) return c->skip ? true : golden_clg_error(g);
  if (!record_compare_tensor(g, "output", y, &want, record_tolerance(&want))) return false;
  clg_backward_options options = CLG_BACKWARD_OPTIONS_INIT;
  options.grad = record_tensor(g, &upstream);
  if (!options.grad) return false;
  clg_status status = clg_backward(y, &options);
  clg_tensor_unref(&options.grad);
  if (status != CLG_OK) return golden_clg_error(g);
  for (size_t i = 0; i < c->n; i++)
    if (!check_gradient(g, json_array_get(inputs, i), c->inputs[i])) return false;
  /* Indices and running statistics come with ops that do not exist yet. */
  if (json_array_size(json_object_get(one, "outputs")) > 1) c->skip = "has outputs that are not compared";
  return true;
}

static void run_case(golden *g, const json_t *one) {
  const char *name = json_text(one, "name", "unnamed"), *op = json_text(one, "op", "?");
  char label[160];
  snprintf(label, sizeof label, "%s (%s)", name, op);
  size_t least = 0;
  op_adapter adapter = op_find(op, &least);
  if (!adapter) {
    report_skip(&g->report, "ops", label, "the op does not exist");
    return;
  }
  op_case c = {.ctx = g->ctx, .attrs = json_object_get(one, "attrs")};
  clg_scope *scope = clg_scope_open(g->ctx);
  bool ok = make_inputs(g, json_object_get(one, "inputs"), &c) &&
            (c.n >= least || golden_error(g, "fewer inputs than the op has")) &&
            run_forward_backward(g, one, &c, adapter);
  clg_scope_close(scope);
  for (size_t i = 0; i < c.n; i++) clg_tensor_unref(&c.inputs[i]);
  clg_clear_error(g->ctx);
  if (!ok)
    report_fail(&g->report, "ops", label, "%s", g->why);
  else if (c.skip)
    report_skip(&g->report, "ops", label, "%s", c.skip);
  else
    report_pass(&g->report);
}

void section_ops(golden *g, const json_t *cases) {
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) run_case(g, one);
}
