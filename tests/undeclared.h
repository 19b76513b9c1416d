/* The last case of a suite that shares its context: no kernel called what declared.clh lacks. Behind
 * device/program.h. */
#ifndef CLG_TESTS_UNDECLARED_H
#define CLG_TESTS_UNDECLARED_H

#include "shared_context.h"

START_TEST(what_kernels_call_is_declared) { ck_assert(!clg_programs_need_header(ctx->programs)); }
END_TEST

#endif
