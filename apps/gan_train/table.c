/* Tables of results, at most 100 columns wide. */
#include "table.h"
#include "prose.h"
#include "summary.h"
#include <string.h>

static double mib(uint64_t bytes) { return (double)bytes / 1048576; }

void table_heading(FILE *to, const comparison *c, const run_setup *setup) {
  const clg_device_info *device = &c->results[0].device;
  bool gpu = device->shape == CLG_SHAPE_GPU;
  if (c->plan)
    fprintf(to, "Plan, no device opened (%s-shaped kernels)\n", gpu ? "gpu" : "cpu");
  else
    fprintf(to, "%s: %s (%s-shaped kernels)\n", device->platform, device->name, gpu ? "gpu" : "cpu");
  const model_spec *spec = &setup->spec;
  char name[4096];
  snprintf(name, sizeof name, "%s", setup->data->name);
  message_clean(name);
  fprintf(to, "%s%s on %s", spec->classes ? "conditional " : "", model_name(spec->kind), name);
  if (spec->kind == MODEL_DCGAN)
    fprintf(to, ", %lldx%lldx%lld, nz %lld, ngf %lld, ndf %lld", (long long)spec->width, (long long)spec->height,
            (long long)spec->channels, (long long)spec->nz, (long long)spec->ngf, (long long)spec->ndf);
  fprintf(to, ", batch %lld", (long long)spec->batch);
  if (spec->shards > 1) fprintf(to, " in %lld shards", (long long)spec->shards);
  if (spec->sync_batch_norm) fputs(", batch norm over all", to);
  if (ranks_count() > 1) fprintf(to, " on %d ranks", ranks_count());
  if (!c->plan) fprintf(to, ", steps %lld, seed %llu", (long long)setup->steps, (unsigned long long)setup->seed);
  fputs("\n\n", to);
}

void table_outcome(const result *r, char *text, size_t size) {
  if (r->failed)
    snprintf(text, size, "fails: %s", result_short_error(r));
  else
    snprintf(text, size, "%s", r->interrupted ? "interrupted" : variant_must_fail(r->v) ? "ok (must fail)" : "ok");
}

static const char *difference_text(const result *r, char *text, size_t size) {
  if (r->interrupted) return "stopped";
  if (variant_other_algorithm(r->v)) return "(another)";
  if (!r->compared) return "-";
  if (r->bit_identical) return "0";
  snprintf(text, size, "%.1e", r->max_abs_diff);
  return text;
}

/* Three digits, and no power of ten. */
static int add_ms(char *to, size_t size, double ms) { return snprintf(to, size, ms < 100 ? "%.3g" : "%.0f", ms); }

/* A step's milliseconds, the middle half of the blocks, and what the test says. */
static void time_columns(FILE *to, const comparison *c, const result *r) {
  char half[48] = "-", beside[24] = "-";
  const timing *t = &r->timing;
  if (t->blocks) {
    int n = add_ms(half, sizeof half, r->step_ms.low);
    half[n++] = '-';
    add_ms(half + n, sizeof half - (size_t)n, r->step_ms.high);
  }
  if (t->verdict >= VERDICT_FASTER)
    snprintf(beside, sizeof beside, "%.3f %s", t->ratio, verdict_name(t->verdict));
  else if (t->verdict == VERDICT_SAME)
    snprintf(beside, sizeof beside, "not measurable");
  else if (t->verdict == VERDICT_FEW)
    snprintf(beside, sizeof beside, "too few blocks");
  fprintf(to, "%7.4g %11s %14s", r->step_ms.median, half, r == c->base ? "" : beside);
}

static void modes_column(FILE *to, const result *r, const run_setup *setup) {
  if (!setup->data->is_ring) return;
  if (r->samples)
    fprintf(to, " %2d/%d", ring_judge(r->samples, r->n_samples).modes, RING_MODES);
  else
    fprintf(to, " %4s", "-");
}

static void compare_row(FILE *to, const comparison *c, const result *r, const run_setup *setup) {
  const clg_memory_stats *m = &r->memory;
  double saved = (double)m->peak_by_role[CLG_ROLE_SAVED];
  char diff[24];
  fprintf(to, "%-12s %7.2f %6.2f %3.0f%% %8.2f ", variant_name(r->v), mib(m->peak_live), saved / 1048576,
          m->peak_live ? 100 * saved / (double)m->peak_live : 0, mib(m->peak_reserved));
  if (r->failed) {
    fprintf(to, "fails: %s\n", result_short_error(r));
    return;
  }
  time_columns(to, c, r);
  fprintf(to, " %8.3g %9s", r->g_gradient, difference_text(r, diff, sizeof diff));
  modes_column(to, r, setup);
  fputc('\n', to);
}

void table_compare(FILE *to, const comparison *c, const run_setup *setup) {
  bool ring = setup->data->is_ring;
  fprintf(to, "%-12s %7s %6s %4s %8s %7s %11s %14s %8s %9s%s\n", "variant", "peak", "saved", "of", "reserved", "ms per",
          "middle half", "beside", "|G grad|", "weights", ring ? " ring" : "");
  fprintf(to, "%-12s %7s %6s %4s %8s %7s %11s %14s %8s %9s\n", "", "MiB", "MiB", "peak", "MiB", "step", "of blocks",
          "detach", "step 1", "differ by");
  for (int i = 0; i < (ring ? 100 : 95); i++) fputc('-', to);
  fputc('\n', to);
  for (int i = 0; i < c->n; i++) compare_row(to, c, &c->results[i], setup);
}

