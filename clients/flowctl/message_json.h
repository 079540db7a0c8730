#ifndef FB_CLIENTS_FLOWCTL_MESSAGE_JSON_H
#define FB_CLIENTS_FLOWCTL_MESSAGE_JSON_H

/*
 * message_json: a message of a contract as JSON, for `--json`.
 *
 * Fields stand under the names that the .proto gives them. Numbers, words and lists are always there,
 * a message that is absent is left out, and of a oneof only what is set. An enum is its word without
 * the type's prefix, in lower case, "" when unspecified. Bytes are hexadecimal. Pure.
 */

#include <protobuf-c/protobuf-c.h>

#include "clients/flowctl/writer.h"

/* One object. */
void message_json(struct writer *writer, const ProtobufCMessage *message);

/* The word of an enum's value, as above; "?" for one that is not known. Lasting. */
const char *message_json_word(const ProtobufCEnumDescriptor *type, int value, char *room,
                              size_t size);

/* Writes the message as one line to standard output; false when that failed. */
bool message_json_send(const ProtobufCMessage *message);

#endif
