/* Calls of the library that fail when told to: requests for host memory and calls on files, which the linker wraps
 * (FAULTY_WRAPS in tests/meson.build), and all of OpenCL, whose functions here stand before the loader's. And what is
 * held of memory and objects. */
#ifndef CLG_TESTS_FAULTY_H
#define CLG_TESTS_FAULTY_H

#include <stdbool.h>

/* Each is counted, and fails, on its own; all requests for memory count as one. A release never fails: what a driver
 * will not release, nobody can. */
#define FAULTY_CALLS(X)                                                                                                \
  X(memory)                                                                                                            \
  X(open)                                                                                                              \
  X(fdopen)                                                                                                            \
  X(mkstemp)                                                                                                           \
  X(fstat)                                                                                                             \
  X(lstat)                                                                                                             \
  X(readlink)                                                                                                          \
  X(flock) X(fchmod) X(mkdir) /* files */                                                                              \
      X(read) X(pread) X(fread) X(fgets) X(write) X(fwrite) X(fsync) X(fclose) X(rename) X(clGetPlatformIDs)           \
          X(clGetPlatformInfo) X(clGetDeviceIDs) X(clGetDeviceInfo) X(clGetCommandQueueInfo) X(clGetMemObjectInfo)     \
              X(clGetProgramInfo) X(clGetProgramBuildInfo) X(clGetKernelInfo) X(clGetKernelWorkGroupInfo)              \
                  X(clGetEventProfilingInfo) X(clGetEventInfo) X(clCreateContext) X(clCreateCommandQueue)              \
                      X(clCreateBuffer) X(clCreateProgramWithSource) X(clCreateProgramWithBinary) X(clBuildProgram)    \
                          X(clCreateKernel) X(clCreateKernelsInProgram) X(clRetainContext) X(clRetainCommandQueue)     \
                              X(clRetainMemObject) X(clRetainProgram) X(clSetKernelArg) X(clEnqueueNDRangeKernel)      \
                                  X(clEnqueueReadBuffer) X(clEnqueueWriteBuffer) X(clEnqueueCopyBuffer)                \
                                      X(clEnqueueMapBuffer) X(clEnqueueMarkerWithWaitList) X(clFlush) X(clFinish)      \
                                          X(clWaitForEvents)

typedef enum faulty_call {
#define FAULTY_ENUM(name) FAULTY_##name,
  FAULTY_CALLS(FAULTY_ENUM)
#undef FAULTY_ENUM
      FAULTY_COUNT
} faulty_call;

const char *faulty_name(faulty_call call);
bool faulty_is_opencl(faulty_call call);
/* Of OpenCL, those that ask about something and change nothing. */
bool faulty_is_query(faulty_call call);

/* Counts from 0 again; call number `at` (from 1; 0: none) and the next times - 1 of `call` fail, OpenCL's with `code`.
 */
void faulty_begin(faulty_call call, long at, long times, int code);
/* Nothing fails any more. Whether anything did. */
bool faulty_end(void);
/* Calls since faulty_begin. */
long faulty_calls(faulty_call call);
/* Pieces of host memory, and objects of OpenCL, that are held. */
long faulty_memory(void);
long faulty_objects(void);

/* ---- for the wrappers ---- */

/* Counts a call; true: it shall fail, with faulty_code(). */
bool faulty_now(faulty_call call);
int faulty_code(void);
void faulty_hold_memory(long pieces);
void faulty_hold_objects(long n);

#endif
