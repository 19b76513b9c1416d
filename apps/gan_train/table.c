/* Tables of results, at most 100 columns wide. */
#include "table.h"
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
  if (!c->plan) fprintf(to, ", steps %lld, seed %llu", (long long)setup->steps, (unsigned long long)setup->seed);
  fputs("\n\n", to);
}

void table_outcome(const result *r, char *text, size_t size) {
  if (r->failed)
    snprintf(text, size, "fails: %s", result_short_error(r));
  else
    snprintf(text, size, "%s", r->interrupted ? "interrupted" : variant_must_fail(r->v) ? "ok (must fail)" : "ok");
}

static void difference_text(const result *r, char *text, size_t size) {
  if (variant_other_algorithm(r->v))
    snprintf(text, size, "another way");
  else if (!r->compared)
    snprintf(text, size, "-");
  else if (r->bit_identical)
    snprintf(text, size, "0");
  else
    snprintf(text, size, "%.1e", r->max_abs_diff);
}

static void compare_row(FILE *to, const result *r) {
  const char *outcome = r->failed ? "fails" : r->interrupted ? "interrupted" : "ok";
  char diff[24];
  difference_text(r, diff, sizeof diff);
  fprintf(to, "%-13s %-11s %8.2f %9.2f %9.2f ", variant_name(r->v), outcome, mib(r->memory.peak_live),
          mib(r->memory.peak_by_role[CLG_ROLE_SAVED]), mib(r->memory.peak_reserved));
  if (r->failed)
    fprintf(to, "%8s %8s %10s %14s\n", "-", "-", "-", diff);
  else
    fprintf(to, "%8.2f %8.4g %10.4g %14s\n", r->step_ms.median, r->launches, r->g_gradient, diff);
}

void table_compare(FILE *to, const comparison *c) {
  fprintf(to, "%-13s %-11s %8s %9s %9s %8s %8s %10s %14s\n", "variant", "result", "peak", "saved MiB", "reserved",
          "ms per", "kernels", "|G grad|", "largest weight");
  fprintf(to, "%-13s %-11s %8s %9s %9s %8s %8s %10s %14s\n", "", "", "MiB", "at peak", "MiB", "step", "per step",
          "step 1", "difference");
  for (int i = 0; i < 100; i++) fputc('-', to);
  fputc('\n', to);
  for (int i = 0; i < c->n; i++) compare_row(to, &c->results[i]);
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
  if (setup->data->is_ring && r->samples) {
    ring_quality q = ring_judge(r->samples, r->n_samples);
    fprintf(to, "%-10s %d of %d modes covered, %.1f%% of %zu samples within %d sigma of one\n", "ring", q.modes,
            RING_MODES, 100 * q.good, r->n_samples, RING_GOOD_SIGMAS);
  }
}
