/* GAN sections: each variant of the manifest is trained again and compared with the float64 reference. */
#include "replay.h"
#include <stdlib.h>
#include <string.h>

/* What the acceptance of the library allows at every loss, weight and gradient. */
#define TOLERANCE 1e-5

static const variant variants[] = {
    {.name = "V1", .detach = true},
    {.name = "V2", .retain = true},
    {.name = "V2p", .retain = true, .zero_top = true},
    {.name = "V3", .again = true},
    {.name = "V3b", .again = true, .fresh = true},
    {.name = "V5", .no_grad = true, .again = true},
    {.name = "V7", .detach = true, .frozen = true},
};

/* Results of a run by their names in the manifest; those of V1 are kept for the others. */
enum { LOSSES, G_FINAL, D_FINAL, SAMPLE_EVAL, RESULTS };
static const char *const result_names[RESULTS] = {"losses", "G_final", "D_final", "sample_eval"};
typedef struct results {
  float *data[RESULTS];
  size_t n[RESULTS];
} results;

static void results_free(results *r) {
  for (int i = 0; i < RESULTS; i++) free(r->data[i]);
  *r = (results){0};
}

static bool results_alloc(golden *g, results *r, int which, size_t n) {
  r->n[which] = n;
  r->data[which] = calloc(n ? n : 1, sizeof(float));
  return r->data[which] ? true : golden_error(g, "out of memory");
}

/* Counts a comparison as a case "V1 losses". */
static void count(replay *r, const char *name, bool ok) {
  char label[160];
  snprintf(label, sizeof label, "%s %s", r->v->name, name);
  if (ok)
    report_pass(&r->g->report);
  else
    report_fail(&r->g->report, r->section, label, "%s", r->g->why);
}

static bool compare_gradient(replay *r, const char *name, clg_module *m, const record *want) {
  if (clg_module_numel(m) != want->n) return golden_error(r->g, "%s has another size than the model", name);
  float *got = calloc(want->n ? want->n : 1, sizeof *got);
  if (!got) return golden_error(r->g, "out of memory");
  bool ok = clg_module_read_grad(m, got) == CLG_OK ? record_compare(r->g, name, got, want, TOLERANCE)
                                                   : golden_clg_error(r->g);
  free(got);
  return ok;
}

void replay_point(replay *r, const char *name, clg_module *m, const clg_tensor *t) {
  const json_t *arrays = json_object_get(r->gan, "step0_f64");
  char own[80];
  snprintf(own, sizeof own, "%s_%s", r->v->name, name);
  if (r->step != 0 || (!m && !t)) return;
  for (int i = 0; i < 2; i++) {
    const char *key = i ? own : name;
    const json_t *json = json_object_get(arrays, key);
    record want;
    if (!json) continue;
    count(r, key,
          record_read(r->g, json, &want) &&
              (m ? compare_gradient(r, key, m, &want) : record_compare_tensor(r->g, key, t, &want, TOLERANCE)));
  }
}

/* ---- models ---- */

/* True if the module's parameters have the names, shapes and offsets of the manifest. */
static bool check_layout(golden *g, clg_module *m, const json_t *layout, const char *which) {
  size_t n, at = 0, i;
  json_t *entry;
  clg_tensor *const *params = clg_module_parameters(m, &n);
  if (!params) return golden_clg_error(g);
  if (json_array_size(layout) != n) return golden_error(g, "layout of %s has another number of parameters", which);
  json_array_foreach(layout, i, entry) {
    const json_t *shape = json_object_get(entry, "shape");
    bool same = strcmp(json_text(entry, "name", ""), clg_module_parameter_name(m, i)) == 0 &&
                (size_t)json_number(entry, "offset", -1) == at &&
                json_array_size(shape) == (size_t)clg_tensor_ndim(params[i]);
    for (int d = 0; same && d < clg_tensor_ndim(params[i]); d++)
      same = json_integer_value(json_array_get(shape, (size_t)d)) == clg_tensor_dim(params[i], d);
    if (!same) return golden_error(g, "layout of %s differs at parameter %zu", which, i);
    at += (size_t)clg_tensor_numel(params[i]);
  }
  return true;
}

static bool load_weights(golden *g, clg_module *m, const json_t *init) {
  record r;
  if (!record_read(g, init, &r)) return false;
  if (r.n != clg_module_numel(m)) return golden_error(g, "initial weights of another size than the model");
  return clg_module_write(m, r.data) == CLG_OK ? true : golden_clg_error(g);
}

/* A model with its weights; *missing when a layer of it does not exist. */
static clg_module *make_model(golden *g, const json_t *gan, const char *which, bool *missing) {
  char arch[16], layout[16], init[16];
  snprintf(arch, sizeof arch, "arch_%s", which);
  snprintf(layout, sizeof layout, "layout_%s", which);
  snprintf(init, sizeof init, "%s_init", which);
  clg_module *m = arch_build(g, json_text(gan, arch, ""), missing);
  if (m && check_layout(g, m, json_object_get(gan, layout), which) && load_weights(g, m, json_object_get(gan, init)))
    return m;
  clg_module_unref(&m);
  return NULL;
}

