// SPDX-License-Identifier: MIT
// Rows in which two threads meet. Part of rows.h.
#pragma once

#include "single.h"

#include <host/host.h>
#include <mm/lock.h>
#include <pthread.h>
#include <sys/resource.h>

#define RING_SIZE 1024 // frames on their way from one thread to the other

// Threads. Contestants without locks get one around each call.
static struct lock shared_lock;

static inline uint32_t shared_alloc(void) {
    if (!PEER_NEEDS_LOCK) {
        return peer_alloc(0);
    }
    lock_acquire_nested(&shared_lock);
    uint32_t frame = peer_alloc(0);
    lock_release_nested(&shared_lock);
    return frame;
}

static inline void shared_free(uint32_t frame) {
    if (!PEER_NEEDS_LOCK) {
        peer_free(frame, 0);
        return;
    }
    lock_acquire_nested(&shared_lock);
    peer_free(frame, 0);
    lock_release_nested(&shared_lock);
}

struct thread {
    const struct workload *workload;
    unsigned cpu;    // 0 or 1
    uint32_t *slots; // this thread's
    uint32_t live;
    uint64_t operations;
    pthread_barrier_t *barrier;
    double ns; // for each operation
};

static __attribute__((noinline)) void shared_pairs(const struct thread *thread, uint64_t count) {
    (void)thread;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t frame = shared_alloc();
        shared_free(frame);
    }
}

static __attribute__((noinline)) void shared_churn(const struct thread *thread, uint64_t count) {
    uint64_t from = thread->cpu * UINT64_C(1000003);
    for (uint64_t i = from; i < from + count; i++) {
        uint32_t slot = scaled(pick(thread->workload, i), thread->live);
        shared_free(thread->slots[slot]);
        thread->slots[slot] = shared_alloc();
    }
}

static void run_thread(struct thread *thread,
                       void (*function)(const struct thread *thread, uint64_t count)) {
    machine_pin(thread->workload->cpus[thread->cpu]);
    host_cpu_set(thread->cpu);
    pthread_barrier_wait(thread->barrier);
    function(thread, thread->operations / 8);
    double begin = cpu_ns();
    function(thread, thread->operations);
    thread->ns = (cpu_ns() - begin) / (double)thread->operations;
    // Nobody stops before everybody has measured.
    pthread_barrier_wait(thread->barrier);
}

static void *pairs_thread(void *thread) {
    run_thread(thread, shared_pairs);
    return NULL;
}

static void *churn_thread(void *thread) {
    run_thread(thread, shared_churn);
    return NULL;
}

// Runs one or two threads on the open arena; the mean time of an operation in each.
static double time_threads(const struct workload *workload, unsigned count, uint32_t live,
                           void *(*function)(void *)) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, count);
    struct thread threads[2];
    pthread_t handles[2];
    double ns = 0;
    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct thread){
            workload, i, workload->slots + i * live, live, workload->operations / 2, &barrier, 0};
        pthread_create(&handles[i], NULL, function, &threads[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(handles[i], NULL);
        ns += threads[i].ns / count;
    }
    pthread_barrier_destroy(&barrier);
    return ns;
}

static void run_threads(const struct workload *workload, double *values) {
    peer_open(workload->frames);
    values[ROW_HOT_ALONE] = time_threads(workload, 1, 0, pairs_thread);
    values[ROW_HOT_TWO] = time_threads(workload, 2, 0, pairs_thread);
    uint32_t live = percent(workload, 75);
    fill_exactly(workload, live);
    values[ROW_CHURN_ALONE] = time_threads(workload, 1, live / 2, churn_thread);
    values[ROW_CHURN_TWO] = time_threads(workload, 2, live / 2, churn_thread);
    peer_close();
}

// One thread allocates and hands over, the other takes and frees: a bounded ring between them, each
// side looking at the other's index only when it has used up what it saw.
//
// When one of them loses its CPU to another program, the other waits: that says nothing about an
// allocator. So the frames are cut into segments, each side counts how often it was interrupted in
// each, and only undisturbed segments are looked at (all, when there are none).
#define SEGMENT         4096 // frames; more than the ring holds
#define SEGMENTS        256
#define HANDOFF_MOST_NS 1e9

