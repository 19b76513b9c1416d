/* Files: round trips of tensors, modules, optimizers and the random stream, what does not fit, and atomic replacement.
 */
#include "context.h"
#include "harness.h"
#include "replaces.h"
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static clg_context *ctx;
static char folder[64], path[96];

static void open_all(void) {
  ctx = test_context_open();
  strcpy(folder, "/tmp/clgrad-io.XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/f", folder);
}
static void close_all(void) {
  test_context_close(&ctx);
  unlink(path);
  ck_assert_int_eq(rmdir(folder), 0); /* nothing temporary was left */
}

static void expect(clg_status status, const char *part) {
  ck_assert_int_eq(clg_last_status(ctx), status);
  ck_assert_msg(strstr(clg_last_error(ctx), part) != NULL, "\"%s\" is not in: %s", part, clg_last_error(ctx));
  ck_assert_ptr_null(strchr(clg_last_error(ctx), '\n'));
  clg_clear_error(ctx);
}

static void write_bytes(const void *data, size_t n) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ck_assert(fd >= 0 && write(fd, data, n) == (ssize_t)n);
  close(fd);
}

/* A safetensors file of this header and so many zero bytes. */
static void write_file(const char *header, size_t data) {
  static char bytes[8192];
  uint64_t n = strlen(header);
  ck_assert_uint_le(8 + n + data, sizeof bytes);
  memset(bytes, 0, sizeof bytes);
  memcpy(bytes, &n, 8);
  memcpy(bytes + 8, header, n);
  write_bytes(bytes, 8 + n + data);
}

static clg_module *network(int64_t hidden) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, 3, hidden, true, NULL),
                                                clg_activation_create(ctx, (clg_act){"tanh", {0}}),
                                                clg_layer_norm_create(ctx, hidden, NULL),
                                                clg_linear_create(ctx, hidden, 2, false, NULL)},
                               4);
}

static void step(clg_module *m, clg_optim *o, int times) {
  const int64_t shape[] = {4, 3};
  for (int i = 0; i < times; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    clg_backward(clg_mean(clg_square(clg_forward(m, clg_randn(ctx, 2, shape))), NULL, 0, false), NULL);
    clg_optim_step(o);
    ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  }
}

START_TEST(tensors_come_back_bit_for_bit) {
  float f[24] = {0, -0.0f, INFINITY, NAN, 1e-45f, 1e38f};
  int32_t v[6] = {INT32_MIN, -1, 0, 1, 0x7f800001, INT32_MAX};
  clg_tensor *a = clg_tensor_create(ctx, 3, (int64_t[]){2, 3, 4}, f), *scalar = clg_tensor_create(ctx, 0, NULL, f + 5);
  clg_tensor *t = clg_permute(a, (int[]){2, 0, 1}, 3), *none = clg_tensor_create(ctx, 2, (int64_t[]){0, 3}, NULL);
  clg_tensor *ints = clg_tensor_create_i32(ctx, 2, (int64_t[]){2, 3}, v);
  clg_saver *s = clg_saver_create(ctx, path), *same_saver = clg_saver_ref(s);
  clg_saver_unref(&same_saver);
  ck_assert_int_eq(clg_saver_add_tensor(s, "a", a), CLG_OK);
  clg_saver_add_tensor(s, "strided \"\\\n\x01", t);
  clg_saver_add_tensor(s, "", scalar);
  clg_saver_add_tensor(s, "none", none);
  clg_saver_add_tensor(s, "ints", ints);
  clg_saver_add_metadata(s, "k", "v \xc3\xa9");
  ck_assert_int_eq(clg_saver_commit(s), CLG_OK);
  clg_saver_unref(&s);

  clg_loader *l = clg_loader_open(ctx, path), *same_loader = clg_loader_ref(l);
  clg_loader_unref(&same_loader);
  ck_assert_uint_eq(clg_loader_count(l), 5);
  ck_assert_str_eq(clg_loader_name(l, 0), "");
  ck_assert_ptr_null(clg_loader_name(l, 5));
  ck_assert(clg_loader_has(l, "ints") && !clg_loader_has(l, "int"));
  ck_assert_str_eq(clg_loader_metadata(l, "k"), "v \xc3\xa9");
  ck_assert_ptr_null(clg_loader_metadata(l, "a"));
  clg_tensor *b[] = {clg_loader_load_tensor(l, "a"), clg_loader_load_tensor(l, "strided \"\\\n\x01"),
                     clg_loader_load_tensor(l, ""), clg_loader_load_tensor(l, "none"),
                     clg_loader_load_tensor(l, "ints")};
  float got[24], want[24];
  clg_tensor_read(b[0], got);
  ck_assert_mem_eq(got, f, sizeof f);
  clg_tensor_read(b[1], got);
  clg_tensor_read(t, want);
  ck_assert_mem_eq(got, want, sizeof f);
  ck_assert_int_eq(clg_tensor_dim(b[1], 0), 4);
  ck_assert_int_eq(clg_tensor_ndim(b[2]), 0);
  ck_assert_float_eq(clg_tensor_item(b[2]), f[5]);
  ck_assert_int_eq(clg_tensor_numel(b[3]), 0);
  int32_t w[6];
  ck_assert_int_eq(clg_tensor_dtype(b[4]), CLG_I32);
  clg_tensor_read_i32(b[4], w);
  ck_assert_mem_eq(w, v, sizeof v);
  ck_assert_ptr_null(clg_loader_load_tensor(l, "b"));
  expect(CLG_ERR_ARGUMENT, "there is no tensor \"b\"");
  for (int i = 0; i < 5; i++) clg_tensor_unref(&b[i]);
  clg_loader_unref(&l);
  clg_tensor_unref(&a), clg_tensor_unref(&scalar), clg_tensor_unref(&t), clg_tensor_unref(&none),
      clg_tensor_unref(&ints);
}
END_TEST

