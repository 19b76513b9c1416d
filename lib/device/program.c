/* Programs built from the embedded sources, through the disk cache, and their kernels. Owns all of them. */
#include "device/program.h"
#include "base/str.h"
#include "device/devices.h"
#include "device/shared.h"
#include "kernel/constants.h"
#include "kernel/sources.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 64
/* -w: PoCL writes to stderr how many warnings there are, and CPUs with narrower vectors than float16 have some. */
#define BUILD_OPTIONS "-cl-std=CL1.2 -w"
static const char *build_options(const clg_context *ctx) {
  return ctx->queue->rounds ? BUILD_OPTIONS " -cl-fp32-correctly-rounded-divide-sqrt" : BUILD_OPTIONS;
}
/* Clang's opencl-c.h, which PoCL reads before each program, keeps to this guard: declared.clh stands for it. */
#define WITHOUT_HEADER " -D_OPENCL_H_ -DCLG_DECLARES"

typedef struct program {
  struct program *next; /* in its bucket */
  unsigned long long hash;
  const char *file;
  char *prelude;        /* of a file, or the text that a written one has behind it */
  char *label;          /* of a written one; NULL: it is a file's */
  char *only, *problem; /* only: the one kernel in it, "" for all; problem: why it does not build */
  size_t group;         /* its WG */
  cl_program program;
  bool unsaved; /* built from source: not in the disk cache yet */
  clg_kernel *kernels;
} program;

struct clg_programs {
  program *bucket[BUCKETS];
  clg_shared *shared;
  bool need_header; /* one did not build without it */
};

clg_programs *clg_programs_create(void) {
  clg_programs *all = calloc(1, sizeof *all);
  if (all && (all->shared = clg_shared_create())) return all;
  free(all);
  return NULL;
}

bool clg_programs_need_header(const clg_programs *all) { return all->need_header; }

void clg_programs_share(clg_programs *all, const clg_programs *from) {
  clg_shared_unref(all->shared);
  all->shared = clg_shared_ref(from->shared);
}

static void kernel_free(clg_kernel *k) {
  if (!k) return;
  if (k->kernel) clReleaseKernel(k->kernel);
  free(k->name);
  free(k);
}

static void program_free(program *p) {
  if (!p) return;
  for (clg_kernel *k = p->kernels, *next; k; k = next) next = k->next, kernel_free(k);
  if (p->program) clReleaseProgram(p->program);
  free(p->prelude);
  free(p->label);
  free(p->only);
  free(p->problem);
  free(p);
}

void clg_programs_destroy(clg_programs *all) {
  if (!all) return;
  for (int i = 0; i < BUCKETS; i++)
    for (program *p = all->bucket[i], *next; p; p = next) next = p->next, program_free(p);
  clg_shared_unref(all->shared);
  free(all);
}

unsigned clg_vector_width(const clg_context *ctx) { return ctx->shape == CLG_SHAPE_CPU ? LANES : 1; }

/* Of a width between, the next one below: a vector then is at most a register. */
unsigned clg_register_lanes(const clg_context *ctx) {
  uint32_t width = ctx->info.native_float_width;
  if (width >= 16) return 16;
  return width >= 8 ? 8 : 4;
}

/* Powers of two, as tree reductions want, but for 2: PoCL's compiler ends the process, or loses variables, at groups of
 * two that have barriers. */
static size_t smaller_group(size_t wg) { return wg > 4 ? wg / 2 : 1; }

size_t clg_wg(const clg_context *ctx) {
  size_t wg = ctx->shape == CLG_SHAPE_CPU ? 1 : 64;
  while (wg > 1 && ctx->info.max_work_group && wg > ctx->info.max_work_group) wg = smaller_group(wg);
  return wg;
}

/* ---- building ---- */

/* A user's source comes whole as the prelude of this. */
static const clg_source user_source = {.name = "program", .text = ""};

static const clg_source *find_source(const char *name) {
  return strcmp(name, user_source.name) ? clg_source_find(name) : &user_source;
}

static const char *label_of(const program *p) { return p->label ? p->label : p->file; }

static clg_part part(const char *text) { return (clg_part){text, strlen(text)}; }

