/* Ranks devices and matches selectors. Holds nothing. */
#include "device/choose.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- ranking ---- */

enum { DISCRETE, INTEGRATED, ACCELERATOR, CPU, SIMULATOR, UNUSABLE };

static int class_of(const clg_device_info *i) {
  if (!i->usable) return UNUSABLE;
  if (i->simulator) return SIMULATOR;
  if (i->type == CLG_DEVICE_GPU) return i->unified_memory ? INTEGRATED : DISCRETE;
  return i->type == CLG_DEVICE_ACCELERATOR ? ACCELERATOR : CPU;
}

/* Whether compute units and clocks mean the same. */
static bool are_peers(const clg_device_info *a, const clg_device_info *b) {
  return a->platform_index == b->platform_index && class_of(a) == class_of(b) && !strcmp(a->vendor, b->vendor);
}

/* Units times clock compare devices of one vendor on one platform. Between vendors a discrete GPU's memory is the one
 * figure with a common measure; others share the host's, and are left in the platforms' order. */
static int better_first(const void *pa, const void *pb) {
  const clg_found *fa = pa, *fb = pb;
  const clg_device_info *a = &fa->info, *b = &fb->info;
  if (class_of(a) != class_of(b)) return class_of(a) - class_of(b);
  if (fa->peer_bytes != fb->peer_bytes) return fa->peer_bytes > fb->peer_bytes ? -1 : 1;
  if (a->platform_index != b->platform_index) return a->platform_index - b->platform_index;
  if (!are_peers(a, b)) return strcmp(a->vendor, b->vendor);
  uint64_t speed_a = (uint64_t)a->compute_units * a->clock_mhz, speed_b = (uint64_t)b->compute_units * b->clock_mhz;
  if (speed_a != speed_b) return speed_a > speed_b ? -1 : 1;
  return a->device_index - b->device_index;
}

void clg_rank_devices(clg_found *rows, size_t n) {
  for (size_t i = 0; i < n; i++) {
    rows[i].peer_bytes = 0;
    for (size_t j = 0; class_of(&rows[i].info) == DISCRETE && j < n; j++)
      if (are_peers(&rows[i].info, &rows[j].info) && rows[j].info.global_bytes > rows[i].peer_bytes)
        rows[i].peer_bytes = rows[j].info.global_bytes;
  }
  if (n) qsort(rows, n, sizeof *rows, better_first);
}

size_t clg_find_devices(clg_found **rows) {
  size_t n = clg_list_devices(rows);
  clg_rank_devices(*rows, n);
  return n;
}

/* ---- selectors ---- */

static bool is_numbers(const char *s, int *platform, int *device) {
  char end;
  return isdigit((unsigned char)*s) && strspn(s, "0123456789:") == strlen(s) &&
         sscanf(s, "%9d:%9d%c", platform, device, &end) == 2;
}

/* Without a letter it can only be meant as numbers: "5" is not the 5 in "avx512". */
static bool is_name(const char *s) {
  for (; *s; s++)
    if (isalpha((unsigned char)*s) || (unsigned char)*s >= 0x80) return true;
  return false;
}

static bool matches(const clg_device_info *i, const char *selector) {
  int platform, device;
  if (!strcasecmp(selector, "gpu")) return i->type == CLG_DEVICE_GPU && !i->simulator;
  if (!strcasecmp(selector, "cpu")) return i->type == CLG_DEVICE_CPU && !i->simulator;
  if (is_numbers(selector, &platform, &device)) return i->platform_index == platform && i->device_index == device;
  return is_name(selector) && (clg_text_has(i->platform, selector) || clg_text_has(i->name, selector));
}

static void list_choices(const clg_found *rows, size_t n, char *to, size_t size) {
  size_t used = 0;
  to[0] = 0;
  for (size_t i = 0; i < n && used + 1 < size; i++) {
    const clg_device_info *d = &rows[i].info;
    const char *but = d->usable ? "" : ", not usable: ";
    int k = snprintf(to + used, size - used, "%s%d:%d %s (%s)%s%s", i ? ", " : "", d->platform_index, d->device_index,
                     d->name, d->platform, but, d->problem);
    used += k > 0 ? (size_t)k : 0;
  }
}

static bool is_meant(const clg_device_info *i, const char *selector) {
  return selector ? matches(i, selector) : class_of(i) < SIMULATOR;
}

