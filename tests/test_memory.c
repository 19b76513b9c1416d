/* The pool and the books: what is live, reserved and alive at the peak, on a device and in a plan. */
#include "device.h"
#include "device/books.h"
#include "product/state.h"
#include "replaces.h"
#include <stdio.h>

enum { SMALLEST = 256 };

static clg_context *plan(void) {
  clg_context *ctx = NULL;
  ck_assert_int_eq(clg_context_create_plan(&ctx, NULL), CLG_OK);
  ck_assert(clg_context_is_plan(ctx));
  return ctx;
}

/* A repeatable sequence. */
static uint32_t rolled;
static uint32_t roll(uint32_t below) {
  rolled = rolled * 1664525u + 1013904223u;
  return (rolled >> 8) % below;
}

/* ---- the pool ---- */

START_TEST(sizes_waste_at_most_an_eighth) {
  clg_context *ctx = plan();
  for (size_t bytes = 1; bytes < (size_t)1 << 40; bytes += 1 + bytes / 37) {
    clg_block *b = clg_block_alloc(ctx, bytes, CLG_ROLE_DATA, "x");
    clg_memory_stats m = clg_memory(ctx);
    ck_assert_uint_eq(m.live, bytes);
    ck_assert_uint_ge(m.reserved, bytes);
    ck_assert_uint_le(m.reserved, bytes < SMALLEST ? SMALLEST : bytes + bytes / 8);
    clg_block_unref(b);
    ck_assert_int_eq(clg_memory_trim(ctx), CLG_OK);
    ck_assert_uint_eq(clg_memory(ctx).reserved, 0);
  }
  close_clean(&ctx);
}
END_TEST

START_TEST(freed_buffers_are_reused_up_to_a_quarter_larger) {
  clg_context *ctx = open_default();
  clg_block_unref(block(ctx, 1000));
  const size_t fits[] = {1000, 1024, 961, 820};
  for (size_t i = 0; i < 4; i++) clg_block_unref(block(ctx, fits[i]));
  ck_assert_uint_eq(clg_context_counters(ctx).pool_hits, 4);
  ck_assert_uint_eq(clg_memory(ctx).reserved, 4096);
  clg_block_unref(block(ctx, 700));
  ck_assert_uint_eq(clg_context_counters(ctx).pool_misses, 2);
  ck_assert_int_eq(clg_memory_trim(ctx), CLG_OK);
  ck_assert_uint_eq(clg_memory(ctx).reserved, 0);
  ck_assert_uint_ge(clg_memory(ctx).peak_reserved, 4096);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_block_is_reused_only_after_its_last_reference) {
  clg_context *ctx = open_default();
  clg_block *x = block(ctx, 100), *again = clg_block_ref(x);
  clg_block_unref(x);
  clg_block *y = block(ctx, 100);
  ck_assert_ptr_ne(clg_block_mem(x), clg_block_mem(y));
  ck_assert_uint_eq(clg_memory(ctx).live, 800);
  clg_block_unref(again);
  clg_block_unref(y);
  clg_block_unref(NULL);
  close_clean(&ctx);
}
END_TEST

START_TEST(limits_are_errors_with_a_remedy) {
  clg_context *ctx = open_with((clg_context_options){.memory_limit = 10000});
  clg_block *x = block(ctx, 1000);
  clg_block_unref(block(ctx, 1000));
  clg_block *y = block(ctx, 1400); /* fits once the cached one is gone */
  ck_assert_uint_eq(clg_memory(ctx).reserved, 4096 + 5632);
  ck_assert_ptr_null(clg_block_alloc(ctx, 1000, CLG_ROLE_DATA, "add"));
  expect(ctx, CLG_ERR_MEMORY, "add: the device has no memory for 1000 B (live 9.4 KiB, reserved 9.5 KiB of 9.8 KiB)");
  static const char *const remedy[CLG_ROLE_COUNT] = {
      [CLG_ROLE_PARAMETER] = ": use a smaller model",  [CLG_ROLE_GRADIENT] = ": use a smaller batch or model",
      [CLG_ROLE_OPTIMIZER] = ": use a smaller model",  [CLG_ROLE_SAVED] = ": use a smaller batch",
      [CLG_ROLE_ACTIVATION] = ": use a smaller batch", [CLG_ROLE_WORKSPACE] = ": use a smaller batch",
      [CLG_ROLE_DATA] = ": use less data at a time",
  };
  for (int role = 0; role < CLG_ROLE_COUNT; role++) {
    ck_assert_ptr_null(clg_block_alloc(ctx, SIZE_MAX / 2, (clg_role)role, "add"));
    expect(ctx, CLG_ERR_MEMORY, remedy[role]);
    ck_assert_ptr_null(clg_block_alloc(ctx, 2000, (clg_role)role, "add"));
    expect(ctx, CLG_ERR_MEMORY, remedy[role]);
  }
  clg_block_unref(x);
  clg_block_unref(y);
  close_clean(&ctx);
}
END_TEST

