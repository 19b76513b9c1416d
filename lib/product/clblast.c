/* CLBlast's products with their workspace from our pool. Owns the process's count of contexts that use CLBlast: its
 * program cache is process-wide, and is cleared when the last of them goes. */
#include "product/clblast.h"
#include "device/profile.h"
#include "device/program.h"
#include "device/queue.h"
#include "product/given.h"
#include "product/workspace.h"
#include <limits.h>
#include <stdatomic.h>

#include <clblast_c.h>

static atomic_int clblast_users;

static void use_clblast(clg_product_state *s) {
  if (s->uses_clblast) return;
  s->uses_clblast = true;
  atomic_fetch_add(&clblast_users, 1);
}

void clg_gemm_close(clg_context *ctx) {
  clg_product_state *s = clg_product_state_of(ctx);
  if (s->uses_clblast && atomic_fetch_sub(&clblast_users, 1) == 1) CLBlastClearCache();
  s->uses_clblast = false;
}

/* The most that CLBlast's database asks of a work-group on devices that it knows by their vendor alone: work-items,
 * those of one dimension, local memory. Its choice for this device cannot be asked for in C. And the bytes of arguments
 * that OpenCL promises, of which its kernels take a part. */
enum { GROUP_ITEMS = 256, GROUP_SIDE = 32, GROUP_BYTES = 32 << 10, ARGUMENT_BYTES = 1 << 10 };

/* What CLBlast asks a device, and gets no answer to without printing. */
static bool answers(cl_device_id device) {
  static const cl_device_info asks[] = {
      CL_DEVICE_PLATFORM,
      CL_DEVICE_TYPE,
      CL_DEVICE_NAME,
      CL_DEVICE_VENDOR,
      CL_DEVICE_VERSION,
      CL_DEVICE_EXTENSIONS,
      CL_DEVICE_LOCAL_MEM_SIZE,
      CL_DEVICE_MAX_CLOCK_FREQUENCY,
      CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS,
      CL_DEVICE_MAX_WORK_ITEM_SIZES,
      CL_DEVICE_MAX_WORK_GROUP_SIZE,
      CL_DEVICE_MAX_COMPUTE_UNITS,
  };
  size_t size;
  for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
    if (clGetDeviceInfo(device, asks[i], 0, NULL, &size) != CL_SUCCESS) return false;
  return true;
}

bool clg_gemm_fits(const clg_context *ctx) {
  size_t most[16] = {0};
  const clg_device_info *d = &ctx->info;
  const size_t arguments = ctx->queue->argument_bytes;
  return answers(ctx->queue->device) &&
         clGetDeviceInfo(ctx->queue->device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof most, most, NULL) == CL_SUCCESS &&
         most[0] >= GROUP_SIDE && most[1] >= GROUP_SIDE && d->max_work_group >= GROUP_ITEMS &&
         d->local_bytes >= GROUP_BYTES && (!arguments || arguments >= ARGUMENT_BYTES);
}

/* A kernel may have less than the device's largest work-group. CLBlast's cannot be asked, so the lightest of ours is.
 */
static bool kernels_fit(clg_context *ctx) {
  const clg_kernel *k = clg_kernel_get(ctx, "matmul.cl", NULL, "product_row");
  return k && (!k->max_group || k->max_group >= GROUP_ITEMS);
}

/* What no smaller product and no free memory would change. */
static bool cannot_run(CLBlastStatusCode code) {
  return code == CLBlastInvalidLocalNumDimensions || code == CLBlastInvalidLocalThreadsTotal ||
         code == CLBlastInvalidLocalThreadsDim || code == CLBlastInvalidLocalMemUsage ||
         code == CLBlastOpenCLBuildProgramFailure;
}

static clg_status give_up(clg_context *ctx, CLBlastStatusCode code) {
  clg_log_line(ctx, "CLBlast's kernels do not run on this device (%d): products take ours from now on", (int)code);
  clg_product_state_of(ctx)->no_clblast = true;
  return CLG_ERR_STATE;
}

