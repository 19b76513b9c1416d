/* clgrad_info: every OpenCL platform and device, what clgrad would use of it, and a self-test of the kernels on each.
 */
#include "show.h"
#include <getopt.h>
#include <stdio.h>

enum { MOST_DEVICES = 64 };

typedef struct options {
  const char *device, *device_file;
  bool json, no_self_test, help, version;
} options;

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
    ok = ok && (!r.ran || r.passed == SELF_TESTS);
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
