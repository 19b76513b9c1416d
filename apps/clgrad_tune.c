/* clgrad_tune: measures on a device which kernel is the fastest for each class of matrix products, and stores the table
 * that $CLGRAD_TUNING and gan_train --tuning take. */
#include "device_text.h"
#include <clgrad/clgrad.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A choice other than the fixed one is worth a line from this on: less is noise. */
#define GAIN 1.07
/* A kernel that takes this many times longer in its first round is not measured further. */
#define HOPELESS 3.0
/* Seconds of a round, if one call is shorter. */
#define ROUND 0.002
/* Seconds of a call after which one round will do. */
#define LONG        0.02
#define CLASSES     (4 * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES * CLG_SIZE_CLASSES)
#define MOST_ROUNDS 1000

typedef struct options {
  const char *device, *file;
  clg_device_shape shape;
  int rounds;
  bool json, quiet, help, version;
} options;

typedef struct row {
  clg_product_class c;
  double seconds[CLG_PRODUCT_KERNELS]; /* 0: not measured */
  clg_product_kernel best;
} row;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static clg_product_class class_of(int i) {
  enum { C = CLG_SIZE_CLASSES };
  return (clg_product_class){i / (2 * C * C * C), i / (C * C * C) % 2, i / (C * C) % C, i / C % C, i % C};
}

/* ---- measuring ---- */

/* A stored [rows,columns], or [columns,rows] seen transposed. */
static clg_tensor *operand(clg_context *ctx, int64_t rows, int64_t columns, bool transposed) {
  clg_tensor *t = clg_rand(ctx, 2, transposed ? (int64_t[]){columns, rows} : (int64_t[]){rows, columns}, -1, 1);
  return transposed ? clg_transpose(t, 0, 1) : t;
}

/* Seconds a call; negative on an error. */
static double round_of(clg_context *ctx, clg_tensor *a, clg_tensor *b, int calls) {
  double start = now();
  for (int i = 0; i < calls; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_matmul(a, b);
    if (clg_scope_close(scope) != CLG_OK) return -1;
  }
  return clg_finish(ctx) == CLG_OK ? (now() - start) / calls : -1;
}

static double least(double a, double b) { return a == 0 || b < a ? b : a; }

/* The best of all rounds, which take turns: what else runs on the machine only adds. */
static bool measure(clg_context *ctx, row *r, clg_tensor *a, clg_tensor *b, int rounds) {
  int calls[CLG_PRODUCT_KERNELS] = {0};
  for (int turn = -2; turn < rounds; turn++)
    for (int k = 0; k < CLG_PRODUCT_KERNELS; k++) {
      bool wanted = k == CLG_PRODUCT_FIXED || clg_product_kernel_serves(ctx, (clg_product_kernel)k, &r->c);
      if (!wanted || (turn > -1 && r->seconds[k] > HOPELESS * r->seconds[CLG_PRODUCT_FIXED])) continue;
      if (clg_tuning_set(ctx, &r->c, (clg_product_kernel)k) != CLG_OK) return false;
      double t = round_of(ctx, a, b, turn < 0 ? 1 : calls[k]);
      if (t < 0) return false;
      if (turn == 0 && t > LONG) rounds = 1;
      if (turn == -1) calls[k] = t < ROUND ? (int)(ROUND / (t + 1e-6)) + 1 : 1, r->seconds[k] = t; /* built by now */
      if (turn >= 0) r->seconds[k] = least(turn ? r->seconds[k] : 0, t);
    }
  return true;
}

static void judge(row *r) {
  r->best = CLG_PRODUCT_FIXED;
  for (int k = 1; k < CLG_PRODUCT_KERNELS; k++)
    if (r->seconds[k] > 0 && r->seconds[k] * (r->best ? 1 : GAIN) < r->seconds[r->best])
      r->best = (clg_product_kernel)k;
}

