/* Files that tell plans of a device that is not here: what clgrad_info --device-file writes. */
#include "context/device_file.h"
#include "base/file.h"
#include "base/output.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEVICE_MAGIC  "clgrad-profile 1"
#define TILE_MOST     1024
#define INDIRECT_MOST (1u << 20)

/* A whole number and nothing else up to a blank; moves on. */
static bool number(const char **at, uint64_t least, uint64_t most, uint64_t *out) {
  while (**at == ' ') ++*at;
  if (!isdigit((unsigned char)**at)) return false;
  uint64_t v = 0;
  for (; isdigit((unsigned char)**at); ++*at) {
    if (v > most) return false;
    v = v * 10 + (uint64_t)(**at - '0');
  }
  *out = v;
  return v >= least && v <= most && (**at == ' ' || !**at);
}

static bool gemm_line(const char *at, clg_gemm_profile *out) {
  uint64_t v[5];
  for (int i = 0; i < 3; i++)
    if (!number(&at, 1, TILE_MOST, &v[i])) return false;
  if (!number(&at, 0, 1, &v[3]) || !number(&at, 1, INDIRECT_MOST, &v[4]) || *at) return false;
  *out = (clg_gemm_profile){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3], (uint32_t)v[4]};
  return true;
}

enum { SEEN_DEVICE = 1, SEEN_SHAPE = 2, SEEN_ALLOC = 4, SEEN_GEMM = 8, SEEN_ALL = 15 };

static int line_of(const char *line, clg_device_file *out) {
  if (!strncmp(line, "device ", 7)) {
    snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof out->name - 1, line + 7);
    return SEEN_DEVICE;
  }
  if (!strcmp(line, "shape cpu") || !strcmp(line, "shape gpu")) {
    out->shape = line[6] == 'c' ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
    return SEEN_SHAPE;
  }
  if (!strcmp(line, "gemm none")) {
    out->products.no_clblast = true;
    return SEEN_GEMM;
  }
  const char *at = line + 9;
  if (!strncmp(line, "max_alloc ", 10))
    return number(&at, 1, UINT64_MAX / 16, &out->max_alloc_bytes) && !*at ? SEEN_ALLOC : 0;
  if (!strncmp(line, "gemm ", 5)) return gemm_line(line + 5, &out->products.gemm) ? SEEN_GEMM : 0;
  return 0;
}

static bool next_line(FILE *f, char *line, size_t size) {
  if (!fgets(line, (int)size, f)) return false;
  size_t n = strcspn(line, "\r\n");
  bool whole = line[n] != 0 || feof(f);
  line[n] = 0;
  return whole;
}

clg_status clg_device_file_read(const char *path, clg_device_file *out, clg_error *error) {
  *out = (clg_device_file){.shape = CLG_SHAPE_AUTO};
  errno = 0;
  FILE *f = clg_fopen_regular(path);
  if (!f && errno == ENOMEM) return clg_error_set(error, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  if (!f) return clg_error_set(error, CLG_ERR_IO, NULL, "cannot read the device file %.200s", path);
  char line[256];
  int seen = 0, number_of = 1;
  bool ok = next_line(f, line, sizeof line) && !strcmp(line, DEVICE_MAGIC);
  while (ok && seen != SEEN_ALL) {
    number_of++;
    int this = next_line(f, line, sizeof line) ? line_of(line, out) : 0;
    ok = this && !(seen & this);
    seen |= this;
  }
  fclose(f);
  if (ok) return CLG_OK;
  return clg_error_set(error, CLG_ERR_IO, NULL, "%.200s is no device file of clgrad_info: line %d", path, number_of);
}

clg_status clg_device_save(clg_context *ctx, const char *path) {
  static const char op[] = "device_save";
  if (!ctx || !path) return CLG_ERR_ARGUMENT;
  clg_product_model products;
  if (!ctx->queue) return clg_fail(ctx, CLG_ERR_STATE, op, "a plan has no device to describe");
  if (!clg_product_model_of(ctx, &products))
    return clg_fail(ctx, CLG_ERR_DEVICE, op, "CLBlast's workspaces on this device follow no known formula");
  const clg_gemm_profile *g = &products.gemm;
  clg_str text = {0};
  clg_str_addf(&text, "%s\ndevice %s\nshape %s\nmax_alloc %llu\n", DEVICE_MAGIC, ctx->info.name,
               ctx->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", (unsigned long long)ctx->info.max_alloc_bytes);
  if (products.no_clblast)
    clg_str_add(&text, "gemm none\n");
  else
    clg_str_addf(&text, "gemm %u %u %u %u %u\n", g->mwg, g->nwg, g->kwg, g->kernel_id, g->min_indirect);
  clg_status s = clg_output_all(ctx, op, path, &text);
  clg_str_free(&text);
  return s;
}
