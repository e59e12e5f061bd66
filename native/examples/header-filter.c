/*
 * Adds a field to every request, and refuses those for a path and for what is below it with 403.
 *
 *     config: { name: X-Filtered-By, value: sluice, refuse: /private }      each of them may be left out
 *
 * It has no sluice_transform: bodies go past it.
 */
#include "../sluice_plugin.h"
#include "config.h"

#include <stdlib.h>

typedef struct {
    char name[128];
    char value[512];
    char refused[512];
} filter_plugin;

uint32_t sluice_plugin_abi_version(void) { return SLUICE_PLUGIN_ABI_VERSION; }

const char *sluice_plugin_name(void) { return "header-filter"; }

void *sluice_plugin_init(const char *config_json) {
    filter_plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL) return NULL;
    if (!config_text(config_json, "name", plugin->name, sizeof plugin->name)) strcpy(plugin->name, "X-Filtered-By");
    if (!config_text(config_json, "value", plugin->value, sizeof plugin->value)) strcpy(plugin->value, "sluice");
    config_text(config_json, "refuse", plugin->refused, sizeof plugin->refused);
    return plugin;
}

void sluice_plugin_free(void *plugin) { free(plugin); }

/* Whether a request line's target is `path`, or below it. */
static bool is_below(const char *head, const char *path) {
    const char *target = strchr(head, ' ');
    size_t length = strlen(path);
    if (target == NULL || length == 0 || strncmp(target + 1, path, length) != 0) return false;
    char next = target[1 + length];
    return next == ' ' || next == '/' || next == '?' || path[length - 1] == '/';
}

int32_t sluice_filter_request(void *plugin, const char *head, size_t len, char *out, size_t out_capacity) {
    const filter_plugin *filter = plugin;
    if (is_below(head, filter->refused)) return -403;
    /* All but the empty line at the end, and the new field in its place. */
    size_t kept = len - 2;
    size_t room = out_capacity - kept;
    memcpy(out, head, kept);
    int added = snprintf(out + kept, room, "%s: %s\r\n\r\n", filter->name, filter->value);
    if (added < 0 || (size_t)added >= room) return -500;
    return (int32_t)(kept + (size_t)added);
}
