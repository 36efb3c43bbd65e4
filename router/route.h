/*
 * Which way mail for an address of another host takes. Pure.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "router/tables.h"

enum route_kind {
	ROUTE_MX,	  /* the hosts that DNS names for the domain, or the address literal */
	ROUTE_SMART_HOST, /* SMTP Server */
	ROUTE_NONE,	  /* only local mail is delivered */
};

struct route {
	enum route_kind kind;
	struct span host; /* domain, literal or SMTP Server; of ROUTE_NONE: why, in words */
};

/* p is no local place. The span lives as long as p and the tables. */
struct route route_find(const struct tables *t, const struct place *p);

#endif
