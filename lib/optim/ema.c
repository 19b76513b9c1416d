/* Moving averages of a module's parameters, in one allocation laid out as the parameters are. */
#include "nn/flat.h"
#include "nn/module.h"
#include <clgrad/optim.h>
#include <stdlib.h>

struct clg_ema {
  uint32_t refs;
  clg_context *ctx;
  double decay;
  clg_tensor *average; /* all of them, padded */
  int64_t *numel;      /* of each */
  size_t n;
};

typedef enum direction { AVERAGE, TO_MODULE, FROM_MODULE } direction;

static clg_status move_span(const clg_ema *e, clg_tensor *param, clg_tensor *average, direction to) {
  if (!param || !average) return clg_last_status(e->ctx);
  if (to == TO_MODULE) return clg_tensor_assign(param, average, "ema");
  if (to == FROM_MODULE) return clg_tensor_assign(average, param, "ema");
  const clg_map_input in[] = {{"w", param, 0}, {"keep", NULL, (float)e->decay}, {"take", NULL, (float)(1 - e->decay)}};
  return clg_map_(average, "keep*x + take*w", in, 3);
}

static clg_status move_all(const clg_ema *e, clg_tensor *const *p, direction to) {
  bool mode = clg_set_grad_mode(e->ctx, false);
  clg_status s = CLG_OK;
  for (size_t i = 0, end, length, at = 0; s == CLG_OK && i < e->n; i = end) {
    end = clg_span_end(p, e->n, i, &length);
    clg_tensor *param = clg_span_make(p[i], 0, length), *average = clg_span_make(e->average, at, length);
    s = move_span(e, param, average, to);
    clg_tensor_unref(&param);
    clg_tensor_unref(&average);
    for (; i < end; i++) {
      at += clg_flat_padded(e->numel[i]);
      if (to == TO_MODULE) clg_storage_changed(p[i]->storage, "ema");
    }
  }
  clg_set_grad_mode(e->ctx, mode);
  return s;
}

static clg_status move(const clg_ema *e, clg_module *m, direction to) {
  if (!e) return clg_null(m ? m->ctx : NULL, "ema");
  if (!m) return clg_null(e->ctx, "ema");
  if (m->ctx != e->ctx) return clg_fail(e->ctx, CLG_ERR_ARGUMENT, "ema", "the module is of another context");
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  if (!p && clg_last_status(m->ctx) != CLG_OK) return clg_last_status(m->ctx);
  bool fits = n == e->n;
  for (size_t i = 0; fits && i < n; i++) fits = p[i]->numel == e->numel[i];
  return fits ? move_all(e, p, to)
              : clg_fail(m->ctx, CLG_ERR_SHAPE, "ema", "the module's parameters are not those of the averages");
}

clg_ema *clg_ema_create(clg_module *m, double decay) {
  size_t n;
  if (!m) return clg_null_object(NULL, "ema");
  if (clg_module_make(m) != CLG_OK) return NULL;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  if (!n) return clg_fail_object(m->ctx, CLG_ERR_ARGUMENT, "ema", "the module has no parameters");
  if (!(decay >= 0 && decay <= 1)) return clg_fail_object(m->ctx, CLG_ERR_ARGUMENT, "ema", "decay must be in [0, 1]");
  clg_ema *e = calloc(1, sizeof *e);
  if (!e) return clg_fail_object(m->ctx, CLG_ERR_HOST_MEMORY, "ema", "out of host memory");
  *e = (clg_ema){.refs = 1, .ctx = m->ctx, .decay = decay, .n = n, .numel = calloc(n, sizeof *e->numel)};
  clg_context_hold(e->ctx);
  int64_t floats = 0;
  for (size_t i = 0; e->numel && i < n; i++) floats += (int64_t)clg_flat_padded(e->numel[i] = p[i]->numel);
  e->average = e->numel ? clg_tensor_new(e->ctx, 1, &floats, CLG_ROLE_OPTIMIZER, "ema") : NULL;
  if (!e->numel) clg_fail(e->ctx, CLG_ERR_HOST_MEMORY, "ema", "out of host memory");
  if (!e->average || clg_fill_(e->average, 0) != CLG_OK || move_all(e, p, FROM_MODULE) != CLG_OK) clg_ema_unref(&e);
  return e;
}

clg_ema *clg_ema_ref(clg_ema *e) {
  if (e) e->refs++;
  return e;
}

void clg_ema_unref(clg_ema **p) {
  if (!p || !*p) return;
  clg_ema *e = *p;
  *p = NULL;
  if (--e->refs) return;
  clg_context *ctx = e->ctx;
  clg_tensor_unref(&e->average);
  free(e->numel);
  free(e);
  clg_context_release(ctx);
}

clg_status clg_ema_update(clg_ema *e, clg_module *m) {
  if (!e) return move(e, m, AVERAGE);
  const clg_work before = clg_work_begin(e->ctx, CLG_BY_OPTIMIZER, "ema");
  clg_status s = move(e, m, AVERAGE);
  clg_work_end(e->ctx, before);
  return s;
}
clg_status clg_ema_copy_to(const clg_ema *e, clg_module *m) { return move(e, m, TO_MODULE); }
clg_status clg_ema_copy_from(clg_ema *e, clg_module *m) { return move(e, m, FROM_MODULE); }
