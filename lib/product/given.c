/* CLBlast holds parameters for a device in one place a process, can be given new ones, and does not give back its own.
 * So a list mirrors what it has been given; it lives as long as CLBlast does. Contexts whose tables rely on a device's
 * parameters are counted: none of them may lose its own to another. */
#include "product/given.h"
#include "device/queue.h"
#include <stdatomic.h>
#include <stdlib.h>

#include <clblast_c.h>

typedef struct given {
  cl_device_id device;
  clg_gemm_params params;
  unsigned contexts;
  struct given *next;
} given;

static given *list;
static atomic_flag busy = ATOMIC_FLAG_INIT; /* held for some microseconds, at loads of tables only */
static atomic_uint generation;

static void lock(void) {
  while (atomic_flag_test_and_set(&busy)) {
  }
}
static void unlock(void) { atomic_flag_clear(&busy); }

uint32_t clg_gemm_generation(void) { return atomic_load(&generation); }

/* Whether the context's products may go to CLBlast. */
static bool concerns(const clg_context *ctx) { return ctx->queue && ctx->shape == CLG_SHAPE_GPU; }

/* NULL: out of memory. */
static given *of_device(cl_device_id device) {
  given *g = list;
  while (g && g->device != device) g = g->next;
  if (g) return g;
  g = calloc(1, sizeof *g);
  if (!g) return NULL;
  g->device = device;
  g->next = list;
  return list = g;
}

static CLBlastStatusCode override(cl_device_id device, int k, const uint32_t *values) {
  const char *name[CLG_CLBLAST_PARAMETERS];
  size_t value[CLG_CLBLAST_PARAMETERS], n = 0;
  for (; n < CLG_CLBLAST_PARAMETERS && *clg_clblast_parameter_name((clg_clblast_kernel)k, (int)n); n++) {
    name[n] = clg_clblast_parameter_name((clg_clblast_kernel)k, (int)n);
    value[n] = values[n];
  }
  return CLBlastOverrideParameters(device, clg_clblast_kernel_name((clg_clblast_kernel)k), CLBlastPrecisionSingle, n,
                                   name, value);
}

static clg_status refuse(clg_context *ctx, const given *g, const clg_gemm_params *p, unsigned others, const char *op) {
  for (int k = 0; k < CLG_CLBLAST_KERNELS; k++) {
    if (g->params.has[k] && !p->has[k])
      return clg_fail(ctx, CLG_ERR_STATE, op,
                      "CLBlast has been given parameters for %s on this device, and has its own again only in another "
                      "process",
                      clg_clblast_kernel_name((clg_clblast_kernel)k));
    if (others && !clg_gemm_params_same(&g->params, p, k))
      return clg_fail(ctx, CLG_ERR_STATE, op,
                      "another context of this device has a table with other parameters for CLBlast's %s: there is one "
                      "set a process",
                      clg_clblast_kernel_name((clg_clblast_kernel)k));
  }
  return CLG_OK;
}

static clg_status give(clg_context *ctx, given *g, const clg_gemm_params *p, const char *op) {
  for (int k = 0; k < CLG_CLBLAST_KERNELS; k++) {
    if (clg_gemm_params_same(&g->params, p, k)) continue;
    CLBlastStatusCode code = override(g->device, k, p->value[k]);
    if (code != CLBlastSuccess)
      return clg_fail(ctx, CLG_ERR_DEVICE, op, "CLBlast refuses the parameters for %s (%d): it may be another version",
                      clg_clblast_kernel_name((clg_clblast_kernel)k), (int)code);
    g->params.has[k] = true;
    for (int i = 0; i < CLG_CLBLAST_PARAMETERS; i++) g->params.value[k][i] = p->value[k][i];
    atomic_fetch_add(&generation, 1);
  }
  return CLG_OK;
}

static clg_status no_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

clg_status clg_gemm_join(clg_context *ctx, clg_gemm_params *out, const char *op) {
  *out = (clg_gemm_params){0};
  if (!concerns(ctx)) return CLG_OK;
  lock();
  given *g = of_device(ctx->queue->device);
  if (g) *out = g->params, g->contexts++;
  unlock();
  return g ? CLG_OK : no_memory(ctx, op);
}

clg_status clg_gemm_give(clg_context *ctx, const clg_gemm_params *p, bool joins, const char *op) {
  if (!concerns(ctx)) return CLG_OK;
  lock();
  given *g = of_device(ctx->queue->device);
  clg_status s = g ? refuse(ctx, g, p, g->contexts - !joins, op) : no_memory(ctx, op);
  if (s == CLG_OK) s = give(ctx, g, p, op);
  if (s == CLG_OK) g->contexts += joins;
  unlock();
  return s;
}

void clg_gemm_leave(clg_context *ctx) {
  if (!concerns(ctx)) return;
  lock();
  given *g = of_device(ctx->queue->device);
  if (g && g->contexts) g->contexts--;
  unlock();
}
