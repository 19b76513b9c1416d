/* The device room: choice, contexts, programs and their disk cache, launches, transfers. */
#include "device.h"
#include "device/devices.h"
#include "device/program.h"
#include "device/queue.h"
#include "kept.h"
#include <clgrad/clgrad.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- choice ---- */

START_TEST(the_list_starts_with_the_default) {
  clg_device_info rows[16];
  size_t n = clg_device_list(rows, 16);
  ck_assert_uint_ge(n, 1);
  ck_assert(rows[0].usable || n == 1);
  for (size_t i = 1; i < n && i < 16; i++) ck_assert(rows[i - 1].simulator <= rows[i].simulator || !rows[i].usable);
  ck_assert_uint_eq(clg_device_list(NULL, 0), n);
}
END_TEST

START_TEST(selectors_choose_or_say_what_there_is) {
  clg_context *ctx = open_default();
  clg_device_info info = *clg_context_device(ctx);
  close_clean(&ctx);
  char numbers[32], name[160];
  snprintf(numbers, sizeof numbers, "%d:%d", info.platform_index, info.device_index);
  snprintf(name, sizeof name, "%s", info.name);
  for (char *c = name; *c; c++)
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  const char *const good[] = {numbers, info.platform, name};
  for (size_t i = 0; i < 3; i++) {
    ctx = open_with((clg_context_options){.device = good[i]});
    ck_assert_str_eq(clg_context_device(ctx)->platform, info.platform);
    close_clean(&ctx);
  }
  /* What has no letter is a place in the list, never the digit in a device's name. */
  const char *const bad[] = {"no such device",
                             "99:0",
                             "0:99",
                             "0:",
                             "-1:0",
                             "1e9:0",
                             "99999999999:1",
                             "0",
                             "1",
                             "5",
                             "512",
                             " 0",
                             "0 ",
                             "+1",
                             ".",
                             "-",
                             ":",
                             "0:0:",
                             "1.2",
                             "( )",
                             " ",
                             "3,0"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_int_eq(try_open(&ctx, (clg_context_options){.device = bad[i]}), CLG_ERR_DEVICE);
    ck_assert_ptr_null(ctx);
    ck_assert_ptr_nonnull(strstr(message, info.name));
  }
}
END_TEST

START_TEST(the_shape_follows_option_then_environment) {
  kept before = keep_variable("CLGRAD_SHAPE");
  setenv("CLGRAD_SHAPE", "gpu", 1);
  clg_context *ctx = open_default();
  ck_assert_int_eq(clg_context_device(ctx)->shape, CLG_SHAPE_GPU);
  ck_assert_uint_gt(clg_wg(ctx), 1);
  close_clean(&ctx);
  ctx = open_with((clg_context_options){.shape = CLG_SHAPE_CPU});
  ck_assert_int_eq(clg_context_device(ctx)->shape, CLG_SHAPE_CPU);
  ck_assert_uint_eq(clg_wg(ctx), 1);
  close_clean(&ctx);
  setenv("CLGRAD_SHAPE", "round", 1);
  ck_assert_int_eq(try_open(&ctx, (clg_context_options){.device = NULL}), CLG_ERR_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(message, "CLGRAD_SHAPE"));
  give_variable_back(before);
}
END_TEST

/* (1 + e)(1 - e) - 1: two roundings leave 0, one leaves -e^2. */
static float rest_of_square(clg_context *ctx) {
  const float e = 0x1p-13f;
  float got[2] = {0};
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *a = clg_full(ctx, 2, (int64_t[]){1, 2}, 0), *b = clg_full(ctx, 2, (int64_t[]){2, 2}, 0);
  clg_tensor_write(a, (float[]){-1, 1 + e});
  clg_tensor_write(b, (float[]){1, 1, 1 - e, 1 - e});
  clg_tensor_read(clg_matmul(a, b), got);
  ck_assert_msg(clg_scope_close(scope) == CLG_OK, "%s", clg_last_error(ctx));
  return got[0];
}

