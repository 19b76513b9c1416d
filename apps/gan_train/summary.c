/* Each line says what the figures say, and no reason. */
#include "summary.h"
#include "prose.h"

static bool ends_as(const comparison *c, const result *r, bool identical) {
  return r != c->base && r->compared && r->bit_identical == identical;
}
static bool has_detachs_bits(const comparison *c, const result *r) { return ends_as(c, r, true); }
static bool has_other_bits(const comparison *c, const result *r) { return ends_as(c, r, false); }
static bool has_failed(const comparison *c, const result *r) { return c && r->failed; }

static int count(const comparison *c, bool (*is)(const comparison *c, const result *r)) {
  int n = 0;
  for (int i = 0; i < c->n; i++) n += is(c, &c->results[i]);
  return n;
}

static void name_all(prose *t, const comparison *c, bool (*is)(const comparison *c, const result *r)) {
  int n = count(c, is), k = 0;
  for (int i = 0; i < c->n; i++)
    if (is(c, &c->results[i])) say(t, "%s%s", prose_separator(k++, n), variant_name(c->results[i].v));
}

static const char *verb(int n, const char *one, const char *many) { return n == 1 ? one : many; }

static void say_correctness(prose *t, const comparison *c) {
  int same = count(c, has_detachs_bits), other = count(c, has_other_bits), failed = count(c, has_failed);
  if (same) say(t, "%d %s detach's weights bit for bit", same, verb(same, "way shares", "ways share"));
  if (other) {
    say(t, "%s", t->n ? "; " : "");
    name_all(t, c, has_other_bits);
    say(t, " %s others", verb(other, "has", "have"));
  }
  if (failed) {
    say(t, "%s", t->n ? "; " : "");
    name_all(t, c, has_failed);
    say(t, " %s", verb(failed, "fails", "fail"));
  }
  if (!t->n) say(t, "no other way to compare with");
}

/* "retain_graph 1.20 times that", or that there is no telling. */
static void say_time(prose *t, const result *r) {
  if (r->timing.verdict >= VERDICT_FASTER)
    say(t, "; %s %.2f times that", variant_name(r->v), r->timing.ratio);
  else
    say(t, "; %s: %s", variant_name(r->v), verdict_name(r->timing.verdict));
}

/* The least of those that are measurably faster than detach, and the same algorithm. */
static const result *fastest(const comparison *c) {
  const result *best = NULL;
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    bool counts = r->timing.verdict == VERDICT_FASTER && !variant_other_algorithm(r->v);
    if (counts && (!best || r->timing.ratio < best->timing.ratio)) best = r;
  }
  return best;
}

static void say_speed(prose *t, const comparison *c) {
  const result *retain = compare_ok(c, VARIANT_RETAIN_GRAPH), *best = fastest(c);
  const result *one_stage = compare_ok(c, VARIANT_ONE_STAGE);
  say(t, "detach %.2f ms a step", c->base->step_ms.median);
  if (retain) say_time(t, retain);
  if (best) say(t, "; fastest: %s %.2f", variant_name(best->v), best->timing.ratio);
  if (one_stage && one_stage->timing.verdict >= VERDICT_FASTER)
    say(t, "; another algorithm: one_stage %.2f", one_stage->timing.ratio);
}

static double percent_more(uint64_t value, uint64_t base) {
  return base ? 100 * ((double)value / (double)base - 1) : 0;
}

static void say_memory(prose *t, const comparison *c) {
  const result *retain = compare_ok(c, VARIANT_RETAIN_GRAPH), *least = c->base;
  const clg_memory_stats *base = &c->base->memory;
  say(t, "detach's peak %.2f MiB", (double)base->peak_live / 1048576);
  if (retain)
    say(t, "; retain_graph %+.1f%% (saved %+.0f%%)", percent_more(retain->memory.peak_live, base->peak_live),
        percent_more(retain->memory.peak_by_role[CLG_ROLE_SAVED], base->peak_by_role[CLG_ROLE_SAVED]));
  for (int i = 0; i < c->n; i++) {
    const result *r = compare_ok(c, c->results[i].v);
    if (r && r->memory.peak_live < least->memory.peak_live) least = r;
  }
  if (least == c->base)
    say(t, "; none has less");
  else
    say(t, "; least: %s %+.1f%%", variant_name(least->v), percent_more(least->memory.peak_live, base->peak_live));
}

const char *summary_title(int line) {
  static const char *const titles[SUMMARY_LINES] = {"Correctness", "Speed", "Memory"};
  return titles[line];
}

summary summary_of(const comparison *c) {
  static void (*const sayers[SUMMARY_LINES])(prose *, const comparison *) = {say_correctness, say_speed, say_memory};
  summary s;
  for (int i = 0; i < SUMMARY_LINES; i++) {
    prose t = {.n = 0};
    sayers[i](&t, c);
    snprintf(s.lines[i], sizeof s.lines[i], "%.*s", SUMMARY_ROOM - 1, t.words);
  }
  return s;
}
