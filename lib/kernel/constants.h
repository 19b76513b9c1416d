/* Flags and sizes that launchers and kernels share: C and OpenCL C both include this. Flags are bits of an argument. */
#ifndef CLG_KERNEL_CONSTANTS_H
#define CLG_KERNEL_CONSTANTS_H

/* Lanes of a sum, and floats of a vector, on every CPU, whatever its registers. */
#define LANES 16

/* Elementwise kernels: elements of a CPU's item; where inputs come in tiles of so many rows and columns, columns of an
 * item. Reductions: results of a CPU's wide stripe, and rows side by side. */
#define MAP_PIECE   2048u
#define TURN_SIDE   16u
#define TURN_PIECE  128u
#define REDUCE_WIDE 4096
#define REDUCE_ROWS 16

/* Elements that LANES blocks of random numbers decide on. */
#define DROPOUT_RUN 128

/* Sums of products run in panels of PANEL_K steps. Work-groups share tiles of TILE x TILE results. On a CPU tiles have
 * PIECE_ROWS_OF its registers' floats rows and TILE_COLS columns; PANEL_ROWS rows at most share a packed panel, a
 * packed block has BLOCK_ROWS x BLOCK_COLS results, and an item that has a row ROW_COLS of it. */
#define PANEL_K              256u
#define TILE                 32
#define PIECE_ROWS_OF(width) (4 + (width) / 8 * 2)
#define TILE_COLS            32
#define PANEL_ROWS           256
#define BLOCK_ROWS           256
#define BLOCK_COLS           512
#define ROW_COLS             128

/* Swapped: the operands are exchanged, and so the result is transposed. */
#define PRODUCT_ADD     1u
#define PRODUCT_BIAS    2u
#define PRODUCT_SWAPPED 4u

/* A CPU's item has blocks of CONV_PIXELS results of CONV_PAIR channels, CONV_SUMS sums of them, or CONV_FEW_SUMS of
 * CONV_FEW_ROWS at a time; of the input a patch of CONV_PATCH floats and CONV_OFFSETS channels x taps at a time; no
 * more than CONV_PHASES phases. Weights are packed CONV_PACKED input channels at a time. */
#define CONV_ADD      1u
#define CONV_BIAS     2u
#define CONV_DGRAD    4u
#define CONV_PAIR     32
#define CONV_PIXELS   128
#define CONV_SUMS     65536
#define CONV_FEW_SUMS 8192
#define CONV_FEW_ROWS 4
#define CONV_PATCH    12288
#define CONV_OFFSETS  2048
#define CONV_PHASES   64
#define CONV_PACKED   16

#define POOL_ADD         1u
#define POOL_INCLUDE_PAD 2u

/* What there is, what is wanted and what is added to; gamma's and beta's bits lie one and two above x's. A CPU's item
 * has rows of NORM_ROW_WORK elements in all, or a stripe of NORM_STRIPE columns. */
#define NORM_GAMMA      1u
#define NORM_BETA       2u
#define NORM_EVAL       4u
#define NORM_UPDATE     8u
#define NORM_WANT_X     16u
#define NORM_WANT_GAMMA 32u
#define NORM_WANT_BETA  64u
#define NORM_ADD_X      128u
#define NORM_ADD_GAMMA  256u
#define NORM_ADD_BETA   512u
#define NORM_SHARDS     1024u /* of a batch, which are its parts */
#define NORM_ROWS       2048u /* of layer norm, by those that sum columns */
#define NORM_ROW_WORK   1024u
#define NORM_STRIPE     1024u
#define NORM_RANGES     1024u /* of a norm, whose sums are there; fewer where they are long */

/* Of a CPU's item rows where they are short enough to lie side by side, and columns. */
#define SOFTMAX_LOG    1u
#define SOFTMAX_ADD    2u
#define SOFTMAX_SHORT  64u
#define SOFTMAX_STRIPE 64u

/* Kernels by index: elements of a CPU's item, and of its sums at a time. Least: minima. */
#define INDEX_PIECE 1024u
#define INDEX_HELD  8192u
#define INDEX_ADD   1u
#define INDEX_LEAST 2u

#endif
