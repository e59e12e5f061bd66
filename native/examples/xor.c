/*
 * Combines every byte with the next one of a key, by XOR: what one such plugin made unreadable, another one with the same
 * key, at the other end, makes readable again. It shows state for each connection. It is no encryption.
 *
 *     config: { key: "secret" }
 */
#include "../sluice_plugin.h"
#include "config.h"

#include <stdlib.h>

typedef struct {
    char key[256];
    size_t key_len;
} xor_plugin;

/* How far each direction has come in the key: a call may end in the middle of it. */
typedef struct {
    size_t at[2];
} xor_connection;

uint32_t sluice_plugin_abi_version(void) { return SLUICE_PLUGIN_ABI_VERSION; }

const char *sluice_plugin_name(void) { return "xor"; }

void *sluice_plugin_init(const char *config_json) {
    xor_plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL) return NULL;
    if (!config_text(config_json, "key", plugin->key, sizeof plugin->key) || plugin->key[0] == '\0') {
        free(plugin);
        return NULL;
    }
    plugin->key_len = strlen(plugin->key);
    return plugin;
}

void sluice_plugin_free(void *plugin) { free(plugin); }

void *sluice_connection_open(void *plugin, const char *client_address) {
    (void)plugin, (void)client_address;
    return calloc(1, sizeof(xor_connection));
}

void sluice_connection_close(void *connection) { free(connection); }

int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in, size_t in_len,
                         uint8_t *out, size_t out_capacity) {
    const xor_plugin *own = plugin;
    xor_connection *state = connection;
    /* There was no memory for it when it was opened. */
    if (state == NULL) return SLUICE_CLOSE;
    if (out_capacity < in_len) return SLUICE_NEEDS(in_len);
    size_t at = state->at[direction];
    for (size_t i = 0; i < in_len; i++) {
        out[i] = in[i] ^ (uint8_t)own->key[at];
        if (++at == own->key_len) at = 0;
    }
    state->at[direction] = at;
    return (int64_t)in_len;
}
