/* Products with vectors or batches: what clg_matmul does beyond two matrices. */
#ifndef CLG_OPS_BATCH_MATMUL_H
#define CLG_OPS_BATCH_MATMUL_H

#include "graph/graph.h"

/* Inputs are checked (clg_inputs_ok). An op result. */
clg_tensor *clg_batch_matmul(clg_tensor *a, clg_tensor *b);

#endif
