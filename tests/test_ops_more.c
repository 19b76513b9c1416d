/* More ops: pooling, norms over batches, indices, losses with options, joins, batched products. The same checks as
 * test_ops.c's; refusals and edges are in test_ops_edges.c. */
#include "graph/graph.h"
#include "op_check.h"

/* ---- the table ---- */

static clg_tensor *labels(int ndim, const int64_t *dims, const int32_t *v) {
  return clg_result(clg_tensor_create_i32(ctx, ndim, dims, v));
}
static clg_tensor *constant(int ndim, const int64_t *dims, const float *v) {
  return clg_result(clg_tensor_create(ctx, ndim, dims, v));
}
static const int32_t some[] = {3, 0, 2, 3, 3, 1, 0, 4, 2, 3, 1, 1};
static const float positive[] = {0.5f, 1.5f, 0.25f, 2, 1, 0.75f, 1.25f};

UNARY(log1p, clg_log1p(x))
UNARY(expm1, clg_expm1(x))
UNARY(erf, clg_erf(x))
UNARY(reciprocal, clg_reciprocal(x))
UNARY(sign, clg_add(clg_square(x), clg_sign(x)))
UNARY(floor, clg_add(clg_square(x), clg_floor(x)))
UNARY(gelu_tanh, clg_gelu_tanh(x))
UNARY(elu, clg_elu(x, 0.7f))
UNARY(scalar_pow, clg_scalar_pow(1.7f, x))
UNARY(clamp_min, clg_square(clg_clamp_min(x, 0)))
UNARY(clamp_max, clg_square(clg_clamp_max(x, 0)))
BINARY(pow, clg_pow(x, o))
BINARY(where, clg_square(clg_where(constant(1, (int64_t[]){5}, (float[]){1, 0, 0, -2, 1}), x, o)))
UNARY(dropout, (clg_seed(ctx, 5, 3), clg_dropout(clg_square(x), 0.4f, true)))
UNARY(amin, clg_amin(x, (int[]){-1}, 1, false))
UNARY(var, clg_var(x, (int[]){1}, 1, true, false))
UNARY(var_all, clg_var(x, NULL, 0, false, true))
UNARY(norm, clg_norm(x, 2, (int[]){-1}, 1, true))
UNARY(norm_one, clg_norm(x, 1, NULL, 0, false))
UNARY(norm_three, clg_norm(x, 3, (int[]){0}, 1, false))
UNARY(norm_max, clg_norm(x, INFINITY, (int[]){1}, 1, false))
UNARY(max, clg_square(clg_max(x, 1, false, NULL)))
UNARY(min, clg_square(clg_min(x, 0, true, NULL)))
UNARY(softmax, clg_softmax(x, -1))
UNARY(softmax_middle, clg_softmax(x, 1))
UNARY(log_softmax, clg_log_softmax(x, -1))
UNARY(log_softmax_first, clg_log_softmax(x, 0))
UNARY(slice, clg_square(clg_slice(x, 1, 1, -1, 2)))
UNARY(slice_whole, clg_square(clg_slice(x, 0, 0, 99, 2)))
UNARY(cat_same, clg_square(clg_cat((clg_tensor *[]){x, clg_neg(x), x}, 3, -1)))
BINARY(cat, clg_square(clg_cat((clg_tensor *[]){x, o}, 2, 1)))
BINARY(stack, clg_square(clg_stack((clg_tensor *[]){x, o, x}, 3, 1)))
BINARY(matmul, clg_matmul(x, o))
BINARY(matmul_t, clg_matmul(clg_transpose(x, -1, -2), clg_transpose(o, -1, -2)))
UNARY(instance_norm, clg_instance_norm(x, NULL, NULL, 1e-2f))
UNARY(upsample, clg_square(clg_upsample_nearest(x, 2, 3)))
#define POOL(...) (&(clg_pool_options)__VA_ARGS__)
UNARY(max_pool, clg_square(clg_max_pool2d(x, POOL({{2, 2}, {0, 0}, {0, 0}, {1, 1}, false, false}))))
UNARY(max_pool_over, clg_square(clg_max_pool2d(x, POOL({{3, 2}, {2, 1}, {1, 1}, {1, 2}, true, false}))))
UNARY(avg_pool, clg_square(clg_avg_pool2d(x, POOL({{2, 3}, {1, 2}, {1, 1}, {1, 1}, false, false}))))
UNARY(avg_pool_exclude, clg_square(clg_avg_pool2d(x, POOL({{3, 3}, {2, 2}, {1, 1}, {1, 1}, true, true}))))
#define LOSS(...) (&(clg_loss_options)__VA_ARGS__)
BINARY(bce_loss, clg_bce_loss(x, o, NULL))
BINARY(bce_logits_sum, clg_bce_with_logits_loss(x, o, LOSS({CLG_REDUCTION_SUM, NULL, NULL, 0, -100})))
BINARY(l1_loss, clg_l1_loss(x, clg_add_scalar(clg_square(o), 3), LOSS({CLG_REDUCTION_NONE, NULL, NULL, 0, -100})))
BINARY(squared, clg_squared_loss(x, o, LOSS({CLG_REDUCTION_SUM, constant(1, (int64_t[]){5}, positive), NULL, 0, -100})))
BINARY(bce_positive,
       clg_bce_with_logits_loss(x, o, LOSS({CLG_REDUCTION_MEAN, NULL, constant(1, (int64_t[]){5}, positive), 0, -100})))
