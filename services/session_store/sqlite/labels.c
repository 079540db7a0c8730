#include "services/session_store/sqlite/labels.h"

#include <stdio.h>

#include "services/session_store/codec.h"

static struct label label_write(const char *what, const char *owner, const char *name, int64_t a,
                                int64_t b)
{
    struct label label;
    int size = snprintf(label.text, sizeof(label.text), "%s %s %s %lld %lld", what, owner, name,
                        (long long)a, (long long)b);

    /* Ids are short; in a damaged file a longer one may stand, whose digest will not fit anyway. */
    label.size = size < (int)sizeof(label.text) ? (size_t)size : sizeof(label.text) - 1;
    return label;
}

struct label label_batch(const char *session_id, int64_t first_sequence, int64_t unix_ms)
{
    return label_write("batch", session_id, "", first_sequence, unix_ms);
}

struct label label_snapshot(const char *session_id, int64_t sequence, int64_t offset)
{
    return label_write("snapshot", session_id, "", sequence, offset);
}

struct label label_catalogue(const char *server, int64_t kind)
{
    return label_write("catalogue", server, "", kind, 0);
}

struct label label_result(const char *scope, struct engine_bytes key, int64_t stored_unix_ms)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[CODEC_DIGEST_BYTES];
    char hex[2 * CODEC_DIGEST_BYTES + 1];

    codec_digest(key, (struct engine_bytes){NULL, 0}, digest);
    for (size_t i = 0; i < CODEC_DIGEST_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * CODEC_DIGEST_BYTES] = '\0';
    return label_write("result", scope, hex, stored_unix_ms, 0);
}

struct label label_dictionary(void)
{
    return label_write("dictionary", "", "", 0, 0);
}

struct label label_blob(void)
{
    return label_write("blob", "", "", 0, 0);
}

struct engine_bytes label_bytes(const struct label *label)
{
    return (struct engine_bytes){(const uint8_t *)label->text, label->size};
}
