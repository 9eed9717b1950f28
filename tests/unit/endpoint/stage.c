#include "stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 65536, LOOK_MS = 5 };

struct talk {
    struct staged *stage;
    int fd;
};

static bool is_ending(struct staged *stage)
{
    pthread_mutex_lock(&stage->lock);
    bool ending = stage->ending;
    pthread_mutex_unlock(&stage->lock);
    return ending;
}

/* -- In -------------------------------------------------------------------------------------------
 */

static size_t body_length(const char *head)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, "content-length:", 15) == 0)
            return strtoul(line + 17, NULL, 10);
    return 0;
}

/* All of a request, NUL-terminated; NULL if it never comes. */
static char *read_request(int fd)
{
    size_t cap = HEAD_BYTES, len = 0, need = 0;
    char *text = malloc(cap + 1);
    for (;;) {
        ssize_t got = read(fd, text + len, cap - len);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        len += (size_t)got;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end && need == 0)
            need = (size_t)(end + 4 - text) + body_length(text);
        if (need > 0 && len >= need)
            return text;
        if (need > cap)
            text = realloc(text, (cap = need) + 1);
    }
}

static struct stage_reply choose(struct staged *stage, const char *request)
{
    struct stage_reply chosen = {.status = 404, .type = "application/json", .body = "{}"};
    pthread_mutex_lock(&stage->lock);
    for (size_t i = 0; i < stage->reply_count; i++) {
        struct stage_reply *reply = &stage->replies[i];
        if (strncmp(request, reply->line, strlen(reply->line)) != 0 ||
            (reply->holds && !strstr(request, reply->holds)))
            continue;
        chosen = *reply;
        if (reply->times > 0 && --reply->times == 0)
            reply->line = "used up";
        break;
    }
    pthread_mutex_unlock(&stage->lock);
    return chosen;
}

static void note(struct staged *stage, char *request)
{
    pthread_mutex_lock(&stage->lock);
    if (stage->request_count < STAGE_REQUESTS)
        stage->requests[stage->request_count++] = request;
    else
        free(request);
    pthread_cond_broadcast(&stage->changed);
    pthread_mutex_unlock(&stage->lock);
}

/* -- Out ------------------------------------------------------------------------------------------
 */

static bool has_left(int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&watched, 1, 0) > 0 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

