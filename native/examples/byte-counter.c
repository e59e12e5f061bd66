/*
 * Counts the bytes of every connection and writes a line when it is over: `127.0.0.1:50123 512 up, 8192 down`. The bytes
 * stay as they are.
 *
 *     config: { file: "/var/log/bytes.log" }      without it: to standard error
 */
#include "../sluice_plugin.h"
#include "config.h"

#include <stdlib.h>

typedef struct {
    char file[1024];
} counter_plugin;

typedef struct {
    const counter_plugin *plugin;
    char client[64];
    unsigned long long bytes[2];
} counter_connection;

uint32_t sluice_plugin_abi_version(void) { return SLUICE_PLUGIN_ABI_VERSION; }

const char *sluice_plugin_name(void) { return "byte-counter"; }

void *sluice_plugin_init(const char *config_json) {
    counter_plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin != NULL) config_text(config_json, "file", plugin->file, sizeof plugin->file);
    return plugin;
}

void sluice_plugin_free(void *plugin) { free(plugin); }

void *sluice_connection_open(void *plugin, const char *client_address) {
    counter_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return NULL;
    connection->plugin = plugin;
    snprintf(connection->client, sizeof connection->client, "%s", client_address);
    return connection;
}

/* The line is written in one piece, at the end of the file: other threads do the same at the same time. */
static void write_line(const counter_connection *connection, FILE *file) {
    fprintf(file, "%s %llu up, %llu down\n", connection->client, connection->bytes[SLUICE_TO_UPSTREAM],
            connection->bytes[SLUICE_TO_CLIENT]);
}

void sluice_connection_close(void *connection) {
    const counter_connection *counted = connection;
    if (counted == NULL) return;
    if (counted->plugin->file[0] == '\0') {
        write_line(counted, stderr);
    } else {
        FILE *file = fopen(counted->plugin->file, "a");
        if (file != NULL) {
            write_line(counted, file);
            fclose(file);
        }
    }
    free(connection);
}

int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in, size_t in_len,
                         uint8_t *out, size_t out_capacity) {
    (void)plugin;
    counter_connection *counted = connection;
    /* Before anything is counted: the call comes again. */
    if (out_capacity < in_len) return SLUICE_NEEDS(in_len);
    if (counted != NULL) counted->bytes[direction] += in_len;
    memcpy(out, in, in_len);
    return (int64_t)in_len;
}
