/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - see listen.h.
 */
#include "http/listen.h"

#include "base/log.h"
#include "base/unixaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPT_BURST = 64 };
#define ACCEPT_PAUSE (100 * CLOCK_MS)

/* ---- addresses --------------------------------------------------------- */

static enum err_code explain_bind(struct err *err, int sys, const char *addr)
{
	switch (sys) {
	case EADDRINUSE:
		return err_set(err, ERR_EXISTS, "cannot listen on %s: the port is in use by another process", addr);
	case EADDRNOTAVAIL:
		return err_set(
		    err, ERR_INVALID, "cannot listen on %s: no interface of this machine has that address", addr);
	case EACCES:
		return err_set(err, ERR_DENIED,
		    "cannot listen on %s: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE", addr);
	default:
		return err_sys(err, sys, "cannot listen on %s", addr);
	}
}

static void set_option(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		LOG_DEBUG("a socket option is not available", LOG_INT("option", name), LOG_INT("errno", errno));
}

/* Accepted sockets inherit these, which saves a call for each. */
static void set_tcp_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

static int bound_socket(const struct sockaddr *sa, socklen_t len, int *sys)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		if (sa->sa_family == AF_INET6)
			set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
		set_tcp_options(fd);
		if (bind(fd, sa, len) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
	}
	*sys = errno;
	close_fd(&fd);
	return -1;
}

/* ":port": all addresses of both families where there is IPv6, else IPv4. */
static int bind_any(uint16_t port, int *sys)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = bound_socket((const struct sockaddr *)&in6, sizeof(in6), sys);

	if (fd < 0 && (*sys == EAFNOSUPPORT || *sys == EADDRNOTAVAIL))
		fd = bound_socket((const struct sockaddr *)&in4, sizeof(in4), sys);
	return fd;
}

/* A host with several addresses: IPv4 first, as Go's net.Listen chooses. */
static int bind_found(const struct addrinfo *found, int *sys)
{
	int fd = -1;

	for (int pass = 0; pass < 2 && fd < 0; pass++)
		for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
			if ((a->ai_family == AF_INET) == (pass == 0))
				fd = bound_socket(a->ai_addr, a->ai_addrlen, sys);
	return fd;
}

/* "host:port", ":port", "[v6]:port" into its two parts. */
static bool split_address(const char *addr, char *host, size_t host_cap, char *port, size_t port_cap)
{
	struct slice s = slice_cstr(addr), h;
	ssize_t colon = slice_rfind(s, ':');

	if (colon < 0)
		return false;
	h = slice_sub(s, 0, (size_t)colon);
	if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = slice_sub(h, 1, h.n - 2);
	else if (slice_find(h, ':') >= 0)
		return false; /* IPv6 without brackets */
	s = slice_from(s, (size_t)colon + 1);
	return slice_to_cstr(h, host, host_cap) && slice_to_cstr(s, port, port_cap) && s.n > 0;
}

static enum err_code open_tcp(struct http_server *s, struct err *err)
{
	const char *addr = s->o.addr != NULL ? s->o.addr : "";
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char host[256], port[32];
	uint64_t number;
	int sys = 0, r;

	if (!split_address(addr, host, sizeof(host), port, sizeof(port)))
		return err_set(err, ERR_INVALID,
		    "cannot listen on '%s': the address must be 'host:port', ':port' or '[IPv6 address]:port'", addr);
	if (host[0] == '\0' && slice_u64(slice_cstr(port), 65535, &number)) {
		s->listen_fd = bind_any((uint16_t)number, &sys);
	} else {
		r = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
		if (r != 0)
			return err_set(err, ERR_INVALID, "cannot listen on '%s': %s", addr,
			    r == EAI_SYSTEM ? "the host name cannot be resolved" : gai_strerror(r));
		s->listen_fd = bind_found(found, &sys);
		freeaddrinfo(found);
	}
	return s->listen_fd >= 0 ? ERR_OK : explain_bind(err, sys, addr);
}

/* ---- unix sockets ------------------------------------------------------ */

/* True when a process accepts connections there. */
static bool somebody_listens(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool yes;

	if (fd < 0)
		return true; /* do not remove what cannot be asked */
	yes = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno != ECONNREFUSED;
	close(fd);
	return yes;
}

/* Whoever left a socket there is gone; makes room for a new one. */
static enum err_code remove_stale(const char *path, const struct sockaddr_un *sa, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return ERR_OK;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_EXISTS, "cannot listen on %s: it exists and is not a socket", path);
	if (somebody_listens(sa))
		return err_set(err, ERR_EXISTS, "cannot listen on %s: another process listens there", path);
	if (unlink(path) != 0)
		return err_sys(err, errno, "cannot remove the stale socket %s", path);
	return ERR_OK;
}

static enum err_code open_unix(struct http_server *s, struct err *err)
{
	const char *path = s->o.addr != NULL ? s->o.addr : "";
	CLEANUP(close_fd) int dir = -1;
	struct sockaddr_un sa;
	enum err_code code;
	int fd;

