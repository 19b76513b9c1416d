/* clgrad_info: every OpenCL platform and device, what clgrad would use of it, and a self-test of the kernels on each.
 */
#include "building.h"
#include "json_text.h"
#include <clgrad/clgrad.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_DEVICES = 64 };

typedef struct options {
  const char *device, *device_file;
  bool json, no_self_test, help, version;
} options;

/* ---- the self-test: kernels against the host ---- */

typedef struct numbers {
  float *v;
  clg_tensor *t;
  int64_t n;
} numbers;

/* A tensor of repeatable values in [-2, 2). It and v live until the test's end: the scope and `keep` own them. */
typedef struct test {
  clg_context *ctx;
  float *keep[16];
  int n_keep;
  uint32_t seed;
} test;

static numbers make(test *t, int64_t rows, int64_t columns) {
  int64_t n = (rows ? rows : 1) * columns;
  float *v = malloc((size_t)n * sizeof *v);
  if (!v) return (numbers){0};
  for (int64_t i = 0; i < n; i++) {
    t->seed = t->seed * 1664525u + 1013904223u;
    v[i] = (float)(t->seed >> 8) / 4194304.0f - 2.0f;
  }
  clg_tensor *x = clg_full(t->ctx, rows ? 2 : 1, rows ? (int64_t[]){rows, columns} : (int64_t[]){columns}, 0);
  if (x) clg_tensor_write(x, v);
  t->keep[t->n_keep++] = v;
  return (numbers){v, x, n};
}

/* Reads t and compares; NULL tensors are failures that the context has explained. A plan has no values, and goes on. */
static bool agrees(const clg_tensor *t, const double *want, double tolerance) {
  if (!t) return false;
  if (clg_context_is_plan(clg_tensor_context(t))) return true;
  int64_t n = clg_tensor_numel(t);
  float *got = malloc((size_t)n * sizeof *got);
  bool ok = got && clg_tensor_read(t, got) == CLG_OK;
  for (int64_t i = 0; ok && i < n; i++) ok = fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]));
  free(got);
  return ok;
}

static bool test_map(test *t) {
  enum { R = 37, C = 53 };
  numbers x = make(t, R, C), o = make(t, 0, C);
  if (!x.v || !o.v) return false;
  double want[R * C];
  for (int i = 0; i < R * C; i++) {
    double v = (double)x.v[i];
    want[i] = v / (1 + exp(-1.5 * v)) + (double)o.v[i % C];
  }
  clg_map_input in[] = {{"x", x.t, 0}, {"o", o.t, 0}, {"k", NULL, 1.5f}};
  return agrees(clg_map(t->ctx, "x*sigmoid(k*x) + o", in, 3), want, 1e-5);
}

static bool test_sum(test *t) {
  enum { R = 301, C = 67 };
  numbers x = make(t, R, C);
  if (!x.v) return false;
  double rows[R] = {0}, columns[C] = {0};
  for (int i = 0; i < R * C; i++) rows[i / C] += (double)x.v[i], columns[i % C] += (double)x.v[i];
  return agrees(clg_sum(x.t, (int[]){1}, 1, false), rows, 1e-4) &&
         agrees(clg_sum(x.t, (int[]){0}, 1, false), columns, 1e-4);
}

static bool test_linear(test *t) {
  enum { M = 37, N = 75, K = 203 };
  numbers x = make(t, M, K), w = make(t, N, K), b = make(t, 0, N);
  if (!x.v || !w.v || !b.v) return false;
  double want[M * N];
  for (int i = 0; i < M * N; i++) {
    double sum = (double)b.v[i % N];
    for (int k = 0; k < K; k++) sum += (double)x.v[i / N * K + k] * (double)w.v[i % N * K + k];
    want[i] = sum > 0 ? sum : 0.25 * sum;
  }
  return agrees(clg_linear(x.t, w.t, b.t, &(clg_linear_options){{"leaky_relu", {0.25f}}}), want, 1e-4);
}

