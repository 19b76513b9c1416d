/* The gradients of gamma and beta [n] from the sums of parts of a batch, [parts,n]. Global id: column. */
#include "kernel/constants.h"
#include "sums.clh"

#define PARTS_TAKE(part)                                                                                               \
  SUM_TAKE(float, total_##part, rest_##part, block_##part)                                                             \
  block_##part = 0.0f;
__kernel void norm_parts(__global const float *part_gamma, const uint part_gamma_o, __global const float *part_beta,
                         const uint part_beta_o, __global float *dgamma, const uint dgamma_o, __global float *dbeta,
                         const uint dbeta_o, const uint parts, const uint n, const uint flags) {
  const size_t j = get_global_id(0);
  if (j >= n) return;
  part_gamma += part_gamma_o + j;
  part_beta += part_beta_o + j;
  float total_gamma = 0.0f, total_beta = 0.0f, rest_gamma = 0.0f, rest_beta = 0.0f, block_gamma = 0.0f,
        block_beta = 0.0f;
  for (uint c = 0; c < parts; c++) {
    block_gamma += part_gamma[(size_t)c * n];
    block_beta += part_beta[(size_t)c * n];
    if (c % SUM_LONG != SUM_LONG - 1) continue;
    PARTS_TAKE(gamma)
    PARTS_TAKE(beta)
  }
  PARTS_TAKE(gamma)
  PARTS_TAKE(beta)
  dgamma += dgamma_o + j;
  dbeta += dbeta_o + j;
  if (flags & NORM_WANT_GAMMA) clg_sum_put(dgamma, clg_sum_end(total_gamma, rest_gamma), flags & NORM_ADD_GAMMA);
  if (flags & NORM_WANT_BETA) clg_sum_put(dbeta, clg_sum_end(total_beta, rest_beta), flags & NORM_ADD_BETA);
}
