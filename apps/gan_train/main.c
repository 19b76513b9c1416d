/* gan_train: trains a GAN and measures what detach() and its alternatives cost. */
#include "output.h"
#include "report_json.h"
#include "samples.h"
#include "table.h"
#include <string.h>

/* Long enough for stable medians, short enough for a first look. */
#define COMPARE_STEPS 200
/* What the losses of a run are kept for. */
#define MAX_STEPS 10000000

static bool check_outputs(const options *o, message *why) {
  if (o->json && strcmp(o->json, "-") && !output_check(o->json, why)) return false;
  return !o->samples || output_check(o->samples, why);
}

static bool set_up(run_setup *setup, const options *o, const data *d, message *why) {
  *setup = (run_setup){.data = d,
                       .batch = o->batch,
                       .steps = o->steps,
                       .seed = o->seed,
                       .device = o->device,
                       .shape = o->shape,
                       .quiet = o->quiet,
                       .n_samples = o->samples ? samples_wanted(d) : 0};
  if (d->count && (uint64_t)o->batch > d->count)
    return fail(why, "batch %lld is larger than the data: %s has %zu items", (long long)o->batch, d->name, d->count);
  int64_t epoch = d->count ? (int64_t)d->count / o->batch : COMPARE_STEPS;
  if (o->epochs) setup->steps = o->epochs * epoch;
  if (!setup->steps) setup->steps = o->compare ? COMPARE_STEPS : epoch;
  if (setup->steps > MAX_STEPS) return fail(why, "%lld steps are more than %d", (long long)setup->steps, MAX_STEPS);
  return true;
}

static bool write_samples(const options *o, const data *d, const comparison *c, message *why) {
  output out;
  const result *r = compare_sampled(c);
  if (!o->samples || !r->samples) return true;
  if (!output_open(&out, o->samples, why)) return false;
  bool ok = samples_write(out.file, d, r, why);
  return output_close(&out, ok, why) && ok;
}

static bool write_json(const options *o, const run_setup *setup, const comparison *c, message *why) {
  output out;
  if (!o->json) return true;
  if (!strcmp(o->json, "-")) return report_json(stdout, c, o, setup, why);
  if (!output_open(&out, o->json, why)) return false;
  bool ok = report_json(out.file, c, o, setup, why);
  return output_close(&out, ok, why) && ok;
}

/* The tables give way to a JSON report on standard output. */
static void print_results(const options *o, const run_setup *setup, const comparison *c) {
  if (o->json && !strcmp(o->json, "-")) return;
  if (!o->compare && c->results[0].failed && !c->plan) return;
  table_heading(stdout, c, o, setup);
  if (c->plan) table_plan(stdout, c);
  else if (o->compare) table_compare(stdout, c), table_meaning(stdout, c);
  else table_single(stdout, &c->results[0]);
}

static bool train(const options *o, const data *d, message *why) {
  run_setup setup;
  comparison c = {.n = 0};
  bool ok = check_outputs(o, why) && set_up(&setup, o, d, why) && compare_run(&c, o, &setup, why);
  bool reported = ok && (compare_as_expected(&c) || o->compare); /* a lone surprise leaves no files */
  if (reported) ok = write_json(o, &setup, &c, why) && write_samples(o, d, &c, why);
  if (ok) print_results(o, &setup, &c);
  if (ok && !o->plan && !o->compare && c.results[0].failed) ok = fail(why, "%s", c.results[0].error);
  if (ok && !o->plan && !compare_as_expected(&c)) ok = fail(why, "a variant did not end as it should");
  compare_free(&c);
  return ok;
}

int main(int argc, char **argv) {
  options o;
  data d;
  message why = {""};
  bool ok = options_parse(&o, argc, argv, &why);
  if (ok && o.help) options_help(stdout);
  if (ok && o.version) printf("gan_train %s\n", clg_version());
  if (ok && !o.help && !o.version && (ok = data_open(&d, o.data, o.plan, o.seed, &why))) {
    if (d.found_nothing)
      fprintf(stderr, "gan_train: no images in %s (dataset-fashion-mnist): using the built-in ring\n",
              DATA_FASHION_FOLDER);
    ok = train(&o, &d, &why);
    data_close(&d);
  }
  if (ok && (fflush(stdout) != 0 || ferror(stdout))) ok = fail(&why, "cannot write to standard output");
  if (!ok) fprintf(stderr, "gan_train: %s\n", why.text);
  return ok ? 0 : 1;
}
