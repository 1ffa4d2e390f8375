/* uWebSockets as its users in C or C++ write it: clients subscribe to a topic, a thread reads Redis and hands what
 * came to the loop (`defer`), which publishes it. uWebSockets itself is the library that the package socketify of PyPI
 * brings, through its C interface; no Python runs.
 *
 * Arguments: the port of WebSockets, the port of Redis, `all` or `groups`, and `deflate` to compress. */

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The part of the C interface that is used (socketify 0.0.31, native.py). */
struct us_socket_context_options_t {
    const char *key, *cert, *passphrase, *dh_params, *ca, *ciphers;
    int low_memory;
};
typedef struct {
    int port;
    const char *host;
    int options;
} listen_config;
typedef void (*ws_handler)(void *ws, void *user_data);
typedef struct {
    int compression;
    unsigned int max_payload_length;
    unsigned short idle_timeout;
    unsigned int max_backpressure;
    bool close_on_backpressure_limit, reset_idle_timeout_on_send, send_pings_automatically;
    unsigned short max_lifetime;
    void (*upgrade)(void *response, void *request, void *context, void *user_data);
    ws_handler open;
    void (*message)(void *ws, const char *message, size_t length, int opcode, void *user_data);
    ws_handler drain;
    void *ping, *pong, *close, *subscription;
} ws_behavior;
void *uws_create_app(int ssl, struct us_socket_context_options_t options);
void *uws_get_loop(void);
void uws_loop_defer(void *loop, void (*call)(void *), void *user_data);
void uws_app_run(int ssl, void *app);
void uws_app_listen_with_config(int ssl, void *app, listen_config config, void (*call)(void *, listen_config, void *), void *);
void uws_ws(int ssl, void *app, const char *pattern, ws_behavior behavior, void *user_data);
void *uws_ws_get_user_data(int ssl, void *ws);
bool uws_ws_subscribe(int ssl, void *ws, const char *topic, size_t length);
bool uws_publish(int ssl, void *app, const char *topic, size_t, const char *message, size_t, int opcode, bool compress);
size_t uws_req_get_header(void *request, const char *name, size_t length, const char **value);
size_t uws_req_get_query(void *request, const char *name, size_t length, const char **value);
void uws_res_upgrade(int ssl, void *response, void *data, const char *key, size_t, const char *protocol, size_t,
                     const char *extensions, size_t, void *context);

enum { TEXT = 1, SHARED_COMPRESSOR = 1, MEGABYTE = 1 << 20 };
static void *app, *loop;
static int redis_port;
static bool groups, deflate;

static void upgrade(void *response, void *request, void *context, void *unused) {
    (void)unused;
    const char *group, *key, *protocol, *extensions;
    size_t length = uws_req_get_query(request, "g", 1, &group);
    char *topic = malloc(6 + length + 1);
    /* The topic has the name of the channel. */
    sprintf(topic, groups ? "bench:%.*s" : "bench", (int)length, group);
    size_t key_length = uws_req_get_header(request, "sec-websocket-key", 17, &key);
    size_t protocol_length = uws_req_get_header(request, "sec-websocket-protocol", 22, &protocol);
    size_t extensions_length = uws_req_get_header(request, "sec-websocket-extensions", 24, &extensions);
    uws_res_upgrade(0, response, topic, key, key_length, protocol, protocol_length, extensions, extensions_length, context);
}

static void opened(void *ws, void *unused) {
    (void)unused;
    char *topic = uws_ws_get_user_data(0, ws);
    uws_ws_subscribe(0, ws, topic, strlen(topic));
    free(topic);
}

static void said(void *ws, const char *message, size_t length, int opcode, void *unused) {
    (void)ws, (void)message, (void)length, (void)opcode, (void)unused;
}

/* What one read of Redis brought: whole messages of RESP, one after the other. */
struct batch {
    size_t length;
    char bytes[];
};

/* One bulk string or integer; false while it is not whole. */
static bool word(const char *bytes, size_t length, size_t *at, const char **value, size_t *size) {
    const char *end = memchr(bytes + *at, '\n', length - *at);
    if (!end) return false;
    char kind = bytes[*at];
    size_t next = end + 1 - bytes;
    *size = strtoul(bytes + *at + 1, NULL, 10);
    *value = bytes + next;
    if (kind == '$') {
        next += *size + 2;
        if (next > length) return false;
    }
    *at = next;
    return true;
}

/* One array; false while it is not whole. The last two words of a message are channel and text. */
static bool array(const char *bytes, size_t length, size_t *at, const char **values, size_t *sizes, size_t *count) {
    const char *unused;
    if (*at >= length || !word(bytes, length, at, &unused, count)) return false;
    for (size_t i = 0; i < *count && i < 4; i++)
        if (*at >= length || !word(bytes, length, at, &values[i], &sizes[i])) return false;
    return true;
}

static void publish(void *data) {
    struct batch *batch = data;
    const char *values[4];
    size_t sizes[4], count, at = 0;
    while (array(batch->bytes, batch->length, &at, values, sizes, &count))
        if ((count == 3 && sizes[0] == 7) || count == 4)
            uws_publish(0, app, values[count - 2], sizes[count - 2], values[count - 1], sizes[count - 1], TEXT, deflate);
    free(batch);
}

static void *read_redis(void *unused) {
    (void)unused;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(redis_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) exit(1);
    const char *command = groups ? "PSUBSCRIBE bench:*\r\n" : "SUBSCRIBE bench\r\n";
    if (write(fd, command, strlen(command)) < 0) exit(1);
    size_t capacity = MEGABYTE, length = 0;
    char *bytes = malloc(capacity);
    for (;;) {
        ssize_t got = read(fd, bytes + length, capacity - length);
        if (got <= 0) exit(1);
        length += got;
        const char *values[4];
        size_t sizes[4], count, at = 0, whole = 0;
        while (array(bytes, length, &at, values, sizes, &count)) whole = at;
        if (whole) {
            struct batch *batch = malloc(sizeof *batch + whole);
            batch->length = whole;
            memcpy(batch->bytes, bytes, whole);
            uws_loop_defer(loop, publish, batch);
            memmove(bytes, bytes + whole, length - whole);
            length -= whole;
        }
        if (length == capacity) bytes = realloc(bytes, capacity *= 2);
    }
}

static void listening(void *socket, listen_config config, void *unused) {
    (void)config, (void)unused;
    if (!socket) exit(1);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    redis_port = atoi(arguments[2]);
    groups = !strcmp(arguments[3], "groups");
    deflate = count > 4 && !strcmp(arguments[4], "deflate");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    app = uws_create_app(0, (struct us_socket_context_options_t){0});
    loop = uws_get_loop();
    ws_behavior behavior = {
        .compression = deflate ? SHARED_COMPRESSOR : 0,
        .max_payload_length = 16 * 1024,
        .idle_timeout = 120,
        /* As much as a node of Channelgate lets wait for one client. */
        .max_backpressure = MEGABYTE,
        .send_pings_automatically = true,
        .upgrade = upgrade,
        .open = opened,
        .message = said,
    };
    uws_ws(0, app, "/*", behavior, NULL);
    uws_app_listen_with_config(0, app, (listen_config){atoi(arguments[1]), "127.0.0.1", 0}, listening, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, read_redis, NULL);
    uws_app_run(0, app);
}
