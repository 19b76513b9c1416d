/* What moves, joins, reduces or makes elements. */
#include "case_rows.h"

/* The forms of one reduction. */
#define REDUCED(op, gradients, more)                                                                                   \
  ROW(op, "rows of 1024", IN(S(FILL, 1024)), .attrs = {ALONG(1), more}, .grads = gradients),                           \
      ROW(op, "columns of [R,1024]", IN(S(FILL, 1024)), .attrs = {ALONG(0), more}, .grads = gradients),                \
      ROW(op, "middle of [R,64,64]", IN(S(FILL, 64, 64)), .attrs = {ALONG(1), more}, .grads = gradients),              \
      SHORT(op, "rows of 4", IN(S(FILL, 4)), .attrs = {ALONG(1), more}, .grads = gradients),                           \
      SHORT(op, "rows of 10", IN(S(FILL, 10)), .attrs = {ALONG(1), more}, .grads = gradients),                         \
      ROW_AS(STEPS, op, "rows of 128", IN(S(FILL, 128)), .attrs = {ALONG(1), more}, .grads = gradients),               \
      ROW_AS(HEADS, op, "rows of 32", IN(S(FILL, 4, 64, 32)), .attrs = {ALONG(3), more}, .grads = gradients)
/* Of those that join any dimensions. */
#define JOINED(op, gradients, more)                                                                                    \
  REDUCED(op, gradients, more), ROW(op, "all", IN(S(FILL, 1024)), .attrs = {more}, .grads = gradients),                \
      ROW(op, "planes of [N,64,28,28]", IN(S(FILL, 64, 28, 28)), .attrs = {OVER(2, 3), more}, .grads = gradients),     \
      SHORT(op, "planes of [N,64,4,4]", IN(S(FILL, 64, 4, 4)), .attrs = {OVER(2, 3), more}, .grads = gradients),       \
      ROW_AS(CHANNELS, op, "all but 32 channels", IN(S(FILL, 32, 28, 28)), .attrs = {OVER(0, 2, 3), more},             \
             .grads = gradients)

