#ifndef FB_CLIENTS_FLOWCTL_COMMANDS_H
#define FB_CLIENTS_FLOWCTL_COMMANDS_H

/*
 * commands: all commands, each in the file of its name (health in probe.c, sessions in sessions/).
 */

#include "clients/flowctl/command.h"

extern const struct command command_up;
extern const struct command command_down;
extern const struct command command_status;
extern const struct command command_health;
extern const struct command command_doctor;
extern const struct command command_import;
extern const struct command command_tools_ls;
extern const struct command command_tools_call;
extern const struct command command_sessions_ls;
extern const struct command command_sessions_show;
extern const struct command command_sessions_find;
extern const struct command command_sessions_watch;
extern const struct command command_sessions_top;
extern const struct command command_sessions_graph;
extern const struct command command_sessions_export;
extern const struct command command_sessions_import;
extern const struct command command_sessions_merge;
extern const struct command command_sessions_undo;
extern const struct command command_sessions_verify;
extern const struct command command_sessions_mute;
extern const struct command command_calls;
extern const struct command command_drain;
extern const struct command command_store_check;
extern const struct command command_store_backup;

#endif