/* A call in CLBlast's terms. Row-major C = A B is column-major C' = B' A' on the same memory; which of the two needs
 * fewer copies depends on the layouts that the kernel wants. */
typedef struct side {
  const clg_block *block;
  CLBlastTranspose transpose;
  size_t offset, ld;
} side;
typedef struct form {
  CLBlastLayout layout;
  size_t m, n;
  side a, b;
} form;

static CLBlastTranspose transposed(bool t) { return t ? CLBlastTransposeYes : CLBlastTransposeNo; }

static form form_of(const clg_product *c, bool columns) {
  side a = {c->a, transposed(c->ta), c->a_offset, c->a_ld}, b = {c->b, transposed(c->tb), c->b_offset, c->b_ld};
  if (columns) return (form){CLBlastLayoutColMajor, c->n, c->m, b, a};
  return (form){CLBlastLayoutRowMajor, c->m, c->n, a, b};
}

/* Bytes, as CLBlast says. */
static size_t ask(clg_queue *q, const clg_product *c, bool columns) {
  form f = form_of(c, columns);
  size_t bytes = 0;
  CLBlastStatusCode code =
      CLBlastSGemmTempBufferSize(f.layout, f.a.transpose, f.b.transpose, f.m, f.n, c->k, f.a.offset, f.a.ld, f.b.offset,
                                 f.b.ld, c->c_offset, c->c_ld, &q->queue, &bytes);
  return code == CLBlastSuccess ? bytes : SIZE_MAX;
}

void clg_gemm_refresh(clg_context *ctx) {
  clg_product_state *s = clg_product_state_of(ctx);
  if (!ctx->queue || ctx->shape != CLG_SHAPE_GPU || s->no_clblast) return;
  if (!s->groups_asked) {
    s->groups_asked = true;
    s->no_clblast = !kernels_fit(ctx);
    if (s->no_clblast) return;
  }
  if (s->generation != clg_gemm_generation()) s->gemm_known = clg_gemm_probe(ctx, &s->gemm);
}

static clg_gemm_cut cut(clg_context *ctx, const clg_product *c) {
  const clg_product_state *s = clg_product_state_of(ctx);
  clg_gemm_refresh(ctx);
  if (s->gemm_known) return clg_gemm_cut_best(&s->gemm, c);
  clg_gemm_cut asked = {.kernels = 1};
  if (ctx->queue) asked.bytes = ask(ctx->queue, c, false);
  if (asked.bytes == SIZE_MAX) asked.bytes = 0;
  return asked;
}

/* The steps from `done` on of a call: a panel of k, added to what is there, so that rounding does not grow with k. */
static clg_product panel_of(const clg_product *c, uint32_t done) {
  clg_product p = *c;
  p.k = c->k - done < CLG_GEMM_PANEL ? c->k - done : CLG_GEMM_PANEL;
  p.a_offset += (size_t)done * (c->ta ? c->a_ld : 1);
  p.b_offset += (size_t)done * (c->tb ? 1 : c->b_ld);
  if (done) p.accumulate = true;
  return p;
}

size_t clg_gemm_workspace(clg_context *ctx, const clg_product *c) {
  size_t most = 0;
  for (uint32_t done = 0; done < c->k; done += CLG_GEMM_PANEL) {
    clg_product p = panel_of(c, done);
    size_t bytes = cut(ctx, &p).bytes;
    if (bytes > most) most = bytes;
  }
  return most;
}

static CLBlastStatusCode run(clg_queue *q, const clg_product *c, bool columns, const clg_block *work, cl_event *event) {
  form f = form_of(c, columns);
  const float beta = c->accumulate ? 1.0f : 0.0f;
  return CLBlastSgemmWithTempBuffer(f.layout, f.a.transpose, f.b.transpose, f.m, f.n, c->k, 1.0f,
                                    clg_block_mem(f.a.block), f.a.offset, f.a.ld, clg_block_mem(f.b.block), f.b.offset,
                                    f.b.ld, beta, clg_block_mem(c->c), c->c_offset, c->c_ld, &q->queue, event,
                                    work ? clg_block_mem(work) : NULL);
}