START_TEST(fma_follows_the_environment_then_the_device) {
  kept before = keep_variable("CLGRAD_FMA");
  static const clg_device_shape shapes[] = {CLG_SHAPE_CPU, CLG_SHAPE_GPU};
  clg_context *ctx;
  for (int s = 0; s < 2; s++)
    for (int on = 0; on < 2; on++) {
      setenv("CLGRAD_FMA", on ? "on" : "off", 1);
      ctx = open_with((clg_context_options){.shape = shapes[s]});
      ck_assert_int_eq(clg_context_device(ctx)->fma, on);
      ck_assert_float_eq(rest_of_square(ctx), on ? -0x1p-26f : 0.0f);
      close_clean(&ctx);
    }
  unsetenv("CLGRAD_FMA");
  ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU});
  ck_assert(clg_context_device(ctx)->fma);
  close_clean(&ctx);
  setenv("CLGRAD_FMA", "perhaps", 1);
  ck_assert_int_eq(try_open(&ctx, (clg_context_options){.device = NULL}), CLG_ERR_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(message, "CLGRAD_FMA is \"perhaps\": it must be on or off"));
  give_variable_back(before);
}
END_TEST

/* ---- the life of a context ---- */

static int closed, destroyed;
static void on_close(clg_context *ctx, void *state) {
  (void)ctx;
  closed++;
  clg_block_unref(*(clg_block **)state);
  *(clg_block **)state = NULL;
}
static void on_destroy(clg_context *ctx, void *state) {
  (void)ctx, (void)state;
  ck_assert_int_eq(closed, 1);
  destroyed++;
}

START_TEST(slots_close_with_the_user_and_end_with_the_last_block) {
  clg_context *ctx = open_default();
  clg_block *inner = block(ctx, 10), *outer = block(ctx, 10);
  ctx->slot[CLG_SLOT_FORMULAS] = (clg_slot){&inner, on_close, on_destroy};
  closed = destroyed = 0;
  clg_context *second = clg_context_ref(ctx);
  clg_context_unref(&second);
  ck_assert_int_eq(closed, 0);
  clg_context_unref(&ctx);
  ck_assert_int_eq(closed, 1);
  ck_assert_int_eq(destroyed, 0);
  clg_block_unref(outer);
  ck_assert_int_eq(destroyed, 1);
  clg_context_unref(&ctx);
  clg_context_unref(NULL);
}
END_TEST

START_TEST(the_first_error_is_kept_with_its_phase) {
  clg_context *ctx = open_default();
  clg_set_phase(ctx, "D step");
  clg_fail(ctx, CLG_ERR_SHAPE, "matmul", "a %d", 1);
  clg_fail(ctx, CLG_ERR_GRAPH, NULL, "second\nline");
  ck_assert_uint_eq(ctx->error.raised, 2);
  ck_assert_int_eq(ctx->error.latest, CLG_ERR_GRAPH);
  expect(ctx, CLG_ERR_SHAPE, "matmul: a 1 [in D step]");
  clg_set_phase(ctx, NULL);
  clg_fail(ctx, CLG_ERR_GRAPH, NULL, "two\nlines");
  ck_assert_str_eq(clg_last_error(ctx), "two lines");
  clg_clear_error(ctx);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_queue_is_adopted_and_shared) {
  clg_context *own = open_default(), *ctx = NULL;
  cl_context c = clg_context_cl_context(own);
  cl_device_id d = clg_context_cl_device(own);
  cl_command_queue q = clg_context_cl_queue(own);
  ck_assert_int_eq(clg_context_adopt(&ctx, c, d, q, NULL), CLG_OK);
  ck_assert_ptr_eq(clg_context_cl_queue(ctx), q);
  ck_assert_str_eq(clg_context_device(ctx)->name, clg_context_device(own)->name);
  cl_mem theirs = clCreateBuffer(c, CL_MEM_READ_WRITE, 4000, NULL, &(cl_int){0});
  clg_block *x = clg_block_wrap(ctx, theirs, 4000, "wrap");
  clReleaseMemObject(theirs);
  ck_assert_int_eq(scale(ctx, x, 3, 1000), CLG_OK);
  check_scaled(x, 3, 1000);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_DATA], 4000);
  ck_assert_uint_eq(clg_memory(ctx).reserved, 0);
  close_clean(&own);
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

