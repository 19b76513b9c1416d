/* golden_runner DIR [--section NAME] [--remat]: replays a folder of golden data through the library and compares.
 * Everything is read from the folder's manifest.json. Exits 0 only if something passed and nothing failed. */
#include "golden.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: golden_runner DIR [--section NAME] [--remat]\n";

static bool wanted(const char *section, const char *name) { return !section || strcmp(section, name) == 0; }

/* True if the section exists. */
static bool run(golden *g, const char *section) {
  static const struct {
    const char *name;
    void (*run)(golden *g, const json_t *cases);
  } sections[] = {
      {"ops", section_ops}, {"ops_double", section_ops_double}, {"optim", section_optim}, {"wgan_gp", section_wgan_gp}};
  bool found = false;
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    const json_t *cases = json_object_get(g->manifest, sections[i].name);
    if (cases && wanted(section, sections[i].name)) found = true, sections[i].run(g, cases);
  }
  const char *name;
  json_t *gan;
  json_object_foreach(json_object_get(g->manifest, "gans"), name, gan) if (wanted(section, name))
      found = true,
      section_gan(g, name, gan);
  return found;
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

static int run_folder(const char *folder, const char *section, bool remat) {
  golden g = {.folder = folder};
  char message[512];
  clg_context_options options = clg_context_defaults();
  options.message = message;
  options.message_size = sizeof message;
  g.manifest = load_manifest(folder);
  if (!g.manifest) return 2;
  if (clg_context_create(&g.ctx, &options) != CLG_OK) {
    fprintf(stderr, "golden_runner: %s\n", message);
    json_decref(g.manifest);
    return 2;
  }
  clg_set_remat(g.ctx, remat);
  bool found = run(&g, section);
  clg_context_unref(&g.ctx);
  npy_close_all(&g);
  json_decref(g.manifest);
  if (!found) fprintf(stderr, "golden_runner: the manifest has no section \"%s\"\n", section ? section : "ops");
  printf("%zu passed, %zu failed, %zu skipped\n", g.report.passed, g.report.failed, g.report.skipped);
  return g.report.failed || !g.report.passed ? 1 : 0;
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"section", required_argument, NULL, 's'},
                                        {"remat", no_argument, NULL, 'r'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  bool remat = false;
  const char *section = NULL;
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (c == 'h') return fputs(usage, stdout) < 0;
    if (c == 'r') {
      remat = true;
      continue;
    }
    if (c != 's') return fputs(usage, stderr), 2;
    section = optarg;
  }
  if (optind + 1 != argc) return fputs(usage, stderr), 2;
  return run_folder(argv[optind], section, remat);
}
