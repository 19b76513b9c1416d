/* What was run, where, and how to run it again. */
#include "sections.h"
#include <ctype.h>
#include <string.h>
#include <time.h>

extern char **environ;

/* One word of a shell's command line: quoted where that is needed, a byte that is no text as bash writes it. */
static void put_word(html *h, const char *word) {
  static const char plain[] = "-_./,:=+@%";
  bool bare = *word, bytes = false;
  for (const char *c = word; *c; c++) {
    bare = bare && (isalnum((unsigned char)*c) || strchr(plain, *c));
    bytes = bytes || (unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f;
  }
  if (bare) {
    html_text(h, word);
    return;
  }
  html_put(h, bytes ? "$&#39;" : "&#39;");
  for (const char *c = word; *c; c++) {
    if (bytes && ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f))
      html_put(h, "\\x%02X", (unsigned char)*c);
    else if (*c == '\'')
      html_put(h, bytes ? "\\&#39;" : "&#39;\\&#39;&#39;");
    else if (*c == '\\' && bytes)
      html_put(h, "\\\\");
    else
      html_text(h, (char[]){*c, 0});
  }
  html_put(h, "&#39;");
}

/* The variables that the library obeys and whose folders change nothing. */
static bool matters(const char *variable) {
  static const char *const names[] = {
      "CLGRAD_DEVICE=", "CLGRAD_SHAPE=", "CLGRAD_FMA=", "CLGRAD_REPRODUCIBLE=", "CLGRAD_TUNING="};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strncmp(variable, names[i], strlen(names[i])) && variable[strlen(names[i])]) return true;
  return false;
}

static void put_command(html *h, const report *r) {
  html_put(h, "<dt>Run it again</dt><dd><code id=\"command\">");
  for (char **variable = environ; *variable; variable++) {
    if (!matters(*variable)) continue;
    size_t name = strcspn(*variable, "=") + 1;
    html_add(h, *variable, name);
    put_word(h, *variable + name);
    html_put(h, " ");
  }
  for (char *const *word = r->words; *word; word++) {
    html_put(h, word == r->words ? "" : " ");
    put_word(h, *word);
  }
  html_put(h, "</code></dd>");
}

static void put_device(html *h, const report *r) {
  const clg_device_info *device = &r->c->results[0].device;
  html_put(h, "<dt>Device</dt><dd>");
  if (r->c->plan) {
    html_put(h, "none: a plan opens no device (");
  } else {
    html_name(h, device->name);
    html_put(h, ", ");
    html_name(h, device->platform);
    html_put(h, ", driver ");
    html_name(h, device->driver);
    html_put(h, " (");
  }
  html_put(h, "%s-shaped kernels)</dd>", device->shape == CLG_SHAPE_GPU ? "gpu" : "cpu");
}

static void put_model(html *h, const report *r) {
  const model_spec *spec = &r->setup->spec;
  html_put(h, "<dt>Model</dt><dd>%s%s on ", spec->classes ? "conditional " : "", model_name(spec->kind));
  html_name(h, r->setup->data->name);
  html_put(h, ", ");
  if (!spec->points)
    html_put(h, "%lld&times;%lld&times;%lld, ", (long long)spec->width, (long long)spec->height,
             (long long)spec->channels);
  html_put(h, "batch %lld", (long long)spec->batch);
  if (spec->shards > 1) html_put(h, " in %lld shards", (long long)spec->shards);
  if (spec->sync_batch_norm) html_put(h, ", batch norm over all");
  if (ranks_count() > 1) html_put(h, ", on %d ranks", ranks_count());
  if (!r->c->plan)
    html_put(h, ", %lld steps, seed %llu", (long long)r->setup->steps, (unsigned long long)r->setup->seed);
  html_put(h, "%s</dd>", r->setup->remat ? ", saved tensors as formulas (remat)" : "");
}

void section_shards(html *h, const report *r) {
  if (r->setup->spec.shards <= 1) return;
  html_put(h,
           "<p class=\"note\">Here each batch ran in %lld shards: either half of the loop once a shard, %s, and "
           "gradients summed before each step of an optimizer.</p>",
           (long long)r->setup->spec.shards,
           r->setup->spec.sync_batch_norm ? "side by side, each up to the next batch norm" : "one after the other");
}

void section_about(html *h, const report *r) {
  char date[32] = "";
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
  html_put(h, "<dl class=\"about\">");
  put_device(h, r);
  put_model(h, r);
  put_command(h, r);
  html_put(h, "<dt>Made</dt><dd>%s, clgrad %s</dd></dl>", date, clg_version());
}
