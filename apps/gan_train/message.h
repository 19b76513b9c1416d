/* One line about what went wrong, carried up to main. */
#ifndef GAN_MESSAGE_H
#define GAN_MESSAGE_H

#include <stdbool.h>

typedef struct message {
  char text[2048];
} message;

/* Writes the line and returns false, so that callers can `return fail(...)`. The first line stays. Control characters
 * are replaced. */
bool fail(message *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail_no_memory(message *why);
/* File names and options come from outside: one line stays one line, and no terminal obeys it. */
void message_clean(char *text);
/* To standard error, with the program's name. */
void message_print(const message *why);

#endif
