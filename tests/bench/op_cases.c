/* The table of bench_ops. */
#include "op_cases.h"
#include "ops/formula.h"
#include <string.h>

#define RUN(NAME) static clg_tensor *NAME(const op_case *c, clg_tensor *const *in)

/* ---- elementwise: rows of the op table, and operands that broadcast ---- */

RUN(run_row) {
  static const struct {
    const char *name;
    float value;
  } numbers[] = {{"p", 1.5f},     {"slope", 0.2f}, {"beta", 1}, {"threshold", 20},
                 {"high", 0.75f}, {"low", 0.25f},  {"b", 2}};
  const clg_row *row = &clg_rows[c->arg];
  float params[3] = {0};
  for (int i = 0; i < 3 && row->param[i]; i++) {
    params[i] = 0.5f;
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
      if (!strcmp(row->param[i], numbers[k].name)) params[i] = numbers[k].value;
  }
  return clg_row_apply((clg_row_id)c->arg, in, params);
}

bool op_case_row(clg_context *ctx, int i, op_case *out) {
  if (i < 0 || i >= CLG_ROWS) return false;
  const clg_row *row = &clg_rows[i];
  clg_formula *f = clg_formula_row(ctx, (clg_row_id)i);
  *out = (op_case){.family = row->name, .name = row->text, .run = run_row, .arg = i};
  if (!f) return true;
  for (int k = 0; k < f->n_in; k++) {
    out->in[k][0] = FILL;
    if (f->grad[0].uses >> k & 1) out->reads |= 1u << k;
  }
  if (f->grad[0].uses >> f->n_in & 1) out->reads |= RESULT;
  out->grads = 1;
  out->idle = f->grad[0].identity;
  return true;
}

RUN(run_add) { return (void)c, clg_add(in[0], in[1]); }
RUN(run_mul) { return (void)c, clg_mul(in[0], in[1]); }
RUN(run_copy) { return (void)c, clg_contiguous(clg_transpose(in[0], 0, 1)); }
RUN(run_dropout) { return (void)c, clg_dropout(in[0], 0.5f, true); }

/* ---- reductions; arg is the dimension, or ALL ---- */

enum { ALL = 9 };
static const int *dims_of(const op_case *c) { return c->arg == ALL ? NULL : &c->arg; }
RUN(run_sum) { return clg_sum(in[0], dims_of(c), c->arg != ALL, false); }
RUN(run_mean) { return clg_mean(in[0], dims_of(c), c->arg != ALL, false); }
RUN(run_amax) { return clg_amax(in[0], dims_of(c), c->arg != ALL, false); }
RUN(run_var) { return clg_var(in[0], dims_of(c), c->arg != ALL, false, false); }
RUN(run_norm) { return clg_norm(in[0], 2, dims_of(c), c->arg != ALL, false); }
RUN(run_argmax) { return clg_argmax(in[0], c->arg, false); }
RUN(run_softmax) { return clg_softmax(in[0], c->arg); }
RUN(run_log_softmax) { return clg_log_softmax(in[0], c->arg); }

/* ---- norms and losses ---- */

RUN(run_layer_norm) { return (void)c, clg_layer_norm(in[0], in[1], in[2], 1e-5f); }
RUN(run_batch_norm) { return (void)c, clg_batch_norm(in[0], in[1], in[2], NULL); }
RUN(run_group_norm) { return clg_group_norm(in[0], c->arg, in[1], in[2], 1e-5f); }
RUN(run_bce_logits) { return (void)c, clg_bce_with_logits(in[0], in[1]); }
RUN(run_bce) { return (void)c, clg_bce_loss(in[0], in[1], NULL); }
RUN(run_mse) { return (void)c, clg_mse_loss(in[0], in[1]); }
RUN(run_l1) { return (void)c, clg_l1_loss(in[0], in[1], NULL); }
RUN(run_cross_entropy) { return (void)c, clg_cross_entropy(in[0], in[1], NULL); }

/* ---- images ---- */

