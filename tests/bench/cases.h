/* What is timed: every op of the op table, at sizes and in layouts that models have. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "../op_table/op_table.h"

#define FILL     (-1) /* a first size: as large as makes operand 0 as long as its case's size says */
#define AS_FIRST (-2) /* a size: the first one of operand 0 */

/* The operands that are tensors of more than one dimension are parts of others: a range of channels of twice as many,
 * heads [B,H,T,D] that lie as [B,T,H,D], time step 1 of 4 of a sequence [B,4,..]. */
typedef enum bench_layout { LAYOUT_FLAT, LAYOUT_CHANNELS, LAYOUT_HEADS, LAYOUT_STEPS, LAYOUTS } bench_layout;
/* Operands that lie in a cache, that lie in none, and of many short rows. */
typedef enum bench_size { SIZE_CACHE, SIZE_MEMORY, SIZE_ROWS, SIZES } bench_size;
extern const char *const bench_layouts[LAYOUTS], *const bench_sizes[SIZES];
int64_t bench_floats(bench_size size); /* of operand 0, where its first size is FILL */

typedef struct bench_case {
  op_case c;
  bench_layout layout;
  bench_size size;
} bench_case;

bool bench_case_at(size_t i, bench_case *out); /* false: no more */
/* The attributes that are not 0, as "stride=2,2;groups=4". */
void bench_attrs_text(const op_attrs *a, char *out, size_t size);

#endif
