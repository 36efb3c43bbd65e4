/* conf/config.ini and conf/mail.ini as they are in the source, within the program. */
#ifndef MASTER_SHIPPED_CONF_H
#define MASTER_SHIPPED_CONF_H

#include "common/span.h"

struct span shipped_config_ini(void);
struct span shipped_mail_ini(void);

#endif
