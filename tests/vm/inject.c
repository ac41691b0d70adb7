// SPDX-License-Identifier: GPL-2.0-or-later
//
// Injects PCIe errors through the kernel's aer_inject module, from inside the virtual WOPR.
//
//   inject [--gap MS | --burst | --seconds S] FUNCTION,cor=HEX,uncor=HEX,count=N,gap=MS ...
//
// Paced (the default, 50 ms): after each injection waits until the kernel has counted it on that function and
// then for the gap (each function may have its own), because the kernel merges errors that arrive while one is
// being handled; a line on standard error tells of each. A fatal error of a device is not counted by kernels
// before 6.16: with fatal=1 only the gap is kept.
// --burst: as fast as the kernel takes them. --seconds: the same, going round the list until the time is up.
// Prints one JSON object: injections the kernel took, how often it said EBUSY, and the time.
//
// Format of the written record: drivers/pci/pcie/aer_inject.c, struct aer_error_inj.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct aer_error_inj {
    uint8_t bus, dev, fn, pad;
    uint32_t uncor_status, cor_status, header_log[4], domain;
};
_Static_assert(sizeof(struct aer_error_inj) == 32, "as the kernel has it");

struct target {
    char name[16];  // 0000:c2:00.0
    struct aer_error_inj record;
    unsigned long count;
    long gap_ms;
    bool confirm;
};

static const double confirm_deadline = 10.0;  // seconds

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("inject: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static struct target parse_target(char *text, long gap_ms) {
    struct target target = {.count = 1, .gap_ms = gap_ms, .confirm = true};
    char *field = strtok(text, ",");
    unsigned domain, bus, dev, fn;
    if (!field || strlen(field) >= sizeof target.name || sscanf(field, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
        die("expected FUNCTION,cor=HEX,uncor=HEX,count=N with FUNCTION like 0000:c2:00.0");
    strcpy(target.name, field);
    target.record = (struct aer_error_inj){.bus = bus, .dev = dev, .fn = fn, .domain = domain};
    while ((field = strtok(NULL, ","))) {
        unsigned fatal;
        if (sscanf(field, "cor=%x", &target.record.cor_status) != 1 &&
            sscanf(field, "uncor=%x", &target.record.uncor_status) != 1 &&
            sscanf(field, "count=%lu", &target.count) != 1 && sscanf(field, "gap=%ld", &target.gap_ms) != 1) {
            if (sscanf(field, "fatal=%u", &fatal) != 1)
                die("unknown field '%s'", field);
            target.confirm = !fatal;
        }
    }
    return target;
}

// The TOTAL_ERR_* line of one counter file, which is its last.
static uint64_t total(const struct target *target, const char *file) {
    char path[128], text[4096];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", target->name, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        die("%s: cannot be read", path);
    text[size] = '\0';
    const char *line = strstr(text, "TOTAL_ERR_");
    const char *value = line ? strchr(line, ' ') : NULL;
    if (!value)
        die("%s: has no TOTAL_ERR_ line", path);
    return strtoull(value, NULL, 10);
}

static uint64_t counted(const struct target *target) {
    uint64_t sum = 0;
    if (target->record.cor_status)
        sum += total(target, "aer_dev_correctable");
    if (target->record.uncor_status)
        sum += total(target, "aer_dev_nonfatal") + total(target, "aer_dev_fatal");
    return sum;
}

static uint64_t busy;

static void inject(int fd, const struct target *target) {
    while (write(fd, &target->record, sizeof target->record) < 0) {
        if (errno != EBUSY)
            die("%s: the kernel refused the injection: %s", target->name, strerror(errno));
        ++busy;
    }
}

static void inject_paced(int fd, const struct target *target) {
    uint64_t before = target->confirm ? counted(target) : 0;
    inject(fd, target);
    double deadline = now() + confirm_deadline;
    while (target->confirm && counted(target) == before)
        if (now() > deadline)
            die("%s: the kernel took an injection and did not count it in %g s", target->name, confirm_deadline);
    fprintf(stderr, "%s cor=%#x uncor=%#x\n", target->name, target->record.cor_status, target->record.uncor_status);
    struct timespec gap = {.tv_sec = target->gap_ms / 1000, .tv_nsec = target->gap_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, &gap) == EINTR) {}
}

int main(int argc, char **argv) {
    long gap_ms = 50;
    double seconds = 0;
    bool burst = false;
    int next = 1;
    for (; next < argc && strncmp(argv[next], "--", 2) == 0; ++next) {
        if (strcmp(argv[next], "--burst") == 0)
            burst = true;
        else if (strcmp(argv[next], "--gap") == 0 && next + 1 < argc)
            gap_ms = strtol(argv[++next], NULL, 10);
        else if (strcmp(argv[next], "--seconds") == 0 && next + 1 < argc)
            seconds = strtod(argv[++next], NULL);
        else
            die("unknown option %s", argv[next]);
    }
    if (next == argc)
        die("nothing to inject");
    int fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        die("/dev/aer_inject: %s (is the module loaded?)", strerror(errno));

    int targets = argc - next;
    struct target *list = calloc(targets, sizeof *list);
    for (int i = 0; i < targets; ++i)
        list[i] = parse_target(argv[next + i], gap_ms);

    uint64_t accepted = 0;
    double start = now();
    for (int i = 0; seconds > 0 ? now() - start < seconds : i < targets; ++i)
        for (unsigned long n = 0; n < (seconds > 0 ? 1 : list[i].count); ++n, ++accepted) {
            const struct target *target = &list[i % targets];
            if (burst || seconds > 0)
                inject(fd, target);
            else
                inject_paced(fd, target);
        }
    printf("{\"accepted\": %" PRIu64 ", \"busy\": %" PRIu64 ", \"seconds\": %.3f}\n", accepted, busy, now() - start);
    return 0;
}
