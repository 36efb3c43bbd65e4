/* Aligned columns on standard output. */
#ifndef MASTER_CTL_TABLE_H
#define MASTER_CTL_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct ctl_table;

/* As many columns as there are headings. */
struct ctl_table *ctl_table_new(const char *const *headings, size_t columns);
/* Adds the next cell of the current row. */
void
ctl_table_add(struct ctl_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees. The last column is not filled up. */
void ctl_table_print(struct ctl_table **t);

/* Sizes and times for people, in one of 8 rotating buffers: "12K", "3h12m", and as in the
 * logs "2026-11-24T13:27:05Z". */
const char *ctl_size(uint64_t bytes);
const char *ctl_duration(uint64_t seconds);
const char *ctl_time(int64_t seconds_since_1970);

#endif