static clg_conv_options halving(void) {
  clg_conv_options o = CLG_CONV_OPTIONS_INIT;
  o.stride[0] = o.stride[1] = 2, o.padding[0] = o.padding[1] = 1;
  return o;
}
/* arg is the stride: 2 with a kernel of 4, or 1 with a kernel of 3; both pad by 1. */
RUN(run_conv) {
  clg_conv_options o = halving();
  o.stride[0] = o.stride[1] = c->arg;
  return clg_conv2d(in[0], in[1], NULL, &o);
}
RUN(run_conv_transpose) {
  clg_conv_options o = halving();
  return (void)c, clg_conv_transpose2d(in[0], in[1], NULL, &o);
}
static const clg_pool_options pairs = {{2, 2}, {0, 0}, {0, 0}, {1, 1}, false, false};
RUN(run_max_pool) { return (void)c, clg_max_pool2d(in[0], &pairs); }
RUN(run_avg_pool) { return (void)c, clg_avg_pool2d(in[0], &pairs); }
RUN(run_upsample) { return (void)c, clg_upsample_nearest(in[0], 2, 2); }

/* ---- products ---- */

RUN(run_matmul) { return (void)c, clg_matmul(in[0], in[1]); }
RUN(run_linear) { return (void)c, clg_linear(in[0], in[1], in[2]); }
RUN(run_linear_act) { return (void)c, clg_linear_act(in[0], in[1], in[2], CLG_ACT_LEAKY_RELU, 0.2f); }

/* ---- indices and joins ---- */

RUN(run_embedding) { return (void)c, clg_embedding(in[0], in[1], -1); }
RUN(run_index_select) { return clg_index_select(in[0], c->arg, in[1]); }
RUN(run_cat) { return clg_cat(in, 2, c->arg); }
RUN(run_pad) { return clg_pad(in[0], c->arg, 3, 3, 0); }
RUN(run_slice) { return clg_contiguous(clg_slice(in[0], c->arg, 1, INT64_MAX, 2)); }

#define ROWS(N)                                                                                                        \
  {                                                                                                                    \
    { FILL, N }                                                                                                        \
  }
#define NORM(N)                                                                                                        \
  {                                                                                                                    \
    {FILL, N}, {N}, { N }                                                                                              \
  }

