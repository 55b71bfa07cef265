// SPDX-License-Identifier: MIT
// Log lines: kept while nobody may print, printed afterwards.
#include <log.h>
#include <string.h>

// What stands before a kept line's text.
struct log_line {
    uint64_t ticks;
    uint32_t bytes;
    uint32_t level;
};

// A sink over the rest of `pending`, which says whether it all fitted.
struct log_room {
    struct text text;
    struct log *log;
    size_t bytes;
    bool full;
};

void log_init(struct log *log, const struct clock *clock, enum port_level level) {
    log->out = NULL;
    log->clock = clock;
    log->level = level;
    log->pending_bytes = 0;
    log->pending_lost = 0;
}

const char *log_level_name(enum port_level level) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return names[level];
}

static void log_prefix(const struct log *log, enum port_level level, uint64_t ticks) {
    if (log->clock->khz == 0) {
        text_printf(log->out, "[%lu ticks] ", ticks);
    } else {
        uint64_t time = clock_microseconds(log->clock, ticks);
        text_printf(log->out, "[%5lu.%06lu] ", time / 1000000, time % 1000000);
    }
    if (level != PORT_INFO) {
        text_style(log->out, level == PORT_ERROR     ? TEXT_ERROR
                             : level == PORT_WARNING ? TEXT_WARNING
                                                     : TEXT_PLAIN);
        text_printf(log->out, "%s: ", log_level_name(level));
        text_style(log->out, TEXT_PLAIN);
    }
}

static void log_room_write(struct text *self, const char *bytes, size_t count) {
    struct log_room *room = (struct log_room *)self;
    struct log *log = room->log;
    if (room->full || count > LOG_PENDING_BYTES - log->pending_bytes - room->bytes) {
        room->full = true;
        return;
    }
    memcpy(log->pending + log->pending_bytes + room->bytes, bytes, count);
    room->bytes += count;
}

static void log_keep(struct log *log, enum port_level level, const char *format,
                     va_list arguments) {
    struct log_line line = {clock_ticks(log->clock), 0, (uint32_t)level};
    struct log_room room = {{.write = log_room_write}, log, sizeof(line), false};
    if (LOG_PENDING_BYTES - log->pending_bytes < sizeof(line)) {
        log->pending_lost++;
        return;
    }
    text_vprintf(&room.text, format, arguments);
    if (room.full) {
        log->pending_lost++;
        return;
    }
    line.bytes = (uint32_t)(room.bytes - sizeof(line));
    memcpy(log->pending + log->pending_bytes, &line, sizeof(line));
    log->pending_bytes += room.bytes;
}

void log_open(struct log *log, struct text *out) {
    log->out = out;
    struct log_line line;
    for (size_t at = 0; at < log->pending_bytes; at += line.bytes) {
        memcpy(&line, log->pending + at, sizeof(line));
        at += sizeof(line);
        log_prefix(log, (enum port_level)line.level, line.ticks);
        out->write(out, (const char *)log->pending + at, line.bytes);
        text_puts(out, "\n");
    }
    if (log->pending_lost != 0) {
        log_printf(log, PORT_WARNING, "%zu log lines were lost before the console was open",
                   log->pending_lost);
    }
    log->pending_bytes = 0;
    log->pending_lost = 0;
}

void log_vprintf(struct log *log, enum port_level level, const char *format, va_list arguments) {
    if (level > log->level) {
        return;
    }
    if (log->out == NULL) {
        log_keep(log, level, format, arguments);
        return;
    }
    log_prefix(log, level, clock_ticks(log->clock));
    text_vprintf(log->out, format, arguments);
    text_puts(log->out, "\n");
}

void log_printf(struct log *log, enum port_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_vprintf(log, level, format, arguments);
    va_end(arguments);
}
