/*
 * sluice_plugin.h - what a plugin for Sluice consists of. ABI version 1.
 *
 * A plugin is a shared library that Sluice loads while it runs. It changes bytes on their way (of TCP connections, and
 * of the bodies of HTTP requests and responses), looks at the heads of HTTP requests, or both. A whole one:
 *
 *     #include "sluice_plugin.h"
 *     #include <string.h>
 *
 *     uint32_t sluice_plugin_abi_version(void) { return SLUICE_PLUGIN_ABI_VERSION; }
 *
 *     const char *sluice_plugin_name(void) { return "pass-through"; }
 *
 *     int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in,
 *                              size_t in_len, uint8_t *out, size_t out_capacity) {
 *         (void)plugin, (void)connection, (void)direction;
 *         if (out_capacity < in_len) return SLUICE_NEEDS(in_len);
 *         memcpy(out, in, in_len);
 *         return (int64_t)in_len;
 *     }
 *
 *     cc -shared -fPIC -O2 -I path/to/native -o pass-through.so pass-through.c
 *
 *     # in the configuration
 *     plugins:
 *       copy: { path: pass-through.so }
 *     listeners:
 *       - protocol: tcp
 *         bind: 127.0.0.1:9000
 *         upstream: 127.0.0.1:9001
 *         plugins: [copy]
 *
 * Required: sluice_plugin_abi_version, sluice_plugin_name, and sluice_transform or sluice_filter_request. Everything
 * else may be left out; a function that is there is called.
 *
 * The order of calls, in each worker thread by itself:
 *
 *     sluice_plugin_abi_version, sluice_plugin_name
 *     sluice_plugin_init
 *         sluice_filter_request               once for each HTTP request
 *         sluice_connection_open              once for each connection; see below what that is on HTTP
 *             sluice_transform                for what comes, in either direction, in order
 *             sluice_transform, in_len == 0   once for each direction, when it has ended
 *         sluice_connection_close
 *     sluice_plugin_free                      when the last connection is closed
 *
 * Threads. Several threads run the same plugin at the same time: each has a plugin of its own (what sluice_plugin_init
 * returned there) with connections of its own, and none of these is ever touched by two threads. But the variables of the
 * library itself, global and static ones, are there once for the whole process. Keep what changes in the plugin and in
 * the connection, or protect it. A thread makes one call after the other, never one within another.
 *
 * Speed. A call blocks its thread, with all connections that the thread serves: don't wait for anything in it.
 *
 * Memory. Pointers that are passed in are good until the call returns; copy what is needed longer. `in` and `out` never
 * overlap. What a plugin allocates it frees, in sluice_connection_close and sluice_plugin_free. Whatever a plugin does to
 * memory that isn't its own, or a segmentation fault, ends the whole process: `isolate: process` in the configuration
 * puts a plugin into a process of its own.
 *
 * WebAssembly. The same functions make a module of WebAssembly, for wasm32 and without imports:
 *
 *     clang --target=wasm32 -msimd128 -nostdlib -O3 -I path/to/native -Wl,--no-entry -Wl,--export-dynamic -o name.wasm name.c
 */
#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of all that stands here. */
#define SLUICE_PLUGIN_ABI_VERSION 1u

/* The directions: from the client to the server, and from the server to the client. */
#define SLUICE_TO_UPSTREAM 0
#define SLUICE_TO_CLIENT 1

/* What sluice_transform returns to have the connection closed, and to have more room: `bytes` of capacity in all. */
#define SLUICE_CLOSE ((int64_t)-1)
#define SLUICE_NEEDS(bytes) ((int64_t)-2 - (int64_t)(bytes))

/* What comes in one call is never more than this, and the room is never less. Bytes. */
#define SLUICE_MOST_INPUT 65536
#define SLUICE_LEAST_CAPACITY 65536
/* More room than this is never given. Bytes. */
#define SLUICE_MOST_CAPACITY 16777216

/* Functions have to be visible from outside, also where a library is built with hidden symbols. */
#if defined(__GNUC__) || defined(__clang__)
#define SLUICE_EXPORT __attribute__((visibility("default")))
#else
#define SLUICE_EXPORT
#endif

/* Required. The version of this header that the plugin was built with: return SLUICE_PLUGIN_ABI_VERSION. */
SLUICE_EXPORT uint32_t sluice_plugin_abi_version(void);

/*
 * Required. What the plugin is called in logs: a text that stays where it is as long as the library is loaded, not empty
 * and of at most 64 bytes.
 */
SLUICE_EXPORT const char *sluice_plugin_name(void);

