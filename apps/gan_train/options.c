/* Reads and checks the command line. */
#include "options.h"
#include "data.h"
#include "files.h"
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS  10000000
#define MAX_BATCH  INT32_MAX
#define MAX_WIDTH  65536
#define MAX_SHARDS 1024

enum {
  OPT_COMPARE = 256,
  OPT_VARIANTS,
  OPT_VARIANT,
  OPT_MODEL,
  OPT_DATA,
  OPT_CONDITIONAL,
  OPT_SEED,
  OPT_DEVICE,
  OPT_PLAN,
  OPT_REMAT,
  OPT_SYNC_BATCH_NORM,
  OPT_WIDE,
  OPT_SHAPE,
  OPT_TUNING,
  OPT_JSON,
  OPT_REPORT,
  OPT_SAMPLES,
  OPT_SAVE,
  OPT_TRACE,
  OPT_RESUME,
  OPT_SKIP,
  OPT_QUIET,
  OPT_VERSION,
  OPT_HELP,
  OPT_NUMBER /* and above: numbers[code - OPT_NUMBER] */
};

/* Options that are a whole number and nothing else. */
static const struct {
  const char *name;
  int64_t low, high;
  size_t field;
} numbers[] = {
    {"batch", 1, MAX_BATCH, offsetof(options, batch)},
    {"shards", 1, MAX_SHARDS, offsetof(options, shards)},
    {"bucket", 0, 1 << 20, offsetof(options, bucket)},
    {"rank-timeout", 0, 1000000, offsetof(options, rank_timeout)},
    {"steps", 1, MAX_STEPS, offsetof(options, steps)},
    {"epochs", 1, MAX_STEPS, offsetof(options, epochs)},
    {"nz", 1, MAX_WIDTH, offsetof(options, nz)},
    {"hidden", 1, MAX_WIDTH, offsetof(options, hidden)},
    {"ngf", 1, MAX_WIDTH, offsetof(options, ngf)},
    {"ndf", 1, MAX_WIDTH, offsetof(options, ndf)},
    {"critic-steps", 1, 1000, offsetof(options, critic_steps)},
    {"lambda", 1, 1000, offsetof(options, lambda)},
    {"image-size", IMAGE_SIZE_MIN, IMAGE_SIZE_MAX, offsetof(options, image_size)},
    {"channels", 1, 3, offsetof(options, channels)},
    {"samples-every", 1, MAX_STEPS, offsetof(options, samples_every)},
    {"save-every", 1, MAX_STEPS, offsetof(options, save_every)},
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

static const struct option words[] = {
    {"compare", no_argument, NULL, OPT_COMPARE},
    {"variants", required_argument, NULL, OPT_VARIANTS},
    {"variant", required_argument, NULL, OPT_VARIANT},
    {"model", required_argument, NULL, OPT_MODEL},
    {"data", required_argument, NULL, OPT_DATA},
    {"conditional", no_argument, NULL, OPT_CONDITIONAL},
    {"seed", required_argument, NULL, OPT_SEED},
    {"device", required_argument, NULL, OPT_DEVICE},
    {"plan", no_argument, NULL, OPT_PLAN},
    {"remat", no_argument, NULL, OPT_REMAT},
    {"sync-batch-norm", no_argument, NULL, OPT_SYNC_BATCH_NORM},
    {"wide", no_argument, NULL, OPT_WIDE},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"tuning", required_argument, NULL, OPT_TUNING},
    {"json", required_argument, NULL, OPT_JSON},
    {"report", required_argument, NULL, OPT_REPORT},
    {"samples", required_argument, NULL, OPT_SAMPLES},
    {"save", required_argument, NULL, OPT_SAVE},
    {"resume", required_argument, NULL, OPT_RESUME},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"skip-unreadable", no_argument, NULL, OPT_SKIP},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
};
#define N_WORDS (sizeof words / sizeof *words)

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
  if (!strcmp(text, "cpu"))
    o->shape = CLG_SHAPE_CPU;
  else if (!strcmp(text, "gpu"))
    o->shape = CLG_SHAPE_GPU;
  else
    return fail(why, "unknown shape '%s': there are cpu and gpu", text);
  return true;
}

