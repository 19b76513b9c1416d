/* Written for 0.1: every call that 0.2 renamed, by figures that do not depend on the device. docs/rename-0.2.sed
 * rewrites it. */
#include <clgrad/clgrad.h>
#include <stdio.h>

#define ROWS 2

static clg_context *ctx;

static void show(const char *name, clg_tensor *t) {
  float v[64] = {0};
  if (!t || clg_tensor_numel(t) > 64 || clg_tensor_read(t, v) != CLG_OK) {
    printf("%s: %s\n", name, clg_last_error(ctx));
    return;
  }
  printf("%s:", name);
  for (int64_t i = 0; i < clg_tensor_numel(t); i++) printf(" %.4g", (double)v[i] + 0.0);
  printf("\n");
}

static clg_tensor *some(int n, float first, float step) {
  float v[64];
  for (int i = 0; i < n; i++) v[i] = first + (float)i * step;
  return clg_tensor_create(ctx, 1, (int64_t[]){n}, v);
}

/* ---- what is asked of tensors, and of the context ---- */

static clg_tensor *doubled(void *user, clg_tensor *grad) {
  ++*(int *)user;
  return clg_tensor_ref(clg_mul_scalar(grad, 2));
}

static clg_status complete(void *user, clg_tensor *leaf) {
  *(int *)user += clg_grad_of(leaf) != NULL;
  return CLG_OK;
}

static clg_tensor *cubed(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_mul(clg_square(in[0]), in[0]);
}

static void tensors(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = some(3, 1, 1);
  int told = 0;
  clg_set_requires_grad(x, true);
  uint64_t hook = clg_add_hook(x, doubled, &told);
  clg_add_post_accumulate_hook(x, complete, &told);
  clg_segment fn = cubed;
  clg_tensor *y = clg_checkpoint(ctx, fn, NULL, NULL, &x, 1);
  clg_retain_grad(y);
  clg_backward(clg_sum(y, NULL, 0, false), NULL);
  show("cubed", clg_grad_of(x));
  show("retained", clg_grad_of(y));
  printf("told %d, leaf %d, %d, requires %d\n", told, clg_is_leaf(x), clg_is_leaf(y), clg_requires_grad(y));
  clg_remove_hook(x, hook);
  clg_zero_grad(x);
  printf("dropped %d\n", !clg_grad_of(x));
  clg_tensor_unref(&x);
  clg_scope_close(scope);
}

static void stream(void) {
  uint64_t seed = 0, position = 0;
  clg_scope *scope = clg_scope_open(ctx);
  clg_seed(ctx, 7, 3);
  clg_randn(ctx, 1, (int64_t[]){8});
  clg_seed_get(ctx, &seed, &position);
  printf("seed %d, position %d, idle %d\n", (int)seed, (int)position, clg_context_set_idle(ctx, NULL, NULL));
  clg_scope_close(scope);
}

/* ---- kernels ---- */

static void kernels(void) {
  static const char source[] =
      "__kernel void twice(__global const float *x, uint x_at, __global float *y, uint y_at, int n, uint more,"
      "                    float by) {"
      "  if (get_global_id(0) < (uint)n) y[y_at + get_global_id(0)] = by * x[x_at + get_global_id(0)] + more;"
      "}";
  clg_program *p = clg_program_create(ctx, "twice.cl", source);
  clg_tensor *x = some(4, 1, 1), *y = some(4, 0, 0);
  clg_kernel_arg args[] = {clg_pass_in(x), clg_pass_out(y), clg_pass_int(4), clg_pass_uint(1), clg_pass_float(2)};
  clg_program_launch(p, "twice", (size_t[]){4, 1, 1}, NULL, args, 5);
  show("kernel", y);
  clg_tensor_unref(&x);
  clg_tensor_unref(&y);
  clg_program_unref(&p);
}

/* ---- losses ---- */

