/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - limits, memory and signals of the process.
 */
#include "cli/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

/* More than this many descriptors are never of use, and kernels exist whose
 * limit is a billion. */
#define FDS_MAX ((rlim_t)1024 * 1024)

static int64_t started; /* clock_real */

static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur >= FDS_MAX || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		LOG_WARN("the limit of open files cannot be raised", LOG_STR("error", strerror(errno)));
}

void process_prepare(void)
{
	started = clock_real();
	raise_descriptors();
	signal(SIGPIPE, SIG_IGN);
	/* Hundreds of threads come and go with the load. glibc would give them eight
	 * arenas a core, each of which keeps what it once had, and would raise these
	 * thresholds with the largest block it sees. With two cores and 128 clients
	 * it makes no difference; with 64 cores there would be 512 arenas. */
	mallopt(M_ARENA_MAX, 4);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

/* ---- signals ------------------------------------------------------------------ */

static sigset_t handled(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void process_block_signals(void)
{
	sigset_t set = handled();
	int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);

	ASSERT(rc == 0);
}

enum process_event process_wait(void)
{
	sigset_t set = handled();
	int sig;

	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		return sig == SIGHUP ? PROCESS_RELOAD : PROCESS_STOP;
	}
}

/* timeout(1), among others, sends one signal twice: to the process and to its
 * group. So what comes this soon after the first is still the first. */
#define SAME_SIGNAL (CLOCK_S / 4)

static int64_t stop_asked; /* clock_mono; written before the handler is installed */

static void on_second_signal(int sig)
{
	if (clock_mono() - stop_asked < SAME_SIGNAL)
		return;
	signal(sig, SIG_DFL);
	raise(sig); /* delivered when this handler returns */
}

void process_signals_kill(void)
{
	struct sigaction action = {.sa_handler = on_second_signal, .sa_flags = SA_RESTART};
	sigset_t set;

	stop_asked = clock_mono();
	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	for (size_t i = 0; i < 2; i++) {
		int sig = i == 0 ? SIGTERM : SIGINT;

		sigaction(sig, &action, NULL);
		sigaddset(&set, sig);
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- what it tells about itself ------------------------------------------------- */

static unsigned entries(const char *directory)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	if (!d)
		return 0;
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

unsigned process_threads(void)
{
	return entries("/proc/self/task");
}

double process_uptime(void)
{
	return (double)(clock_real() - started) / (double)CLOCK_S;
}

static double threads(void *arg)
{
	return process_threads();
}

static double start_time(void *arg)
{
	return (double)started / (double)CLOCK_S;
}

static double open_fds(void *arg)
{
	unsigned n = entries("/proc/self/fd");

	return n > 0 ? n - 1 : 0; /* without the one for looking */
}

static double max_fds(void *arg)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_NOFILE, &limit);
	return (double)limit.rlim_cur;
}

enum family { F_BUILD, F_START, F_THREADS, F_FDS, F_MAX_FDS, F_COUNT };
static struct metric_family families[F_COUNT] = {
    [F_BUILD] = {.name = "berth_build_info",
        .help = "1, with the version as a label.",
        .type = METRIC_GAUGE,
        .labels = {"version"}},
    [F_START] = {.name = "process_start_time_seconds",
        .help = "When the process started, in seconds since the Unix epoch.",
        .type = METRIC_GAUGE,
        .collect = start_time},
    [F_THREADS] = {.name = "process_threads", .help = "Threads.", .type = METRIC_GAUGE, .collect = threads},
    [F_FDS] = {.name = "process_open_fds", .help = "Open file descriptors.", .type = METRIC_GAUGE, .collect = open_fds},
    [F_MAX_FDS] = {.name = "process_max_fds",
        .help = "File descriptors that may be open at once.",
        .type = METRIC_GAUGE,
        .collect = max_fds},
};

void process_metrics_register(void)
{
	metric_register(families, F_COUNT);
	metric_set(metric_child(&families[F_BUILD], (const char *const[]){BERTH_VERSION}), 1);
}