/* Allocations, releases and role changes at random; the same for every context. */
static void live_a_life(clg_context *ctx, int steps) {
  enum { HELD = 40 };
  clg_block *held[HELD] = {0};
  rolled = 7;
  for (int i = 0; i < steps; i++) {
    uint32_t at = roll(HELD), what = roll(4);
    static const char *const phase[] = {"D real", "D fake", "G"};
    if (i % 50 == 0) clg_set_phase(ctx, phase[i / 50 % 3]);
    if (held[at] && what) {
      clg_block_set_role(held[at], what == 1 ? CLG_ROLE_SAVED : CLG_ROLE_ACTIVATION);
      if (what == 3) clg_block_unref(held[at]), held[at] = NULL;
    } else if (!held[at]) {
      held[at] = clg_block_alloc(ctx, 1 + roll(1u << roll(22)), CLG_ROLE_ACTIVATION, "op");
      ck_assert_ptr_nonnull(held[at]);
    }
    if (i == steps / 2) clg_memory_reset_peak(ctx);
  }
  for (int i = 0; i < HELD; i++) clg_block_unref(held[i]);
}

START_TEST(a_plan_reserves_the_same_to_the_byte) {
  clg_context *real = open_default(), *like = NULL, *alone = plan();
  clg_plan_options o = clg_plan_defaults();
  o.like = real;
  ck_assert_int_eq(clg_context_create_plan(&like, &o), CLG_OK);
  ck_assert_int_eq(clg_context_device(like)->shape, clg_context_device(real)->shape);
  clg_context *all[] = {real, like, alone};
  clg_memory_stats m[3];
  clg_memory_row rows[3][50];
  size_t n[3];
  for (int i = 0; i < 3; i++) {
    live_a_life(all[i], 3000);
    m[i] = clg_memory(all[i]);
    n[i] = clg_memory_at_peak(all[i], rows[i], 50);
    ck_assert_uint_gt(m[i].peak_reserved, m[i].peak_live);
    ck_assert_mem_eq(&m[i], &m[0], sizeof m[0]);
    ck_assert_uint_eq(n[i], n[0]);
    uint64_t sum = 0, by_role[CLG_ROLE_COUNT] = {0};
    for (size_t k = 0; k < n[i]; k++) {
      sum += rows[i][k].bytes;
      by_role[rows[i][k].role] += rows[i][k].bytes;
      ck_assert(!k || rows[i][k - 1].bytes >= rows[i][k].bytes);
      ck_assert_uint_eq(rows[i][k].bytes, rows[0][k].bytes);
    }
    ck_assert_uint_eq(sum, m[i].peak_live);
    ck_assert_mem_eq(by_role, m[i].peak_by_role, sizeof by_role);
  }
  close_clean(&real);
  close_clean(&like);
  close_clean(&alone);
}
END_TEST

/* ---- the books ---- */

