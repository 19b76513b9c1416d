/* Command lines of gan_train: a word a line. */
#include "fuzz.h"
#include "options.h"
#include <getopt.h>

enum { MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static char program[] = "gan_train";
  char *text = fuzz_text(data, n), *argv[MOST + 1] = {program};
  int argc = 1;
  for (char *word = text; word < text + n && argc < MOST; word += strlen(word) + 1) {
    word[strcspn(word, "\n")] = 0;
    argv[argc++] = word;
  }
  options o;
  message why = {""};
  optind = 0;
  bool ok = options_parse(&o, argc, argv, &why);
  FUZZ_REQUIRE(ok || *why.text, "no reason is given");
  FUZZ_REQUIRE(!ok || o.help || o.version || (o.n_variants >= 1 && o.n_variants <= VARIANT_COUNT && o.batch >= 1),
               "options that cannot be");
  fuzz_check_line(why.text);
  free(text);
  return 0;
}
