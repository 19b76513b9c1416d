/* golden_runner DIR [--section NAME]: replays a folder of golden data through the library and compares. Everything is read from
 * the folder's manifest.json. Exits 0 only if something passed and nothing failed. */
#include "golden.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: golden_runner DIR [--section NAME]\n";

static bool wanted(const char *section, const char *name) { return !section || strcmp(section, name) == 0; }

/* True if the section exists. */
static bool run(golden *g, const char *section) {
  static const char *const second_order[] = {"ops_double", "wgan_gp"};
  bool found = false;
  const json_t *cases = json_object_get(g->manifest, "ops");
  if (cases && wanted(section, "ops")) found = true, section_ops(g, cases);
  cases = json_object_get(g->manifest, "optim");
  if (cases && wanted(section, "optim")) found = true, section_optim(g, cases);
  for (size_t i = 0; i < sizeof second_order / sizeof *second_order; i++) {
    cases = json_object_get(g->manifest, second_order[i]);
    if (cases && wanted(section, second_order[i])) found = true, section_create_graph(g, second_order[i], cases);
  }
  const char *name;
  json_t *gan;
  json_object_foreach(json_object_get(g->manifest, "gans"), name, gan)
    if (wanted(section, name)) found = true, section_gan(g, name, gan);
  return found;
}

/* Cases that need gradients of gradients, which the library does not have. */
void section_create_graph(golden *g, const char *section, const json_t *cases) {
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) {
    const char *name = json_text(one, "name", json_text(json_object_get(one, "config"), "name", "unnamed"));
    report_skip(&g->report, section, name, "needs create_graph, which does not exist");
  }
}

static json_t *load_manifest(const char *folder) {
  size_t size = strlen(folder) + sizeof "/manifest.json";
  char *path = malloc(size);
  if (!path) return NULL;
  snprintf(path, size, "%s/manifest.json", folder);
  json_error_t error;
  json_t *manifest = json_load_file(path, 0, &error);
  if (!manifest) fprintf(stderr, "golden_runner: %s: %s\n", path, error.text);
  free(path);
  return manifest;
}

static int run_folder(const char *folder, const char *section) {
  golden g = {.folder = folder};
  char message[512];
  clg_context_options options = CLG_CONTEXT_OPTIONS_INIT;
  options.message = message;
  options.message_size = sizeof message;
  g.manifest = load_manifest(folder);
  if (!g.manifest) return 2;
  if (clg_context_create(&g.ctx, &options) != CLG_OK) {
    fprintf(stderr, "golden_runner: %s\n", message);
    json_decref(g.manifest);
    return 2;
  }
  bool found = run(&g, section);
  clg_context_unref(&g.ctx);
  npy_close_all(&g);
  json_decref(g.manifest);
  if (!found) fprintf(stderr, "golden_runner: the manifest has no section \"%s\"\n", section ? section : "ops");
  printf("%zu passed, %zu failed, %zu skipped\n", g.report.passed, g.report.failed, g.report.skipped);
  return g.report.failed || !g.report.passed ? 1 : 0;
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"section", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {0}};
  const char *section = NULL;
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (c == 'h') return fputs(usage, stdout) < 0;
    if (c != 's') return fputs(usage, stderr), 2;
    section = optarg;
  }
  if (optind + 1 != argc) return fputs(usage, stderr), 2;
  return run_folder(argv[optind], section);
}
