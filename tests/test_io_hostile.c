/* Files that lie: a table of safetensors and .npy files with what is said of each, and thousands of damaged ones, none
 * of which may do more than give an error. */
#include "harness.h"
#include "one_file.h"
#include <fcntl.h>
#include <string.h>

static void put(const void *data, size_t n) {
  ck_assert(pwrite(fd, data, n, 0) == (ssize_t)n);
  ck_assert(!ftruncate(fd, (off_t)n));
}

/* One line that names the file. */
static void expect(const char *part, size_t row) {
  const char *line = clg_last_error(ctx);
  ck_assert_msg(strstr(line, part) && strstr(line, path) && !strchr(line, '\n'), "row %zu: \"%s\" is not in: %s", row,
                part, line);
  clg_clear_error(ctx);
}

#define T(name, type, shape, from, to)                                                                                 \
  "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to "]}"

START_TEST(safetensors_that_lie) {
  static const struct {
    const char *header;
    size_t data; /* bytes behind it */
    const char *says;
  } row[] = {
      {"", 0, "the header: '{' is missing"},
      {"[]", 0, "'{' is missing"},
      {"{", 0, "a string is missing"},
      {"{}x", 0, "there is more after its end"},
      {"{} ", 4, "there is more data than its tensors have"},
      {"{" T("a", "F32", "2", 0, 8) "}", 7, "\"a\": its data_offsets lie beyond the end of the file"},
      {"{" T("a", "F32", "2", 0, 8) "}", 9, "there is more data than its tensors have"},
      {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "1", 4, 8) "}", 8, "\"b\": its data overlaps another tensor's"},
      {"{" T("a", "F32", "1", 4, 8) "," T("b", "F32", "2", 0, 8) "}", 8, "its data overlaps another tensor's"},
      {"{" T("a", "F32", "1", 0, 4) "," T("b", "F32", "1", 8, 12) "}", 12, "\"b\": there is a hole before its data"},
      {"{" T("a", "F32", "1", 4, 8) "}", 8, "\"a\": there is a hole before its data"},
      {"{" T("a", "F32", "1", 8, 4) "}", 8, "\"a\": its data_offsets are in the wrong order"},
      {"{" T("a", "F32", "3", 0, 8) "}", 8, "\"a\": its data_offsets do not fit its dtype and shape"},
      {"{" T("a", "F64", "2", 0, 8) "}", 8, "\"a\": its data_offsets do not fit its dtype and shape"},
      {"{" T("a", "F32", "1", 0, 4) "," T("a", "F32", "1", 4, 8) "}", 8, "\"a\": it stands there twice"},
      {"{" T("a", "F32", "1", 0, 4) "," T("\\u0061", "F32", "1", 4, 8) "}", 8, "\"a\": it stands there twice"},
      {"{" T("a", "F4", "3", 0, 2) "}", 2, "\"a\": its data_offsets do not fit its dtype and shape"},
      {"{" T("a", "F6_E2M3", "4", 0, 4) "}", 4, "\"a\": its data_offsets do not fit its dtype and shape"},
      {"{" T("a", "X9", "1", 0, 4) "," T("b", "X9", "1", 8, 12) "}", 12, "\"b\": there is a hole before its data"},
      {"{" T("a", "X9", "1", 0, 4) "," T("b", "X9", "1", 2, 6) "}", 6, "\"b\": its data overlaps another tensor's"},
      {"{" T("a", "F32", "4294967296,4294967296", 0, 4) "}", 4, "\"a\": its shape is too large"},
      {"{" T("a", "F32", "9223372036854775807", 0, 4) "}", 4, "\"a\": its shape is too large"},
      {"{" T("a", "F32", "9223372036854775808", 0, 4) "}", 4, "\"a\": a number is too large"},
      {"{" T("a", "F32", "-1", 0, 4) "}", 4, "\"a\": a whole number is missing"},
      {"{" T("a", "F32", "1.0", 0, 4) "}", 4, "\"a\": ',' is missing"},
      {"{" T("a", "F32", "1e0", 0, 4) "}", 4, "\"a\": ',' is missing"},
      {"{" T("a", "F32", "01", 0, 4) "}", 4, "\"a\": a whole number is missing"},
      {"{" T("a", "F32", "1,", 0, 4) "}", 4, "\"a\": a whole number is missing"},
      {"{" T("a", "F32", "1", 0, 18446744073709551620) "}", 4, "\"a\": a number is too large"},
      {"{" T("a", "F32", "1", 0, 4) ",}", 4, "a string is missing"},
      {"{" T("a", "F32", "1", 0, 4) " " T("b", "F32", "1", 4, 8) "}", 8, "',' is missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "\"a\": its dtype, shape or data_offsets are missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
       "\"a\": it has a member twice"},
      {"{\"a\":{\"dtype\":\"F32\",\"more\":1}}", 0, "\"a\": it has a member other than"},
      {"{\"a\":{\"dtype\":7}}", 0, "\"a\": a string is missing"},
      {"{\"a\":[]}", 0, "\"a\": '{' is missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[]]}}", 0, "\"a\": a whole number is missing"},
      {"{\"a\":{\"shape\":[],\"data_offsets\":[0,4,8]}}", 8, "\"a\": ',' or ']' is missing"},
      {"{\"__metadata__\":{\"k\":1}}", 0, "a string is missing"},
      {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "\"k\": this key of __metadata__ stands there twice"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ stands there twice"},
      {"{\"a", 0, "a string is not closed"},
      {"{\"a\\", 0, "a string holds an escape that is not valid"},
      {"{\"a\\x\"", 0, "a string holds an escape that is not valid"},
      {"{\"a\\u12\"", 0, "a string holds an escape that is not valid"},
      {"{\"a\\u0000\":", 0, "a string holds an escape that is not valid"},
      {"{\"a\\ud800\":", 0, "a string holds an escape that is not valid"},
      {"{\"a\\ud800\\u0041\":", 0, "a string holds an escape that is not valid"},
      {"{\"a\\udc00\":", 0, "a string holds an escape that is not valid"},
      {"{\"a\nb\":", 0, "a string holds a control character"},
      {"{\"\xff\":", 0, "the header is no UTF-8 text"},
      {"{\"\xc0\x80\":", 0, "the header is no UTF-8 text"},
      {"{\"\xed\xa0\x80\":", 0, "the header is no UTF-8 text"},
      {"{\"\xf4\x90\x80\x80\":", 0, "the header is no UTF-8 text"},
      {"{\"\xe2\x82", 0, "the header is no UTF-8 text"},
      {"{" T("a\\n\\u001b[2J", "F32", "2", 0, 4) "}", 4, "\"a??[2J\": its data_offsets do not fit"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char bytes[1024] = {0};
    uint64_t n = strlen(row[i].header);
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, row[i].header, n);
    put(bytes, 8 + n + row[i].data);
    clg_loader *l = clg_loader_open(ctx, path);
    ck_assert_msg(!l, "row %zu was opened: %s", i, row[i].header);
    ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_IO);
    expect(row[i].says, i);
  }
}
END_TEST

