/* Tensors: a shape and strides over a storage on the device. Up to 8 dimensions, at most 2^31 - 1 elements. The
 * elements are float32; int32 holds labels and indices, for the ops that say so: any other op refuses it, nothing is
 * converted silently. Shapes are row-major: the last dimension is the fastest. Dimension arguments count from 0,
 * negative ones from the end. A zero-dimensional tensor holds one element. */
#ifndef CLGRAD_TENSOR_H
#define CLGRAD_TENSOR_H

#include <clgrad/context.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clg_tensor clg_tensor;

/* Copies `data` (row-major host floats; NULL: zeros) to a new tensor. One reference, yours. Does not block: the data is
 * copied before the call returns. */
CLG_API clg_tensor *clg_tensor_create(clg_context *ctx, int ndim, const int64_t *shape, const float *data);
/* The same for int32, which never requires grad. The least and the largest value of `data` are remembered until the
 * tensor is changed in place: an op that takes indices can then refuse those out of range without waiting for the
 * device. */
CLG_API clg_tensor *clg_tensor_create_i32(clg_context *ctx, int ndim, const int64_t *shape, const int32_t *data);
/* One more reference; yours, outside any scope. */
CLG_API clg_tensor *clg_tensor_ref(clg_tensor *t);
CLG_API void clg_tensor_unref(clg_tensor **t);

CLG_API clg_context *clg_tensor_context(const clg_tensor *t);
CLG_API clg_dtype clg_tensor_dtype(const clg_tensor *t);
CLG_API int clg_tensor_ndim(const clg_tensor *t);
CLG_API const int64_t *clg_tensor_shape(const clg_tensor *t);
CLG_API const int64_t *clg_tensor_strides(const clg_tensor *t); /* in elements */
CLG_API int64_t clg_tensor_dim(const clg_tensor *t, int dim);   /* size of one dimension; -1 if out of range */
CLG_API int64_t clg_tensor_numel(const clg_tensor *t);
CLG_API bool clg_tensor_is_contiguous(const clg_tensor *t);
/* How often the storage was changed in place; shared by views and detached tensors. */
CLG_API uint32_t clg_tensor_version(const clg_tensor *t);
/* True if both look at the same storage. */
CLG_API bool clg_tensor_shares_storage(const clg_tensor *a, const clg_tensor *b);

/* Copies all elements to the host, row-major. Blocks; one wait. */
CLG_API clg_status clg_tensor_read(const clg_tensor *t, float *out);
/* Queues the copy and returns: `out` is filled, and must stay there, until an event recorded after it is done, or
 * clg_finish() or a blocking read has returned. `t` may be changed or released at once: the queue is in order. A plan
 * fills `out` at once. */
CLG_API clg_status clg_tensor_read_async(const clg_tensor *t, float *out);
/* Overwrites all elements from the host, in place. Does not block: the data is copied before the call returns. */
CLG_API clg_status clg_tensor_write(clg_tensor *t, const float *data);
/* As clg_tensor_write, but reads `data` straight from the host while the queue runs: it must stay as it is until an
 * event recorded after it is done, or clg_finish() or a blocking read has returned. */
CLG_API clg_status clg_tensor_write_async(clg_tensor *t, const float *data);
/* The same for int32 tensors; each kind refuses the other's. */
CLG_API clg_status clg_tensor_read_i32(const clg_tensor *t, int32_t *out);
CLG_API clg_status clg_tensor_write_i32(clg_tensor *t, const int32_t *data);
/* The only element of a one-element float32 tensor; NaN and an error otherwise. Blocks. */
CLG_API float clg_tensor_item(const clg_tensor *t);
/* In place: every element becomes `value` (float32 only); dst takes src's elements (src broadcasts to dst, of the same
 * dtype). */
CLG_API clg_status clg_fill_(clg_tensor *t, float value);
CLG_API clg_status clg_copy_(clg_tensor *dst, const clg_tensor *src);

/* Prints shape and elements, at most six a row and six rows. Blocks. */
CLG_API clg_status clg_tensor_print(const clg_tensor *t, FILE *to);

/* Philox 4x32-10 (Salmon et al., SC'11) keyed by the context's seed, at the stream's next position: the same numbers
 * for a seed whatever the device. In place: uniform in [low, high), low itself where both are equal; normal by
 * Box-Muller; int32 in [low, high). CLG_ERR_ARGUMENT where there is no such range, or std is negative. */
CLG_API clg_status clg_rand_(clg_tensor *t, float low, float high);
CLG_API clg_status clg_randn_(clg_tensor *t, float mean, float std);
CLG_API clg_status clg_randint_(clg_tensor *t, int32_t low, int32_t high);
/* Sets seed and position of the stream; the position counts blocks of four numbers. */
CLG_API void clg_set_seed(clg_context *ctx, uint64_t seed, uint64_t position);
CLG_API void clg_get_seed(const clg_context *ctx, uint64_t *seed, uint64_t *position);

#ifdef __cplusplus
}
#endif
#endif
