/* The families of ops, with the graph, hooks and segments around them. */
#include "work.h"

static clg_tensor *segment(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_tanh(clg_mul(in[0], in[0]));
}
static void *pack(void *user, clg_tensor *t) { return (void)user, clg_tensor_ref(t); }
static clg_tensor *unpack(void *user, void *packed) { return (void)user, clg_tensor_ref(packed); }
static void drop(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
static clg_tensor *half(void *user, clg_tensor *g) { return (void)user, clg_tensor_ref(clg_mul_scalar(g, 0.5f)); }

static clg_tensor *leaf(clg_context *ctx) {
  clg_tensor *x = clg_full(ctx, SHAPE(3, 4), 0.5f);
  clg_tensor_set_requires_grad(x, true);
  return x;
}
static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }

/* Formulas, reductions, kept and remade results, hooks, segments, broadcast products. */
void work_formulas(clg_context *ctx, results *r) {
  const clg_saved_hooks hooks = {pack, unpack, drop, NULL};
  clg_tensor *x = leaf(ctx);
  const clg_map_input in[] = {{"a", x, 0}, {"s", NULL, 3}};
  reached(r, clg_tensor_add_hook(x, half, NULL) != 0);
  clg_tensor *y = clg_map(ctx, "a > 0 ? a*s : log1p(exp(a))", in, 2);
  clg_set_remat(ctx, true);
  y = clg_gelu(clg_layer_norm(clg_mish(y), NULL, NULL, NULL));
  clg_set_remat(ctx, false);
  y = clg_checkpoint(ctx, segment, NULL, NULL, &y, 1);
  if (clg_push_saved_hooks(ctx, &hooks) == CLG_OK) {
    y = clg_softmax(clg_exp(y), -1);
    clg_pop_saved_hooks(ctx);
  }
  y = clg_matmul(clg_reshape(y, SHAPE(3, 1, 2, 2)), clg_reshape(clg_slice(x, 0, 0, 2, 1), SHAPE(1, 2, 2, 2)));
  y = clg_cat((clg_tensor *[]){clg_square(y), clg_transpose(y, 0, 1), clg_dropout(y, 0.5f, true)}, 1, 0);
  y = clg_add(total(y), clg_var(x, NULL, 0, true, false));
  reached(r, clg_backward(y, NULL) == CLG_OK);
  note(r, y), note(r, clg_tensor_grad(x));
}

static clg_status doubled(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  const clg_map_input a[] = {{"a", in[0], 0}};
  return (void)user, (void)n, clg_map_(out, "a + a", a, 1);
}
static clg_status doubled_backward(clg_custom_call *call) {
  call->in_grad[0] = clg_mul_scalar(call->grad, 2);
  return call->in_grad[0] ? CLG_OK : CLG_ERR_HOST_MEMORY;
}

/* Images, labels, indices, an op of the program's own. */
void work_images(clg_context *ctx, results *r) {
  static const clg_custom_op custom = {.name = "doubled", .forward = doubled, .backward = doubled_backward};
  static const int32_t label[] = {1, 0};
  clg_tensor *x = leaf(ctx), *labels = clg_tensor_create_i32(ctx, SHAPE(2), label), *where = NULL;
  clg_tensor *y = clg_reshape(clg_cat((clg_tensor *[]){x, x, x}, 3, 0), SHAPE(2, 2, 3, 3));
  y = clg_conv2d(y, clg_full(ctx, SHAPE(4, 1, 2, 2), 1), NULL,
                 &(clg_conv_options){.stride = {1, 1}, .dilation = {1, 1}, .groups = 2});
  y = clg_batch_norm(clg_custom_apply(&custom, &y, 1, SHAPE(2, 4, 2, 2)), NULL, NULL, NULL);
  y = clg_group_norm(clg_upsample(y, 2, 2), NULL, NULL, 2, NULL);
  y = clg_max_pool2d(y, 2, 2, NULL);
  y = clg_reshape(clg_pad(y, 0, 0, 0, 0), SHAPE(2, -1));
  y = clg_add(y, clg_max(clg_index_select(y, 0, labels), 1, true, &where));
  y = clg_cross_entropy_loss(clg_norm(clg_expand(y, SHAPE(3, 2, -1)), 3, (int[]){0}, 1, false), labels, NULL);
  reached(r, clg_backward(y, NULL) == CLG_OK);
  note(r, y), note(r, clg_tensor_grad(x));
  clg_tensor_unref(&labels);
}

/* Gradients of gradients: a penalty on the norm of a network's gradient. */
void work_second(clg_context *ctx, results *r) {
  const clg_backward_options graph = {.create_graph = true};
  clg_module *net = clg_sequential_create(
      ctx,
      (clg_module *[]){clg_linear_create(ctx, 4, 5, true, NULL), clg_layer_norm_create(ctx, 5, NULL),
                       clg_activation_create(ctx, (clg_act){"silu", {0}}), clg_linear_create(ctx, 5, 1, true, NULL)},
      4);
  clg_tensor *x = leaf(ctx), *g = NULL;
  if (clg_grad(total(clg_mish(clg_forward(net, x))), &x, 1, &g, &graph) == CLG_OK) {
    clg_tensor *norm = clg_norm(g, 2, (int[]){1}, 1, false);
    clg_tensor *penalty = clg_mean(clg_square(clg_add_scalar(norm, -1)), NULL, 0, false);
    reached(r, clg_backward(penalty, NULL) == CLG_OK);
    note(r, penalty);
  }
  size_t n = 0;
  clg_tensor *const *p = clg_module_parameters(net, &n);
  for (size_t i = 0; p && i < n; i++) note(r, clg_tensor_grad(p[i]));
  clg_module_unref(&net);
}