UNARY(cross_entropy, clg_cross_entropy(x, labels(1, (int64_t[]){4}, some), NULL))
UNARY(cross_entropy_sum,
      clg_cross_entropy(x, labels(2, (int64_t[]){2, 3}, some), LOSS({CLG_REDUCTION_SUM, NULL, NULL, 0.1f, 2})))
UNARY(cross_entropy_all,
      clg_cross_entropy(x, labels(1, (int64_t[]){12}, some),
                        LOSS({CLG_REDUCTION_MEAN, constant(1, (int64_t[]){5}, positive), NULL, 0.2f, 1})))
UNARY(cross_entropy_none, clg_cross_entropy(x, labels(0, NULL, some), LOSS({CLG_REDUCTION_NONE, NULL, NULL, 0, -100})))
BINARY(cross_entropy_probabilities,
       clg_cross_entropy(x, clg_softmax(o, 1), LOSS({CLG_REDUCTION_MEAN, NULL, NULL, 0.1f, -100})))
UNARY(embedding, clg_square(clg_embedding(x, labels(2, (int64_t[]){2, 3}, some), 4)))
UNARY(embedding_few, clg_square(clg_embedding(x, labels(1, (int64_t[]){4}, some), -1)))
UNARY(index_select, clg_square(clg_index_select(x, 1, labels(1, (int64_t[]){12}, some))))
UNARY(gather, clg_square(clg_gather(x, 1, labels(2, (int64_t[]){2, 6}, some))))
UNARY(gather_first, clg_square(clg_gather(x, 0, labels(3, (int64_t[]){2, 3, 2}, some))))
static clg_tensor *op_group_norm(clg_tensor **in) { return clg_group_norm(in[0], 2, in[1], in[2], 1e-2f); }
static clg_tensor *op_group_norm_gain(clg_tensor **in) { return clg_group_norm(in[0], 3, in[1], NULL, 1e-2f); }
static clg_tensor *op_batch_norm(clg_tensor **in) { return clg_batch_norm(in[0], in[1], in[2], NULL); }
static clg_tensor *op_batch_norm_plain(clg_tensor **in) {
  clg_batch_norm_options o = CLG_BATCH_NORM_OPTIONS_INIT;
  o.eps = 1e-2f;
  return clg_batch_norm(in[0], NULL, NULL, &o);
}
static clg_tensor *op_batch_norm_eval(clg_tensor **in) {
  clg_batch_norm_options o = {constant(1, (int64_t[]){3}, positive),
                              constant(1, (int64_t[]){3}, positive + 1),
                              false,
                              0.1f,
                              1e-3f,
                              CLG_ACT_NONE,
                              0};
  return clg_batch_norm(in[0], in[1], in[2], &o);
}

#define S4(a, b, c, d)                                                                                                 \
  {                                                                                                                    \
    4, { a, b, c, d }                                                                                                  \
  }
