/*
 * Reads texts out of a plugin's configuration: enough JSON for these examples, which know their few keys. A plugin with
 * more to say in its configuration brings a JSON library.
 */
#ifndef EXAMPLE_CONFIG_H
#define EXAMPLE_CONFIG_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Copies the text at `key` of a JSON object to `value`, with a NUL at its end. False when there is none, when it doesn't
 * fit into `size` bytes, and when it has escapes (`\n`, `\u00e4`), which aren't understood here.
 */
static inline bool config_text(const char *json, const char *key, char *value, size_t size) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *found = strstr(json, quoted);
    if (found == NULL) return false;
    const char *start = found + strlen(quoted);
    size_t length = strcspn(start, "\"\\");
    if (start[length] != '"' || length >= size) return false;
    memcpy(value, start, length);
    value[length] = '\0';
    return true;
}

#endif
