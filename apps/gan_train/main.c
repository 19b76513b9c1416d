/* gan_train: trains a GAN and measures what detach() and its alternatives cost. */
#include "output.h"
#include "report_json.h"
#include "samples.h"
#include "setup.h"
#include "table.h"
#include <string.h>

static bool write_samples(const options *o, const data *d, const comparison *c, message *why) {
  const result *r = compare_sampled(c);
  return !o->samples || !r->samples || samples_save(o->samples, d, r->samples, r->n_samples, why);
}

static bool write_json(const options *o, const run_setup *setup, const comparison *c, message *why) {
  output out;
  if (!o->json) return true;
  if (!strcmp(o->json, "-")) return report_json(stdout, c, setup, why);
  if (!output_open(&out, o->json, true, why)) return false;
  bool ok = report_json(out.file, c, setup, why);
  return output_close(&out, ok, why) && ok;
}

/* The tables give way to a JSON report on standard output. */
static void print_results(const options *o, const run_setup *setup, const comparison *c) {
  if (o->json && !strcmp(o->json, "-")) return;
  if (!o->compare && c->results[0].failed && !c->plan) return;
  table_heading(stdout, c, setup);
  if (c->plan)
    table_plan(stdout, c);
  else if (o->compare)
    table_compare(stdout, c), table_meaning(stdout, c);
  else
    table_single(stdout, &c->results[0], setup);
}

static bool train(const options *o, const data *d, message *why) {
  run_setup setup;
  comparison c = {.n = 0};
  bool ok = setup_make(&setup, o, d, why) && compare_run(&c, o, &setup, why);
  bool reported = ok && (compare_as_expected(&c) || o->compare); /* a lone surprise leaves no files */
  if (reported) ok = write_json(o, &setup, &c, why) && write_samples(o, d, &c, why);
  if (ok) print_results(o, &setup, &c);
  if (ok && !o->plan && !o->compare && c.results[0].failed) ok = fail(why, "%s", c.results[0].error);
  if (ok && !o->plan && !compare_as_expected(&c)) ok = fail(why, "a variant did not end as it should");
  compare_free(&c);
  return ok;
}

static bool open_and_train(const options *o, message *why) {
  data d;
  data_options how = setup_data(o);
  if (!data_open(&d, &how, why)) return false;
  if (d.found_nothing)
    fprintf(stderr, "gan_train: no images in %s (dataset-fashion-mnist): using the built-in ring\n",
            DATA_FASHION_FOLDER);
  bool ok = train(o, &d, why);
  data_close(&d);
  return ok;
}

int main(int argc, char **argv) {
  options o;
  message why = {""};
  bool ok = options_parse(&o, argc, argv, &why);
  if (ok && o.help) options_help(stdout);
  if (ok && o.version) printf("gan_train %s\n", clg_version());
  if (ok && !o.help && !o.version) ok = open_and_train(&o, &why);
  if (ok && (fflush(stdout) != 0 || ferror(stdout))) ok = fail(&why, "cannot write to standard output");
  if (!ok) fprintf(stderr, "gan_train: %s\n", why.text);
  return ok ? 0 : 1;
}
