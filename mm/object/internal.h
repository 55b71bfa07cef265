// SPDX-License-Identifier: MIT
// What the files of the object allocator share.
//
// A slab is 2^order frames from the page allocator. Its descriptor, in pages that hold nothing
// else, has a byte for each object, HANDED_OUT or not, and a bit for each object that lies in the
// slab. An object that is neither handed out nor in its slab lies in a CPU's magazine.
//
//                   refill: up to 64, under the cache's lock
//   in the slab  ──────────────────────────────────────────────>  in the CPU's magazine
//     ^     ^    <──────────────────────────────────────────────      │           ^
//     │     │       flush: the oldest half of it, likewise       object_alloc  object_free
//     │     │                                                          v           │
//     │     └── object_free, when the magazine is full: others' ───── handed out
//     │                                                                     │
//     └── harvest, leave ── returned <── likewise: one's own, or visited ───┘
//
// Invariants (tests/unit/test_object.c has an oracle; object_check walks the others):
//   K1  an object's byte is HANDED_OUT exactly while it is handed out         oracle_agrees
//   K2  an object is in its slab, returned, in one magazine, or handed out;
//       or it is gone, with a page of its slab                                oracle_agrees
//   K3  a slab is in its home's heap exactly when an object is in it, and
//       the one that is being emptied is in it                                oracle_agrees
//   K4  the directory knows every frame that a slab has, and no other         oracle_agrees
//   K5  nothing is written into a free object                  free_memory_is_not_touched
#pragma once

#include <mm/assert.h>
#include <mm/cache.h>

#define SLAB_OBJECTS UINT64_C(512)

_Static_assert(PORT_CPU_MAX < 256, "visitors of a slab are counted in a byte");
_Static_assert(PORT_CPU_MAX != 16 || sizeof(struct object_cache) == 512, "kmalloc: a shift");

// What the byte of an object says. IN_STOCK: free, in its slab or in a magazine. RETURNED: free, in
// its slab, which has a bit for it once somebody has looked (returns.c), and not in a magazine.
#define IN_STOCK    0
#define HANDED_OUT  1
#define QUARANTINED 2 // free, and kept (debug.c)
#define RETURNED    4
#define GONE        8 // free, and its page was given back (trim.c)

enum slab_kind { SLAB_NONE, SLAB_SMALL, SLAB_LARGE };

// What a free looks at lies in one line. While the slab lives only its home writes there, to `room`,
// and its place in the list changes; so the line is rarely taken from CPUs that free others'
// objects. Of the rest, what was returned is the home's, who holds its gate, and the others are the
// cache's lock's.
struct slab {
    _Alignas(64) uint8_t *base;
    struct object_cache *cache;
    struct object_cpu *home;             // whose heap it is in when it has room
    struct object_trace *traces;         // one for each object (debug.c), or NULL
    struct slab *list_next, **list_link; // all slabs of the cache, or all large objects
    uint32_t owner;                      // whose it is, with SLAB_NAMED
    uint16_t count;                      // objects
    uint8_t words, order;
    uint8_t kind;  // enum slab_kind
    uint32_t room; // may be returned before somebody has to look (returns.c)

    _Alignas(64) uint32_t returned_and_room; // that and what was returned; 0: in no list
    uint32_t came_back;                 // returns that were settled, and visitors' (returns.c);
    uint32_t claimed;                   // objects that got their bit for one
    uint16_t stock;                     // objects in the slab that have a bit
    uint16_t gone;                      // objects that went with a page
    uint16_t trimmed;                   // pages that were given back
    uint8_t cursor;                     // the word that was taken from last
    uint8_t visitors;                   // other CPUs that return its objects
    struct slab *child, *next, *before; // in the heap (heap.c)
    union {
        struct {
            struct slab *returned_next, **returned_link; // slabs of the home with returned objects
        };
        struct {
            uint64_t pages;  // of a large object
            uint64_t wanted; // its bytes, as asked for
        };
    };
    // A byte for each object, and one that stays 0 behind them when the slab goes on there; then
    // slab_bits. A line of bytes is a word of bits: CPUs that have objects of different words do
    // not meet.
    _Alignas(64) uint8_t handed[];
};

