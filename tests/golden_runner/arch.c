/* Models from the text that PyTorch prints for a Sequential: one line "(i): Name(arguments)" a layer. */
#include "golden.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 64, MAX_LINE = 256 };

/* The number behind "key="; with an empty key the first one of all, which may stand in a tuple. */
static double argument(const char *args, const char *key, double otherwise) {
  const char *at = args;
  if (key[0]) {
    at = strstr(args, key);
    if (!at || at[strlen(key)] != '=') return otherwise;
    at += strlen(key) + 1;
  }
  while (*at == '(' || *at == ' ') at++;
  char *end;
  double value = strtod(at, &end);
  return end == at ? otherwise : value;
}

static bool argument_flag(const char *args, const char *key, bool otherwise) {
  const char *at = strstr(args, key);
  return at && at[strlen(key)] == '=' ? strncmp(at + strlen(key) + 1, "True", 4) == 0 : otherwise;
}

static clg_module *make_linear(clg_context *ctx, const char *args) {
  return clg_linear_create(ctx, (int64_t)argument(args, "in_features", 0), (int64_t)argument(args, "out_features", 0),
                           argument_flag(args, "bias", true), NULL);
}

static clg_module *make_layer_norm(clg_context *ctx, const char *args) {
  return clg_layer_norm_create(ctx, (int64_t)argument(args, "", 0),
                               &(clg_norm_options){.eps = (float)argument(args, "eps", 1e-5)});
}

static clg_module *make_leaky_relu(clg_context *ctx, const char *args) {
  return clg_activation_create(ctx, (clg_act){"leaky_relu", {(float)argument(args, "negative_slope", 0.01)}});
}

/* Number `index` of a tuple "key=(a, b)", or of the arguments in front for an empty key. */
static int64_t element(const char *args, const char *key, int index, int64_t otherwise) {
  const char *at = args;
  if (key[0]) {
    at = strstr(args, key);
    if (!at || at[strlen(key)] != '=') return otherwise;
    at += strlen(key) + 1;
  }
  for (; index && at; index--) at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL;
  return at ? (int64_t)argument(at, "", (double)otherwise) : otherwise;
}

static clg_module *make_conv(clg_context *ctx, const char *args, bool transposed) {
  clg_conv_options o = clg_conv_defaults();
  for (int i = 0; i < 2; i++) {
    o.stride[i] = (int)element(args, "stride", i, 1);
    o.padding[i] = (int)element(args, " padding", i, 0);
    o.output_padding[i] = (int)element(args, "output_padding", i, 0);
    o.dilation[i] = (int)element(args, "dilation", i, 1);
  }
  o.groups = (int)argument(args, "groups", 1);
  int64_t in = element(args, "", 0, 0), out = element(args, "", 1, 0);
  int64_t kh = element(args, "kernel_size", 0, 0), kw = element(args, "kernel_size", 1, 0);
  bool bias = argument_flag(args, "bias", true);
  return transposed ? clg_conv_transpose2d_create(ctx, in, out, kh, kw, bias, &o)
                    : clg_conv2d_create(ctx, in, out, kh, kw, bias, &o);
}

static clg_module *make_conv2d(clg_context *ctx, const char *args) { return make_conv(ctx, args, false); }
static clg_module *make_conv_transpose2d(clg_context *ctx, const char *args) { return make_conv(ctx, args, true); }

static clg_module *make_batch_norm2d(clg_context *ctx, const char *args) {
  return clg_batch_norm_create(ctx, (int64_t)argument(args, "", 0),
                               &(clg_batch_norm_options){.eps = (float)argument(args, "eps", 1e-5),
                                                         .momentum = (float)argument(args, "momentum", 0.1)});
}

static clg_module *make_softplus(clg_context *ctx, const char *args) {
  return clg_activation_create(ctx, (clg_act){"softplus", {(float)argument(args, "beta", 1), 20}});
}

#define ACTIVATION(name)                                                                                               \
  static clg_module *make_##name(clg_context *ctx, const char *args) {                                                 \
    (void)args;                                                                                                        \
    return clg_activation_create(ctx, (clg_act){#name, {0}});                                                          \
  }
ACTIVATION(relu)
ACTIVATION(tanh)
ACTIVATION(sigmoid)
ACTIVATION(gelu)
ACTIVATION(silu)

static clg_module *make_flatten(clg_context *ctx, const char *args) {
  (void)args;
  return clg_flatten_create(ctx);
}

static const struct {
  const char *name;
  clg_module *(*make)(clg_context *ctx, const char *args);
} layers[] = {
    {"Linear", make_linear},
    {"LayerNorm", make_layer_norm},
    {"LeakyReLU", make_leaky_relu},
    {"ReLU", make_relu},
    {"Tanh", make_tanh},
    {"Sigmoid", make_sigmoid},
    {"Flatten", make_flatten},
    {"GELU", make_gelu},
    {"SiLU", make_silu},
    {"Softplus", make_softplus},
    {"Conv2d", make_conv2d},
    {"ConvTranspose2d", make_conv_transpose2d},
    {"BatchNorm2d", make_batch_norm2d},
};

/* One layer of a "(i): Name(arguments)" line. */
static clg_module *make_layer(golden *g, const char *line, bool *missing) {
  const char *name = strstr(line, "): ");
  const char *args = name ? strchr(name + 3, '(') : NULL;
  if (!args) {
    golden_error(g, "architecture with an unreadable line: %s", line);
    return NULL;
  }
  name += 3;
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    size_t length = strlen(layers[i].name);
    if (length != (size_t)(args - name) || strncmp(layers[i].name, name, length) != 0) continue;
    clg_module *m = layers[i].make(g->ctx, args + 1);
    if (!m) golden_clg_error(g);
    return m;
  }
  *missing = true;
  golden_error(g, "layer %.*s does not exist", (int)(args - name), name);
  return NULL;
}

clg_module *arch_build(golden *g, const char *text, bool *missing) {
  clg_module *made[MAX_LAYERS], *m = NULL;
  size_t n = 0;
  *missing = false;
  for (const char *at = strchr(text, '\n'); at && at[1] && at[1] != ')'; at = strchr(at + 1, '\n')) {
    char line[MAX_LINE];
    size_t length = strcspn(at + 1, "\n");
    snprintf(line, sizeof line, "%.*s", (int)(length < MAX_LINE ? length : MAX_LINE - 1), at + 1);
    m = n < MAX_LAYERS ? make_layer(g, line, missing) : NULL;
    if (!m) {
      while (n) clg_module_unref(&made[--n]);
      return NULL;
    }
    made[n++] = m;
  }
  if (!n) {
    golden_error(g, "architecture without layers");
    return NULL;
  }
  m = clg_sequential_create(g->ctx, made, n);
  if (!m) golden_clg_error(g);
  return m;
}