static const op_case cases[] = {
    {"log1p", op_log1p, 1, {S2(3, 5)}, -0.5f, 2, false},
    {"expm1", op_expm1, 1, {S2(3, 5)}, -1, 1, false},
    {"erf", op_erf, 1, {S2(3, 5)}, -1, 1, false},
    {"reciprocal", op_reciprocal, 1, {S2(3, 5)}, 0.5f, 2, false},
    {"sign", op_sign, 1, {S2(3, 5)}, 0.2f, 1, false},
    {"floor", op_floor, 1, {S2(3, 5)}, 2.2f, 2.8f, false},
    {"gelu_tanh", op_gelu_tanh, 1, {S2(3, 5)}, -2, 2, false},
    {"elu+", op_elu, 1, {S2(3, 5)}, 0.2f, 1, false},
    {"elu-", op_elu, 1, {S2(3, 5)}, -2, -0.2f, false},
    {"scalar_pow", op_scalar_pow, 1, {S2(3, 5)}, -2, 2, false},
    {"clamp_min", op_clamp_min, 1, {S2(3, 5)}, 0.2f, 1, false},
    {"clamp_max", op_clamp_max, 1, {S2(3, 5)}, -1, -0.2f, false},
    {"pow of tensors", op_pow, 2, {S2(3, 5), S1(5)}, 0.5f, 2, false},
    {"where", op_where, 2, {S2(3, 5), S2(3, 1)}, -1, 1, false},
    {"dropout", op_dropout, 1, {S2(3, 5)}, -1, 1, false},
    {"amin", op_amin, 1, {S2(3, 9)}, -9, 9, true},
    {"var", op_var, 1, {S3(3, 5, 3)}, -1, 1, true},
    {"var of all", op_var_all, 1, {S2(3, 5)}, -1, 1, true},
    {"norm", op_norm, 1, {S2(3, 5)}, 0.3f, 1, true},
    {"norm of order 1", op_norm_one, 1, {S2(3, 5)}, 0.3f, 1, true},
    {"norm of order 3", op_norm_three, 1, {S2(5, 3)}, 0.3f, 1, true},
    {"greatest magnitude", op_norm_max, 1, {S2(3, 5)}, 1, 9, true},
    {"max", op_max, 1, {S3(3, 5, 2)}, -2, 2, true},
    {"min", op_min, 1, {S2(5, 3)}, -2, 2, true},
    {"softmax", op_softmax, 1, {S2(3, 19)}, -1, 1, true},
    {"softmax in the middle", op_softmax_middle, 1, {S3(2, 5, 3)}, -1, 1, true},
    {"log_softmax", op_log_softmax, 1, {S2(3, 19)}, -1, 1, true},
    {"log_softmax over the first", op_log_softmax_first, 1, {S2(3, 18)}, -1, 1, true},
    {"slice", op_slice, 1, {S2(3, 8)}, -1, 1, false},
    {"slice to the end", op_slice_whole, 1, {S2(5, 3)}, -1, 1, false},
    {"cat of one tensor", op_cat_same, 1, {S2(3, 5)}, -1, 1, false},
    {"cat", op_cat, 2, {S3(3, 2, 2), S3(3, 5, 2)}, -1, 1, false},
    {"stack", op_stack, 2, {S2(3, 5), S2(3, 5)}, -1, 1, false},
    {"matmul of batches", op_matmul, 2, {S3(2, 3, 4), S3(2, 4, 5)}, -1, 1, true},
    {"matmul of broadcast batches", op_matmul, 2, {S4(3, 1, 2, 4), S3(2, 4, 3)}, -1, 1, true},
    {"matmul of transposed batches", op_matmul_t, 2, {S3(2, 4, 3), S3(2, 5, 4)}, -1, 1, true},
    {"matmul of batches by a matrix", op_matmul, 2, {S3(2, 3, 4), S2(4, 5)}, -1, 1, true},
    {"matmul of a matrix by batches", op_matmul, 2, {S2(3, 4), S3(2, 4, 5)}, -1, 1, true},
    {"matmul of vectors", op_matmul, 2, {S1(7), S1(7)}, -1, 1, true},
    {"matmul of a vector by batches", op_matmul, 2, {S1(4), S3(2, 4, 3)}, -1, 1, true},
    {"matmul of batches by a vector", op_matmul, 2, {S3(2, 3, 4), S1(4)}, -1, 1, true},
    {"group_norm", op_group_norm, 3, {S3(2, 4, 5), S1(4), S1(4)}, -1, 1, true},
    {"group_norm without offset", op_group_norm_gain, 2, {S4(2, 3, 2, 2), S1(3)}, -1, 1, true},
    {"instance_norm", op_instance_norm, 1, {S3(2, 3, 7)}, -1, 1, true},
    {"batch_norm", op_batch_norm, 3, {S4(2, 3, 3, 2), S1(3), S1(3)}, -1, 1, true},
    {"batch_norm of wide planes", op_batch_norm, 3, {S3(2, 2, 18), S1(2), S1(2)}, -1, 1, true},
    {"batch_norm of vectors", op_batch_norm_plain, 1, {S2(7, 3)}, -1, 1, true},
    {"batch_norm in evaluation", op_batch_norm_eval, 3, {S3(2, 3, 5), S1(3), S1(3)}, -1, 1, true},
    {"upsample_nearest", op_upsample, 1, {S3(2, 3, 2)}, -1, 1, false},
    {"max_pool2d", op_max_pool, 1, {S4(1, 2, 5, 4)}, -5, 5, false},
    {"max_pool2d of windows that overlap", op_max_pool_over, 1, {S3(2, 5, 6)}, -5, 5, true},
    {"avg_pool2d", op_avg_pool, 1, {S4(2, 1, 4, 5)}, -1, 1, true},
    {"avg_pool2d without padding", op_avg_pool_exclude, 1, {S3(2, 5, 4)}, -1, 1, true},
    {"bce_loss", op_bce_loss, 2, {S2(3, 5), S2(3, 5)}, 0.2f, 0.8f, true},
    {"bce_with_logits summed", op_bce_logits_sum, 2, {S2(3, 5), S2(3, 5)}, 0.1f, 0.9f, true},
    {"bce_with_logits with weights", op_bce_positive, 2, {S2(3, 5), S2(3, 5)}, 0.1f, 0.9f, true},
    {"l1_loss", op_l1_loss, 2, {S2(3, 5), S2(3, 5)}, -1, 1, false},
    {"squared loss with weights", op_squared, 2, {S2(3, 5), S2(3, 5)}, -1, 1, true},
    {"cross_entropy", op_cross_entropy, 1, {S2(4, 5)}, -1, 1, true},
    {"cross_entropy of planes", op_cross_entropy_sum, 1, {S3(2, 5, 3)}, -1, 1, true},
    {"cross_entropy with all options", op_cross_entropy_all, 1, {S2(12, 5)}, -1, 1, true},
    {"cross_entropy of one", op_cross_entropy_none, 1, {S1(5)}, -1, 1, true},
    {"cross_entropy of probabilities", op_cross_entropy_probabilities, 2, {S2(4, 5), S2(4, 5)}, -1, 1, true},
    {"embedding", op_embedding, 1, {S2(5, 3)}, -1, 1, true},
    {"embedding of few", op_embedding_few, 1, {S2(9, 3)}, -1, 1, true},
    {"index_select", op_index_select, 1, {S3(2, 5, 3)}, -1, 1, true},
    {"gather", op_gather, 1, {S2(3, 5)}, -1, 1, true},
    {"gather along the first", op_gather_first, 1, {S3(5, 3, 3)}, -1, 1, true},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(gradients_match_differences) { check_case(&cases[_i], false); }
END_TEST
START_TEST(strided_gradients_match_differences) { check_case(&cases[_i], true); }
END_TEST
START_TEST(second_gradients_match_differences) { check_second(&cases[_i], _i % 2); }
END_TEST
START_TEST(strided_equals_flat_bit_for_bit) { check_strided_bits(&cases[_i]); }
END_TEST
START_TEST(far_from_zero) { check_far(&cases[_i]); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("ops");
  share_context(c);
  tcase_set_timeout(c, 0);
  const TTest *const checks[] = {gradients_match_differences, strided_gradients_match_differences,
                                 second_gradients_match_differences, strided_equals_flat_bit_for_bit, far_from_zero};
  add_rows(c, cases, CASES, checks, 5);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("ops_more", add_cases)
