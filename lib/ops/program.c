/* Programs of the user's: kernels from source text, and launching them. */
#include "base/str.h"
#include "graph/graph.h"
#include "tensor/args.h"
#include <clgrad/custom.h>
#include <stdlib.h>
#include <string.h>

struct clg_program {
  uint32_t refs;
  clg_context *ctx;
  char *source; /* after a line that names it */
};

clg_program *clg_program_create(clg_context *ctx, const char *name, const char *source) {
  if (!ctx) return NULL;
  if (!name || !source || strpbrk(name, "\"\\\n"))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "program",
                           "it needs a source, and a name without quotes and line ends");
  clg_str text = {0};
  clg_str_addf(&text, "#line 1 \"%s\"\n", name);
  clg_str_add(&text, source);
  clg_str_add(&text, "\n");
  clg_program *p = text.failed ? NULL : calloc(1, sizeof *p);
  if (!p) {
    clg_str_free(&text);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "program", "out of host memory");
  }
  *p = (clg_program){1, ctx, text.data};
  clg_context_hold(ctx);
  if (clg_source_build(ctx, p->source) != CLG_OK) clg_program_unref(&p);
  return p;
}

clg_program *clg_program_ref(clg_program *p) {
  if (p) p->refs++;
  return p;
}

void clg_program_unref(clg_program **pp) {
  if (!pp || !*pp) return;
  clg_program *p = *pp;
  *pp = NULL;
  if (--p->refs) return;
  clg_context *ctx = p->ctx;
  free(p->source);
  free(p);
  clg_context_release(ctx);
}

enum { MOST_ARGS = 32 }; /* each may be two of a clg_args */

/* Kernels see nothing of strides and graphs, so tensors that need either are refused. */
static clg_status check_tensor(const clg_program *p, const char *kernel, const clg_kernel_arg *a, size_t i) {
  clg_tensor *t = a->tensor;
  if (!t || t->ctx != p->ctx)
    return clg_fail(p->ctx, CLG_ERR_ARGUMENT, kernel, "argument %zu is no tensor of this context", i);
  if (!clg_tensor_is_contiguous(t))
    return clg_fail(p->ctx, CLG_ERR_SHAPE, kernel, "argument %zu is not contiguous: clg_contiguous makes a copy", i);
  if (t->requires_grad && !p->ctx->no_grad)
    return clg_fail(
        p->ctx, CLG_ERR_GRAPH, kernel,
        "argument %zu requires grad, and a launch is not recorded: use clg_custom_apply, clg_detach, or no grad mode",
        i);
  return CLG_OK;
}

static clg_status add_arg(const clg_program *p, const char *kernel, const clg_kernel_arg *a, size_t i, clg_args *to) {
  clg_status s = CLG_OK;
  switch (a->kind) {
  case CLG_ARG_INT: clg_args_i32(to, a->i); return s;
  case CLG_ARG_UINT: clg_args_u32(to, a->u); return s;
  case CLG_ARG_FLOAT: clg_args_f32(to, a->f); return s;
  case CLG_ARG_READ:
  case CLG_ARG_WRITE: s = check_tensor(p, kernel, a, i); break;
  default: return clg_fail(p->ctx, CLG_ERR_ARGUMENT, kernel, "argument %zu is of no known kind", i);
  }
  if (s == CLG_OK) clg_args_tensor(to, a->tensor);
  return s;
}

clg_status clg_program_launch(clg_program *p, const char *kernel, const size_t global[3], const size_t local[3],
                              const clg_kernel_arg *args, size_t n) {
  if (!p || !kernel || !global || (n && !args)) return CLG_ERR_ARGUMENT;
  clg_context *ctx = p->ctx;
  if (n > MOST_ARGS) return clg_fail(ctx, CLG_ERR_ARGUMENT, kernel, "more than %d arguments", MOST_ARGS);
  if (clg_creates_graph(ctx))
    return clg_fail(
        ctx, CLG_ERR_GRAPH, kernel,
        "a kernel's launch cannot be differentiated again: under create_graph a backward must be made of ops");
  clg_args list;
  list.n = 0;
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; i++) s = add_arg(p, kernel, &args[i], i, &list);
  if (s != CLG_OK) return s;
  clg_kernel *k = clg_kernel_of_source(ctx, p->source, kernel);
  if (!k) return clg_last_status(ctx);
  s = clg_launch(ctx, k, kernel, &list, global, local);
  for (size_t i = 0; i < n; i++)
    if (args[i].kind == CLG_ARG_WRITE) clg_storage_changed(args[i].tensor->storage, "a kernel of yours");
  return s;
}
