/* MPI's errors as results where there is no communicator of ours yet, whose errors are. */
#ifndef CLG_MPI_RETURNING_H
#define CLG_MPI_RETURNING_H

#include <mpi.h>

/* The communicator's handler of errors, and that of those which belong to none, while ours is in their place. */
typedef struct clg_returning {
  MPI_Comm comm[3];
  MPI_Errhandler before[3];
  int n;
} clg_returning;

/* NULL, or why MPI cannot be called with the communicator: then nothing began. */
const char *clg_returning_begin(clg_returning *r, MPI_Comm comm);
void clg_returning_end(clg_returning *r);

#endif
