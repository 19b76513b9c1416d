/* SIGINT, SIGTERM and SIGHUP: what is begun is ended, what is done is kept. */
#ifndef GAN_INTERRUPT_H
#define GAN_INTERRUPT_H

#include <stdbool.h>

/* From here on each of them ends the process at once, with status 128 + its number, as a shell counts it. Those that
 * were ignored stay so. A reader that has gone and a file that may grow no more are errors of one output (SIGPIPE,
 * SIGXFSZ).
 */
void interrupt_catch(void);
/* While held the first is only noted, and a second ends the process. Released, the process ends if one was noted. */
void interrupt_hold(bool hold);
/* Number of the signal that was noted, or 0; of several processes, of the one that they agreed on. */
int interrupted(void);
/* Of the one that was noted here, whatever others know. */
int interrupt_noted(void);
/* Several processes go on together, or end together by signal `number`, when it is not 0. */
void interrupt_agree(int number);

#endif