static void losses(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_loss_options sum = CLG_LOSS_OPTIONS_INIT;
  sum.reduction = CLG_REDUCTION_SUM;
  clg_tensor *x = some(4, 0.25f, 0.125f), *t = some(4, 0.5f, 0);
  clg_tensor *label = clg_tensor_create_i32(ctx, 1, (int64_t[]){ROWS}, (int32_t[]){0, 1});
  show("mse", clg_mse_loss(clg_mul_scalar(x, 2), /* (nested), */ clg_add(t, t)));
  show("squares", clg_squared_loss(x, t, &sum));
  show("bce", clg_bce_with_logits(clg_neg(x), t));
  show("bce sum", clg_bce_with_logits_loss(x, t, &sum));
  show("entropy", clg_cross_entropy(clg_reshape(x, 2, (int64_t[]){ROWS, 2}), label, NULL));
  clg_tensor_unref(&x);
  clg_tensor_unref(&t);
  clg_tensor_unref(&label);
  clg_scope_close(scope);
}

/* ---- layers ---- */

static void layers(void) {
  clg_module *m = clg_dropout_create(ctx, 0.5f);
  clg_module_train(m, false);
  printf("train %d\n", clg_module_is_train(m));
  clg_module_unref(&m);
}

static void stepped(clg_module *m, clg_tensor *x, clg_tensor *t) {
  clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  size_t n = 0;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  sgd.lr = 0.5;
  clg_optim *o = clg_optim_create(m ? ctx : NULL, &sgd, p, 1);
  clg_optim_add_group(o, &sgd, p + 1, n - 1);
  bool mode = clg_set_grad_mode(ctx, false);
  for (size_t i = 0; i < n; i++) clg_fill_(p[i], 0.125f);
  clg_set_grad_mode(ctx, mode);
  for (int i = 0; i < 3; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    clg_backward(clg_mse_loss(clg_forward(m, x), t), NULL);
    clg_optim_step(o);
    clg_scope_close(scope);
  }
  for (size_t i = 0; i < n; i++) show("stepped", p[i]);
  clg_optim_unref(&o);
}

static void trained(void) {
  clg_scope *scope = clg_scope_open(ctx);
  const clg_conv_options wide = {.stride = {1, 1}, .padding = {1, 0}, .dilation = {1, 1}, .groups = 1};
  clg_module *linear = clg_linear_create(ctx, 3, 2, true), *conv = clg_conv2d_create(ctx, 1, 1, 2, 2, &wide, false);
  clg_module *up = clg_conv_transpose2d_create(ctx, 1, 1, 2, 2, NULL, true);
  clg_tensor *x = some(9, -1, 0.25f);
  clg_tensor *planes = clg_reshape(x, 4, (int64_t[]){1, 1, 3, 3});
  stepped(linear, clg_reshape(x, 2, (int64_t[]){3, 3}), clg_reshape(clg_narrow(x, 0, 2, 6), 2, (int64_t[]){3, 2}));
  stepped(conv, planes, clg_full(ctx, 4, (int64_t[]){1, 1, 4, 2}, 1));
  stepped(up, planes, clg_full(ctx, 4, (int64_t[]){1, 1, 4, 4}, 1));
  clg_module_unref(&linear);
  clg_module_unref(&conv);
  clg_module_unref(&up);
  clg_tensor_unref(&x);
  clg_scope_close(scope);
}

/* ---- activations and norms ---- */

static clg_module *last(clg_activation act, float slope) { return clg_activation_create(ctx, act, slope); }

