/* How workspaces are cut where a driver decides, for contexts on a device and for plans of one. Private to the device
 * room. */
#ifndef CLG_DEVICE_PLAN_H
#define CLG_DEVICE_PLAN_H

#include "device/gemm.h"
#include "device/queue.h"

/* Asks CLBlast how it cuts products on the context's device: arithmetic only, no kernel is built. false: its answers
 * follow no formula that we know. */
bool clg_gemm_probe(clg_context *ctx, clg_gemm_profile *out);
/* Gives CLBlast's programs back when the last context that used it goes. */
void clg_gemm_close(clg_queue *q);

/* A device's profile file: what clg_plan_options.profile reads. */
typedef struct clg_profile {
  char name[128];
  clg_device_shape shape;
  uint64_t max_alloc_bytes;
  bool no_clblast; /* gemm says nothing */
  clg_gemm_profile gemm;
} clg_profile;
clg_status clg_profile_read(const char *path, clg_profile *out, clg_error *error);

/* context.c: the parts that every kind of context has. */
clg_context *clg_context_new(uint64_t seed, uint64_t memory_limit);
void clg_context_destroy(clg_context *ctx);
void clg_context_report(const clg_error *error, char *message, size_t size);

#endif