// Where the bits begin; what looks at the objects' bytes takes eight at a time. Behind the last of
// SLAB_OBJECTS the slab ends: a line of the descriptor is saved (records.c).
static inline size_t slab_bits_begin(uint64_t count) {
    return offsetof(struct slab, handed) + align_up(count + (count < SLAB_OBJECTS), 8);
}

// Bits: objects in the slab. `words` of them.
static inline uint64_t *slab_bits(const struct slab *slab) {
    return (uint64_t *)(void *)((uint8_t *)slab + slab_bits_begin(slab->count));
}

// The bytes of a descriptor.
static inline size_t slab_bytes(uint64_t count) {
    return slab_bits_begin(count) + (count + 63) / 64 * sizeof(uint64_t);
}

// The bits of one word of a slab of so many objects.
static inline uint64_t slab_word(uint64_t count, unsigned word) {
    uint64_t rest = count - word * UINT64_C(64);
    return UINT64_MAX >> (rest >= 64 ? 0 : 64 - rest);
}

#define MAGAZINE_MAX 64

struct magazine {
    uint64_t count;
    void *objects[MAGAZINE_MAX];   // the oldest first,
    uint8_t *handed[MAGAZINE_MAX]; // and where the byte of each is
};

// Beside the CPU's number in `owner`: the cache is no class of kmalloc.
#define SLAB_NAMED 0x10000u

// What a CPU's gate (port_cpu_gate) says instead of its number.
#define GATE_QUICK PORT_CPU_MAX       // a quick way has some part of its
#define GATE_SLOW  (PORT_CPU_MAX + 1) // slow ways have those of its parts that are held

// A CPU's part of a cache: who holds the CPU's gate uses it, or the part; the last line is the
// cache's lock's, and written by CPUs that give this one's objects back.
struct object_cpu {
    _Alignas(64) uint32_t cpu;
    bool held;         // by a slow way,
    uint32_t gate;     // and what the CPU's gate said before
    uint64_t capacity; // of a magazine
    struct object_cache *cache;
    uint32_t brought;     // objects that were returned to
    struct slab *visited; // another CPU's slab, and not counted there yet (returns.c)
    struct magazine magazine;
    uint8_t order[64]; // a random permutation

    _Alignas(64) struct slab *heap; // slabs with room, the highest address at the root
    struct slab *current;           // the one of them that is being emptied, or NULL
    struct slab *returned;          // slabs with returned objects, the latest first
    uint32_t created;               // slabs, up to 2
    uint64_t random;
};

extern const struct object_cpu object_closed; // nobody's, with an empty and full magazine
extern const struct slab slab_none;           // what frames without a slab have

// The first byte of a slab's frames.
static inline uint8_t *slab_block(const struct slab *slab) {
    return slab->base - slab->cache->lead;
}

static inline struct object_cpu *object_nobody(void) {
    return (struct object_cpu *)&object_closed;
}

// Every call takes the slow way.
static inline void object_quick_close(struct object_cache *cache) {
    for (unsigned gate = 0; gate < PORT_CPU_MAX + 2; gate++) {
        cache->quick[gate] = object_nobody();
    }
}

// Who called the function that this stands in; for public functions.
#define OBJECT_CALLER __builtin_return_address(0)

static inline uint8_t handed_read(const uint8_t *handed) {
    return __atomic_load_n(handed, __ATOMIC_RELAXED);
}

// The checker does not see that the builtin writes: NOLINTNEXTLINE(readability-non-const-parameter)
static inline void handed_write(uint8_t *handed, uint8_t value) {
    __atomic_store_n(&handed[0], value, __ATOMIC_RELAXED);
}

// Whoever claims the object sees all that was done with it before (returns.c).
// NOLINTNEXTLINE(readability-non-const-parameter)
static inline void handed_return(uint8_t *handed) {
    __atomic_store_n(&handed[0], RETURNED, __ATOMIC_RELEASE);
}

// The gate as the quick ways use it: `quick[]` by what it returns is the part to use. Only this CPU
// looks at it, so nothing is atomic; an interrupt leaves it as it found it.
static inline __attribute__((always_inline)) uint32_t object_gate_enter(void) {
    uint32_t open = *port_cpu_gate();
    *port_cpu_gate() = GATE_QUICK;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return open;
}

