/* REAL(name): the function that one of ours, of the same name, stands before. _GNU_SOURCE has to be defined. */
#ifndef CLG_TESTS_REAL_H
#define CLG_TESTS_REAL_H

#include <dlfcn.h>
#pragma GCC diagnostic ignored "-Wpedantic"

#define REAL(name)                                                                                                     \
  ({                                                                                                                   \
    static __typeof__(&name) real;                                                                                     \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                                                              \
    real;                                                                                                              \
  })

#endif
