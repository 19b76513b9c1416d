/* The variables by which mpirun and its like tell a process of its rank. */
#include "launched.h"
#include <stddef.h>
#include <stdlib.h>

int launched_ranks(void) {
  static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "PMIX_SIZE"};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const char *text = getenv(sizes[i]);
    if (text && atoi(text) > 0) return atoi(text);
  }
  return getenv("PMI_RANK") || getenv("PMIX_RANK") ? 1 : 0;
}
