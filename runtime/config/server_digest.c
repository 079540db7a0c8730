#include "runtime/config/server_digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "runtime/base/text.h"

static void put_string(struct fb_buffer *out, const char *string)
{
    if (string == NULL) {
        fb_buffer_string(out, "-;");
        return;
    }
    fb_buffer_printf(out, "%zu:", strlen(string));
    fb_buffer_string(out, string);
}

static void put_strings(struct fb_buffer *out, const char *const *strings)
{
    for (; strings != NULL && *strings != NULL; strings++) {
        put_string(out, *strings);
    }
    fb_buffer_string(out, ";");
}

bool fb_server_digest(struct fb_server_entry *server)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char sum[FB_SERVER_DIGEST_BYTES / 2];
    unsigned size = sizeof(sum);
    struct fb_buffer text = {0};
    bool done = false;

    fb_buffer_printf(&text, "%d;", (int)server->kind);
    put_strings(&text, server->argv);
    put_strings(&text, server->env);
    put_string(&text, server->cwd);
    put_string(&text, server->env_file);
    put_string(&text, server->url);
    put_strings(&text, server->headers);
    put_strings(&text, server->flow.pass_env.items);
    put_string(&text, server->flow.scope);
    if (!text.failed && EVP_Digest(text.data, text.size, sum, &size, EVP_sha256(), NULL) == 1) {
        for (size_t i = 0; i < sizeof(sum); i++) {
            server->digest[2 * i] = hex[sum[i] >> 4];
            server->digest[2 * i + 1] = hex[sum[i] & 15];
        }
        server->digest[FB_SERVER_DIGEST_BYTES] = '\0';
        done = true;
    }
    fb_buffer_finish(&text);
    return done;
}
