/* Reads and checks the command line. */
#include "options.h"
#include <getopt.h>
#include <string.h>

#define MAX_STEPS 10000000
#define MAX_BATCH INT32_MAX

enum {
  OPT_COMPARE = 256,
  OPT_VARIANTS,
  OPT_VARIANT,
  OPT_MODEL,
  OPT_DATA,
  OPT_BATCH,
  OPT_STEPS,
  OPT_EPOCHS,
  OPT_SEED,
  OPT_DEVICE,
  OPT_PLAN,
  OPT_SHAPE,
  OPT_JSON,
  OPT_SAMPLES,
  OPT_QUIET,
  OPT_VERSION,
  OPT_HELP
};

static const struct option long_options[] = {
    {"compare", no_argument, NULL, OPT_COMPARE},
    {"variants", required_argument, NULL, OPT_VARIANTS},
    {"variant", required_argument, NULL, OPT_VARIANT},
    {"model", required_argument, NULL, OPT_MODEL},
    {"data", required_argument, NULL, OPT_DATA},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"steps", required_argument, NULL, OPT_STEPS},
    {"epochs", required_argument, NULL, OPT_EPOCHS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"device", required_argument, NULL, OPT_DEVICE},
    {"plan", no_argument, NULL, OPT_PLAN},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"json", required_argument, NULL, OPT_JSON},
    {"samples", required_argument, NULL, OPT_SAMPLES},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

void options_help(FILE *to) {
  fputs("Usage: gan_train [OPTION]...\n"
        "Trains a GAN on any OpenCL device and measures what detach() and its alternatives cost.\n\n"
        "  --compare          run all variants from the same weights, data and noise, and compare\n"
        "  --variants A,B     compare these alone\n"
        "  --variant NAME     train one variant (default: detach)\n"
        "  --model NAME       mlp\n"
        "  --data NAME        fashion-mnist, ring, or a folder with train-images-idx3-ubyte[.gz]\n"
        "                     (default: fashion-mnist if it is installed, else ring)\n"
        "  --batch N          images a step (default: 128)\n"
        "  --steps N          steps to train (default: one epoch; 200 to compare)\n"
        "  --epochs N         passes over the data instead\n"
        "  --seed N           of weights, order and noise (default: 1)\n"
        "  --device SEL       gpu, cpu, PLATFORM:DEVICE, or part of a name (see clgrad_info)\n"
        "  --plan             predict the memory alone; needs no OpenCL\n"
        "  --shape cpu|gpu    how kernels are written (default: as the device is)\n"
        "  --json FILE        write the figures; - is standard output\n"
        "  --samples FILE.png write generated images\n"
        "  --quiet            no progress\n"
        "  --version, --help\n\n"
        "Variants:\n",
        to);
  for (int v = 0; v < VARIANT_COUNT; v++)
    fprintf(to, "  %-13s %s\n", variant_name((variant)v), variant_summary((variant)v));
}

/* Decimal digits only: no sign, no blanks, nothing behind. */
static bool parse_number(const char *flag, const char *text, int64_t low, int64_t high, int64_t *out, message *why) {
  int64_t value = 0;
  bool valid = *text != 0;
  for (const char *c = text; valid && *c; c++) {
    int digit = *c - '0';
    valid = digit >= 0 && digit <= 9 && value <= (INT64_MAX - digit) / 10;
    if (valid) value = value * 10 + digit;
  }
  if (!valid || value < low || value > high)
    return fail(why, "--%s '%s': want a whole number from %lld to %lld", flag, text, (long long)low, (long long)high);
  *out = value;
  return true;
}

static bool add_variant(options *o, const char *name, size_t n, message *why) {
  variant v = variant_find(name, n);
  if (v == VARIANT_COUNT) {
    char list[256] = "";
    for (int i = 0; i < VARIANT_COUNT; i++) {
      strcat(list, i ? " " : "");
      strcat(list, variant_name((variant)i));
    }
    return fail(why, "unknown variant '%.*s': there are %s", (int)n, name, list);
  }
  for (int i = 0; i < o->n_variants; i++)
    if (o->variants[i] == v) return fail(why, "variant %s is named twice", variant_name(v));
  o->variants[o->n_variants++] = v;
  return true;
}

