/* Pictures, PNG and JPEG, brought to a small square. The first byte: how many channels are asked for. */
#include "fuzz.h"
#include "image.h"
#include "resize.h"

enum { SIDE = 16, LARGEST = 1 << 20 };

static void shrink(const image *i) {
  uint8_t out[SIDE * SIDE];
  resizer r = {0};
  const uint32_t side = i->width < i->height ? i->width : i->height;
  if (resizer_make(&r, side, side, SIDE, SIDE))
    for (uint32_t c = 0; c < i->channels; c++)
      resizer_run(&r, i->pixels + c, (size_t)i->width * i->channels, i->channels, out);
  resizer_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static const uint32_t channels[] = {0, 1, 3};
  if (n < 1) return 0;
  image i = {0};
  message why = {""};
  if (image_read(&i, fuzz_file(bytes + 1, n - 1), channels[bytes[0] % 3], &why)) {
    if ((size_t)i.width * i.height <= LARGEST) shrink(&i);
    image_free(&i);
  } else {
    FUZZ_REQUIRE(*why.text, "no reason is given");
  }
  fuzz_check_line(why.text);
  return 0;
}