/* What has been squared and summed, so that each part has a gradient. */
static clg_tensor *plus(clg_tensor *sum, clg_tensor *part) { return clg_add(sum, total(clg_square(part))); }

static clg_tensor *positions(clg_context *ctx, clg_tensor *x) {
  static const int32_t rows[] = {0, 2, 2}, places[] = {1, 0, 3};
  clg_tensor *row = clg_tensor_create_i32(ctx, SHAPE(3), rows), *where = NULL;
  clg_tensor *place = clg_tensor_create_i32(ctx, SHAPE(3, 1), places);
  clg_tensor *l = plus(total(clg_gather(x, 1, place)), clg_index_select(x, 0, row));
  l = plus(plus(l, clg_embedding(x, row, 0)), clg_min(x, 0, false, &where));
  l = plus(l, clg_to_float(clg_argmax(x, 1, false)));
  clg_tensor_unref(&row), clg_tensor_unref(&place);
  return l;
}

/* Parts and joins, indices, extremes, losses, changes in place, transfers. */
void work_parts(clg_context *ctx, results *r) {
  clg_tensor *x = leaf(ctx), *part[4] = {NULL};
  clg_tensor *l = positions(ctx, x);
  clg_split(x, 0, 2, part, 4), l = plus(l, part[1]);
  clg_chunk(x, 1, 2, part, 4), l = plus(l, part[0]);
  clg_unbind(x, 0, part, 4), l = plus(l, clg_stack(part, 2, 0));
  l = plus(plus(l, clg_log_softmax(x, 0)), clg_permute(x, (int[]){1, 0}, 2));
  l = plus(plus(l, clg_amax(x, (int[]){0}, 1, false)),
           clg_instance_norm(clg_reshape(x, SHAPE(1, 3, 4)), NULL, NULL, &(clg_norm_options){.eps = 1}));
  l = plus(plus(l, clg_where(x, x, clg_detach(x))), clg_softplus(x, 2, 20));
  l = clg_add(l, clg_bce_loss(clg_sigmoid(x), clg_full(ctx, SHAPE(3, 4), 0.25f), NULL));
  l = clg_add(l, clg_l1_loss(x, clg_rand(ctx, SHAPE(3, 4), 0, 1), NULL));
  reached(r, clg_backward(l, NULL) == CLG_OK);
  note(r, l), note(r, clg_tensor_grad(x));
  clg_tensor_set_requires_grad(x, false);
  clg_tensor *other = clg_tensor_create(ctx, SHAPE(3, 4), NULL);
  reached(r, clg_randn_(other, 0, 1) == CLG_OK && clg_copy_(x, other) == CLG_OK);
  reached(r, clg_map_(x, "x*k+1", (clg_map_input[]){{"k", NULL, 2}}, 1) == CLG_OK);
  note(r, x);
  reached(r, clg_tensor_write(x, (float[12]){1, 2, 3}) == CLG_OK && clg_fill_(other, 3) == CLG_OK);
  reached(r, clg_memory_trim(ctx) == CLG_OK);
  note(r, x), note(r, other);
  clg_tensor_unref(&other);
}

static clg_status tripled(void *program, clg_tensor *const *in, size_t n, clg_tensor *out) {
  const uint32_t count = (uint32_t)clg_tensor_numel(out);
  const clg_kernel_arg args[] = {clg_arg_read(in[0]), clg_arg_write(out), clg_arg_uint(count)};
  return (void)n, clg_program_launch(program, "triple", (size_t[]){count, 1, 1}, NULL, args, 3);
}
static clg_status tripled_backward(clg_custom_call *call) {
  call->in_grad[0] = clg_mul_scalar(call->grad, 3);
  return call->in_grad[0] ? CLG_OK : CLG_ERR_HOST_MEMORY;
}

/* A kernel of the program's own. */
void work_kernels(clg_context *ctx, results *r) {
  static const char source[] = "__kernel void triple(__global const float *x, const uint x_at, __global float *y,\n"
                               "                     const uint y_at, const uint n) {\n"
                               "  const uint i = get_global_id(0);\n"
                               "  if (i < n) y[y_at + i] = 3*x[x_at + i];\n"
                               "}\n";
  clg_program *program = clg_program_create(ctx, "triple.cl", source);
  const clg_custom_op op = {.name = "triple", .forward = tripled, .backward = tripled_backward, .user = program};
  clg_tensor *x = leaf(ctx), *y = program ? clg_custom_apply(&op, &x, 1, SHAPE(3, 4)) : NULL;
  reached(r, y && clg_backward(total(y), NULL) == CLG_OK);
  note(r, y), note(r, clg_tensor_grad(x));
  clg_program_unref(&program);
}
