/* clgrad: tensors with automatic differentiation on any OpenCL device.
 *
 * How calls look, everywhere in this library:
 * 1. Names: clg_<noun>_<verb> for what is done with a tensor, a module, ..; ops have their own name, a layer its op's
 *    and _create, a loss x_loss(x, t, options), a norm x_norm(x, gamma, beta, options). In place: the name ends in _.
 * 2. Order: what the call is about (a context, a tensor, a list of them and its length), then other tensors, then
 *    numbers, then where results go beside the one that is returned, then options. An object that a call makes and
 *    returns a status for comes first (`out`).
 * 3. int is for dimensions and how many they are (dim, ndim), and the small numbers of windows (strides, groups);
 *    int64_t for sizes and positions along dimensions; size_t for the length of any other list and positions in it.
 *    A shape is (ndim, shape); dimensions are (dims, n), where n = 0 is all of them for what reduces.
 * 4. Options are a struct, clg_x_options, whose defaults clg_x_defaults() gives. NULL is these, but for an optimizer's,
 *    whose kind has to be said. A struct that a program fills by itself has zeros where it says nothing.
 * 5. A context's state: clg_set_x sets it, and returns what a mode was before; clg_x asks, or clg_get_x where there is
 *    more than one value.
 *
 * Ownership:
 * 1. _create, _load and _open return one reference, yours to _unref(T **), which takes NULL and clears your pointer;
 *    _ref returns one more, of NULL NULL. All other makers of tensors are ops: see 4.
 * 2. Functions borrow their arguments; one that keeps an argument takes its own reference.
 * 3. Getters return borrowed pointers.
 * 4. An op's result belongs to the innermost open clg_scope; closing the scope drops the handle, so ops nest without
 *    leaks. clg_tensor_ref makes a tensor yours; with no scope open the result is yours.
 * 5. Tensors hold a reference to their context; the order of release does not matter.
 *
 * Errors: object-returning calls give NULL, others a clg_status. The context keeps the first error as one line until it
 * is cleared. Ops given NULL return NULL and keep that first error, so that model code checks once, at scope_close.
 * Whatever gets NULL where it needs a pointer does nothing, and gives an error, NULL, false or zeros; where nothing had
 * failed before, that is an error too, which the close reports.
 * The library never prints, exits or aborts. */
#ifndef CLGRAD_CLGRAD_H
#define CLGRAD_CLGRAD_H

#include <clgrad/autograd.h>
#include <clgrad/context.h>
#include <clgrad/core.h>
#include <clgrad/custom.h>
#include <clgrad/graph.h>
#include <clgrad/io.h>
#include <clgrad/memory.h>
#include <clgrad/nn.h>
#include <clgrad/ops.h>
#include <clgrad/optim.h>
#include <clgrad/profile.h>
#include <clgrad/tensor.h>
#include <clgrad/trace.h>
#include <clgrad/tuning.h>

#endif
