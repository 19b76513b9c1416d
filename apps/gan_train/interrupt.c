/* Signals that ask the process to end. The state is the process's, as signals are. */
#include "interrupt.h"
#include <signal.h>
#include <unistd.h>

static const int asking[] = {SIGINT, SIGTERM, SIGHUP};
enum { ASKING = sizeof asking / sizeof *asking };

static volatile sig_atomic_t held, noted;
static bool together; /* several processes end by `agreed` */
static int agreed;

static void on_signal(int number) {
  if (!held || noted) _exit(128 + number);
  noted = number;
}

void interrupt_catch(void) {
  struct sigaction mine = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
  sigemptyset(&mine.sa_mask);
  for (int i = 0; i < ASKING; i++) sigaddset(&mine.sa_mask, asking[i]);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < ASKING; i++)
    if (sigaction(asking[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(asking[i], &mine, NULL);
}

void interrupt_hold(bool hold) {
  held = hold;
  if (!hold && noted) _exit(128 + noted);
}

int interrupt_noted(void) { return noted; }

void interrupt_agree(int number) {
  together = true;
  agreed = number;
}

int interrupted(void) { return together ? agreed : noted; }
