/* A Check program in one line: CHECK_MAIN("name", add_cases) runs the test cases that add_cases adds to the suite.
 *
 * No fork: a forked child of a process that has used PoCL hangs. */
#ifndef CLG_TESTS_HARNESS_H
#define CLG_TESTS_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Check writes a line to a file for every assertion, also for one that holds: comparisons of many elements would do
 * little else. */
#undef ck_assert_msg
#define ck_assert_msg(holds, ...)                                                                                      \
  do {                                                                                                                 \
    if (!(holds)) ck_abort_msg(__VA_ARGS__);                                                                           \
  } while (0)

/* $CLGRAD_TEST_CASE, part of a name, leaves the cases of all other names out. */
static inline bool test_is_wanted(const char *name) {
  const char *part = getenv("CLGRAD_TEST_CASE");
  return !part || strstr(name, part);
}

static inline int check_main(const char *name, void (*add_cases)(Suite *suite)) {
  Suite *suite = suite_create(name);
  add_cases(suite);
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define CHECK_MAIN(name, add_cases)                                                                                    \
  int main(void) { return check_main(name, add_cases); }

#endif
