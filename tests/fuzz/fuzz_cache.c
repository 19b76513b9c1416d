/* Entries of the kernel cache. The first byte: the key, the sizes and the checksum are put right, so that what is
 * behind them is reached. No driver: what would be handed to it must lie within the entry. */
#include "base/str.h"
#include "base/context.h"
#include "device/program.h"
#include "fuzz.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 32 };
static const char first[] = "clgrad 0.1.0", second[] = "#define X 1\n";
static const clg_part key[] = {{first, sizeof first - 1}, {second, sizeof second - 1}};
static char folder[] = "/tmp/clgrad-fuzz-XXXXXX", path[128];
static long given;
static const uint8_t *expected;
static size_t expected_size;

cl_program clCreateProgramWithBinary(cl_context c, cl_uint n, const cl_device_id *d, const size_t *size,
                                     const unsigned char **binary, cl_int *status, cl_int *code) {
  (void)c, (void)n, (void)d;
  FUZZ_REQUIRE(*size <= expected_size && !memcmp(*binary, expected + expected_size - *size, *size),
               "a binary that is not the entry's");
  given++;
  *status = *code = CL_INVALID_BINARY;
  return NULL;
}

static void load(const uint8_t *entry, size_t n) {
  static clg_context *ctx;
  static clg_queue queue;
  if (!ctx) ctx = fuzz_plan(CLG_SHAPE_CPU);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, entry, n) != (ssize_t)n || close(fd)) abort();
  expected = entry, expected_size = n;
  ctx->queue = &queue;
  FUZZ_REQUIRE(!clg_cache_load(ctx, key, 2, ""), "a program without a driver");
  ctx->queue = NULL;
  fuzz_clear(ctx);
}

static void put_right(uint8_t *entry, size_t n, uint8_t what) {
  const uint64_t k = key[0].size + key[1].size, binary = n - HEADER - k;
  if (n < HEADER + k) return;
  if (what & 1) memcpy(entry + HEADER, first, key[0].size), memcpy(entry + HEADER + key[0].size, second, key[1].size);
  if (what & 2) memcpy(entry, "clgrad1", 8), memcpy(entry + 8, &k, 8), memcpy(entry + 16, &binary, 8);
  uint64_t sum = clg_hash(CLG_HASH_START, entry + HEADER, n - HEADER);
  if (what & 4) memcpy(entry + 24, &sum, 8);
}

static void remove_folder(void) {
  unlink(path);
  rmdir(folder);
}

/* Where the library looks; an entry that is right must come to the driver, else this tests nothing. */
static void begin(void) {
  unsigned long long a = CLG_HASH_START, b = clg_hash(CLG_HASH_START, "second", 6);
  for (int i = 0; i < 2; i++) a = clg_hash(a, key[i].text, key[i].size), b = clg_hash(b, key[i].text, key[i].size);
  if (!mkdtemp(folder)) abort();
  atexit(remove_folder);
  setenv("CLGRAD_CACHE", folder, 1);
  snprintf(path, sizeof path, "%s/%016llx%016llx.bin", folder, a, b);
  uint8_t right[100] = {0};
  put_right(right, sizeof right, 7);
  load(right, sizeof right);
  FUZZ_REQUIRE(given == 1, "an entry that is right is not taken");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (!given) begin();
  if (n < 1) return 0;
  uint8_t *entry = (uint8_t *)fuzz_text(data + 1, n - 1);
  put_right(entry, n - 1, data[0]);
  load(entry, n - 1);
  free(entry);
  return 0;
}