/* Each line of the log goes to the callback, the first that names an error (else the first) into the problem. */
static char *log_build(clg_context *ctx, cl_program p, const char *file, cl_int code) {
  size_t size = 0;
  clGetProgramBuildInfo(p, ctx->queue->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
  char *log = calloc(1, size + 1);
  if (log && size) clGetProgramBuildInfo(p, ctx->queue->device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
  char first[300] = "", *rest = NULL;
  bool named = false;
  for (char *line = log ? strtok_r(log, "\r\n", &rest) : NULL; line; line = strtok_r(NULL, "\r\n", &rest)) {
    clg_log_line(ctx, "%s", line);
    bool error = strstr(line, "error") != NULL;
    if (!*first || (error && !named)) snprintf(first, sizeof first, "%s", line);
    named = named || error;
  }
  free(log);
  clg_str text = {0};
  clg_str_addf(&text, "%s does not build: %s", file, *first ? first : clg_cl_name(code));
  return text.data;
}

/* Everything that decides what the compiler makes: device and driver, options, source. Returns how many parts are key
 * only; the source follows them. */
enum { KEY_PARTS = 1, SOURCE_PARTS = 6, ALL_PARTS = KEY_PARTS + SOURCE_PARTS };

static void platform_version(clg_context *ctx, char *to, size_t size) {
  cl_platform_id p = NULL;
  to[0] = 0;
  if (clGetDeviceInfo(ctx->queue->device, CL_DEVICE_PLATFORM, sizeof p, &p, NULL) != CL_SUCCESS ||
      clGetPlatformInfo(p, CL_PLATFORM_VERSION, size, to, NULL) != CL_SUCCESS)
    to[0] = 0;
}

/* Without the header where that may be and does. */
static cl_int compile(clg_context *ctx, cl_program p, const char *file) {
  const char *options = build_options(ctx);
  clg_programs *all = ctx->programs;
  const bool tries = clg_compiles_late(ctx) && !all->need_header && strcmp(file, user_source.name);
  if (tries) {
    char without[200];
    snprintf(without, sizeof without, "%s" WITHOUT_HEADER, options);
    const cl_int code = clBuildProgram(p, 1, &ctx->queue->device, without, NULL, NULL);
    if (code != CL_BUILD_PROGRAM_FAILURE) return code;
  }
  const cl_int code = clBuildProgram(p, 1, &ctx->queue->device, options, NULL, NULL);
  all->need_header = all->need_header || (tries && code == CL_SUCCESS);
  return code;
}

/* NULL with a problem where the source is at fault: it stays so. Else the error is raised, and another try may do. */
static cl_program build(clg_context *ctx, const clg_part *parts, const char *file, char **problem) {
  const char *texts[SOURCE_PARTS];
  size_t sizes[SOURCE_PARTS];
  for (int i = 0; i < SOURCE_PARTS; i++) texts[i] = parts[KEY_PARTS + i].text, sizes[i] = parts[KEY_PARTS + i].size;
  cl_int code;
  cl_program p = clCreateProgramWithSource(ctx->queue->context, SOURCE_PARTS, texts, sizes, &code);
  if (code == CL_SUCCESS) {
    clg_program_compiles(ctx, file);
    code = compile(ctx, p, file);
    clg_program_compiles(ctx, NULL);
    if (code == CL_SUCCESS) {
      ctx->counters.builds++;
      return p;
    }
    if (code == CL_BUILD_PROGRAM_FAILURE) *problem = log_build(ctx, p, file, code);
    clReleaseProgram(p);
  }
  if (!*problem) clg_cl_fail(ctx, file, "its build", code);
  return NULL;
}

static bool mentions(const clg_source *s, const char *mark) {
  size_t n = strlen(mark);
  for (const char *at = s->text, *end = s->text + s->size; (at = memchr(at, *mark, (size_t)(end - at))); at++)
    if ((size_t)(end - at) >= n && !memcmp(at, mark, n)) return true;
  return false;
}

/* A source that is the same in both shapes is one program for both. */
static bool has_shape(const clg_source *s) {
  return s == &user_source || mentions(s, "WG") || mentions(s, "VW") || mentions(s, "CLG_CPU");
}

/* The parts of a program's key, and the texts that they point into. */
typedef struct key {
  clg_part parts[ALL_PARTS];
  char macros[400], line[120];
  clg_str id;
} key;

/* False: out of memory. To be freed by clg_str_free(&k->id) in any case. */
static bool make_key(clg_context *ctx, const program *p, key *k) {
  const clg_source *common = find_source("common.cl"), *source = find_source(p->file);
  char platform[512];
  k->id = (clg_str){0};
  platform_version(ctx, platform, sizeof platform);
  const clg_device_info *d = &ctx->info;
  clg_str_addf(&k->id, "clgrad %s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", CLG_VERSION_STRING, d->platform, platform, d->name,
               d->vendor, d->driver, d->version, build_options(ctx));
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  int used = snprintf(k->macros, sizeof k->macros, "#define CLG_FMA %d\n#define CLG_DIVIDES %d\n", d->fma, d->divides);
  if (!p->label) {
    used += snprintf(k->macros + used, sizeof k->macros - (size_t)used,
                     "#define CLG_WANT(kernel) CLG_WANT_##kernel\n#define CLG_WANT_%.100s 1\n", *p->only ? p->only : "all");
  }
  if (has_shape(source))
    snprintf(k->macros + used, sizeof k->macros - (size_t)used, "#define CLG_CPU %d\n#define WG %u\n#define VW %u\n",
             cpu, (unsigned)p->group, clg_vector_width(ctx));
  used = (int)strlen(k->macros);
  if (cpu && mentions(source, "REGISTER_LANES"))
    snprintf(k->macros + used, sizeof k->macros - (size_t)used, "#define REGISTER_LANES %u\n", clg_register_lanes(ctx));
  const clg_part shared = common ? (clg_part){common->text, common->size} : part("");
  const clg_part parts[ALL_PARTS] = {part(k->id.data ? k->id.data : ""), part(k->macros),  shared,
                                     part("#line 1 \"prelude\"\n"),      part(p->prelude), part("\n"),
                                     {source->text, source->size}};
  memcpy(k->parts, parts, sizeof parts);
  if (!p->label) return !k->id.failed;
  snprintf(k->line, sizeof k->line, "#line 1 \"%.100s\"\n", p->label);
  const clg_part written[] = {{source->text, source->size}, part(k->line), part(p->prelude), part("")};
  memcpy(k->parts + ALL_PARTS - 4, written, sizeof written);
  return !k->id.failed;
}

/* A written one by its label, one of a file by that and the kernel in it. */
static void dump(clg_context *ctx, const program *p, const key *k) {
  char name[200];
  snprintf(name, sizeof name, "%.*s%s%.100s", (int)strcspn(label_of(p), "."), label_of(p), *p->only ? "-" : "",
           p->only);
  clg_program_dump(ctx, name, k->parts + KEY_PARTS, SOURCE_PARTS);
}

static void get_program(clg_context *ctx, program *p) {
  const clg_shared_key shared = {p->file, p->prelude, p->label, p->only, p->group, ctx->shape, ctx->info.fma};
  key k;
  bool whole = make_key(ctx, p, &k);
  dump(ctx, p, &k);
  p->program = clg_shared_find(ctx->programs->shared, &shared);
  bool found = p->program != NULL;
  if (!found && whole) p->program = clg_cache_load(ctx, k.parts, ALL_PARTS, build_options(ctx));
  if (!p->program) {
    p->program = build(ctx, k.parts, label_of(p), &p->problem);
    if (p->program) clg_log_line(ctx, "built %s%s%s from source", label_of(p), *p->only ? ": " : "", p->only);
    p->unsaved = p->program && whole;
  }
  if (p->program && !found) clg_shared_add(ctx->programs->shared, &shared, p->program);
  clg_str_free(&k.id);
}

void clg_programs_save(clg_context *ctx) {
  for (int i = 0; i < BUCKETS; i++)
    for (program *p = ctx->programs->bucket[i]; p; p = p->next) {
      if (!p->unsaved) continue;
      key k;
      if (make_key(ctx, p, &k)) clg_cache_save(ctx, p->program, k.parts, ALL_PARTS);
      clg_str_free(&k.id);
      p->unsaved = false;
    }
}

/* What a program is made of: a source with a prelude before it or, where there is a label, with text behind it. */
typedef struct recipe {
  const clg_source *source;
  const char *text, *label;
} recipe;

static bool same_label(const program *p, const char *label) {
  return label ? p->label && !strcmp(p->label, label) : !p->label;
}

/* Room for one; NULL with the error set. */
static program *make_program(clg_context *ctx, const recipe *r, const char *only) {
  program *p = calloc(1, sizeof *p);
  if (p) {
    p->prelude = strdup(r->text);
    p->only = strdup(only);
    p->label = r->label ? strdup(r->label) : NULL;
  }
  if (p && p->prelude && p->only && (p->label || !r->label)) return p;
  program_free(p);
  return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
}

static program *find_program(clg_context *ctx, const recipe *r, const char *name, size_t group) {
  const char *only = !r->label && r->source->wants ? name : "";
  unsigned long long hash = clg_hash(CLG_HASH_START, r->text, strlen(r->text));
  hash = clg_hash(hash, only, strlen(only));
  program **bucket = &ctx->programs->bucket[hash % BUCKETS];
  for (program *p = *bucket; p; p = p->next)
    if (p->hash == hash && p->file == r->source->name && p->group == group && !strcmp(p->prelude, r->text) &&
        !strcmp(p->only, only) && same_label(p, r->label))
      return p;
  program *p = make_program(ctx, r, only);
  if (!p) return NULL;
  p->hash = hash;
  p->file = r->source->name;
  p->group = group;
  if (ctx->queue) get_program(ctx, p);
  if (ctx->queue && !p->program && !p->problem) {
    program_free(p);
    return NULL;
  }
  ctx->counters.programs += group == clg_wg(ctx) && (!ctx->queue || p->program);
  p->next = *bucket;
  return *bucket = p;
}

/* What the device says of the built kernel; 0 where it says nothing. */
static void ask_limits(clg_context *ctx, clg_kernel *k) {
  cl_ulong local = 0;
  cl_uint args = 0;
  cl_device_id d = ctx->queue->device;
  if (clGetKernelWorkGroupInfo(k->kernel, d, CL_KERNEL_WORK_GROUP_SIZE, sizeof k->max_group, &k->max_group, NULL) !=
      CL_SUCCESS)
    k->max_group = 0;
  if (clGetKernelWorkGroupInfo(k->kernel, d, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local, NULL) == CL_SUCCESS)
    k->local_bytes = local;
  if (clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof args, &args, NULL) == CL_SUCCESS) k->args = (int)args;
}

static clg_kernel *make_kernel(clg_context *ctx, program *p, const char *name) {
  clg_kernel *k = calloc(1, sizeof *k);
  if (k) k->name = strdup(name);
  if (!k || !k->name) {
    kernel_free(k);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  }
  k->file = p->label ? "" : p->file;
  k->group = p->group;
  k->args = -1;
  cl_int code = CL_SUCCESS;
  if (ctx->queue) k->kernel = clCreateKernel(p->program, name, &code);
  if (code == CL_INVALID_KERNEL_NAME || code == CL_INVALID_KERNEL_DEFINITION)
    clg_fail(ctx, CLG_ERR_BUILD, name, "%s has no such kernel: %s (%d)", label_of(p), clg_cl_name(code), (int)code);
  else if (code != CL_SUCCESS)
    clg_cl_fail(ctx, name, "clCreateKernel", code);
  if (code != CL_SUCCESS) {
    kernel_free(k);
    return NULL;
  }
  if (ctx->queue) ask_limits(ctx, k);
  k->next = p->kernels;
  return p->kernels = k;
}

static clg_kernel *get_kernel(clg_context *ctx, const recipe *r, const char *name, size_t group) {
  program *p = find_program(ctx, r, name, group);
  if (!p) return NULL;
  for (clg_kernel *k = p->kernels; k; k = k->next)
    if (!strcmp(k->name, name)) return k;
  if (ctx->queue && !p->program) return clg_fail_object(ctx, CLG_ERR_BUILD, name, "%s", p->problem);
  return make_kernel(ctx, p, name);
}

/* A device may give a kernel smaller work-groups than it has itself: one that they share is built again for them. */
static clg_kernel *find_kernel(clg_context *ctx, const char *file, const char *text, const char *label,
                               const char *name) {
  if (clg_queue_usable(ctx, name) != CLG_OK) return NULL;
  const recipe r = {find_source(file), text, label};
  if (!r.source) return clg_fail_object(ctx, CLG_ERR_BUILD, NULL, "no such kernel file: %s", file);
  size_t group = clg_wg(ctx);
  clg_kernel *k = get_kernel(ctx, &r, name, group);
  while (k && k->max_group && k->max_group < group && r.source != &user_source && mentions(r.source, "WG"))
    k = get_kernel(ctx, &r, name, group = smaller_group(group));
  return k;
}

clg_kernel *clg_kernel_get(clg_context *ctx, const char *file, const char *prelude, const char *name) {
  return find_kernel(ctx, file, prelude ? prelude : "", NULL, name);
}

clg_kernel *clg_kernel_written(clg_context *ctx, const clg_written *w, const char *name) {
  return find_kernel(ctx, w->file, w->text, w->label, name);
}

size_t clg_kernel_group(const clg_context *ctx, const clg_kernel *k) { return k ? k->group : clg_wg(ctx); }

clg_status clg_source_build(clg_context *ctx, const char *source) {
  clg_status s = clg_queue_usable(ctx, user_source.name);
  if (s != CLG_OK) return s;
  const program *p = find_program(ctx, &(recipe){&user_source, source, NULL}, "", clg_wg(ctx));
  if (!p) return clg_last_status(ctx);
  if (!ctx->queue || p->program) return CLG_OK;
  return clg_fail(ctx, CLG_ERR_BUILD, NULL, "%s", p->problem);
}

clg_kernel *clg_kernel_of_source(clg_context *ctx, const char *source, const char *name) {
  return clg_kernel_get(ctx, user_source.name, source, name);
}
