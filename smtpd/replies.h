/* A reply that sendmail has to know again. Private to the folder. */
#ifndef SMTPD_REPLIES_H
#define SMTPD_REPLIES_H

/* This process ends, and another one takes the next connection at once. */
#define REPLY_RESTARTS "421 4.3.0 The service restarts; come back"

#endif
