#include "gateway/flow/verbs.h"

#define METHOD(name, path_name, type)                      \
    const struct work_method method_##name = {             \
        .path = "/flowbalancer.v1.FlowService/" path_name, \
        .reply = &flowbalancer__v1__##type##__descriptor,  \
    }

METHOD(open_session, "OpenSession", open_session_response);
METHOD(list_sessions, "ListSessions", list_flow_sessions_response);
METHOD(plan, "Plan", plan_response);
METHOD(next, "Next", next_response);
METHOD(pulse, "Pulse", pulse_response);
METHOD(finish, "Finish", finish_response);
METHOD(find, "Find", find_response);
METHOD(status, "Status", status_response);
METHOD(edit, "Edit", edit_response);
METHOD(undo, "Undo", undo_response);
METHOD(verify, "Verify", verify_response);
METHOD(graph, "Graph", graph_response);
METHOD(watch, "Watch", watch_response);

bool verb_read_plain(struct work *work, const struct flow_arg *table, struct fb_text arguments,
                     void *into)
{
    const char *why = flow_args_read(table, arguments, "", &work->arena, into);

    if (why != NULL) {
        work_invalid(work, why);
        return false;
    }
    return true;
}

bool verb_read(struct work *work, const struct flow_arg *table, struct fb_text arguments,
               void *into)
{
    const char *const *session = into;

    return verb_read_plain(work, table, arguments, into) &&
           (*session == NULL || work_names(work, *session));
}

Flowbalancer__V1__FlowPlanLink **verb_links(struct work *work, const struct flow_refs *refs,
                                            Flowbalancer__V1__FlowLinkKind kind)
{
    static const Flowbalancer__V1__FlowPlanLink empty = FLOWBALANCER__V1__FLOW_PLAN_LINK__INIT;
    Flowbalancer__V1__FlowPlanLink **links =
        fb_arena_zalloc(&work->arena, refs->count + 1, sizeof(*links));
    Flowbalancer__V1__FlowPlanLink *room =
        fb_arena_zalloc(&work->arena, refs->count + 1, sizeof(*room));

    if (links == NULL || room == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "this is too much for one request; ask for less");
        return NULL;
    }
    for (size_t i = 0; i < refs->count; i++) {
        room[i] = empty;
        room[i].kind = kind;
        if (refs->items[i].task != 0) {
            room[i].on_case = FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_TASK;
            room[i].task = refs->items[i].task;
        } else {
            room[i].on_case = FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_KEY;
            room[i].key = (char *)(uintptr_t)refs->items[i].key;
        }
        links[i] = &room[i];
    }
    return links;
}
