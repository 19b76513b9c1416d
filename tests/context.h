/* A context for a test case, and the proof that the case left nothing behind. */
#ifndef CLG_TESTS_CONTEXT_H
#define CLG_TESTS_CONTEXT_H

#include <check.h>
#include <clgrad/clgrad.h>
#include <string.h>

static inline clg_context *test_context_open(void) {
  clg_context *ctx = NULL;
  char message[512] = "";
  clg_context_options o = clg_context_defaults();
  o.message = message;
  o.message_size = sizeof message;
  ck_assert_msg(clg_context_create(&ctx, &o) == CLG_OK, "%s", message);
  return ctx;
}

/* Oclgrind interprets kernels, hundreds of times slower than anything else. */
static inline bool test_interpreted(const clg_context *ctx) {
  return strstr(clg_context_device(ctx)->platform, "Oclgrind") != NULL;
}

/* The context's error is this, in one line that mentions `word`; clears it. */
static inline void test_expect_error(clg_context *ctx, clg_status status, const char *word) {
  ck_assert_int_eq(clg_last_status(ctx), status);
  ck_assert_msg(strstr(clg_last_error(ctx), word), "\"%s\" does not mention \"%s\"", clg_last_error(ctx), word);
  ck_assert_ptr_null(strchr(clg_last_error(ctx), '\n'));
  clg_clear_error(ctx);
}

/* Every tensor is gone (data that the context itself keeps, a few bytes, apart), and no error was left unseen. */
static inline void test_context_is_clean(clg_context *ctx) {
  ck_assert_str_eq(clg_last_error(ctx), "");
  ck_assert_uint_le(clg_memory(ctx).live, sizeof(float));
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
}
static inline void test_context_close(clg_context **ctx) {
  test_context_is_clean(*ctx);
  clg_context_unref(ctx);
  ck_assert_ptr_null(*ctx);
}

#endif
