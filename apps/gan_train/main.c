/* gan_train: trains a GAN and measures what detach() and its alternatives cost. */
#include "interrupt.h"
#include "ranks.h"
#include "report/report.h"
#include "report_json.h"
#include "samples.h"
#include "setup.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>

static bool write_samples(outputs *out, const data *d, const comparison *c, message *why) {
  const result *r = compare_sampled(c);
  return !out->samples || !r->samples || samples_save(out, out->samples, d, r->samples, r->n_samples, why);
}

static bool write_json(outputs *out, const run_setup *setup, const comparison *c, message *why) {
  if (!out->json) return true;
  char *text = report_json(c, setup, false);
  size_t n = text ? strlen(text) : 0;
  if (text) text[n] = '\n'; /* in the place of the NUL */
  bool ok = text ? outputs_write(out, out->json, text, n + 1, why) : fail_no_memory(why);
  free(text);
  return ok;
}

static bool write_report(outputs *out, const run_setup *setup, const comparison *c, char *const *words, message *why) {
  if (!out->report) return true;
  size_t n;
  char *page = report_html(c, setup, words, &n, why);
  bool ok = page && outputs_write(out, out->report, page, n, why);
  free(page);
  return ok;
}

/* All that is left to write, each by itself; the state is written where the model is. */
static void write_outputs(outputs *out, const run_setup *setup, const comparison *c, char *const *words) {
  message json = {""}, report = {""}, samples = {""};
  if (!write_json(out, setup, c, &json)) outputs_fail(out, &json);
  if (!write_report(out, setup, c, words, &report)) outputs_fail(out, &report);
  if (!write_samples(out, setup->data, c, &samples)) outputs_fail(out, &samples);
}

static void print_comparison(const options *o, const run_setup *setup, const comparison *c) {
  if (!c->base->interrupted) table_summary(stdout, c);
  table_compare(stdout, c, setup);
  if (o->wide) table_wide(stdout, c);
  if (!c->base->interrupted) table_meaning(stdout, c);
}

/* Before the run, which may write the state in the place of the one that it began with. */
static void write_trace(outputs *out, const run_setup *setup, variant v) {
  message why = {""};
  if (out->trace && !run_traced(setup, v, out->trace, &why)) outputs_fail(out, &why);
}

/* The tables give way to a JSON report on standard output. */
static void print_results(const options *o, const run_setup *setup, const comparison *c) {
  if (ranks_rank() || (o->json && !strcmp(o->json, "-"))) return;
  if (!o->compare && c->results[0].failed && !c->plan) return;
  table_heading(stdout, c, setup);
  if (c->plan)
    table_plan(stdout, c);
  else if (o->compare)
    print_comparison(o, setup, c);
  else
    table_single(stdout, &c->results[0], setup);
}

static bool train(const options *o, const data *d, outputs *out, message *why) {
  run_setup setup;
  comparison c = {.n = 0};
  bool ok = setup_make(&setup, o, d, out, why);
  if (ok) write_trace(out, &setup, o->variants[0]);
  ok = ok && compare_run(&c, o, &setup, why);
  if (ok && c.n) {
    write_outputs(out, &setup, &c, o->words);
    print_results(o, &setup, &c);
    if (!o->plan && !o->compare && c.results[0].failed) ok = fail(why, "%s", c.results[0].error);
    if (!o->plan && !compare_as_expected(&c)) ok = fail(why, "a variant did not end as it should");
  }
  compare_free(&c);
  return ok;
}

/* What the data turned out to be, where that is not what it might have been. */
static void tell_about(const data *d) {
  if (d->found_nothing)
    fprintf(stderr, "gan_train: no images in %s (dataset-fashion-mnist): using the built-in ring\n",
            DATA_FASHION_FOLDER);
  if (d->skipped)
    fprintf(stderr, "gan_train: %zu of %zu pictures cannot be read and are left out; the first is %s\n", d->skipped,
            d->count + d->skipped, d->skip_why.text);
}

/* Rank 0 talks; what others would write it writes. */
static void keep_silent(options *o) {
  if (!ranks_rank()) return;
  o->quiet = true;
  o->json = o->report = o->samples = o->save = NULL;
  o->samples_every = o->save_every = 0;
}

static bool wants_one_process(const options *o, message *why) {
  if (ranks_count() == 1 || (!o->compare && !o->trace)) return true;
  return fail(why, "%s measures one process: leave out mpirun", o->compare ? "--compare" : "--trace");
}

static bool open_and_train(const options *o, message *why) {
  data d;
  data_options how = setup_data(o);
  outputs out = {.json = o->json, .report = o->report, .samples = o->samples, .save = o->save, .trace = o->trace};
  interrupt_catch();
  interrupt_hold(true); /* what is tried is taken away again */
  bool ok = outputs_open(&out, why);
  interrupt_hold(false);
  bool opened = ok && data_open(&d, &how, why);
  if (opened && !ranks_rank()) tell_about(&d);
  ok = ranks_agree(opened, why) && train(o, &d, &out, why);
  if (opened) data_close(&d);
  outputs_close(&out);
  return ok ? !out.failed || fail(why, "not all outputs could be written") : false;
}

static int run(const options *o, message *why) {
  bool ok = true;
  if (ranks_rank() && (o->help || o->version)) return 0;
  if (o->help)
    options_help(stdout);
  else if (o->version)
    printf("gan_train %s\n", clg_version());
  else
    ok = open_and_train(o, why);
  if (ok && (fflush(stdout) != 0 || ferror(stdout))) ok = fail(why, "cannot write to standard output");
  if (ok && interrupted()) fail(why, "%s: the run ended with the step that was begun", strsignal(interrupted()));
  if (why->text[0] && !ranks_rank()) message_print(why);
  return !ok ? 1 : interrupted() ? 128 + interrupted() : 0;
}

int main(int argc, char **argv) {
  options o;
  message why = {""};
  bool ok = ranks_begin(&argc, &argv, &why);
  ok = ok && options_parse(&o, argc, argv, &why) && wants_one_process(&o, &why);
  if (ok) keep_silent(&o);
  int status = ok ? run(&o, &why) : 2;
  if (!ok && !ranks_rank()) message_print(&why);
  ranks_end();
  return status;
}
