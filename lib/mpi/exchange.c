/* What groups exchange beside sums: modules, and bytes of each rank. */
#include "group.h"
#include <stdlib.h>
#include <string.h>

static const char out_of_memory[] = "out of host memory";

static clg_status broadcast_tensor(clg_group *g, clg_tensor *t) {
  static const char op[] = "group_broadcast";
  size_t n = (size_t)clg_tensor_numel(t);
  MPI_Request request = MPI_REQUEST_NULL;
  if (!n) return CLG_OK;
  float *host = malloc(n * sizeof *host);
  if (!host) return clg_raise(g->ctx, CLG_ERR_HOST_MEMORY, op, out_of_memory);
  clg_status status = g->rank ? CLG_OK : clg_tensor_read(t, host);
  if (status == CLG_OK)
    status = clg_group_check(g, MPI_Ibcast(host, (int)n, MPI_FLOAT, 0, g->comm, &request), "MPI_Ibcast");
  if (status == CLG_OK) status = clg_group_wait(g, &request, 1, "MPI_Ibcast");
  if (g->status != CLG_OK) return clg_group_raise(g, op); /* MPI may still use `host` */
  if (!g->rank) g->count.other_bytes += n * sizeof *host * (size_t)(g->size - 1);
  if (status == CLG_OK && g->rank) status = clg_tensor_write(t, host);
  free(host);
  return status;
}

clg_status clg_group_broadcast(clg_group *g, clg_module *m) {
  size_t n;
  if (!g) return CLG_ERR_ARGUMENT;
  clg_tensor *const *params = clg_module_parameters(m, &n);
  if (!m) return clg_raise(g->ctx, CLG_ERR_ARGUMENT, "group_broadcast", "it was given NULL");
  if (!params && clg_last_status(g->ctx) != CLG_OK) return clg_last_status(g->ctx);
  if (g->status != CLG_OK) return clg_group_raise(g, "group_broadcast");
  if (g->comm == MPI_COMM_NULL) return CLG_OK;
  bool mode = clg_set_grad_mode(g->ctx, false);
  clg_status status = CLG_OK;
  for (size_t i = 0; status == CLG_OK && i < n; i++) status = broadcast_tensor(g, params[i]);
  clg_tensor *buffer;
  for (size_t i = 0; status == CLG_OK && (buffer = clg_module_buffer(m, i, NULL, 0)); i++)
    status = broadcast_tensor(g, buffer);
  clg_set_grad_mode(g->ctx, mode);
  return status;
}

clg_status clg_group_gather(clg_group *g, const void *mine, size_t bytes, void *all) {
  static const char op[] = "group_gather";
  MPI_Request request = MPI_REQUEST_NULL;
  if (!g) return CLG_ERR_ARGUMENT;
  if (bytes && (!mine || !all)) return clg_raise(g->ctx, CLG_ERR_ARGUMENT, op, "it was given NULL");
  if (g->status != CLG_OK) return clg_group_raise(g, op);
  if (bytes > INT32_MAX) return clg_raise(g->ctx, CLG_ERR_ARGUMENT, op, "more than 2^31 - 1 bytes of each rank");
  if (g->comm == MPI_COMM_NULL) {
    for (int r = 0; bytes && r < g->size; r++) memcpy((char *)all + (size_t)r * bytes, mine, bytes);
    return CLG_OK;
  }
  int n = (int)bytes;
  clg_status status =
      clg_group_check(g, MPI_Iallgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, g->comm, &request), "MPI_Iallgather");
  if (status == CLG_OK) status = clg_group_wait(g, &request, 1, "MPI_Iallgather");
  if (status == CLG_OK) g->count.other_bytes += bytes * (size_t)(g->size - 1);
  return status == CLG_OK ? CLG_OK : clg_group_raise(g, op);
}

static clg_status gather_floats(clg_group *g, const clg_tensor *mine, clg_tensor *all) {
  const size_t n = (size_t)clg_tensor_numel(mine);
  float *host = malloc((n + 1) * ((size_t)g->size + 1) * sizeof *host), *of_all = host + n;
  if (!host) return clg_raise(g->ctx, CLG_ERR_HOST_MEMORY, "group_gather", out_of_memory);
  clg_status status = clg_tensor_read(mine, host);
  if (status == CLG_OK) status = clg_group_gather(g, host, n * sizeof *host, of_all);
  if (status == CLG_OK) status = clg_tensor_write(all, of_all);
  if (g->status == CLG_OK) free(host); /* else MPI may still use it */
  return status;
}

clg_tensor *clg_group_gather_tensor(clg_group *g, clg_tensor *mine) {
  if (!g) return NULL;
  if (!mine) {
    clg_raise(g->ctx, CLG_ERR_ARGUMENT, "group_gather_tensor", "it was given NULL");
    return NULL;
  }
  const int64_t n = clg_tensor_numel(mine) * g->size;
  bool mode = clg_set_grad_mode(g->ctx, false);
  clg_scope *scope = clg_scope_open(g->ctx);
  clg_tensor *all = clg_empty(g->ctx, 1, &n);
  if (all && n && !clg_context_is_plan(g->ctx) && gather_floats(g, mine, all) != CLG_OK) all = NULL;
  all = clg_scope_close_with(scope, all);
  clg_set_grad_mode(g->ctx, mode);
  return all;
}