static loss_fn find_loss(const char *name) {
  if (strcmp(name, "bce") == 0) return clg_bce_loss;
  if (strcmp(name, "bce_with_logits") == 0) return clg_bce_with_logits_loss;
  return strcmp(name, "mse") == 0 ? clg_mse_loss : NULL;
}

static void replay_close(replay *r) {
  clg_optim_unref(&r->opt_g);
  clg_optim_unref(&r->opt_d);
  clg_module_unref(&r->G);
  clg_module_unref(&r->D);
}

/* False with golden.why; *missing when the library lacks a part. */
static bool replay_open(replay *r, bool *missing) {
  golden *g = r->g;
  const json_t *config = json_object_get(r->gan, "config");
  clg_optim_options options;
  *missing = true;
  r->loss = find_loss(json_text(r->gan, "loss", ""));
  if (!r->loss) return golden_error(g, "loss %s does not exist", json_text(r->gan, "loss", "?"));
  if (!optim_options(json_text(r->gan, "optimizer", ""), config, &options))
    return golden_error(g, "optimizer %s does not exist", json_text(r->gan, "optimizer", "?"));
  *missing = false;
  r->G = make_model(g, r->gan, "G", missing);
  r->D = r->G ? make_model(g, r->gan, "D", missing) : NULL;
  if (!r->D) return false;
  r->opt_g = clg_optim_create_for(r->G, &options);
  r->opt_d = clg_optim_create_for(r->D, &options);
  if (!r->opt_g || !r->opt_d) return golden_clg_error(g);
  if (!record_read(g, json_object_get(r->gan, "real"), &r->real) ||
      !record_read(g, json_object_get(r->gan, "z"), &r->z) ||
      (r->v->fresh && !record_read(g, json_object_get(r->gan, "z_fresh"), &r->z_fresh)))
    return false;
  r->steps = (size_t)json_number(config, "steps", 0);
  return r->steps > 0 && r->real.ndim > 0 && (size_t)r->real.shape[0] >= r->steps
             ? true
             : golden_error(g, "fewer batches than steps");
}

/* ---- one variant ---- */

/* Weights after this step against the variant's trajectory, where the manifest has one. */
static bool check_trajectory(replay *r, const char *which, clg_module *m) {
  char key[80];
  snprintf(key, sizeof key, "%s_trajectory_f64", r->v->name);
  const json_t *json = json_object_get(json_object_get(r->gan, key), which);
  record all, row;
  if (!json) return true;
  if (!record_read(r->g, json, &all) || !record_row(r->g, &all, r->step, &row)) return false;
  if (row.n != clg_module_numel(m)) return golden_error(r->g, "trajectory of another size than the model");
  float *got = calloc(row.n, sizeof *got);
  if (!got) return golden_error(r->g, "out of memory");
  snprintf(key, sizeof key, "%s after step %zu", which, r->step + 1);
  bool ok =
      clg_module_read(m, got) == CLG_OK ? record_compare(r->g, key, got, &row, TOLERANCE) : golden_clg_error(r->g);
  free(got);
  return ok;
}

static bool read_sample(replay *r, results *out) {
  record z;
  if (!record_read(r->g, json_object_get(r->gan, "z_sample"), &z)) return false;
  clg_tensor *noise = record_tensor(r->g, &z);
  if (!noise) return false;
  clg_scope *scope = clg_scope_open(r->g->ctx);
  clg_module_set_training(r->G, false);
  clg_set_grad_mode(r->g->ctx, false);
  clg_tensor *image = clg_forward(r->G, noise);
  clg_set_grad_mode(r->g->ctx, true);
  bool ok = image && results_alloc(r->g, out, SAMPLE_EVAL, (size_t)clg_tensor_numel(image));
  if (ok) clg_tensor_read(image, out->data[SAMPLE_EVAL]);
  clg_tensor_unref(&noise);
  return clg_scope_close(scope) == CLG_OK ? ok : golden_clg_error(r->g);
}

static bool train(replay *r, results *out) {
  if (!results_alloc(r->g, out, LOSSES, 3 * r->steps)) return false;
  r->losses = out->data[LOSSES];
  for (r->step = 0; r->step < r->steps; r->step++)
    if (!replay_step(r) || !check_trajectory(r, "G", r->G) || !check_trajectory(r, "D", r->D)) return false;
  clg_module *models[] = {r->G, r->D};
  for (int i = 0; i < 2; i++) {
    if (!results_alloc(r->g, out, G_FINAL + i, clg_module_numel(models[i]))) return false;
    if (clg_module_read(models[i], out->data[G_FINAL + i]) != CLG_OK) return golden_clg_error(r->g);
  }
  return read_sample(r, out);
}