START_TEST(queues_that_do_not_fit_are_refused) {
  clg_context *a = open_default(), *b = open_default(), *out = a;
  cl_context c = clg_context_cl_context(a);
  cl_device_id d = clg_context_cl_device(a);
  clg_context_options o = {.message = message, .message_size = sizeof message};
  ck_assert_int_eq(clg_context_adopt(&out, c, d, clg_context_cl_queue(b), &o), CLG_ERR_ARGUMENT);
  ck_assert_ptr_null(out);
  ck_assert_ptr_nonnull(strstr(message, "another context"));
  ck_assert_int_eq(clg_context_adopt(&out, c, d, NULL, &o), CLG_ERR_ARGUMENT);
  cl_int code;
  cl_command_queue q = clCreateCommandQueue(c, d, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
  if (code == CL_SUCCESS) {
    ck_assert_int_eq(clg_context_adopt(&out, c, d, q, &o), CLG_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(message, "in order"));
    clReleaseCommandQueue(q);
  }
  close_clean(&a);
  close_clean(&b);
}
END_TEST

/* ---- programs ---- */

START_TEST(kernels_are_found_by_content) {
  clg_context *ctx = open_default();
  char *copy = strdup(scale_source);
  clg_kernel *k = scale_kernel(ctx);
  ck_assert_ptr_nonnull(k);
  ck_assert_ptr_eq(clg_kernel_get(ctx, "random.cl", copy, "scale"), k);
  free(copy);
  ck_assert_ptr_ne(clg_kernel_get(ctx, "random.cl", NULL, "random_normal"), k);
  ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", NULL, "no_such"));
  expect(ctx, CLG_ERR_BUILD, "no_such");
  ck_assert_ptr_null(clg_kernel_get(ctx, "no_such.cl", NULL, "x"));
  expect(ctx, CLG_ERR_BUILD, "no_such.cl");
  for (int again = 0; again < 2; again++) {
    ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", "float broken(void) { return nonsense; }\n", "scale"));
    expect(ctx, CLG_ERR_BUILD, "nonsense");
  }
  ck_assert_int_eq(clg_launch(ctx, NULL, "op", &(clg_args){.n = 0}, (size_t[3]){1, 1, 1}, NULL), CLG_ERR_BUILD);
  clg_clear_error(ctx);
  close_clean(&ctx);
}
END_TEST

/* One that is missing would be what the launch before set. */
START_TEST(arguments_are_counted) {
  clg_context *ctx = open_default();
  clg_args args = {.n = 0};
  for (uint32_t n = 0; n <= 4; n++, clg_args_u32(&args, n)) {
    if (n == 3) continue;
    ck_assert_int_eq(clg_launch(ctx, scale_kernel(ctx), "op", &args, (size_t[3]){1, 1, 1}, NULL), CLG_ERR_ARGUMENT);
    expect(ctx, CLG_ERR_ARGUMENT, "kernel scale takes 3 arguments, and ");
  }
  close_clean(&ctx);
}
END_TEST

/* A cache folder of the test's own, used also where the driver would keep programs itself. A device whose division is
 * tried has an entry from the start. */
static char cache[] = "/tmp/clgrad-test-cache-XXXXXX", first_entry[600];
static kept cache_before[2];

/* The single other entry's path; counts the files. */
static int cache_entry(char *path, size_t size) {
  DIR *dir = opendir(cache);
  int n = 0;
  for (struct dirent *e; dir && (e = readdir(dir));) {
    char at[600];
    snprintf(at, sizeof at, "%s/%s", cache, e->d_name);
    if (e->d_name[0] != '.' && strcmp(at, first_entry)) snprintf(path, size, "%s", at), n++;
  }
  if (dir) closedir(dir);
  return n;
}

static void cache_open(void) {
  cache_before[0] = keep_variable("CLGRAD_CACHE");
  cache_before[1] = keep_variable("POCL_KERNEL_CACHE");
  strcpy(cache + strlen(cache) - 6, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(cache));
  setenv("CLGRAD_CACHE", cache, 1);
  setenv("POCL_KERNEL_CACHE", "0", 1);
  clg_context *ctx = open_default();
  close_clean(&ctx);
  char path[600];
  first_entry[0] = 0;
  if (cache_entry(path, sizeof path)) strcpy(first_entry, path);
}

static void cache_close(void) {
  char path[600];
  first_entry[0] = 0;
  while (cache_entry(path, sizeof path)) ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(rmdir(cache), 0);
  for (int i = 0; i < 2; i++) give_variable_back(cache_before[i]);
}

/* Builds and runs in a fresh context; was it from the cache? */
static bool from_cache(void) {
  clg_context *ctx = open_default();
  clg_block *x = block(ctx, 777);
  ck_assert_int_eq(scale(ctx, x, 2, 777), CLG_OK);
  check_scaled(x, 2, 777);
  clg_block_unref(x);
  clg_counters n = clg_context_counters(ctx);
  ck_assert_uint_eq(n.builds + n.cache_hits, 1);
  close_clean(&ctx);
  return n.cache_hits == 1;
}

/* Cuts the file to `size` (unless negative), and overwrites the byte at `at` (from the end if negative). */
static void damage(const char *path, long size, long at) {
  struct stat st;
  ck_assert_int_eq(stat(path, &st), 0);
  if (size >= 0) ck_assert_int_eq(truncate(path, size), 0);
  if (!at) return;
  FILE *f = fopen(path, "r+b");
  fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
  int c = fgetc(f);
  fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
  fputc(c ^ 0x40, f);
  fclose(f);
}

START_TEST(damaged_cache_entries_are_rebuilt_and_replaced) {
  cache_open();
  ck_assert(!from_cache());
  ck_assert(from_cache());
  char path[600];
  ck_assert_int_eq(cache_entry(path, sizeof path), 1);
  /* size to cut to, byte to flip: magic, key size, binary size, checksum, key, binary; short and empty files */
  const long cases[][2] = {{-1, 1},  {-1, 9}, {-1, 15}, {-1, 17}, {-1, 25}, {-1, 40},
                           {-1, -1}, {0, 0},  {31, 0},  {32, 0},  {200, 0}, {5000, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    damage(path, cases[i][0], cases[i][1]);
    ck_assert_msg(!from_cache(), "case %zu", i);
    ck_assert_msg(from_cache(), "case %zu", i);
    ck_assert_int_eq(cache_entry(path, sizeof path), 1);
  }
  ck_assert(!unlink(path) && !mkfifo(path, 0600)); /* nobody writes to it: it is not waited for */
  ck_assert(!from_cache());
  ck_assert(from_cache());
  cache_close();
}
END_TEST

START_TEST(a_driver_with_a_cache_is_asked_for_no_binaries) {
  cache_open();
  unsetenv("POCL_KERNEL_CACHE");
  clg_context *ctx = open_default();
  bool keeps = clg_compiles_late(ctx);
  close_clean(&ctx);
  char path[600];
  ck_assert(!from_cache());
  ck_assert(from_cache() == !keeps);
  ck_assert_int_eq(cache_entry(path, sizeof path), !keeps);
  cache_close();
}
END_TEST

/* A binary that somebody else may have put there does not reach the driver. */
START_TEST(cache_entries_that_others_can_write_are_rebuilt_and_replaced) {
  cache_open();
  ck_assert(!from_cache());
  char path[600];
  struct stat st;
  const mode_t modes[] = {0620, 0602, 0666, 0777};
  for (size_t i = 0; i <= sizeof modes / sizeof *modes; i++) {
    ck_assert_int_eq(cache_entry(path, sizeof path), 1);
    bool by_mode = i < sizeof modes / sizeof *modes;
    if (!by_mode && geteuid()) break; /* only root gives files away */
    ck_assert_int_eq(by_mode ? chmod(path, modes[i]) : chown(path, 65534, 65534), 0);
    ck_assert(!from_cache());
    ck_assert(from_cache());
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_uint_eq(st.st_uid, geteuid());
  }
  cache_close();
}
END_TEST

START_TEST(the_cache_can_be_off_or_out_of_reach) {
  cache_open();
  setenv("CLGRAD_CACHE", "off", 1);
  ck_assert(!from_cache());
  ck_assert(!from_cache());
  setenv("CLGRAD_CACHE", "/dev/null/nowhere", 1);
  ck_assert(!from_cache());
  char deep[200];
  snprintf(deep, sizeof deep, "%s/a", cache);
  setenv("CLGRAD_CACHE", deep, 1);
  ck_assert(!from_cache());
  ck_assert(from_cache());
  char command[300];
  snprintf(command, sizeof command, "rm -r '%s'", deep);
  ck_assert_int_eq(system(command), 0);
  cache_close();
}
END_TEST

/* ---- launches and transfers ---- */

START_TEST(launches_round_up_and_empty_ones_do_nothing) {
  clg_context *ctx = open_default();
  const uint32_t sizes[] = {1, 63, 64, 65, 1000, 100001};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    clg_block *x = block(ctx, sizes[i]);
    ck_assert_int_eq(scale(ctx, x, 0.5f, sizes[i]), CLG_OK);
    check_scaled(x, 0.5f, sizes[i]);
    clg_block_unref(x);
  }
  uint64_t before = clg_context_counters(ctx).launches;
  ck_assert_uint_eq(before, sizeof sizes / sizeof *sizes);
  ck_assert_int_eq(scale(ctx, NULL, 0.5f, 0), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).launches, before);
  close_clean(&ctx);
}
END_TEST

