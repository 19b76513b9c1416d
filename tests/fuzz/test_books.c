/* Random programs on the device and on a plan made like it: status and books agree, to the byte, after every call.
 * $TEST_PROGRAMS: how many (25); $TEST_SEED: the first (1). */
#include "../harness.h"
#include "program.h"
#include <stdio.h>
#include <string.h>

enum { LONGEST = 1700, MOST = 2000 };
static const char *const columns[] = {"status",    "live",          "reserved",   "saved",
                                      "peak live", "peak reserved", "peak saved", "step"};
enum { STATUS, STEP = 7, COLUMNS };
typedef struct record {
  size_t n;
  uint64_t row[MOST][COLUMNS];
} record;
static record of_device, of_plan;

static void write_down(void *user, clg_context *ctx, int step) {
  record *r = user;
  clg_memory_stats m = clg_memory(ctx);
  const uint64_t row[COLUMNS] = {(uint64_t)clg_last_status(ctx),
                                 m.live,
                                 m.reserved,
                                 m.saved,
                                 m.peak_live,
                                 m.peak_reserved,
                                 m.peak_saved,
                                 (uint64_t)step};
  if (r->n < MOST) memcpy(r->row[r->n++], row, sizeof row);
  clg_clear_error(ctx);
}

static uint8_t next_byte(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return (uint8_t)(*state >> 24);
}

static void play(clg_context *ctx, const uint8_t *bytes, size_t n, record *r) {
  program p = {.bytes = bytes, .n = n, .ctx = ctx};
  r->n = 0;
  program_run(&p, write_down, r);
  program_end(&p);
}

static void compare(uint64_t seed) {
  for (size_t i = 0; i < of_device.n || i < of_plan.n; i++) {
    const uint64_t *d = of_device.row[i], *p = of_plan.row[i];
    if (i < of_device.n && d[STATUS] == CLG_ERR_MEMORY) return; /* it is full, which a plan never is */
    ck_assert_msg(i < of_device.n && i < of_plan.n, "seed %llu: %zu calls and %zu", (unsigned long long)seed,
                  of_device.n, of_plan.n);
    for (int c = 0; c < COLUMNS; c++)
      ck_assert_msg(d[c] == p[c], "seed %llu, call %zu, step %llu: %s %llu on the device, %llu in the plan",
                    (unsigned long long)seed, i, (unsigned long long)d[STEP], columns[c], (unsigned long long)d[c],
                    (unsigned long long)p[c]);
  }
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value ? strtoull(value, NULL, 10) : otherwise;
}

static size_t run_both(uint64_t seed) {
  static uint8_t bytes[LONGEST];
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  size_t n = 200 + (next_byte(&state) << 8 | next_byte(&state)) % (LONGEST - 200);
  for (size_t i = 0; i < n; i++) bytes[i] = next_byte(&state);
  char why[256] = "";
  clg_context *device = NULL, *plan = NULL;
  clg_context_options o = clg_context_defaults();
  clg_plan_options like = clg_plan_defaults();
  o.message = why, o.message_size = sizeof why;
  ck_assert_msg(clg_context_create(&device, &o) == CLG_OK, "%s", why);
  like.like = device;
  ck_assert_int_eq(clg_context_create_plan(&plan, &like), CLG_OK);
  play(device, bytes, n, &of_device);
  play(plan, bytes, n, &of_plan);
  compare(seed);
  clg_context_unref(&plan), clg_context_unref(&device);
  return of_device.n;
}

START_TEST(the_books_agree_after_every_call) {
  uint64_t first = from_environment("TEST_SEED", 1), count = from_environment("TEST_PROGRAMS", 25);
  size_t calls = 0;
  for (uint64_t i = 0; i < count; i++) calls += run_both(first + i);
  printf("%llu programs, %zu calls\n", (unsigned long long)count, calls);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("books");
  tcase_set_timeout(c, 3600);
  tcase_add_test(c, the_books_agree_after_every_call);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("books", add_cases)