static void activations(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *flat = some(12, -1, 0.25f), *x = clg_reshape(flat, 2, (int64_t[]){3, 4}), *g = some(4, 1, 1);
  clg_tensor *w = clg_reshape(flat, 2, (int64_t[]){3, 4}), *planes = clg_reshape(flat, 4, (int64_t[]){1, 4, 1, 3});
  show("linear", clg_linear(x, w, NULL));
  show("tanh", clg_linear_act(x, w, NULL, CLG_ACT_TANH, 0));
  show("leaky", clg_linear_act(x, w, NULL, CLG_ACT_LEAKY_RELU, 0.25f));
  show("softplus", clg_activate(x, CLG_ACT_SOFTPLUS, 0.5f));
  show("none", clg_activate(x, CLG_ACT_NONE, 0));
  show("layer norm", clg_layer_norm(x, g, NULL, 1e-5f));
  show("sigmoid", clg_layer_norm_act(x, g, NULL, 0.5f, CLG_ACT_SIGMOID, 0));
  show("group norm", clg_group_norm(planes, 2, g, NULL, 1e-5f));
  show("wide", clg_group_norm(planes, 4 / ROWS, g, NULL, 0.25f));
  show("instance norm", clg_instance_norm(planes, NULL, g, 1.0f));
  clg_batch_norm_options o = CLG_BATCH_NORM_OPTIONS_INIT;
  o.train = true, o.eps = 0.5f, o.act = CLG_ACT_LEAKY_RELU, o.slope = 0.125f;
  show("batch norm", clg_batch_norm(x, g, g, &o));
  clg_conv_options c = CLG_CONV_OPTIONS_INIT;
  c.act = CLG_ACT_SOFTPLUS;
  c.slope = 2;
  show("convolution", clg_conv2d(planes, clg_reshape(g, 4, (int64_t[]){1, 4, 1, 1}), NULL, &c));
  clg_module *layers[] = {clg_linear_create(ctx, 4, 4, true),           last(CLG_ACT_RELU, 0),
                          clg_layer_norm_create(ctx, 4, 1e-5f),         last(CLG_ACT_GELU, 0),
                          clg_batch_norm2d_create(ctx, 4, 1e-5f, 0.1f), clg_activation_create(ctx, CLG_ACT_SILU, 0),
                          clg_layer_norm_create(ctx, 4, 0.1f),          clg_batch_norm2d_create(ctx, 4, 0.25f, 0.5f)};
  clg_module *net = clg_sequential_create(ctx, layers, 8);
  for (size_t i = 0, n = 1; i < n; i++)
    clg_fill_(clg_detach(clg_module_parameters(net, &n)[i]), 0.5f + 0.125f * (float)i);
  show("layers", clg_forward(net, x));
  clg_module_unref(&net);
  clg_tensor_unref(&g);
  clg_tensor_unref(&flat);
  clg_scope_close(scope);
}

/* ---- shapes and images ---- */

static void shapes(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *flat = some(12, -1, 0.25f), *x = clg_reshape(flat, 3, (int64_t[]){2, 3, 2}),
             *made = clg_tensor_empty(ctx, 1, (int64_t[]){2});
  const int order[] = {2, 0, 1};
  show("permuted", clg_permute(x, order));
  show("again", clg_permute(clg_neg(x), (int[]){1, 2, 0}));
  show("flat", clg_permute(flat, (int[]){0}));
  show("upsampled", clg_upsample_nearest(clg_narrow(x, 0, 0, 1), 1, 2));
  clg_fill_(made, 3);
  show("made", made);
  clg_tensor *held = clg_custom_new(ctx, 1, (int64_t[]){2});
  clg_fill_(held, 4);
  show("held", clg_cat((clg_tensor *[]){made, held}, 2, 0));
  clg_tensor_unref(&made);
  clg_tensor_unref(&flat);
  clg_scope_close(scope);
}

/* ---- gradients ---- */

