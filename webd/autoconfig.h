/*
 * The settings of the mail servers, for mail clients that ask for them: Thunderbird's clientConfig
 * 1.1 and Autodiscover's plain old XML (MS-OXDSCLI). Says nothing that a look at the ports would
 * not, whoever asks; for addresses at local domains only, and nothing about whether there is such a
 * user. Private to the folder.
 */
#ifndef WEBD_AUTOCONFIG_H
#define WEBD_AUTOCONFIG_H

#include "webd/http.h"

/* GET, with the address as the parameter emailaddress, else the domain by the name of the host. */
void autoconfig_serve(struct request *q);
/* POST of an XML document with the address. */
void autodiscover_serve(struct request *q);
/* GET: to where a POST is served with TLS. */
void autodiscover_lead(struct request *q);

#endif