static bool parse_variants(options *o, const char *list, message *why) {
  for (;;) {
    size_t n = strcspn(list, ",");
    if (!add_variant(o, list, n, why)) return false;
    if (!list[n]) return true;
    list += n + 1;
  }
}

static bool parse_shape(options *o, const char *text, message *why) {
  if (!strcmp(text, "cpu")) o->shape = CLG_SHAPE_CPU;
  else if (!strcmp(text, "gpu")) o->shape = CLG_SHAPE_GPU;
  else return fail(why, "unknown shape '%s': there are cpu and gpu", text);
  return true;
}

static bool parse_model(options *o, const char *text, message *why) {
  o->model = text;
  return !strcmp(text, "mlp") || fail(why, "unknown model '%s': there is mlp", text);
}

static bool parse_option(options *o, int code, char *text, message *why) {
  int64_t seed = 0;
  switch (code) {
  case OPT_COMPARE: o->compare = true; return true;
  case OPT_VARIANTS: o->compare = true; return parse_variants(o, text, why);
  case OPT_VARIANT: return add_variant(o, text, strlen(text), why);
  case OPT_MODEL: return parse_model(o, text, why);
  case OPT_DATA: o->data = text; return true;
  case OPT_BATCH: return parse_number("batch", text, 1, MAX_BATCH, &o->batch, why);
  case OPT_STEPS: return parse_number("steps", text, 1, MAX_STEPS, &o->steps, why);
  case OPT_EPOCHS: return parse_number("epochs", text, 1, MAX_STEPS, &o->epochs, why);
  case OPT_SEED:
    if (!parse_number("seed", text, 0, INT64_MAX, &seed, why)) return false;
    o->seed = (uint64_t)seed;
    return true;
  case OPT_DEVICE: o->device = text; return true;
  case OPT_PLAN: o->plan = true; return true;
  case OPT_SHAPE: return parse_shape(o, text, why);
  case OPT_JSON: o->json = text; return true;
  case OPT_SAMPLES: o->samples = text; return true;
  case OPT_QUIET: o->quiet = true; return true;
  case OPT_VERSION: o->version = true; return true;
  case OPT_HELP: o->help = true; return true;
  }
  return false;
}

/* What belongs together, and what is left to choose. */
static bool complete(options *o, bool one, bool list, message *why) {
  if (one && (o->compare || list))
    return fail(why, "--variant runs one variant alone: to compare some, use --variants A,B");
  if (one && o->n_variants > 1) return fail(why, "--variant is given twice: to compare some, use --variants A,B");
  if (o->steps && o->epochs) return fail(why, "--steps and --epochs: give one of them");
  if (o->plan && o->device) return fail(why, "--plan opens no device: leave out --device");
  if (o->plan && o->samples) return fail(why, "--plan trains nothing: leave out --samples");
  if (o->samples && !strcmp(o->samples, "-")) return fail(why, "--samples wants the name of a file");
  if (o->json && o->samples && !strcmp(o->json, o->samples))
    return fail(why, "--json and --samples name the same file");
  if (o->compare && !o->n_variants)
    for (int v = 0; v < VARIANT_COUNT; v++) o->variants[o->n_variants++] = (variant)v;
  if (!o->n_variants) o->variants[o->n_variants++] = VARIANT_DETACH;
  return true;
}

static bool refuse(int code, char **argv, message *why) {
  const char *word = argv[optind - 1];
  if (code == ':') return fail(why, "%s wants a value", word);
  if (optopt >= OPT_COMPARE) return fail(why, "%s takes no value", word);
  if (optopt) return fail(why, "unknown option '-%c': --help lists them", optopt);
  return fail(why, "unknown option '%s': --help lists them", word);
}

bool options_parse(options *o, int argc, char **argv, message *why) {
  *o = (options){.model = "mlp", .batch = 128, .seed = 1, .shape = CLG_SHAPE_AUTO};
  bool one = false, list = false;
  opterr = 0;
  for (int code; (code = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
    if (code == '?' || code == ':') return refuse(code, argv, why);
    if (code == OPT_VARIANTS && list) return fail(why, "--variants is given twice");
    one = one || code == OPT_VARIANT;
    list = list || code == OPT_VARIANTS;
    if (!parse_option(o, code, optarg, why)) return false;
    if (o->help || o->version) return true;
  }
  if (optind < argc) return fail(why, "unexpected argument '%s': --help lists the options", argv[optind]);
  return complete(o, one, list, why);
}
