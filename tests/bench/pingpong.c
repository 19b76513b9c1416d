/* What a link takes for what sums of gradients ask of it: ranks 0 and 1 exchange messages, both ways at once, and rest
 * between looks as the library does. Prints milliseconds of one exchange by its floats, and the bytes a second of many
 * that are under way together. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 32, LARGE = 32768, TIMES = 21, ROUNDS = 24 };

static void wait_for(MPI_Request *requests, int n) {
  for (int done = 0; !done;) {
    MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
    if (!done) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
}

/* Seconds of `times` exchanges, each of n messages of so many floats. */
static double exchange(float *out, float *in, int floats, int n, int times, int partner) {
  MPI_Request request[2 * MOST];
  MPI_Sendrecv(NULL, 0, MPI_FLOAT, partner, 0, NULL, 0, MPI_FLOAT, partner, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  double begun = MPI_Wtime();
  for (int t = 0; t < times; t++) {
    for (int i = 0; i < n; i++) {
      MPI_Irecv(in + (size_t)i * LARGE, floats, MPI_FLOAT, partner, 1 + i, MPI_COMM_WORLD, &request[2 * i]);
      MPI_Isend(out + (size_t)i * LARGE, floats, MPI_FLOAT, partner, 1 + i, MPI_COMM_WORLD, &request[2 * i + 1]);
    }
    wait_for(request, 2 * n);
  }
  return MPI_Wtime() - begun;
}

int main(int argc, char **argv) {
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  float *out = calloc((size_t)MOST * LARGE, sizeof *out), *in = calloc((size_t)MOST * LARGE, sizeof *in);
  if (!out || !in) MPI_Abort(MPI_COMM_WORLD, 1);
  if (rank < 2) {
    exchange(out, in, LARGE, MOST, 4, 1 - rank); /* TCP's windows open */
    double few = exchange(out, in, 256, 1, TIMES, 1 - rank) / TIMES;
    double large = exchange(out, in, LARGE, 1, TIMES, 1 - rank) / TIMES;
    double stream = exchange(out, in, LARGE, MOST, ROUNDS, 1 - rank);
    if (!rank)
      printf("{\"few_ms\": %.4f, \"large_ms\": %.4f, \"bytes_per_s\": %.0f}\n", 1e3 * few, 1e3 * large,
             (double)ROUNDS * MOST * LARGE * sizeof(float) / stream);
  }
  free(out);
  free(in);
  MPI_Finalize();
  return 0;
}
