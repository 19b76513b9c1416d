/* Random programs: bytes that lead through calls of the public API, right ones and wrong ones, over a few tensors,
 * modules, optimizers and scopes. The same bytes make the same calls in every context whose calls succeed and fail
 * alike. */
#ifndef CLG_FUZZ_PROGRAM_H
#define CLG_FUZZ_PROGRAM_H

#include <clgrad/clgrad.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSORS = 16, MODULES = 5, OPTIMS = 3, SCOPES = 5, FLOATS = 4096 };

typedef struct program {
  const uint8_t *bytes;
  size_t n, at;
  clg_context *ctx;
  bool hostile; /* sizes that fit no memory, values that no plan knows */
  clg_tensor *tensor[TENSORS];
  clg_module *module[MODULES];
  clg_optim *optim[OPTIMS];
  clg_ema *average;
  clg_scope *scope[SCOPES];
  int scopes, hooks; /* saved-tensor hooks that are pushed */
  uint64_t hook;     /* the last that was added, to that tensor */
  int hooked, nested;
  bool cyclic; /* a gradient may hold its tensor until the context goes: create_graph */
} program;

/* All calls of the bytes; `after` (may be NULL) is told after each. */
void program_run(program *p, void (*after)(void *user, clg_context *ctx, int step), void *user);
/* Lets go of all that it holds. */
void program_end(program *p);

/* ---- for the steps ---- */

typedef void (*program_step)(program *p);
extern const program_step op_steps[], graph_steps[], owner_steps[];
extern const int op_step_count, graph_step_count, owner_step_count;

int choose(program *p, int n); /* 0 <= . < n */
bool one_in(program *p, int n);
float a_float(program *p);
int64_t a_size(program *p);
int a_dim(program *p);                     /* mostly one of four dimensions, from either end */
int a_shape(program *p, int64_t shape[9]); /* how many dimensions; mostly right */
int some_dims(program *p, int dims[10]);
void a_pair(program *p, int pair[2]);
clg_act an_activation(program *p); /* or what is none */
clg_tensor *any(program *p);       /* borrowed; seldom NULL */
clg_tensor *perhaps(program *p);
/* Takes over a reference. */
void keep_own(program *p, clg_tensor *t);
/* An op's result, which a scope owns if one is open. */
void keep(program *p, clg_tensor *t);
extern float program_floats[FLOATS];

#endif