static int profiled;
static void on_log(void *user, const char *line) {
  (void)user;
  if (strstr(line, "random.cl scale: 600 launches, ")) profiled++;
}

START_TEST(profiling_reports_each_kernel) {
  clg_context *ctx = open_with((clg_context_options){.profile = true, .log = on_log});
  clg_block *x = block(ctx, 100);
  for (int i = 0; i < 600; i++) ck_assert_int_eq(scale(ctx, x, 1, 100), CLG_OK);
  check_scaled(x, 1, 100);
  clg_block_unref(x);
  profiled = 0;
  close_clean(&ctx);
  ck_assert_int_eq(profiled, 1);
}
END_TEST

START_TEST(writes_copy_unless_told_to_keep) {
  clg_context *ctx = open_default();
  enum { N = 5000 };
  float in[N], out[N];
  clg_block *x = block(ctx, N), *y = block(ctx, N);
  for (int i = 0; i < N; i++) in[i] = (float)i;
  ck_assert_int_eq(clg_block_write(x, 0, sizeof in, in, false, "write"), CLG_OK);
  memset(in, 0, 400);
  ck_assert_int_eq(clg_block_write(y, 0, sizeof in, in, true, "write"), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).waits, 0);
  ck_assert_int_eq(clg_block_read(x, 40, 4 * (N - 10), out, false, "read"), CLG_OK);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).waits, 1);
  for (int i = 0; i < N - 10; i++) ck_assert_float_eq(out[i], (float)(i + 10));
  ck_assert_int_eq(clg_block_read(y, 0, sizeof out, out, true, "read"), CLG_OK);
  ck_assert_mem_eq(in, out, sizeof in);
  ck_assert_int_eq(clg_block_read(y, 4, sizeof out, out, true, "read"), CLG_ERR_ARGUMENT);
  ck_assert_int_eq(clg_block_write(y, SIZE_MAX, 8, out, true, "read"), CLG_ERR_ARGUMENT);
  expect(ctx, CLG_ERR_ARGUMENT, "20000 bytes at 4");
  ck_assert_int_eq(clg_block_write(y, 0, 0, out, true, "write"), CLG_OK);
  clg_block_unref(x);
  clg_block_unref(y);
  close_clean(&ctx);
}
END_TEST

