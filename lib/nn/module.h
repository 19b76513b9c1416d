/* Inside of modules: a class, the parameters it asks for, and its layers. */
#ifndef CLG_NN_MODULE_H
#define CLG_NN_MODULE_H

#include "graph/graph.h"
#include <clgrad/nn.h>

typedef struct clg_module_class {
  const char *name;
  clg_tensor *(*forward)(clg_module *m, clg_tensor *x);
  /* Of a layer that takes an activation behind it into its op, instead of forward. */
  clg_tensor *(*forward_act)(clg_module *m, clg_tensor *x, clg_act act);
  bool spectral; /* param[0] can have a spectral norm: it is used through clg_module_weight */
} clg_module_class;

/* A parameter before and after it is made. */
typedef struct clg_param {
  const char *name;
  int ndim;
  int64_t shape[4];
  float bound, deviation, value; /* uniform; normal; or `value` where both are 0 */
  clg_tensor *tensor;            /* NULL until made */
} clg_param;

/* The parameters of an outermost module and everything in it, in order. */
typedef struct clg_flat {
  clg_tensor **tensor; /* borrowed from the modules' params */
  char **name;
  size_t n, numel;
  bool grads; /* the gradients' allocation is made */
} clg_flat;

struct clg_module {
  uint32_t refs;
  clg_context *ctx;
  const clg_module_class *cls;
  bool training;
  clg_module *owner;             /* the Sequential it is in; weak */
  char *name;                    /* that the program gave it, or NULL */
  const char *path;              /* NULL: not known yet, or no longer */
  clg_param param[2], buffer[2]; /* buffers: state that is not trained, as running statistics */
  int n_params, n_buffers;
  clg_module **layer;
  size_t n_layers;
  clg_flat flat;       /* of an outermost module */
  bool spectral;       /* param[0] is divided by its largest singular value; buffers u, v */
  size_t segment;      /* a Sequential's layers in a checkpointed segment; 0: it is not checkpointed */
  clg_act act;         /* of an activation, or behind the layer */
  char *act_text;      /* act's formula */
  float eps, momentum; /* of a norm; of running statistics */
  clg_meeting meeting; /* of a batch norm; gather is NULL: it meets nobody */
  int64_t size[2];     /* the kernel of a pool; an upsampling's scales */
  union {
    clg_conv_options conv;
    clg_pool_options pool;
    float p; /* of dropout */
  } options;
};

clg_module *clg_module_create(clg_context *ctx, const clg_module_class *cls);
/* Makes the parameters of the outermost module around m, and (with grad mode on) room for their gradients. */
clg_status clg_module_make(clg_module *m);
/* Gives m its activation, whose text it copies. False with the error set: then m is dropped. */
bool clg_module_take_act(clg_module **m, clg_act act);
/* The forward of one layer whose parameters exist. */
clg_tensor *clg_module_run(clg_module *m, clg_tensor *x);
void clg_flat_finish(clg_flat *f);
/* What records call the layer: "" for a Sequential without name. */
const char *clg_module_path(clg_module *m);
/* Of m and everything in it, which moved or was renamed. */
void clg_module_forget_path(clg_module *m);
/* m's is the layer that runs; until ctx->layer is what this returns. */
static inline const char *clg_module_enter(clg_module *m) {
  const char *before = m->ctx->layer;
  m->ctx->layer = m->path ? m->path : clg_module_path(m);
  return before;
}
/* param[0], or what spectral norm makes of it for this forward. NULL on error. */
clg_tensor *clg_module_weight(clg_module *m);

extern const clg_module_class clg_activation_class;

#endif
