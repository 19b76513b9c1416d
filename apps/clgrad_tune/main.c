/* clgrad_tune: measures on a device which kernel is the fastest for each class of matrix products and convolutions, and
 * with which parameters CLBlast's are, and stores the table that $CLGRAD_TUNING and gan_train --tuning take. */
#include "tune.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_ROUNDS 1000

static void help(void) {
  printf("Usage: clgrad_tune [OPTION]... FILE\n"
         "Measures which kernel is the fastest for each class of matrix products and convolutions on a device, and\n"
         "writes the table to FILE. On the shape of a GPU it first tries other parameters for CLBlast's kernels.\n"
         "Interrupted, it leaves FILE as it was. A FILE that is no table is not replaced. Use it with\n"
         "CLGRAD_TUNING=FILE or gan_train --tuning FILE.\n\n"
         "  --device SEL      gpu, cpu, PLATFORM:DEVICE, or part of a name (see clgrad_info)\n"
         "  --shape cpu|gpu   how kernels are written (default: as the device is)\n"
         "  --rounds N        measurements of each kernel, of which the best counts (default: 7)\n"
         "  --only PART       xgemm, direct (two kernels of CLBlast), threshold (between them), products or\n"
         "                    convolutions (the classes of each)\n"
         "  --candidates N    sets of parameters to try for each of CLBlast's kernels (default: all)\n"
         "  --quick           few candidates, few rounds\n"
         "  --json            write all measurements as JSON\n"
         "  --quiet           no progress\n"
         "  --version, --help\n");
}

static bool parse_count(const char *option, const char *word, int *out) {
  char *end;
  long n = strtol(word, &end, 10);
  *out = (int)n;
  if (*word >= '0' && *word <= '9' && !*end && n >= 1 && n <= MOST_ROUNDS) return true;
  fprintf(stderr, "clgrad_tune: %s '%s': want a whole number from 1 to %d\n", option, word, MOST_ROUNDS);
  return false;
}

static bool parse_only(const char *word, unsigned *parts) {
  static const char *const name[] = {"xgemm", "direct", "threshold", "products", "convolutions"};
  for (unsigned i = 0; i < 5; i++)
    if (!strcmp(word, name[i])) {
      *parts = 1u << i;
      return true;
    }
  fprintf(stderr, "clgrad_tune: unknown part '%s': there are xgemm, direct, threshold, products and convolutions\n",
          word);
  return false;
}

static bool parse_shape(const char *word, clg_device_shape *shape) {
  *shape = strcmp(word, "gpu") ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
  if (!strcmp(word, "gpu") || !strcmp(word, "cpu")) return true;
  fprintf(stderr, "clgrad_tune: unknown shape '%s': there are cpu and gpu\n", word);
  return false;
}

static bool parse(int argc, char **argv, options *o) {
  enum { DEVICE = 256, SHAPE, ROUNDS, ONLY, CANDIDATES, QUICK, JSON, QUIET, VERSION, HELP };
  static const struct option known[] = {
      {"device", required_argument, NULL, DEVICE},
      {"shape", required_argument, NULL, SHAPE},
      {"rounds", required_argument, NULL, ROUNDS},
      {"only", required_argument, NULL, ONLY},
      {"candidates", required_argument, NULL, CANDIDATES},
      {"quick", no_argument, NULL, QUICK},
      {"json", no_argument, NULL, JSON},
      {"quiet", no_argument, NULL, QUIET},
      {"version", no_argument, NULL, VERSION},
      {"help", no_argument, NULL, HELP},
      {NULL, 0, NULL, 0},
  };
  bool ok = true;
  for (int code; ok && (code = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (code) {
    case DEVICE: o->device = optarg; break;
    case SHAPE: ok = parse_shape(optarg, &o->shape); break;
    case ROUNDS: ok = parse_count("--rounds", optarg, &o->rounds); break;
    case ONLY: ok = parse_only(optarg, &o->parts); break;
    case CANDIDATES: ok = parse_count("--candidates", optarg, &o->candidates); break;
    case QUICK: o->quick = true; break;
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

static bool refuse(const char *file, const char *why) {
  fprintf(stderr, "clgrad_tune: cannot write '%s': %s\n", file, why);
  return false;
}

/* Of any version; what is empty is no loss either. */
static bool is_table(const char *file) {
  static const char begin[] = "clgrad-tuning ";
  char start[sizeof begin] = "";
  FILE *f = fopen(file, "rb");
  if (!f) return false;
  size_t n = fread(start, 1, sizeof begin - 1, f);
  bool ok = !ferror(f) && (!n || !strcmp(start, begin));
  fclose(f);
  return ok;
}

/* A plan lends its errors; it opens no device. */
static bool can_begin(const char *file) {
  clg_context *plan = NULL;
  char why[1024] = "out of host memory";
  clg_plan_options how = clg_plan_defaults();
  how.message = why, how.message_size = sizeof why;
  bool ok = clg_context_create_plan(&plan, &how) == CLG_OK && clg_file_check(plan, file) == CLG_OK;
  if (!ok) fprintf(stderr, "clgrad_tune: %s\n", plan ? clg_last_error(plan) : why);
  clg_context_unref(&plan);
  return ok;
}

/* Before the minutes of measuring, whether the file can be written; it stays as it is until they are over. */
static bool can_write(const char *file) {
  struct stat info;
  bool there = stat(file, &info) == 0;
  if (there && S_ISREG(info.st_mode) && access(file, R_OK | W_OK) != 0) return refuse(file, strerror(errno));
  if (there && S_ISREG(info.st_mode) && !is_table(file))
    return refuse(file, "it is something else than a table of clgrad_tune");
  return can_begin(file);
}

static bool run(const options *o) {
  static row rows[CLASSES];
  findings found;
  if (!can_write(o->file) || !tune_clblast(o, &found)) return false;
  clg_context *ctx = open_context(o);
  if (!ctx) return false;
  bool ok = clg_tuning_set(ctx, &(clg_product_class){0}, CLG_PRODUCT_FIXED) == CLG_OK && use_findings(ctx, &found) &&
            tune_classes(ctx, rows, o) && clg_tuning_save(ctx, o->file) == CLG_OK;
  if (ok && o->json)
    ok = print_json(ctx, rows, &found, o->file);
  else if (ok)
    print_text(ctx, rows, &found);
  else
    fprintf(stderr, "clgrad_tune: %s\n", clg_last_error(ctx));
  clg_context_unref(&ctx);
  return ok;
}

int main(int argc, char **argv) {
  options o = {.shape = CLG_SHAPE_AUTO, .parts = PART_ALL};
  if (!parse(argc, argv, &o)) return 2;
  if (!o.rounds) o.rounds = o.quick ? 3 : 7;
  if (!o.candidates) o.candidates = o.quick ? 3 : MOST_TRIALS;
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
