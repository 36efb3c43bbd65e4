/*
 * Which way mail for an address of another host takes. Pure.
 */
#include "router/route.h"

struct route
route_find(const struct tables *t, const struct place *p)
{
	if (t->relay_never)
		return (struct route){ROUTE_NONE, span_of("Relay Delivery is never")};
	if (!t->use_mta && t->smart_host[0] == '\0')
		return (struct route){
		    ROUTE_NONE, span_of("Use MTA is false and there is no SMTP Server")};
	/* A peer is reached directly, whatever the way to the rest of the world. */
	if (t->use_mta || p->kind == DOMAIN_RELAY)
		return (struct route){ROUTE_MX, p->domain};
	return (struct route){ROUTE_SMART_HOST, span_of(t->smart_host)};
}
