/* The program's handlers of errors, put aside for a while. */
#include "returning.h"
#include <stddef.h>

const char *clg_returning_begin(clg_returning *r, MPI_Comm comm) {
  int begun = 0, ended = 0;
  *r = (clg_returning){.n = 0};
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  if (!begun) return "MPI is not started: MPI_Init comes first";
  if (ended) return "MPI has ended";
  if (comm == MPI_COMM_NULL) return "MPI_COMM_NULL is no communicator";
  const MPI_Comm all[] = {MPI_COMM_WORLD, MPI_COMM_SELF, comm};
  for (int i = 0; i < 3; i++) {
    if (i == 2 && (comm == MPI_COMM_WORLD || comm == MPI_COMM_SELF)) continue;
    if (MPI_Comm_get_errhandler(all[i], &r->before[r->n]) != MPI_SUCCESS) continue;
    r->comm[r->n++] = all[i];
    MPI_Comm_set_errhandler(all[i], MPI_ERRORS_RETURN);
  }
  return NULL;
}

/* The first, of errors without a communicator, comes last. */
void clg_returning_end(clg_returning *r) {
  while (r->n > 0) {
    r->n--;
    MPI_Comm_set_errhandler(r->comm[r->n], r->before[r->n]);
    MPI_Errhandler_free(&r->before[r->n]);
  }
}