START_TEST(npy_comes_back_bit_for_bit) {
  float f[6] = {0, -0.0f, INFINITY, NAN, 1e-45f, 1e38f}, g[6];
  int32_t v[6] = {INT32_MIN, -1, 0, 1, 0x7f800001, INT32_MAX}, w[6];
  static const int64_t shape[][3] = {{6}, {2, 3}, {1, 6, 1}};
  for (int n = 0; n < 3; n++) {
    clg_tensor *t = clg_tensor_create(ctx, n + 1, shape[n], f), *i = clg_tensor_create_i32(ctx, n + 1, shape[n], v);
    ck_assert_int_eq(clg_npy_save(t, path), CLG_OK);
    clg_tensor *u = clg_npy_load(ctx, path);
    clg_tensor_read(u, g);
    ck_assert_mem_eq(f, g, sizeof f);
    ck_assert_int_eq(clg_tensor_ndim(u), n + 1);
    ck_assert_int_eq(clg_npy_save(i, path), CLG_OK);
    clg_tensor *j = clg_npy_load(ctx, path);
    clg_tensor_read_i32(j, w);
    ck_assert_mem_eq(v, w, sizeof v);
    clg_tensor_unref(&t), clg_tensor_unref(&u), clg_tensor_unref(&i), clg_tensor_unref(&j);
  }
}
END_TEST

START_TEST(modules_load_what_fits_and_nothing_else) {
  clg_module *m = network(5), *other = network(5), *wider = network(6);
  float a[64], b[64];
  ck_assert_uint_eq(clg_module_numel(m), 40);
  ck_assert_int_eq(clg_module_save(m, path), CLG_OK);
  clg_module_read(other, b);
  clg_module_read(m, a);
  ck_assert_int_ne(memcmp(a, b, 40 * sizeof *a), 0);
  ck_assert_int_eq(clg_module_load(other, path), CLG_OK);
  clg_module_read(other, b);
  ck_assert_mem_eq(a, b, 40 * sizeof *a);

  clg_module_read(wider, a);
  ck_assert_int_eq(clg_module_load(wider, path), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE,
         "\"0.weight\" is [5,3] in the file, [6,3] here; \"0.bias\" is [5] in the file, [6] here; "
         "\"2.weight\" is [5] in the file, [6] here; \"2.bias\" is [5] in the file, [6] here; and 1 more");
  clg_module_read(wider, b);
  ck_assert_mem_eq(a, b, 48 * sizeof *a);

  clg_module *line = clg_linear_create(ctx, 2, 1, true, NULL);
  clg_module_read(line, a);
  write_file("{\"weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
             "\"bais\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[8,12]}}",
             12);
  ck_assert_int_eq(clg_module_load(line, path), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"bias\" is missing; \"bais\" is not in the module");
  write_file("{\"weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
             "\"bias\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[8,10]}}",
             10);
  ck_assert_int_eq(clg_module_load(line, path), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"bias\" is F16 in the file, and must be F32");
  clg_module_read(line, b);
  ck_assert_mem_eq(a, b, 3 * sizeof *a);
  write_file("{\"weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"num_batches_tracked\":"
             "{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[12,20]},\"bias\":{\"dtype\":\"F32\",\"shape\":[1],"
             "\"data_offsets\":[8,12]}}",
             20);
  ck_assert_int_eq(clg_module_load(line, path), CLG_OK);
  clg_module_read(line, b);
  ck_assert(b[0] == 0 && b[1] == 0 && b[2] == 0);
  clg_module_unref(&m), clg_module_unref(&other), clg_module_unref(&wider), clg_module_unref(&line);
}
END_TEST

