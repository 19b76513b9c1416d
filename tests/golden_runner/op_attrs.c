/* Ops of the manifest: the op table's, found by name, called with the manifest's attributes. */
#include "golden.h"
#include <stdio.h>
#include <math.h>
#include <string.h>

/* A list of integers; a lone number or null counts as one or none. Returns how many. */
static int integers(const json_t *attrs, const char *key, int64_t out[OP_DIMS]) {
  const json_t *list = json_object_get(attrs, key);
  if (json_is_integer(list)) {
    out[0] = json_integer_value(list);
    return 1;
  }
  size_t n = json_array_size(list) < OP_DIMS ? json_array_size(list) : OP_DIMS;
  for (size_t i = 0; i < n; i++) out[i] = json_integer_value(json_array_get(list, i));
  return (int)n;
}
static int ints(const json_t *attrs, const char *key, int out[OP_DIMS]) {
  int64_t wide[OP_DIMS];
  int n = integers(attrs, key, wide);
  for (int i = 0; i < n; i++) out[i] = (int)wide[i];
  return n;
}
/* A pair from a list or a lone number. */
static void pair(const json_t *attrs, const char *key, int out[2]) {
  int d[OP_DIMS] = {0}, n = ints(attrs, key, d);
  if (n) out[0] = d[0], out[1] = n > 1 ? d[1] : d[0];
}

static const struct {
  const char *key;
  size_t at;
  float otherwise;
} numbers[] = {
    {"negative_slope", offsetof(op_attrs, slope), 0.01f},
    {"beta", offsetof(op_attrs, beta), 1},
    {"threshold", offsetof(op_attrs, threshold), 20},
    {"min", offsetof(op_attrs, low), -INFINITY},
    {"max", offsetof(op_attrs, high), INFINITY},
    {"exponent", offsetof(op_attrs, exponent), 1},
    {"base", offsetof(op_attrs, base), 1},
    {"alpha", offsetof(op_attrs, alpha), 1},
    {"eps", offsetof(op_attrs, eps), 1e-5f},
    {"momentum", offsetof(op_attrs, momentum), 0.1f},
    {"label_smoothing", offsetof(op_attrs, label_smoothing), 0},
};

static void read_attrs(const json_t *j, op_attrs *a) {
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    float v = (float)json_number(j, numbers[i].key, numbers[i].otherwise);
    memcpy((char *)a + numbers[i].at, &v, sizeof v);
  }
  const char *how = json_text(j, "reduction", "mean");
  a->reduction = strcmp(how, "none") == 0  ? CLG_REDUCTION_NONE
                 : strcmp(how, "sum") == 0 ? CLG_REDUCTION_SUM
                                           : CLG_REDUCTION_MEAN;
  a->dims = ints(j, "dim", a->dim);
  if (json_object_get(j, "dims")) a->dims = ints(j, "dims", a->dim);
  a->ndim = integers(j, "shape", a->shape);
  integers(j, "shifts", a->shape);
  pair(j, "stride", a->stride), pair(j, "padding", a->padding), pair(j, "dilation", a->dilation);
  pair(j, "output_padding", a->output_padding), pair(j, "kernel_size", a->kernel);
  a->groups = (int)json_number(j, "groups", 1);
  a->padding_row = (int)json_number(j, "padding_idx", -1) + 1;
  a->ignored = (int)fmax(json_number(j, "ignore_index", -1), -1) + 1;
  a->start = (int64_t)json_number(j, "start", json_number(j, "diagonal", 0));
  a->length = (int64_t)json_number(j, "length", json_number(j, "num_classes", 0));
  a->stop = (int64_t)json_number(j, "stop", INT32_MAX), a->step = (int64_t)json_number(j, "step", 1);
  a->keepdim = json_flag(j, "keepdim", false), a->unbiased = json_flag(j, "unbiased", true);
  a->evaluates = !json_flag(j, "training", true);
  a->transpose_a = json_flag(j, "transpose_a", false), a->transpose_b = json_flag(j, "transpose_b", false);
  a->ceil_mode = json_flag(j, "ceil_mode", false), a->exclude_pad = !json_flag(j, "count_include_pad", true);
}

bool op_run_find(op_run *r, const char *name) {
  if (strcmp(name, "gelu") == 0 && strcmp(json_text(r->attrs, "approximate", "none"), "none") != 0) name = "gelu_tanh";
  /* PyTorch's functional names of losses, without their last word too. */
  char loss[64];
  snprintf(loss, sizeof loss, "%s_loss", name);
  r->op = op_named(name);
  if (!r->op) r->op = op_named(loss);
  return r->op != NULL;
}

/* Which operand input i is. */
static int operand_of(const op_run *r, size_t i) {
  for (int k = 0; k < OP_INPUTS; k++)
    if (r->op->inputs[k] && strcmp(r->op->inputs[k], r->names[i]) == 0) return k;
  return (int)i;
}

/* layer_norm over more than the last dimension: of rows as long as all of them. */
static clg_tensor *over_rows(op_run *r) {
  int64_t tail[OP_DIMS], width = 1;
  int n = integers(r->attrs, "normalized_shape", tail);
  clg_tensor *x = r->call.in[0];
  if (n < 2) return r->op->call(&r->call);
  for (int i = 0; i < n; i++) width *= tail[i];
  r->call.in[0] = clg_reshape(x, 2, (int64_t[]){-1, width});
  for (int i = 1; i < 3; i++)
    if (r->call.in[i]) r->call.in[i] = clg_reshape(r->call.in[i], 1, &width);
  return clg_reshape(r->op->call(&r->call), clg_tensor_ndim(x), clg_tensor_shape(x));
}

clg_tensor *op_run_call(op_run *r) {
  read_attrs(r->attrs, &r->read);
  r->call = (op_call){.ctx = r->ctx, .attrs = &r->read};
  for (size_t i = 0; i < r->n; i++) {
    int k = operand_of(r, i);
    r->call.in[k] = r->inputs[i];
    if (k >= r->call.n_in) r->call.n_in = k + 1;
  }
  if (strcmp(r->op->name, "permute") == 0 && r->read.dims != clg_tensor_ndim(r->inputs[0])) {
    r->skip = "dims do not fit the input";
    return NULL;
  }
  return strcmp(r->op->name, "layer_norm") == 0 ? over_rows(r) : r->op->call(&r->call);
}
