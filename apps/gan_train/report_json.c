/* Writes results as JSON. */
#include "report_json.h"
#include "../json_text.h"
#include "summary.h"
#include <math.h>

/* Enough digits for any float. */
#define DIGITS 9

/* JSON has no NaN. */
static json_t *number(double value) {
  if (!isfinite(value)) return json_null();
  if (value == floor(value) && fabs(value) < 0x1p53) return json_integer((json_int_t)value);
  return json_real(value);
}

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }
static json_t *bytes(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *device_json(const clg_device_info *d) {
  static const char *const types[] = {"cpu", "gpu", "accelerator", "plan"};
  return json_pack("{s:o, s:o, s:o, s:s, s:s}", "name", json_text(d->name), "platform", json_text(d->platform),
                   "driver", json_text(d->driver), "type", types[d->type], "shape",
                   d->shape == CLG_SHAPE_GPU ? "gpu" : "cpu");
}

static json_t *tuning_json(uint64_t hash) {
  char text[20];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
  return hash ? json_string(text) : json_null();
}

static json_t *roles_json(const clg_memory_stats *m) {
  json_t *roles = json_object();
  for (int i = 0; i < CLG_ROLE_COUNT; i++)
    json_object_set_new(roles, clg_role_name((clg_role)i), bytes(m->peak_by_role[i]));
  return roles;
}

static json_t *phases_json(const result *r) {
  json_t *phases = json_array();
  for (size_t i = 0; i < r->n_phases; i++) {
    const result_phase *p = &r->phases[i];
    json_array_append_new(phases, json_pack("{s:s, s:o, s:o, s:o}", "name", p->name, "live_bytes", bytes(p->live),
                                            "saved_bytes", bytes(p->saved), "peak_live_bytes", bytes(p->peak_live)));
  }
  return phases;
}

/* Most variants have detach's: those of a thousand steps stand once. */
static json_t *losses_json(const result *r, const comparison *c) {
  static const char *const names[] = {"d_real", "d_fake", "g"};
  const result *first = compare_losses(c, r);
  if (first != r) return json_pack("{s:s}", "as", variant_name(first->v));
  json_t *losses = json_object();
  for (int k = 0; k < 3; k++) {
    json_t *list = json_array();
    for (int64_t s = 0; s < r->steps_done; s++) json_array_append_new(list, real((double)r->losses[3 * s + k]));
    json_object_set_new(losses, names[k], list);
  }
  return losses;
}

static json_t *weights_json(const result *r) {
  if (!r->compared) return json_null();
  return json_pack("{s:o, s:b}", "max_abs_diff", number(r->max_abs_diff), "bit_identical", (int)r->bit_identical);
}

static json_t *list_json(const double *values, int64_t n) {
  json_t *list = json_array();
  for (int64_t i = 0; i < n; i++) json_array_append_new(list, real(values[i]));
  return list;
}

static json_t *timing_json(const timing *t) {
  if (!t->blocks) return t->error[0] ? json_pack("{s:o}", "error", json_text(t->error)) : json_null();
  return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:s}", "blocks", t->blocks, "steps_per_block", t->block_steps, "ms",
                   list_json(t->ms, t->blocks), "detach_ms", list_json(t->beside, t->blocks), "ratio", real(t->ratio),
                   "p", real(t->p), "verdict", verdict_name(t->verdict));
}

static json_t *times_json(const result *r) {
  json_t *times = json_array();
  for (size_t i = 0; i < r->n_times; i++) {
    const result_time *t = &r->times[i];
    json_array_append_new(times, json_pack("{s:s, s:o, s:o, s:o}", "name", t->name, "device_ms", real(t->device_ms),
                                           "launches", number(t->launches), "waits", number(t->waits)));
  }
  return times;
}

static json_t *summary_json(const comparison *c) {
  summary s = summary_of(c);
  return json_pack("{s:o, s:o, s:o}", "correctness", json_text(s.lines[0]), "speed", json_text(s.lines[1]), "memory",
                   json_text(s.lines[2]));
}

static json_t *saved_share(const clg_memory_stats *m) {
  return m->peak_live ? real((double)m->peak_by_role[CLG_ROLE_SAVED] / (double)m->peak_live) : json_null();
}

static void add_predicted(json_t *to, const result *r) {
  json_object_set_new(to, "predicted_peak_live_bytes", bytes(r->predicted_live));
  json_object_set_new(to, "predicted_peak_reserved_bytes", bytes(r->predicted_reserved));
}