static bool test_layer_norm(test *t) {
  enum { R = 19, C = 131 };
  numbers x = make(t, R, C), gamma = make(t, 0, C), beta = make(t, 0, C);
  if (!x.v || !gamma.v || !beta.v) return false;
  double want[R * C];
  for (int r = 0; r < R; r++) {
    const float *row = x.v + r * C;
    double mean = 0, var = 0;
    for (int c = 0; c < C; c++) mean += (double)row[c] / C;
    for (int c = 0; c < C; c++) var += ((double)row[c] - mean) * ((double)row[c] - mean) / C;
    for (int c = 0; c < C; c++)
      want[r * C + c] = ((double)row[c] - mean) / sqrt(var + 1e-5) * (double)gamma.v[c] + (double)beta.v[c];
  }
  return agrees(clg_layer_norm(x.t, gamma.t, beta.t, NULL), want, 1e-4);
}

static bool test_backward(test *t) {
  enum { N = 1000 };
  numbers x = make(t, 0, N);
  clg_tensor *target = clg_full(t->ctx, 1, (int64_t[]){N}, 0.75f);
  if (!x.v || !x.t || !target || clg_tensor_set_requires_grad(x.t, true) != CLG_OK) return false;
  double loss = 0, gradient[N];
  for (int i = 0; i < N; i++) {
    double v = (double)x.v[i];
    loss += (fmax(v, 0) - 0.75 * v + log1p(exp(-fabs(v)))) / N;
    gradient[i] = (1 / (1 + exp(-v)) - 0.75) / N;
  }
  clg_tensor *got = clg_bce_with_logits_loss(x.t, target, NULL);
  return agrees(got, &loss, 1e-5) && clg_backward(got, NULL) == CLG_OK && agrees(clg_tensor_grad(x.t), gradient, 1e-8);
}

/* Moments of 40,000 normal numbers, with six standard errors of room. */
static bool test_random(test *t) {
  enum { N = 40000 };
  clg_set_seed(t->ctx, 1, 0);
  clg_tensor *x = clg_randn(t->ctx, 1, (int64_t[]){N});
  double zero = 0, one = 1;
  return agrees(clg_mean(x, NULL, 0, false), &zero, 0.03) &&
         agrees(clg_mean(clg_square(x), NULL, 0, false), &one, 0.022);
}

static const struct {
  const char *name;
  bool (*run)(test *t);
} tests[] = {{"elementwise", test_map},       {"reduction", test_sum},     {"product", test_linear},
             {"layer norm", test_layer_norm}, {"backward", test_backward}, {"random", test_random}};
enum { TESTS = sizeof tests / sizeof *tests };

typedef struct result {
  bool ran;
  int passed, milliseconds;
  char failed[256], message[512]; /* names of the failed tests; the first error's line */
} result;

static void run_test(clg_context *ctx, int i, result *r) {
  test t = {.ctx = ctx, .seed = 1};
  clg_scope *scope = clg_scope_open(ctx);
  bool ok = tests[i].run(&t);
  ok = clg_scope_close(scope) == CLG_OK && ok;
  for (int k = 0; k < t.n_keep; k++) free(t.keep[k]);
  r->passed += ok;
  size_t used = strlen(r->failed);
  if (!ok) snprintf(r->failed + used, sizeof r->failed - used, "%s%s", used ? ", " : "", tests[i].name);
  if (!ok && !*r->message) snprintf(r->message, sizeof r->message, "%s", clg_last_error(ctx));
  clg_clear_error(ctx);
}

/* How many programs the tests need: a plan makes the same calls. 0: not known. */
static uint64_t count_programs(clg_context *like) {
  clg_plan_options o = clg_plan_defaults();
  o.like = like;
  clg_context *plan = NULL;
  result ignored = {0};
  if (clg_context_create_plan(&plan, &o) != CLG_OK) return 0;
  for (int i = 0; i < TESTS; i++) run_test(plan, i, &ignored);
  uint64_t n = clg_context_counters(plan).programs;
  clg_context_unref(&plan);
  return n;
}

