/* Records of the manifest: where an array lies, and how far a result may be from it. */
#include "golden.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

double json_number(const json_t *object, const char *key, double otherwise) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool json_flag(const json_t *object, const char *key, bool otherwise) {
  const json_t *value = json_object_get(object, key);
  return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *json_text(const json_t *object, const char *key, const char *otherwise) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : otherwise;
}

static bool read_shape(golden *g, const json_t *shape, record *out) {
  if (!json_is_array(shape) || json_array_size(shape) > CLG_MAX_DIMS) return golden_error(g, "record without a shape");
  out->ndim = (int)json_array_size(shape);
  out->n = 1;
  for (int d = 0; d < out->ndim; d++) {
    json_int_t size = json_integer_value(json_array_get(shape, (size_t)d));
    if (size < 0 || size > INT32_MAX || (size && out->n > (size_t)INT32_MAX / (size_t)size))
      return golden_error(g, "record with an impossible shape");
    out->shape[d] = size;
    out->n *= (size_t)size;
  }
  return true;
}

bool record_read(golden *g, const json_t *json, record *out) {
  memset(out, 0, sizeof *out);
  const char *name = json_text(json, "file", NULL);
  json_int_t offset = json_integer_value(json_object_get(json, "offset"));
  if (!name || offset < 0) return golden_error(g, "record without a file and an offset");
  if (!read_shape(g, json_object_get(json, "shape"), out)) return false;
  const npy *file = npy_open(g, name);
  if (!file) return false;
  if ((size_t)offset > file->n || out->n > file->n - (size_t)offset)
    return golden_error(g, "record past the end of %s", name);
  out->data = file->data + offset;
  out->absmax = json_number(json, "absmax", 0);
  out->f32_err = json_number(json, "f32_err", 0);
  return true;
}

bool record_row(golden *g, const record *all, size_t i, record *out) {
  if (all->ndim < 1 || i >= (size_t)all->shape[0]) return golden_error(g, "array has no row %zu", i);
  *out = *all;
  out->ndim--;
  memmove(out->shape, out->shape + 1, (size_t)out->ndim * sizeof *out->shape);
  out->n = all->n / (size_t)all->shape[0];
  out->data = all->data + i * out->n;
  return true;
}

clg_tensor *record_tensor(golden *g, const record *r) {
  clg_tensor *t = clg_tensor_create(g->ctx, r->ndim, r->shape, r->data);
  if (!t) golden_clg_error(g);
  return t;
}

double record_tolerance(const record *r) { return 10 * r->f32_err + 1e-6 * r->absmax + 1e-7; }

bool record_compare(golden *g, const char *what, const float *got, const record *want, double tolerance) {
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < want->n; i++) {
    double a = got[i], b = want->data[i];
    bool same = a == b || (isnan(a) && isnan(b));
    double apart = same ? 0 : isfinite(a - b) ? fabs(a - b) : INFINITY;
    if (apart <= worst) continue;
    worst = apart;
    at = i;
  }
  if (worst <= tolerance) return true;
  return golden_error(g, "%s is off by %.3g at element %zu of %zu (%.9g, not %.9g; tolerance %.3g)", what, worst, at,
                      want->n, (double)got[at], (double)want->data[at], tolerance);
}

bool record_compare_tensor(golden *g, const char *what, const clg_tensor *got, const record *want, double tolerance) {
  bool same = clg_tensor_ndim(got) == want->ndim;
  for (int d = 0; same && d < want->ndim; d++) same = clg_tensor_dim(got, d) == want->shape[d];
  if (!same) return golden_error(g, "%s has another shape than the reference", what);
  float *host = malloc(want->n ? want->n * sizeof *host : 1);
  if (!host) return golden_error(g, "out of memory");
  bool ok = clg_tensor_read(got, host) == CLG_OK ? record_compare(g, what, host, want, tolerance) : golden_clg_error(g);
  free(host);
  return ok;
}