static const bench_row rows[] = {
    /* elementwise, broadcast */
    ROW("add", "x[R,1024] + b[1024]", IN(S(FILL, 1024), S(1024)), .grads = 3),
    ROW("add", "x[N,64,28,28] + b[64,1,1]", IN(S(FILL, 64, 28, 28), S(64, 1, 1)), .grads = 3),
    SHORT("add", "x[R,8] + b[8]", IN(S(FILL, 8), S(8)), .grads = 3),
    ROW("mul", "x[R,1024]*c[R,1]", IN(S(FILL, 1024), S(AS_FIRST, 1)), .grads = 3),
    SHORT("mul", "x[R,8]*c[R,1]", IN(S(FILL, 8), S(AS_FIRST, 1)), .grads = 3),
    ROW("mul", "x[R,1024]*c[1024]", IN(S(FILL, 1024), S(1024)), .grads = 3),
    ROW("pow", "x^2.5", IN(S(FILL)), .low = 0.5f, .high = 2, .attrs = {.exponent = 2.5f}, .grads = 1),
    ROW("pow", "x^-1", IN(S(FILL)), .low = 0.5f, .high = 2, .attrs = {.exponent = -1}, .grads = 1),
    ROW("pow", "x^0.5", IN(S(FILL)), .low = 0.5f, .high = 2, .attrs = {.exponent = 0.5f}, .grads = 1),
    ROW("dropout", "p = 0.5", IN(S(FILL)), .attrs = {.p = 0.5f}, .grads = 1),
    /* copies */
    ROW("contiguous", "of the transposed [R,1024]", IN(S(FILL, 1024)), .grads = 1),
    ROW("copy_transposed", "[R,1024]", IN(S(FILL, 1024)), .grads = 1),
    SHORT("copy_transposed", "[R,8]", IN(S(FILL, 8)), .grads = 1),
    ROW("copy_slice", "::2 of the last", IN(S(FILL, 1024)), .grads = 1),
    ROW_AS(HEADS, "contiguous", "heads of 32", IN(S(FILL, 4, 64, 32)), .grads = 1),
    SHORT_AS(HEADS, "contiguous", "heads of 8", IN(S(FILL, 4, 64, 8)), .grads = 1),
    ROW_AS(CHANNELS, "contiguous", "32 channels", IN(S(FILL, 32, 28, 28)), .grads = 1),
    ROW_AS(STEPS, "contiguous", "rows of 128", IN(S(FILL, 128)), .grads = 1),
    ROW("cat", "of two, rows", IN(S(FILL, 1024), S(AS_FIRST, 1024)), .attrs = {.dim = {0}}, .grads = 3),
    ROW("cat", "of two, columns", IN(S(FILL, 512), S(AS_FIRST, 512)), .attrs = {.dim = {1}}, .grads = 3),
    SHORT("cat", "of two, 8 columns each", IN(S(FILL, 8), S(AS_FIRST, 8)), .attrs = {.dim = {1}}, .grads = 3),
    ROW("cat", "of two, channels", IN(S(FILL, 32, 28, 28), S(AS_FIRST, 32, 28, 28)), .attrs = {.dim = {1}}, .grads = 3),
    ROW("stack", "of two, first", IN(S(FILL, 1024), S(AS_FIRST, 1024)), .attrs = {.dim = {0}}, .grads = 3),
    ROW("stack", "of two, steps of 128", IN(S(FILL, 128), S(AS_FIRST, 128)), .attrs = {.dim = {1}}, .grads = 3),
    SHORT("stack", "of two, last", IN(S(FILL, 8), S(AS_FIRST, 8)), .attrs = {.dim = {2}}, .grads = 3),
    ROW("pad", "rows by 3 and 3", IN(S(FILL, 1024)), .attrs = {.dim = {1}, .start = 3, .stop = 3}, .grads = 1),
    ROW("pad", "planes by 1 and 1", IN(S(FILL, 64, 28, 28)), .attrs = {.dim = {2}, .start = 1, .stop = 1}, .grads = 1),
    SHORT("pad", "rows of 8 by 1 and 1", IN(S(FILL, 8)), .attrs = {.dim = {1}, .start = 1, .stop = 1}, .grads = 1),
    ROW("flip", "rows", IN(S(FILL, 1024)), .attrs = {ALONG(1)}, .grads = 1),
    ROW("flip", "the first", IN(S(FILL, 1024)), .attrs = {ALONG(0)}, .grads = 1),
    SHORT("flip", "rows of 8", IN(S(FILL, 8)), .attrs = {ALONG(1)}, .grads = 1),
    ROW("roll", "rows by 3", IN(S(FILL, 1024)), .attrs = {ALONG(1), .ndim = 1, .shape = {3}}, .grads = 1),
    SHORT("roll", "rows of 8 by 3", IN(S(FILL, 8)), .attrs = {ALONG(1), .ndim = 1, .shape = {3}}, .grads = 1),
    ROW("tril", "[N,64,64]", IN(S(FILL, 64, 64)), .grads = 1),
    ROW("triu", "[N,64,64]", IN(S(FILL, 64, 64)), .grads = 1),
    /* views: what is timed is their gradients, and what a call costs */
    ROW("narrow", "half of the rows' ends", IN(S(FILL, 1024)), .attrs = {.dim = {1}, .start = 512, .length = 512},
        .grads = 1),
    ROW("narrow", "a step of [R,4,128]", IN(S(FILL, 4, 128)), .attrs = {.dim = {1}, .start = 1, .length = 1},
        .grads = 1),
    SHORT("narrow", "4 of rows of 8", IN(S(FILL, 8)), .attrs = {.dim = {1}, .start = 2, .length = 4}, .grads = 1),
    ROW("slice", "::2 of the rows", IN(S(FILL, 1024)), .attrs = {.dim = {1}, .start = 1, .stop = 1024, .step = 2},
        .grads = 1),
    ROW("split", "half of the channels", IN(S(FILL, 64, 28, 28)), .attrs = {.dim = {1}, .length = 32}, .grads = 1),
    ROW("chunk", "a third of rows of 384", IN(S(FILL, 384)), .attrs = {.dim = {1}, .length = 3, .part = 1}, .grads = 1),
    ROW("unbind", "a step of [R,4,128]", IN(S(FILL, 4, 128)), .attrs = {.dim = {1}, .part = 2}, .grads = 1),
    ROW("transpose", "[R,1024]", IN(S(FILL, 1024)), .attrs = {.dim = {0, 1}}, .grads = 1),
    ROW("permute", "heads", IN(S(FILL, 64, 4, 32)), .attrs = {.dims = 4, .dim = {0, 2, 1, 3}}, .grads = 1),
    ROW("reshape", "[R,1024]", IN(S(FILL, 1024)), .attrs = {TO(-1)}, .grads = 1),
    ROW("expand", "rows by 64", IN(S(1, 16384)), .attrs = {TO(64, 16384)}, .grads = 1),
    ROW("expand", "columns by 64", IN(S(16384, 1)), .attrs = {TO(16384, 64)}, .grads = 1),
    SHORT("expand", "columns by 8", IN(S(131072, 1)), .attrs = {TO(131072, 8)}, .grads = 1),
    /* reductions */
    JOINED("sum", 1, .order = 0),
    JOINED("mean", 1, .order = 0),
    JOINED("amax", 1, .order = 0),
    ROW("amin", "rows of 1024", IN(S(FILL, 1024)), .attrs = {ALONG(1)}, .grads = 1),
    SHORT("amin", "rows of 10", IN(S(FILL, 10)), .attrs = {ALONG(1)}, .grads = 1),
    JOINED("var", 1, .order = 0),
    ROW("std", "rows of 1024", IN(S(FILL, 1024)), .attrs = {ALONG(1)}, .grads = 1),
    SHORT("std", "rows of 10", IN(S(FILL, 10)), .attrs = {ALONG(1)}, .grads = 1),
    JOINED("logsumexp", 1, .order = 0),
    JOINED("norm", 1, .order = 2),
    REDUCED("max_dim", 1, .order = 0),
    ROW("min_dim", "rows of 1024", IN(S(FILL, 1024)), .attrs = {ALONG(1)}, .grads = 1),
    SHORT("min_dim", "rows of 10", IN(S(FILL, 10)), .attrs = {ALONG(1)}, .grads = 1),
    REDUCED("argmax", 0, .order = 0),
    ROW("argmin", "rows of 1024", IN(S(FILL, 1024)), .attrs = {ALONG(1)}),
    REDUCED("softmax", 1, .order = 0),
    ROW("softmax", "rows of 16384", IN(S(FILL, 16384)), .attrs = {ALONG(1)}, .grads = 1),
    REDUCED("log_softmax", 1, .order = 0),
    /* by index */
    ROW("embedding", "[1024,256], 16384 rows", IN(S(1024, 256), S(16384)), .below = 1024, .grads = 1),
    ROW("embedding", "[4000,64], 16384 rows", IN(S(4000, 64), S(16384)), .below = 4000, .grads = 1),
    ROW("embedding", "[65,128], 1024 rows", IN(S(65, 128), S(16, 64)), .below = 65, .grads = 1),
    ROW("embedding", "[30000,256], 2048 rows", IN(S(30000, 256), S(2048)), .below = 30000, .grads = 1),
    SHORT("embedding", "[4000,8], 65536 rows", IN(S(4000, 8), S(65536)), .below = 4000, .grads = 1),
    ROW("index_select", "rows of [16384,256]", IN(S(16384, 256), S(16384)), .attrs = {ALONG(0)}, .below = 16384,
        .grads = 1),
    ROW("index_select", "rows of [4000,64]", IN(S(4000, 64), S(16384)), .attrs = {ALONG(0)}, .below = 4000, .grads = 1),
    ROW("index_select", "columns of [1024,1000]", IN(S(1024, 1000), S(256)), .attrs = {ALONG(1)}, .below = 1000,
        .grads = 1),
    ROW("gather", "[1000,1000] by [1000,16]", IN(S(1000, 1000), S(1000, 16)), .attrs = {ALONG(1)}, .below = 1000,
        .grads = 1),
    ROW("gather", "[1024,1024] by [1024,1024]", IN(S(1024, 1024), S(1024, 1024)), .attrs = {ALONG(1)}, .below = 1024,
        .grads = 1),
    ROW("gather", "along the first of [1024,1024]", IN(S(1024, 1024), S(1024, 1024)), .attrs = {ALONG(0)},
        .below = 1024, .grads = 1),
    SHORT("gather", "one of 10", IN(S(131072, 10), S(131072, 1)), .attrs = {ALONG(1)}, .below = 10, .grads = 1),
    ROW("one_hot", "16384 of 64", IN(S(16384)), .attrs = {.length = 64}, .below = 64),
    ROW("to_float", "of 4 million", IN(S(1 << 22)), .below = 1000),
    /* makers */
    ROW("zeros", "", IN(ABSENT), .attrs = {TO(FILL)}),
    ROW("ones", "", IN(ABSENT), .attrs = {TO(FILL)}),
    ROW("full", "", IN(ABSENT), .attrs = {TO(FILL), .value = 0.5f}),
    ROW("eye", "[R,1024]", IN(ABSENT), .attrs = {TO(FILL, 1024)}),
    ROW("arange", "a million", IN(ABSENT), .attrs = {.high = 1 << 20, .scalar = 1}),
    ROW("rand", "", IN(ABSENT), .attrs = {TO(FILL), .high = 1}),
    ROW("randn", "", IN(ABSENT), .attrs = {TO(FILL)}),
    ROW("randint", "below 1000", IN(ABSENT), .attrs = {TO(FILL), .stop = 1000}),
};
const bench_rows bench_tensor_rows = BENCH_ROWS(rows);