/* "D fake backward" on two lines; -1: the phase has no column. */
static int phase_break(const char *name) {
  const char *blank = strrchr(name, ' ');
  return blank ? (int)(blank - name) : -1;
}

static const result_phase *find_phase(const result *r, const char *name) {
  for (size_t i = 0; i < r->n_phases; i++)
    if (!strcmp(r->phases[i].name, name)) return &r->phases[i];
  return NULL;
}

static void wide_row(FILE *to, const result *base, const result *r) {
  fprintf(to, "%-12s", variant_name(r->v));
  if (r->failed)
    fprintf(to, " %8s %6s", "-", "-");
  else
    fprintf(to, " %8.4g %6.4g", r->launches, r->waits);
  for (size_t i = 0; i < base->n_phases; i++) {
    const result_phase *p = find_phase(r, base->phases[i].name);
    if (phase_break(base->phases[i].name) < 0) continue;
    if (p)
      fprintf(to, " %8.2f", mib(p->saved));
    else
      fprintf(to, " %8s", "-");
  }
  fputc('\n', to);
}

void table_wide(FILE *to, const comparison *c) {
  const result *base = c->base;
  fprintf(to, "\nMiB of saved tensors when each phase ends\n%-12s %8s %6s", "variant", "kernels", "waits");
  for (size_t i = 0; i < base->n_phases; i++) {
    int n = phase_break(base->phases[i].name);
    if (n >= 0) fprintf(to, " %8.*s", n, base->phases[i].name);
  }
  fprintf(to, "\n%-12s %8s %6s", "", "a step", "a step");
  for (size_t i = 0; i < base->n_phases; i++) {
    int n = phase_break(base->phases[i].name);
    if (n >= 0) fprintf(to, " %8s", base->phases[i].name + n + 1);
  }
  fputc('\n', to);
  for (int i = 0; i < c->n; i++) wide_row(to, base, &c->results[i]);
}

void table_summary(FILE *to, const comparison *c) {
  summary s = summary_of(c);
  for (int i = 0; i < SUMMARY_LINES; i++) {
    fprintf(to, "%-12s ", summary_title(i));
    prose_print(to, s.lines[i], 13, 100);
  }
  fputc('\n', to);
}

void table_plan(FILE *to, const comparison *c) {
  fprintf(to, "%-13s %-24s %10s %10s\n", "variant", "result", "peak", "reserved");
  fprintf(to, "%-13s %-24s %10s %10s\n", "", "", "MiB", "MiB");
  for (int i = 0; i < 60; i++) fputc('-', to);
  fputc('\n', to);
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    char outcome[TABLE_OUTCOME_ROOM];
    table_outcome(r, outcome, sizeof outcome);
    fprintf(to, "%-13s %-24s %10.2f %10.2f\n", variant_name(r->v), outcome, mib(r->predicted_live),
            mib(r->predicted_reserved));
  }
}

/* A step's. */
static void ranks_line(FILE *to, const result *r) {
  result_rank all = result_of_ranks(r);
  fprintf(to, "%-10s %d send %.1f KiB of gradients; their sums take %.2f ms, %.0f%% of it while the device works\n",
          "ranks", r->n_ranks, all.gradient_bytes / 1024, all.ms, all.ms > 0 ? 100 * (1 - all.exposed_ms / all.ms) : 0);
}

void table_single(FILE *to, const result *r, const run_setup *setup) {
  const float *last = r->losses + 3 * (r->steps_done - 1);
  const clg_memory_stats *m = &r->memory;
  fprintf(to, "%-10s %s\n", "variant", variant_name(r->v));
  fprintf(to, "%-10s D real %.4f, D fake %.4f, G %.4f\n", "losses", (double)last[0], (double)last[1], (double)last[2]);
  fprintf(to, "%-10s %.2f ms median, %.2f least, %.2f at the 90th percentile; kernels %.4g, waits %.4g\n", "step",
          r->step_ms.median, r->step_ms.min, r->step_ms.p90, r->launches, r->waits);
  fprintf(to, "%-10s peak %.2f MiB (predicted %.2f), reserved %.2f MiB (predicted %.2f)\n", "memory", mib(m->peak_live),
          mib(r->predicted_live), mib(m->peak_reserved), mib(r->predicted_reserved));
  fprintf(to, "%-10s", "at peak");
  for (int role = 0; role < CLG_ROLE_COUNT; role++)
    fprintf(to, "%s %s %.2f", role ? "," : "", clg_role_name((clg_role)role), mib(m->peak_by_role[role]));
  fputs(" MiB\n", to);
  if (r->ranks) ranks_line(to, r);
  if (setup->data->is_ring && r->samples) {
    ring_quality q = ring_judge(r->samples, r->n_samples);
    fprintf(to, "%-10s %d of %d modes covered, %.1f%% of %zu samples within %d sigma of one\n", "ring", q.modes,
            RING_MODES, 100 * q.good, r->n_samples, RING_GOOD_SIGMAS);
  }
}
