/* Tables of which kernel a matrix product or a convolution takes, and with which parameters CLBlast's run, measured for a
 * device by clgrad_tune.
 *
 * Without a table the choice is fixed, so that runs repeat bit for bit; with one they repeat with the same table, whose
 * hash goes beside results. A table is used only when asked for: clg_tuning_load, or $CLGRAD_TUNING, which names a file
 * that every context then reads when it is made (a context that cannot use it is not made, and says why). A plan made
 * `like` a context has that context's table.
 *
 * A product C[M,N] = A B over K falls into a class by whether A and B are transposed and by the size class of each of
 * M, N and K. A kernel that cannot do one of a class's products (by its alignment or strides, say) leaves it to the
 * fixed choice; so do convolutions. */
#ifndef CLGRAD_TUNING_H
#define CLGRAD_TUNING_H

#include <clgrad/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clg_product_kernel {
  CLG_PRODUCT_FIXED,   /* the choice without a table */
  CLG_PRODUCT_DOT,     /* dot products, where both operands run along K */
  CLG_PRODUCT_ROW,     /* a row of the result at a time */
  CLG_PRODUCT_DIRECT,  /* CPU shape: tiles that read both operands in place */
  CLG_PRODUCT_PANEL,   /* CPU shape: panels of B are packed */
  CLG_PRODUCT_BLOCK,   /* CPU shape: blocks of a transposed A, and panels of B, are packed */
  CLG_PRODUCT_TILE,    /* GPU shape: tiles in local memory */
  CLG_PRODUCT_CLBLAST, /* GPU shape */
  CLG_PRODUCT_KERNELS
} clg_product_kernel;

/* 1; 2 to 31; 32 to 191; 192 to 639; above. */
#define CLG_SIZE_CLASSES 5
typedef struct clg_product_class {
  bool ta, tb;
  int m, n, k; /* size classes, from 0 */
} clg_product_class;

/* "panel"; "" for a number that is none. */
CLG_API const char *clg_product_kernel_name(clg_product_kernel kernel);
CLG_API int clg_size_class(int64_t size);
/* The size to measure a class at: 1, 16, 128, 256, 1024. */
CLG_API int64_t clg_size_class_typical(int size_class);
/* Whether the kernel runs on the context's shape of device, can do the class's products at their typical sizes, and is
 * worth trying there. */
CLG_API bool clg_product_kernel_serves(const clg_context *ctx, clg_product_kernel kernel, const clg_product_class *c);

/* The context's choice for a class. Setting the first makes a table of the context's device. CLG_ERR_ARGUMENT: no such
 * class, or a kernel of the other shape of device. */
CLG_API clg_product_kernel clg_tuning_get(const clg_context *ctx, const clg_product_class *c);
CLG_API clg_status clg_tuning_set(clg_context *ctx, const clg_product_class *c, clg_product_kernel kernel);
/* Drops the table, but for what CLBlast has been given: see there. */
CLG_API void clg_tuning_clear(clg_context *ctx);
/* Of all that is in the table, its device too; 0: no table is in use. */
CLG_API uint64_t clg_tuning_hash(const clg_context *ctx);

/* ---- convolutions ---- */

/* y[n,o] = sum over c of x[n,c] * w[o,c], whichever of the three is computed from the others. */
typedef enum clg_conv_operand {
  CLG_CONV_X, /* the gradient of conv2d's input; conv_transpose2d */
  CLG_CONV_W, /* the weight's gradient */
  CLG_CONV_Y, /* conv2d; the gradient of conv_transpose2d's input */
  CLG_CONV_OPERANDS
} clg_conv_operand;

typedef enum clg_conv_kernel {
  CLG_CONV_FIXED,   /* the choice without a table */
  CLG_CONV_TILE,    /* GPU shape: tiles in local memory */
  CLG_CONV_PAIRS,   /* CPU shape: vectors of channels */
  CLG_CONV_FEW,     /* CPU shape: vectors of pixels, for few channels */
  CLG_CONV_PRODUCT, /* 1x1, stride 1, no padding: matrix products, by their own choice */
  CLG_CONV_KERNELS
} clg_conv_kernel;

/* What the class of a convolution goes by. Those in groups are in none: they have the fixed choice. */
typedef struct clg_conv_sizes {
  clg_conv_operand output; /* which is computed */
  int64_t taps;            /* height times width of the kernel: 1; to 25; above */
  int64_t stride;          /* the larger one: 1; above */
  int64_t in, out;         /* channels of x and of y: to 4; 16; 64; 256; above */
  int64_t pixels;          /* of a channel of y: to 64; 256; 1024; above */
} clg_conv_sizes;
#define CLG_CONV_CLASSES 1800

