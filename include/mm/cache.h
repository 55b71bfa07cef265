// SPDX-License-Identifier: MIT
// Object caches: objects of one size, cut from slabs, and what all caches share.
//
//    cache "inode", 192 bytes
//      CPU 0: a magazine of 64 objects   <── refill, flush: under one lock ──>   slabs
//      CPU 1: …                                                           the highest address first
//
//    slab:  [obj][obj][obj][obj] …   2^order frames        descriptor, kept apart:
//            nothing of the allocator's lies in here  <──>    a byte an object: handed out
//                                                             a bit an object: in the slab
//
// Everything that the allocator knows of an object lies outside of it. There are no links in free
// objects, so nothing for a use-after-free to corrupt, and free memory is not touched; a free looks
// at the object's byte, so a double free is caught always. The slab of a pointer is found through a
// directory of two levels (2 MiB, one frame), which knows every frame of every slab and nothing
// else: so a pointer that never came from here is caught before anything is done with it.
//
// A CPU takes objects from the top of its magazine and puts them there: without a lock, an atomic
// operation, or disabling interrupts. It holds its gate meanwhile (port_cpu_gate), an ordinary
// variable; an interrupt that finds the gate held goes to the slabs. (Magazines: J. Bonwick and J.
// Adams, USENIX 2001.) What another CPU has allocated goes into one's own magazine like everything
// else, and back to its slab 32 at a time; or straight back, without a lock, where many of one slab
// are freed in a row.
//
// Objects of a fresh slab are handed out in random order.
//
// Any context but NMI may call everything here that does not say otherwise.
#pragma once

#include <mm/page.h>

// Flags of an allocation.
enum {
    OBJECT_ZERO = 1,      // cleared
    OBJECT_ATOMIC = 2,    // may use what the page allocator keeps for those who cannot wait
    OBJECT_BELOW_4G = 4,  // for devices: kmalloc only, in whole pages
    OBJECT_BELOW_16M = 8, // the same
};

struct object_cpu;      // mm/object/internal.h
struct slab;            // mm/object/internal.h
struct directory_frame; // mm/object/internal.h
struct object_heap;

#define OBJECT_SIZE_MAX  (UINT64_C(64) * 1024) // of an object of a cache, in bytes
#define OBJECT_ALIGN_MAX OBJECT_SIZE_MAX
#define OBJECT_NAME_MAX  24

#define OBJECT_RECORD_KINDS 8 // sizes of descriptors

// The directory: which slab a frame belongs to, by 2 MiB, then by frame.
struct object_directory {
    struct directory_frame **regions;
    uint64_t region_count;
};

// One cache. Fields are private to mm/object/. With 16 CPUs it has 512 bytes, so that in kmalloc's
// array the way to one is a shift.
struct object_cache {
    // The CPUs' parts, by what a CPU's gate says; the closed one while it is held, until the CPU
    // first allocates, and where every call takes the slow way.
    _Alignas(256) struct object_cpu *quick[PORT_CPU_MAX + 2];
    struct object_cpu *cpus[PORT_CPU_MAX]; // all of them; the closed one where there is none
    struct object_directory directory;     // the heap's
    struct object_heap *heap;
    void (*construct)(void *object);
    uint32_t size;   // of a slot: the object, rounded up to its alignment
    uint32_t wanted; // the object, as asked for
    uint32_t align;
    uint32_t lead;              // bytes of a slab before its first object (the option debug)
    uint8_t first_order, order; // of the first slab of a CPU, and of later ones
    bool is_class;              // of kmalloc
    bool guarded;               // its objects get pages of their own (mm/object_guard.h)
    char name[OBJECT_NAME_MAX];
    struct object_cache *next;
    // What changes, and the lock of it: in a line of its own, for every free looks at the others.
    _Alignas(64) struct lock lock;
    struct slab *slabs; // all of them
    uint32_t slab_count, slab_peak;
    uint32_t empty_slabs;    // of these, with all objects in them
    uint64_t bytes;          // of all slabs
    uint64_t released_pages; // that ever went back
    uint64_t around;         // calls that came in the middle of another of their CPU
};