static inline __attribute__((always_inline)) void object_gate_leave(uint32_t open) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *port_cpu_gate() = open;
}

// The same for the slow ways, which may use several parts, one inside the other. False while
// another way uses the part, or may; the closed part is nobody's.
static inline bool object_part_enter(struct object_cpu *part) {
    uint32_t gate = *port_cpu_gate();
    if (part->cpu != port_cpu() || part->held || gate == GATE_QUICK) {
        return false;
    }
    part->held = true;
    part->gate = gate;
    __atomic_signal_fence(
        __ATOMIC_SEQ_CST); // held first: what comes in between leaves `gate` alone
    *port_cpu_gate() = GATE_SLOW;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void object_part_leave(struct object_cpu *part) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *port_cpu_gate() = part->gate;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    part->held = false;
}

// Whether there are options, so that every call takes the slow way.
static inline bool object_heap_is_slow(const struct object_heap *heap) {
    return heap->options.zero_on_alloc || heap->options.zero_on_free || heap->options.debug;
}

static inline uint64_t object_offset(const void *address) {
    return (uint64_t)address - (uint64_t)port_direct_map(paddr(0));
}

static inline pfn_t object_frame(const void *address) {
    return pfn_of(paddr(object_offset(address)));
}

// What the directory says of a frame. `numbers` is 0 where there is no slab. Otherwise its lower 20
// bits are the number of the slab's first page, negative, and all of it, as a fraction of 2^64, is
// the reciprocal of the objects' size: what the page does to it is lost in the quotient of numbers
// below 2^19, which is the largest slab.
struct directory_frame {
    uint8_t *handed; // the slab's
    uint64_t numbers;
};

static inline struct slab *slab_of(const uint8_t *handed) {
    return (struct slab *)(void *)(handed - offsetof(struct slab, handed));
}

#define NUMBERS_PAGE UINT64_C(0xfffff)

// False when it is no memory.
static inline bool directory_frame(const struct object_directory *directory, const void *address,
                                   const struct directory_frame **frame) {
    uint64_t offset = object_offset(address), region = offset / (2 * MIB);
    if (__builtin_expect(region >= directory->region_count, false)) {
        return false;
    }
    // In bytes, the frame's number times 16 is one shift.
    const uint64_t entry = sizeof(struct directory_frame);
    const struct directory_frame *frames =
        __atomic_load_n(&directory->regions[region], __ATOMIC_RELAXED);
    *frame = (const void *)((const uint8_t *)frames + (offset / (PAGE_SIZE / entry) & 511 * entry));
    return true;
}

// The slab that an address lies in, or slab_none.
static inline struct slab *directory_find(const struct object_directory *directory,
                                          const void *address) {
    const struct directory_frame *frame;
    if (!directory_frame(directory, address, &frame) ||
        __atomic_load_n(&frame->numbers, __ATOMIC_ACQUIRE) == 0) {
        return (struct slab *)&slab_none;
    }
    return slab_of(__atomic_load_n(&frame->handed, __ATOMIC_RELAXED));
}

static inline struct slab *object_find(const struct object_heap *heap, const void *address) {
    return directory_find(&heap->directory, address);
}

// The slab that an address lies in and the byte of the object that begins there; false when none
// does. A number n is divisible by d exactly when n times the reciprocal, of which only 64 bits are
// kept, is less than the reciprocal (D. Lemire et al., 2019).
static inline __attribute__((always_inline)) bool
directory_object(const struct object_directory *directory, const void *address, struct slab **slab,
                 uint8_t **handed) {
    const struct directory_frame *frame;
    if (!directory_frame(directory, address, &frame)) {
        return false;
    }
    uint64_t numbers = __atomic_load_n(&frame->numbers, __ATOMIC_ACQUIRE);
    uint32_t offset = (uint32_t)(uint64_t)address + ((uint32_t)numbers << PAGE_SHIFT);
    unsigned __int128 product = (unsigned __int128)offset * numbers;
    if (__builtin_expect((uint64_t)product >= numbers, false)) {
        return false;
    }
    uint8_t *first = __atomic_load_n(&frame->handed, __ATOMIC_RELAXED);
    *slab = slab_of(first);
    *handed = first + (uint64_t)(product >> 64);
    return true;
}