/* "pairs"; "" for a number that is none. */
CLG_API const char *clg_conv_kernel_name(clg_conv_kernel kernel);
/* From 0 to CLG_CONV_CLASSES - 1; -1 for sizes that are none. */
CLG_API int clg_conv_class(const clg_conv_sizes *sizes);
/* The sizes to measure a class at: of squares, and of odd kernels, which are padded by half of them. */
CLG_API clg_conv_sizes clg_conv_class_typical(int conv_class);
/* Whether the kernel runs on the context's shape of device, can do the class's convolutions at their typical sizes, and
 * is another than the fixed choice's there. */
CLG_API bool clg_conv_kernel_serves(const clg_context *ctx, clg_conv_kernel kernel, int conv_class);
/* As those of products. */
CLG_API clg_conv_kernel clg_tuning_get_conv(const clg_context *ctx, int conv_class);
CLG_API clg_status clg_tuning_set_conv(clg_context *ctx, int conv_class, clg_conv_kernel kernel);

/* ---- CLBlast's own parameters, on the GPU shape ----
 *
 * A table may hold parameters for three of CLBlast's kernels, under the names that CLBlast's database has for them.
 * CLBlast keeps them for the device, in one place a process:
 * - from the load on, every context of that device in the process runs with them, one without a table too (and asks for
 *   its workspaces again, so that memory stays exact);
 * - a context whose table needs other parameters than the table of another context on the device is refused
 *   (CLG_ERR_STATE), so that no context's results change behind its table's hash;
 * - CLBlast does not give its own parameters back: they stay after clg_tuning_clear and after the context, and a table
 *   without parameters, or with fewer, is then refused (CLG_ERR_STATE) by a context on the device. Another process
 *   starts anew. A plan has them for itself alone.
 * The next product after a change builds CLBlast's kernels again, which takes seconds. */
typedef enum clg_clblast_kernel {
  CLG_CLBLAST_XGEMM,        /* large products, by way of copies in whole tiles */
  CLG_CLBLAST_XGEMM_DIRECT, /* small ones, in place */
  CLG_CLBLAST_GEMM_ROUTINE, /* where the one begins and the other ends: the side of a cube of as many multiplications */
  CLG_CLBLAST_KERNELS
} clg_clblast_kernel;
#define CLG_CLBLAST_PARAMETERS 16 /* at most, of a kernel */

/* "Xgemm"; "" for a number that is none. */
CLG_API const char *clg_clblast_kernel_name(clg_clblast_kernel kernel);
/* "MWG"; "" behind the kernel's last. Values are given in this order. */
CLG_API const char *clg_clblast_parameter_name(clg_clblast_kernel kernel, int i);
/* Whether the kernel can be built with the values, and its work-groups fit the device. */
CLG_API bool clg_clblast_fits(const clg_context *ctx, clg_clblast_kernel kernel, const uint32_t *values);
/* Values for all of a kernel's parameters. CLG_ERR_ARGUMENT: they do not fit, or the context is of the CPU shape;
 * CLG_ERR_STATE, as above; CLG_ERR_DEVICE: this version of CLBlast refuses them. */
CLG_API clg_status clg_tuning_set_clblast(clg_context *ctx, clg_clblast_kernel kernel, const uint32_t *values);
/* False: the table has none. `values` has room for CLG_CLBLAST_PARAMETERS. */
CLG_API bool clg_tuning_get_clblast(const clg_context *ctx, clg_clblast_kernel kernel, uint32_t *values);

/* ---- files ---- */

/* Replaces the context's table by the file's. CLG_ERR_IO: it cannot be read, is damaged, is of another device, driver
 * or shape (a plan takes any device's), or has parameters for CLBlast that do not fit; CLG_ERR_STATE and CLG_ERR_DEVICE
 * as for clg_tuning_set_clblast. The table stays as it was. */
CLG_API clg_status clg_tuning_load(clg_context *ctx, const char *path);
/* CLG_ERR_STATE without a table; CLG_ERR_IO. The file is replaced in one step, as those of io.h are. */
CLG_API clg_status clg_tuning_save(clg_context *ctx, const char *path);

#ifdef __cplusplus
}
#endif
#endif
