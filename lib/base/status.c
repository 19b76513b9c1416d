/* Names of the status codes, and the version. */
#include <clgrad/core.h>

const char *clg_status_name(clg_status status) {
  switch (status) {
  case CLG_OK: return "ok";
  case CLG_ERR_ARGUMENT: return "argument error";
  case CLG_ERR_SHAPE: return "shape error";
  case CLG_ERR_GRAPH: return "graph error";
  case CLG_ERR_STATE: return "state error";
  case CLG_ERR_PARSE: return "parse error";
  case CLG_ERR_HOST_MEMORY: return "out of host memory";
  case CLG_ERR_MEMORY: return "out of device memory";
  case CLG_ERR_DEVICE: return "device error";
  case CLG_ERR_BUILD: return "build error";
  case CLG_ERR_IO: return "input/output error";
  case CLG_ERR_LOST: return "device lost";
  case CLG_ERR_PEER: return "another process failed";
  }
  return "unknown status";
}

const char *clg_version(void) { return CLG_VERSION_STRING; }
