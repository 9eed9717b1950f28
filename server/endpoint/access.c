/* Who may come in. */
#include <string.h>

#include "endpoint-internal.h"

static struct str host_name(struct str host)
{
    if (host.len && host.ptr[0] == '[')
        return str_slice(host, 1, str_find_byte(host, ']', 0));
    return str_slice(host, 0, str_find_byte(host, ':', 0));
}

bool access_is_loopback(struct str name)
{
    bool numeric = str_starts_with(name, STR("127."));
    for (size_t i = 0; numeric && i < name.len; i++)
        numeric = name.ptr[i] == '.' || (name.ptr[i] >= '0' && name.ptr[i] <= '9');
    return numeric || str_eq_nocase(name, STR("localhost")) || str_eq_c(name, "::1");
}

/* A page that made its own name point here would come with that name. Beyond loopback the token
 * decides, and through a socket file no page comes. */
static bool is_known_host(const struct endpoint *endpoint, struct str host)
{
    struct str name = host_name(host);
    if (endpoint->is_unix || !access_is_loopback(str_from(endpoint->address)))
        return true;
    return access_is_loopback(name) || str_eq_nocase(name, str_from(endpoint->address));
}

/* Compared as hashes, all of them to the end: time tells nothing about the token. */
static bool is_token(const char *token, struct str authorization)
{
    struct str bearer = STR("Bearer ");
    char wanted[SHA256_HEX_BYTES], got[SHA256_HEX_BYTES];
    unsigned char difference = 0;
    if (!str_eq_nocase(str_slice(authorization, 0, bearer.len), bearer))
        return false;
    hash_sha256_hex(str_from(token), wanted);
    hash_sha256_hex(str_trim(str_skip(authorization, bearer.len)), got);
    for (size_t i = 0; i < sizeof(wanted); i++)
        difference |= (unsigned char)(wanted[i] ^ got[i]);
    return difference == 0;
}

enum status access_check_guest(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem)
{
    if (info->origin.len)
        return problem_set(problem, PROBLEM_FORBIDDEN, NULL,
                           "Requests of web pages are refused: they carry an Origin.");
    if (!is_known_host(endpoint, info->host))
        return problem_set(problem, PROBLEM_FORBIDDEN, NULL,
                           "This endpoint is not known by that Host: use 127.0.0.1.");
    return STATUS_OK;
}

enum status access_check_token(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem)
{
    if (!endpoint->token || is_token(endpoint->token, info->authorization))
        return STATUS_OK;
    return problem_set(problem, PROBLEM_AUTH, NULL,
                       "The token is missing or wrong: send Authorization: Bearer TOKEN.");
}