const op_case op_cases[] = {
    {"broadcast", "x[R,1024] + b[1024]", run_add, {{FILL, 1024}, {1024}}, .grads = 2},
    {"broadcast", "x[R,1024]*c[R,1]", run_mul, {{FILL, 1024}, {AS_FIRST, 1}}, .grads = 1, .reads = 2},
    {"copy", "transposed [4096,4096]", run_copy, {{4096, 4096}}, .grads = 1, .idle = true},
    {"copy", "slice ::2 of the last", run_slice, ROWS(1024), .arg = 1, .grads = 1},
    {"copy", "cat of two, rows", run_cat, {{8192, 1024}, {8192, 1024}}, .grads = 3, .idle = true},
    {"copy", "cat of two, columns", run_cat, {{16384, 512}, {16384, 512}}, .arg = 1, .grads = 3, .idle = true},
    {"copy", "pad by 3 and 3", run_pad, ROWS(1024), .arg = 1, .grads = 1, .idle = true},
    {"dropout", "p = 0.5", run_dropout, {{FILL}}, .grads = 1},

    {"sum", "rows of 64", run_sum, ROWS(64), .arg = 1, .grads = 1, .idle = true},
    {"sum", "rows of 1024", run_sum, ROWS(1024), .arg = 1, .grads = 1, .idle = true},
    {"sum", "rows of 16384", run_sum, ROWS(16384), .arg = 1, .grads = 1, .idle = true},
    {"sum", "columns of [R,64]", run_sum, ROWS(64), .arg = 0, .grads = 1, .idle = true},
    {"sum", "columns of [R,1024]", run_sum, ROWS(1024), .arg = 0, .grads = 1, .idle = true},
    {"sum", "columns of [R,16384]", run_sum, ROWS(16384), .arg = 0, .grads = 1, .idle = true},
    {"sum", "middle of [64,64,4096]", run_sum, {{64, 64, 4096}}, .arg = 1, .grads = 1, .idle = true},
    {"sum", "all", run_sum, ROWS(1024), .arg = ALL, .grads = 1, .idle = true},
    {"mean", "rows of 1024", run_mean, ROWS(1024), .arg = 1, .grads = 1},
    {"mean", "columns of [R,1024]", run_mean, ROWS(1024), .grads = 1},
    {"mean", "all", run_mean, ROWS(1024), .arg = ALL, .grads = 1},
    {"amax", "rows of 1024", run_amax, ROWS(1024), .arg = 1, .grads = 1, .reads = 1},
    {"amax", "columns of [R,1024]", run_amax, ROWS(1024), .grads = 1, .reads = 1},
    {"amax", "all", run_amax, ROWS(1024), .arg = ALL, .grads = 1, .reads = 1},
    {"argmax", "rows of 1024", run_argmax, ROWS(1024), .arg = 1},
    {"argmax", "columns of [R,1024]", run_argmax, ROWS(1024), .arg = 0},
    {"var", "rows of 1024", run_var, ROWS(1024), .arg = 1, .grads = 1, .reads = 1},
    {"norm", "2, all", run_norm, ROWS(1024), .arg = ALL, .grads = 1, .reads = 1},
    {"softmax", "rows of 10", run_softmax, {{FILL, 10}}, .arg = 1, .grads = 1, .reads = RESULT},
    {"softmax", "rows of 1024", run_softmax, ROWS(1024), .arg = 1, .grads = 1, .reads = RESULT},
    {"softmax", "rows of 16384", run_softmax, ROWS(16384), .arg = 1, .grads = 1, .reads = RESULT},
    {"softmax", "columns of [1024,R]", run_softmax, {{1024, 16384}}, .grads = 1, .reads = RESULT},
    {"log_softmax", "rows of 1024", run_log_softmax, ROWS(1024), .arg = 1, .grads = 1, .reads = RESULT},

    {"layer_norm", "rows of 256", run_layer_norm, NORM(256), .grads = 7, .reads = 1},
    {"layer_norm", "rows of 1024", run_layer_norm, NORM(1024), .grads = 7, .reads = 1},
    {"layer_norm", "rows of 16384", run_layer_norm, NORM(16384), .grads = 7, .reads = 1},
    {"batch_norm", "[R,1024]", run_batch_norm, NORM(1024), .grads = 7, .reads = 1},
    {"batch_norm", "[64,64,64,64]", run_batch_norm, {{64, 64, 64, 64}, {64}, {64}}, .grads = 7, .reads = 1},
    {"batch_norm", "[64,4,256,256]", run_batch_norm, {{64, 4, 256, 256}, {4}, {4}}, .grads = 7, .reads = 1},
    {"batch_norm", "[4,1,2048,2048]", run_batch_norm, {{4, 1, 2048, 2048}, {1}, {1}}, .grads = 7, .reads = 1},
    {"batch_norm", "[32,128,4,4]", run_batch_norm, {{32, 128, 4, 4}, {128}, {128}}, .grads = 7, .reads = 1},
    {"group_norm",
     "[64,64,64,64], 8 groups",
     run_group_norm,
     {{64, 64, 64, 64}, {64}, {64}},
     .arg = 8,
     .grads = 7,
     .reads = 1},

    {"loss", "bce_with_logits", run_bce_logits, {{FILL}, {FILL}}, .grads = 1, .reads = 3},
    {"loss", "bce", run_bce, {{FILL}, {FILL}}, .grads = 1, .reads = 3},
    {"loss", "mse", run_mse, {{FILL}, {FILL}}, .grads = 1, .reads = 3},
    {"loss", "l1", run_l1, {{FILL}, {FILL}}, .grads = 1, .reads = 3},
    {"loss",
     "cross_entropy, 10 classes",
     run_cross_entropy,
     {{FILL, 10}, {AS_FIRST}},
     .classes = 10,
     .grads = 1,
     .reads = 1},
    {"loss",
     "cross_entropy, 1024 classes",
     run_cross_entropy,
     {{FILL, 1024}, {AS_FIRST}},
     .classes = 1024,
     .grads = 1,
     .reads = 1},

    {"max_pool", "2x2 of [64,64,64,64]", run_max_pool, {{64, 64, 64, 64}}, .grads = 1, .reads = 1},
    {"avg_pool", "2x2 of [64,64,64,64]", run_avg_pool, {{64, 64, 64, 64}}, .grads = 1},
    {"upsample", "2x2 of [64,64,32,32]", run_upsample, {{64, 64, 32, 32}}, .grads = 1},
    {"embedding", "[1024,256], 16384 rows", run_embedding, {{1024, 256}, {16384}}, .classes = 1024, .grads = 1},
    {"index_select", "rows of [16384,256]", run_index_select, {{16384, 256}, {16384}}, .classes = 16384, .grads = 1},

    {"matmul",
     "128x256x784",
     run_matmul,
     {{128, 784}, {784, 256}},
     .grads = 3,
     .reads = 3,
     .inner = 784,
     .product = PRODUCT_NN},
    {"matmul",
     "128x1x256",
     run_matmul,
     {{128, 256}, {256, 1}},
     .grads = 3,
     .reads = 3,
     .inner = 256,
     .product = PRODUCT_NN},
    {"matmul",
     "1x256x256",
     run_matmul,
     {{1, 256}, {256, 256}},
     .grads = 3,
     .reads = 3,
     .inner = 256,
     .product = PRODUCT_NN},
    {"matmul",
     "512x512x512",
     run_matmul,
     {{512, 512}, {512, 512}},
     .grads = 3,
     .reads = 3,
     .inner = 512,
     .product = PRODUCT_NN},
    {"matmul",
     "1024x1024x1024",
     run_matmul,
     {{1024, 1024}, {1024, 1024}},
     .grads = 3,
     .reads = 3,
     .inner = 1024,
     .product = PRODUCT_NN},
    {"matmul",
     "2048x2048x2048",
     run_matmul,
     {{2048, 2048}, {2048, 2048}},
     .grads = 3,
     .reads = 3,
     .inner = 2048,
     .product = PRODUCT_NN},
    {"matmul",
     "batch 64 of 128x128x128",
     run_matmul,
     {{64, 128, 128}, {64, 128, 128}},
     .grads = 3,
     .reads = 3,
     .inner = 128,
     .product = PRODUCT_NN},
    {"matmul",
     "batch 512 of 32x32x32",
     run_matmul,
     {{512, 32, 32}, {512, 32, 32}},
     .grads = 3,
     .reads = 3,
     .inner = 32,
     .product = PRODUCT_NN},
    {"linear",
     "128x256x784",
     run_linear,
     {{128, 784}, {256, 784}, {256}},
     .grads = 7,
     .reads = 3,
     .inner = 784,
     .product = PRODUCT_NT},
    {"linear",
     "+ leaky_relu, 128x256x784",
     run_linear_act,
     {{128, 784}, {256, 784}, {256}},
     .grads = 7,
     .reads = 3 | RESULT,
     .inner = 784},

    {"conv2d",
     "32x[16,32,32] -> 32, 4x4/2",
     run_conv,
     {{32, 16, 32, 32}, {32, 16, 4, 4}},
     .arg = 2,
     .grads = 3,
     .reads = 3,
     .inner = 256},
    {"conv2d",
     "32x[64,16,16] -> 128, 4x4/2",
     run_conv,
     {{32, 64, 16, 16}, {128, 64, 4, 4}},
     .arg = 2,
     .grads = 3,
     .reads = 3,
     .inner = 1024},
    {"conv2d",
     "16x[64,56,56] -> 64, 3x3",
     run_conv,
     {{16, 64, 56, 56}, {64, 64, 3, 3}},
     .arg = 1,
     .grads = 3,
     .reads = 3,
     .inner = 576},
    {"conv2d",
     "16x[256,14,14] -> 256, 3x3",
     run_conv,
     {{16, 256, 14, 14}, {256, 256, 3, 3}},
     .arg = 1,
     .grads = 3,
     .reads = 3,
     .inner = 2304},
    {"conv_transpose2d",
     "32x[32,16,16] -> 16, 4x4/2",
     run_conv_transpose,
     {{32, 32, 16, 16}, {32, 16, 4, 4}},
     .grads = 3,
     .reads = 3,
     .inner = 256,
     .over_x = true},
    {"conv_transpose2d",
     "32x[128,8,8] -> 64, 4x4/2",
     run_conv_transpose,
     {{32, 128, 8, 8}, {128, 64, 4, 4}},
     .grads = 3,
     .reads = 3,
     .inner = 1024,
     .over_x = true},
};
const size_t n_op_cases = sizeof op_cases / sizeof *op_cases;