START_TEST(copies_of_writes_are_bounded) {
  clg_context *ctx = open_default();
  const size_t floats = (size_t)6 << 20;
  float *v = calloc(floats, sizeof *v);
  clg_block *x = block(ctx, floats);
  for (int i = 0; i < 6; i++) ck_assert_int_eq(clg_block_write(x, 0, floats * sizeof *v, v, false, "write"), CLG_OK);
  ck_assert_uint_le(ctx->queue->staged_bytes, (size_t)64 << 20);
  ck_assert_uint_ge(clg_context_counters(ctx).waits, 1);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_uint_eq(ctx->queue->staged_bytes, 0);
  clg_block_unref(x);
  free(v);
  close_clean(&ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("device");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, the_list_starts_with_the_default);
  tcase_add_test(t, selectors_choose_or_say_what_there_is);
  tcase_add_test(t, the_shape_follows_option_then_environment);
  tcase_add_test(t, fma_follows_the_environment_then_the_device);
  tcase_add_test(t, slots_close_with_the_user_and_end_with_the_last_block);
  tcase_add_test(t, the_first_error_is_kept_with_its_phase);
  tcase_add_test(t, a_queue_is_adopted_and_shared);
  tcase_add_test(t, queues_that_do_not_fit_are_refused);
  tcase_add_test(t, kernels_are_found_by_content);
  tcase_add_test(t, arguments_are_counted);
  tcase_add_test(t, damaged_cache_entries_are_rebuilt_and_replaced);
  tcase_add_test(t, a_driver_with_a_cache_is_asked_for_no_binaries);
  tcase_add_test(t, cache_entries_that_others_can_write_are_rebuilt_and_replaced);
  tcase_add_test(t, the_cache_can_be_off_or_out_of_reach);
  tcase_add_test(t, launches_round_up_and_empty_ones_do_nothing);
  tcase_add_test(t, profiling_reports_each_kernel);
  tcase_add_test(t, writes_copy_unless_told_to_keep);
  tcase_add_test(t, copies_of_writes_are_bounded);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("device", add_cases)