static clg_status check(clg_context *ctx, const clg_product *c, const char *op) {
  clg_status s = clg_queue_usable(ctx, op);
  if (s != CLG_OK) return s;
  if (c->a_offset > INT_MAX || c->b_offset > INT_MAX || c->c_offset > INT_MAX || c->m > INT_MAX || c->n > INT_MAX ||
      c->k > INT_MAX)
    return clg_fail(ctx, CLG_ERR_SHAPE, op, "a matrix reaches beyond 2^31 elements, more than CLBlast can address");
  return CLG_OK;
}

/* CLBlast refuses a workspace that is too small, before it queues anything: then its own figure is taken. */
static CLBlastStatusCode run_with(clg_context *ctx, const clg_product *c, clg_gemm_cut want, clg_block **work,
                                  const char *op, cl_event *event) {
  CLBlastStatusCode code = run(ctx->queue, c, want.columns, *work, event);
  if (code == CLBlastInsufficientMemoryTemp) {
    clg_block_unref(*work);
    *work = clg_block_alloc(ctx, ask(ctx->queue, c, want.columns), CLG_ROLE_WORKSPACE, op);
    if (*work) code = run(ctx->queue, c, want.columns, *work, event);
  }
  if (code != CLBlastSuccess && clg_pool_retry(ctx, (cl_int)code, op))
    code = run(ctx->queue, c, want.columns, *work, event);
  return code;
}

/* Its last kernel has the event: a marker in front of the first says when they began. */
static CLBlastStatusCode run_timed(clg_context *ctx, const clg_product *c, clg_gemm_cut want, clg_block **work,
                                   const char *op) {
  clg_launched l = {"CLBlast", "Sgemm", want.kernels, clg_profile_launch(ctx), clg_profile_mark(ctx), NULL};
  CLBlastStatusCode code = run_with(ctx, c, want, work, op, l.from ? &l.event : NULL);
  if (code == CLBlastSuccess && l.event)
    clg_profile_add(ctx, &l);
  else if (l.from)
    clReleaseEvent(l.from);
  return code;
}

static clg_status run_panel(clg_context *ctx, const clg_product *c, const char *op) {
  clg_status s = check(ctx, c, op);
  if (s != CLG_OK) return s;
  clg_product_state *state = clg_product_state_of(ctx);
  clg_gemm_cut want = cut(ctx, c);
  if (state->no_clblast) return CLG_ERR_STATE;
  clg_block *work = NULL;
  if (want.bytes) {
    work = clg_block_alloc(ctx, want.bytes, CLG_ROLE_WORKSPACE, op);
    if (!work) return ctx->error.latest;
  }
  CLBlastStatusCode code = CLBlastSuccess;
  bool first = !state->clblast_counted;
  state->clblast_counted = true;
  if (ctx->queue) {
    use_clblast(state);
    if (first) clg_program_compiles(ctx, "CLBlast");
    code = run_timed(ctx, c, want, &work, op);
    if (first) clg_program_compiles(ctx, NULL);
    if (code == CLBlastSuccess) clg_queue_sent(ctx->queue);
  }
  ctx->counters.programs += first;
  clg_block_unref(work);
  if (ctx->lost) return CLG_ERR_LOST;
  if (cannot_run(code)) return give_up(ctx, code);
  if (code != CLBlastSuccess) return clg_work_fail(ctx, op, "CLBlastSgemm", (cl_int)code);
  clg_count_launches(ctx, want.kernels);
  return CLG_OK;
}

clg_status clg_gemm_clblast(clg_context *ctx, const clg_product *c, const char *op) {
  clg_status s = CLG_OK;
  if (!c->m || !c->n) return s;
  for (uint32_t done = 0; s == CLG_OK && done < c->k; done += CLG_GEMM_PANEL) {
    clg_product p = panel_of(c, done);
    s = run_panel(ctx, &p, op);
    if (done && s == CLG_ERR_STATE)
      s = clg_fail(ctx, CLG_ERR_DEVICE, op, "CLBlast's kernel for the end of a long sum does not run: call it again");
  }
  return s;
}

