/* Elementwise maps. The prelude, written by lib/tensor/map.c for one list of expressions, defines
 *   MAP_T         the type of the elements: float, or int where indices are copied
 *   MAP_OUTPUTS   the result buffers and their offsets:        __global MAP_T *y0_p, const uint y0_o
 *   MAP_INPUTS    the same for the tensors read, after a comma
 *   MAP_STRIDES   an int8 of strides for each of them, after a comma
 *   MAP_NUMBERS   float arguments, after a comma
 *   MAP_LOAD_AT(i), MAP_LOAD    read the inputs at element i, or where x_i says
 *   MAP_COMPUTE                 float r0, r1, ... from the inputs
 *   MAP_STORE_AT(i, PUT), MAP_STORE(PUT)
 *   MAP_INDEX(OP)               applies OP(name) to every tensor
 *   MAP_OUTPUT_NUMBER(OP), MAP_INPUT_NUMBER(OP)   OP(name, number) for each, counted from the first result
 *   MAP_ZERO                    if defined: every innermost stride is 0 (bit `number` set) or 1
 * Inputs and results may be the same buffer. Names of ours begin with mm_ so that they cannot meet a formula's. */
#define MAP_SET(to, v) to = v
#define MAP_ADD(to, v) to += v

/* Two kernels for each task. On a GPU an item is an element. On a CPU a condition around an element would become masked
 * stores, twenty cycles each on some, so that there an item is alone in its group and takes MAP_PIECE elements, sixteen
 * at a time and what is left one by one. The compiler need not ask whether results overlap what is read: element i is
 * all that element i needs. (tensor/map.c knows MAP_PIECE too.) */
#define MAP_PIECE 2048u
#define MAP_EACH(FROM, END, DO)                                                                                        \
  {                                                                                                                    \
    uint mm_at = FROM;                                                                                                 \
    for (; mm_at + 16 <= END; mm_at += 16) CLG_SIXTEEN for (uint mm_l = 0; mm_l < 16; mm_l++) {                        \
        const uint mm_i = mm_at + mm_l;                                                                                \
        DO                                                                                                             \
      }                                                                                                                \
    for (uint mm_i = mm_at; mm_i < END; mm_i++) {                                                                      \
      DO                                                                                                               \
    }                                                                                                                  \
  }

/* All tensors contiguous, n elements. */
#define MAP_ELEMENT(PUT) MAP_LOAD_AT(mm_i) MAP_COMPUTE MAP_STORE_AT(mm_i, PUT)
#define MAP_FLAT(NAME, PUT)                                                                                            \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_NUMBERS, const uint mm_n) {                                            \
    const size_t mm_i = get_global_id(0);                                                                              \
    if (mm_i < mm_n) {                                                                                                 \
      MAP_ELEMENT(PUT)                                                                                                 \
    }                                                                                                                  \
  }
#define MAP_PIECES(NAME, PUT)                                                                                          \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_NUMBERS, const uint mm_n) {                                            \
    const uint mm_first = (uint)get_group_id(0) * MAP_PIECE, mm_end = min(mm_n, mm_first + MAP_PIECE);                 \
    MAP_EACH(mm_first, mm_end, MAP_ELEMENT(PUT))                                                                       \
  }
#if CLG_FORM(map_flat)
MAP_FLAT(map_flat, MAP_SET)
#endif
#if CLG_FORM(map_flat_add)
MAP_FLAT(map_flat_add, MAP_ADD)
#endif
#if CLG_FORM(map_pieces)
MAP_PIECES(map_pieces, MAP_SET)
#endif
#if CLG_FORM(map_pieces_add)
MAP_PIECES(map_pieces_add, MAP_ADD)
#endif

/* Any strides over up to 8 dimensions, innermost first: group ids are pieces of the first, one or mm_rows of the
 * second, and the product of the rest. t_k is where that begins in tensor t, t_b where a row of it does: worked out
 * once for all its elements. */