static bool tune_class(clg_context *ctx, row *r, int rounds) {
  int serve = 0;
  for (int k = 1; k < CLG_PRODUCT_KERNELS; k++) serve += clg_product_kernel_serves(ctx, (clg_product_kernel)k, &r->c);
  if (serve < 2) return true;
  int64_t m = clg_size_class_typical(r->c.m), n = clg_size_class_typical(r->c.n), k = clg_size_class_typical(r->c.k);
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *a = operand(ctx, m, k, r->c.ta), *b = operand(ctx, k, n, r->c.tb);
  bool ok = a && b && measure(ctx, r, a, b, rounds);
  judge(r);
  row again = {.c = r->c};
  ok = ok && (!r->best || measure(ctx, &again, a, b, rounds));
  judge(&again);
  if (again.best != r->best) r->best = CLG_PRODUCT_FIXED; /* it was noise */
  ok = clg_scope_close(scope) == CLG_OK && ok;
  return clg_tuning_set(ctx, &r->c, r->best) == CLG_OK && ok;
}

static bool tune(clg_context *ctx, row *rows, const options *o) {
  bool show = !o->quiet && isatty(STDERR_FILENO), ok = true;
  for (int i = 0; ok && i < CLASSES; i++) {
    rows[i].c = class_of(i);
    ok = tune_class(ctx, &rows[i], o->rounds);
    if (show) fprintf(stderr, "\r%d of %d classes", i + 1, CLASSES);
  }
  if (show) fprintf(stderr, "\r%24s\r", "");
  return ok;
}

/* ---- showing ---- */

static void name_class(const clg_product_class *c, char *to, size_t size) {
  snprintf(to, size, "%c%c %lld x %lld x %lld", "nt"[c->ta], "nt"[c->tb], (long long)clg_size_class_typical(c->m),
           (long long)clg_size_class_typical(c->n), (long long)clg_size_class_typical(c->k));
}

static void print(const clg_context *ctx, const row *rows) {
  const clg_device_info *d = clg_context_device(ctx);
  printf("%s, driver %s, %s shape\n", d->name, d->driver, d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu");
  int better = 0, measured = 0;
  for (int i = 0; i < CLASSES; i++) {
    const row *r = &rows[i];
    measured += r->seconds[0] > 0;
    if (!r->best) continue;
    char name[64];
    name_class(&r->c, name, sizeof name);
    if (!better++) printf("%-24s %12s %12s %7s  %s\n", "product (M x N x K)", "fixed us", "tuned us", "gain", "kernel");
    printf("%-24s %12.1f %12.1f %7.2f  %s\n", name, r->seconds[0] * 1e6, r->seconds[r->best] * 1e6,
           r->seconds[0] / r->seconds[r->best], clg_product_kernel_name(r->best));
  }
  printf("%d of %d measured classes get another kernel than the fixed one\n", better, measured);
}

static json_t *json_row(const row *r) {
  json_t *us = json_object();
  for (int k = 0; k < CLG_PRODUCT_KERNELS; k++)
    if (r->seconds[k] > 0)
      json_object_set_new(us, clg_product_kernel_name((clg_product_kernel)k), json_real(r->seconds[k] * 1e6));
  return json_pack("{s:b, s:b, s:I, s:I, s:I, s:s, s:o}", "ta", (int)r->c.ta, "tb", (int)r->c.tb, "m",
                   (json_int_t)clg_size_class_typical(r->c.m), "n", (json_int_t)clg_size_class_typical(r->c.n), "k",
                   (json_int_t)clg_size_class_typical(r->c.k), "kernel", clg_product_kernel_name(r->best),
                   "microseconds", us);
}

static bool print_json(const clg_context *ctx, const row *rows, const char *file) {
  const clg_device_info *d = clg_context_device(ctx);
  json_t *list = json_array();
  char hash[24];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)clg_tuning_hash(ctx));
  for (int i = 0; i < CLASSES; i++)
    if (rows[i].seconds[0] > 0) json_array_append_new(list, json_row(&rows[i]));
  json_t *all =
      json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:o}", "version", clg_version(), "platform",
                device_text(d->platform), "device", device_text(d->name), "driver", device_text(d->driver), "shape",
                d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", "file", device_text(file), "hash", hash, "products", list);
  bool ok = all && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0;
  printf("\n");
  json_decref(all);
  return ok;
}

/* ---- the command ---- */