static void save_run(clg_module *m, clg_optim *o) {
  clg_saver *s = clg_saver_create(ctx, path);
  clg_saver_add_module(s, "model.", m);
  clg_saver_add_optim(s, "optimizer.", o);
  clg_saver_add_random(s, "random.");
  ck_assert_msg(clg_saver_commit(s) == CLG_OK, "%s", clg_last_error(ctx));
  clg_saver_unref(&s);
}

static clg_status load_run(clg_module *m, clg_optim *o) {
  clg_loader *l = clg_loader_open(ctx, path);
  clg_status s = clg_loader_load_module(l, "model.", m);
  if (s == CLG_OK) s = clg_loader_load_optim(l, "optimizer.", o);
  if (s == CLG_OK) s = clg_loader_load_random(l, "random.");
  clg_loader_unref(&l);
  return s;
}

static clg_optim_options kind_of(int i) {
  clg_optim_options o = clg_optim_defaults((clg_optim_kind)(i % 4));
  if (i >= 4) o.momentum = 0.9, o.amsgrad = o.centered = true;
  return o;
}

/* Eight rules: a run that is saved and goes on in new objects gives the bits of one that was not interrupted. */
START_TEST(a_run_goes_on_bit_for_bit) {
  clg_optim_options options = kind_of(_i);
  float a[40], b[40];
  clg_module *m = network(5);
  clg_optim *o = clg_optim_create_for(m, &options);
  clg_tensor *frozen = clg_module_parameters(m, NULL)[3];
  clg_tensor_set_requires_grad(frozen, false); /* never stepped */
  step(m, o, 3);
  clg_optim_set_lr(o, 0.00123);
  save_run(m, o);
  step(m, o, 3);
  clg_module_read(m, a);

  clg_module *n = network(5);
  clg_optim *p = clg_optim_create_for(n, &options);
  step(n, p, 2); /* a state that loading must replace, of the frozen one too */
  clg_tensor_set_requires_grad(clg_module_parameters(n, NULL)[3], false);
  clg_set_seed(ctx, 99, 99);
  ck_assert_msg(load_run(n, p) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_double_eq(clg_optim_lr(p), 0.00123);
  step(n, p, 3);
  clg_module_read(n, b);
  ck_assert_mem_eq(a, b, sizeof a);
  clg_optim_unref(&o), clg_optim_unref(&p);
  clg_module_unref(&m), clg_module_unref(&n);
}
END_TEST

START_TEST(groups_keep_their_rates) {
  clg_module *m = network(5);
  clg_tensor *const *p = clg_module_parameters(m, NULL);
  clg_optim_options slow = kind_of(1), fast = kind_of(1);
  fast.lr = 0.5;
  clg_optim *o = clg_optim_create(ctx, p, 2, &slow), *q = clg_optim_create(ctx, p, 2, &slow),
            *one = clg_optim_create(ctx, p, 5, &slow);
  clg_optim_add_group(o, p + 2, 3, &fast);
  clg_optim_add_group(q, p + 2, 3, &slow);
  step(m, o, 2);
  save_run(m, o);
  float a[40], b[40];
  step(m, o, 2);
  clg_module_read(m, a);
  ck_assert_msg(load_run(m, q) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_double_eq(clg_optim_group_lr(q, 0), 1e-3);
  ck_assert_double_eq(clg_optim_group_lr(q, 1), 0.5);
  step(m, q, 2);
  clg_module_read(m, b);
  ck_assert_mem_eq(a, b, sizeof a);
  ck_assert_int_eq(load_run(m, one), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"optimizer.param_groups.1.lr\" is not in the optimizer");
  clg_optim_unref(&o), clg_optim_unref(&q), clg_optim_unref(&one);
  clg_module_unref(&m);
}
END_TEST

START_TEST(optimizers_load_what_fits_and_nothing_else) {
  clg_module *m = network(5), *n = network(6);
  clg_optim_options adam = kind_of(1), other = kind_of(2), amsgrad = kind_of(5);
  clg_optim *o = clg_optim_create_for(m, &adam), *p = clg_optim_create_for(m, &other),
            *q = clg_optim_create_for(n, &adam), *r = clg_optim_create_for(m, &amsgrad);
  step(m, o, 1);
  save_run(m, o);
  clg_loader *l = clg_loader_open(ctx, path);
  ck_assert_int_eq(clg_loader_load_optim(l, "optimizer.", p), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"optimizer.kind\" is \"adam\" in the file, adamw here");
  ck_assert_int_eq(clg_loader_load_optim(l, "optimizer.", q), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"optimizer.state.0.exp_avg\" is [5,3] in the file, [6,3] here");
  ck_assert_int_eq(clg_loader_load_optim(l, "optimizer.", r), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "\"optimizer.state.0.max_exp_avg_sq\" is missing");
  ck_assert_int_eq(clg_loader_load_optim(l, "opt.", o), CLG_ERR_SHAPE);
  expect(CLG_ERR_SHAPE, "holds no optimizer under \"opt.\"");
  ck_assert_int_eq(clg_loader_load_random(l, "r."), CLG_ERR_IO);
  expect(CLG_ERR_IO, "\"r.seed\" in the metadata is missing");
  clg_loader_unref(&l);
  clg_optim_unref(&o), clg_optim_unref(&p), clg_optim_unref(&q), clg_optim_unref(&r);
  clg_module_unref(&m), clg_module_unref(&n);
}
END_TEST

/* State of a parameter [2] in the file, and what the loader says of it. */
START_TEST(optimizer_state_is_looked_through) {
  static const struct {
    const char *rest, *says;
    size_t bytes;
  } row[] = {
      {"\"o.state.0.step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}", NULL, 8},
      {"\"o.state.1.step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}",
       "\"o.state.1.step\" is not in the optimizer", 8},
      {"\"o.state.0.step\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}",
       "\"o.state.0.step\" is no I64 or F32 number", 8},
      {"\"o.state.0.exp_avg\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
       "\"o.state.0.exp_avg_sq\" is missing", 8},
      {"\"o.state.0.exp_avg\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"o.state.0.exp_avg_sq\":{"
       "\"dtype\":\"F32\","
       "\"shape\":[2],\"data_offsets\":[8,16]}",
       "\"o.state.0.step\" is missing", 16},
      {"\"o.state.0.exp_avg\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"o.state.0.exp_avg_sq\":{"
       "\"dtype\":\"F32\","
       "\"shape\":[2],\"data_offsets\":[8,16]},\"o.state.0.step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[16,"
       "24]}",
       "\"o.state.0.step\" is 0, but there is a state", 24},
      {"\"o.param_groups.0.lr\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}",
       "\"o.param_groups.0.lr\" is no F64 number", 4},
      {"\"o.param_groups.1.lr\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}",
       "\"o.param_groups.1.lr\" is not in", 8},
  };
  clg_tensor *t = clg_tensor_create(ctx, 1, (int64_t[]){2}, NULL);
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *o = clg_optim_create(ctx, &t, 1, &adam);
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char header[1024];
    snprintf(header, sizeof header, "{\"__metadata__\":{\"o.kind\":\"adam\"},%s}", row[i].rest);
    write_file(header, row[i].bytes);
    clg_loader *l = clg_loader_open(ctx, path);
    ck_assert_msg(l != NULL, "row %zu: %s", i, clg_last_error(ctx));
    ck_assert_int_eq(clg_loader_load_optim(l, "o.", o), row[i].says ? CLG_ERR_SHAPE : CLG_OK);
    if (row[i].says) expect(CLG_ERR_SHAPE, row[i].says);
    clg_loader_unref(&l);
  }
  clg_optim_unref(&o);
  clg_tensor_unref(&t);
}
END_TEST

START_TEST(a_failed_save_leaves_the_old_file) {
  clg_module *m = clg_linear_create(ctx, 1, 1, true, NULL);
  write_bytes("old", 3);
  clg_saver *s = clg_saver_create(ctx, path);
  clg_saver_add_module(s, NULL, m);
  clg_saver_add_module(s, NULL, m);
  ck_assert_int_eq(clg_saver_commit(s), CLG_ERR_ARGUMENT);
  expect(CLG_ERR_ARGUMENT, "is added twice");
  clg_saver_unref(&s);
  s = clg_saver_create(ctx, path);
  ck_assert_int_eq(clg_saver_add_tensor(s, "\xff", clg_module_parameters(m, NULL)[0]), CLG_ERR_ARGUMENT);
  expect(CLG_ERR_ARGUMENT, "no UTF-8");
  ck_assert_int_eq(clg_saver_add_tensor(s, "__metadata__", clg_module_parameters(m, NULL)[0]), CLG_ERR_ARGUMENT);
  expect(CLG_ERR_ARGUMENT, "__metadata__");
  ck_assert_int_eq(clg_saver_add_tensor(s, "x", NULL), CLG_ERR_ARGUMENT);
  expect(CLG_ERR_ARGUMENT, "\"x\" is NULL");
  clg_saver_add_module(s, NULL, m);
  ck_assert_int_eq(clg_saver_commit(s), CLG_ERR_ARGUMENT); /* the adds that failed are remembered */
  clg_saver_unref(&s);
  struct stat st;
  ck_assert(!stat(path, &st) && st.st_size == 3);

  ck_assert_int_eq(clg_module_save(m, folder), CLG_ERR_IO);
  expect(CLG_ERR_IO, "it is no regular file");
  ck_assert_int_eq(clg_module_save(m, "/dev/null"), CLG_ERR_IO);
  expect(CLG_ERR_IO, "it is no regular file");
  ck_assert_int_eq(clg_module_save(m, "/nowhere/at/all"), CLG_ERR_IO);
  expect(CLG_ERR_IO, "cannot write /nowhere/at/all: ");
  ck_assert_int_eq(clg_module_load(m, "/nowhere/at/all"), CLG_ERR_IO);
  expect(CLG_ERR_IO, "cannot read /nowhere/at/all: ");
  ck_assert_int_eq(clg_module_load(m, folder), CLG_ERR_IO);
  expect(CLG_ERR_IO, "it is no regular file");
  clg_module_unref(&m);
}
END_TEST

static clg_status save_one(clg_context *in, const char *to) {
  clg_tensor *t = clg_full(in, 1, (int64_t[]){100}, 1);
  clg_status s = clg_npy_save(t, to);
  clg_tensor_unref(&t);
  return s;
}
START_TEST(an_array_replaces_a_file) { test_replaces(ctx, save_one); }
END_TEST

START_TEST(a_plan_saves_nothing) {
  clg_context *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  clg_tensor *t = clg_tensor_create(plan, 0, NULL, NULL);
  ck_assert_ptr_null(clg_saver_create(plan, path));
  ck_assert_int_eq(clg_last_status(plan), CLG_ERR_STATE);
  ck_assert_int_eq(clg_npy_save(t, path), CLG_ERR_STATE);
  ck_assert_int_ne(access(path, F_OK), 0);
  clg_tensor_unref(&t);
  clg_context_unref(&plan);
}
END_TEST

START_TEST(null_is_an_error) {
  ck_assert_ptr_null(clg_saver_create(NULL, "x"));
  ck_assert_ptr_null(clg_loader_open(NULL, "x"));
  ck_assert_int_eq(clg_saver_commit(NULL), CLG_ERR_ARGUMENT);
  ck_assert_int_eq(clg_loader_load_optim(NULL, "", NULL), CLG_ERR_ARGUMENT);
  ck_assert_uint_eq(clg_loader_count(NULL), 0);
  ck_assert_ptr_null(clg_loader_open(ctx, NULL));
  expect(CLG_ERR_ARGUMENT, "the path is NULL");
  ck_assert_ptr_null(clg_saver_create(ctx, ""));
  expect(CLG_ERR_ARGUMENT, "there is no path");
  ck_assert_ptr_null(clg_npy_load(ctx, NULL));
  expect(CLG_ERR_ARGUMENT, "the path is NULL");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("files");
  tcase_add_checked_fixture(c, open_all, close_all);
  tcase_add_test(c, tensors_come_back_bit_for_bit);
  tcase_add_test(c, npy_comes_back_bit_for_bit);
  tcase_add_test(c, modules_load_what_fits_and_nothing_else);
  tcase_add_loop_test(c, a_run_goes_on_bit_for_bit, 0, 8);
  tcase_add_test(c, groups_keep_their_rates);
  tcase_add_test(c, optimizers_load_what_fits_and_nothing_else);
  tcase_add_test(c, optimizer_state_is_looked_through);
  tcase_add_test(c, a_failed_save_leaves_the_old_file);
  tcase_add_test(c, an_array_replaces_a_file);
  tcase_add_test(c, a_plan_saves_nothing);
  tcase_add_test(c, null_is_an_error);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("io", add_cases)
