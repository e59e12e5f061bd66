/* Lets everything through as it is: the least that a plugin can be, and the measure of what a plugin costs. */
#include "../sluice_plugin.h"

#include <string.h>

uint32_t sluice_plugin_abi_version(void) { return SLUICE_PLUGIN_ABI_VERSION; }

const char *sluice_plugin_name(void) { return "pass-through"; }

int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in, size_t in_len,
                         uint8_t *out, size_t out_capacity) {
    (void)plugin, (void)connection, (void)direction;
    if (out_capacity < in_len) return SLUICE_NEEDS(in_len);
    memcpy(out, in, in_len);
    return (int64_t)in_len;
}
