/* Prints a hash of what ops compute, values and gradients, a line each: test_bits.py compares those of machines whose
 * registers differ. Sizes are odd, so that vectors, tiles, panels and blocks have ends. Lines that begin with "row" are
 * those of the op table, to second gradients.
 *
 * usage: bits [products] [convolutions] [others] [table], all by default; lines of the first two alone begin with
 * "sums" */
#include "op_reference.h"
#include <clgrad/clgrad.h>
#include <stdio.h>
#include <stdlib.h>

#define DIMS(...)                                                                                                      \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }
#define D(...) ((int[]){__VA_ARGS__})

static clg_context *ctx;
static uint32_t seed;

static clg_tensor *data(int ndim, const int64_t *shape) {
  clg_tensor *t = clg_full(ctx, ndim, shape, 0);
  int64_t n = clg_tensor_numel(t);
  float *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; v && i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    v[i] = (float)(seed >> 8) / 8388608.0f - 1;
  }
  clg_tensor_write(t, v);
  clg_tensor_set_requires_grad(t, true);
  free(v);
  return t;
}

/* NaN is one number. */
static uint64_t hash_of(uint64_t h, const clg_tensor *t) {
  int64_t n = t ? clg_tensor_numel(t) : 0;
  float *v = malloc((size_t)n * sizeof *v + 1);
  const bool floats = t && clg_tensor_dtype(t) == CLG_F32;
  if (v && n && (floats ? clg_tensor_read(t, v) : clg_tensor_read_i32(t, (int32_t *)v)) == CLG_OK) {
    for (int64_t i = 0; floats && i < n; i++)
      if (isnan(v[i])) v[i] = NAN;
    for (int64_t i = 0; i < n * (int64_t)sizeof(float); i++) h = (h ^ ((unsigned char *)v)[i]) * 1099511628211u;
  }
  free(v);
  return h;
}

/* A scope for each row; y's gradient is y itself, so that no two elements have the same. */
static clg_scope *begin(void) {
  seed = 1;
  return clg_scope_open(ctx);
}
static void end(clg_scope *scope, const char *name, clg_tensor *y, clg_tensor *const *in, int n) {
  uint64_t h = hash_of(14695981039346656037u, y);
  clg_backward_options from = clg_backward_defaults();
  from.grad = clg_detach(y);
  if (n) clg_backward(y, &from);
  for (int i = 0; i < n; i++) h = hash_of(h, clg_tensor_grad(in[i]));
  if (clg_scope_close(scope) != CLG_OK) {
    fprintf(stderr, "%s: %s\n", name, clg_last_error(ctx));
    exit(1);
  }
  printf("%s %016llx\n", name, (unsigned long long)h);
}
#define ROW(name, y, ...)                                                                                              \
  {                                                                                                                    \
    clg_scope *row = begin();                                                                                          \
    clg_tensor *in[] = {__VA_ARGS__};                                                                                  \
    end(row, name, y, in, (int)(sizeof in / sizeof *in));                                                              \
  }

static void products(void) {
  static const int size[][3] = {{1, 37, 300}, {37, 1, 300},   {300, 37, 1},    {2, 129, 65},    {5, 31, 259},
                                {7, 33, 17},  {45, 161, 301}, {131, 259, 513}, {530, 523, 2051}};
  for (size_t s = 0; s < sizeof size / sizeof *size; s++)
    for (int t = 0; t < 4; t++) {
      int m = size[s][0], n = size[s][1], k = size[s][2];
      char name[64];
      snprintf(name, sizeof name, "sums %c%c %dx%dx%d", t & 1 ? 't' : 'n', t & 2 ? 't' : 'n', m, n, k);
      if (m > 500 && t != 1) continue;
      clg_scope *scope = begin();
      clg_tensor *a = t & 1 ? data(DIMS(k, m)) : data(DIMS(m, k)), *b = t & 2 ? data(DIMS(n, k)) : data(DIMS(k, n));
      clg_tensor *y = clg_matmul(t & 1 ? clg_transpose(a, 0, 1) : a, t & 2 ? clg_transpose(b, 0, 1) : b);
      end(scope, name, y, (clg_tensor *[]){a, b}, m > 500 ? 0 : 2);
    }
  ROW("sums batches", clg_matmul(in[0], in[1]), data(DIMS(3, 29, 67)), data(DIMS(3, 67, 41)))
  ROW("linear", clg_linear(in[0], in[1], in[2], &(clg_linear_options){{"tanh", {0}}}), data(DIMS(45, 131)),
      data(DIMS(77, 131)), data(DIMS(77)))
}