// How a heap behaves beside the usual. All of it makes every call take the slow way.
struct object_options {
    bool zero_on_alloc; // every object is cleared when it is handed out,
    bool zero_on_free;  // or when it is given back; not those with a constructor
    bool debug;         // red zones, poison, quarantine, call sites (mm/object_debug.h)
    uint64_t seed;      // of the random orders
};

// What all caches over one page allocator share: the directory and the descriptors.
struct object_heap {
    struct page_allocator *pages;
    struct object_directory directory;
    struct directory_frame *no_frames; // what 2 MiB without slabs have
    struct object_guard *guard;        // with the option debug, or NULL (mm/object_guard.h)
    struct object_options options;
    // What changes: in other lines than the directory, which every free looks at.
    _Alignas(64) struct lock lock; // of the directory's growth, the descriptors, the large objects
    struct lock list;              // of the list of caches
    struct record_page *record_pages[OBJECT_RECORD_KINDS]; // with free descriptors
    uint64_t record_page_count, directory_pages;
    struct object_cache *caches;
    struct mempool *pools; // over these caches (mm/mempool.h)
    uint64_t random;
    bool shrinking[PORT_CPU_MAX]; // CPUs that are in object_heap_shrink
    uint64_t large_pages;         // in large objects (kmalloc)
    uint64_t large_count;
    struct slab *large;                       // their descriptors
    void **quarantine;                        // with the option debug: freed objects,
    uint64_t quarantined;                     // and how often one was put there
    struct slab *large_oldest, *large_newest; // likewise large ones, and how many pages they have
    uint64_t large_waiting_pages;
};

// Makes a heap over `pages`. False, with nothing taken, when there is no memory for the directory
// (8 KiB, and 4 KiB for each GiB). `options` may be NULL: the usual.  O(GiB of memory).
bool object_heap_init(struct object_heap *heap, struct page_allocator *pages,
                      const struct object_options *options);

// Gives the directory and the descriptors back. Every cache of the heap was destroyed before, and
// no large object is left; otherwise false, with nothing changed. No other CPU may use the heap.
bool object_heap_destroy(struct object_heap *heap);

// Makes an empty cache, in the caller's storage. `align` is a power of two, or 0: 8 bytes, and for
// a size that is a power of two the size itself. `construct`, or NULL, is called once for each
// object when its slab is made; objects are given back in the state that it left them in. `name` is
// copied, cut to OBJECT_NAME_MAX - 1. False when the size is 0 or it or the alignment beyond
// OBJECT_SIZE_MAX. Takes no memory.  Not from an interrupt.
bool object_cache_init(struct object_cache *cache, struct object_heap *heap, const char *name,
                       size_t size, size_t align, void (*construct)(void *object));

// How many objects are handed out, and where they are.
struct object_leaks {
    uint64_t objects;
    const void *first[8]; // up to 8 of them
};

// Gives all memory of a cache back and takes it off its heap. Refuses when objects are handed out:
// false, with the cache as it was and, unless NULL, `*leaks` filled in. No other CPU may use the
// cache.  Not from an interrupt.
bool object_cache_destroy(struct object_cache *cache, struct object_leaks *leaks);

// Takes an object; NULL when there is no memory. Its content is what the constructor, or whoever
// had it before, left (OBJECT_ZERO: nothing but zeros; not with a constructor).
// O(1), and O(slabs with room) amortised logarithmically once in a few dozen calls.
static inline void *object_alloc(struct object_cache *cache, unsigned flags);

// The same without flags, in fewer instructions: what object_alloc becomes when there are none.
void *object_alloc_plain(struct object_cache *cache);
void *object_alloc_flags(struct object_cache *cache, unsigned flags);

static inline void *object_alloc(struct object_cache *cache, unsigned flags) {
    return __builtin_constant_p(flags) && flags == 0 ? object_alloc_plain(cache)
                                                     : object_alloc_flags(cache, flags);
}

