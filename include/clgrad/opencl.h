/* Sharing a device with other OpenCL code. This is the only public header that needs <CL/cl.h>. */
#ifndef CLGRAD_OPENCL_H
#define CLGRAD_OPENCL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>
#include <clgrad/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A clgrad context over your OpenCL context, device and in-order queue; each is retained. All work of clgrad goes into
 * `queue`, in order with yours. CLG_ERR_ARGUMENT if the queue is out of order or of another context or device.
 * `options` may be NULL; its `device` is not used. */
CLG_API clg_status clg_context_adopt(clg_context **out, cl_context context, cl_device_id device, cl_command_queue queue,
                                     const clg_context_options *options);

/* The context's objects, borrowed; NULL for a plan context. */
CLG_API cl_context clg_context_cl_context(const clg_context *ctx);
CLG_API cl_device_id clg_context_cl_device(const clg_context *ctx);
CLG_API cl_command_queue clg_context_cl_queue(const clg_context *ctx);

/* A contiguous tensor over `buffer` (retained), from `offset` bytes (a multiple of 4). Its bytes count as data that the
 * context did not reserve. CLG_ERR_SHAPE if the buffer is too small, or the tensor reaches beyond its first 2^31
 * elements; CLG_ERR_ARGUMENT unless it is a buffer of this OpenCL context that kernels and the host may read and write.
 */
CLG_API clg_tensor *clg_tensor_wrap(clg_context *ctx, cl_mem buffer, size_t offset, int ndim, const int64_t *shape);

/* The buffer that holds `t` (borrowed; valid while t lives), and where its first element is, in bytes. Strides are
 * clg_tensor_strides. After writing to it yourself call clg_tensor_mark_changed. NULL for a plan context. */
CLG_API cl_mem clg_tensor_cl_mem(const clg_tensor *t, size_t *offset);
/* Tells autograd that you changed the storage in place. */
CLG_API void clg_tensor_mark_changed(clg_tensor *t);

#ifdef __cplusplus
}
#endif
#endif