static void convolutions(void) {
  static const struct {
    int n, c, o, h, w, k, stride, padding, dilation, groups;
  } of[] = {{2, 3, 5, 13, 11, 3, 1, 1, 1, 1},  {3, 19, 37, 9, 15, 4, 2, 1, 1, 1},   {2, 33, 65, 6, 6, 3, 1, 0, 2, 1},
            {1, 12, 18, 17, 8, 5, 3, 2, 1, 3}, {2, 300, 20, 10, 10, 3, 1, 1, 1, 1}, {2, 1, 2, 40, 40, 5, 1, 2, 1, 1},
            {4, 40, 1, 12, 12, 4, 2, 1, 1, 1}};
  for (size_t s = 0; s < sizeof of / sizeof *of; s++) {
    clg_conv_options o = clg_conv_defaults();
    for (int a = 0; a < 2; a++)
      o.stride[a] = of[s].stride, o.padding[a] = of[s].padding, o.dilation[a] = of[s].dilation;
    o.groups = of[s].groups;
    char name[64];
    snprintf(name, sizeof name, "sums conv %zu", s);
    ROW(name, clg_conv2d(in[0], in[1], in[2], &o), data(DIMS(of[s].n, of[s].c, of[s].h, of[s].w)),
        data(DIMS(of[s].o, of[s].c / o.groups, of[s].k, of[s].k)), data(DIMS(of[s].o)))
    snprintf(name, sizeof name, "sums conv_transpose %zu", s);
    ROW(name, clg_conv_transpose2d(in[0], in[1], in[2], &o), data(DIMS(of[s].n, of[s].o, of[s].h, of[s].w)),
        data(DIMS(of[s].o, of[s].c / o.groups, of[s].k, of[s].k)), data(DIMS(of[s].c)))
  }
}

static void others(void) {
  const clg_batch_norm_options batch = {.training = true, .eps = 1e-5f};
  const clg_pool_options pool = {{2, 2}, {0, 0}, {1, 1}, false, true};
  clg_map_input text[] = {{"x", NULL, 0}, {"o", NULL, 0}};
  ROW("unary", clg_exp(clg_tanh(clg_erf(clg_sin(clg_log1p(clg_square(in[0])))))), data(DIMS(37, 131)))
  ROW("pow", clg_pow(clg_add_scalar(clg_abs(in[0]), 0.5f), in[1]), data(DIMS(37, 131)), data(DIMS(131)))
  clg_scope *scope = begin();
  text[0].tensor = data(DIMS(29, 3, 17)), text[1].tensor = data(DIMS(3, 1));
  end(scope, "map", clg_map(ctx, "x*sigmoid(1.7*x) + log1p(exp(o))/3", text, 2),
      (clg_tensor *[]){text[0].tensor, text[1].tensor}, 2);
  ROW("sum of rows", clg_sum(in[0], D(1), 1, false), data(DIMS(19, 1237)))
  ROW("mean of columns", clg_mean(in[0], D(0), 1, false), data(DIMS(1237, 19)))
  ROW("variance", clg_var(in[0], D(1), 1, true, false), data(DIMS(5, 333, 7)))
  ROW("norm", clg_norm(in[0], 3, D(1), 1, false), data(DIMS(23, 517)))
  ROW("max", clg_max(in[0], 1, false, NULL), data(DIMS(23, 117)))
  ROW("softmax", clg_softmax(in[0], 1), data(DIMS(21, 143)))
  ROW("log_softmax of columns", clg_log_softmax(in[0], 0), data(DIMS(143, 21)))
  ROW("layer_norm", clg_layer_norm(in[0], in[1], in[2], NULL), data(DIMS(37, 259)), data(DIMS(259)), data(DIMS(259)))
  ROW("batch_norm", clg_batch_norm(in[0], in[1], in[2], &batch), data(DIMS(6, 19, 7, 9)), data(DIMS(19)),
      data(DIMS(19)))
  ROW("batch_norm of columns", clg_batch_norm(in[0], in[1], in[2], &batch), data(DIMS(301, 35)), data(DIMS(35)),
      data(DIMS(35)))
  ROW("group_norm", clg_group_norm(in[0], in[1], in[2], 3, NULL), data(DIMS(19, 12, 7, 9)), data(DIMS(12)),
      data(DIMS(12)))
  ROW("max_pool", clg_max_pool2d(in[0], 3, 2, &pool), data(DIMS(2, 5, 19, 23)))
  ROW("avg_pool", clg_avg_pool2d(in[0], 3, 2, &pool), data(DIMS(2, 5, 19, 23)))
  ROW("bce_with_logits", clg_bce_with_logits_loss(in[0], clg_sigmoid(clg_detach(in[0])), NULL), data(DIMS(4567)))
  clg_scope *random = begin();
  clg_set_seed(ctx, 7, 0);
  end(random, "random", clg_add(clg_randn(ctx, DIMS(3333)), clg_rand(ctx, DIMS(3333), -2, 5)), NULL, 0);
}