START_TEST(roles_and_peaks) {
  clg_context *ctx = plan();
  clg_block *a = clg_block_alloc(ctx, 1000, CLG_ROLE_PARAMETER, "a"),
            *b = clg_block_alloc(ctx, 500, CLG_ROLE_ACTIVATION, "b");
  clg_block_set_role(b, CLG_ROLE_SAVED);
  clg_block *c = clg_block_alloc(ctx, 200, CLG_ROLE_ACTIVATION, "c");
  clg_block_set_role(b, CLG_ROLE_ACTIVATION); /* after the peak: at the peak it was saved */
  clg_block_set_role(b, CLG_ROLE_DATA);
  clg_block_unref(c);
  clg_block *d = clg_block_alloc(ctx, 100, CLG_ROLE_DATA, "d");
  clg_memory_stats m = clg_memory(ctx);
  ck_assert_uint_eq(m.live, 1600);
  ck_assert_uint_eq(m.peak_live, 1700);
  ck_assert_uint_eq(m.live_by_role[CLG_ROLE_DATA], 600);
  ck_assert_uint_eq(m.peak_by_role[CLG_ROLE_SAVED], 500);
  ck_assert_uint_eq(m.peak_by_role[CLG_ROLE_ACTIVATION], 200);
  clg_memory_row rows[4];
  ck_assert_uint_eq(clg_memory_at_peak(ctx, rows, 2), 3);
  ck_assert_str_eq(rows[0].op, "a");
  ck_assert_str_eq(rows[1].op, "b");
  ck_assert_int_eq(rows[1].role, CLG_ROLE_SAVED);
  ck_assert_uint_eq(clg_memory_at_peak(ctx, rows, 4), 3);
  ck_assert_str_eq(rows[2].op, "c");
  clg_block_unref(b); /* at the peak even when gone since */
  ck_assert_uint_eq(clg_memory_at_peak(ctx, rows, 4), 3);
  ck_assert_int_eq(rows[1].role, CLG_ROLE_SAVED);
  clg_memory_reset_peak(ctx);
  ck_assert_uint_eq(clg_memory_at_peak(ctx, rows, 4), 2);
  ck_assert_uint_eq(clg_memory(ctx).peak_live, 1100);
  ck_assert_uint_eq(clg_memory(ctx).peak_by_role[CLG_ROLE_SAVED], 0);
  clg_block_unref(a);
  clg_block_unref(d);
  close_clean(&ctx);
}
END_TEST

START_TEST(saved_bytes_have_their_own_peak) {
  clg_context *ctx = plan();
  clg_books_saved(ctx, 300);
  clg_books_saved(ctx, -100);
  ck_assert_uint_eq(clg_memory(ctx).saved, 200);
  ck_assert_uint_eq(clg_memory(ctx).peak_saved, 300);
  clg_memory_reset_peak(ctx);
  ck_assert_uint_eq(clg_memory(ctx).peak_saved, 200);
  clg_books_saved(ctx, -200);
  close_clean(&ctx);
}
END_TEST

START_TEST(phases_remember_what_they_left) {
  clg_context *ctx = plan();
  char name[] = "first";
  clg_set_phase(ctx, name);
  memset(name, 'x', 5);
  clg_block *a = block(ctx, 100), *b = block(ctx, 50);
  clg_block_unref(b);
  clg_books_saved(ctx, 8);
  clg_set_phase(ctx, "second");
  clg_books_saved(ctx, -8);
  clg_block *c = block(ctx, 10);
  ck_assert_str_eq(clg_phase(ctx), "second");
  clg_phase_row rows[3];
  ck_assert_uint_eq(clg_memory_phases(ctx, rows, 3), 2);
  ck_assert_str_eq(rows[0].name, "first");
  ck_assert_uint_eq(rows[0].live, 400);
  ck_assert_uint_eq(rows[0].saved, 8);
  ck_assert_uint_eq(rows[0].peak_live, 600);
  ck_assert_uint_eq(rows[1].live, 440);
  ck_assert_uint_eq(rows[1].peak_live, 440);
  clg_set_phase(ctx, "first");
  clg_block_unref(a);
  clg_set_phase(ctx, NULL);
  ck_assert_str_eq(clg_phase(ctx), "");
  ck_assert_uint_eq(clg_memory_phases(ctx, rows, 3), 2);
  ck_assert_uint_eq(rows[0].live, 40);
  clg_memory_row row;
  clg_memory_at_peak(ctx, &row, 1);
  ck_assert_str_eq(row.phase, "first");
  clg_block_unref(c);
  close_clean(&ctx);
}
END_TEST

