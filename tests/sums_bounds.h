/* Bounds of test_sums.c from PyTorch 2.15.0 on a CPU, written by bench/peers/sums.py: for 1e2, 1e3, .. 1e6 terms four
 * times its relative error in float32, or two units of the last place, whichever is more; no more than ours may be. */
static const struct {
  const char *name;
  void (*run)(int64_t n);
  double bound[5];
} rows[] = {
    {"sum_all", sum_all, {4.4e-07, 2.5e-07, 4.3e-07, 3.6e-07, 2.5e-07}},
    {"sum_last", sum_last, {4.4e-07, 2.5e-07, 4.6e-07, 3.6e-07, 2.8e-07}},
    {"sum_first", sum_first, {7.0e-07, 5.5e-07, 6.7e-07, 3.3e-07, 1.0e-06}},
    {"sum_middle", sum_middle, {7.0e-07, 5.9e-07, 6.7e-07, 6.8e-07, 1.0e-06}},
    {"mean_all", mean_all, {3.0e-07, 3.0e-07, 3.0e-07, 4.7e-07, 3.0e-07}},
    {"mean_first", mean_first, {6.0e-07, 6.0e-07, 6.0e-07, 3.0e-07, 1.0e-06}},
    {"norm_all", norm_all, {3.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"var_all", var_all, {2.4e-07, 2.4e-07, 2.4e-07, 2.4e-07, 2.4e-07}},
    {"layer_norm", layer_norm, {5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06}},
    {"batch_norm_rows", batch_norm_rows, {5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06}},
    {"batch_norm_planes", batch_norm_planes, {5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06}},
    {"group_norm", group_norm, {5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06, 5.0e-06}},
    {"layer_norm_gradients", layer_norm_gradients, {7.5e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"batch_norm_gradients", batch_norm_gradients, {7.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"batch_norm_plane_gradients", batch_norm_plane_gradients, {7.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"dot", dot, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"row_product", row_product, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"matmul", matmul, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"tile_product", tile_product, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"linear", linear, {1.0e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"linear_gradients", linear_gradients, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"conv_gradients", conv_gradients, {1.0e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"conv", conv, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"conv_many", conv_many, {1.5e-06, 1.5e-06, 1.5e-06, 2.0e-06, 2.0e-05}},
    {"pool", pool, {6.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"log_softmax", log_softmax, {2.4e-07, 2.4e-07, 3.2e-07, 2.7e-07, 2.4e-07}},
    {"log_softmax_columns", log_softmax_columns, {3.0e-07, 4.8e-07, 9.9e-07, 2.4e-07, 1.0e-06}},
    {"softmax_gradient", softmax_gradient, {2.4e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"mse", mse, {4.6e-07, 2.4e-07, 3.4e-07, 2.4e-07, 2.4e-07}},
    {"l1", l1, {3.0e-07, 3.0e-07, 3.0e-07, 4.7e-07, 3.0e-07}},
    {"bce", bce, {4.6e-07, 5.0e-07, 8.2e-07, 5.0e-07, 8.2e-07}},
    {"cross_entropy", cross_entropy, {7.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 7.0e-07}},
    {"embedding", embedding, {7.5e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"embedding_of_many", embedding_of_many, {7.5e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
    {"gather", gather, {7.0e-07, 1.0e-06, 1.0e-06, 1.0e-06, 1.0e-06}},
};
enum { N_ROWS = sizeof rows / sizeof *rows };
