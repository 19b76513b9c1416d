/* A table of kernels as text: what it is, whose it is, a line for each kernel of CLBlast that has
 * parameters and for each class that has a choice, and the hash of all that, so that a damaged file is seen. */
#include "product/table.h"
#include <stdio.h>
#include <string.h>

#define MAGIC "clgrad-tuning 1"

static void printable(char *to, size_t size, const char *from) {
  size_t n = 0;
  for (; from[n] && n + 1 < size; n++) to[n] = from[n] >= ' ' && from[n] < 127 ? from[n] : '?';
  to[n] = 0;
}

void clg_tuning_begin(clg_tuning *t, const clg_context *ctx) {
  *t = (clg_tuning){.shape = ctx->shape};
  printable(t->platform, sizeof t->platform, ctx->info.platform);
  printable(t->device, sizeof t->device, ctx->info.name);
  printable(t->driver, sizeof t->driver, ctx->info.driver);
}

static void print_choice(clg_str *s, clg_tuning_of of, int class, int kernel) {
  const clg_tuning_kind *kind = &clg_tuning_kinds[of];
  char line[32] = "";
  int digit[CLG_TUNING_FIELDS], f = 0;
  clg_tuning_digits(of, class, digit);
  for (size_t i = 0; kind->form[i]; i++) {
    line[i] = kind->form[i];
    if (line[i] == '?') line[i] = kind->field[f][digit[f]], f++;
  }
  clg_str_addf(s, "%s%s\n", line, kind->names[kernel]);
}

static void print(clg_str *s, const clg_tuning *t) {
  clg_str_addf(s, "%s\nplatform %s\ndevice %s\ndriver %s\nshape %s\n", MAGIC, t->platform, t->device, t->driver,
               t->shape == CLG_SHAPE_CPU ? "cpu" : "gpu");
  clg_gemm_params_print(&t->clblast, s);
  for (int of = 0; of < CLG_TUNING_KINDS; of++)
    for (int i = 0; i < clg_tuning_kinds[of].classes; i++)
      if (t->kernel[of][i]) print_choice(s, (clg_tuning_of)of, i, t->kernel[of][i]);
}

bool clg_tuning_rehash(clg_tuning *t) {
  clg_str s = {0};
  print(&s, t);
  t->hash = clg_hash(CLG_HASH_START, s.data ? s.data : "", s.len);
  if (!t->hash) t->hash = 1;
  clg_str_free(&s);
  return !s.failed;
}

void clg_tuning_print(const clg_tuning *t, clg_str *to) {
  print(to, t);
  clg_str_addf(to, "end %016llx\n", (unsigned long long)t->hash);
}

/* ---- read back ---- */

static bool text_line(const char *line, const char *key, char *to, size_t size) {
  size_t n = strlen(key);
  if (strncmp(line, key, n) || strlen(line + n) >= size) return false;
  printable(to, size, line + n);
  return !strcmp(to, line + n);
}

/* "product nt 2 3 3 panel", "conv y 0 0 2 2 3 product" */
static bool choice_line(const char *line, clg_tuning_of of, clg_tuning *t) {
  const clg_tuning_kind *kind = &clg_tuning_kinds[of];
  int digit[CLG_TUNING_FIELDS], f = 0, kernel = 1;
  for (const char *form = kind->form; *form; form++, line++) {
    const char *is = *form == '?' && *line ? strchr(kind->field[f], *line) : NULL;
    if (is)
      digit[f] = (int)(is - kind->field[f]), f++;
    else if (*form == '?' || *line != *form)
      return false;
  }
  while (kernel < kind->kernels && strcmp(line, kind->names[kernel])) kernel++;
  uint8_t *to = &t->kernel[of][clg_tuning_class(of, digit)];
  if (!clg_tuning_serves(of, kernel, t->shape) || *to) return false;
  *to = (uint8_t)kernel;
  return true;
}

/* The last line says the hash of what it should be: anything that is not written as we would write it shows there. */
int clg_tuning_parse(char *text, clg_tuning *t, char *why, size_t size) {
  char end[32] = "", shape[8] = "", *line = text;
  *t = (clg_tuning){0};
  for (int number = 1;; number++) {
    size_t n = strcspn(line, "\n");
    bool ok = line[n] == '\n', last = false;
    line[n] = 0;
    if (ok && number == 1)
      ok = !strcmp(line, MAGIC);
    else if (ok && number == 2)
      ok = text_line(line, "platform ", t->platform, sizeof t->platform);
    else if (ok && number == 3)
      ok = text_line(line, "device ", t->device, sizeof t->device);
    else if (ok && number == 4)
      ok = text_line(line, "driver ", t->driver, sizeof t->driver);
    else if (ok && number == 5) {
      ok = text_line(line, "shape ", shape, sizeof shape) && (!strcmp(shape, "cpu") || !strcmp(shape, "gpu"));
      t->shape = *shape == 'c' ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
    } else if (ok && !strncmp(line, "clblast ", 8)) {
      ok = t->shape == CLG_SHAPE_GPU && clg_gemm_params_read(line + 8, &t->clblast, why, size);
    } else if (ok && !choice_line(line, CLG_TUNING_PRODUCT, t) && !choice_line(line, CLG_TUNING_CONV, t)) {
      last = clg_tuning_rehash(t);
      snprintf(end, sizeof end, "end %016llx", (unsigned long long)t->hash);
      ok = last && !strcmp(line, end) && !line[n + 1];
    }
    if (!ok || last) return ok ? 0 : number;
    line += n + 1;
  }
}