#define MAP_REST(D)                                                                                                    \
  {                                                                                                                    \
    const int mm_d = (int)(mm_rest % mm_dims.D);                                                                       \
    mm_rest /= mm_dims.D;                                                                                              \
    MAP_INDEX(MAP_STEP_##D)                                                                                            \
  }
#define MAP_STEP_s2(t) t##_k += mm_d * t##_s.s2;
#define MAP_STEP_s3(t) t##_k += mm_d * t##_s.s3;
#define MAP_STEP_s4(t) t##_k += mm_d * t##_s.s4;
#define MAP_STEP_s5(t) t##_k += mm_d * t##_s.s5;
#define MAP_STEP_s6(t) t##_k += mm_d * t##_s.s6;
#define MAP_STEP_s7(t) t##_k += mm_d * t##_s.s7;
#define MAP_BEGIN(t)   int t##_k = (int)t##_o;
#define MAP_FIND                                                                                                       \
  uint mm_rest = (uint)get_group_id(2);                                                                                \
  MAP_INDEX(MAP_BEGIN)                                                                                                 \
  if (mm_rest < mm_dims.s2) { /* the usual case: divisions here would cost more than all else */                       \
    const int mm_d = (int)mm_rest;                                                                                     \
    MAP_INDEX(MAP_STEP_s2)                                                                                             \
  } else {                                                                                                             \
    MAP_REST(s2) MAP_REST(s3) MAP_REST(s4) MAP_REST(s5) MAP_REST(s6) MAP_REST(s7)                                      \
  }
#define MAP_ROW(t) const int t##_b = t##_k + (int)mm_row * t##_s.s1;
#ifdef MAP_ZERO
#define MAP_IS_ZERO(n) (MAP_ZERO >> n & 1)
#define MAP_AT(t, n)   const int t##_i = t##_b + (MAP_IS_ZERO(n) ? 0 : (int)mm_i);
#define MAP_ONCE(t, n) const MAP_T t##_v = MAP_IS_ZERO(n) ? t##_p[t##_b] : 0;
#define MAP_GET(t, n)  const MAP_T t = MAP_IS_ZERO(n) ? t##_v : t##_p[t##_i];
#else
#define MAP_AT(t, n) const int t##_i = t##_b + (int)mm_i * t##_s.s0;
#define MAP_ONCE(t, n)
#define MAP_GET(t, n) const MAP_T t = t##_p[t##_i];
#endif
#define MAP_OF_ROW(PUT)                                                                                                \
  MAP_OUTPUT_NUMBER(MAP_AT) MAP_INPUT_NUMBER(MAP_AT) MAP_INPUT_NUMBER(MAP_GET) MAP_COMPUTE MAP_STORE(PUT)
#define MAP_STRIDED(NAME, PUT)                                                                                         \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_STRIDES MAP_NUMBERS, const uint8 mm_dims) {                            \
    const size_t mm_i = get_global_id(0), mm_row = get_group_id(1);                                                    \
    MAP_FIND                                                                                                           \
    MAP_INDEX(MAP_ROW)                                                                                                 \
    MAP_INPUT_NUMBER(MAP_ONCE)                                                                                         \
    if (mm_i < mm_dims.s0) {                                                                                           \
      MAP_OF_ROW(PUT)                                                                                                  \
    }                                                                                                                  \
  }
#define MAP_ROWS(NAME, PUT)                                                                                            \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_STRIDES MAP_NUMBERS, const uint8 mm_dims, const uint mm_rows) {        \
    const uint mm_first = (uint)get_group_id(0) * MAP_PIECE, mm_end = min(mm_dims.s0, mm_first + MAP_PIECE),           \
               mm_from = (uint)get_group_id(1) * mm_rows, mm_last = min(mm_dims.s1, mm_from + mm_rows);                \
    MAP_FIND                                                                                                           \
    for (uint mm_row = mm_from; mm_row < mm_last; mm_row++) {                                                          \
      MAP_INDEX(MAP_ROW)                                                                                               \
      MAP_INPUT_NUMBER(MAP_ONCE)                                                                                       \
      MAP_EACH(mm_first, mm_end, MAP_OF_ROW(PUT))                                                                      \
    }                                                                                                                  \
  }
#if CLG_FORM(map_strided)
MAP_STRIDED(map_strided, MAP_SET)
#endif
#if CLG_FORM(map_strided_add)
MAP_STRIDED(map_strided_add, MAP_ADD)
#endif
#if CLG_FORM(map_rows)
MAP_ROWS(map_rows, MAP_SET)
#endif
#if CLG_FORM(map_rows_add)
MAP_ROWS(map_rows_add, MAP_ADD)
#endif