static bool parse_model(options *o, const char *text, message *why) {
  o->model = model_find(text);
  return o->model != MODEL_COUNT || fail(why, "unknown model '%s': there are mlp, dcgan and wgan_gp", text);
}

static bool parse_seed(options *o, const char *text, message *why) {
  int64_t seed = 0;
  if (!parse_number("seed", text, 0, INT64_MAX, &seed, why)) return false;
  o->seed = (uint64_t)seed;
  return true;
}

static bool parse_file(const char *flag, const char *text, const char **out, message *why) {
  *out = text;
  return *text || fail(why, "--%s wants the name of a file", flag);
}

static bool parse_option(options *o, int code, char *text, message *why) {
  if (code >= OPT_NUMBER) {
    size_t i = (size_t)(code - OPT_NUMBER);
    int64_t *field = (int64_t *)((char *)o + numbers[i].field);
    return parse_number(numbers[i].name, text, numbers[i].low, numbers[i].high, field, why);
  }
  switch (code) {
  case OPT_COMPARE: o->compare = true; return true;
  case OPT_VARIANTS: o->compare = true; return parse_variants(o, text, why);
  case OPT_VARIANT: return add_variant(o, text, strlen(text), why);
  case OPT_MODEL: return parse_model(o, text, why);
  case OPT_DATA: o->data = text; return true;
  case OPT_CONDITIONAL: o->conditional = true; return true;
  case OPT_SEED: return parse_seed(o, text, why);
  case OPT_DEVICE: o->device = text; return true;
  case OPT_PLAN: o->plan = true; return true;
  case OPT_REMAT: o->remat = true; return true;
  case OPT_SYNC_BATCH_NORM: o->sync_batch_norm = true; return true;
  case OPT_WIDE: o->wide = true; return true;
  case OPT_SHAPE: return parse_shape(o, text, why);
  case OPT_TUNING: return parse_file("tuning", text, &o->tuning, why);
  case OPT_JSON: return parse_file("json", strcmp(text, "/dev/stdout") ? text : "-", &o->json, why);
  case OPT_REPORT: return parse_file("report", text, &o->report, why);
  case OPT_SAMPLES: return parse_file("samples", text, &o->samples, why);
  case OPT_SAVE: return parse_file("save", text, &o->save, why);
  case OPT_TRACE: return parse_file("trace", text, &o->trace, why);
  case OPT_RESUME: return parse_file("resume", text, &o->resume, why);
  case OPT_SKIP: o->skip_unreadable = true; return true;
  case OPT_QUIET: o->quiet = true; return true;
  case OPT_VERSION: o->version = true; return true;
  case OPT_HELP: o->help = true; return true;
  }
  return false;
}

/* ---- what belongs together ---- */

static bool check_files(const options *o, message *why) {
  if (o->report && !strcmp(o->report, "-")) return fail(why, "--report wants the name of a file");
  if (o->samples && !strcmp(o->samples, "-")) return fail(why, "--samples wants the name of a file");
  if (o->save && !strcmp(o->save, "-")) return fail(why, "--save wants the name of a file");
  if (o->trace && !strcmp(o->trace, "-")) return fail(why, "--trace wants the name of a file");
  if (o->trace && o->plan) return fail(why, "--plan runs no kernels: leave out --trace");
  if (o->trace && o->compare) return fail(why, "--trace wants one variant: leave out --compare and --variants");
  if (o->save_every && !o->save) return fail(why, "--save-every wants --save FILE beside it");
  if (o->samples_every && !o->samples) return fail(why, "--samples-every wants --samples FILE.png beside it");
  if (o->plan && o->samples) return fail(why, "--plan trains nothing: leave out --samples");
  if (o->plan && (o->save || o->resume)) return fail(why, "--plan trains nothing: leave out --save and --resume");
  if (o->compare && (o->save || o->resume))
    return fail(why, "--save and --resume want one variant: leave out --compare and --variants");
  return files_check(o, why);
}

static bool takes_points(const options *o) {
  return data_is_ring(&(data_options){.name = o->data, .sizes_only = o->plan, .image_size = (uint32_t)o->image_size});
}

