/* Tests kernels on a device. */
#ifndef CLGRAD_INFO_SELF_TEST_H
#define CLGRAD_INFO_SELF_TEST_H

#include "bits.h"

enum { SELF_TESTS = 6 };

typedef struct result {
  bool ran;
  int passed, milliseconds;
  char failed[256], message[512]; /* names of the failed tests; the first error's line */
  bits_result bits;
  char bits_message[512]; /* why they were not tried; "" */
} result;

/* `show`: lines on standard error where kernels are compiled. */
result self_test(const clg_device_info *d, bool show);

#endif