static result self_test(const clg_device_info *d, bool show) {
  result r = {.ran = true};
  building compiling;
  building_begin(&compiling, show, 0);
  char selector[32];
  snprintf(selector, sizeof selector, "%d:%d", d->platform_index, d->device_index);
  clg_context_options o = clg_context_defaults();
  o.device = selector;
  o.message = r.message;
  o.message_size = sizeof r.message;
  o.build = building_note;
  o.build_user = &compiling;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  clg_context *ctx = NULL;
  if (clg_context_create(&ctx, &o) != CLG_OK) snprintf(r.failed, sizeof r.failed, "all");
  if (ctx) compiling.total = count_programs(ctx);
  for (int i = 0; ctx && i < TESTS; i++) run_test(ctx, i, &r);
  clg_context_unref(&ctx);
  building_clear();
  clock_gettime(CLOCK_MONOTONIC, &end);
  r.milliseconds = (int)((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
  return r;
}

/* ---- showing ---- */

static const char *type_name(clg_device_type type) {
  return type == CLG_DEVICE_CPU ? "cpu" : type == CLG_DEVICE_GPU ? "gpu" : "accelerator";
}
static const char *shape_name(const clg_device_info *d) { return d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu"; }

/* Of the kernels that share work. */
static uint32_t work_group(const clg_device_info *d) {
  uint32_t size = d->shape == CLG_SHAPE_CPU ? 1 : 64;
  while (size > 1 && size > d->max_work_group) size /= 2;
  return size;
}

static void print_mib(const char *name, uint64_t bytes) {
  printf("%s%llu MiB", name, (unsigned long long)(bytes >> 20));
}

static void print_device(const clg_device_info *d, bool chosen, const result *r) {
  printf("%d:%d  %s%s\n", d->platform_index, d->device_index, d->name, chosen ? "  (chosen)" : "");
  printf("     platform   %s, driver %s, %s\n", d->platform, d->driver, d->version);
  printf("     device     %s, %u compute units at %u MHz%s\n", type_name(d->type), d->compute_units, d->clock_mhz,
         d->simulator ? "; simulated in software: used only when named" : "");
  print_mib("     memory     ", d->global_bytes);
  print_mib(", largest buffer ", d->max_alloc_bytes);
  printf(", local %llu KiB%s\n", (unsigned long long)(d->local_bytes >> 10),
         d->unified_memory ? ", shared with the host" : "");
  printf("     kernels    %s shape, work-groups of %u, %s\n", shape_name(d), work_group(d),
         d->fma ? "fma" : "multiply and add instead of fma: bits differ from those of devices that have it");
  if (!d->usable) printf("     not usable: %s\n", d->problem);
  if (!r->ran) return;
  printf("     self-test  %d of %d passed in %d ms\n", r->passed, TESTS, r->milliseconds);
  if (*r->failed) printf("     failed     %s%s%s\n", r->failed, *r->message ? ": " : "", r->message);
}

static json_t *json_device(const clg_device_info *d, bool chosen, const result *r) {
  json_t *test_row =
      !r->ran ? json_null()
              : json_pack("{s:i, s:i, s:o, s:o, s:i}", "passed", r->passed, "tests", (int)TESTS, "failed",
                          json_text(r->failed), "message", json_text(r->message), "milliseconds", r->milliseconds);
  json_t *row =
      json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:i, s:b, s:b, s:b, s:o, s:o}", "platform_index",
                d->platform_index, "device_index", d->device_index, "platform", json_text(d->platform), "name",
                json_text(d->name), "vendor", json_text(d->vendor), "driver", json_text(d->driver), "version",
                json_text(d->version), "type", type_name(d->type), "shape", shape_name(d), "work_group",
                (int)work_group(d), "chosen", (int)chosen, "usable", (int)d->usable, "simulator", (int)d->simulator,
                "problem", json_text(d->problem), "self_test", test_row);
  if (!row) return NULL;
  json_object_set_new(row, "global_bytes", json_integer((json_int_t)d->global_bytes));
  json_object_set_new(row, "max_alloc_bytes", json_integer((json_int_t)d->max_alloc_bytes));
  json_object_set_new(row, "local_bytes", json_integer((json_int_t)d->local_bytes));
  json_object_set_new(row, "compute_units", json_integer((json_int_t)d->compute_units));
  json_object_set_new(row, "clock_mhz", json_integer((json_int_t)d->clock_mhz));
  json_object_set_new(row, "max_work_group", json_integer((json_int_t)d->max_work_group));
  json_object_set_new(row, "address_bits", json_integer((json_int_t)d->address_bits));
  json_object_set_new(row, "native_float_width", json_integer((json_int_t)d->native_float_width));
  json_object_set_new(row, "fma", json_boolean(d->fma));
  json_object_set_new(row, "unified_memory", json_boolean(d->unified_memory));
  return row;
}

/* ---- the command ---- */

static void help(void) {
  printf("Usage: clgrad_info [OPTION]...\n"
         "Lists every OpenCL device with what clgrad would use of it, and tests the kernels on each.\n\n"
         "  --device SEL      choose gpu, cpu, PLATFORM:DEVICE, or part of a name, and test that one alone\n"
         "                    (default: $CLGRAD_DEVICE, then the best GPU, else a CPU)\n"
         "  --no-self-test    list only\n"
         "  --json            write JSON\n"
         "  --device-file FILE\n"
         "                    also save what a plan needs to know of the chosen device\n"
         "  --version, --help\n");
}

static bool parse(int argc, char **argv, options *o) {
  enum { DEVICE = 256, NO_SELF_TEST, JSON, DEVICE_FILE, VERSION, HELP };
  static const struct option known[] = {
      {"device", required_argument, NULL, DEVICE},
      {"no-self-test", no_argument, NULL, NO_SELF_TEST},
      {"json", no_argument, NULL, JSON},
      {"device-file", required_argument, NULL, DEVICE_FILE},
      {"version", no_argument, NULL, VERSION},
      {"help", no_argument, NULL, HELP},
      {NULL, 0, NULL, 0},
  };
  for (int code; (code = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (code) {
    case DEVICE: o->device = optarg; break;
    case NO_SELF_TEST: o->no_self_test = true; break;
    case JSON: o->json = true; break;
    case DEVICE_FILE: o->device_file = optarg; break;
    case VERSION: o->version = true; break;
    case HELP: o->help = true; break;
    default: return false; /* getopt has said why, in one line */
    }
  if (optind == argc) return true;
  fprintf(stderr, "clgrad_info: unexpected argument: %s\n", argv[optind]);
  return false;
}

/* The context that programs would get; NULL with the reason. */
static clg_context *choose(const options *o, char *message, size_t size) {
  clg_context_options c = clg_context_defaults();
  c.device = o->device;
  c.message = message;
  c.message_size = size;
  clg_context *ctx = NULL;
  clg_context_create(&ctx, &c);
  return ctx;
}

static bool same_device(const clg_device_info *a, const clg_device_info *b) {
  return a->platform_index == b->platform_index && a->device_index == b->device_index;
}

/* Lists and tests; false when a test failed. */
static bool show(const options *o, const clg_device_info *chosen) {
  clg_device_info rows[MOST_DEVICES];
  size_t n = clg_device_list(rows, MOST_DEVICES);
  json_t *list = o->json ? json_array() : NULL;
  bool ok = true;
  if (!o->json) printf("clgrad %s\n", clg_version());
  for (size_t i = 0; i < n && i < MOST_DEVICES; i++) {
    bool is_chosen = chosen && same_device(&rows[i], chosen);
    bool wanted = o->device ? is_chosen : rows[i].usable && (!rows[i].simulator || is_chosen);
    result r = !o->no_self_test && wanted ? self_test(&rows[i], !o->json) : (result){0};
    ok = ok && (!r.ran || r.passed == TESTS);
    if (o->json)
      json_array_append_new(list, json_device(&rows[i], is_chosen, &r));
    else
      print_device(&rows[i], is_chosen, &r);
  }
  if (!o->json) return ok;
  json_t *all = json_pack("{s:s, s:o}", "version", clg_version(), "devices", list);
  ok = all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && ok;
  printf("\n");
  json_decref(all);
  return ok;
}

int main(int argc, char **argv) {
  options o = {0};
  if (!parse(argc, argv, &o)) return 2;
  if (o.help || o.version) {
    if (o.help)
      help();
    else
      printf("clgrad_info %s\n", clg_version());
    return 0;
  }
  char message[512] = "";
  clg_context *ctx = choose(&o, message, sizeof message);
  bool ok = ctx != NULL, none = !clg_device_list(NULL, 0);
  if (ctx && o.device_file && clg_device_save(ctx, o.device_file) != CLG_OK) {
    snprintf(message, sizeof message, "%s", clg_last_error(ctx));
    ok = false;
  }
  /* A selector that fits nothing is an error; that nothing is chosen by default is worth a list. */
  if (!none && (ok || (!o.device && !o.device_file))) ok = show(&o, ctx ? clg_context_device(ctx) : NULL) && ok;
  clg_context_unref(&ctx);
  if (*message) fprintf(stderr, "clgrad_info: %s\n", message);
  if (fflush(stdout) || ferror(stdout)) ok = false;
  return ok ? 0 : 1;
}
