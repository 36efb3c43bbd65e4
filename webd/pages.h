/* The pages and what they load: files that are built into the program. Private to the folder. */
#ifndef WEBD_PAGES_H
#define WEBD_PAGES_H

#include "webd/http.h"

/* GET of what is no route. The app's own paths, such as /admin, give index.html. */
void page_serve(struct request *q);

#endif