static int64_t traced;
static void on_memory(void *user, const clg_memory_event *e) {
  ck_assert_ptr_eq(user, &traced);
  ck_assert_int_eq(e->role, CLG_ROLE_ACTIVATION);
  ck_assert_str_eq(e->op, "test");
  ck_assert_str_eq(e->phase, "");
  ck_assert_int_eq(e->ndim, -1);
  traced += e->kind == CLG_MEMORY_RELEASE ? -(int64_t)e->bytes : (int64_t)e->bytes;
  ck_assert_int_eq(traced, (int64_t)e->live);
}

START_TEST(allocations_can_be_followed) {
  clg_context *ctx = plan();
  clg_memory_trace(ctx, on_memory, &traced);
  clg_block *a = block(ctx, 100), *b = block(ctx, 7);
  ck_assert_int_eq(traced, 428);
  clg_block_unref(a);
  ck_assert_int_eq(traced, 28);
  clg_memory_trace(ctx, NULL, NULL);
  clg_block_unref(b);
  ck_assert_int_eq(traced, 28);
  close_clean(&ctx);
}
END_TEST

/* Each allocation is a new peak; with every one listed anew this would take hours. */
START_TEST(a_million_peaks) {
  enum { MANY = 1000000 };
  clg_context *ctx = plan();
  clg_block **all = malloc(MANY * sizeof(clg_block *));
  for (int i = 0; i < MANY; i++) {
    all[i] = clg_block_alloc(ctx, 4, CLG_ROLE_ACTIVATION, "x");
    clg_block_unref(clg_block_alloc(ctx, 4, CLG_ROLE_ACTIVATION, "short"));
  }
  for (int i = 0; i < MANY; i++) clg_block_unref(all[i]);
  free(all);
  clg_memory_row rows[10];
  ck_assert_uint_eq(clg_memory_at_peak(ctx, rows, 10), MANY + 1);
  ck_assert_uint_eq(clg_memory(ctx).peak_live, 4 * (MANY + 1));
  close_clean(&ctx);
}
END_TEST

/* ---- plans ---- */

static clg_status plan_from(const char *text, clg_context **ctx) {
  static char path[] = "/tmp/clgrad-test-profile";
  FILE *f = fopen(path, "w");
  fputs(text, f);
  fclose(f);
  clg_plan_options o = {.device_file = path, .message = message, .message_size = sizeof message};
  clg_status s = clg_context_create_plan(ctx, &o);
  remove(path);
  return s;
}

START_TEST(profiles_are_read_with_suspicion) {
  clg_context *ctx = NULL;
  ck_assert_int_eq(plan_from("clgrad-profile 1\ndevice A GPU\nshape gpu\nmax_alloc 4000\ngemm 64 32 16 1 448\n", &ctx),
                   CLG_OK);
  ck_assert_str_eq(clg_context_device(ctx)->name, "A GPU");
  ck_assert_int_eq(clg_context_device(ctx)->shape, CLG_SHAPE_GPU);
  clg_block *b = clg_block_alloc(ctx, 3900, CLG_ROLE_DATA, "x");
  ck_assert_uint_eq(clg_memory(ctx).reserved, 3900); /* not rounded up beyond the device's largest */
  clg_block_unref(b);
  close_clean(&ctx);
#define START "clgrad-profile 1\ndevice A\nshape gpu\nmax_alloc 4000\n"
  ck_assert_int_eq(plan_from(START "gemm none\n", &ctx), CLG_OK);
  ck_assert(clg_product_state_of(ctx)->no_clblast);
  close_clean(&ctx);
  const char *const bad[] = {"",
                             "clgrad-profile 2\n",
                             "{\"json\": 1}",
                             START,
                             START "gemm 64 32 16 1\n",
                             START "gemm 64 32 16 1 448 9\n",
                             START "gemm nonesuch\n",
                             START "gemm 0 32 16 1 448\n",
                             START "gemm 64 32 16 2 448\n",
                             START "gemm 64 32 16 1 99999999999999999999999\n",
                             START "gemm -64 32 16 1 448\n",
                             START "device B\n",
                             "clgrad-profile 1\ndevice A\nshape round\n",
                             "clgrad-profile 1\nmax_alloc 1x\n",
                             "clgrad-profile 1\nmax_alloc 0\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_msg(plan_from(bad[i], &ctx) == CLG_ERR_IO, "case %zu", i);
    ck_assert_ptr_null(ctx);
    ck_assert_ptr_nonnull(strstr(message, "/tmp/clgrad-test-profile"));
  }
  char huge[3000] = "clgrad-profile 1\ndevice ";
  memset(huge + strlen(huge), 'A', 2000);
  ck_assert_int_eq(plan_from(huge, &ctx), CLG_ERR_IO);
  clg_plan_options o = {.device_file = "/nowhere/at/all"};
  ck_assert_int_eq(clg_context_create_plan(&ctx, &o), CLG_ERR_IO);
}
END_TEST

