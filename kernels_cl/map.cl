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

/* All tensors contiguous, n elements: one item an element. */
#define MAP_FLAT(NAME, PUT)                                                                                            \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_NUMBERS, const uint mm_n) {                                            \
    const size_t mm_i = get_global_id(0);                                                                              \
    if (mm_i < mm_n) {                                                                                                 \
      MAP_LOAD_AT(mm_i)                                                                                                \
      MAP_COMPUTE                                                                                                      \
      MAP_STORE_AT(mm_i, PUT)                                                                                          \
    }                                                                                                                  \
  }
#if CLG_FORM(map_flat)
MAP_FLAT(map_flat, MAP_SET)
#endif
#if CLG_FORM(map_flat_add)
MAP_FLAT(map_flat_add, MAP_ADD)
#endif

/* Any strides over up to 8 dimensions, innermost first: global ids are the first two dimensions and the product of the
 * rest. A work-group is one row of items, so that where its row begins (t_b) is worked out before the bounds check and
 * once for all. */
#define MAP_ROW(t) int t##_b = (int)t##_o + (int)mm_g1 * t##_s.s1;
#define MAP_REST(D)                                                                                                    \
  {                                                                                                                    \
    const int mm_d = (int)(mm_rest % mm_dims.D);                                                                       \
    mm_rest /= mm_dims.D;                                                                                              \
    MAP_INDEX(MAP_STEP_##D)                                                                                            \
  }
#define MAP_STEP_s2(t) t##_b += mm_d * t##_s.s2;
#define MAP_STEP_s3(t) t##_b += mm_d * t##_s.s3;
#define MAP_STEP_s4(t) t##_b += mm_d * t##_s.s4;
#define MAP_STEP_s5(t) t##_b += mm_d * t##_s.s5;
#define MAP_STEP_s6(t) t##_b += mm_d * t##_s.s6;
#define MAP_STEP_s7(t) t##_b += mm_d * t##_s.s7;
#ifdef MAP_ZERO
#define MAP_IS_ZERO(n) (MAP_ZERO >> n & 1)
#define MAP_AT(t, n)   const int t##_i = t##_b + (MAP_IS_ZERO(n) ? 0 : (int)mm_g0);
#define MAP_ONCE(t, n) const MAP_T t##_v = MAP_IS_ZERO(n) ? t##_p[t##_b] : 0;
#define MAP_GET(t, n)  const MAP_T t = MAP_IS_ZERO(n) ? t##_v : t##_p[t##_i];
#else
#define MAP_AT(t, n) const int t##_i = t##_b + (int)mm_g0 * t##_s.s0;
#define MAP_ONCE(t, n)
#define MAP_GET(t, n) const MAP_T t = t##_p[t##_i];
#endif
#define MAP_STRIDED(NAME, PUT)                                                                                         \
  __kernel void NAME(MAP_OUTPUTS MAP_INPUTS MAP_STRIDES MAP_NUMBERS, const uint8 mm_dims) {                            \
    const size_t mm_g0 = get_global_id(0), mm_g1 = get_group_id(1);                                                    \
    uint mm_rest = (uint)get_group_id(2);                                                                              \
    MAP_INDEX(MAP_ROW)                                                                                                 \
    if (mm_rest < mm_dims.s2) { /* the usual case: divisions here would cost more than all else */                     \
      const int mm_d = (int)mm_rest;                                                                                   \
      MAP_INDEX(MAP_STEP_s2)                                                                                           \
    } else {                                                                                                           \
      MAP_REST(s2) MAP_REST(s3) MAP_REST(s4) MAP_REST(s5) MAP_REST(s6) MAP_REST(s7)                                    \
    }                                                                                                                  \
    MAP_INPUT_NUMBER(MAP_ONCE)                                                                                         \
    if (mm_g0 < mm_dims.s0) {                                                                                          \
      MAP_OUTPUT_NUMBER(MAP_AT)                                                                                        \
      MAP_INPUT_NUMBER(MAP_AT)                                                                                         \
      MAP_INPUT_NUMBER(MAP_GET)                                                                                        \
      MAP_COMPUTE                                                                                                      \
      MAP_STORE(PUT)                                                                                                   \
    }                                                                                                                  \
  }
#if CLG_FORM(map_strided)
MAP_STRIDED(map_strided, MAP_SET)
#endif
#if CLG_FORM(map_strided_add)
MAP_STRIDED(map_strided_add, MAP_ADD)
#endif