START_TEST(safetensors_whose_start_lies) {
  static const struct {
    uint64_t size;
    size_t bytes; /* of the file */
    const char *says;
  } row[] = {
      {0, 0, "it has only 0 bytes"},
      {0, 7, "it has only 7 bytes"},
      {0, 8, "'{' is missing"},
      {100000001, 64, "a header of 100000001 bytes is more than 100 MB"},
      {UINT64_MAX, 64, "more than 100 MB"},
      {57, 64, "the file ends within its header"},
      {100000000, 64, "the file ends within its header"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char bytes[64] = {0};
    memcpy(bytes, &row[i].size, 8);
    put(bytes, row[i].bytes);
    ck_assert_ptr_null(clg_loader_open(ctx, path));
    expect(row[i].says, i);
  }
}
END_TEST

/* Files that are well-formed, with tensors that cannot be loaded. */
START_TEST(safetensors_with_tensors_of_other_kinds) {
  static const char header[] = "{" T("half", "F16", "2", 0, 4) "," T("deep", "F32", "1,1,1,1,1,1,1,1,1", 4, 8) "," T(
      "void", "F32", "3000000000,0", 8, 8) "," T("fine", "F32", "1", 8, 12) "}";
  char bytes[512] = {0};
  uint64_t n = strlen(header);
  memcpy(bytes, &n, 8);
  memcpy(bytes + 8, header, n);
  put(bytes, 8 + n + 12);
  clg_loader *l = clg_loader_open(ctx, path);
  ck_assert_ptr_nonnull(l);
  ck_assert_ptr_null(clg_loader_load_tensor(l, "half"));
  expect("\"half\" is F16: only F32 and I32 can be loaded", 0);
  ck_assert_ptr_null(clg_loader_load_tensor(l, "deep"));
  expect("\"deep\" of shape [1,1,1,1,1,1,1,1,...] has more than 8 dimensions", 1);
  clg_tensor *t = clg_loader_load_tensor(l, "fine");
  ck_assert_ptr_nonnull(t);
  clg_tensor_unref(&t);
  t = clg_loader_load_tensor(l, "void");
  clg_clear_error(ctx);
  clg_tensor_unref(&t);
  ck_assert(!ftruncate(fd, 100)); /* behind the loader's back */
  ck_assert_ptr_null(clg_loader_load_tensor(l, "fine"));
  expect("the file ends too early", 2);
  clg_loader_unref(&l);
}
END_TEST

/* Types that the library cannot read, or that nobody had heard of when it was made: the tensors beside them load. */
START_TEST(safetensors_with_types_of_other_kinds) {
  static const struct {
    const char *dtype, *shape;
    int bytes;
  } row[] = {{"F4", "2,8", 8},        {"F4", "2", 1},      {"F6_E2M3", "4", 3},
             {"F6_E3M2", "2,2", 3},   {"F8_E8M0", "4", 4}, {"F8_E4M3", "4", 4},
             {"F8_E4M3FNUZ", "4", 4}, {"X9", "4", 4},      {"INT1_of_2031", "17", 3},
             {"C128", "1", 16},       {"", "0", 0},        {"F\\u001b32", "1", 4}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char bytes[512] = {0}, part[64];
    int n = snprintf(bytes + 8, sizeof bytes - 64,
                     "{" T("w", "F32", "2", 0, 8) ",\"q\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[8,%d]}}",
                     row[i].dtype, row[i].shape, 8 + row[i].bytes);
    bytes[0] = (char)n;
    put(bytes, 8 + (size_t)n + 8 + (size_t)row[i].bytes);
    clg_loader *l = clg_loader_open(ctx, path);
    ck_assert_msg(l != NULL, "%s: %s", row[i].dtype, clg_last_error(ctx));
    ck_assert_uint_eq(clg_loader_count(l), 2);
    clg_tensor *t = clg_loader_load_tensor(l, "w");
    ck_assert_int_eq(clg_tensor_numel(t), 2);
    clg_tensor_unref(&t);
    ck_assert_ptr_null(clg_loader_load_tensor(l, "q"));
    ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_SHAPE);
    snprintf(part, sizeof part, "\"q\" is %s: only F32 and I32", strchr(row[i].dtype, '\\') ? "F?32" : row[i].dtype);
    expect(part, i);
    clg_loader_unref(&l);
  }
}
END_TEST

