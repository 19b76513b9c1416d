/* Tensors as arguments of kernels: the buffer, and the offset of the first element, an uint. */
#ifndef CLG_TENSOR_ARGS_H
#define CLG_TENSOR_ARGS_H

#include "device/launch.h"
#include "tensor/tensor.h"

static inline void clg_args_tensor(clg_args *a, const clg_tensor *t) {
  clg_args_block(a, t->storage->block);
  clg_args_u32(a, (uint32_t)clg_tensor_at(t));
}
/* `spare` stands for those that are absent, or empty, and that the kernel will not touch. */
static inline void clg_args_tensors(clg_args *a, const clg_tensor *const *t, int n, const clg_tensor *spare) {
  for (int i = 0; i < n; i++) clg_args_tensor(a, t[i] && t[i]->storage->block ? t[i] : spare);
}

/* The same as a place: clg_args_at. */
static inline clg_at clg_tensor_place(const clg_tensor *t) {
  return t ? (clg_at){t->storage->block, clg_tensor_at(t)} : (clg_at){NULL, 0};
}

#endif