// The number of the object of a slab that an address lies in, which may be one behind the last.
// False when the object does not begin there.
static inline bool slab_index(const struct slab *slab, const void *address, uint64_t *index) {
    uint64_t offset = (uint64_t)address - (uint64_t)slab->base;
    *index = offset / slab->cache->size;
    return offset % slab->cache->size == 0;
}

// Tells a tool that looks at every access that an object is free. Not with the option debug, where
// the allocator itself looks at free objects.
static inline void object_hide(const struct object_cache *cache, const void *object) {
    if (!cache->heap->options.debug) {
        port_memory_hide(object, cache->size);
    }
}

// Takes an object out of a magazine; NULL when it has none. The gate is held.
static inline __attribute__((always_inline)) void *object_pop(struct magazine *magazine) {
    uint64_t count;
    if (__builtin_expect(__builtin_sub_overflow(magazine->count, UINT64_C(1), &count), false)) {
        return NULL;
    }
    magazine->count = count;
    handed_write(magazine->handed[count], HANDED_OUT);
    void *object = magazine->objects[count];
    __builtin_assume(object != NULL);
    return object;
}

static inline bool object_is_full(const struct object_cpu *part) {
    return part->magazine.count == part->capacity;
}

// Puts an object into the magazine; false when that is full. The gate is held.
static inline __attribute__((always_inline)) bool object_push(struct object_cpu *part, void *object,
                                                              uint8_t *handed) {
    struct magazine *magazine = &part->magazine;
    uint64_t count = magazine->count;
    if (__builtin_expect(object_is_full(part), false)) {
        return false;
    }
    handed_write(handed, IN_STOCK);
    magazine->objects[count] = object;
    magazine->handed[count] = handed;
    magazine->count = count + 1;
    return true;
}

// Puts an object straight back into its slab, which is this CPU's own; false when somebody has to
// look at the slab. The gate is held.
static inline __attribute__((always_inline)) bool object_return_quick(struct slab *slab,
                                                                      uint8_t *handed) {
    uint32_t room;
    if (__builtin_expect(__builtin_sub_overflow(slab->room, 1u, &room), false)) {
        return false;
    }
    slab->room = room;
    handed_return(handed);
    return true;
}

// The same for the slab that this CPU visits; false for any other.
static inline __attribute__((always_inline)) bool
object_return_visiting(struct object_cpu *part, const struct slab *slab, uint8_t *handed) {
    if (__builtin_expect(part->visited != slab, false)) {
        return false;
    }
    part->brought++;
    handed_return(handed);
    return true;
}

// How many objects it has left.
static inline uint32_t slab_objects(const struct slab *slab) {
    return (uint32_t)slab->count - slab->gone;
}

// The bytes that it has left.
static inline uint64_t slab_size(const struct slab *slab) {
    return (PAGE_SIZE << slab->order) - slab->trimmed * PAGE_SIZE;
}

// All that it has is in it, and no list and no visitor knows it.
static inline bool slab_is_empty(const struct slab *slab) {
    return slab->stock == slab_objects(slab) && slab->returned_and_room == 0 && slab->visitors == 0;
}

static inline uint32_t slab_returned(const struct slab *slab) {
    return slab->returned_and_room - slab->room;
}

// records.c: the directory and the descriptors.
// Cleared; NULL without memory.
void *record_alloc(struct object_heap *heap, size_t bytes, unsigned flags);
void record_free(struct object_heap *heap, void *record);
// Makes the directory ready to know the frames of `bytes` from an address. False without memory.
bool directory_prepare(struct object_heap *heap, const void *address, uint64_t bytes,
                       unsigned flags);
void directory_set(struct object_heap *heap, const void *address, uint64_t bytes,
                   const struct slab *slab);
bool object_take_pages(struct object_heap *heap, unsigned order, unsigned flags,
                       enum page_owner owner, pfn_t *first);

// How many objects a slab of this order has.
uint64_t slab_fits(const struct object_cache *cache, unsigned order);

// slab.c: slabs come and go. No lock is held.
struct slab *slab_create(struct object_cpu *part, unsigned flags); // NULL without memory
void slab_release(struct slab *slab);
void slab_list_add(struct slab **list, struct slab *slab);
void slab_list_remove(struct slab *slab);