// Gives an object back; NULL is nothing. Panics when it is not one that this cache has handed out,
// naming it, its class, its slab and whose it is.  O(1).
void object_free(struct object_cache *cache, void *object);

// Gives back what is free and kept: this CPU's magazines, the reserve of one empty slab a cache,
// and the pages of slabs in use that no object needs. Returns how many pages. What other CPUs have
// in magazines stays there, and the slab of each cache that each of them was last freeing to.
// Nothing while this CPU is in it already.  O(caches + slabs).
uint64_t object_heap_shrink(struct object_heap *heap);

// How a cache stands.
struct object_statistics {
    const char *name;
    uint32_t size; // of a slot
    uint64_t slabs, slabs_peak;
    uint64_t objects; // that fit into the slabs
    uint64_t in_use;  // of these, handed out
    uint64_t bytes;   // of the slabs
    uint64_t guarded; // objects beside them that are handed out, in pages of their own,
    uint64_t guarded_bytes;
};

// Counted from the slabs' bits.  O(slabs).
void object_cache_statistics(struct object_cache *cache, struct object_statistics *statistics);

// What a CPU keeps of a cache in its magazine: how many objects, and how many at most. Both are 0
// while it has never allocated from it. Takes no lock: see page_cpu_report.  O(1).
void object_cache_kept(const struct object_cache *cache, unsigned cpu, uint64_t *objects,
                       uint64_t *room);

// What a heap needs beside its slabs: the directory and the descriptors, in bytes.
uint64_t object_heap_overhead(const struct object_heap *heap);

enum object_kind {
    OBJECT_FOREIGN,  // no memory of this heap
    OBJECT_FREE,     // a free object
    OBJECT_IN_USE,   // an object that is handed out
    OBJECT_LARGE,    // one in pages of its own
    OBJECT_NO_OBJECT // the rest of a slab, behind its last object or before its first
};

// What the heap knows of an address.
struct object_info {
    enum object_kind kind;
    const char *cache; // its name; "large"
    void *object;      // the first byte of the object that the address lies in; NULL: in none
    uint64_t size;     // of its slot, or of the pages
    void *slab;        // the first byte of the slab
    uint64_t slab_bytes;
    unsigned index;  // of the object in the slab; of no object: 0 before the first, or how many
    unsigned cpu;    // whose slab it is; PORT_CPU_MAX: a large object's, or a guarded one's
    bool guarded;    // it has pages of its own instead of a slab; the size is what was asked for
    bool freed;      // a large object that waits for its pages to go back (the option debug)
    uint64_t wanted; // of a large object: the bytes that were asked for
    uint32_t allocated_by, freed_by; // likewise, with the option: offsets in the program's text
};

// Looks an address up.  O(1), for the inside of large objects O(large objects).
struct object_info object_inspect(struct object_heap *heap, const void *address);

#define OBJECT_BLOCK_WORDS 8

// A slab, or what is left of one in one piece, or a large object.
struct object_block {
    struct object_info info;             // its first object; OBJECT_LARGE: the large object
    unsigned objects;                    // of a slab, at least one
    uint64_t in_use[OBJECT_BLOCK_WORDS]; // bits: objects that are handed out
};

// The slab or large object that begins at or above the physical address `*at` and nearest to it,
// which is moved to its end; false when there is none. Others may use the heap meanwhile: each
// block is as it was at one moment, and what is there throughout is seen once.
// O(objects of the block), and O(memory / 2 MiB + frames of 2 MiB with slabs) for all blocks.
bool object_block_next(struct object_heap *heap, paddr_t *at, struct object_block *block);

// Why giving an address back to a cache (NULL: to kmalloc) would be refused: "double free",
// "interior", "wrong cache", "no object" (behind the last of a slab) or "foreign"; NULL when it
// would not.  O(1), for the inside of large objects O(large objects).
const char *object_refusal(struct object_heap *heap, const struct object_cache *cache,
                           const void *address);

// NULL, or the sentence that does not hold. Nobody else may use the heap meanwhile.
// O(slabs + frames of slabs).
const char *object_check(struct object_heap *heap);