struct ring {
    _Alignas(64) uint64_t written;
    _Alignas(64) uint64_t read;
    _Alignas(64) uint32_t frames[RING_SIZE];
    _Alignas(64) const struct workload *workload;
    uint64_t count;
    double began[SEGMENTS + 1];                                          // by the producer's clock
    long produce_switches[SEGMENTS + 1], consume_switches[SEGMENTS + 1]; // so far
};

// How often this thread lost its CPU.
static long lost_cpu_count(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

static void *handoff_consumer(void *argument) {
    struct ring *ring = argument;
    machine_pin(ring->workload->cpus[1]);
    host_cpu_set(1);
    for (uint64_t read = 0; read < __atomic_load_n(&ring->count, __ATOMIC_RELAXED);) {
        uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
        if (read == written) {
            port_relax();
            continue;
        }
        for (; read < written; read++) {
            if (read % SEGMENT == 0) {
                ring->consume_switches[read / SEGMENT] = lost_cpu_count();
            }
            shared_free(ring->frames[read % RING_SIZE]);
        }
        __atomic_store_n(&ring->read, read, __ATOMIC_RELEASE);
    }
    ring->consume_switches[ring->count / SEGMENT] = lost_cpu_count();
    return NULL;
}

// Takes note of where the clock stands; true when it is time to stop.
static bool handoff_mark(struct ring *ring, uint64_t segment) {
    ring->began[segment] = wall_ns();
    ring->produce_switches[segment] = lost_cpu_count();
    return ring->began[segment] - ring->began[0] > HANDOFF_MOST_NS;
}

static void handoff_produce(struct ring *ring) {
    enum { BATCH = 32 };
    uint64_t room_end = RING_SIZE, written = 0;
    while (written < ring->count) {
        while (written + BATCH > room_end) {
            port_relax();
            room_end = __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE) + RING_SIZE;
        }
        for (unsigned i = 0; i < BATCH; i++, written++) {
            ring->frames[written % RING_SIZE] = shared_alloc();
        }
        __atomic_store_n(&ring->written, written, __ATOMIC_RELEASE);
        if (written % SEGMENT == 0 && handoff_mark(ring, written / SEGMENT)) {
            __atomic_store_n(&ring->count, written, __ATOMIC_RELAXED);
        }
    }
}

static bool is_undisturbed(const struct ring *ring, uint64_t segment) {
    uint64_t before = segment == 0 ? 0 : segment - 1; // where the consumer may still have been
    return ring->produce_switches[segment] == ring->produce_switches[segment + 1] &&
           ring->consume_switches[before] == ring->consume_switches[segment + 1];
}

// The median of the segments, ns a frame. The first eighth is for warming up.
static double handoff_result(const struct ring *ring) {
    uint64_t segments = ring->count / SEGMENT;
    double times[SEGMENTS];
    unsigned count = 0;
    for (unsigned disturbed = 0; disturbed < 2 && count == 0; disturbed++) {
        for (uint64_t i = segments / 8; i < segments; i++) {
            if (disturbed == 1 || is_undisturbed(ring, i)) {
                times[count++] = (ring->began[i + 1] - ring->began[i]) / SEGMENT;
            }
        }
    }
    qsort(times, count, sizeof(times[0]), compare_times);
    return times[count / 2];
}

static void run_handoff(const struct workload *workload, double *values) {
    static struct ring ring;
    uint64_t most = (uint64_t)SEGMENTS * SEGMENT;
    uint64_t count = workload->operations < most ? workload->operations : most;
    ring = (struct ring){.workload = workload, .count = align_up(count, SEGMENT)};
    pthread_t consumer;
    peer_open(workload->frames);
    pthread_create(&consumer, NULL, handoff_consumer, &ring);
    handoff_mark(&ring, 0);
    handoff_produce(&ring);
    pthread_join(consumer, NULL);
    values[ROW_HANDOFF] = handoff_result(&ring);
    peer_close();
}