/* Windows of 1 x 2 and 2 x 2 over 2 x 4 numbers, the kernel given in each way that options have. */
static void pools(void) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_reshape(some(8, 0, 1), 3, (int64_t[]){1, 2, 4});
  clg_pool_options o = CLG_POOL_OPTIONS_INIT;
  o.kernel[0] = 1, o.kernel[1] = 2;
  clg_pool_options wide = CLG_POOL_OPTIONS_INIT, tall = CLG_POOL_OPTIONS_INIT;
  wide.kernel[0] = tall.kernel[1] = 1, wide.kernel[1] = tall.kernel[0] = 2;
  const clg_pool_options list = {{2, 2}, {2, 2}, {1, 1}, {1, 1}, false, true};
  clg_pool_options named = {.stride = {1, 1}, .kernel = {2, 2}, .dilation = {1, 1}};
  show("max", clg_max_pool2d(x, &o));
  show("average", clg_avg_pool2d(clg_max_pool2d(x, &wide), &tall));
  show("inside", clg_avg_pool2d(x, &list));
  show("steps", clg_max_pool2d(x, &named));
  show("literal", clg_max_pool2d(x, &(clg_pool_options){.kernel = {1, 4}, .dilation = {1, 1}}));
  clg_module *m = clg_max_pool2d_create(ctx, &o);
  show("layer", clg_forward(m, clg_reshape(x, 4, (int64_t[]){1, 1, 2, 4})));
  clg_module_unref(&m);
  clg_scope_close(s);
}

static void gradients(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = some(3, 1, 1), *w = some(3, 2, 0), *grads[2];
  clg_set_requires_grad(x, true);
  clg_set_requires_grad(w, true);
  clg_backward_options keep = {.retain_graph = true};
  clg_tensor *y = clg_sum(clg_square(x), NULL, 0, false);
  if (clg_grad(y, &x, 1, false, &keep, grads) == CLG_OK) show("gradient", grads[0]);
  clg_grad(y, (clg_tensor *[]){w, x}, 2, true, &(clg_backward_options){.retain_graph = true}, grads);
  printf("unused %d\n", !grads[0]);
  show("used", grads[1]);
  clg_grad(y, (clg_tensor *[]){w, x}, 2, true, NULL, grads);
  printf("unused %d\n", !grads[0]);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
  clg_scope_close(scope);
}

/* ---- options ---- */

static clg_status power(clg_tensor *x, clg_tensor *grad, bool retain) {
  clg_backward_options o = CLG_BACKWARD_OPTIONS_INIT;
  clg_gradcheck_options check = CLG_GRADCHECK_OPTIONS_INIT;
  check.order = 2;
  o.grad = grad, o.retain_graph = retain;
  clg_tensor *y = cubed(NULL, &x, 1);
  clg_status first = clg_backward(y, &o);
  if (retain) o = (clg_backward_options)CLG_BACKWARD_OPTIONS_INIT;
  o.grad = grad;
  clg_status second = clg_backward(y, &o);
  clg_zero_grad(x);
  return first == CLG_OK && second == CLG_OK ? clg_gradcheck(ctx, cubed, NULL, &x, 1, &check) : CLG_ERR_GRAPH;
}

static void options(void) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = some(3, 1, 1), *one = some(3, 1, 0);
  clg_set_requires_grad(x, true);
  printf("power %d\n", power(x, one, true));
  clg_tensor_unref(&x);
  clg_tensor_unref(&one);
  clg_scope_close(scope);
}

static void plan(const char *path) {
  clg_context *plan = NULL;
  clg_plan_options o = CLG_PLAN_OPTIONS_INIT;
  o.profile = path, o.seed = 5;
  if (clg_profile_save(ctx, path) != CLG_OK || clg_context_create_plan(&plan, &o) != CLG_OK) printf("no plan\n");
  printf("plan %d\n", clg_context_is_plan(plan));
  clg_context_unref(&plan);
  remove(path);
}

int main(void) {
  clg_context_options o = CLG_CONTEXT_OPTIONS_INIT;
  o.profile = false, o.seed = 1;
  if (clg_context_create(&ctx, &o) != CLG_OK) return 1;
  tensors();
  stream();
  kernels();
  losses();
  layers();
  trained();
  activations();
  shapes();
  pools();
  gradients();
  options();
  plan("clgrad-rename.device");
  if (*clg_last_error(ctx)) printf("%s\n", clg_last_error(ctx));
  clg_context_unref(&ctx);
  return 0;
}
