/* sambarctl log -f. */
#ifndef MASTER_CTL_FOLLOW_H
#define MASTER_CTL_FOLLOW_H

/* Prints the last lines of the logs (program NULL: of all), then every new one, until it is killed
 * or cannot go on: an exit status. */
int ctl_follow(const char *root, const char *program);

#endif
