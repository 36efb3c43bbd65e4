/*
 * Vacation replies. A message that was delivered into mailboxes of which store says that a reply
 * is on is judged by its envelope and header; store is asked for the text, and notes that its
 * sender has had it; the reply is committed to queue. Reads the spool file of the message through
 * the descriptor that queue has sent, writes the one of the reply. Nothing waits for it: when
 * router ends in between, there is none.
 *
 * Mail that fetcher has collected has no sender in its envelope: there the Return-Path says who it
 * is, and old mail, such as a first collection brings, is not answered.
 */
#ifndef ROUTER_VACATION_H
#define ROUTER_VACATION_H

#include <stddef.h>

struct router;
struct attempt;
struct vacations;

/* path: of queue.sock, borrowed; nobody connects to it before the first reply. */
struct vacations *vacations_new(struct router *r, const char *queue_path);
/* Forgets those in hand. */
void vacations_free(struct vacations **v);
/* In hand now. */
size_t vacations_count(const struct vacations *v);

/* Those in hand have a short time to end. router_attempt_ended() is called when that is over. */
void vacations_drain(struct vacations *v);

/* Before the attempt reports: for each of its mailboxes that is away. */
void vacations_consider(const struct attempt *a);

#endif
