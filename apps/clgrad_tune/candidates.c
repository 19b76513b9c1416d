/* Parameters for CLBlast's kernels that are worth a try on one GPU or another. They differ in how much of the result an
 * item keeps in registers, how many items share a tile, whether tiles go through local memory, and how wide loads are.
 */
#include "tune.h"

static const uint32_t xgemm[][CLG_CLBLAST_PARAMETERS] = {
    /* GEMMK KREG KWG KWI, MDIMA MDIMC MWG, NDIMB NDIMC NWG, SA SB STRM STRN, VWM VWN */
    {0, 1, 16, 2, 8, 8, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4},       /* 64 items, each 8 x 8 */
    {0, 1, 16, 2, 32, 16, 128, 32, 16, 128, 1, 1, 0, 0, 4, 4}, /* 256 items, each 8 x 8: the largest tile */
    {0, 1, 32, 2, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4},       /* caches instead of local memory */
    {0, 1, 16, 2, 16, 16, 128, 8, 8, 64, 1, 1, 0, 0, 4, 4},    /* 128 items, each 8 x 8 */
    {0, 1, 16, 2, 16, 16, 64, 16, 16, 64, 1, 1, 0, 0, 4, 4},   /* 256 items, each 4 x 4: few registers */
    {1, 4, 1, 1, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4},        /* registers alone */
    {0, 1, 32, 2, 8, 8, 32, 8, 8, 64, 1, 1, 0, 0, 4, 4},       /* small devices */
    {0, 1, 16, 2, 16, 16, 128, 16, 8, 128, 1, 1, 0, 0, 4, 8},  /* 128 items, each 8 x 16 */
    {0, 1, 32, 2, 16, 16, 128, 8, 8, 64, 1, 1, 0, 0, 4, 2},    /* deeper tiles, narrower loads */
    {0, 1, 16, 2, 16, 16, 64, 8, 8, 64, 1, 1, 1, 1, 4, 4},     /* neighbours store neighbours */
    {0, 1, 16, 2, 32, 32, 128, 16, 8, 64, 1, 1, 0, 0, 4, 4},   /* rows of 32 items */
    {0, 1, 16, 8, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 8, 8},       /* the widest loads, from caches */
    {1, 2, 1, 1, 8, 8, 32, 8, 8, 32, 0, 0, 0, 0, 2, 2},        /* registers alone, few of them */
    {0, 1, 32, 2, 8, 8, 32, 8, 8, 32, 0, 0, 0, 0, 4, 4},       /* small, from caches */
    {0, 1, 16, 2, 8, 8, 16, 8, 8, 16, 1, 1, 0, 0, 2, 2},       /* the smallest */
};

static const uint32_t direct[][CLG_CLBLAST_PARAMETERS] = {
    /* KWID, MDIMAD MDIMCD NDIMBD NDIMCD, PADA PADB, VWMD VWND, WGD */
    {2, 8, 8, 8, 8, 1, 1, 4, 4, 32},     /* 64 items, each 4 x 4 */
    {2, 16, 16, 16, 16, 1, 1, 2, 2, 32}, /* 256 items, each 2 x 2 */
    {8, 16, 16, 8, 8, 1, 1, 2, 2, 32},   /* 128 items, each 2 x 4 */
    {2, 8, 8, 8, 8, 1, 1, 2, 2, 16},     /* small products on many units */
    {2, 16, 16, 16, 16, 1, 1, 4, 4, 64}, /* 256 items, each 4 x 4 */
    {16, 8, 8, 16, 16, 0, 1, 1, 1, 32},  /* loads of one number */
    {8, 8, 8, 8, 8, 0, 0, 8, 8, 64},     /* 64 items, each 8 x 8 */
    {2, 8, 8, 8, 8, 1, 1, 1, 1, 8},      /* the smallest */
};

const uint32_t *candidate(clg_clblast_kernel kernel, int i) {
  if (i < 0) return NULL;
  if (kernel == CLG_CLBLAST_XGEMM) return (size_t)i < sizeof xgemm / sizeof *xgemm ? xgemm[i] : NULL;
  return kernel == CLG_CLBLAST_XGEMM_DIRECT && (size_t)i < sizeof direct / sizeof *direct ? direct[i] : NULL;
}