START_TEST(npy_that_lies) {
#define D(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
  static const struct {
    const char *dictionary;
    size_t data;
    const char *says;
  } row[] = {
      {D("'<f4'", "False", "(2,)"), 7, "it has 7 bytes of data, its shape needs 8"},
      {D("'<f4'", "False", "(2,)"), 9, "it has 9 bytes of data, its shape needs 8"},
      {D("'<f8'", "False", "(2,)"), 16, "neither little-endian float32 nor int32"},
      {D("'>f4'", "False", "(2,)"), 8, "neither little-endian float32 nor int32"},
      {D("'|O'", "False", "(2,)"), 8, "neither little-endian float32 nor int32"},
      {D("[('a', '<f4')]", "False", "(2,)"), 8, "its elements are structures"},
      {D("'<f4'", "True", "(2, 1)"), 8, "it is in Fortran order"},
      {D("'<f4'", "Maybe", "(2, 1)"), 8, "no dictionary of NumPy's"},
      {D("'<f4'", "False", "(2, -1)"), 8, "no tuple of sizes"},
      {D("'<f4'", "False", "2"), 8, "no tuple of sizes"},
      {D("'<f4'", "False", "(2"), 8, "no tuple of sizes"},
      {D("'<f4'", "False", "(2 2)"), 8, "no tuple of sizes"},
      {D("'<f4'", "False", "(65536, 65536)"), 8, "more than 2^31 - 1 elements"},
      {D("'<f4'", "False", "(99999999999999999999999,)"), 8, "more than 2^31 - 1 elements"},
      {D("'<f4'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4, "more than 8 dimensions"},
      {"{'descr': '<f4', 'shape': (1,)}", 4, "no dictionary of NumPy's"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "no dictionary of NumPy's"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "no dictionary of NumPy's"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "no dictionary of NumPy's"},
      {"{'descr': '<f4", 4, "no dictionary of NumPy's"},
      {"{", 4, "no dictionary of NumPy's"},
      {"", 4, "no dictionary of NumPy's"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char bytes[512] = "\x93NUMPY\x01";
    size_t n = strlen(row[i].dictionary);
    bytes[8] = (char)n;
    memcpy(bytes + 10, row[i].dictionary, n);
    put(bytes, 10 + n + row[i].data);
    ck_assert_msg(!clg_npy_load(ctx, path), "row %zu was loaded", i);
    expect(row[i].says, i);
  }
  static const struct {
    const char *start;
    size_t n;
    const char *says;
  } start[] = {
      {"", 0, "it is too short"},
      {"\x93NUMPZ\x01\0\0\0{}", 12, "does not start with NumPy's mark"},
      {"\x93NUMPY\x04\0\0\0{}", 12, "none of 1.0, 2.0 and 3.0"},
      {"\x93NUMPY\x01\x01\0\0{}", 12, "none of 1.0, 2.0 and 3.0"},
      {"\x93NUMPY\x01\0\x03\0{}", 12, "the file ends within its header"},
      {"\x93NUMPY\x02\0\xff\xff\xff\xff", 12, "its header is longer than 65536 bytes"},
  };
  for (size_t i = 0; i < sizeof start / sizeof *start; i++) {
    put(start[i].start, start[i].n);
    ck_assert_ptr_null(clg_npy_load(ctx, path));
    expect(start[i].says, i);
  }
}
END_TEST

/* ---- damaged files ---- */

static uint32_t state = 12345;
static uint32_t below(uint32_t n) { /* xorshift: the same damage in every run */
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % n;
}

enum { ROOM = 4096, MUTATIONS = 10000 };

/* Changes one to four things: bits, bytes that mean something, digits, pieces moved, cut or doubled, the length. */
static size_t damage(char *bytes, size_t n) {
  static const char telling[] = "{}[]():,\"'\\ 0123456789-.eEu\n\x80\xff";
  for (uint32_t times = 1 + below(4); times-- && n > 1;) {
    size_t at = below((uint32_t)n), length = 1 + below(24), from = below((uint32_t)n);
    if (length > n - at) length = n - at;
    if (length > n - from) length = n - from;
    switch (below(7)) {
    case 0: bytes[at] ^= (char)(1 << below(8)); break;
    case 1: bytes[at] = telling[below(sizeof telling)]; break;
    case 2: bytes[at] = (char)('0' + below(10)); break;
    case 3: memmove(bytes + at, bytes + from, length); break;
    case 4: n = at; break;
    case 5:
      memmove(bytes + at, bytes + at + length, n - at - length);
      n -= length;
      break;
    default:
      if (n + length > ROOM) break;
      memmove(bytes + at + length, bytes + at, n - at);
      n += length;
    }
  }
  return n;
}

/* The bytes of what is in the file now. */
static size_t get(char *bytes) {
  int in = open(path, O_RDONLY);
  ssize_t n = read(in, bytes, ROOM);
  close(in);
  ck_assert(n > 0 && n < ROOM);
  return (size_t)n;
}

static size_t make_safetensors(char *bytes, clg_module *m, clg_optim *o) {
  clg_saver *s = clg_saver_create(ctx, path);
  clg_saver_add_module(s, "m.", m);
  clg_saver_add_optim(s, "o.", o);
  clg_saver_add_random(s, "r.");
  clg_saver_add_metadata(s, "note \"\\\t", "\xe9\x87\x8d");
  ck_assert_int_eq(clg_saver_commit(s), CLG_OK);
  clg_saver_unref(&s);
  return get(bytes);
}

static void load_everything(clg_module *m, clg_optim *o, int *opened) {
  clg_loader *l = clg_loader_open(ctx, path);
  *opened += l != NULL;
  for (size_t i = 0; i < clg_loader_count(l); i++) {
    clg_tensor *t = clg_loader_load_tensor(l, clg_loader_name(l, i));
    clg_tensor_unref(&t);
  }
  clg_loader_load_module(l, "m.", m);
  clg_loader_load_optim(l, "o.", o);
  clg_loader_load_random(l, "r.");
  clg_loader_unref(&l);
  ck_assert_ptr_null(strchr(clg_last_error(ctx), '\n'));
  clg_clear_error(ctx);
}

START_TEST(damaged_safetensors_do_no_harm) {
  static char whole[ROOM], bytes[ROOM];
  clg_module *m = clg_linear_create(ctx, 2, 3, true, NULL);
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *o = clg_optim_create_for(m, &adam);
  clg_scope *scope = clg_scope_open(ctx);
  clg_backward(clg_sum(clg_forward(m, clg_full(ctx, 2, (int64_t[]){1, 2}, 1)), NULL, 0, false), NULL);
  clg_optim_step(o);
  clg_scope_close(scope);
  size_t n = make_safetensors(whole, m, o);
  close(fd);
  fd = open(path, O_RDWR); /* saving put a new file there */
  int opened = 0;
  for (int i = 0; i < MUTATIONS; i++) {
    memcpy(bytes, whole, n);
    size_t now = damage(bytes, n);
    uint64_t header;
    memcpy(&header, whole, 8);
    if (i % 2 && now > 8) memcpy(bytes, &header, 8); /* the start is whole more often than chance has it */
    if (i % 4 == 3 && now > n) memcpy(bytes, (uint64_t[]){header + (now - n)}, 8);
    put(bytes, now);
    load_everything(m, o, &opened);
  }
  printf("%d of %d damaged files were opened\n", opened, MUTATIONS);
  ck_assert_int_gt(opened, MUTATIONS / 100);
  clg_optim_unref(&o);
  clg_module_unref(&m);
}
END_TEST

START_TEST(damaged_npy_does_no_harm) {
  static char whole[ROOM], bytes[ROOM];
  clg_tensor *t = clg_tensor_create(ctx, 3, (int64_t[]){2, 3, 1}, NULL);
  ck_assert_int_eq(clg_npy_save(t, path), CLG_OK);
  clg_tensor_unref(&t);
  close(fd);
  fd = open(path, O_RDWR);
  size_t n = get(whole);
  int opened = 0;
  for (int i = 0; i < MUTATIONS; i++) {
    memcpy(bytes, whole, n);
    size_t now = damage(bytes, n);
    if (i % 2 && now > 10) memcpy(bytes, whole, 10);
    put(bytes, now);
    t = clg_npy_load(ctx, path);
    opened += t != NULL;
    clg_tensor_unref(&t);
    ck_assert_ptr_null(strchr(clg_last_error(ctx), '\n'));
    clg_clear_error(ctx);
  }
  printf("%d of %d damaged arrays were loaded\n", opened, MUTATIONS);
  ck_assert_int_gt(opened, MUTATIONS / 100);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("hostile");
  tcase_add_checked_fixture(c, open_all, close_all);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, safetensors_that_lie);
  tcase_add_test(c, safetensors_whose_start_lies);
  tcase_add_test(c, safetensors_with_tensors_of_other_kinds);
  tcase_add_test(c, safetensors_with_types_of_other_kinds);
  tcase_add_test(c, npy_that_lies);
  tcase_add_test(c, damaged_safetensors_do_no_harm);
  tcase_add_test(c, damaged_npy_does_no_harm);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("io_hostile", add_cases)
