/* Other libraries beside ours: programs that do the same work when they are told to, over pipes, so that rounds
 * alternate (peers/rounds.py is one, and says what is spoken). */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "bench.h"
#include <sys/types.h>

#define MAX_PEERS 4

typedef struct peer {
  char library[24]; /* peers of one library differ in threads; the fastest counts */
  char key[32];     /* library-threads */
  char about[160];  /* its version, and what it runs with */
  FILE *to, *from;
  pid_t pid;
  bool able; /* has the present work */
  double t[BENCH_MAX_ROUNDS];
  double us; /* the median */
} peer;

typedef struct peers {
  int n;
  peer at[MAX_PEERS];
} peers;

/* Starts `command` by the shell. Before a context is opened: PoCL and fork do not go together. False prints why. */
bool peers_add(peers *p, const char *command);
void peers_end(peers *p);

/* Makes them all ready for the work that one line describes; who does not know it sits out. */
void peers_work(peers *p, const char *line);
/* Round r of about `seconds` each, with a rest for threads that spin after it. */
void peers_round(peers *p, int r, double seconds);
/* The medians of the rounds. */
void peers_summarise(peers *p, int rounds);

/* By number from 0, in the order of --peer: its name, or NULL behind the last. */
const char *peers_library(const peers *p, int i);
double peers_library_us(const peers *p, int i); /* of its fastest; NAN: none took part */
json_t *peers_json(const peers *p);             /* {key: us, ...} of those that took part */
json_t *peers_about_json(const peers *p);       /* {key: about, ...} */
void peers_print(const peers *p, FILE *to);     /* who they are, a line each */

#endif