/* ---- the profile, by asking about well-chosen sizes ---- */

/* Every operand starts off its buffer's beginning, so that none is used in place. */
static size_t ask_cut(clg_queue *q, size_t m, size_t n, size_t k) {
  size_t bytes = 0;
  CLBlastStatusCode code = CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m,
                                                      n, k, 1, k, 1, n, 1, n, &q->queue, &bytes);
  return code == CLBlastSuccess ? bytes : 0;
}

/* LARGE keeps a product of height 1 above the smallest indirect size. */
enum { LARGE = 1 << 23, TILE_MOST = 1024, INDIRECT_MOST = 1 << 15 };

/* The tile along one dimension is the largest size that needs no more than size 1. */
static uint32_t ask_tile(clg_queue *q, int dimension) {
  size_t size[3] = {LARGE, LARGE, LARGE};
  size[dimension] = 1;
  size_t least = ask_cut(q, size[0], size[1], size[2]);
  uint32_t low = 1, high = TILE_MOST + 1;
  while (low + 1 < high) {
    uint32_t middle = (low + high) / 2;
    size[dimension] = middle;
    if (ask_cut(q, size[0], size[1], size[2]) > least)
      high = middle;
    else
      low = middle;
  }
  return low;
}

static uint32_t ask_min_indirect(clg_queue *q) {
  uint32_t low = 0, high = INDIRECT_MOST;
  while (low + 1 < high) {
    uint32_t middle = (low + high) / 2;
    if (ask_cut(q, middle, middle, middle))
      high = middle;
    else
      low = middle;
  }
  return high;
}

/* Some dozens of calls of all kinds, from a fixed sequence. */
static bool verify(clg_queue *q, const clg_gemm_profile *p) {
  uint32_t x = 12345;
  uint32_t r[12];
  for (int i = 0; i < 64; i++) {
    for (int j = 0; j < 12; j++) x = x * 1664525u + 1013904223u, r[j] = x >> 16;
    uint32_t unit = i % 2 || p->mwg * p->nwg * p->kwg > 1u << 20 ? 1 : 64;
    clg_product c = {.ta = r[0] & 1,
                     .tb = r[1] & 1,
                     .m = unit * (1 + r[2] % 40),
                     .n = unit * (1 + r[3] % 40),
                     .k = unit * (1 + r[4] % 40)};
    if (r[5] % 4 == 0) c.a_offset = r[6];
    if (r[7] % 4 == 0) c.b_offset = r[8];
    if (i % 3 == 0) c.m += p->min_indirect, c.n += p->min_indirect, c.k += p->min_indirect;
    c.a_ld = c.ta ? c.m : c.k;
    c.b_ld = c.tb ? c.k : c.n;
    c.c_ld = c.n;
    if (r[9] % 4 == 0) c.a_ld += 3;
    if (r[10] % 4 == 0) c.b_ld += 5;
    if (r[11] % 4 == 0) c.c_ld += 7;
    for (int columns = 0; columns < 2; columns++)
      if (clg_gemm_cut_of(p, &c, columns).bytes != ask(q, &c, columns)) return false;
  }
  return true;
}

bool clg_gemm_probe(clg_context *ctx, clg_gemm_profile *out) {
  clg_queue *q = ctx->queue;
  clg_product_state_of(ctx)->generation = clg_gemm_generation();
  clg_gemm_profile p = {ask_tile(q, 0), ask_tile(q, 1), ask_tile(q, 2), 0, ask_min_indirect(q)};
  for (p.kernel_id = 0; p.kernel_id < 2; p.kernel_id++)
    if (verify(q, &p)) {
      *out = p;
      return true;
    }
  clg_log_line(ctx, "CLBlast's workspaces follow no known formula: it is asked at every product");
  return false;
}