	if (path[0] == '\0')
		return err_set(err, ERR_INVALID, "cannot listen on a unix socket without a path");
	if (!unix_address(path, &sa, &dir))
		return err_sys(err, errno, "cannot listen on %s", path);
	code = remove_stale(path, &sa, err);
	if (code != ERR_OK)
		return code;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The mode of the file follows the umask; connecting needs write access. */
	if (fd < 0 || fchmod(fd, 0666) != 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int sys = errno;

		close_fd(&fd);
		return err_sys(err, sys, "cannot listen on %s", path);
	}
	s->listen_fd = fd;
	s->unix_path = xstrdup(path);
	return ERR_OK;
}

/* ---- inherited descriptors --------------------------------------------- */

static enum err_code open_fd(struct http_server *s, struct err *err)
{
	struct sockaddr_storage ss;
	int fd = s->o.listen_fd, on = 0;
	socklen_t on_len = sizeof(on), len = sizeof(ss);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) != 0 || on == 0)
		return err_set(err, ERR_INVALID, "descriptor %d that was handed over is not a listening socket", fd);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_sys(err, errno, "cannot use descriptor %d that was handed over", fd);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 && ss.ss_family != AF_UNIX)
		set_tcp_options(fd);
	s->listen_fd = fd;
	return ERR_OK;
}

static void describe(struct http_server *s)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_un *un = (struct sockaddr_un *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ss;
	socklen_t len = sizeof(ss);
	char text[INET6_ADDRSTRLEN] = "";

	if (getsockname(s->listen_fd, (struct sockaddr *)&ss, &len) != 0)
		ss.ss_family = AF_UNSPEC;
	switch (ss.ss_family) {
	case AF_UNIX:
		s->is_unix = true;
		if (s->unix_path != NULL)
			s->address = xstrdup(s->unix_path);
		else
			s->address = xstrdup(un->sun_path[0] != '\0' ? un->sun_path : "unix");
		break;
	case AF_INET:
		inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
		s->address = xasprintf("%s:%u", text, ntohs(in4->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		s->address = xasprintf("[%s]:%u", text, ntohs(in6->sin6_port));
		break;
	default:
		s->address = xstrdup("unknown");
		break;
	}
}

enum err_code listen_open(struct http_server *s, struct err *err)
{
	const char *net = s->o.net != NULL && s->o.net[0] != '\0' ? s->o.net : "tcp";
	enum err_code code;

	if (strcmp(net, "tcp") == 0)
		code = open_tcp(s, err);
	else if (strcmp(net, "unix") == 0)
		code = open_unix(s, err);
	else if (strcmp(net, "fd") == 0)
		code = open_fd(s, err);
	else
		code = err_set(err, ERR_INVALID, "cannot listen on a network '%s': it must be 'tcp' or 'unix'", net);
	if (code == ERR_OK)
		describe(s);
	return code;
}

/* ---- accepting --------------------------------------------------------- */

static int watch(struct http_server *s, int op)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &s->listen_fd};

	return epoll_ctl(s->ep, op, s->listen_fd, &ev);
}

enum err_code listen_arm(struct http_server *s, struct err *err)
{
	if (watch(s, EPOLL_CTL_ADD) != 0)
		return err_sys(err, errno, "cannot wait for connections on %s", s->address);
	return ERR_OK;
}

/* Out of descriptors or memory: makes room by ending idle connections, and
 * tries again a little later. */
static void pause_accepting(struct http_server *s, int sys)
{
	int64_t now = clock_mono();
	size_t shed = conns_shed(s, 32);

	if (now - s->accept_complained > 10 * CLOCK_S) {
		s->accept_complained = now;
		LOG_ERROR("cannot accept connections, raise the limit of open files", LOG_STR("server", s->o.name),
		    LOG_INT("errno", sys), LOG_INT("connections", atomic_load(&s->n_conns)),
		    LOG_INT("idle_closed", shed));
	}
	atomic_store(&s->accept_paused, now + ACCEPT_PAUSE);
	mutex_lock(&s->keeper_lock);
	cond_signal(&s->keeper_wake);
	mutex_unlock(&s->keeper_lock);
}

void listen_accept(struct http_server *s)
{
	struct sockaddr_storage peer;

	mutex_lock(&s->accept_lock);
	for (int i = 0; i < ACCEPT_BURST && s->listen_fd >= 0; i++) {
		socklen_t len = sizeof(peer);
		int fd;

		peer.ss_family = AF_UNIX;
		fd = accept4(s->listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_new(s, fd, &peer);
			continue;
		}
		if (errno == EAGAIN)
			break;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(s, errno);
			mutex_unlock(&s->accept_lock);
			return;
		}
		/* Anything else is the fate of one connection. */
	}
	if (s->listen_fd >= 0)
		watch(s, EPOLL_CTL_MOD);
	mutex_unlock(&s->accept_lock);
}

void listen_resume(struct http_server *s, int64_t now)
{
	int64_t until = atomic_load(&s->accept_paused);

	if (until == 0 || now < until)
		return;
	atomic_store(&s->accept_paused, 0);
	mutex_lock(&s->accept_lock);
	if (s->listen_fd >= 0)
		watch(s, EPOLL_CTL_MOD);
	mutex_unlock(&s->accept_lock);
}

void listen_close(struct http_server *s)
{
	mutex_lock(&s->accept_lock);
	if (s->listen_fd >= 0 && s->unix_path != NULL)
		unlink(s->unix_path);
	close_fd(&s->listen_fd);
	s->listen_fd = -1;
	mutex_unlock(&s->accept_lock);
}
