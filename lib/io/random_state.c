/* The random stream's state in the metadata of safetensors files, as decimal text: 64 unsigned bits have no type in
 * PyTorch. */
#include "base/str.h"
#include "io/loader.h"
#include "io/saver.h"

static const char op[] = "random_load";

static clg_status add(clg_saver *s, const char *prefix, const char *name, uint64_t value) {
  clg_str key = {0}, text = {0};
  clg_str_addf(&key, "%s%s", prefix, name);
  clg_str_addf(&text, "%llu", (unsigned long long)value);
  clg_status st =
      key.failed || text.failed
          ? clg_saver_fail(s, clg_fail(clg_saver_context(s), CLG_ERR_HOST_MEMORY, "saver", "out of host memory"))
          : clg_saver_add_metadata(s, key.data, text.data);
  clg_str_free(&key);
  clg_str_free(&text);
  return st;
}

clg_status clg_saver_add_random(clg_saver *s, const char *prefix) {
  if (!s) return CLG_ERR_ARGUMENT;
  if (!prefix) prefix = "";
  uint64_t seed, position;
  clg_get_seed(clg_saver_context(s), &seed, &position);
  clg_status st = add(s, prefix, "seed", seed);
  return st == CLG_OK ? add(s, prefix, "position", position) : st;
}

/* Digits alone, and no more than 64 bits hold. */
static bool parse(const char *text, uint64_t *value) {
  const char *c = text;
  for (*value = 0; *c >= '0' && *c <= '9'; c++) {
    uint64_t digit = (uint64_t)(*c - '0');
    if (*value > (UINT64_MAX - digit) / 10) return false;
    *value = 10 * *value + digit;
  }
  return c > text && !*c;
}

static clg_status get(const clg_loader *l, const char *prefix, const char *name, uint64_t *value) {
  clg_str key = {0};
  clg_str_addf(&key, "%s%s", prefix, name);
  const char *text = key.failed ? NULL : clg_header_meta(&l->header, key.data);
  char shown[CLG_SHOWN];
  clg_status s = CLG_OK;
  if (key.failed)
    s = clg_fail(l->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  else if (!text || !parse(text, value))
    s = clg_fail(l->ctx, CLG_ERR_IO, op, CLG_PATH ": \"%s\" in the metadata is %s", l->in.path,
                 clg_shown(key.data, shown), text ? "no whole number of 64 bits" : "missing");
  clg_str_free(&key);
  return s;
}

clg_status clg_loader_load_random(clg_loader *l, const char *prefix) {
  if (!l) return CLG_ERR_ARGUMENT;
  uint64_t seed = 0, position = 0;
  clg_status s = get(l, prefix ? prefix : "", "seed", &seed);
  if (s == CLG_OK) s = get(l, prefix ? prefix : "", "position", &position);
  if (s == CLG_OK) clg_set_seed(l->ctx, seed, position);
  return s;
}
