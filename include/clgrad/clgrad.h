/* clgrad: tensors with automatic differentiation on any OpenCL device.
 *
 * Ownership, everywhere in this library:
 * 1. _create, _load and _open return one reference, yours to _unref(T **), which takes NULL and clears your pointer.
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
