/* Runs a target over files and the files of folders: seeds and what was found once, where there is no libFuzzer. */
#include "fuzz.h"
#include <dirent.h>

static long count;

static void replay_file(const char *path, FILE *f) {
  static uint8_t bytes[1 << 20];
  size_t n = fread(bytes, 1, sizeof bytes, f);
  uint8_t *exact = malloc(n ? n : 1); /* so that a read behind it is seen */
  if (!exact) abort();
  memcpy(exact, bytes, n);
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput(exact, n);
  free(exact);
  count++;
}

static void replay(const char *path) {
  DIR *folder = opendir(path);
  if (folder) {
    char inside[4096];
    for (struct dirent *e; (e = readdir(folder));) {
      snprintf(inside, sizeof inside, "%s/%s", path, e->d_name);
      if (e->d_name[0] != '.') replay(inside);
    }
    closedir(folder);
    return;
  }
  FILE *f = fopen(path, "rb");
  if (!f) return; /* a target without findings has no folder of them */
  replay_file(path, f);
  fclose(f);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) replay(argv[i]);
  printf("%ld inputs\n", count);
  return count ? 0 : 1;
}
