/* Which authorities are trusted, and who we are: made in the pool, because reading a store of 140
 * certificates takes 30 ms, while the name is resolved and the connection made. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream-internal.h"

/* Where systems keep their authorities, if OpenSSL's own places are empty (a build from elsewhere).
 */
static const char *const usual_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

struct net_store_load {
    struct net *net;
    char *env_file, *env_dir,
        *node_file; /* read on the loop's thread: the environment is not safe */
    char added[4][PATH_MAX];
    size_t added_count;
    SSL_CTX *made;
    struct err err;
};

static enum status explain(struct err *err, const char *what, const char *path)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return err_set(err, STATUS_INVALID, "the %s %s cannot be used: %s", what, path,
                   reason ? reason : "it is not in PEM form");
}

static enum status check_file(const char *path, const char *what, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(err, errno, "cannot read the %s %s", what, path);
    fclose(file);
    return STATUS_OK;
}

/* -- Authorities */

/* Often several variables name the same bundle, or the system's: read once. */
static bool is_added(struct net_store_load *load, const char *real)
{
    for (size_t i = 0; i < load->added_count; i++) {
        if (strcmp(load->added[i], real) == 0)
            return true;
    }
    if (load->added_count < array_count(load->added))
        snprintf(load->added[load->added_count++], PATH_MAX, "%s", real);
    return false;
}

/* What the environment names is a wish: who set it for another program may have removed the file
 * since, and what is missing is seen when a certificate is refused. */
static bool add_file(struct net_store_load *load, X509_STORE *store, const char *path)
{
    char real[PATH_MAX];
    if (!path || !realpath(path, real))
        return false;
    bool good = is_added(load, real) || X509_STORE_load_file(store, real) == 1;
    ERR_clear_error();
    return good;
}

static bool has_hashes(const char *folder)
{
    DIR *dir = opendir(folder);
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = strlen(entry->d_name) == 10 && strcmp(entry->d_name + 8, ".0") == 0;
    if (dir)
        closedir(dir);
    return found;
}

/* A folder is looked into when a certificate is met: that is nearly free, and a bundle that lies in
 * it (Debian) holds the same and need not be read. */
static void add_system(struct net_store_load *load, X509_STORE *store)
{
    const char *folder = X509_get_default_cert_dir(), *file = X509_get_default_cert_file();
    char real_file[PATH_MAX], real_folder[PATH_MAX];
    bool hashed = has_hashes(folder);
    if (hashed)
        X509_STORE_load_path(store, folder);
    if (hashed && realpath(file, real_file) && realpath(folder, real_folder) &&
        str_starts_with(str_from(real_file), str_from(real_folder)) &&
        real_file[strlen(real_folder)] == '/') {
        is_added(load, real_file);
        return;
    }
    bool added = add_file(load, store, file) || hashed;
    for (size_t i = 0; !added && i < array_count(usual_files); i++)
        added = add_file(load, store, usual_files[i]);
}

static enum status add_authorities(struct net_store_load *load, X509_STORE *store)
{
    const char *own = load->net->ca_file;
    add_system(load, store);
    add_file(load, store, load->env_file);
    add_file(load, store, load->node_file);
    if (load->env_dir && *load->env_dir)
        X509_STORE_load_path(store, load->env_dir);
    if (!own)
        return STATUS_OK;
    enum status status = check_file(own, "CA file", &load->err);
    if (status == STATUS_OK && X509_STORE_load_file(store, own) != 1)
        status = explain(&load->err, "CA file (endpoint.caFile)", own);
    return status;
}

/* -- Who we are */

/* OpenSSL would ask at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *user)
{
    return -1;
}

static enum status add_identity(struct net_store_load *load, SSL_CTX *ctx)
{
    const char *cert = load->net->client_cert, *key = load->net->client_key;
    if (!cert)
        return STATUS_OK;
    if (!key)
        key = cert; /* both in one file is usual */
    enum status status = check_file(cert, "client certificate", &load->err);
    if (status == STATUS_OK)
        status = check_file(key, "client key", &load->err);
    if (status < 0)
        return status;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return explain(&load->err, "client certificate (endpoint.clientCert)", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return explain(&load->err, "client key (endpoint.clientKey, without a password)", key);
    return STATUS_OK;
}

/* -- In the pool, and back */

static void work(void *data)
{
    struct net_store_load *load = data;
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) {
        err_set(&load->err, STATUS_IO, "OpenSSL could not be set up");
        return;
    }
    net_tls_prepare(ctx);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    enum status status = add_authorities(load, SSL_CTX_get_cert_store(ctx));
    if (status == STATUS_OK)
        status = add_identity(load, ctx);
    if (status == STATUS_OK)
        load->made = ctx;
    else
        SSL_CTX_free(ctx);
}

static void tell_waiters(struct net *net, const struct err *problem)
{
    struct net_store *store = &net->store;
    while (store->waiters.len) {
        struct net_store_waiter waiter = store->waiters.ptr[0];
        vec_remove(&store->waiters, 0);
        waiter.done(waiter.user, problem);
    }
}

static void done(void *data, bool cancelled)
{
    struct net_store_load *load = data;
    struct net *net = load->net;
    struct err problem = load->err;
    net->store.ctx = load->made;
    net->store.loading = false;
    mem_free(load->env_file);
    mem_free(load->env_dir);
    mem_free(load->node_file);
    mem_free(load);
    tell_waiters(net, net->store.ctx ? NULL : &problem);
}

/* A load that failed is tried again by the next: the file may have been put right. */
static void start_load(struct net *net)
{
    struct net_store_load *load = mem_new(struct net_store_load);
    load->net = net;
    load->env_file = mem_dup_c(getenv(X509_get_default_cert_file_env()));
    load->env_dir = mem_dup_c(getenv(X509_get_default_cert_dir_env()));
    load->node_file = mem_dup_c(getenv("NODE_EXTRA_CA_CERTS"));
    net->store.loading = true;
    loop_work_start(net->loop, work, done, load);
}

bool net_store_want(struct net *net, net_store_fn *done_fn, void *user)
{
    if (net->store.ctx)
        return true;
    vec_push(&net->store.waiters, ((struct net_store_waiter){done_fn, user}));
    if (!net->store.loading)
        start_load(net);
    return false;
}

void net_store_forget(struct net *net, void *user)
{
    for (size_t i = 0; i < net->store.waiters.len; i++) {
        if (net->store.waiters.ptr[i].user == user)
            vec_remove(&net->store.waiters, i--);
    }
}

void net_store_finish(struct net *net)
{
    vec_finish(&net->store.waiters);
    SSL_CTX_free(net->store.ctx);
    net->store.ctx = NULL;
}
