/* The driver's side of faulty.h. This program's functions come before the loader's, CLBlast's calls included; they hand
 * on what shall not fail, and count the references to objects. */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "faulty.h"
#include "real.h"
#include <CL/cl.h>

/* ---- calls that give a status ---- */

#define STATUS(name, parameters, arguments)                                                                            \
  cl_int name parameters { return faulty_now(FAULTY_##name) ? faulty_code() : REAL(name) arguments; }
#define INFO(name, type, query)                                                                                        \
  STATUS(name, (type of, query what, size_t n, void *to, size_t *size), (of, what, n, to, size))
STATUS(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *count), (n, ids, count))
STATUS(clGetDeviceIDs, (cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *count),
       (p, type, n, ids, count))
INFO(clGetPlatformInfo, cl_platform_id, cl_platform_info)
INFO(clGetDeviceInfo, cl_device_id, cl_device_info)
INFO(clGetCommandQueueInfo, cl_command_queue, cl_command_queue_info)
INFO(clGetMemObjectInfo, cl_mem, cl_mem_info)
INFO(clGetProgramInfo, cl_program, cl_program_info)
INFO(clGetKernelInfo, cl_kernel, cl_kernel_info)
INFO(clGetEventProfilingInfo, cl_event, cl_profiling_info)
INFO(clGetEventInfo, cl_event, cl_event_info)
STATUS(clGetProgramBuildInfo,
       (cl_program p, cl_device_id d, cl_program_build_info what, size_t n, void *to, size_t *size),
       (p, d, what, n, to, size))
STATUS(clGetKernelWorkGroupInfo,
       (cl_kernel k, cl_device_id d, cl_kernel_work_group_info what, size_t n, void *to, size_t *size),
       (k, d, what, n, to, size))
STATUS(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *value), (k, i, n, value))
STATUS(clBuildProgram,
       (cl_program p, cl_uint n, const cl_device_id *d, const char *options, void(CL_CALLBACK *f)(cl_program, void *),
        void *user),
       (p, n, d, options, f, user))
STATUS(clFlush, (cl_command_queue q), (q))
STATUS(clWaitForEvents, (cl_uint n, const cl_event *e), (n, e))
/* Work that was not waited for did end, somehow. */
cl_int clFinish(cl_command_queue q) {
  bool fails = faulty_now(FAULTY_clFinish);
  cl_int status = REAL(clFinish)(q);
  return fails ? faulty_code() : status;
}

/* ---- objects ---- */

#define CREATE(type, name, parameters, arguments)                                                                      \
  type name parameters {                                                                                               \
    if (faulty_now(FAULTY_##name)) {                                                                                   \
      if (code) *code = faulty_code();                                                                                 \
      return NULL;                                                                                                     \
    }                                                                                                                  \
    type made = REAL(name) arguments;                                                                                  \
    faulty_hold_objects(made != NULL);                                                                                 \
    return made;                                                                                                       \
  }
CREATE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *user, cl_int *code),
       (p, n, d, f, user, code))
CREATE(cl_command_queue, clCreateCommandQueue,
       (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *code), (c, d, p, code))
CREATE(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *code),
       (c, flags, size, host, code))
CREATE(cl_program, clCreateProgramWithSource,
       (cl_context c, cl_uint n, const char **text, const size_t *size, cl_int *code), (c, n, text, size, code))
CREATE(cl_program, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *size, const unsigned char **binary,
        cl_int *status, cl_int *code),
       (c, n, d, size, binary, status, code))
CREATE(cl_kernel, clCreateKernel, (cl_program p, const char *name, cl_int *code), (p, name, code))
cl_int clCreateKernelsInProgram(cl_program p, cl_uint n, cl_kernel *kernels, cl_uint *count) {
  if (faulty_now(FAULTY_clCreateKernelsInProgram)) return faulty_code();
  cl_uint made = 0;
  cl_int status = REAL(clCreateKernelsInProgram)(p, n, kernels, &made);
  if (kernels && status == CL_SUCCESS) faulty_hold_objects(made);
  if (count) *count = made;
  return status;
}

#define RETAIN(name, type)                                                                                             \
  cl_int name(type object) {                                                                                           \
    if (faulty_now(FAULTY_##name)) return faulty_code();                                                               \
    faulty_hold_objects(1);                                                                                            \
    return REAL(name)(object);                                                                                         \
  }
RETAIN(clRetainContext, cl_context)
RETAIN(clRetainCommandQueue, cl_command_queue)
RETAIN(clRetainMemObject, cl_mem)
RETAIN(clRetainProgram, cl_program)

#define RELEASE(name, type)                                                                                            \
  cl_int name(type object) {                                                                                           \
    faulty_hold_objects(-1);                                                                                           \
    return REAL(name)(object);                                                                                         \
  }
RELEASE(clReleaseContext, cl_context)
RELEASE(clReleaseCommandQueue, cl_command_queue)
RELEASE(clReleaseMemObject, cl_mem)
RELEASE(clReleaseProgram, cl_program)
RELEASE(clReleaseKernel, cl_kernel)
RELEASE(clReleaseEvent, cl_event)

/* ---- commands ---- */

#define EVENTS cl_uint n, const cl_event *wait, cl_event *event
#define COMMAND(name, parameters, arguments)                                                                           \
  cl_int name parameters {                                                                                             \
    if (faulty_now(FAULTY_##name)) return faulty_code();                                                               \
    cl_int status = REAL(name) arguments;                                                                              \
    faulty_hold_objects(event &&status == CL_SUCCESS);                                                                 \
    return status;                                                                                                     \
  }
COMMAND(clEnqueueNDRangeKernel,
        (cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global, const size_t *local,
         EVENTS),
        (q, k, dims, offset, global, local, n, wait, event))
COMMAND(clEnqueueReadBuffer, (cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t size, void *to, EVENTS),
        (q, m, block, at, size, to, n, wait, event))
COMMAND(clEnqueueWriteBuffer,
        (cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t size, const void *from, EVENTS),
        (q, m, block, at, size, from, n, wait, event))
COMMAND(clEnqueueCopyBuffer, (cl_command_queue q, cl_mem a, cl_mem b, size_t from, size_t to, size_t size, EVENTS),
        (q, a, b, from, to, size, n, wait, event))
void *clEnqueueMapBuffer(cl_command_queue q, cl_mem m, cl_bool block, cl_map_flags how, size_t at, size_t size, EVENTS,
                         cl_int *code) {
  if (!faulty_now(FAULTY_clEnqueueMapBuffer))
    return REAL(clEnqueueMapBuffer)(q, m, block, how, at, size, n, wait, event, code);
  if (code) *code = faulty_code();
  return NULL;
}
COMMAND(clEnqueueMarkerWithWaitList, (cl_command_queue q, EVENTS), (q, n, wait, event))
