/* Peers: processes with a pipe each way. */
#include "peer.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One that no longer answers takes no part any more. */
static bool answer(peer *p, char *line, int size) {
  if (p->from && fgets(line, size, p->from)) return line[strcspn(line, "\n")] = 0, true;
  if (p->from) fprintf(stderr, "bench: the peer %s has ended\n", *p->key ? p->key : "just started");
  if (p->from) fclose(p->from);
  p->from = NULL;
  return p->able = false;
}

static void tell(peer *p, const char *what, const char *detail) {
  fprintf(p->to, "%s %s\n", what, detail);
  fflush(p->to);
}

/* In the child. What is preloaded is for PoCL (hostcpu-run), not for other libraries' compilers. */
static _Noreturn void become(const char *command, const int in[2], const int out[2]) {
  dup2(in[0], STDIN_FILENO), dup2(out[1], STDOUT_FILENO);
  if (getenv("HOSTCPU")) unsetenv("LD_PRELOAD");
  execl("/bin/sh", "sh", "-c", command, (char *)NULL);
  _exit(127);
}

bool peers_add(peers *all, const char *command) {
  int in[2], out[2];
  char line[sizeof all->at->key + sizeof all->at->about];
  if (all->n == MAX_PEERS) return fprintf(stderr, "bench: more than %d peers\n", MAX_PEERS), false;
  if (pipe(in) != 0 || pipe(out) != 0) return fprintf(stderr, "bench: %s\n", strerror(errno)), false;
  /* Else the next peer would hold them open, and this one never see their end. */
  for (int i = 0; i < 2; i++) fcntl(in[i], F_SETFD, FD_CLOEXEC), fcntl(out[i], F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  peer *p = &all->at[all->n];
  *p = (peer){.pid = fork()};
  if (p->pid == 0) become(command, in, out);
  close(in[0]), close(out[1]);
  p->to = fdopen(in[1], "w"), p->from = fdopen(out[0], "r");
  all->n++;
  if (p->pid < 0 || !p->to || !answer(p, line, sizeof line))
    return fprintf(stderr, "bench: --peer %s\n", command), false;
  char *tab = strchr(line, '\t');
  snprintf(p->key, sizeof p->key, "%.*s", (int)(tab ? tab - line : (ptrdiff_t)strlen(line)), line);
  snprintf(p->library, sizeof p->library, "%.*s", (int)strcspn(line, "-\t"), line);
  snprintf(p->about, sizeof p->about, "%s", tab ? tab + 1 : "");
  return true;
}

void peers_end(peers *all) {
  for (peer *p = all->at; p < all->at + all->n; p++) {
    if (p->to) fclose(p->to);
    if (p->from) fclose(p->from);
    if (p->pid > 0) waitpid(p->pid, NULL, 0);
  }
  all->n = 0;
}

void peers_work(peers *all, const char *line) {
  char got[512];
  for (peer *p = all->at; p < all->at + all->n; p++) {
    if (p->from) tell(p, "work", line);
    p->able = answer(p, got, sizeof got) && !strcmp(got, "ok");
  }
  bench_rest();
}

static void rest(void) {
  struct timespec t = {0, 15 * 1000000};
  nanosleep(&t, NULL);
}

void peers_round(peers *all, int r, double seconds) {
  char text[64];
  for (peer *p = all->at; p < all->at + all->n; p++) {
    if (!p->able) continue;
    snprintf(text, sizeof text, "%g", seconds);
    tell(p, "round", text);
    p->t[r] = answer(p, text, sizeof text) ? strtod(text, NULL) : NAN;
    rest();
  }
}

void peers_summarise(peers *all, int rounds) {
  for (peer *p = all->at; p < all->at + all->n; p++) p->us = p->able ? bench_median(p->t, rounds) * 1e6 : NAN;
}

/* The first peer of each library, in turn. */
static const peer *first_of(const peers *all, int i) {
  for (const peer *p = all->at; p < all->at + all->n; p++) {
    const peer *q = all->at;
    while (strcmp(q->library, p->library)) q++;
    if (q == p && i-- == 0) return p;
  }
  return NULL;
}

const char *peers_library(const peers *all, int i) {
  const peer *p = first_of(all, i);
  return p ? p->library : NULL;
}

double peers_library_us(const peers *all, int i) {
  const peer *first = first_of(all, i);
  double best = NAN;
  for (const peer *p = all->at; first && p < all->at + all->n; p++)
    if (!strcmp(p->library, first->library)) best = fmin(best, p->us);
  return best;
}

json_t *peers_json(const peers *all) {
  json_t *out = json_object();
  for (const peer *p = all->at; p < all->at + all->n; p++)
    if (isfinite(p->us)) json_object_set_new(out, p->key, json_real(p->us));
  return out;
}

json_t *peers_about_json(const peers *all) {
  json_t *out = json_object();
  for (const peer *p = all->at; p < all->at + all->n; p++) json_object_set_new(out, p->key, json_string(p->about));
  return out;
}

void peers_print(const peers *all, FILE *to) {
  for (const peer *p = all->at; p < all->at + all->n; p++) fprintf(to, "%s: %s\n", p->key, p->about);
}