/* The results against the float64 run, and against V1's where PyTorch found the same bits. */
static void check_results(replay *r, const json_t *expected, const results *got, const results *v1) {
  const json_t *identical = json_object_get(expected, "bit_identical_to_V1");
  for (int i = 0; i < RESULTS; i++) {
    char key[80];
    record want;
    snprintf(key, sizeof key, "%s_f64", result_names[i]);
    bool ok = record_read(r->g, json_object_get(expected, key), &want);
    if (ok && want.n != got->n[i]) ok = golden_error(r->g, "%s has another size than the result", key);
    count(r, result_names[i], ok && record_compare(r->g, result_names[i], got->data[i], &want, TOLERANCE));
    if (!json_flag(identical, result_names[i], false) || !v1->data[i] || v1->n[i] != got->n[i]) continue;
    snprintf(key, sizeof key, "%s as V1's", result_names[i]);
    ok = memcmp(got->data[i], v1->data[i], got->n[i] * sizeof(float)) == 0;
    count(r, key, ok || golden_error(r->g, "not bit for bit those of V1"));
  }
}

/* The running statistics of a model, one behind the other as the layout of the manifest has them. */
static void check_buffers(replay *r, const json_t *expected, const char *which, clg_module *m) {
  char key[80], name[80];
  record want;
  snprintf(key, sizeof key, "%s_buffers_f64", which);
  const json_t *json = json_object_get(expected, key);
  if (!json) return;
  bool ok = record_read(r->g, json, &want);
  size_t at = 0;
  for (size_t i = 0; ok; i++) {
    clg_tensor *t = clg_module_buffer(m, i, name, sizeof name);
    if (!t) break;
    size_t n = (size_t)clg_tensor_numel(t);
    record one = want;
    if (at + n > want.n) {
      ok = golden_error(r->g, "more buffers than expected");
      break;
    }
    one.data += at, one.n = n, one.ndim = 1, one.shape[0] = (int64_t)n;
    ok = record_compare_tensor(r->g, name, t, &one, TOLERANCE);
    at += n;
  }
  if (ok && at != want.n) ok = golden_error(r->g, "fewer buffers than expected");
  count(r, key, ok);
}

/* A variant is skipped as a whole when the library lacks a layer, the loss or the optimizer. */
static void run_variant(golden *g, const char *section, const json_t *gan, const variant *v, const json_t *expected,
                        results *v1) {
  replay r = {.g = g, .section = section, .gan = gan, .v = v};
  results got = {0};
  bool missing;
  if (!replay_open(&r, &missing)) {
    if (missing)
      report_skip(&g->report, section, v->name, "%s", g->why);
    else
      report_fail(&g->report, section, v->name, "%s", g->why);
  } else if (!train(&r, &got)) {
    count(&r, "training", false);
  } else {
    check_results(&r, expected, &got, v1);
    check_buffers(&r, expected, "G", r.G);
    check_buffers(&r, expected, "D", r.D);
    if (strcmp(v->name, "V1") == 0) {
      results_free(v1);
      *v1 = got;
      got = (results){0};
    }
  }
  replay_close(&r);
  results_free(&got);
  clg_clear_error(g->ctx);
}

/* V4 of the folder must fail, and the context work on: V1's step follows in it. */
static void run_naive(golden *g, const char *section, const json_t *gan) {
  replay r = {.g = g, .section = section, .gan = gan, .v = &(const variant){.name = "V4", .detach = true}};
  float *losses = NULL;
  bool missing;
  if (!replay_open(&r, &missing)) {
    if (missing)
      report_skip(&g->report, section, "V4", "%s", g->why);
    else
      report_fail(&g->report, section, "V4", "%s", g->why);
  } else {
    losses = calloc(3 * r.steps, sizeof *losses);
    r.losses = losses;
    r.step = r.steps - 1; /* no point of the first step is compared */
    count(&r, "is refused", losses && replay_naive_fails(&r));
    count(&r, "leaves the context usable", losses && replay_step(&r));
  }
  replay_close(&r);
  free(losses);
  clg_clear_error(g->ctx);
}

static const variant *find_variant(const char *name) {
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (strcmp(variants[i].name, name) == 0) return &variants[i];
  return NULL;
}

void section_gan(golden *g, const char *name, const json_t *gan) {
  const json_t *expected = json_object_get(gan, "variants");
  const char *key;
  json_t *one;
  results v1 = {0};
  json_object_foreach((json_t *)expected, key, one) {
    const variant *v = find_variant(key);
    if (v)
      run_variant(g, name, gan, v, one, &v1);
    else
      report_skip(&g->report, name, key, "unknown variant");
  }
  if (json_object_get(g->manifest, "v4_expected")) run_naive(g, name, gan);
  results_free(&v1);
}
