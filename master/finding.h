/*
 * What sambarctl doctor finds: a list of JSON objects {"about", "verdict", "text", "question",
 * "answer", "mend"}. The verdict is "right", "wrong" or "cannot tell from here"; question and
 * answer, the exact ones, and mend, what to do, are null where there is none. Pure.
 */
#ifndef MASTER_FINDING_H
#define MASTER_FINDING_H

#include <jansson.h>

enum finding_verdict { FINDING_RIGHT, FINDING_WRONG, FINDING_UNCLEAR };

/* For JSON and the terminal. */
const char *finding_word(enum finding_verdict verdict);

/* Adds one, without question, answer and mend. The text may be a stranger's: it is made text. */
json_t *finding_add(json_t *list, enum finding_verdict verdict, const char *about,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* To one that was just added: borrowed. */
void finding_asked(json_t *finding, const char *question, const char *answer);
void finding_mend(json_t *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