static void help(void) {
  printf("Usage: clgrad_tune [OPTION]... FILE\n"
         "Measures which kernel is the fastest for each class of matrix products on a device, and writes the table to\n"
         "FILE. Use it with CLGRAD_TUNING=FILE or gan_train --tuning FILE.\n\n"
         "  --device SEL      gpu, cpu, PLATFORM:DEVICE, or part of a name (see clgrad_info)\n"
         "  --shape cpu|gpu   how kernels are written (default: as the device is)\n"
         "  --rounds N        measurements of each kernel, of which the best counts (default: 7)\n"
         "  --json            write all measurements as JSON\n"
         "  --quiet           no progress\n"
         "  --version, --help\n");
}

static bool parse_rounds(const char *word, int *rounds) {
  char *end;
  long n = strtol(word, &end, 10);
  *rounds = (int)n;
  if (*word >= '0' && *word <= '9' && !*end && n >= 1 && n <= MOST_ROUNDS) return true;
  fprintf(stderr, "clgrad_tune: --rounds '%s': want a whole number from 1 to %d\n", word, MOST_ROUNDS);
  return false;
}

static bool parse_shape(const char *word, clg_device_shape *shape) {
  *shape = strcmp(word, "gpu") ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
  if (!strcmp(word, "gpu") || !strcmp(word, "cpu")) return true;
  fprintf(stderr, "clgrad_tune: unknown shape '%s': there are cpu and gpu\n", word);
  return false;
}

static bool parse(int argc, char **argv, options *o) {
  enum { DEVICE = 256, SHAPE, ROUNDS, JSON, QUIET, VERSION, HELP };
  static const struct option known[] = {
      {"device", required_argument, NULL, DEVICE}, {"shape", required_argument, NULL, SHAPE},
      {"rounds", required_argument, NULL, ROUNDS}, {"json", no_argument, NULL, JSON},
      {"quiet", no_argument, NULL, QUIET},         {"version", no_argument, NULL, VERSION},
      {"help", no_argument, NULL, HELP},           {NULL, 0, NULL, 0},
  };
  bool ok = true;
  for (int code; ok && (code = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (code) {
    case DEVICE: o->device = optarg; break;
    case SHAPE: ok = parse_shape(optarg, &o->shape); break;
    case ROUNDS: ok = parse_rounds(optarg, &o->rounds); break;
    case JSON: o->json = true; break;
    case QUIET: o->quiet = true; break;
    case VERSION: o->version = true; break;
    case HELP: o->help = true; break;
    default: return false; /* getopt has said why, in one line */
    }
  if (!ok || o->help || o->version) return ok;
  o->file = optind < argc ? argv[optind] : NULL;
  if (optind + 1 == argc) return true;
  fprintf(stderr, "clgrad_tune: want the name of one file for the table: --help lists the options\n");
  return false;
}

static bool run(const options *o) {
  static row rows[CLASSES];
  char message[512] = "";
  clg_context *ctx = NULL;
  clg_context_options c = CLG_CONTEXT_OPTIONS_INIT;
  c.device = o->device, c.shape = o->shape, c.message = message, c.message_size = sizeof message;
  bool ok = clg_context_create(&ctx, &c) == CLG_OK;
  if (ok) {
    /* Before the minutes of measuring, whether the file can be written. */
    ok = clg_tuning_set(ctx, &(clg_product_class){0}, CLG_PRODUCT_FIXED) == CLG_OK &&
         clg_tuning_save(ctx, o->file) == CLG_OK && tune(ctx, rows, o) && clg_tuning_save(ctx, o->file) == CLG_OK;
    if (ok && o->json)
      ok = print_json(ctx, rows, o->file);
    else if (ok)
      print(ctx, rows);
    else
      snprintf(message, sizeof message, "%s", clg_last_error(ctx));
  }
  clg_context_unref(&ctx);
  if (!ok && *message) fprintf(stderr, "clgrad_tune: %s\n", message);
  return ok;
}

int main(int argc, char **argv) {
  options o = {.rounds = 7, .shape = CLG_SHAPE_AUTO};
  if (!parse(argc, argv, &o)) return 2;
  bool ok = true;
  unsetenv("CLGRAD_TUNING"); /* what is measured is measured without */
  if (o.help)
    help();
  else if (o.version)
    printf("clgrad_tune %s\n", clg_version());
  else
    ok = run(&o);
  if (fflush(stdout) || ferror(stdout)) ok = false;
  return ok ? 0 : 1;
}