static void note_left(struct staged *stage)
{
    pthread_mutex_lock(&stage->lock);
    stage->left_count++;
    pthread_mutex_unlock(&stage->lock);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool write_piece(const struct talk *talk, const char *bytes, size_t len, bool chunked)
{
    char size[32];
    if (len == 0)
        return true;
    if (!chunked)
        return write_all(talk->fd, bytes, len);
    int digits = snprintf(size, sizeof(size), "%zx\r\n", len);
    return write_all(talk->fd, size, (size_t)digits) && write_all(talk->fd, bytes, len) &&
           write_all(talk->fd, "\r\n", 2);
}

/* Until stage_go_on, or the peer leaves. */
static bool wait_for_step(const struct talk *talk, size_t step)
{
    for (;;) {
        pthread_mutex_lock(&talk->stage->lock);
        bool go = talk->stage->steps > step || talk->stage->ending;
        pthread_mutex_unlock(&talk->stage->lock);
        if (go)
            return true;
        if (has_left(talk->fd))
            return false;
        usleep(LOOK_MS * 1000);
    }
}

static bool write_body(const struct talk *talk, const struct stage_reply *reply)
{
    size_t step = 0;
    for (const char *at = reply->body; at && *at;) {
        size_t len = strcspn(at, "\a");
        while (len > 0) {
            size_t piece = reply->tear && reply->tear < len ? reply->tear : len;
            if (!write_piece(talk, at, piece, reply->chunked))
                return false;
            at += piece;
            len -= piece;
        }
        if (*at == '\a') {
            if (!wait_for_step(talk, step++))
                return false;
            at++;
        }
    }
    return true;
}

static bool stay(const struct talk *talk)
{
    while (!is_ending(talk->stage)) {
        if (has_left(talk->fd))
            return false;
        usleep(LOOK_MS * 1000);
    }
    return true;
}

static bool answer(const struct talk *talk, const struct stage_reply *reply)
{
    char head[1024];
    int len = snprintf(
        head, sizeof(head), "HTTP/1.1 %d X\r\ncontent-type: %s\r\n%s%sconnection: close\r\n\r\n",
        reply->status ? reply->status : 200, reply->type ? reply->type : "text/event-stream",
        reply->headers ? reply->headers : "",
        reply->chunked ? "transfer-encoding: chunked\r\n" : "");
    if (!write_all(talk->fd, head, (size_t)len) || !write_body(talk, reply))
        return false;
    if (reply->stays)
        return stay(talk);
    return !reply->chunked || reply->cuts || write_all(talk->fd, "0\r\n\r\n", 5);
}

static void *run_talk(void *user)
{
    struct talk *talk = user;
    int on = 1;
    setsockopt(talk->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    char *request = read_request(talk->fd);
    if (request) {
        struct stage_reply reply = choose(talk->stage, request);
        note(talk->stage, request);
        if (!answer(talk, &reply))
            note_left(talk->stage);
        if (reply.cuts) {
            struct linger reset = {.l_onoff = 1};
            setsockopt(talk->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
    }
    close(talk->fd);
    free(talk);
    return NULL;
}

/* -- Life -----------------------------------------------------------------------------------------
 */

static void *run(void *user)
{
    struct staged *stage = user;
    while (!is_ending(stage)) {
        struct pollfd watched = {.fd = stage->fd, .events = POLLIN};
        if (poll(&watched, 1, LOOK_MS) <= 0 || stage->talk_count == STAGE_REQUESTS)
            continue;
        struct talk *talk = calloc(1, sizeof(*talk));
        talk->stage = stage;
        talk->fd = accept4(stage->fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_create(&stage->talks[stage->talk_count++], NULL, run_talk, talk);
    }
    return NULL;
}

void stage_start(struct staged *stage, const struct stage_reply *replies, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *stage = (struct staged){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    memcpy(stage->replies, replies, count * sizeof(*replies));
    stage->reply_count = count;
    pthread_mutex_init(&stage->lock, NULL);
    pthread_cond_init(&stage->changed, NULL);
    if (bind(stage->fd, (struct sockaddr *)&address, size) < 0 || listen(stage->fd, 16) < 0 ||
        getsockname(stage->fd, (struct sockaddr *)&address, &size) < 0)
        abort();
    stage->port = ntohs(address.sin_port);
    pthread_create(&stage->thread, NULL, run, stage);
}

void stage_end(struct staged *stage)
{
    pthread_mutex_lock(&stage->lock);
    stage->ending = true;
    pthread_mutex_unlock(&stage->lock);
    pthread_join(stage->thread, NULL);
    for (size_t i = 0; i < stage->talk_count; i++)
        pthread_join(stage->talks[i], NULL);
    for (size_t i = 0; i < stage->request_count; i++)
        free(stage->requests[i]);
    pthread_mutex_destroy(&stage->lock);
    pthread_cond_destroy(&stage->changed);
    close(stage->fd);
}

const char *stage_request(struct staged *stage, const char *line, size_t nth)
{
    const char *found = NULL;
    pthread_mutex_lock(&stage->lock);
    for (size_t i = 0; i < stage->request_count && !found; i++)
        if (strncmp(stage->requests[i], line, strlen(line)) == 0 && nth-- == 0)
            found = stage->requests[i];
    pthread_mutex_unlock(&stage->lock);
    return found;
}

const char *stage_body(const char *request)
{
    const char *end = request ? strstr(request, "\r\n\r\n") : NULL;
    return end ? end + 4 : "";
}

void stage_go_on(struct staged *stage)
{
    pthread_mutex_lock(&stage->lock);
    stage->steps++;
    pthread_mutex_unlock(&stage->lock);
}

size_t stage_left(struct staged *stage)
{
    pthread_mutex_lock(&stage->lock);
    size_t left = stage->left_count;
    pthread_mutex_unlock(&stage->lock);
    return left;
}
