/* In front of every program. The host defines CLG_FMA and CLG_DIVIDES, and for sources that mention them CLG_CPU (1 or
 * 0), WG (the work-group size of kernels that share work) and VW (the vector width of a work-item). */
#pragma OPENCL FP_CONTRACT OFF

/* CLG_DECLARES: on PoCL. CLG_APART: of a function that is compiled once for all its callers, a kernel's text there; its
 * vectors may be whole registers, as a kernel's may, where Clang keeps other functions to half of AVX-512's. */
#if defined(CLG_DECLARES)
#include "declared.clh"
#define CLG_APART static __attribute__((noinline, min_vector_width(512)))
#else
#define CLG_APART static
#endif
/* "CLG_KERNEL void NAME(PARAMETERS)", to which embed.py, or lib/kernel for those that it writes, adds the parameters'
 * names: a long kernel, which PoCL compiles for a CPU as such a function, which the kernel calls. There CLG_GROUP(dim)
 * is the group, CLG_ITEM(dim) the item of all, and CLG_LANE the item of its group, of which a CPU's has one then. */
#if defined(CLG_DECLARES) && CLG_CPU
#define CLG_GROUP(dim) clg_group##dim
#define CLG_ITEM(dim)  clg_item##dim
#define CLG_LANE       0u
#define CLG_LIST(...)  __VA_ARGS__
#define CLG_PLACE                                                                                                      \
  const size_t clg_group0, const size_t clg_group1, const size_t clg_group2, const size_t clg_item0,                   \
      const size_t clg_item1
#define CLG_KERNEL(NAME, PARAMS, NAMES)                                                                                \
  CLG_APART void NAME##_apart(CLG_PLACE, CLG_LIST PARAMS);                                                             \
  __kernel void NAME PARAMS {                                                                                          \
    NAME##_apart(get_group_id(0), get_group_id(1), get_group_id(2), get_global_id(0), get_global_id(1),                \
                 CLG_LIST NAMES);                                                                                      \
  }                                                                                                                    \
  CLG_APART void NAME##_apart(CLG_PLACE, CLG_LIST PARAMS)
#else
#define CLG_GROUP(dim)                  get_group_id(dim)
#define CLG_ITEM(dim)                   get_global_id(dim)
#define CLG_LANE                        (uint)get_local_id(0)
#define CLG_KERNEL(NAME, PARAMS, NAMES) __kernel void NAME PARAMS
#endif

/* Contraction is written out where it is fast, so that the same formula has the same bits in every kernel. */
#if CLG_FMA
#define FMA(a, b, c) fma(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

/* In front of a loop of a CPU's item whose turns do not depend on each other, which a compiler cannot know of buffers:
 * sixteen become one vector, or as many as make up one. Compilers prefer less, even where they have registers of
 * sixteen. */
#ifdef __clang__
#define CLG_SIXTEEN _Pragma("clang loop vectorize(assume_safety) vectorize_width(16)")
#define CLG_FOUR    _Pragma("clang loop vectorize(assume_safety) vectorize_width(4)")
/* In front of a loop inside of such a one. */
#define CLG_UNROLL _Pragma("unroll")
#else
#define CLG_SIXTEEN
#define CLG_FOUR
#define CLG_UNROLL
#endif

/* In a loop of a CPU's item that has come to p: what lies `ahead` floats further will be wanted, if it is the buffer's.
 * A core that computes more than it reads sees too few elements ahead, and its own guesses end with each page. PoCL's
 * prefetch does nothing. */
#if defined(__clang__) && !defined(__SPIR__)
#define CLG_PREFETCH_AT(p, ahead) __builtin_prefetch((const void *)((size_t)(p) + sizeof(float) * (ahead)))
#else
#define CLG_PREFETCH_AT(p, ahead) prefetch((p) + (ahead), 16)
#endif
#define CLG_PREFETCH(p) CLG_PREFETCH_AT(p, 512)

#include "divide.clh"

/* Of functions in loops that are to become vectors, which a compiler may find too long. */
#define CLG_INLINE static inline __attribute__((always_inline))

static inline float clg_sign(const float x) { return (float)((x > 0.0f) - (x < 0.0f)); }
/* NaN wins, unlike in fmin and fmax. */
static inline float clg_min(const float a, const float b) { return a < b || a != a ? a : b; }
static inline float clg_max(const float a, const float b) { return a > b || a != a ? a : b; }
#if VW == 16
static inline float16 clg_sign16(const float16 x) {
  const float16 zero = 0.0f;
  return x > zero ? (float16)(1.0f) : x < zero ? (float16)(-1.0f) : zero;
}
static inline float16 clg_min16(const float16 a, const float16 b) { return (a < b) | (a != a) ? a : b; }
static inline float16 clg_max16(const float16 a, const float16 b) { return (a > b) | (a != a) ? a : b; }
#endif
