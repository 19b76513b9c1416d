/* Files of images and labels. The first byte: gzipped, sizes alone, labels for the images, labels alone. */
#include "data.h"
#include "fuzz.h"
#include <zlib.h>

static const char *file_of(const uint8_t *bytes, size_t n, bool gzipped) {
  if (!gzipped) return fuzz_file(bytes, n);
  uLong room = compressBound((uLong)n) + 64;
  uint8_t *to = malloc(room);
  z_stream z = {0};
  if (!to || deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  z.next_in = (z_const Bytef *)bytes, z.avail_in = (uInt)n, z.next_out = to, z.avail_out = (uInt)room;
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
  const char *path = fuzz_file(to, z.total_out);
  deflateEnd(&z);
  free(to);
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 1) return 0;
  const uint8_t how = bytes[0];
  const char *path = file_of(bytes + 1, n - 1, how & 1);
  message why = {""}, why_labels = {""};
  data images = {0}, labels = {0};
  bool ok = idx_read(&images, path, how & 2, &why);
  FUZZ_REQUIRE(ok != (*why.text != 0), "images or a reason");
  uint8_t sum = 0; /* every pixel is there */
  for (size_t i = 0; images.pixels && i < images.count * images.height * images.width; i++) sum ^= images.pixels[i];
  if (how & 4) idx_read_labels(&images, path, &why);
  if (how & 8) {
    ok = idx_read_labels(&labels, path, &why_labels);
    FUZZ_REQUIRE(ok != (*why_labels.text != 0), "labels or a reason");
  }
  for (size_t i = 0; labels.labels && i < labels.count; i++) sum ^= labels.labels[i];
  fuzz_check_line(why.text), fuzz_check_line(why_labels.text);
  free(images.pixels), free(images.labels);
  free(labels.pixels), free(labels.labels);
  return sum == 255 ? 0 : 0;
}
