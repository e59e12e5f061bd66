/*
 * A plugin that does what its configuration says, right or wrong: for tests. `mode` is one of
 *
 *     twice      every byte twice: asks for more room where it has to
 *     hold       holds everything back until the end of its direction, 4 KiB at most
 *     close      lets pass what comes, until an X is among it: then the connection is to be closed
 *     too-many   says that it wrote more than it had room for
 *     negative   returns nonsense
 *     greedy     asks for more room than anybody gets
 *     modest     asks for room that it has already
 *     smuggle    makes a head with another length
 *     late       makes a head with something behind it
 *     target     sends every request to /other, as PUT
 *     status     answers with 418
 *     empty      answers with 205
 *     no-status  answers with what is no status
 *     deadly     a ! among what comes ends the process by a segmentation fault, and after a ? it never answers; a # writes
 *                nonsense where a process of its own answers, and a % half an answer, with which it ends
 *     log        writes a line to `file` for each thing that happens
 */
#include "sluice_plugin.h"
#include "examples/config.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    char mode[16];
    char file[1024];
} odd_plugin;

typedef struct {
    odd_plugin *plugin;
    uint8_t held[2][4096];
    size_t held_len[2];
} odd_connection;

#ifndef ODD_NAME
#define ODD_NAME "odd"
#endif
#ifndef ODD_ABI
#define ODD_ABI SLUICE_PLUGIN_ABI_VERSION
#endif

uint32_t sluice_plugin_abi_version(void) { return ODD_ABI; }

const char *sluice_plugin_name(void) { return ODD_NAME; }

static void note(const odd_plugin *plugin, const char *what) {
    if (plugin->file[0] == '\0') return;
    FILE *file = fopen(plugin->file, "a");
    if (file == NULL) return;
    fprintf(file, "%s %s\n", ODD_NAME, what);
    fclose(file);
}

void *sluice_plugin_init(const char *config_json) {
    odd_plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL || !config_text(config_json, "mode", plugin->mode, sizeof plugin->mode)) return NULL;
    config_text(config_json, "file", plugin->file, sizeof plugin->file);
    note(plugin, "init");
    return plugin;
}

void sluice_plugin_free(void *plugin) {
    note(plugin, "free");
    free(plugin);
}

void *sluice_connection_open(void *plugin, const char *client_address) {
    odd_connection *connection = calloc(1, sizeof *connection);
    char line[80];
    if (connection != NULL) connection->plugin = plugin;
    snprintf(line, sizeof line, "open %s", client_address);
    note(plugin, line);
    return connection;
}

void sluice_connection_close(void *connection) {
    note(((odd_connection *)connection)->plugin, "close");
    free(connection);
}

static bool is_mode(const odd_plugin *plugin, const char *mode) { return strcmp(plugin->mode, mode) == 0; }

static int64_t hold(odd_connection *connection, int32_t direction, const uint8_t *in, size_t in_len, uint8_t *out) {
    size_t held = connection->held_len[direction];
    if (in_len > 0) {
        if (held + in_len > sizeof connection->held[direction]) return SLUICE_CLOSE;
        memcpy(connection->held[direction] + held, in, in_len);
        connection->held_len[direction] += in_len;
        return 0;
    }
    memcpy(out, connection->held[direction], held);
    return (int64_t)held;
}

int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in, size_t in_len,
                         uint8_t *out, size_t out_capacity) {
    if (in_len > SLUICE_MOST_INPUT || out_capacity < SLUICE_LEAST_CAPACITY) return SLUICE_CLOSE;
    if (is_mode(plugin, "twice")) {
        if (out_capacity < in_len * 2) return SLUICE_NEEDS(in_len * 2);
        for (size_t i = 0; i < in_len; i++) out[2 * i] = out[2 * i + 1] = in[i];
        return (int64_t)in_len * 2;
    }
    if (is_mode(plugin, "hold")) return hold(connection, direction, in, in_len, out);
    if (is_mode(plugin, "close") && memchr(in, 'X', in_len) != NULL) return SLUICE_CLOSE;
    if (is_mode(plugin, "deadly")) {
        if (memchr(in, '!', in_len) != NULL) raise(SIGSEGV);
        while (memchr(in, '?', in_len) != NULL) continue;
        if (memchr(in, '#', in_len) != NULL && write(3, "\1\0\0\0\377\0\0\0\0", 9) != 9) abort();
        if (memchr(in, '%', in_len) != NULL && write(3, "\2\0\0\0\21\1\0\0\0x", 10) == 10) _exit(3);
    }
    if (in_len > 0) {
        if (is_mode(plugin, "too-many")) return (int64_t)out_capacity + 1;
        if (is_mode(plugin, "negative")) return INT64_MIN;
        if (is_mode(plugin, "greedy")) return SLUICE_NEEDS(SLUICE_MOST_CAPACITY + 1);
        if (is_mode(plugin, "modest")) return SLUICE_NEEDS(out_capacity);
    }
    memcpy(out, in, in_len);
    return (int64_t)in_len;
}

int32_t sluice_filter_request(void *plugin, const char *head, size_t len, char *out, size_t out_capacity) {
    if (strlen(head) != len) return -500;
    size_t kept = len - 2;
    const char *line_end = strstr(head, "\r\n");
    const char *added = "";
    if (is_mode(plugin, "status")) return -418;
    if (is_mode(plugin, "empty")) return -205;
    if (is_mode(plugin, "no-status")) return -7;
    if (is_mode(plugin, "too-many")) return (int32_t)out_capacity + 1;
    if (is_mode(plugin, "target"))
        return snprintf(out, out_capacity, "PUT /other?a=b HTTP/1.1%s", line_end);
    if (is_mode(plugin, "smuggle")) added = "Content-Length: 4\r\n\r\n";
    if (is_mode(plugin, "late")) added = "\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    if (added[0] == '\0') return 0;
    memcpy(out, head, kept);
    memcpy(out + kept, added, strlen(added));
    return (int32_t)(kept + strlen(added));
}
