// SPDX-License-Identifier: GPL-2.0-or-later
//
// The least a program can do that reads counters: keeps files open and reads each of them once a round, nothing more.
// What the service takes on top of that is its own.
//
//   pread_loop INTERVAL_MS ROUNDS CPU_STAT FILE...
//
// Prints one JSON object: the rounds, the bytes read, the processor time they took, and how much meanwhile the control
// group took whose cpu.stat is CPU_STAT.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double cpu_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

// Documentation/admin-guide/cgroup-v2.rst, cpu.stat.
static double group_ms(const char *cpu_stat) {
    double usec = -1;
    FILE *file = fopen(cpu_stat, "re");
    if (!file || fscanf(file, "usage_usec %lf", &usec) != 1) {
        fprintf(stderr, "pread_loop: %s does not tell usage_usec\n", cpu_stat);
        exit(1);
    }
    fclose(file);
    return usec / 1e3;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fputs("usage: pread_loop INTERVAL_MS ROUNDS CPU_STAT FILE...\n", stderr);
        return 2;
    }
    const long interval_ms = strtol(argv[1], NULL, 10), rounds = strtol(argv[2], NULL, 10);
    char **paths = argv + 4;
    const int files = argc - 4;
    int *fds = calloc(files, sizeof *fds);
    for (int i = 0; i < files; ++i)
        if ((fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC)) < 0) {
            fprintf(stderr, "pread_loop: %s: %s\n", paths[i], strerror(errno));
            return 1;
        }
    static char buffer[16384];
    unsigned long long bytes = 0;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    const double group_begun = group_ms(argv[3]), begun = cpu_ms();
    for (long round = 0; round < rounds; ++round) {
        for (int i = 0; i < files; ++i) {
            const ssize_t got = pread(fds[i], buffer, sizeof buffer, 0);
            if (got < 0) {
                fprintf(stderr, "pread_loop: %s: %s\n", paths[i], strerror(errno));
                return 1;
            }
            bytes += got;
        }
        next.tv_nsec += interval_ms % 1000 * 1000000;
        next.tv_sec += interval_ms / 1000 + next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {}
    }
    printf("{\"rounds\": %ld, \"files\": %d, \"bytes\": %llu, \"cpu_ms\": %.3f, ", rounds, files, bytes, cpu_ms() - begun);
    printf("\"group_ms\": %.3f}\n", group_ms(argv[3]) - group_begun);
    return 0;
}
