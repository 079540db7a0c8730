#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_SERVE_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_SERVE_H

/*
 * serve: the handlers of FlowService, for its table.
 */

#include "runtime/rpc/method.h"

/* open.c */
fb_handler_fn serve_open_session;

/* across.c */
fb_handler_fn serve_list_sessions;

/* plan.c */
fb_handler_fn serve_plan;

/* next.c */
fb_handler_fn serve_next;

/* work.c */
fb_handler_fn serve_pulse;
fb_handler_fn serve_finish;

/* edit.c */
fb_handler_fn serve_edit;

/* undo.c */
fb_handler_fn serve_undo;

/* care.c */
fb_handler_fn serve_mute;
fb_handler_fn serve_verify;

/* compact.c */
fb_handler_fn serve_compact;

/* find.c */
fb_handler_fn serve_find;

/* status.c */
fb_handler_fn serve_status;

/* forecast.c */
fb_handler_fn serve_forecast;

/* export.c */
fb_handler_fn serve_export;
fb_handler_fn serve_snapshot;

/* import.c */
fb_handler_fn serve_import;

/* merge.c */
fb_handler_fn serve_merge_sessions;

/* watch.c */
fb_handler_fn serve_watch;

/* graph.c */
fb_handler_fn serve_graph;

#endif
