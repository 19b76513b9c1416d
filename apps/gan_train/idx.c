/* Reads images and labels in IDX format (LeCun's MNIST page). Owns the file while it reads; trusts nothing that the
 * header says: memory grows with the bytes that arrive, not with the number announced. */
#include "data.h"
#include "input.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define IDX_HEADER       16
#define IDX_LABELS       8 /* bytes of header in front of labels */
#define IDX_IMAGES_MAGIC 0x00000803u
#define IDX_LABELS_MAGIC 0x00000801u
#define FIRST_CHUNK      ((size_t)1 << 20)

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

/* Reads until `size` bytes are there or the file ends; *got says how many. Damaged gzip data is an error, a gzip stream
 * that stops short only a short read: the caller says what is missing. */
static bool read_bytes(gzFile file, const char *path, uint8_t *to, size_t size, size_t *got, message *why) {
  *got = 0;
  while (*got < size) {
    size_t ask = size - *got < (1u << 30) ? size - *got : 1u << 30;
    int n = gzread(file, to + *got, (unsigned)ask);
    if (n > 0) *got += (size_t)n;
    if (n == (int)ask) continue;
    int code = Z_OK;
    const char *text = gzerror(file, &code);
    if (code == Z_ERRNO) return fail(why, "%s: cannot read: %s", path, strerror(errno));
    const char *colon = strstr(text, ": "); /* behind zlib's own name for the file */
    if (n < 0 && code != Z_BUF_ERROR) return fail(why, "%s: damaged gzip data (%s)", path, colon ? colon + 2 : text);
    if (n <= 0) break;
  }
  return true;
}

static bool read_header(data *d, gzFile file, const char *path, size_t *count, message *why) {
  uint8_t head[IDX_HEADER];
  size_t got;
  if (!read_bytes(file, path, head, sizeof head, &got, why)) return false;
  if (got < sizeof head)
    return fail(why, "%s: truncated: %zu bytes, an IDX file of images starts with a header of %d", path, got,
                IDX_HEADER);
  uint32_t magic = big_endian(head);
  if (magic != IDX_IMAGES_MAGIC)
    return fail(why, "%s: not an IDX file of images: magic 0x%08" PRIx32 ", want 0x%08x", path, magic,
                IDX_IMAGES_MAGIC);
  *count = big_endian(head + 4);
  d->height = big_endian(head + 8);
  d->width = big_endian(head + 12);
  if (!*count || !d->height || !d->width || d->height > DATA_MAX_SIDE || d->width > DATA_MAX_SIDE)
    return fail(why, "%s: the header promises %zu images of %" PRIu32 "x%" PRIu32 ": not possible", path, *count,
                d->height, d->width);
  return true;
}

/* Doubles the memory as bytes arrive, up to what the header announced; *have says how many did. */
static bool read_promised(gzFile file, const char *path, uint64_t promised, uint8_t **to, size_t *have, message *why) {
  size_t room = 0, got;
  *have = 0;
  if (promised > SIZE_MAX / 2) return fail(why, "%s: the header promises %" PRIu64 " bytes", path, promised);
  while (*have == room && room < promised) {
    room = !room ? FIRST_CHUNK : room * 2;
    if (room > promised) room = (size_t)promised;
    uint8_t *grown = realloc(*to, room);
    if (!grown) return fail_no_memory(why);
    *to = grown;
    if (!read_bytes(file, path, *to + *have, room - *have, &got, why)) return false;
    *have += got;
  }
  return true;
}

static bool read_pixels(data *d, gzFile file, const char *path, size_t count, message *why) {
  uint64_t promised = (uint64_t)count * d->height * d->width;
  size_t have;
  if (!read_promised(file, path, promised, &d->pixels, &have, why)) return false;
  if (have < promised)
    return fail(why,
                "%s: truncated: the header promises %zu images of %" PRIu32 "x%" PRIu32 " (%" PRIu64
                " bytes), the file has %zu bytes of them",
                path, count, d->height, d->width, promised, have);
  d->count = count;
  return true;
}

static bool check_end(gzFile file, const char *path, size_t count, const char *what, message *why) {
  uint8_t extra;
  size_t got;
  if (!read_bytes(file, path, &extra, 1, &got, why)) return false;
  if (!got) return true;
  return fail(why, "%s: there is more in the file than the %zu %s that its header promises", path, count, what);
}

static bool open_file(gzFile *file, const char *path, message *why) {
  int fd = input_open(path, why);
  if (fd < 0) return false;
  *file = gzdopen(fd, "rb");
  if (!*file) return close(fd), fail_no_memory(why);
  gzbuffer(*file, 1u << 17);
  return true;
}

/* The trailing checksum is looked at when the end is read; an early end of the gzip stream shows here. */
static bool close_file(gzFile file, const char *path, bool read_all, message *why) {
  int closed = gzclose_r(file);
  return !read_all || closed == Z_OK || fail(why, "%s: the gzip data ends too early", path);
}

bool idx_read(data *d, const char *path, bool sizes_only, message *why) {
  gzFile file;
  size_t count = 0;
  if (!open_file(&file, path, why)) return false;
  bool ok = read_header(d, file, path, &count, why);
  if (ok && !sizes_only) ok = read_pixels(d, file, path, count, why) && check_end(file, path, count, "images", why);
  return close_file(file, path, ok && !sizes_only, why) && ok;
}

static bool read_label_bytes(data *d, gzFile file, const char *path, message *why) {
  uint8_t head[IDX_LABELS];
  size_t got;
  if (!read_bytes(file, path, head, sizeof head, &got, why)) return false;
  if (got < sizeof head)
    return fail(why, "%s: truncated: %zu bytes, an IDX file of labels starts with a header of %d", path, got,
                IDX_LABELS);
  uint32_t magic = big_endian(head), count = big_endian(head + 4);
  if (magic != IDX_LABELS_MAGIC)
    return fail(why, "%s: not an IDX file of labels: magic 0x%08" PRIx32 ", want 0x%08x", path, magic,
                IDX_LABELS_MAGIC);
  if (!count || (d->count && count != d->count))
    return fail(why, "%s: %" PRIu32 " labels for %zu images", path, count, d->count);
  if (!read_promised(file, path, count, &d->labels, &got, why)) return false;
  if (got < count)
    return fail(why, "%s: truncated: the header promises %" PRIu32 " labels, the file has %zu of them", path, count,
                got);
  for (size_t i = 0; i < count; i++)
    if (d->labels[i] >= d->classes) d->classes = d->labels[i] + 1u;
  return check_end(file, path, count, "labels", why);
}

bool idx_read_labels(data *d, const char *path, message *why) {
  gzFile file;
  if (!open_file(&file, path, why)) return false;
  bool ok = read_label_bytes(d, file, path, why);
  return close_file(file, path, ok, why) && ok;
}