// heap.c: a part's slabs by address, the highest first.
void slab_heap_insert(struct slab *slab);
void slab_heap_remove(struct slab *slab);

// cpu.c: a part of a cache.
struct object_cpu *object_part_create(struct object_cache *cache, unsigned flags);
// Takes an object, in whatever way; NULL without memory. The gate is held.
void *object_take(struct object_cpu *part, unsigned flags);
// Puts an object that is HANDED_OUT back. The gate is held.
void object_put(struct object_cpu *part, struct slab *slab, void *object, uint8_t *handed);
// The same without a gate, straight from and into the slabs.
void *object_take_around(struct object_cpu *part, unsigned flags);
void object_put_around(struct object_cache *cache, void *object, uint8_t *handed);
// Empties the magazines. The gate is held.
void object_part_empty(struct object_cpu *part);
// Gives the empty slabs of a cache back.
void object_release_empty(struct object_cache *cache);
// Counts objects that came back into a slab. True when it is empty and has to be released; then no
// list knows it any more. The lock is held.
bool slab_stock_up(struct slab *slab, uint64_t objects);

// returns.c: objects that go straight back to their slab. The gate of the slab's home is held.
void object_return_home(struct slab *slab, uint8_t *handed);
// Puts what was returned into its slabs: of as many slabs as wanted, the latest first.
void object_harvest(struct object_cpu *part, uint64_t slabs);
// The same for all slabs of a cache, which nobody's gate is needed for; the lock is.
void object_claim_returned(struct object_cache *cache);
// The same for those slabs of a part that others visit.
void object_claim_visited(struct object_cpu *part);
// A part leaves the slab that it visits, and visits another CPU's unless NULL. Its gate is held.
void object_visit(struct object_cpu *part, struct slab *slab);

// cache.c: what the quick ways cannot do. The caller is the public function's.
void *object_alloc_slow(struct object_cache *cache, unsigned flags, size_t size,
                        const void *caller);
void object_free_slow(struct object_heap *heap, void *object, struct object_cache *cache,
                      const void *caller);

// large.c: objects in pages of their own.
paddr_t object_ceiling(unsigned flags); // what OBJECT_BELOW_… ask for
void *large_alloc(struct object_heap *heap, size_t size, size_t align, unsigned flags,
                  const void *caller);
void large_free(struct object_heap *heap, struct slab *slab, const void *caller);
// Forgets it and gives its pages back.
void large_release(struct object_heap *heap, struct slab *slab);
// The same as large_alloc for something that grows: with free memory behind it, if there is some.
void *large_alloc_to_grow(struct object_heap *heap, size_t size, unsigned flags);
// Makes a large object longer or shorter where it is. False, with nothing changed, when that cannot
// be, and when it is none.
bool large_resize(struct object_heap *heap, void *memory, size_t size, unsigned flags);

// trim.c: gives back the pages of a cache's slabs that none of their objects needs. Nothing while a
// watch looks at the page allocator.  The lock is held.
void object_trim(struct object_cache *cache);
// Gives back what pages a slab has; the directory forgets them.
void slab_give_pages(struct slab *slab);
// Whether a page was given back, and no object is left that needs it.
bool slab_page_went(const struct slab *slab, uint64_t page);

// Pages of a slab that follow one another, and the objects [first, end) in them.
struct slab_piece {
    uint8_t *begin;
    uint64_t bytes;
    unsigned first, end;
};

// That in which an address of the slab lies. All of the slab, unless it was trimmed.
struct slab_piece slab_piece_at(const struct slab *slab, const void *address);

// misuse.c: says what is wrong with an address that was given back, and stops. `cache`: the one it
// was given to, or NULL for kmalloc.
_Noreturn void object_wrong_size(struct object_heap *heap, const void *memory, size_t freed_as,
                                 size_t expected, size_t there);
_Noreturn void object_misuse(struct object_heap *heap, const struct object_cache *cache,
                             const void *address);
// The same for another function than a free: its name, and what is wrong when the caller knows that
// better, or NULL.
_Noreturn void object_misuse_by(struct object_heap *heap, const struct object_cache *cache,
                                const void *address, const char *call, const char *wrong);

// A random number for everything that is not a secret for long (S. Vigna's splitmix64).
static inline uint64_t object_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
