// SPDX-License-Identifier: GPL-2.0-or-later
//
// A client of the service on D-Bus, inside the virtual WOPR, that stays connected.
//
//   ask LINK     asks for all of one link, for all links, and the bus itself for its id, by turns with 10 ms between,
//                until told to stop by SIGTERM
//   ask --deaf N asks for all links N times without ever reading an answer, and stays connected until SIGTERM
//   ask --stuck N asks for the history N times with pipes that are full and would rather have the service wait, and
//                never reads from one; stays until SIGTERM
//
// Says "connected" (or "asked") once it has begun. At the end ask prints one JSON object: how often it asked, and how
// many milliseconds the median answer, the 99th of 100 and the slowest took: "link", "list", and "bus", which is what
// a mere way there and back takes.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

static const char name[] = "org.wopr.Aer1";
static const unsigned most_links = 128;
enum { max_answers = 1 << 16 };

static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static void check(int code, const char *what) {
    if (code >= 0)
        return;
    fprintf(stderr, "ask: cannot %s: %s\n", what, strerror(-code));
    exit(1);
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *label, double *times, size_t count) {
    qsort(times, count, sizeof *times, ascending);
    printf("\"%s\": {\"median\": %.2f, \"p99\": %.2f, \"worst\": %.2f}", label, times[count / 2],
           times[count * 99 / 100], times[count - 1]);
}

static sd_bus_message *call(sd_bus *bus, const char *to, const char *path, const char *interface, const char *member) {
    sd_bus_message *message = NULL;
    check(sd_bus_message_new_method_call(bus, &message, to, path, interface, member), "make a question");
    return message;
}

static sd_bus_message *list_question(sd_bus *bus) {
    sd_bus_message *message = call(bus, name, "/org/wopr/Aer1", "org.wopr.Aer1.Manager", "ListLinks");
    check(sd_bus_message_append(message, "uu", 0u, most_links), "make a question");
    return message;
}

static sd_bus_message *link_question(sd_bus *bus, const char *link) {
    sd_bus_message *message = call(bus, name, link, "org.freedesktop.DBus.Properties", "GetAll");
    check(sd_bus_message_append(message, "s", "org.wopr.Aer1.Link"), "make a question");
    return message;
}

static sd_bus_message *bus_question(sd_bus *bus) {
    return call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId");
}

static double timed(sd_bus *bus, sd_bus_message *message) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *answer = NULL;
    const double begun = now_ms();
    const int code = sd_bus_call(bus, message, 0, &error, &answer);
    const double taken = now_ms() - begun;
    if (code < 0 && !stopping) {
        fprintf(stderr, "ask: no answer: %s\n", error.message ? error.message : strerror(-code));
        exit(1);
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(answer);
    sd_bus_message_unref(message);
    return taken;
}

static void ask_on(sd_bus *bus, const char *link) {
    static double links[max_answers], lists[max_answers], buses[max_answers];
    const struct timespec gap = {.tv_nsec = 10 * 1000 * 1000};
    size_t answers = 0;
    for (; answers < max_answers; ++answers) {
        buses[answers] = timed(bus, bus_question(bus));
        links[answers] = timed(bus, link_question(bus, link));
        lists[answers] = timed(bus, list_question(bus));
        clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL);
        if (stopping)  // the last ones may have been cut short: they do not count
            break;
    }
    if (answers == 0) {
        fputs("ask: stopped before the first answers\n", stderr);
        exit(1);
    }
    printf("{\"asked\": %zu, ", answers);
    print_times("bus", buses, answers);
    fputs(", ", stdout);
    print_times("link", links, answers);
    fputs(", ", stdout);
    print_times("list", lists, answers);
    puts("}");
}

static void ask_and_never_listen(sd_bus *bus, unsigned long times, const sigset_t *unblocked) {
    for (unsigned long i = 0; i < times; ++i) {
        sd_bus_message *message = list_question(bus);
        uint64_t cookie;
        check(sd_bus_send(bus, message, &cookie), "ask");
        check(sd_bus_flush(bus), "ask");  // writes; nothing here reads
        sd_bus_message_unref(message);
    }
    puts("asked");
    fflush(stdout);
    while (!stopping)
        sigsuspend(unblocked);
}

static void ask_into_full_pipe(sd_bus *bus) {
    static const char filler[4096];
    int ends[2];
    check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : -errno, "make a pipe");
    while (write(ends[1], filler, sizeof filler) > 0)
        ;
    sd_bus_message *message = call(bus, name, "/org/wopr/Aer1", "org.wopr.Aer1.Manager", "History");
    check(sd_bus_message_append(message, "sastth", "hour", 0, (uint64_t)0, (uint64_t)0, ends[1]), "make a question");
    timed(bus, message);
    // Blocking is a state of the open pipe, which is the service's too now.
    check(fcntl(ends[1], F_SETFL, 0) == 0 ? 0 : -errno, "have a pipe block");
}

static void ask_and_never_read(sd_bus *bus, unsigned long times, const sigset_t *unblocked) {
    for (unsigned long i = 0; i < times; ++i)
        ask_into_full_pipe(bus);
    puts("asked");
    fflush(stdout);
    while (!stopping)
        sigsuspend(unblocked);
}

int main(int argc, char **argv) {
    const int deaf = argc == 3 && strcmp(argv[1], "--deaf") == 0;
    const int stuck = argc == 3 && strcmp(argv[1], "--stuck") == 0;
    if (argc != 2 && !deaf && !stuck) {
        fputs("usage: ask LINK | --deaf N | --stuck N\n", stderr);
        return 2;
    }
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sd_bus *bus = NULL;
    check(sd_bus_open_system(&bus), "reach the bus");
    timed(bus, list_question(bus));  // connected for good, and the service is there
    if (deaf || stuck) {
        sigprocmask(SIG_BLOCK, &blocked, &before);
        (deaf ? ask_and_never_listen : ask_and_never_read)(bus, strtoul(argv[2], NULL, 10), &before);
        return 0;
    }
    puts("connected");
    fflush(stdout);
    ask_on(bus, argv[1]);
    return 0;
}