/* Completes what was not given as the model has it. */
static bool complete_model(options *o, message *why) {
  if (o->model == MODEL_COUNT) o->model = model_default(takes_points(o));
  bool dcgan = o->model == MODEL_DCGAN;
  if (!dcgan && (o->ngf || o->ndf)) return fail(why, "--ngf and --ndf belong to --model dcgan");
  if (dcgan && o->hidden) return fail(why, "--hidden belongs to --model mlp and wgan_gp");
  if (o->critic_steps && o->model != MODEL_WGAN_GP) return fail(why, "--critic-steps belongs to --model wgan_gp");
  if (o->lambda && o->model != MODEL_WGAN_GP) return fail(why, "--lambda belongs to --model wgan_gp");
  if (o->channels == 2) return fail(why, "--channels '2': there are 1 and 3");
  if (dcgan && o->data && !strcmp(o->data, "ring")) return fail(why, "dcgan wants images: ring is made of points");
  if (o->image_size && o->data && !strcmp(o->data, "ring"))
    return fail(why, "ring is made of points: leave out --image-size");
  if (dcgan && !o->image_size) o->image_size = 64;
  if (dcgan && (o->image_size & (o->image_size - 1)))
    return fail(why, "--image-size '%lld': dcgan wants a power of two", (long long)o->image_size);
  if (!o->hidden) o->hidden = dcgan ? 0 : 256;
  if (!o->ngf) o->ngf = dcgan ? 64 : 0;
  if (!o->ndf) o->ndf = dcgan ? 64 : 0;
  if (!o->batch) o->batch = model_default_batch(o->model);
  if (!o->critic_steps) o->critic_steps = model_default_critic_steps(o->model);
  return true;
}

static bool complete_shards(options *o, message *why) {
  if (o->sync_batch_norm && o->model != MODEL_DCGAN)
    return fail(why, "--sync-batch-norm belongs to --model dcgan: the others have no batch norm");
  if (o->sync_batch_norm && o->trace)
    return fail(why, "--trace cannot follow shards that take turns: leave out --sync-batch-norm");
  if (!o->shards) return true;
  if (o->shards & (o->shards - 1)) return fail(why, "--shards '%lld': want a power of two", (long long)o->shards);
  if (o->batch % o->shards)
    return fail(why, "batch %lld does not divide into %lld shards of one size", (long long)o->batch,
                (long long)o->shards);
  return true;
}

static bool complete(options *o, bool one, bool list, message *why) {
  if (one && (o->compare || list))
    return fail(why, "--variant runs one variant alone: to compare some, use --variants A,B");
  if (one && o->n_variants > 1) return fail(why, "--variant is given twice: to compare some, use --variants A,B");
  if (o->steps && o->epochs) return fail(why, "--steps and --epochs: give one of them");
  if (o->wide && (!o->compare || o->plan)) return fail(why, "--wide belongs to --compare and --variants");
  if (o->plan && o->device) return fail(why, "--plan opens no device: leave out --device");
  if (!check_files(o, why) || !complete_model(o, why) || !complete_shards(o, why)) return false;
  if (o->compare && !o->n_variants)
    for (int v = 0; v < VARIANT_COUNT; v++) o->variants[o->n_variants++] = (variant)v;
  if (!o->n_variants) o->variants[o->n_variants++] = VARIANT_DETACH;
  return true;
}

/* The words and the numbers as getopt wants them. */
static void list_options(struct option list[N_WORDS + N_NUMBERS + 1]) {
  memcpy(list, words, sizeof words);
  for (size_t i = 0; i < N_NUMBERS; i++)
    list[N_WORDS + i] = (struct option){numbers[i].name, required_argument, NULL, OPT_NUMBER + (int)i};
  list[N_WORDS + N_NUMBERS] = (struct option){0};
}

static bool refuse(int code, char **argv, message *why) {
  const char *word = argv[optind - 1];
  if (code == ':') return fail(why, "%s wants a value", word);
  if (optopt >= OPT_COMPARE) return fail(why, "%s takes no value", word);
  if (optopt) return fail(why, "unknown option '-%c': --help lists them", optopt);
  return fail(why, "unknown option '%s': --help lists them", word);
}

bool options_parse(options *o, int argc, char **argv, message *why) {
  *o = (options){
      .words = argv, .model = MODEL_COUNT, .seed = 1, .shape = CLG_SHAPE_AUTO, .bucket = 256, .rank_timeout = 60};
  struct option long_options[N_WORDS + N_NUMBERS + 1];
  list_options(long_options);
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