START_TEST(a_saved_profile_makes_the_same_plan) {
  clg_context *real = open_default(), *ctx = NULL;
  static const char path[] = "/tmp/clgrad-test-profile-saved";
  ck_assert_int_eq(clg_device_save(real, path), CLG_OK);
  clg_plan_options o = {.device_file = path, .message = message, .message_size = sizeof message};
  ck_assert_msg(clg_context_create_plan(&ctx, &o) == CLG_OK, "%s", message);
  remove(path);
  ck_assert_str_eq(clg_context_device(ctx)->name, clg_context_device(real)->name);
  ck_assert_int_eq(clg_device_save(real, "/nowhere/at/all"), CLG_ERR_IO);
  expect(real, CLG_ERR_IO, "/nowhere/at/all");
  test_replaces(real, clg_device_save);
  close_clean(&ctx);
  close_clean(&real);
}
END_TEST

START_TEST(a_plan_counts_but_runs_nothing) {
  clg_context *ctx = plan();
  clg_block *x = block(ctx, 100);
  float v[100] = {1, 2, 3};
  ck_assert_int_eq(clg_block_write(x, 0, sizeof v, v, false, "write"), CLG_OK);
  ck_assert_int_eq(scale(ctx, x, 3, 100), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).launches, 1);
  ck_assert_uint_eq(clg_context_counters(ctx).builds, 0);
  ck_assert_ptr_null(clg_block_mem(x));
  ck_assert_ptr_null(clg_context_cl_queue(ctx));
  check_scaled(x, 0, 100);
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_plan_keeps_its_lender) {
  clg_context *real = open_default(), *ctx = NULL;
  clg_plan_options o = {.like = real};
  ck_assert_int_eq(clg_context_create_plan(&ctx, &o), CLG_OK);
  clg_context_unref(&real);
  clg_block_unref(block(ctx, 10));
  close_clean(&ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("memory");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, sizes_waste_at_most_an_eighth);
  tcase_add_test(t, freed_buffers_are_reused_up_to_a_quarter_larger);
  tcase_add_test(t, a_block_is_reused_only_after_its_last_reference);
  tcase_add_test(t, limits_are_errors_with_a_remedy);
  tcase_add_test(t, a_plan_reserves_the_same_to_the_byte);
  tcase_add_test(t, roles_and_peaks);
  tcase_add_test(t, saved_bytes_have_their_own_peak);
  tcase_add_test(t, phases_remember_what_they_left);
  tcase_add_test(t, allocations_can_be_followed);
  tcase_add_test(t, a_million_peaks);
  tcase_add_test(t, profiles_are_read_with_suspicion);
  tcase_add_test(t, a_saved_profile_makes_the_same_plan);
  tcase_add_test(t, a_plan_counts_but_runs_nothing);
  tcase_add_test(t, a_plan_keeps_its_lender);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("memory", add_cases)