/*
 * Optional. Begins a plugin; the result is passed to all other calls as `plugin`. Called once for each worker thread, and
 * once more, with sluice_plugin_free right after it, to see whether the configuration is one that the plugin can use. Without
 * this function `plugin` is NULL.
 *
 *     config_json   what the configuration has at `config` of this plugin, as JSON in UTF-8: `{"key":"secret"}`.
 *                   `null` when it has nothing there. There is no white space between its parts, and keys come in the order
 *                   of the configuration.
 *
 * Returns a pointer of your choice. NULL says that the plugin can't work with this configuration: it isn't loaded then. A
 * plugin that keeps nothing returns any other pointer, such as the address of a static variable.
 */
SLUICE_EXPORT void *sluice_plugin_init(const char *config_json);

/*
 * Optional. Ends a plugin, after its last connection. Only for plugins that sluice_plugin_init began. The library may be unloaded
 * right after it: threads that the plugin has started have to be over when this returns.
 */
SLUICE_EXPORT void sluice_plugin_free(void *plugin);

/*
 * Optional. Begins a connection; the result, NULL included, is passed to sluice_transform and to
 * sluice_connection_close as `connection`. Without this function it is NULL.
 *
 * On a TCP listener that is a client's connection with the one to its server. On HTTP it is one request with its response:
 * a client's connection may carry many requests, with HTTP/2 several at once.
 *
 *     client_address   `192.0.2.1:50123` or `[2001:db8::1]:50123`; "" on a Unix socket
 */
SLUICE_EXPORT void *sluice_connection_open(void *plugin, const char *client_address);

/* Optional. The connection is over; called once, also after an error. Nothing is called for it any more. */
SLUICE_EXPORT void sluice_connection_close(void *connection);

/*
 * Makes other bytes of those that came. They come as the network cuts them: what belongs together may come in several
 * calls, and what doesn't in one.
 *
 *     direction       SLUICE_TO_UPSTREAM or SLUICE_TO_CLIENT. The two are independent of each other.
 *     in, in_len      the bytes; never more than SLUICE_MOST_INPUT. in_len is 0 in the last call for a direction, after
 *                     its sender has ended it: who held bytes back gives them out now. (There is no such call for
 *                     connections that are broken off, and no call at all where there is no body: a GET, an answer to HEAD, a
 *                     204, or what goes past plugins.) `in` is never NULL.
 *     out             where to write, room for out_capacity bytes, never less than SLUICE_LEAST_CAPACITY
 *
 * Returns
 *     n >= 0          so many bytes were written to `out`: they go on in the place of those that came. 0: none, for now.
 *     SLUICE_CLOSE    (-1) the connection is to be closed, in both directions; what went on before still arrives. A request or
 *                     response of HTTP is broken off, so that nobody takes it for a whole one.
 *     SLUICE_NEEDS(n) (-2 - n) there isn't enough room: the call is repeated, with the same input and with room for at
 *                     least n bytes. n has to be more than out_capacity and at most SLUICE_MOST_CAPACITY. Change nothing
 *                     in `plugin` and `connection` before you return this.
 *
 * Anything else, such as more bytes than out_capacity, is an error: it is logged and counted, and the connection is cut.
 * Bytes that were written behind out_capacity may have destroyed anything by then.
 */
SLUICE_EXPORT int64_t sluice_transform(void *plugin, void *connection, int32_t direction, const uint8_t *in,
                                       size_t in_len, uint8_t *out, size_t out_capacity);

/*
 * Looks at the head of an HTTP request before it goes to a server, whatever version of HTTP the client speaks:
 *
 *     GET /path?query HTTP/1.1\r\n
 *     Host: example.com\r\n
 *     Accept: text/html\r\n
 *     \r\n
 *
 *     head, len       the head, with the empty line at its end. A NUL follows, which isn't counted.
 *     out             where to write another head, room for out_capacity bytes: never less than len + 65536
 *
 * Returns
 *     0               the request goes on as it is
 *     n > 0           it goes on with the n bytes in `out` as its head. That has to be a whole and correct one, as above. Method,
 *                     target, Host and all other fields may be changed, but none of those that say where the request ends or that
 *                     belong to the client's connection: Content-Length, Transfer-Encoding, Connection, Keep-Alive,
 *                     Proxy-Connection, Upgrade, TE, Trailer, Expect, HTTP2-Settings.
 *     n < 0           it goes nowhere: the client is answered with the status -n, -400 to -599 (-403: Forbidden), or
 *                     -200 to -399
 *
 * Anything else is an error: it is logged and counted, and the client is answered with 502.
 */
SLUICE_EXPORT int32_t sluice_filter_request(void *plugin, const char *head, size_t len, char *out,
                                            size_t out_capacity);

#ifdef __cplusplus
}
#endif

#endif
