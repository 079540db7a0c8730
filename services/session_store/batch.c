#include "services/session_store/batch.h"

#include <string.h>

static size_t number_size(uint64_t number)
{
    size_t size = 1;

    while (number >= 128) {
        number >>= 7;
        size += 1;
    }
    return size;
}

static uint8_t *number_write(uint8_t *out, uint64_t number)
{
    while (number >= 128) {
        *out++ = (uint8_t)(number | 128);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

static bool number_read(struct engine_bytes *from, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 63 && from->size > 0; shift += 7) {
        uint8_t byte = *from->data++;

        from->size -= 1;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *number = value;
            return value <= most;
        }
    }
    return false;
}

size_t batch_size(const struct engine_event *events, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += number_size(events[i].kind) + number_size(events[i].payload.size) +
                events[i].payload.size;
    }
    return size;
}

void batch_write(const struct engine_event *events, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct engine_bytes *payload = &events[i].payload;

        out = number_write(out, events[i].kind);
        out = number_write(out, payload->size);
        if (payload->size > 0) {
            memcpy(out, payload->data, payload->size);
            out += payload->size;
        }
    }
}

bool batch_next(struct engine_bytes *from, struct engine_event *event)
{
    struct engine_bytes rest = *from;
    uint64_t kind;
    uint64_t size;

    if (!number_read(&rest, UINT32_MAX, &kind) || !number_read(&rest, rest.size, &size) ||
        size > rest.size) {
        return false;
    }
    event->kind = (uint32_t)kind;
    event->payload = (struct engine_bytes){rest.data, (size_t)size};
    *from = (struct engine_bytes){rest.data + size, rest.size - (size_t)size};
    return true;
}
