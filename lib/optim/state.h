/* What saving and loading sees of an optimizer: its parameters in the order given, their state and steps, and learning
 * rates. */
#ifndef CLG_OPTIM_STATE_H
#define CLG_OPTIM_STATE_H

#include <clgrad/optim.h>

clg_context *clg_optim_context(const clg_optim *o);
/* "adam" */
const char *clg_optim_kind_name(const clg_optim *o);
size_t clg_optim_count(const clg_optim *o);
uint64_t clg_optim_steps(const clg_optim *o, size_t i);
void clg_optim_set_steps(clg_optim *o, size_t i, uint64_t steps);
/* PyTorch's name of parameter i's state number k, "exp_avg"; NULL behind the last. */
const char *clg_optim_state_name(const clg_optim *o, size_t i, int k);
/* That state in the parameter's shape, to read or to write; a new reference, NULL with the error set. */
clg_tensor *clg_optim_state(const clg_optim *o, size_t i, int k);

#endif