/* The nth, counted round, of those that are meant and of the kind of the first: one device may be on two platforms. */
static const clg_found *of_its_kind(const clg_found *rows, size_t n, const char *selector, const clg_found *first,
                                    size_t nth) {
  size_t count = 0;
  const clg_found *found = first;
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    for (const clg_found *row = rows; row < rows + n; row++) {
      bool same = class_of(&row->info) == class_of(&first->info) &&
                  row->info.platform_index == first->info.platform_index && is_meant(&row->info, selector);
      if (same && pass && at == nth % count) found = row;
      at += same;
    }
    count = at;
  }
  return found;
}

static clg_status choose(const clg_found *rows, size_t n, const char *selector, size_t nth, clg_found *out,
                         clg_error *error) {
  const clg_found *best = NULL;
  for (size_t i = 0; i < n && !best; i++)
    if (is_meant(&rows[i].info, selector)) best = &rows[i];
  if (best && best->info.usable) {
    *out = *of_its_kind(rows, n, selector, best, nth);
    return CLG_OK;
  }
  char choices[400];
  list_choices(rows, n, choices, sizeof choices);
  if (best)
    return clg_error_set(error, CLG_ERR_DEVICE, NULL, "%s cannot be used: %s; choose another: there is %s",
                         best->info.name, best->info.problem, choices);
  if (!selector)
    return clg_error_set(error, CLG_ERR_DEVICE, NULL, "no device is chosen by default; by name or number there is %s",
                         choices);
  return clg_error_set(error, CLG_ERR_DEVICE, NULL, "no device matches \"%.60s\"%s: there is %s", selector,
                       is_name(selector) ? "" : ", which is not PLATFORM:DEVICE nor part of a name with a letter in it",
                       choices);
}

clg_status clg_choose_device(const char *selector, size_t nth, clg_found *out, clg_error *error) {
  if (!selector) selector = getenv("CLGRAD_DEVICE");
  if (selector && !*selector) selector = NULL;
  clg_found *rows;
  size_t n = clg_find_devices(&rows);
  clg_status s = n ? choose(rows, n, selector, nth, out, error) : clg_no_device(error);
  free(rows);
  return s;
}

clg_status clg_choose_shape(clg_device_shape asked, clg_device_shape fallback, clg_device_shape *out,
                            clg_error *error) {
  *out = asked == CLG_SHAPE_AUTO ? fallback : asked;
  if (asked != CLG_SHAPE_AUTO && asked != CLG_SHAPE_CPU && asked != CLG_SHAPE_GPU)
    return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "no such device shape: %d", (int)asked);
  const char *text = getenv("CLGRAD_SHAPE");
  if (asked != CLG_SHAPE_AUTO || !text || !*text) return CLG_OK;
  if (!strcmp(text, "cpu"))
    *out = CLG_SHAPE_CPU;
  else if (!strcmp(text, "gpu"))
    *out = CLG_SHAPE_GPU;
  else
    return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "CLGRAD_SHAPE is \"%.60s\": it must be cpu or gpu", text);
  return CLG_OK;
}

/* A variable that is on, off or not set, which leaves *out as it is. */
static clg_status read_switch(const char *name, bool *out, clg_error *error) {
  const char *text = getenv(name);
  if (!text || !*text) return CLG_OK;
  *out = !strcmp(text, "on");
  if (*out || !strcmp(text, "off")) return CLG_OK;
  return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "%s is \"%.60s\": it must be on or off", name, text);
}

clg_status clg_choose_reproducible(bool asked, bool *out, clg_error *error) {
  *out = false;
  clg_status s = read_switch("CLGRAD_REPRODUCIBLE", out, error);
  *out = *out || asked;
  return s;
}

clg_status clg_choose_fma(clg_device_shape shape, bool reproducible, bool fast, bool *out, clg_error *error) {
  *out = reproducible || shape == CLG_SHAPE_GPU || fast;
  clg_status s = read_switch("CLGRAD_FMA", out, error);
  if (s == CLG_OK && reproducible && !*out)
    return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "without fma bits are not reproducible: unset CLGRAD_FMA");
  return s;
}

/* With the shapes that contexts would have by default. */
size_t clg_device_list(clg_device_info *rows, size_t max) {
  clg_found *found;
  size_t n = clg_find_devices(&found);
  for (size_t i = 0; rows && i < n && i < max; i++) {
    clg_error ignored = {0};
    rows[i] = found[i].info;
    clg_choose_shape(CLG_SHAPE_AUTO, rows[i].shape, &rows[i].shape, &ignored);
    clg_choose_reproducible(false, &rows[i].reproducible, &ignored);
    clg_choose_fma(rows[i].shape, rows[i].reproducible, rows[i].fma, &rows[i].fma, &ignored);
  }
  free(found);
  return n;
}
