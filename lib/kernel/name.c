/* Names of kernels: what an op is called, where OpenCL C calls nothing so itself. */
#include "kernel/kernel.h"
#include <string.h>

/* Functions and words of OpenCL C 1.2 and of C that could be an op's name. */
static const char *const taken[] = {
    "abs",       "acos",      "acosh",    "add_sat",   "all",       "any",      "asin",      "asinh",    "atan",
    "atan2",     "atanh",     "auto",     "barrier",   "bitselect", "bool",     "break",     "case",     "cbrt",
    "ceil",      "char",      "clamp",    "clz",       "const",     "constant", "continue",  "copysign", "cos",
    "cosh",      "cospi",     "cross",    "default",   "degrees",   "distance", "do",        "dot",      "double",
    "else",      "enum",      "erf",      "erfc",      "event_t",   "exp",      "exp10",     "exp2",     "expm1",
    "extern",    "fabs",      "fdim",     "float",     "floor",     "fma",      "fmax",      "fmin",     "fmod",
    "for",       "fract",     "frexp",    "global",    "goto",      "hadd",     "half",      "hypot",    "if",
    "ilogb",     "image2d_t", "inline",   "int",       "isequal",   "isfinite", "isgreater", "isinf",    "isless",
    "isnan",     "isnormal",  "kernel",   "ldexp",     "length",    "lgamma",   "local",     "log",      "log10",
    "log1p",     "log2",      "logb",     "long",      "mad",       "mad24",    "mad_hi",    "mad_sat",  "main",
    "max",       "maxmag",    "min",      "minmag",    "mix",       "modf",     "mul24",     "mul_hi",   "nan",
    "nextafter", "normalize", "popcount", "pow",       "pown",      "powr",     "prefetch",  "printf",   "private",
    "radians",   "read_only", "register", "remainder", "remquo",    "restrict", "return",    "rhadd",    "rint",
    "rootn",     "rotate",    "round",    "rsqrt",     "sampler_t", "select",   "short",     "shuffle",  "sign",
    "signbit",   "signed",    "sin",      "sincos",    "sinh",      "sinpi",    "size_t",    "sizeof",   "smoothstep",
    "sqrt",      "static",    "step",     "struct",    "sub_sat",   "switch",   "tan",       "tanh",     "tanpi",
    "tgamma",    "trunc",     "typedef",  "uchar",     "uint",      "ulong",    "union",     "unsigned", "upsample",
    "ushort",    "void",      "volatile", "while",     "write_only"};

void clg_kernel_name(const char *op, clg_str *out) {
  char name[CLG_KERNEL_NAME + 1];
  size_t n = 0;
  bool digit = *op >= '0' && *op <= '9';
  if (digit || !*op) name[n++] = '_';
  for (; *op && n < CLG_KERNEL_NAME; op++) {
    bool plain = (*op >= 'a' && *op <= 'z') || (*op >= 'A' && *op <= 'Z') || (*op >= '0' && *op <= '9');
    name[n++] = plain ? *op : '_';
  }
  name[n] = '\0';
  clg_str_add(out, name);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    if (!strcmp(name, taken[i])) clg_str_add(out, "_each");
}