/* An operand of a row: `owned` is yours. */
static clg_tensor *operand(const op_array *x, bool integers) {
  float v[OP_MOST];
  int32_t k[OP_MOST];
  for (int64_t i = 0; i < array_count(x); i++) v[i] = (float)x->v[i], k[i] = (int32_t)x->v[i];
  return integers ? clg_tensor_create_i32(ctx, x->ndim, x->dim, k) : clg_tensor_create(ctx, x->ndim, x->dim, v);
}

/* The first and second gradients of y*y by operands; of each, the sum of those of all. */
static uint64_t gradients(uint64_t h, clg_tensor *y, clg_tensor *const *by, size_t n) {
  clg_tensor *g[OP_INPUTS] = {NULL}, *sum = NULL;
  const clg_backward_options o = {.grad = clg_detach(y), .create_graph = true, .allow_unused = true};
  if (!n || !clg_tensor_requires_grad(y)) return h;
  clg_grad(clg_square(y), by, n, g, &o);
  for (size_t i = 0; i < n; i++) {
    h = hash_of(h, g[i]);
    clg_tensor *some = g[i] && clg_tensor_requires_grad(g[i]) ? clg_sum(clg_square(g[i]), NULL, 0, false) : NULL;
    if (some) sum = sum ? clg_add(sum, some) : some;
  }
  clg_tensor *gg[OP_INPUTS] = {NULL};
  if (sum) clg_grad(sum, by, n, gg, &(clg_backward_options){.allow_unused = true});
  for (size_t i = 0; sum && i < n; i++) h = hash_of(h, gg[i]);
  return h;
}

static void row(const op_case *c) {
  static op_array in[OP_INPUTS];
  clg_tensor *by[OP_INPUTS], *owned[OP_INPUTS] = {NULL};
  size_t n = 0;
  op_call call = {.ctx = ctx, .attrs = &c->attrs, .n_in = op_inputs(c)};
  char title[120];
  op_title(c, title);
  random_state = 7;
  draw(c, in);
  clg_scope *scope = clg_scope_open(ctx);
  for (int i = 0; i < OP_INPUTS; i++) {
    if (!c->in[i].present) continue;
    call.in[i] = owned[i] = operand(&in[i], c->op->integers >> i & 1);
    if (has_gradient(c, i) && clg_tensor_set_requires_grad(call.in[i], true) == CLG_OK) by[n++] = call.in[i];
  }
  clg_tensor *y = c->op->call(&call);
  uint64_t h = hash_of(14695981039346656037u, y);
  for (int k = 0; k < OP_FURTHER; k++) h = hash_of(h, call.further[k]);
  h = gradients(h, y, by, n);
  for (int i = 0; i < OP_INPUTS; i++) clg_tensor_unref(&owned[i]);
  if (clg_scope_close(scope) != CLG_OK) {
    fprintf(stderr, "%s: %s\n", title, clg_last_error(ctx));
    exit(1);
  }
  printf("row %s %016llx\n", title, (unsigned long long)h);
}

static void table(void) {
  for (size_t i = 0; i < op_case_count(); i++) row(op_case_at(i));
}

static bool is_wanted(const char *group, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], group)) return true;
  return argc == 1;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } groups[] = {{"products", products}, {"convolutions", convolutions}, {"others", others}, {"table", table}};
  char why[256];
  clg_context_options options = clg_context_defaults();
  options.message = why;
  options.message_size = sizeof why;
  if (clg_context_create(&ctx, &options) != CLG_OK) return fprintf(stderr, "%s\n", why), 1;
  printf("width %u\n", clg_context_device(ctx)->native_float_width);
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    if (is_wanted(groups[i].name, argc, argv)) groups[i].run();
  clg_context_unref(&ctx);
  return 0;
}