static void add_measured(json_t *to, const result *r, const comparison *c) {
  const clg_memory_stats *m = &r->memory;
  json_object_set_new(to, "step_ms",
                      r->steps_done ? json_pack("{s:o, s:o, s:o, s:o, s:o}", "median", real(r->step_ms.median), "min",
                                                real(r->step_ms.min), "p90", real(r->step_ms.p90), "low",
                                                real(r->step_ms.low), "high", real(r->step_ms.high))
                                    : json_null());
  json_object_set_new(to, "timing", timing_json(&r->timing));
  json_object_set_new(to, "launches_per_step", r->steps_done ? number(r->launches) : json_null());
  json_object_set_new(to, "waits_per_step", r->steps_done ? number(r->waits) : json_null());
  json_object_set_new(to, "g_gradient_norm", r->steps_done ? real(r->g_gradient) : json_null());
  json_object_set_new(to, "peak_live_bytes", bytes(m->peak_live));
  json_object_set_new(to, "peak_reserved_bytes", bytes(m->peak_reserved));
  json_object_set_new(to, "peak_saved_bytes", bytes(m->peak_saved));
  json_object_set_new(to, "saved_share_of_peak", saved_share(m));
  add_predicted(to, r);
  json_object_set_new(to, "peak_by_role", roles_json(m));
  json_object_set_new(to, "phases", phases_json(r));
  if (r->n_times) json_object_set_new(to, "times", times_json(r));
  json_object_set_new(to, "weights", weights_json(r));
  if (r->n_apart) json_object_set_new(to, "max_abs_diff_by_step", list_json(r->apart, r->n_apart));
  json_object_set_new(to, "losses", losses_json(r, c));
}

static json_t *rank_json(const result_rank *k) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "step_ms", real(k->step_ms), "gradient_bytes",
                   number(k->gradient_bytes), "other_bytes", number(k->other_bytes), "communication_ms", real(k->ms),
                   "exposed_ms", real(k->exposed_ms), "peak_live_bytes", bytes(k->peak_live), "peak_reserved_bytes",
                   bytes(k->peak_reserved), "predicted_peak_live_bytes", bytes(k->predicted_live),
                   "predicted_peak_reserved_bytes", bytes(k->predicted_reserved));
}

/* Bytes of all, times of one, and what each took. */
static json_t *ranks_json(const result *r) {
  result_rank all = result_of_ranks(r);
  json_t *list = json_array();
  for (int i = 0; i < r->n_ranks; i++) json_array_append_new(list, rank_json(&r->ranks[i]));
  return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "count", r->n_ranks, "gradient_bytes_per_step",
                   number(all.gradient_bytes), "other_bytes_per_step", number(all.other_bytes),
                   "communication_ms_per_step", real(all.ms), "hidden_share",
                   all.ms > 0 ? real(1 - all.exposed_ms / all.ms) : json_null(), "each", list);
}

static json_t *ring_json(const result *r, const data *d) {
  if (!d->is_ring || !r->samples) return json_null();
  ring_quality q = ring_judge(r->samples, r->n_samples);
  return json_pack("{s:i, s:o}", "modes_covered", q.modes, "good_share", real(q.good));
}

static json_t *model_json(const model_spec *s) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i}", "channels", (json_int_t)s->channels, "height",
                   (json_int_t)s->height, "width", (json_int_t)s->width, "nz", (json_int_t)s->nz, "hidden",
                   (json_int_t)s->hidden, "ngf", (json_int_t)s->ngf, "ndf", (json_int_t)s->ndf, "classes",
                   (json_int_t)s->classes, "critic_steps", s->critic_steps, "lambda", (int)s->lambda);
}

static json_t *variant_json(const result *r, const run_setup *setup, const comparison *c) {
  json_t *v = json_object();
  json_object_set_new(v, "name", json_string(variant_name(r->v)));
  json_object_set_new(v, "another_algorithm", json_boolean(variant_other_algorithm(r->v)));
  if (c->plan) {
    add_predicted(v, r);
    json_object_set_new(v, "predicted_peak_by_role", roles_json(&r->memory));
    json_object_set_new(v, "predicted_saved_share_of_peak", saved_share(&r->memory));
    return v;
  }
  json_object_set_new(v, "status", json_string(r->failed ? "error" : r->interrupted ? "interrupted" : "ok"));
  json_object_set_new(v, "error", r->failed ? json_text(r->error) : json_null());
  add_measured(v, r, c);
  if (r->ranks) json_object_set_new(v, "ranks", ranks_json(r));
  json_object_set_new(v, "ring", ring_json(r, setup->data));
  return v;
}

char *report_json(const comparison *c, const run_setup *setup, bool compact) {
  json_t *variants = json_array();
  for (int i = 0; i < c->n; i++) json_array_append_new(variants, variant_json(&c->results[i], setup, c));
  json_t *all = json_pack(
      "{s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:o}", "version", clg_version(), "device",
      device_json(&c->results[0].device), "model", model_name(setup->spec.kind), "sizes", model_json(&setup->spec),
      "data", json_text(setup->data->name), "skipped", (json_int_t)setup->data->skipped, "batch",
      (json_int_t)setup->spec.batch, "steps", (json_int_t)setup->steps, "seed", (json_int_t)setup->seed, "shards",
      (json_int_t)setup->spec.shards, "sync_batch_norm", setup->spec.sync_batch_norm, "remat", setup->remat, "tuning",
      tuning_json(c->results[0].tuning), "variants", variants);
  if (all && c->base && !c->plan && !c->base->interrupted) {
    json_object_set_new(all, "summary", summary_json(c));
    json_object_set_new(all, "control", timing_json(&c->control));
    json_object_set_new(all, "timed_in_pairs", json_boolean(c->in_pairs));
  }
  if (all && c->base == &c->reference) {
    json_t *reference = variant_json(c->base, setup, c); /* detach's: the key says it */
    json_object_del(reference, "name");
    json_object_set_new(all, "detach", reference);
  }
  char *text = all ? json_dumps(all, (compact ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(DIGITS)) : NULL;
  json_decref(all);
  return text;
}
